"""The versions of the run file's schema: an ordered list of functions, and a table of those applied.

A change of the schema is a new function at the end of the list, never an edit of an earlier one.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files

import duckdb

from ...personas.errors import RunFileError
from ...personas.hub.schema import check_hub_version, people_schema

__all__ = ["SCHEMA_VERSION", "check_schema", "has_run", "is_current", "migrate"]

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
    con.execute(people_schema())
    con.execute(_script("001_initial.sql"))


def _gateway(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_script("002_gateway.sql"))


def _growth(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_script("003_growth.sql"))


def _turned_away(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_script("005_turned_away.sql"))


def _society(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_script("006_society.sql"))


def _declared(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_script("008_declared.sql"))


_MIGRATIONS: tuple[tuple[str, Callable[[duckdb.DuckDBPyConnection], None]], ...] = (
    ("initial", _initial),
    ("gateway", _gateway),
    ("growth", _growth),
    ("turned away", _turned_away),
    ("society", _society),
    ("declared", _declared),
)

#: The version that this Populace writes and reads.
SCHEMA_VERSION = len(_MIGRATIONS)


def migrate(con: duckdb.DuckDBPyConnection) -> None:
    """Bring the schema to `SCHEMA_VERSION`, from nothing or from any earlier version, and renew the views.

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


def check_schema(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise `RunFileError` when the database is no run file, or one of a newer schema than is known.

    Raises `SourceError` when it is the schema of its people that is newer.
    """
    try:
        version = _version(con)
        con.execute("SELECT run FROM runs LIMIT 0")
    except duckdb.Error as error:
        raise RunFileError(
            f"{path!r} is a DuckDB database but no run file; give the path that a run was written to."
        ) from error
    if version > SCHEMA_VERSION:
        raise RunFileError(
            f"{path!r} has version {version} of the run file's schema and this Populace knows versions up to "
            f"{SCHEMA_VERSION}; upgrade Populace (pip install --upgrade populace)."
        )
    check_hub_version(con, path)


def has_run(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database holds a run, and not people alone."""
    return con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'runs'").fetchone() is not None


def is_current(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the schema is the one that this Populace writes and reads."""
    return _version(con) == SCHEMA_VERSION


def _version(con: duckdb.DuckDBPyConnection) -> int:
    ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchall()
    return int(version)
