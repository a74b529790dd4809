"""The versions of the run file's schema: an ordered list of functions, a table of those applied, and what it all means.

A change of the schema is a new function at the end of the list, never an edit of an earlier one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Literal

import duckdb

from ...personas.database import has_table
from ...personas.errors import RunFileError
from ...personas.hub.schema import check_hub_version, migrate_hub, people_schema

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    version INTEGER PRIMARY KEY,
    name VARCHAR NOT NULL,
    applied_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE migrations IS 'Which versions of this schema the file has gone through';
COMMENT ON COLUMN migrations.version IS 'Version, from 1';
COMMENT ON COLUMN migrations.name IS 'What the version brought';
COMMENT ON COLUMN migrations.applied_at IS 'UTC';
"""


def _script(name: str) -> str:
    return files(__package__).joinpath("sql", name).read_text(encoding="utf-8")


def _initial(con: duckdb.DuckDBPyConnection) -> None:
    # A hub in which a job begins has its people already.
    if not con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'personas'").fetchall():
        con.execute(people_schema())
    con.execute(_script("001_initial.sql"))


_MIGRATIONS: tuple[tuple[str, Callable[[duckdb.DuckDBPyConnection], None]], ...] = (("initial", _initial),)

#: The version that this Populace writes and reads.
SCHEMA_VERSION = len(_MIGRATIONS)


def migrate(con: duckdb.DuckDBPyConnection) -> None:
    """Bring the schema to `SCHEMA_VERSION`, from nothing, from a hub or from any earlier version; renew the views.

    All of it happens in the caller's transaction, or each statement in its own when there is none.
    """
    con.execute(_TABLE)
    applied = _version(con)
    for version, (name, apply) in enumerate(_MIGRATIONS, start=1):
        if version > applied:
            apply(con)
            applied_at = datetime.now(UTC).replace(tzinfo=None)
            con.execute("INSERT INTO migrations VALUES (?, ?, ?)", [version, name, applied_at])
    if applied < SCHEMA_VERSION:
        con.execute(_script("views.sql"))


def check_schema(con: duckdb.DuckDBPyConnection, path: str, *, hubs: bool = False) -> None:
    """Raise `RunFileError` when the database is no run file, or one of a schema that this version does not know.

    With `hubs`, a hub that holds jobs but no run is accepted. Raises `SourceError` when it is the schema of its people
    that is newer.
    """
    if not has_jobs(con):
        if is_early(con):
            raise RunFileError(
                f"{path!r} was written by a development version of Populace from before the first release, which this "
                f"one does not read; make it anew."
            )
        raise RunFileError(f"{path!r} is a DuckDB database but no run file; give the path that a run was written to.")
    version = _version(con)
    if version > SCHEMA_VERSION:
        raise RunFileError(
            f"{path!r} has version {version} of the run file's schema and this Populace knows versions up to "
            f"{SCHEMA_VERSION}; upgrade Populace (pip install --upgrade populace)."
        )
    if not hubs and con.execute("SELECT 1 FROM runs").fetchone() is None:
        raise RunFileError(f"{path!r} is a hub but no run file; give the path that a run was written to.")
    check_hub_version(con, path)


def has_jobs(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database has the tables of jobs: it is a run file, or a hub in which a job has begun."""
    return all(has_table(con, table) for table in ("jobs", "phases", "migrations"))


def is_early(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a development version from before the first release wrote it."""
    return has_table(con, "migrations") and (has_table(con, "runs") or has_table(con, "jobs")) and not has_jobs(con)


def is_current(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the schema is the one that this Populace writes and reads."""
    return _version(con) == SCHEMA_VERSION


def _version(con: duckdb.DuckDBPyConnection) -> int:
    ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchall()
    return int(version)


_ENTRIES = """
SELECT 'table', table_name, comment FROM duckdb_tables()
UNION ALL
SELECT 'view', view_name, comment FROM duckdb_views() WHERE NOT internal
ORDER BY 1, 2
"""

_COLUMNS = """
SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal
ORDER BY table_name, column_index
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its DuckDB type, and what it means."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """A table or view: its name, what it holds, and its columns in order."""

    kind: Literal["table", "view"]
    name: str
    comment: str
    columns: tuple[Column, ...]


def describe(*, hubs: bool = False) -> list[SchemaEntry]:
    """Every table and then every view of a new run file, by name; with what work on a hub brings, if asked for."""
    with duckdb.connect() as con:
        migrate(con)
        if hubs:
            migrate_hub(con)
        columns: dict[str, list[Column]] = {}
        for table, name, type_, comment in con.execute(_COLUMNS).fetchall():
            columns.setdefault(table, []).append(Column(name, type_, comment or ""))
        found = con.execute(_ENTRIES).fetchall()
    return [SchemaEntry(kind, name, comment or "", tuple(columns[name])) for kind, name, comment in found]
