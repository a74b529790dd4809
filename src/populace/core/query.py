"""One statement of SQL that only reads, asked of an open database; its answer as rows, frames or an HTML table."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import duckdb
from arro3.core import ChunkedArray, RecordBatch, Schema, Table

from .arrow import engine, make_array, read_stream
from .database import quote_name, said
from .errors import SetupError
from .result import html_table
from .text import number_repeats
from .user_sql import TOO_LARGE, QueryLimit, check_query, run_query

type Params = Sequence[object] | Mapping[str, object]

#: Of an answer under a limit: as Python's objects it takes ten times as much.
_MOST_BYTES = 1 << 28

_WHOLE = ("HUGEINT", "UHUGEINT")
#: Types that lose their meaning on the way out of the database.
_UNSPEAKABLE = ("BIGNUM", "BIT", "TIME WITH TIME ZONE")


class QueryError(SetupError):
    """A query cannot be answered: it is wrong, or asks for more than reading. The database's own words."""


class Tabular(ABC):
    """What can be taken as a table: `arrow()`, `df()` with pandas, `pl()` with polars."""

    __slots__ = ()

    @abstractmethod
    def table(self) -> Table:
        """Return the rows as columns that Arrow libraries take (`__arrow_c_stream__`); equal names are numbered."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the rows to Arrow, pandas, Polars and DuckDB."""
        return self.table().__arrow_c_stream__(requested_schema)

    def arrow(self) -> Any:
        """Return the rows as a pyarrow table. Raises `SetupError` when pyarrow is not installed."""
        return _import("pyarrow").table(self.table())

    def df(self) -> Any:
        """Return the rows as a pandas data frame, decimals and sums as numbers that pandas calculates with.

        Raises `SetupError` if pandas is not installed.
        """
        _import("pandas")
        with engine(answer=self.table()) as con:
            return con.sql("FROM answer").project(", ".join(_native(con))).df()

    def pl(self) -> Any:
        """Return the rows as a polars data frame. Raises `SetupError` if polars is not installed."""
        return _import("polars").DataFrame(self.table())


@dataclass(frozen=True, slots=True)
class QueryResult(Tabular):
    """The answer to a query."""

    #: Names of the columns, and DuckDB's names of their types.
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    _table: Table | None = field(default=None, compare=False, repr=False)

    def table(self) -> Table:
        """Return the answer as columns; equal names are numbered."""
        names = number_repeats(self.columns)
        if self._table is not None:
            return self._table.rename_columns(names)
        columns = list(zip(*self.rows, strict=True)) or [()] * len(names)
        return Table.from_arrays([make_array(column) for column in columns], names=names)

    def _repr_html_(self) -> str:
        """Show the first rows as a table, for a notebook."""
        return html_table(self.columns, self.rows)


@dataclass(frozen=True, slots=True)
class Query:
    """A query under way: the columns of its answer, and the batches as they come."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    batches: Iterable[RecordBatch]
    schema: Schema
    #: How large the answer may be; None for any size.
    most_bytes: int | None = None

    def __iter__(self) -> Iterator[RecordBatch]:
        """Yield the answer, batch by batch. Raises `QueryError` if the query fails on the way, or gives too much."""
        size = 0
        try:
            for batch in self.batches:
                size += batch.nbytes
                if self.most_bytes is not None and size > self.most_bytes:
                    raise QueryError(
                        f"The answer is larger than {self.most_bytes >> 20:,} MiB; ask for fewer rows (WHERE, LIMIT) "
                        f"or for fewer columns."
                    )
                yield batch
        except duckdb.Error as error:
            raise QueryError(_sentence(error)) from error

    def result(self) -> QueryResult:
        """Return the whole answer. Raises `QueryError` if the query fails on the way."""
        table = Table.from_batches(list(self), schema=self.schema)
        columns = [
            _values(column, name, type_)
            for column, name, type_ in zip(table.columns, self.columns, self.types, strict=True)
        ]
        return QueryResult(self.columns, self.types, list(zip(*columns, strict=True)), table)


def ask(cursor: duckdb.DuckDBPyConnection, sql: str, params: Params = (), *, most_bytes: int | None = None) -> Query:
    """Begin to answer one read-only statement. Raises `QueryError` for other statements and for failures.

    The answer comes in batches, so that a large one does not have to fit in memory. An answer of more than `most_bytes`
    fails.
    """
    try:
        check_query(sql)
        relation = cursor.sql(sql, params=params or None)
        columns, types = tuple(relation.columns), tuple(map(str, relation.types))
        _check_types(columns, types)
        return Query(columns, types, *read_stream(relation), most_bytes)
    except SetupError as error:
        raise QueryError(str(error)) from error
    except duckdb.Error as error:
        raise QueryError(_sentence(error)) from error


def answer(cursor: duckdb.DuckDBPyConnection, sql: str, params: Params, limit: QueryLimit | None) -> QueryResult:
    """Return the whole answer to one read-only statement, within a limit. Raises `QueryError`."""
    if limit is None:
        return ask(cursor, sql, params).result()
    try:
        return run_query(cursor, lambda: ask(cursor, sql, params, most_bytes=_MOST_BYTES).result(), limit)
    except QueryError:
        raise
    except SetupError as error:
        raise QueryError(str(error)) from error


def _native(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Select each column of `answer`: decimals as whole numbers where all fit, else as doubles."""
    for name, type_, *_ in con.execute("DESCRIBE answer").fetchall():
        column = quote_name(name)
        if not type_.startswith("DECIMAL"):
            yield column
            continue
        whole = f"count(*) FILTER ({column} IS NOT NULL AND TRY_CAST({column} AS BIGINT) IS NULL) = 0"
        fits = type_.endswith(",0)") and con.execute(f"SELECT {whole} FROM answer").fetchall() == [(True,)]  # noqa: S608
        yield f"{column}::{'BIGINT' if fits else 'DOUBLE'} AS {column}"


def _import(library: str) -> ModuleType:
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{library} is not installed: `pip install {library}`, or take the answer as `.rows`."
        ) from error


def _sentence(error: Exception) -> str:
    if "Out of Memory Error" in str(error):
        return TOO_LARGE
    words = said(error)
    return words if words.endswith(("!", "?")) else f"{words}."


def _check_types(columns: Sequence[str], types: Sequence[str]) -> None:
    for name, type_ in zip(columns, types, strict=True):
        if type_ in _UNSPEAKABLE:
            raise QueryError(f"Column {name!r} is of type {type_}, which cannot be handed out; cast it to VARCHAR.")


def _values(column: ChunkedArray, name: str, type_: str) -> list[Any]:
    if "INTERVAL" in type_:
        with engine(answer=Table.from_arrays([column], names=["value"])) as con:
            return [value for (value,) in con.execute("FROM answer").fetchall()]
    try:
        values = list(column.to_pylist())
    except (OverflowError, ValueError) as error:
        raise QueryError(f"Column {name!r} holds a {type_} out of Python's range; cast it to VARCHAR.") from error
    if type_.startswith(("DATE", "TIMESTAMP")) and values.count(None) != column.null_count:  # infinity is None, too
        raise QueryError(f"Column {name!r} holds a {type_} out of Python's range; cast it to VARCHAR.")
    if type_ in _WHOLE:
        return [None if value is None else int(value) for value in values]
    return list(values)
