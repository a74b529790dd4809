"""The tables of a hub: those that every file of people has, and those that work on a hub has brought.

A change of the schema is a new script at the end of the list, never an edit of an earlier one.
"""

from importlib.resources import files

import duckdb

from ..errors import SourceError

__all__ = ["HUB_VERSION", "check_hub", "check_hub_version", "migrate_hub", "people_schema", "rulings_schema"]

_TABLE = """
CREATE TABLE IF NOT EXISTS hub_migrations (
    version INTEGER PRIMARY KEY,
    script VARCHAR NOT NULL
);
COMMENT ON TABLE hub_migrations IS 'Which versions of the hub''s tables the file has gone through';
COMMENT ON COLUMN hub_migrations.version IS 'Version, from 1';
COMMENT ON COLUMN hub_migrations.script IS 'What it brought';
"""

_PEOPLE = "001_people.sql"
_RULINGS = "004_verdicts.sql"
_CHANGES = "007_changes.sql"
_SCRIPTS = (
    _PEOPLE,
    "002_imports.sql",
    "003_profiles.sql",
    _RULINGS,
    "005_selections.sql",
    "006_vectors.sql",
    _CHANGES,
    "009_imports.sql",
)

#: The version that this Populace writes and reads.
HUB_VERSION = len(_SCRIPTS)


def people_schema() -> str:
    """The SQL that makes the tables of people: passages, personas, relations and duplicates."""
    return _script(_PEOPLE)


def rulings_schema() -> str:
    """The SQL that makes the table of rulings, which run files have too."""
    return _script(_RULINGS) + _script(_CHANGES).partition("-- What follows is of hubs alone.")[0]


def migrate_hub(con: duckdb.DuckDBPyConnection) -> None:
    """Bring a hub's tables to `HUB_VERSION`, from nothing, from a run file or from any earlier version.

    All of it happens in the caller's transaction, or each statement in its own when there is none.
    """
    con.execute(_TABLE)
    applied = _version(con)
    for version, script in enumerate(_SCRIPTS, start=1):
        if version > applied:
            if script != _PEOPLE or not _has(con, "personas"):
                con.execute(_script(script))
            con.execute("INSERT INTO hub_migrations VALUES (?, ?)", [version, script])


def check_hub(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise `SourceError` when a database holds no people, or is of a newer schema than is known."""
    if not _has(con, "personas"):
        raise SourceError(
            f"{path!r} is a DuckDB database but no hub, for it has no table personas; give a hub or a run file."
        )
    there = {str(name) for (name, *_) in con.execute("DESCRIBE personas").fetchall()}
    if missing := sorted({"id", "text"} - there):
        raise SourceError(
            f"{path!r} is no hub: its table personas has no column {' and no '.join(missing)}, but "
            f"{', '.join(sorted(there))}; give a hub or a run file, or import the people from a table."
        )
    check_hub_version(con, path)


def check_hub_version(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise `SourceError` when a database has tables of a hub of a newer version than is known."""
    version = _version(con) if _has(con, "hub_migrations") else 0
    if version > HUB_VERSION:
        raise SourceError(
            f"{path!r} has version {version} of the hub's tables and this Populace knows versions up to {HUB_VERSION}; "
            f"upgrade Populace (pip install --upgrade populace)."
        )


def _version(con: duckdb.DuckDBPyConnection) -> int:
    ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM hub_migrations").fetchall()
    return int(version)


def _has(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    return con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table]).fetchone() is not None


def _script(name: str) -> str:
    return files(__package__).joinpath("sql", name).read_text(encoding="utf-8")
