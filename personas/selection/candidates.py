"""The people who may be chosen: a condition in SQL, and the values that the choice depends on, as arrays and strata."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import duckdb
import numpy as np
from numpy.typing import NDArray

from ...core.arrow import Ints
from ...core.database import quote_name, quote_text, said
from ...core.errors import SetupError, parameter
from ...core.inputs import nearest
from ...core.query import Node, QueryLimit, check_functions, iter_nodes, parse_sql, run_query
from ..hub.file import hub_table, lend_tables
from ..hub.queries import REJECTED, SURVIVORS
from ..profiles.profile import ATTRIBUTES
from .spec import read_integers

type AttributeType = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR[]"]

#: Of how many rows the names are looked at before all others are.
_FIRST = 2048
#: Texts with a zero in front, such as postcodes, are no numbers.
_WHOLE = "-?(0|[1-9][0-9]{0,17})"
_NUMBER = "-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?([eE][+-]?[0-9]{1,3})?"
#: What all values of an attribute may be, by the type of the first one.
_KINDS: dict[str, tuple[AttributeType, ...]] = {"BOOLEAN": ("BOOLEAN",), "ARRAY": ("VARCHAR[]",), "OBJECT": ()}


_NUMBERS: set[AttributeType] = {"BIGINT", "DOUBLE"}


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """An attribute as a column of one kind; where a value is not of it, the column is null."""

    name: str
    kind: AttributeType

    @property
    def value(self) -> str:
        """SQL for it, asked of `imports`."""
        text = _text_value(self.name)
        if self.kind == "VARCHAR":
            return text
        asked = f"json_extract(attributes, {_quote_pointer(self.name)})" if self.kind == "VARCHAR[]" else text
        return f"TRY_CAST({asked} AS {self.kind})"

    @property
    def column(self) -> str:
        """Its name in what `joined_attributes` joins."""
        # Names that differ by the case of letters alone are different here, and the same in SQL.
        return quote_name(f"{self.kind} {self.name.encode().hex()}")


class Attributes:
    """The attributes of the people in a hub; with `within`, SQL for ids of personas, of these alone."""

    def __init__(self, con: duckdb.DuckDBPyConnection, *, within: str | None = None) -> None:
        self._con = con
        #: SQL for the rows that are looked at.
        self._rows = f"imports{_write_where(within, 'attributes IS NOT NULL')}"

    @cached_property
    def names(self) -> list[str]:
        """The names of all of them, sorted."""
        return self._list_names(self._rows)

    def find(self, name: str) -> tuple[str, ...]:
        """Find the attributes of that name without regard to case, the exact one first."""
        return _alike_names(name, self._first_names) or _alike_names(name, self.names)

    def typed(self, names: tuple[str, ...]) -> tuple[AttributeColumn, ...]:
        """Give these attributes a common type: numbers if all are numbers or texts of numbers, and so on; else text."""
        kinds = [self._find_kind(name) for name in names]
        if len(set(kinds)) > 1 and not set(kinds) <= _NUMBERS:
            kinds = ["VARCHAR"] * len(names)
        return tuple(map(AttributeColumn, names, kinds))

    def _find_kind(self, name: str) -> AttributeType:
        kind_of = f"SELECT json_type(attributes, {_quote_pointer(name)}) FROM {self._rows}"  # noqa: S608 - quoted
        first = self._con.execute(f"{kind_of} AND {_text_value(name)} IS NOT NULL LIMIT 1").fetchall()
        for kind in _KINDS.get(first[0][0], ("BIGINT", "DOUBLE")) if first else ():
            other = f"SELECT 1 FROM {self._rows} AND {_is_otherwise(name, kind)} LIMIT 1"  # noqa: S608 - quoted
            if not self._con.execute(other).fetchall():
                return kind
        return "VARCHAR"

    @cached_property
    def _first_names(self) -> list[str]:
        # One row of each file, as files may differ in the case of names.
        of_files = f"rowid IN (SELECT min(rowid) FROM {self._rows} GROUP BY file)"  # noqa: S608 - our own words
        first = f"(SELECT attributes FROM {self._rows} LIMIT {_FIRST})"  # noqa: S608 - our own words
        return self._list_names(f"(FROM {first} UNION ALL SELECT attributes FROM imports WHERE {of_files})")  # noqa: S608

    def _list_names(self, rows: str) -> list[str]:
        names = f"SELECT DISTINCT unnest(json_keys(attributes)) AS name FROM {rows} ORDER BY name"  # noqa: S608 - ours
        return [str(name) for (name,) in self._con.execute(names).fetchall()]


def _joined_attributes(attributes: list[AttributeColumn], *, is_whole: bool, within: str | None = None) -> str:
    """Return SQL that joins these to `personas AS p` as columns of `i`, and all attributes as `w.attributes`.

    Equal texts are one persona, which may have been imported more than once. The first known value counts.
    """
    firsts = ", ".join(f"arg_min({one.value}, rowid) AS {one.column}" for one in attributes)
    each = f"(SELECT persona, {firsts} FROM imports{_write_where(within)} GROUP BY persona)"  # noqa: S608 - quoted
    # Row ids are compared much faster than what the rows hold.
    rows = f"SELECT min(rowid) FROM imports{_write_where(within, 'attributes IS NOT NULL')} GROUP BY persona"  # noqa: S608
    whole = f"(SELECT persona, attributes FROM imports WHERE rowid IN ({rows}))"  # noqa: S608 - our own words
    joins = [f"LEFT JOIN {each} AS i ON i.persona = p.id"] if attributes else []
    return " ".join([*joins, f"LEFT JOIN {whole} AS w ON w.persona = p.id"] if is_whole else joins)


def age_band(age: str) -> str:
    """Return SQL for the age band that profiles would have for an age; numbers that are not an age have none."""
    decade = f"(floor({age} / 10) * 10)::INTEGER"
    return (
        f"CASE WHEN {age} >= 90 AND {age} <= 130 THEN '90+' "
        f"WHEN {age} >= 0 AND {age} < 90 THEN {decade} || '-' || ({decade} + 9) END"
    )


def _write_where(within: str | None, *conditions: str) -> str:
    among = [] if within is None else [f"persona IN ({within})"]
    return f" WHERE {' AND '.join((*conditions, *among))}" if conditions or among else ""


def _alike_names(name: str, names: list[str]) -> tuple[str, ...]:
    return tuple(sorted((one for one in names if one.lower() == name.lower()), key=lambda one: one != name))


def _is_otherwise(name: str, kind: AttributeType) -> str:
    """Return SQL that is true if the attribute exists and is not of that kind."""
    if kind in _NUMBERS:
        return f"NOT regexp_full_match({_text_value(name)}, '{_WHOLE if kind == 'BIGINT' else _NUMBER}')"
    return f"json_type(attributes, {_quote_pointer(name)}) <> '{'BOOLEAN' if kind == 'BOOLEAN' else 'ARRAY'}'"


def _text_value(name: str) -> str:
    return f"json_extract_string(attributes, {_quote_pointer(name)})"


def _quote_pointer(name: str) -> str:
    return quote_text("/" + name.replace("~", "~0").replace("/", "~1"))


_PROFILES = "LEFT JOIN profiles AS r ON r.persona = p.id"
_MOST_NAMED = 60


@dataclass(frozen=True, slots=True)
class PeopleColumn:
    """A column of `people`, and the SQL for it, which asks personas (`p`), profiles (`r`), and what was imported."""

    name: str
    sql: str
    #: Whether it asks the profiles, which imported attributes it asks (`i`), and whether all at once (`w`).
    in_profiles: bool = False
    imported: tuple[AttributeColumn, ...] = ()
    is_whole: bool = False


class PeopleColumns:
    """The columns of `people` in one hub: those of its personas, of their profiles, and what was imported with them.

    A column that both personas and profiles have is the persona's; the profile's is called `profile_...`. Where a
    profile says nothing, or there is none, the imported attribute of the same name is used instead; `age` does so for
    `age_band`. With `within`, SQL for ids of personas, only what was imported with these counts.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, *, within: str | None = None) -> None:
        self._con = con
        self._within = within
        self._profiles = hub_table("profiles").types
        self._attributes = Attributes(con, within=within)
        #: By their names in lower case, as SQL ignores case; without imported attributes as substitutes.
        self.columns = {column.name.lower(): column for column in self._known_columns()}

    def column(self, name: str, *, asked_by: str) -> PeopleColumn:
        """Return the column of that name, or else the imported attribute.

        Raises `SetupError` naming the existing ones if there is neither.
        """
        found = self.columns.get(name.lower())
        if found is not None:
            return self._fill_column(found)
        if names := self._attributes.find(name):
            typed = self._attributes.typed(names)
            return PeopleColumn(names[0], f"coalesce({', '.join(f'i.{one.column}' for one in typed)})", imported=typed)
        raise self._explain_unknown(name, asked_by)

    def every_column(self) -> list[PeopleColumn]:
        """Return all columns of personas and profiles, and the attributes as one."""
        return [self._fill_column(column) for column in self.columns.values()]

    def relation(self, used: Collection[PeopleColumn], *, with_duplicates: bool) -> str:
        """Return SQL for `people` with its rows (`#row`), their order of arrival (`#arrival`) and the columns used."""
        distinct = {column.name: f"{column.sql} AS {quote_name(column.name)}" for column in used}
        columns = ", ".join(('p.rowid AS "#row"', 'p.ordinal AS "#arrival"', *distinct.values()))
        joins = joins_for(used, within=self._within)
        kept = f"p.id NOT IN ({REJECTED})"
        kept += "" if with_duplicates else f" AND p.id NOT IN (SELECT persona FROM ({SURVIVORS}))"  # noqa: S608 - ours
        return f"(SELECT {columns} FROM personas AS p {joins} WHERE {kept}) AS people"  # noqa: S608 - names are quoted

    def _known_columns(self) -> Iterable[PeopleColumn]:
        personas = hub_table("personas").types
        for name in personas:
            yield PeopleColumn(name, f"p.{quote_name(name)}")
        for name in self._profiles:
            if name != "persona":
                shown = f"profile_{name}" if name in personas else name
                yield PeopleColumn(shown, f"r.{quote_name(name)}", in_profiles=True)
        yield PeopleColumn("attributes", "w.attributes", is_whole=True)

    def _fill_column(self, column: PeopleColumn) -> PeopleColumn:
        """Return the column, with imported values where no profile has one."""
        if not column.in_profiles or column.name not in ATTRIBUTES:
            return column
        substitutes = [*self._imported_substitutes(column), *(self._age_bands() if column.name == "age_band" else ())]
        if not substitutes:
            return column
        imported = tuple(attribute for _, attribute in substitutes)
        of_texts = any(one.kind == "VARCHAR" for one in imported)
        own = f"{column.sql}::VARCHAR" if of_texts else column.sql
        sql = f"coalesce({', '.join((own, *(sql for sql, _ in substitutes)))})"
        return PeopleColumn(column.name, sql, in_profiles=True, imported=imported)

    def _imported_substitutes(self, column: PeopleColumn) -> Iterable[tuple[str, AttributeColumn]]:
        names = self._attributes.find(column.name)
        kind = self._profiles[column.name]
        texts = tuple(AttributeColumn(name, "VARCHAR") for name in names)
        attributes = texts if kind == "VARCHAR" else self._attributes.typed(names)
        # Values of another type can be shown as text, but only where no profile has a value.
        if not all(_is_fitting(one, kind) for one in attributes):
            attributes = () if self._is_known(column) else texts
        for attribute in attributes:
            yield f"i.{attribute.column}", attribute

    def _age_bands(self) -> Iterable[tuple[str, AttributeColumn]]:
        for name in self._attributes.find("age"):
            age = AttributeColumn(name, "DOUBLE")
            yield age_band(f"i.{age.column}"), age

    def _is_known(self, column: PeopleColumn) -> bool:
        known = f"SELECT 1 FROM profiles AS r WHERE {column.sql} IS NOT NULL LIMIT 1"  # noqa: S608 - quoted
        return bool(self._con.execute(known).fetchall())

    def _explain_unknown(self, name: str, asked_by: str) -> SetupError:
        imported = self._attributes.names
        names = [column.name for column in self.columns.values()]
        names += [one for one in imported if one.lower() not in self.columns]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        quotes = " Texts stand between single quotes." if asked_by == "where" else ""
        return SetupError(
            f"{parameter(asked_by)} names {name!r}, which is no column of people{nearest(name, names)}. There are: "
            f"{', '.join(names[:_MOST_NAMED])}{more}.{quotes}"
        )


