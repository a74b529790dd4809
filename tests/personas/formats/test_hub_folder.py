"""A whole hub as a folder: an equal hub comes of it, and nothing comes of a folder that is not whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import duckdb
import pytest

from populace.core.database import CONFIG
from populace.core.errors import SetupError, SourceError, StorageError
from populace.personas.formats.exporting import MANIFEST, ExportFormat, export_hub, import_hub_folder, write_hub_folder
from populace.personas.formats.importing import import_files
from populace.personas.hub import HubFile, create_hub, open_hub
from populace.personas.hub.file import HUB_VERSION
from populace.personas.selection import SelectionSpec
from populace.personas.selection import select as choose
from populace.sim.runfile.database import make_schema

_VALUES = {"VARCHAR": "'x'", "JSON": """'{"a": 1}'""", "BOOLEAN": "true", "TIMESTAMP": "now()::TIMESTAMP"}


@pytest.fixture
def hub(tmp_path: Path, made: Path) -> Iterator[HubFile]:
    """A copy of `made`, open."""
    copy(made, tmp_path / "hub.duckdb")
    with open_hub(tmp_path / "hub.duckdb", write=True) as hub:
        yield hub


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub that is a run file too, with two imported people, a selection, and a row in every other table."""
    path = tmp_path_factory.mktemp("made") / "hub.duckdb"
    with duckdb.connect(path, config=dict(CONFIG)) as con:
        make_schema(con)
    with open_hub(path, write=True) as hub:
        (given := path.with_name("p.jsonl")).write_text(
            '{"text": "A pilot", "x": [1]}\n{"text": "A\\u0000baker", "x": "y"}'
        )
        list(import_files(hub, [given]))
        for table, _ in tables(hub):
            if not hub.con.execute(f'FROM "{table}" LIMIT 1').fetchall():
                kinds = hub.con.execute(f'DESCRIBE "{table}"').fetchall()
                hub.con.execute(f'INSERT INTO "{table}" VALUES ({", ".join(value(kind) for _, kind, *_ in kinds)})')
        choose(hub, SelectionSpec(where="text LIKE '%pilot%'", name="pilots"))
        hub.con.execute("CREATE TABLE later (big HUGEINT, place UUID, odd ENUM ('a'), \"of it\" FLOAT[2])")
        hub.con.execute("INSERT INTO later VALUES (2::HUGEINT ** 100, uuid(), 'a', [1.5, 'nan'::FLOAT])")
        hub.con.execute("COMMENT ON TABLE later IS 'It''s new'")
    return path


def value(kind: str) -> str:
    return f"[{value(kind[:-2])}]" if kind.endswith("[]") else _VALUES.get(kind, "1")


def tables(hub: HubFile) -> list[tuple[str, str]]:
    return hub.con.execute("SELECT table_name, sql FROM duckdb_tables() WHERE NOT temporary ORDER BY 1").fetchall()


def held(hub: HubFile) -> dict[str, Any]:
    """All rows of all tables and views in their order, and all that the catalogue says of them."""
    con = hub.con
    views = con.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE NOT (internal OR temporary) ORDER BY 1"
    ).fetchall()
    rows = {name: repr(con.execute(f'FROM "{name}"').fetchall()) for name, _ in (*tables(hub), *views)}
    told = con.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY ALL"
    )
    comments = con.execute("SELECT table_name, comment FROM duckdb_tables() WHERE NOT temporary ORDER BY 1").fetchall()
    return rows | {"tables": tables(hub), "views": views, "columns": told.fetchall(), "comments": comments}


