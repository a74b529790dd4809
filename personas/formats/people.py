"""The personas of a hub that an export writes, and their columns: the hub's own, those of profiles, and imported ones.

An imported column keeps its name. If that is the name of one of the hub's own columns, underscores are appended to it.
A column whose values are of several types, nested, or integers of more than 64 bits is written as JSON text.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import duckdb
from arro3.core import Table as Columnar

from ...core.arrow import iter_batches, set_column
from ...core.database import said
from ...core.errors import SetupError, SourceError
from ...core.readers import parse_json
from ...core.writers import json_text
from ..hub.file import HubFile
from ..hub.queries import survivors_in, table_names
from ..profiles.profile import ATTRIBUTES


class Extra(StrEnum):
    """Columns of a person from other tables than personas; each is the name of that table."""

    PROFILES = "profiles"
    BIOGRAPHIES = "biographies"
    ELITES = "elites"


#: The columns of each table, by what they are called in an export.
SOURCES: Mapping[Extra, Mapping[str, str]] = {
    Extra.PROFILES: {name: name for name in (*ATTRIBUTES, "evidence", "only_evident")}
    | {f"profile_{name}": name for name in ("model", "prompt", "made_at")},
    Extra.BIOGRAPHIES: {"biography": "text"}
    | {f"biography_{name}": name for name in ("mentions", "language", "model", "prompt", "made_at")},
    Extra.ELITES: {"elite_of": "original"}
    | {
        f"elite_{name}": name
        for name in ("skill", "tier", "general_domain", "specific_domain", "changes", "model", "prompt", "made_at")
    },
}
_TABLES = {Extra.PROFILES: "r", Extra.BIOGRAPHIES: "b", Extra.ELITES: "e"}
#: Columns that are JSON, and texts of it in exports.
_JSON = ("evidence", "changes")
_JOINS = {
    Extra.PROFILES: "LEFT JOIN profiles AS r ON r.persona = k.id",
    Extra.BIOGRAPHIES: "LEFT JOIN biographies AS b ON b.persona = k.id",
    # Two who were raised may come to the same description: the first of them counts.
    Extra.ELITES: """LEFT JOIN (
        FROM elites QUALIFY row_number() OVER (PARTITION BY persona ORDER BY rowid) = 1
    ) AS e ON e.persona = k.id""",
}


def select_extras(extras: Collection[Extra]) -> str:
    """SQL for their columns, to be appended to others."""
    return "".join(
        f', {_TABLES[extra]}."{source}"{"::VARCHAR" if source in _JSON else ""} AS "{name}"'
        for extra in Extra
        if extra in extras
        for name, source in SOURCES[extra].items()
    )


def join_extras(extras: Collection[Extra]) -> str:
    """SQL that brings them to the people `k`."""
    return " ".join(_JOINS[extra] for extra in Extra if extra in extras)


#: The hub's own columns that every export has, and those that it may have.
FIELDS = ("id", "text", "origin", "hop", "parent", "language", "source", "licence", "model", "prompt", "revision")
_SOMETIMES = ("licences", "duplicate_of", "rejected", "attributes")
#: What these say of a node is not what a table that was imported may say by the same names.
_MEANT = {"label", "pid", "start", "end", "parents", "slices", "spells", "viz", "key"}
#: Beyond it a float does not hold every integer.
_EXACT = 1 << 53


class ColumnType(StrEnum):
    """The type of a column's values, named as Parquet and CSVW name it where they agree."""

    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "double"
    BOOLEAN = "boolean"
    TEXTS = "list of string"
    INTEGERS = "list of integer"
    NUMBERS = "list of double"
    BOOLEANS = "list of boolean"
    JSON = "json"


