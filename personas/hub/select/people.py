"""`people`, the relation that conditions are asked of: who is in a hub, with all that is known of each."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import duckdb

from ...errors import SetupError

__all__ = ["People", "PeopleColumn", "joins_of", "quote_name", "quote_text"]

type _Table = Literal["personas", "profiles", "imports"]

_ALIASES: dict[_Table, str] = {"personas": "p", "profiles": "r", "imports": "i"}
_JOINS: dict[_Table, str] = {
    "personas": "",
    "profiles": "LEFT JOIN profiles AS r ON r.persona = p.id",
    # Equal texts are one persona, who may have been imported more than once: the first time counts.
    "imports": "LEFT JOIN (SELECT persona, arg_min(attributes, rowid) AS attributes FROM imports GROUP BY persona) "
    "AS i ON i.persona = p.id",
}
#: Who is left out, by the table that says so.
_LEFT_OUT = {
    "duplicates": "SELECT persona FROM duplicates WHERE kind = 'persona' AND NOT undone",
    "rulings": "SELECT persona FROM rulings WHERE outcome = 'turned_away' AND NOT undone",
}
_MOST_NAMED = 60


@dataclass(frozen=True, slots=True)
class PeopleColumn:
    """A column of `people`, the table that knows it, and the SQL that asks that table."""

    name: str
    table: _Table
    sql: str


class People:
    """The columns of `people` in one hub: those of its personas, of their profiles, and what was imported with them.

    A column that both personas and profiles have is the persona's; the profile's is called `profile_...`. An imported
    attribute stands in for a column of the profiles that is empty.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._tables = _tables(con)
        #: By their names in lower case, as SQL does not mind the case.
        self.columns = {column.name.lower(): column for column in self._known()}

    def column(self, name: str, *, asked_by: str) -> PeopleColumn:
        """The column of that name, or else the imported attribute. Raises `SetupError` naming those that are there."""
        found = self.columns.get(name.lower())
        # What was imported stands in for what no profile says yet.
        if found is None or (found.table == "profiles" and not self._is_known(found)):
            found = self._attribute(name) or found
        if found is not None:
            return found
        names = [*(column.name for column in self.columns.values()), *self._attributes]
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        quotes = " Texts stand between single quotes." if asked_by == "--where" else ""
        raise SetupError(
            f"{asked_by} names {name!r}, which is no column of people{hint}. There are: "
            f"{', '.join(names[:_MOST_NAMED])}{more}.{quotes}"
        )

    def relation(self, used: Collection[PeopleColumn], *, with_duplicates: bool) -> str:
        """SQL for `people` with its rows (`#row`), their order of arrival (`#arrival`) and the columns used."""
        arrival = "p.ordinal" if "ordinal" in self._tables["personas"] else "p.rowid"
        distinct = {column.name: f"{column.sql} AS {quote_name(column.name)}" for column in used}
        columns = ", ".join(('p.rowid AS "#row"', f'{arrival} AS "#arrival"', *distinct.values()))
        joins = joins_of(used)
        left_out = [self.left_out(table) for table in _LEFT_OUT if table != "duplicates" or not with_duplicates]
        kept = " AND ".join(f"p.id NOT IN ({query})" for query in left_out if query) or "true"
        return f"(SELECT {columns} FROM personas AS p {joins} WHERE {kept}) AS people"  # noqa: S608 - names are quoted

    def left_out(self, table: str) -> str:
        """SQL for those whom `duplicates` or `rulings` leave out; nothing where the hub has no such table."""
        return _LEFT_OUT[table] if self._tables[table] else ""

    def _known(self) -> Iterable[PeopleColumn]:
        taken = {name.lower() for name in self._tables["personas"]}
        for name in self._tables["personas"]:
            yield PeopleColumn(name, "personas", f"p.{quote_name(name)}")
        for name in self._tables["profiles"]:
            if name != "persona":
                shown = f"profile_{name}" if name.lower() in taken else name
                yield PeopleColumn(shown, "profiles", f"r.{quote_name(name)}")
        if self._has_attributes and "attributes" not in taken:
            yield PeopleColumn("attributes", "imports", "i.attributes")

    def _is_known(self, column: PeopleColumn) -> bool:
        known = f"SELECT 1 FROM profiles AS r WHERE {column.sql} IS NOT NULL LIMIT 1"  # noqa: S608 - quoted
        return bool(self._con.execute(known).fetchall())

    @property
    def _has_attributes(self) -> bool:
        return "attributes" in self._tables["imports"]

    def _attribute(self, name: str) -> PeopleColumn | None:
        if not self._has_attributes:
            return None
        pointer = quote_text("/" + name.replace("~", "~0").replace("/", "~1"))
        known = f"SELECT 1 FROM imports WHERE json_exists(attributes, {pointer}) LIMIT 1"  # noqa: S608 - quoted
        if not self._con.execute(known).fetchall():
            return None
        return PeopleColumn(name, "imports", f"json_extract_string(i.attributes, {pointer})")

    @cached_property
    def _attributes(self) -> list[str]:
        if not self._has_attributes:
            return []
        keys = "SELECT DISTINCT unnest(json_keys(attributes)) AS key FROM imports ORDER BY key"
        return [str(key) for (key,) in self._con.execute(keys).fetchall()]


def joins_of(used: Collection[PeopleColumn]) -> str:
    """SQL that brings the tables of these columns to `personas AS p`."""
    return " ".join(_JOINS[table] for table in sorted({column.table for column in used}))


def quote_name(name: str) -> str:
    """The name as SQL takes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _tables(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    query = """
        SELECT lower(table_name), column_name FROM duckdb_columns()
        WHERE database_name = current_database() AND schema_name = 'main' ORDER BY column_index
    """
    tables: dict[str, list[str]] = {name: [] for name in (*_ALIASES, *_LEFT_OUT)}
    for table, column in con.execute(query).fetchall():
        if table in tables:
            tables[table].append(column)
    return tables
