"""Those who may be chosen: rows of a hub with the values that the choice goes by, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...database import said
from ...errors import SetupError
from ...user_sql import QueryLimit, run_query
from .arrays import Numbers, integers
from .condition import Condition
from .people import People, PeopleColumn, quote_name

__all__ = ["Candidates", "Category", "read_candidates"]


@dataclass(frozen=True, slots=True, eq=False)
class Category:
    """A column as its distinct values, sorted, and each candidate's place among them (-1 for nothing known)."""

    name: str
    values: tuple[str, ...]
    codes: Numbers

    def code(self, value: str) -> int | None:
        """The place of a value; None when no candidate has it."""
        return self.values.index(value) if value in self.values else None


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Who may be chosen, in their order of arrival."""

    #: Row ids in the table personas.
    rows: Numbers
    #: Order of arrival, from which the random order is derived: it stays the same when the hub grows.
    arrivals: Numbers
    categories: tuple[Category, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def those(self, chosen: NDArray[np.bool_]) -> "Candidates":
        """The candidates for whom it is true."""
        if chosen.all():
            return self
        categories = tuple(Category(c.name, c.values, c.codes[chosen]) for c in self.categories)
        return Candidates(self.rows[chosen], self.arrivals[chosen], categories)


def read_candidates(
    con: duckdb.DuckDBPyConnection,
    people: People,
    condition: Condition,
    columns: Sequence[PeopleColumn],
    *,
    with_duplicates: bool,
    limit: QueryLimit,
) -> Candidates:
    """Everybody who meets the condition. Raises `SetupError` when it cannot be asked of them within the limit."""
    relation = people.relation((*condition.columns, *columns), with_duplicates=with_duplicates)
    shown = "".join(f", {quote_name(column.name)}::VARCHAR" for column in columns)
    query = f'SELECT "#row", "#arrival"{shown} FROM {relation} WHERE {condition}'  # noqa: S608 - parsed and quoted
    try:
        # A relation instead of a cursor: that one would copy the rows.
        table = run_query(con, lambda: con.sql(query).to_arrow_table(), limit)
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        raise SetupError(f"--where is {condition.sql!r}, which failed on somebody: {said(error)}.") from error
    rows, arrivals = (integers(table.column(place)) for place in range(2))
    order = _arrival_order(rows, arrivals)
    categories = (_category(column.name, table.column(2 + place), order) for place, column in enumerate(columns))
    return Candidates(rows[order], arrivals[order], tuple(categories))


def _arrival_order(rows: Numbers, arrivals: Numbers) -> Numbers | slice:
    # Threads may hand rows over in any order, though they hardly ever do.
    steps = np.diff(arrivals)
    return slice(None) if (steps > 0).all() else np.lexsort((rows, arrivals))


def _category(name: str, column: pa.ChunkedArray, order: Numbers | slice) -> Category:
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    ranks = np.argsort(np.array(values, dtype=object)) if values else np.empty(0, dtype=np.int64)
    places = np.empty(len(values) + 1, dtype=np.int64)
    places[ranks] = np.arange(len(values))
    places[-1] = -1
    return Category(name, tuple(values[rank] for rank in ranks), places[integers(encoded.indices)][order])
