"""The schema of hubs: its tables, the versions that a file has gone through, and what is refused.

A change of the schema is a new script at the end of the list, never an edit of an earlier one.
"""

import re
from contextlib import suppress
from functools import cache
from importlib.resources import files

import duckdb

from ..database import has_tables
from ..errors import UPGRADE, SourceError
from ..table import declared_tables

_VERSIONS = """
CREATE TABLE IF NOT EXISTS hub_migrations (
    version INTEGER PRIMARY KEY,
    script VARCHAR NOT NULL
);
COMMENT ON TABLE hub_migrations IS 'The versions of the hub schema that have been applied to the file';
COMMENT ON COLUMN hub_migrations.version IS 'Version, from 1';
COMMENT ON COLUMN hub_migrations.script IS 'Script that was applied';
"""
_INITIAL = "001_hub.sql"
_SCRIPTS = (_INITIAL,)
#: The first script of the versions from before the first release, which started anew at version 1.
_DEVELOPMENT = "001_people.sql"
#: The version that this Populace writes and reads.
HUB_VERSION = len(_SCRIPTS)


def people_schema() -> str:
    """The SQL that makes the tables shared by hubs and run files: people, their relations, verdicts and vectors."""
    return "\n".join(_people().values())


def migrate_hub(con: duckdb.DuckDBPyConnection) -> None:
    """Bring the tables of a hub to `HUB_VERSION`, from an empty file, a run file or an earlier version.

    Tables that the file has already are kept. All of it happens in the caller's transaction, or each statement in its
    own when there is none.
    """
    con.execute(_VERSIONS)
    applied = _applied(con)
    for version, script in enumerate(_SCRIPTS, start=1):
        if version > applied:
            if script == _INITIAL:
                there = {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
                for table, statements in _tables().items():
                    if table not in there:
                        con.execute(statements)
            else:
                con.execute(_script(script))
            con.execute("INSERT INTO hub_migrations VALUES (?, ?)", [version, script])


def check_hub(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise `SourceError` when a database holds no people, or its version of the schema cannot be read."""
    if not _has_people(con):
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


def _has_people(con: duckdb.DuckDBPyConnection) -> bool:
    if has_tables(con, "personas"):
        with con.cursor() as own, suppress(duckdb.BinderException):  # a view has no rowid
            own.execute("SELECT rowid FROM main.personas LIMIT 0")
            return True
    # The caller's transaction may have made it.
    return con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'personas'").fetchone() is not None


def check_tables(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise `SourceError` when a table that the hub's own would be lacks columns: such a hub can be read at most."""
    if hub_version(con):
        return
    columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    there = {(str(table), str(column)) for table, column in con.execute(columns).fetchall()}
    known = {table for table, _ in there}
    with duckdb.connect() as own:
        migrate_hub(own)
        wanted = [(str(table), str(column)) for table, column in own.execute(columns).fetchall()]
    for table, column in wanted:
        if table in known and (table, column) not in there:
            raise SourceError(
                f"{path!r} has a table {table} without the column {column} of a hub's, so nothing can be written to "
                "it; import its people into a hub with `populace hub import`."
            )


def check_hub_version(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise `SourceError` for a hub of a newer version, or of a version from before the first release."""
    if not has_tables(con, "hub_migrations"):
        return
    query = "SELECT coalesce(bool_or(script = ?), false), coalesce(max(version), 0) FROM hub_migrations"
    ((is_early, version),) = con.execute(query, [_DEVELOPMENT]).fetchall()
    if is_early:
        raise SourceError(
            f"{path!r} was written by a development version of Populace, whose hubs this one does not read; make the "
            "hub again, or export its people with the version that wrote it and import them."
        )
    if version > HUB_VERSION:
        raise SourceError(
            f"{path!r} has version {version} of the hub's tables and this Populace knows versions up to {HUB_VERSION}; "
            f"{UPGRADE}."
        )


def hub_version(con: duckdb.DuckDBPyConnection) -> int:
    """The version of the hub's tables in a database; 0 where it has none."""
    return _applied(con) if has_tables(con, "hub_migrations") else 0


def _applied(con: duckdb.DuckDBPyConnection) -> int:
    ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM hub_migrations").fetchall()
    return int(version)


def _tables() -> dict[str, str]:
    """The statements of the first version by table."""
    statements = re.split(r"^(?=CREATE TABLE )", _script(_INITIAL), flags=re.MULTILINE)[1:]
    return _people() | {block.split(maxsplit=3)[2]: block for block in statements}


@cache
def _people() -> dict[str, str]:
    from .tables import PEOPLE

    return {table.name: table.statements() for table in declared_tables() if table.row_type in PEOPLE}


def _script(name: str) -> str:
    return files(__package__).joinpath("sql", name).read_text(encoding="utf-8")
