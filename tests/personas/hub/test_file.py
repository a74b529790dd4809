"""Hubs that are not what they should be: half made, damaged, interrupted, or without room."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from populace.core.database import is_made
from populace.core.errors import SourceError
from populace.personas.hub import create_hub, describe_hub, merge_hubs, open_hub
from populace.personas.persona import content_id

_PEOPLE = """
INSERT INTO personas BY NAME
SELECT md5('p' || n) AS id, n AS ordinal, 'import' AS origin, 0 AS hop, 'en' AS language,
       repeat(md5('text' || n), 20) AS text
FROM range(20000) AS t(n)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub of several blocks."""
    path = tmp_path_factory.mktemp("whole") / "whole.duckdb"
    with create_hub(path) as hub:
        hub.con.execute(_PEOPLE)
        texts = [str(text) for (text,) in hub.con.execute("SELECT text FROM personas").fetchall()]
        ids = pa.table({"id": [content_id(text) for text in texts], "text": texts})
        hub.con.register("ids", ids)
        hub.con.execute("UPDATE personas SET id = ids.id FROM ids WHERE ids.text = personas.text")
    return path


@pytest.fixture(params=["cut", "altered"])
def damaged(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> Path:
    """The same cut off in the middle, or with other bytes there."""
    path = Path(shutil.copy(whole, tmp_path / "damaged.duckdb"))
    middle = path.stat().st_size // 2
    with path.open("r+b") as file:
        if request.param == "cut":
            file.truncate(middle)
        else:
            for place in range(1 << 19, path.stat().st_size, 1 << 12):
                file.seek(place)
                file.write(b"\xff" * 64)
    return path


def _in_process(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_database_that_was_about_to_be_made_is_made(tmp_path: Path) -> None:
    path = tmp_path / "people.duckdb"
    duckdb.connect(path).close()
    assert path.exists()
    assert not is_made(path)
    with create_hub(path) as hub:
        assert describe_hub(hub).personas == 0
    assert is_made(path)


def test_what_holds_anything_is_not_made_over(tmp_path: Path) -> None:
    path = tmp_path / "people.duckdb"
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE mine (n INTEGER)")
    with pytest.raises(SourceError, match="exists already"):
        create_hub(path)


@pytest.mark.slow
def test_a_damaged_hub_is_called_that(damaged: Path) -> None:
    said = r"damaged\.duckdb' is damaged \(.+\); restore it from a copy"
    with pytest.raises(SourceError, match=said), open_hub(damaged) as hub:
        hub.con.execute("SELECT max(text) FROM personas").fetchall()


@pytest.mark.slow
def test_of_hubs_that_are_united_the_damaged_one_is_named(damaged: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"damaged\.duckdb' is damaged"):
        merge_hubs([whole, damaged], tmp_path / "united.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.duckdb"]


@pytest.mark.parametrize("name", ["people.jsonl", "people.csv", "people.parquet", "people.txt"])
def test_a_file_of_text_is_no_hub_whatever_its_ending(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"persona": "A baker."}\n')
    for write in (False, True):
        with pytest.raises(SourceError, match=f"{name}' is no hub, nor any DuckDB database"):
            _ = open_hub(path, write=write).con
    assert path.read_text() == '{"persona": "A baker."}\n'


def test_a_table_of_people_without_texts_is_no_hub(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "mine.duckdb") as con:
        con.execute("CREATE TABLE personas (foo VARCHAR, id VARCHAR)")
    with pytest.raises(SourceError, match="has a table personas without the column hop"):
        _ = open_hub(tmp_path / "mine.duckdb").con


def test_tables_of_other_columns_are_no_hub(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "mine.duckdb") as con:
        con.execute("CREATE TABLE personas AS SELECT '1' AS id, 'A baker.' AS text")
        con.execute("CREATE TABLE duplicates AS SELECT '1' AS persona, '2' AS \"of\"")
    for write in (False, True):
        with pytest.raises(SourceError, match=r"has a table duplicates without the column .*`populace hub import`"):
            _ = open_hub(tmp_path / "mine.duckdb", write=write).con


_NO_ROOM = """
import resource, sys
from populace.core.errors import StorageError
from populace.personas.hub import create_hub
with create_hub(sys.argv[1]) as hub:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        with hub.writing() as con:
            con.execute(sys.argv[2])
    except StorageError as error:
        print(error)
"""


def test_without_room_it_says_so(tmp_path: Path) -> None:
    said, _ = _in_process(_NO_ROOM, tmp_path / "people.duckdb", _PEOPLE).communicate(timeout=300)
    assert "people.duckdb' cannot be written (" in said
    assert "make room, then go on." in said


def test_without_room_for_anything_an_import_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    monkeypatch.setattr("populace.core.database._write_empty", full)
    with pytest.raises(
        SourceError, match="cannot be written: Could not write file: No space left on device; make room"
    ):
        create_hub(tmp_path / "people.duckdb")
    assert not list(tmp_path.iterdir())


_AT_WORK = """
import sys
from populace.personas.hub import create_hub
try:
    with create_hub(sys.argv[1]) as hub:
        print("at work", flush=True)
        hub.con.execute("SELECT sum(a.n * b.n) FROM range(10000000) a(n), range(10000000) b(n)").fetchall()
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_within_the_database_is_ctrl_c(tmp_path: Path) -> None:
    process = _in_process(_AT_WORK, tmp_path / "people.duckdb")
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=300)
    assert (process.returncode, complaint) == (130, "")
