"""The schema of hubs: their tables, the version that a file was made with, and what is refused."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache

import duckdb

from ..database import has_tables
from ..errors import UPGRADE, SourceError
from ..table import Table, column_names, declared_tables

#: The first script of the versions from before the first release, which started anew at version 1.
_DEVELOPMENT = "001_people.sql"
#: The version that this Populace writes and reads. It goes up when a declaration of a table changes.
HUB_VERSION = 1

#: The rows of a table that is the same in all hubs.
_OCCUPATION_GROUPS = """
INSERT INTO occupation_groups VALUES
    (0, 'Armed forces occupations'),
    (1, 'Managers'),
    (2, 'Professionals'),
    (3, 'Technicians and associate professionals'),
    (4, 'Clerical support workers'),
    (5, 'Service and sales workers'),
    (6, 'Skilled agricultural, forestry and fishery workers'),
    (7, 'Craft and related trades workers'),
    (8, 'Plant and machine operators, and assemblers'),
    (9, 'Elementary occupations');
"""


@cache
def hub_tables() -> Sequence[Table]:
    """Return the tables of a hub as they are declared."""
    from .tables import PEOPLE

    return [table for table in declared_tables() if table.is_hub or table.row_type in PEOPLE]


def hub_table(name: str) -> Table:
    """Return the table of a hub that has this name."""
    return next(table for table in hub_tables() if table.name == name)


@cache
def _statements() -> Mapping[str, str]:
    made = {table.name: table.statements() for table in hub_tables()}
    return made | {"occupation_groups": made["occupation_groups"] + _OCCUPATION_GROUPS}


def make_hub_schema(con: duckdb.DuckDBPyConnection) -> None:
    """Make those tables of a hub that an empty file, a run file or a hub has not.

    All of it happens in the caller's transaction, or each statement in its own when there is none.
    """
    there = {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    con.execute("\n".join(sql for name, sql in _statements().items() if name not in there))
    con.execute("INSERT OR IGNORE INTO hub_migrations VALUES (?, 'declared tables')", [HUB_VERSION])


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
    columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    there = {(str(table), str(column)) for table, column in con.execute(columns).fetchall()}
    known = {table for table, _ in there}
    wanted = sorted((table.name, column) for table in hub_tables() for column in column_names(table.row_type))
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
    if not has_tables(con, "hub_migrations"):
        return 0
    ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM hub_migrations").fetchall()
    return int(version)