_SCALARS: Mapping[type, ColumnType] = {
    str: ColumnType.TEXT,
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    float: ColumnType.NUMBER,
}
_LISTS = {
    ColumnType.TEXT: ColumnType.TEXTS,
    ColumnType.INTEGER: ColumnType.INTEGERS,
    ColumnType.NUMBER: ColumnType.NUMBERS,
    ColumnType.BOOLEAN: ColumnType.BOOLEANS,
}
#: Judged before a column is: an integer that no float holds, and a list without anything in it.
_WIDE, _EMPTY = "wide", "empty"


@dataclass(frozen=True, slots=True)
class ImportedColumn:
    """One imported column in an export."""

    name: str
    #: What it is called in the export.
    written: str
    kind: ColumnType
    #: Place, from 0, of the first person with a value that shows its type.
    first: int

    def value(self, row: Mapping[str, Any]) -> Any:
        """What a row says under it, in the column's type; None where there is no value."""
        value = row.get(self.name)
        if value is None:
            return None
        if self.kind is ColumnType.JSON:
            return json_text(value)
        if self.kind is ColumnType.NUMBERS:
            return [float(item) for item in value]
        return float(value) if self.kind is ColumnType.NUMBER else value


def own_names(extras: Collection[Extra]) -> frozenset[str]:
    """The names that are the hub's own in an export with these extras, in lower case."""
    names = (*FIELDS, *_SOMETIMES, *(name for extra in extras for name in SOURCES[extra]))
    return frozenset(name.lower() for name in names)


def graph_names(extras: Collection[Extra]) -> frozenset[str]:
    """The names that an export as a graph has for itself, in lower case."""
    return own_names(extras) | _MEANT


def find_imported_columns(rows: Iterable[str | None], own: Collection[str]) -> tuple[ImportedColumn, ...]:
    """Return the columns of rows that are JSON objects, each with the one type that all of its values have."""
    kinds: dict[str, dict[str, int]] = {}
    for place, row in enumerate(rows):
        if row is None:
            continue
        for name, value in parse_json(row).items():
            if value is not None:
                kinds.setdefault(name, {}).setdefault(_judged(value), place)
    names = free_names(kinds, own)
    return tuple(_column(name, found, names[name]) for name, found in kinds.items())


def free_names(names: Iterable[str], own: Collection[str]) -> dict[str, str]:
    """Map imported names to their names in an export, with underscores appended to those that are in `own`."""
    free = {name: name for name in names}
    used = {name for name in free if name.strip().lower() not in own}
    for name in free.keys() - used:
        written = f"{name}_"
        while written.strip().lower() in own or written in used:
            written += "_"
        used.add(written)
        free[name] = written
    return free


def _column(name: str, found: Mapping[str, int], written: str) -> ImportedColumn:
    # An empty list shows no type.
    shown = {judged: place for judged, place in found.items() if judged != _EMPTY} or found
    return ImportedColumn(name, written, _united(set(found)), min(shown.values()))


def _judged(value: Any) -> str:
    kind = _SCALARS.get(type(value))
    if kind is ColumnType.INTEGER and not -_EXACT <= value <= _EXACT:
        return _WIDE if -(1 << 63) <= value < 1 << 63 else ColumnType.JSON
    if kind is not None:
        return kind
    if isinstance(value, list):
        inner = {_judged(item) for item in value}
        return _LISTS.get(_united(inner), ColumnType.JSON) if inner else _EMPTY
    return ColumnType.JSON


def _united(found: set[str]) -> ColumnType:
    if found <= {ColumnType.INTEGER, _WIDE}:
        return ColumnType.INTEGER
    if found == {ColumnType.INTEGER, ColumnType.NUMBER}:
        return ColumnType.NUMBER
    if found == {_EMPTY}:
        return ColumnType.TEXTS
    found = found - {_EMPTY} if found & set(_LISTS.values()) else found
    return ColumnType(next(iter(found))) if len(found) == 1 and not found & {_WIDE, _EMPTY} else ColumnType.JSON