def joins_for(used: Collection[PeopleColumn], *, within: str | None = None) -> str:
    """Return SQL that joins what these columns need to `personas AS p`; `within` is SQL that limits it to these ids."""
    imported = list(dict.fromkeys(attribute for column in used for attribute in column.imported))
    attributes = _joined_attributes(imported, is_whole=any(column.is_whole for column in used), within=within)
    return f"{_PROFILES} {attributes}" if any(column.in_profiles for column in used) else attributes


def _is_fitting(attribute: AttributeColumn, kind: str) -> bool:
    return attribute.kind == kind or (attribute.kind in _NUMBERS and kind in ("TINYINT", "INTEGER"))


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over `people`, and the columns that it asks."""

    sql: str
    columns: tuple[PeopleColumn, ...]

    def __str__(self) -> str:
        # On lines of its own, so that a comment at its end ends with it.
        return f"(\n{self.sql}\n)"


#: How long a condition may take by default.
WHERE_LIMIT = QueryLimit(30, "ask something simpler of them")


def parse_condition(
    con: duckdb.DuckDBPyConnection, text: str | None, people: PeopleColumns, limit: QueryLimit = WHERE_LIMIT
) -> Condition:
    """Parse the condition and check it against the hub's columns; None holds for everybody.

    Raises `SetupError` for anything but one expression: another statement, a subquery, a parameter, an unknown column,
    or a function that waits, reaches beyond the hub or answers differently each time it is asked.
    """
    if text is None:
        return Condition("true", ())
    if not text.strip():
        raise SetupError(
            f"{parameter('where')} is empty; give a condition such as \"language = 'en'\", or leave it out."
        )
    nodes = _parse_expression(con, text)
    names = dict.fromkeys(_column_names(nodes))
    condition = Condition(text, tuple(people.column(name, asked_by="where") for name in names))
    _check_type(con, condition, people, limit)
    return condition


#: What may not be in a condition, by its class in the tree, and why.
_NOT_ASKED = {
    "SUBQUERY": "takes one condition on a person, without a query inside it",
    "PARAMETER": "holds a parameter (? or $); write the value itself",
    "STAR": "names all columns at once (*); name those that count",
}
_FICKLE = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"


def _parse_expression(con: duckdb.DuckDBPyConnection, text: str) -> list[Node]:
    """Return the nodes of the expression's tree, as DuckDB parses it, once all of them are found to be allowed."""
    try:
        duckdb.SQLExpression(text)
        (tree,) = parse_sql(f"SELECT 1 FROM people WHERE \n{text}\n")  # noqa: S608 - parsed, not run
    except (duckdb.Error, SetupError) as error:
        why = said(error) if isinstance(error, duckdb.Error) else error
        raise SetupError(
            f"{parameter('where')} is {text!r}, which is no condition in SQL, such as \"language = 'en' AND hop < 3\": "
            f"{why}"
        ) from error
    nodes = list(iter_nodes(tree["where_clause"]))
    for node in nodes:
        if reason := _NOT_ASKED.get(node.get("class", "")):
            raise SetupError(f"{parameter('where')} {reason}.")
    try:
        check_functions(nodes)
    except SetupError as error:
        raise SetupError(f"{parameter('where')} is {text!r}: {error}") from error
    fickle = {name for (name,) in con.execute(_FICKLE).fetchall()}
    for name in (str(node["function_name"]).lower() for node in nodes if node.get("class") == "FUNCTION"):
        if name in fickle:
            raise SetupError(
                f"{parameter('where')} calls {name}(), whose answer changes; a selection must be the same every time."
            )
    return nodes


