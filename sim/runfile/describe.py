"""What run files and hubs hold, said from their own comments: no file is needed for it."""

from dataclasses import dataclass
from typing import Literal

import duckdb

from ...personas.hub.schema import migrate_hub
from .migrations import migrate

__all__ = ["Column", "SchemaEntry", "describe"]

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