_ROWS = 10_000
_IDS = {"id", "parent", "duplicate_of", "elite_of"}
#: Equal texts are one persona, who may have been imported more than once: the first time counts.
_IMPORTS = """
CREATE OR REPLACE TEMP TABLE exported_imports AS
SELECT persona, arg_min(revision, rowid) AS revision, arg_min(attributes, rowid)::VARCHAR AS attributes,
       min(attributes::VARCHAR) <> max(attributes::VARCHAR) AS several
FROM imports WHERE revision IS NOT NULL OR attributes IS NOT NULL GROUP BY persona
"""
_NO_IMPORTS = """
CREATE OR REPLACE TEMP TABLE exported_imports (
    persona VARCHAR, revision VARCHAR, attributes VARCHAR, several BOOLEAN)
"""
_ONE_LICENCE = """
SELECT count(DISTINCT licence) < 2 FROM (
    SELECT unnest([min(licence), max(licence)]) AS licence FROM imports
    UNION ALL SELECT unnest([min(licence), max(licence)]) FROM personas)
"""
#: A person imported under several licences has all of them.
_LICENCES = """
CREATE OR REPLACE TEMP TABLE exported_licences AS
SELECT persona, list_sort(list_distinct(list(i.licence) || list(p.licence))) AS licences
FROM imports AS i JOIN personas AS p ON p.id = i.persona
WHERE i.licence IS NOT NULL GROUP BY persona HAVING len(licences) > 1
"""
_NO_LICENCES = "CREATE OR REPLACE TEMP TABLE exported_licences (persona VARCHAR, licences VARCHAR[])"
_VERDICTS = "CREATE OR REPLACE TEMP TABLE exported_verdicts AS SELECT persona, survivor AS duplicate_of FROM ({})"
_RULE_RESULTS = """
CREATE OR REPLACE TEMP TABLE exported_rule_results AS
SELECT persona, min(rule) AS rejected FROM rule_results WHERE outcome = 'rejected' AND NOT undone GROUP BY persona
"""
_NO_RULE_RESULTS = "CREATE OR REPLACE TEMP TABLE exported_rule_results (persona VARCHAR, rejected VARCHAR)"
_SELECTED = (
    "CREATE OR REPLACE TEMP TABLE exported_selected AS SELECT DISTINCT persona FROM selected WHERE selection = ?"
)
_PEOPLE = """
CREATE OR REPLACE TEMP VIEW exported_people AS
SELECT p.id, p.text, p.origin, p.hop, p.parent, p.language, p.source, p.licence, p.model, p.prompt,
       i.revision, l.licences, i.attributes, i.several, v.duplicate_of, r.rejected, p.ordinal AS arrival
FROM personas AS p
LEFT JOIN exported_licences AS l ON l.persona = p.id
LEFT JOIN exported_imports AS i ON i.persona = p.id
LEFT JOIN exported_verdicts AS v ON v.persona = p.id
LEFT JOIN exported_rule_results AS r ON r.persona = p.id
"""
#: Who of them is exported.
_RETAINED = "duplicate_of IS NULL AND rejected IS NULL"
_CHOSEN = "id IN (SELECT persona FROM exported_selected)"


