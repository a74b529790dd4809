from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from populace.core.errors import RunFileError
from populace.sim.runfile.database import SCHEMA_VERSION, SchemaEntry, describe, make_schema
from populace.sim.runfile.job_rows import JobRow
from populace.sim.runfile.reader import open_hub_or_run, open_run
from populace.sim.runfile.runlog import RunLog

PROMISED = {
    "jobs",
    "markers",
    "personas",
    "relations",
    "emissions",
    "messages",
    "duplicates",
    "calls",
    "failures",
}
VIEWS = ("runs", "growth", "growth_chunks", "steps", "said", "threads", "spoke_to", "living_relations", "cost")
OF_HUBS = {"imports", "profiles", "biographies", "contradictions", "elites", "selections", "vectors", "rule_results"}


@pytest.mark.parametrize("entry", describe(hubs=True), ids=lambda entry: entry.name)
def test_every_table_view_and_column_says_what_it_means(entry: SchemaEntry) -> None:
    assert entry.comment
    assert [column.name for column in entry.columns if not column.comment] == []


def test_promised_tables_and_views_are_there() -> None:
    kinds = {entry.name: entry.kind for entry in describe()}
    assert kinds.keys() >= PROMISED
    assert {entry.name for entry in describe(hubs=True)} >= PROMISED | OF_HUBS
    assert {kinds[view] for view in VIEWS} == {"view"}


def test_another_schema_is_another_version() -> None:
    columns = [
        (entry.name, one.name, one.type) for entry in describe() if entry.kind == "table" for one in entry.columns
    ]
    assert (SCHEMA_VERSION, sha256(repr(columns).encode()).hexdigest()[:16]) == (8, "ab17b54eb43892e5")


def test_a_file_says_the_version_that_it_was_made_with() -> None:
    with duckdb.connect() as con:
        make_schema(con)
        assert con.execute("SELECT version FROM migrations").fetchall() == [(SCHEMA_VERSION,)]


def test_a_file_from_before_the_first_release_is_refused(path: Path) -> None:
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE runs (run VARCHAR)")
        con.execute("CREATE TABLE migrations (version INTEGER)")
    for opened in (open_run, open_hub_or_run, RunLog.open):
        with pytest.raises(RunFileError, match="development version of Populace from before the first release"):
            opened(path).query("SELECT 1")


@pytest.mark.parametrize(
    ("version", "way_out"),
    [(99, "upgrade Populace"), (SCHEMA_VERSION - 1, "export it with the Populace that wrote it, or make it anew")],
)
def test_another_version_is_refused_with_both_versions_and_the_way_out(
    path: Path, run_row: JobRow, version: int, way_out: str
) -> None:
    RunLog.create(path, run_row).close()
    with duckdb.connect(path) as con:
        con.execute("UPDATE migrations SET version = ?", [version])
    for opened in (open_run, open_hub_or_run, RunLog.open):
        with pytest.raises(RunFileError, match=rf"version {version} .* version {SCHEMA_VERSION} alone; {way_out}"):
            opened(path).query("SELECT 1")


class TestWhatIsNoRunFile:
    @staticmethod
    def sentence(path: Path) -> str:
        with pytest.raises(RunFileError) as reading:
            open_run(path).query("FROM runs")
        with pytest.raises(RunFileError) as writing:
            RunLog.open(path)
        assert str(reading.value) == str(writing.value)
        return str(reading.value)

    def test_a_missing_file(self, path: Path) -> None:
        assert "There is no run file" in self.sentence(path)

    def test_a_folder(self, tmp_path: Path) -> None:
        assert "is a folder" in self.sentence(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x00" * 20_000])
    def test_another_kind_of_file(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        assert "is no run file, nor any DuckDB database" in self.sentence(path)

    @pytest.mark.parametrize("table", ["runs", "migrations", "personas"])
    def test_another_database(self, path: Path, table: str) -> None:
        with duckdb.connect(path) as con:
            con.execute(f"CREATE TABLE {table} (version VARCHAR)")
        assert "is a DuckDB database but no run file" in self.sentence(path)

    def test_half_a_run_file(self, path: Path, run_row: JobRow) -> None:
        RunLog.create(path, run_row).close()
        path.write_bytes(path.read_bytes()[:100_000])
        assert "run.duckdb" in self.sentence(path)