def _column_names(nodes: list[Node]) -> Iterator[str]:
    lambdas = [node for node in nodes if node.get("class") == "LAMBDA"]
    own = {str(name) for node in lambdas for side in iter_nodes(node["lhs"]) for name in side.get("column_names", ())}
    for node in nodes:
        names = [str(name) for name in node.get("column_names", ())]
        if names[:1] == ["people"] and len(names) > 1:
            names = names[1:]
        if names and names[0] not in own | _MADE_UP:
            yield names[0]


#: What DuckDB itself calls the elements when it rewrites a list comprehension.
_MADE_UP = frozenset({"elem"})


def _check_type(con: duckdb.DuckDBPyConnection, condition: Condition, people: PeopleColumns, limit: QueryLimit) -> None:
    relation = people.relation(condition.columns, with_duplicates=True)
    try:
        # Asked for as a condition too, where DuckDB takes neither aggregates nor windows.
        asked = f"SELECT {condition} FROM {relation} WHERE {condition} LIMIT 0"  # noqa: S608 - parsed above
        kind = ask_people(con, asked, limit, lambda found: str(found.types[0]))
    except duckdb.Error as error:
        raise SetupError(f"{parameter('where')} is {condition.sql!r}, which cannot be asked: {said(error)}.") from error
    if kind != "BOOLEAN":
        raise SetupError(
            f"{parameter('where')} is {condition.sql!r}, which is {kind}; it must be true or false of each person."
        )