class ExportedPeople:
    """The people that were asked for, in order of arrival, as batches of rows; also the view `exported_kept`.

    Raises `SetupError` for a selection or a table of extras that is not there, and `SourceError` when a table is not
    as a hub has it.
    """

    def __init__(
        self,
        hub: HubFile,
        *,
        select: str | None = None,
        duplicates: bool = False,
        extras: Collection[Extra] = (),
    ) -> None:
        self.hub = hub
        self.duplicates = duplicates
        #: The tables whose columns are added.
        self.extras = tuple(extras)
        self._tables = table_names(hub.con)
        if select is not None:
            _check_selection(hub, select, self._tables)
        self._check_extras()
        #: The ids that people whose description was rewritten have in exports: the hash of the text that is shown.
        self.shown_ids: Mapping[str, str] = {}
        if self.has("rewritten_people"):
            self.shown_ids = dict(hub.con.execute("SELECT persona, text_hash FROM rewritten_people").fetchall())
        try:
            self._rows = self._people(self._tables, select)
            self.count, self.unlicensed = self._counted()
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise SourceError(f"{str(hub.path)!r} has not the tables of a hub: {said(error)}.") from error

    def has(self, table: str) -> bool:
        """Return whether the hub has a table of this name."""
        return table in self._tables

    @property
    def columns(self) -> Sequence[str]:
        """The names of the hub's own columns, those of extras last; imported columns are in `attributes`."""
        return [name for name in self._in_order().columns if name != "attributes"]

    def batches(self, first: Sequence[int] = ()) -> Iterator[Any]:
        """Yield the people as Arrow batches of some thousands; those at the places `first`, from 0, come before all."""
        for batch in iter_batches(self._in_order(first), _ROWS):
            yield self._show_ids(batch)

    def _show_ids(self, batch: Columnar) -> Columnar:
        shown = self.shown_ids
        for name in _IDS.intersection(batch.column_names) if shown else ():
            ids = [shown.get(persona, persona) for persona in batch[name].to_pylist()]
            batch = set_column(batch, name, ids, "VARCHAR")
        if shown and "biography_mentions" in batch.column_names:
            mentions = [[shown.get(one, one) for one in ids or ()] for ids in batch["biography_mentions"].to_pylist()]
            batch = set_column(batch, "biography_mentions", mentions, "VARCHAR[]")
        return batch

    def attributes(self) -> Iterator[str | None]:
        """Yield the imported columns of each persona as a JSON object."""
        for batch in iter_batches(self._rows.order("arrival").project("attributes"), _ROWS):
            yield from batch["attributes"].to_pylist()

    def first_places(self, within: int) -> list[int]:
        """Return the place of the first persona with a value for each own column that the first ones lack.

        The first ones are the first `within`. Columns that nobody has give no place.
        """
        if self.count <= within:
            return []
        rows = self._in_order().project("* EXCLUDE (attributes), row_number() OVER () - 1 AS place")
        found = [
            _first(name, str(kind)) for name, kind in zip(rows.columns, rows.types, strict=True) if name != "place"
        ]
        (places,) = rows.aggregate(", ".join(found)).fetchall()
        return [place for place in places if place is not None and place >= within]

    @property
    def several(self) -> int:
        """How many of them were imported in several rows that differ; they are written as the first has them."""
        return len(self._rows.filter("several").project("id").fetchall())

    def number_with(self, extra: Extra) -> int:
        """Count how many of them have something in that table."""
        if not self.has(extra):
            return 0
        counted = f"SELECT count(*) FROM exported_kept SEMI JOIN {extra} ON persona = id"  # noqa: S608 - our own names
        return int(self.hub.con.execute(counted).fetchall()[0][0])

    def _people(self, there: set[str], select: str | None) -> duckdb.DuckDBPyRelation:
        con = self.hub.con
        con.execute(_IMPORTS if "imports" in there else _NO_IMPORTS)
        is_one = "imports" not in there or con.execute(_ONE_LICENCE).fetchall()[0][0]
        con.execute(_NO_LICENCES if is_one else _LICENCES)
        self._has_licences = bool(con.execute("FROM exported_licences LIMIT 1").fetchall())
        con.execute(_VERDICTS.format(survivors_in(there)))
        con.execute(_RULE_RESULTS if "rule_results" in there else _NO_RULE_RESULTS)
        con.execute(_PEOPLE)
        if select is not None:
            con.execute(_SELECTED, [select]).fetchall()
        kept = _CHOSEN if select is not None else "true" if self.duplicates else _RETAINED
        con.execute(f"CREATE OR REPLACE TEMP VIEW exported_kept AS FROM exported_people WHERE {kept}")
        return con.view("exported_kept")

    def _in_order(self, first: Sequence[int] = ()) -> duckdb.DuckDBPyRelation:
        columns = f"k.{self._hidden()}{select_extras(self.extras)}"
        order = "k.arrival"
        if first:
            places = ", ".join(map(str, first))
            order = f"(row_number() OVER (ORDER BY k.arrival) - 1) NOT IN ({places}), k.arrival"
        return self.hub.con.sql(
            f"SELECT {columns} FROM exported_kept AS k {join_extras(self.extras)} ORDER BY {order}"  # noqa: S608 - ours
        )

    def _hidden(self) -> str:
        hidden = ["arrival", "several"]
        if not self.duplicates:
            hidden += ["duplicate_of", "rejected"]
        if not self._has_licences:
            hidden.append("licences")
        return f"* EXCLUDE ({', '.join(hidden)})"

    def _check_extras(self) -> None:
        for extra in self.extras:
            if not self.has(extra):
                raise SetupError(f"{str(self.hub.path)!r} has no table {extra}; make some with `populace hub enrich`.")

    def _counted(self) -> tuple[int, int]:
        ((people, licensed),) = self._rows.aggregate("count(*), count(licence)").fetchall()
        return int(people), int(people) - int(licensed)


