"""`people`, the relation that conditions are asked of: who is in a hub, with all that is known of each."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

import duckdb

from ...errors import SetupError
from ...profiles.profile import ATTRIBUTES
from ..standing import AWAY, repeats_of
from .attributes import Attribute, Attributes, age_band, joined_attributes
from .quoting import quote_name, quote_text

__all__ = ["People", "PeopleColumn", "joins_of", "quote_name", "quote_text"]

_PROFILES = "LEFT JOIN profiles AS r ON r.persona = p.id"
#: The tables that say who is left out.
_LEFT_OUT = ("duplicates", "rulings")
_TABLES = ("personas", "profiles", "imports", *_LEFT_OUT)
_MOST_NAMED = 60


@dataclass(frozen=True, slots=True)
class PeopleColumn:
    """A column of `people`, and the SQL for it, which asks personas (`p`), profiles (`r`), and what was imported."""

    name: str
    sql: str
    #: Whether it asks the profiles, which imported attributes it asks (`i`), and whether all at once (`w`).
    in_profiles: bool = False
    imported: tuple[Attribute, ...] = ()
    is_whole: bool = False


class People:
    """The columns of `people` in one hub: those of its personas, of their profiles, and what was imported with them.

    A column that both personas and profiles have is the persona's; the profile's is called `profile_...`. Where a
    profile says nothing, or there is none, the imported attribute of the same name stands in; `age` does so for
    `age_band`. With `within`, SQL for ids of personas, only what was imported with these counts.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, *, within: str | None = None) -> None:
        self._con = con
        self._within = within
        self._tables = _tables(con)
        self._attributes = Attributes(con, within=within)
        #: By their names in lower case, as SQL does not mind the case. What is imported stands in for nothing yet.
        self.columns = {column.name.lower(): column for column in self._known()}

    def column(self, name: str, *, asked_by: str) -> PeopleColumn:
        """The column of that name, or else the imported attribute. Raises `SetupError` naming those that are there."""
        found = self.columns.get(name.lower())
        if found is not None:
            return self._filled(found)
        if names := self._find(name):
            typed = self._attributes.typed(names)
            return PeopleColumn(names[0], f"coalesce({', '.join(f'i.{one.column}' for one in typed)})", imported=typed)
        raise self._unknown(name, asked_by)

    def every_column(self) -> list[PeopleColumn]:
        """All columns of personas and profiles, and the attributes as one."""
        return [self._filled(column) for column in self.columns.values()]

    def relation(self, used: Collection[PeopleColumn], *, with_duplicates: bool) -> str:
        """SQL for `people` with its rows (`#row`), their order of arrival (`#arrival`) and the columns used."""
        arrival = "p.ordinal" if "ordinal" in self._tables["personas"] else "p.rowid"
        distinct = {column.name: f"{column.sql} AS {quote_name(column.name)}" for column in used}
        columns = ", ".join(('p.rowid AS "#row"', f'{arrival} AS "#arrival"', *distinct.values()))
        joins = joins_of(used, within=self._within)
        left_out = [self.left_out(table) for table in _LEFT_OUT if table != "duplicates" or not with_duplicates]
        kept = " AND ".join(f"p.id NOT IN ({query})" for query in left_out if query) or "true"
        return f"(SELECT {columns} FROM personas AS p {joins} WHERE {kept}) AS people"  # noqa: S608 - names are quoted

    def left_out(self, table: str) -> str:
        """SQL for those whom `duplicates` or `rulings` leave out; nothing where the hub has no such table."""
        there = [name for name in _LEFT_OUT if self._tables[name]]
        if table not in there:
            return ""
        return AWAY if table == "rulings" else f"SELECT persona FROM ({repeats_of(there)})"  # noqa: S608 - ours

    def _known(self) -> Iterable[PeopleColumn]:
        taken = {name.lower() for name in self._tables["personas"]}
        for name in self._tables["personas"]:
            yield PeopleColumn(name, f"p.{quote_name(name)}")
        for name in self._tables["profiles"]:
            if name != "persona":
                shown = f"profile_{name}" if name.lower() in taken else name
                yield PeopleColumn(shown, f"r.{quote_name(name)}", in_profiles=True)
        if self._has_attributes and "attributes" not in taken:
            yield PeopleColumn("attributes", "w.attributes", is_whole=True)

    def _filled(self, column: PeopleColumn) -> PeopleColumn:
        """The column with what was imported in the place of what no profile says."""
        if not column.in_profiles or column.name not in ATTRIBUTES:
            return column
        standing = [*self._standing_in(column), *(self._bands() if column.name == "age_band" else ())]
        if not standing:
            return column
        imported = tuple(attribute for _, attribute in standing)
        of_texts = any(one.kind == "VARCHAR" for one in imported)
        own = f"{column.sql}::VARCHAR" if of_texts else column.sql
        sql = f"coalesce({', '.join((own, *(sql for sql, _ in standing)))})"
        return PeopleColumn(column.name, sql, in_profiles=True, imported=imported)

    def _standing_in(self, column: PeopleColumn) -> Iterable[tuple[str, Attribute]]:
        names = self._find(column.name)
        kind = self._tables["profiles"][column.name]
        texts = tuple(Attribute(name, "VARCHAR") for name in names)
        attributes = texts if kind == "VARCHAR" else self._attributes.typed(names)
        # What is of another kind can only be shown, as a text, where no profile knows better.
        if not all(_fits(one, kind) for one in attributes):
            attributes = () if self._is_known(column) else texts
        for attribute in attributes:
            yield f"i.{attribute.column}", attribute

    def _bands(self) -> Iterable[tuple[str, Attribute]]:
        for name in self._find("age"):
            age = Attribute(name, "DOUBLE")
            yield age_band(f"i.{age.column}"), age

    def _find(self, name: str) -> tuple[str, ...]:
        return self._attributes.find(name) if self._has_attributes else ()

    def _is_known(self, column: PeopleColumn) -> bool:
        known = f"SELECT 1 FROM profiles AS r WHERE {column.sql} IS NOT NULL LIMIT 1"  # noqa: S608 - quoted
        return bool(self._con.execute(known).fetchall())

    @cached_property
    def _has_attributes(self) -> bool:
        return "attributes" in self._tables["imports"]

    def _unknown(self, name: str, asked_by: str) -> SetupError:
        imported = self._attributes.names if self._has_attributes else []
        names = [column.name for column in self.columns.values()]
        names += [one for one in imported if one.lower() not in self.columns]
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        quotes = " Texts stand between single quotes." if asked_by == "--where" else ""
        return SetupError(
            f"{asked_by} names {name!r}, which is no column of people{hint}. There are: "
            f"{', '.join(names[:_MOST_NAMED])}{more}.{quotes}"
        )


def joins_of(used: Collection[PeopleColumn], *, within: str | None = None) -> str:
    """SQL that brings what these columns ask to `personas AS p`; with `within`, SQL for ids, for these people alone."""
    imported = list(dict.fromkeys(attribute for column in used for attribute in column.imported))
    attributes = joined_attributes(imported, is_whole=any(column.is_whole for column in used), within=within)
    return f"{_PROFILES} {attributes}" if any(column.in_profiles for column in used) else attributes


def _fits(attribute: Attribute, kind: str) -> bool:
    is_number = attribute.kind in ("BIGINT", "DOUBLE") and kind in ("TINYINT", "INTEGER")
    return is_number or attribute.kind == kind


def _tables(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The types of the columns by name, of each table that is asked."""
    query = """
        SELECT lower(table_name), column_name, data_type FROM duckdb_columns()
        WHERE database_name = current_database() AND schema_name = 'main' ORDER BY column_index
    """
    tables: dict[str, dict[str, str]] = {name: {} for name in _TABLES}
    for table, column, kind in con.execute(query).fetchall():
        if table in tables:
            tables[table][column] = kind
    return tables