def ask_people[T](
    con: duckdb.DuckDBPyConnection, query: str, limit: QueryLimit, answered: Callable[[duckdb.DuckDBPyRelation], T]
) -> T:
    """Return what `answered` makes of a query about personas, within the limit.

    The query runs on a connection of its own: a function call that cannot be stopped at the limit keeps it busy.
    """
    own = con.cursor()
    lend_tables(own)
    # As a relation, because `execute` would copy the rows.
    return run_query(own, lambda: answered(own.sql(query)), limit)


@dataclass(frozen=True, slots=True, eq=False)
class Category:
    """A column as its distinct values, sorted, and each candidate's place among them (-1 for nothing known)."""

    name: str
    values: tuple[str, ...]
    codes: Ints

    def code(self, value: str) -> int | None:
        """Return the place of a value; None if no candidate has it."""
        return self.values.index(value) if value in self.values else None


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Who may be chosen, in their order of arrival."""

    #: Row ids in the table personas.
    rows: Ints
    #: Order of arrival, from which the random order is derived: it stays the same when the hub grows.
    arrivals: Ints
    categories: tuple[Category, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def those(self, chosen: NDArray[np.bool_]) -> "Candidates":
        """Return the candidates for whom `chosen` is true."""
        if chosen.all():
            return self
        categories = tuple(Category(c.name, c.values, c.codes[chosen]) for c in self.categories)
        return Candidates(self.rows[chosen], self.arrivals[chosen], categories)


def read_candidates(
    con: duckdb.DuckDBPyConnection,
    people: PeopleColumns,
    condition: Condition,
    columns: Sequence[PeopleColumn],
    *,
    with_duplicates: bool,
    limit: QueryLimit,
) -> Candidates:
    """Read everybody who meets the condition. Raises `SetupError` if it cannot be asked of them within the limit."""
    relation = people.relation((*condition.columns, *columns), with_duplicates=with_duplicates)
    shown = "".join(f", {quote_name(column.name)}::VARCHAR" for column in columns)
    query = f'SELECT "#row", "#arrival"{shown} FROM {relation} WHERE {condition}'  # noqa: S608 - parsed and quoted
    query += ' ORDER BY "#arrival", "#row"'
    try:
        table = ask_people(con, query, limit, duckdb.DuckDBPyRelation.fetchnumpy)
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        raise SetupError(
            f"{parameter('where')} is {condition.sql!r}, which failed on somebody: {said(error)}."
        ) from error
    rows, arrivals, *others = table.values()
    categories = [_make_category(column.name, values) for column, values in zip(columns, others, strict=True)]
    return Candidates(read_integers(rows), read_integers(arrivals), tuple(categories))


def _make_category(name: str, values: NDArray[np.object_]) -> Category:
    said = values.tolist()
    places = {value: place for place, value in enumerate(sorted({value for value in said if value is not None}))}
    return Category(name, tuple(places), np.fromiter((places.get(value, -1) for value in said), np.int64, len(said)))


#: Up to here combinations are counted in a table of all there could be, which is ten times faster than sorting them.
_TABLE = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """The combinations that occur, and to which each candidate belongs."""

    columns: tuple[str, ...]
    #: One row a stratum: the place of its value in each category, -1 for nothing known.
    cells: Ints
    #: How many candidates are in each.
    counts: Ints
    #: The stratum of each candidate.
    codes: Ints
    values: tuple[tuple[str, ...], ...]

    def label(self, stratum: int) -> tuple[str | None, ...]:
        """Return the values of a stratum; None for an unknown one."""
        return tuple(
            values[code] if code >= 0 else None for values, code in zip(self.values, self.cells[stratum], strict=True)
        )

    def __len__(self) -> int:
        return len(self.counts)


def divide_strata(categories: Sequence[Category], size: int) -> Strata:
    """Divide `size` candidates into strata, in the order of their values; one stratum without categories."""
    combined = np.zeros(size, dtype=np.int64)
    for category in categories:
        if len(combined) and int(combined.max()) > 2**62 // (len(category.values) + 1):
            combined = np.unique(combined, return_inverse=True)[1].astype(np.int64)
        combined = combined * (len(category.values) + 1) + category.codes + 1
    codes, counts = _number_densely(combined)
    first = np.empty(len(counts), dtype=np.int64)
    first[codes[::-1]] = np.arange(size - 1, -1, -1)
    cells = np.stack([category.codes[first] for category in categories], axis=1) if categories else None
    return Strata(
        tuple(category.name for category in categories),
        cells if cells is not None else np.zeros((len(counts), 0), dtype=np.int64),
        counts,
        codes,
        tuple(category.values for category in categories),
    )


def _number_densely(combined: Ints) -> tuple[Ints, Ints]:
    """Return the numbers renumbered without gaps in the same order, and how often each occurs."""
    if len(combined) and int(combined.max()) < _TABLE:
        counted = np.bincount(combined)
        present = np.flatnonzero(counted)
        places = np.zeros(len(counted), dtype=np.int64)
        places[present] = np.arange(len(present))
        return places[combined], counted[present]
    _, codes, counts = np.unique(combined, return_inverse=True, return_counts=True)
    return codes.astype(np.int64), counts.astype(np.int64)