def _check_selection(hub: HubFile, select: str, there: set[str]) -> None:
    rows = hub.con.execute("SELECT name FROM selections ORDER BY name").fetchall() if "selections" in there else []
    names = [str(name) for (name,) in rows]
    if select not in names:
        said_there = f"there are {', '.join(names)}" if names else "there is none; make one with `populace hub select`"
        raise SetupError(f"{str(hub.path)!r} has no selection {select!r}; {said_there}.")


def _first(name: str, kind: str) -> str:
    quoted = f'"{name}"'
    said = f"len({quoted}) > 0" if kind.endswith("[]") else f"{quoted} IS NOT NULL"
    return f"min(place) FILTER ({said}) AS {quoted}"


#: Readers of JSONL infer the types from so many rows (polars; pandas and pyarrow from more).
_LOOKED_AT = 100


class PeopleRows:
    """The people of an export as Arrow batches: the hub's own columns, and imported ones with a type each.

    With `types_first` the rows that show the type of a column stand first, where the first hundred in order of
    arrival would not show it: programs that read JSONL tell the types from them.
    """

    def __init__(self, people: ExportedPeople, *, types_first: bool = False) -> None:
        self._people = people
        self.imported = find_imported_columns(people.attributes(), own_names(people.extras))
        self._first: Sequence[int] = ()
        if types_first and people.count > _LOOKED_AT:
            places = {*people.first_places(_LOOKED_AT), *(c.first for c in self.imported if c.first >= _LOOKED_AT)}
            self._first = sorted(places)[:_LOOKED_AT]

    @property
    def as_json(self) -> tuple[str, ...]:
        """The columns, as they are called in the export, whose cells are JSON text."""
        return tuple(column.written for column in self.imported if column.kind is ColumnType.JSON)

    def batches(self) -> Iterator[Any]:
        """The rows, some thousands at a time."""
        for batch in self._people.batches(self._first):
            yield self._typed(batch)

    def _typed(self, batch: Columnar) -> Columnar:
        texts: Any = batch["attributes"].to_pylist() if self.imported else ()
        rows = [parse_json(text) if text else {} for text in texts]
        batch = batch.drop_columns(["attributes"])
        for column in self.imported:
            batch = set_column(batch, column.written, [column.value(row) for row in rows], _sql_type(column.kind))
        return batch


def _sql_type(kind: ColumnType) -> str:
    """Return DuckDB's type of a column's values; JSON is text."""
    types = {ColumnType.INTEGER: "BIGINT", ColumnType.NUMBER: "DOUBLE", ColumnType.BOOLEAN: "BOOLEAN"}
    if kind.startswith("list of "):
        return types.get(ColumnType(kind.removeprefix("list of ")), "VARCHAR") + "[]"
    return types.get(kind, "VARCHAR")
