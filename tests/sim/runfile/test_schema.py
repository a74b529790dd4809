from pathlib import Path

import duckdb
import pytest

from populace.personas.errors import RunFileError
from populace.sim.runfile import database
from populace.sim.runfile.database import SCHEMA_VERSION, SchemaEntry, describe, migrate
from populace.sim.runfile.job_rows import RunRow, job_of
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


def test_migrating_twice_changes_nothing() -> None:
    with duckdb.connect() as con:
        migrate(con)
        migrate(con)
        names = [name for name, _ in database._MIGRATIONS]
        assert con.execute("SELECT version, name FROM migrations").fetchall() == list(enumerate(names, start=1))


def test_an_earlier_version_is_brought_up_to_date_when_it_is_read(
    path: Path, run_row: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunLog.create(path, job_of(run_row)).close()
    added = ("colour", lambda con: con.execute("ALTER TABLE jobs ADD COLUMN colour VARCHAR"))
    monkeypatch.setattr(database, "_MIGRATIONS", (*database._MIGRATIONS, added))
    newest = database.SCHEMA_VERSION + 1
    monkeypatch.setattr(database, "SCHEMA_VERSION", newest)
    with open_run(path) as run:
        assert run.query("SELECT colour FROM jobs").rows == [(None,)]
        assert run.query("SELECT max(version) FROM migrations").rows == [(newest,)]


def test_a_file_from_before_the_first_release_is_refused(path: Path) -> None:
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE runs (run VARCHAR)")
        con.execute("CREATE TABLE migrations (version INTEGER)")
    for opened in (open_run, open_hub_or_run, RunLog.open):
        with pytest.raises(RunFileError, match="development version of Populace from before the first release"):
            opened(path).query("SELECT 1")


@pytest.fixture
def newer(path: Path, run_row: RunRow) -> Path:
    RunLog.create(path, job_of(run_row)).close()
    with duckdb.connect(path) as con:
        con.execute("INSERT INTO migrations VALUES (99, 'of the future', now()::TIMESTAMP)")
    return path


def test_a_newer_schema_names_both_versions_and_the_way_out(newer: Path) -> None:
    with pytest.raises(RunFileError, match=rf"version 99 .* up to {SCHEMA_VERSION}; upgrade Populace"):
        open_run(newer).query("FROM runs")
    with pytest.raises(RunFileError, match="upgrade Populace"):
        RunLog.open(newer)


def test_an_unfinished_migration_leaves_nothing(path: Path, run_row: RunRow, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("ALTER TABLE jobs ADD COLUMN colour VARCHAR")
        raise RuntimeError

    RunLog.create(path, job_of(run_row)).close()
    with monkeypatch.context() as later:
        later.setattr(database, "_MIGRATIONS", [*database._MIGRATIONS, ("colour", broken)])
        later.setattr(database, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
        with pytest.raises(RuntimeError):
            RunLog.open(path)
    with open_run(path) as run:
        assert run.query("SELECT max(version) FROM migrations").rows == [(SCHEMA_VERSION,)]
        assert "colour" not in run.query("FROM jobs").columns


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

    def test_half_a_run_file(self, path: Path, run_row: RunRow) -> None:
        RunLog.create(path, job_of(run_row)).close()
        path.write_bytes(path.read_bytes()[:100_000])
        assert "run.duckdb" in self.sentence(path)