@pytest.fixture(scope="module")
def exported(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is exported of `made`; never to be written to."""
    with open_hub(made) as hub:
        return again(hub, tmp_path_factory.mktemp("exported"))


def again(hub: HubFile, folder: Path) -> Path:
    export_hub(hub, path := folder / "whole", format=ExportFormat.HUB, notice="Made up.")
    return path


def test_an_equal_hub_comes_of_it(hub: HubFile, tmp_path: Path) -> None:
    report = export_hub(hub, tmp_path / "whole", format=ExportFormat.HUB)
    assert report.tables == len(tables(hub))
    told = import_hub_folder(tmp_path / "whole", tmp_path / "again.duckdb")
    hub.con.execute("CHECKPOINT")
    assert told.people == hub.con.execute("SELECT count(*) FROM personas").fetchall()[0][0]
    with open_hub(tmp_path / "again.duckdb") as other:
        was, now = held(hub), held(other)
        assert was.keys() == now.keys()
        for name, rows in was.items():
            assert now[name] == rows, name


@pytest.mark.slow
def test_it_says_whose_text_it_holds_and_is_the_same_each_time(hub: HubFile, tmp_path: Path) -> None:
    folder = again(hub, tmp_path)
    assert json.loads((folder / MANIFEST).read_bytes())["notice"] == "Made up."
    import_hub_folder(folder, tmp_path / "again.duckdb")
    with open_hub(tmp_path / "again.duckdb") as other:
        export_hub(other, tmp_path / "second", format=ExportFormat.HUB, notice="Made up.")
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir() if path.name != MANIFEST}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "is a folder without manifest.json"),
        ("{", "is damaged"),
        ('{"name": "another"}', "is no manifest of a hub"),
        ({"format": 2}, "has format 2 and this Populace knows versions up to 1; upgrade"),
        ({"schema_version": HUB_VERSION + 1}, f"has schema_version {HUB_VERSION + 1} and this Populace knows"),
        ({"tables": [{"name": "x"}]}, "is damaged: tables.0"),
        ({"views": ["CREATE VIEW v AS SELECT 1; DROP TABLE personas"]}, r"views\.0 is 'CREATE VIEW v"),
        ({"indexes": ["COPY personas TO 'x'"]}, r'indexes\.0 is "COPY'),
        ({"tables": [], "views": [], "indexes": [], "comments": []}, "no table personas"),
    ],
)
def test_a_manifest_that_is_not_right_is_one_sentence(exported: Path, tmp_path: Path, change: Any, said: str) -> None:
    manifest = copytree(exported, tmp_path / "whole") / MANIFEST
    if change is None:
        manifest.unlink()
    elif isinstance(change, str):
        manifest.write_text(change)
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_bytes()) | change))
    with pytest.raises(SourceError, match=said):
        import_hub_folder(tmp_path / "whole", tmp_path / "again.duckdb")
    assert not list(tmp_path.glob("again*"))


def test_a_file_that_is_missing_altered_or_outside_is_one_sentence(hub: HubFile, tmp_path: Path) -> None:
    folder = again(hub, tmp_path)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["tables"][0]["file"] = "../hub.parquet"
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(SourceError, match=r"is damaged: tables\.0\.file is '\.\./hub\.parquet'"):
        import_hub_folder(folder, tmp_path / "again.duckdb")
    manifest["tables"][0]["file"] = "personas.parquet"
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(SourceError, match=r"personas\.parquet' is not as manifest\.json has it"):
        import_hub_folder(folder, tmp_path / "again.duckdb")
    (folder / "personas.parquet").unlink()
    with pytest.raises(SourceError, match=r"personas\.parquet' is missing"):
        import_hub_folder(folder, tmp_path / "again.duckdb")


def test_nothing_is_written_over(hub: HubFile, tmp_path: Path) -> None:
    folder = again(hub, tmp_path)
    with pytest.raises(SetupError, match="exists already"):
        again(hub, tmp_path)
    with pytest.raises(SetupError, match="exists already, and a whole hub is imported as a new one"):
        import_hub_folder(folder, tmp_path / "hub.duckdb")
    with pytest.raises(SetupError, match="give neither `select` nor `extras`"):
        export_hub(hub, tmp_path / "third", format=ExportFormat.HUB, select="pilots")


def test_a_disk_that_fills_up_at_the_checkpoint_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise duckdb.FatalException("FATAL Error: Failed to create checkpoint: No space left on device")

    with create_hub(tmp_path / "a.duckdb") as hub:
        write_hub_folder(hub, tmp_path / "folder", notice=None)
    monkeypatch.setattr("populace.personas.formats.exporting.make_database", full)
    with pytest.raises(StorageError, match="No space left on device"):
        import_hub_folder(tmp_path / "folder", tmp_path / "b.duckdb")
