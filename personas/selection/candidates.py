"""The people who may be chosen: a condition in SQL, and the values that the choice depends on, as arrays and strata."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from ..arrays import Ints
from ..database import quote_name, said
from ..errors import SetupError, parameter
from ..user_sql import QueryLimit, check_functions, iter_nodes, parse_sql, run_query
from .columns import PeopleColumn, PeopleColumns
from .sampling import integers

#: The other clauses that a SELECT may have, and their values when there are none.
_NOTHING_ELSE: dict[str, object] = {
    "modifiers": [],
    "group_expressions": [],
    "having": None,
    "qualify": None,
    "sample": None,
}


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
    nodes = list(iter_nodes(_expression(text)))
    _check_nodes(nodes)
    try:
        check_functions(nodes)
    except SetupError as error:
        raise SetupError(f"{parameter('where')} is {text!r}: {error}") from error
    _check_stable(con, nodes)
    names = dict.fromkeys(_column_names(nodes))
    condition = Condition(text, tuple(people.column(name, asked_by="where") for name in names))
    _check_type(con, condition, people, limit)
    return condition


def _expression(text: str) -> Any:
    """Return the tree of the expression, as DuckDB parses it."""
    # In brackets it must be one expression, and without them it must not close brackets that it never opened.
    _parsed(text, f"SELECT 1 FROM people WHERE (\n{text}\n)")  # noqa: S608 - parsed, not run
    node = _parsed(text, f"SELECT 1 FROM people WHERE \n{text}\n")  # noqa: S608 - parsed, not run
    return node["where_clause"]


def _parsed(text: str, statement: str) -> Any:
    try:
        trees = parse_sql(statement)
    except SetupError as error:
        raise SetupError(f"{parameter('where')} is {text!r}, which is no condition in SQL: {error}") from error
    node = trees[0]
    plain = node["type"] == "SELECT_NODE" and node["where_clause"] is not None
    if len(trees) != 1 or not plain or any(node[key] != value for key, value in _NOTHING_ELSE.items()):
        raise SetupError(
            f"{parameter('where')} is {text!r}; it takes one condition, such as \"language = 'en' AND hop < 3\"."
        )
    return node


def _check_nodes(nodes: list[dict[str, Any]]) -> None:
    classes = {node.get("class") for node in nodes}
    if "SUBQUERY" in classes:
        raise SetupError(f"{parameter('where')} takes one condition on a person, without a query inside it.")
    if "PARAMETER" in classes:
        raise SetupError(f"{parameter('where')} holds a parameter (? or $); write the value itself.")
    if "STAR" in classes:
        raise SetupError(f"{parameter('where')} names all columns at once (*); name those that count.")


def _check_stable(con: duckdb.DuckDBPyConnection, nodes: list[dict[str, Any]]) -> None:
    called = {str(node["function_name"]).lower() for node in nodes if node.get("class") == "FUNCTION"}
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    fickle = {str(name).lower() for (name,) in con.execute(query).fetchall()} if called else set()
    for name in sorted(called & fickle):
        raise SetupError(
            f"{parameter('where')} calls {name}(), whose answer changes; a selection must be the same every time."
        )


def _column_names(nodes: list[dict[str, Any]]) -> Iterator[str]:
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
    try:
        table = ask_people(con, query, limit, duckdb.DuckDBPyRelation.fetchnumpy)
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        raise SetupError(
            f"{parameter('where')} is {condition.sql!r}, which failed on somebody: {said(error)}."
        ) from error
    rows, arrivals, *others = table.values()
    rows, arrivals = integers(rows), integers(arrivals)
    order = _arrival_order(rows, arrivals)
    categories = (_category(column.name, values, order) for column, values in zip(columns, others, strict=True))
    return Candidates(rows[order], arrivals[order], tuple(categories))


def _arrival_order(rows: Ints, arrivals: Ints) -> Ints | slice:
    # DuckDB's threads may give rows in any order, though they rarely do.
    steps = np.diff(arrivals)
    return slice(None) if (steps > 0).all() else np.lexsort((rows, arrivals))


def _category(name: str, values: NDArray[np.object_], order: Ints | slice) -> Category:
    said = values.tolist()
    places = {value: place for place, value in enumerate(sorted({value for value in said if value is not None}))}
    codes = np.fromiter((places.get(value, -1) for value in said), np.int64, len(said))
    return Category(name, tuple(places), codes[order])


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


def stratify(categories: Sequence[Category], size: int) -> Strata:
    """Divide `size` candidates into strata, in the order of their values; one stratum without categories."""
    combined = np.zeros(size, dtype=np.int64)
    for category in categories:
        if len(combined) and int(combined.max()) > 2**62 // (len(category.values) + 1):
            combined = np.unique(combined, return_inverse=True)[1].astype(np.int64)
        combined = combined * (len(category.values) + 1) + category.codes + 1
    codes, counts = _dense(combined)
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


def _dense(combined: Ints) -> tuple[Ints, Ints]:
    """Return the numbers renumbered without gaps in the same order, and how often each occurs."""
    if len(combined) and int(combined.max()) < _TABLE:
        counted = np.bincount(combined)
        present = np.flatnonzero(counted)
        places = np.zeros(len(counted), dtype=np.int64)
        places[present] = np.arange(len(present))
        return places[combined], counted[present]
    _, codes, counts = np.unique(combined, return_inverse=True, return_counts=True)
    return codes.astype(np.int64), counts.astype(np.int64)
