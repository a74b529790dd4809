"""One statement of SQL that only reads, within limits of time and memory; its answer as rows, frames or an HTML table.

Statements are judged by the tree that DuckDB parses them to. `PIVOT` over values that are in the data has no such tree;
it is judged by its words, and by being a query that is valid in brackets.
"""

import json
import re
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
from arro3.core import ChunkedArray, RecordBatch, Schema, Table

from .arrow import engine, make_array, read_stream
from .database import quote_name, said
from .errors import SetupError, parameter
from .result import html_table
from .text import number_repeats


@dataclass(frozen=True, slots=True)
class QueryLimit:
    """The time and memory that a query written by a user may take."""

    #: None for no limit.
    seconds: float | None
    #: What to do when the time limit is reached: the end of the message.
    advice: str
    #: The share of DuckDB's memory limit by which memory and temporary files may grow.
    memory: float = 0.6
    #: Whether the process runs this query only, so that its memory may be limited as a whole.
    has_own_process: bool = False

    @classmethod
    def given(cls, seconds: float, *, memory: float = 0.6, has_own_process: bool = False) -> "QueryLimit":
        """Return the limit for `--timeout`; 0 is no limit. Raises `SetupError` for an invalid number of seconds."""
        if not 0 <= seconds <= threading.TIMEOUT_MAX:
            raise SetupError(
                f"{parameter('timeout')} is {seconds:g}; it must be a number of seconds from 0, which is no limit."
            )
        advice = f"ask for less, or allow more with {parameter('timeout')} (0 is no limit)"
        return cls(seconds or None, advice, memory, has_own_process)


#: The message for a query that runs out of memory.
TOO_LARGE = "The query needs more memory than it may take here; ask for fewer rows at once, or for less of each."

#: How often a query is checked, and how long a stopped query may take to end.
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 2.0
#: Queries that did not end when they were stopped.
_UNSTOPPABLE: list[threading.Thread] = []


def has_unstoppable_query() -> bool:
    """Return whether a stopped query is still running: DuckDB cannot interrupt a single function call."""
    return any(thread.is_alive() for thread in _UNSTOPPABLE)


def run_query[T](con: duckdb.DuckDBPyConnection, work: Callable[[], T], limit: QueryLimit) -> T:
    """Run `work`, which queries `con` only, in a separate thread, and return its result.

    Raises `SetupError` if it takes longer or more memory than the limit allows. Ctrl-C stops it as well.
    """
    answers: list[T] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def run_work() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised to the caller
            failures.append(error)
        finally:
            ended.set()

    with con.cursor() as watch, _bounded_allocations(watch, limit):
        thread = threading.Thread(target=run_work, name="populace-query", daemon=True)
        thread.start()
        try:
            reached = _watch_query(watch, ended, limit)
        except BaseException:
            _stop_query(con, thread, ended)
            raise
        if reached is not None:
            _stop_query(con, thread, ended)
    if answers:
        return answers[0]
    if reached is None and isinstance(failures[0], duckdb.OutOfMemoryException | MemoryError):
        reached = TOO_LARGE
    if reached is not None:
        raise SetupError(reached) from (failures[0] if failures else None)
    raise failures[0]


def _watch_query(watch: duckdb.DuckDBPyConnection, ended: threading.Event, limit: QueryLimit) -> str | None:
    """Wait for the end, and return the message of the limit that was reached before it, or None."""
    began = time.monotonic()
    allowed = None
    while not ended.wait(_LOOK_SECONDS):
        if limit.seconds is not None and time.monotonic() - began >= limit.seconds:
            return f"The query was stopped after {limit.seconds:g} s; {limit.advice}."
        with suppress(duckdb.Error):  # closing the database meanwhile stops the query as well
            taken, whole = watch.execute(_TAKEN).fetchall()[0]
            allowed = allowed or taken + limit.memory * whole
            if taken > allowed:
                return TOO_LARGE
    return None


_TAKEN = """
SELECT sum(memory_usage_bytes + temporary_storage_bytes), parse_formatted_bytes(current_setting('memory_limit'))
FROM duckdb_memory()
"""


def _stop_query(con: duckdb.DuckDBPyConnection, thread: threading.Thread, ended: threading.Event) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not ended.is_set() and time.monotonic() < until:
        # Repeatedly, because between two statements there is nothing to interrupt.
        with suppress(duckdb.Error):
            con.interrupt()
        ended.wait(_LOOK_SECONDS)
    if not ended.is_set():
        _UNSTOPPABLE.append(thread)


@contextmanager
def _bounded_allocations(watch: duckdb.DuckDBPyConnection, limit: QueryLimit) -> Iterator[None]:
    """Make allocations that DuckDB does not count (a list of a billion numbers) fail instead of filling memory."""
    if not limit.has_own_process or sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    ((whole,),) = watch.execute("SELECT parse_formatted_bytes(current_setting('memory_limit'))").fetchall()
    held = int(re.findall(r"VmData:\s*(\d+)", Path("/proc/self/status").read_text())[0]) * 1024
    wanted = held + int(limit.memory * whole)
    if before[0] == resource.RLIM_INFINITY or before[0] > wanted:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


type Node = dict[str, Any]

_ANSWERED = "SELECT and its kin (FROM, WITH, VALUES, PIVOT, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN)"
#: Allowed kinds of queries and their parts. Others (INSERT, COPY TO, ...) may also be in a WITH.
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_CHANGING = frozenset({"INSERT", "UPDATE", "DELETE", "COPY", "MERGE"})
#: Functions that wait, write, or show DuckDB's settings and sequences.
_REFUSED = frozenset(
    {
        *("sleep_ms", "pg_sleep", "nextval", "currval", "setval", "write_log", "getenv", "current_setting"),
        *("json_execute_serialized_sql", "json_serialize_plan", "in_search_path"),
    }
)
#: Table functions that compute, or describe the tables of the file. All others are refused.
_TABLES = frozenset(
    {
        *("generate_series", "histogram", "histogram_values", "json_each", "json_tree", "range", "repeat"),
        *("repeat_row", "summary", "test_all_types", "unnest", "icu_calendar_names", "pg_timezone_names"),
        *("duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions", "duckdb_indexes"),
        *("duckdb_keywords", "duckdb_memory", "duckdb_schemas", "duckdb_tables", "duckdb_types", "duckdb_views"),
        *("pragma_collations", "pragma_database_size", "pragma_show", "pragma_storage_info", "pragma_table_info"),
        *("pragma_version",),
    }
)
_TABLE_KINDS, _SCALAR_KINDS = ("table", "table_macro", "pragma"), ("scalar", "aggregate", "macro", "window")
#: Views of DuckDB that show settings.
_REFUSED_VIEWS = frozenset({"pg_settings"})


def check_query(sql: str) -> None:
    """Raise `SetupError` unless `sql` is one statement that only reads, and `duckdb.Error` when it is not valid SQL.

    Statements that read are SELECT, whatever gives rows as it does, and EXPLAIN of these.
    """
    if "\0" in sql:
        raise SetupError("The query holds a NUL character; leave it out.")
    statement = _only_statement(sql)
    text = statement.query
    if statement.type is duckdb.StatementType.EXPLAIN or _statement_words(text)[:1] == ["EXPLAIN"]:
        text = _explained_statement(text)
        statement = _only_statement(text)
    if statement.type is duckdb.StatementType.MULTI:
        _check_pivot(text)
    elif statement.type is duckdb.StatementType.SELECT:
        nodes = list(iter_nodes(parse_sql(text)))
        _check_reads(nodes)
        check_functions(nodes)
    else:
        raise _not_read(statement.type.name)


def parse_sql(text: str) -> Sequence[Node]:
    """Parse the SELECT statements in `text` into syntax trees. Raises `SetupError` with the database's message."""
    ((answer,),) = _open_parser().execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchall()
    try:
        parsed = json.loads(answer)
    except RecursionError as error:
        raise SetupError("The SQL is nested too deeply to be checked; write it in fewer levels.") from error
    if parsed["error"]:
        raise SetupError(f"{' '.join(str(parsed['error_message']).split())}.")
    return [statement["node"] for statement in parsed["statements"]]


def iter_nodes(tree: object) -> Iterator[Node]:
    """Yield all objects of a tree, parents first."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def check_functions(nodes: Iterable[Node]) -> None:
    """Raise `SetupError` for functions and views that wait, reach other files or show settings."""
    for node in nodes:
        if node.get("type") == "TABLE_FUNCTION":
            _check_name(str(node["function"]["function_name"]), is_table=True)
        elif node.get("type") == "BASE_TABLE":
            _check_view(str(node["table_name"]))
        elif "function_name" in node:
            _check_name(str(node["function_name"]), is_table=False)


def _check_name(name: str, *, is_table: bool) -> None:
    plain = name.lower()
    # An unknown name is a macro of the file, or an error that DuckDB reports itself.
    if plain in _REFUSED or (is_table and plain in _list_functions(*_TABLE_KINDS) - _TABLES):
        raise SetupError(
            f"{name}() is refused: SQL that is asked here computes with what its own file holds, and neither waits, "
            f"reads other files, changes anything nor tells settings."
        )


def _check_view(name: str) -> None:
    if name.lower() in _REFUSED_VIEWS or name.lower() in _list_functions(*_TABLE_KINDS) - _TABLES:
        raise SetupError(f"{name} is refused: it tells settings of the database; ask the tables of the file.")


def _check_reads(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if "cte_map" in node and node["type"] not in _QUERIES:
            raise _not_read(str(node["type"]).partition("_")[0])


def _not_read(kind: str) -> SetupError:
    return SetupError(f"{kind} is refused: a run file answers {_ANSWERED}.")


def _check_pivot(text: str) -> None:
    """Raise `SetupError` unless `text` is a query over a PIVOT that calls no refused function."""
    words = _statement_words(text)
    while words[-1:] == [";"]:
        text = text[: text.rindex(";")]
        words = _statement_words(text)
    try:
        statements = _open_parser().extract_statements(f"FROM (\n{text}\n)")
    except duckdb.Error:
        statements = []
    if len(statements) != 1 or statements[0].type is not duckdb.StatementType.MULTI:
        raise _not_read(words[0] if words else "MULTI")
    for place, word in enumerate(words[:-1]):
        if words[place + 1] == "(":
            name = word.strip('"').lower()
            _check_name(word.strip('"'), is_table=name not in _list_functions(*_SCALAR_KINDS))
        if word == "(" and words[place + 1] in _CHANGING and words[place - 1] in {"AS", "MATERIALIZED"}:
            raise _not_read(words[place + 1])


def _only_statement(sql: str) -> duckdb.Statement:
    statements = _open_parser().extract_statements(sql)
    if len(statements) != 1:
        raise SetupError(f"One statement at a time can be answered, but {len(statements)} were given.")
    return statements[0]


def _explained_statement(text: str) -> str:
    """Return the statement behind EXPLAIN and its options."""
    tokens = _statement_tokens(text)[1:]
    if tokens and tokens[0][1].upper() == "ANALYZE":
        tokens = tokens[1:]
    if tokens and tokens[0][1] == "(" and not _is_query(text, tokens[0][0]):
        closing = next((place for place, (_, word) in enumerate(tokens) if word == ")"), len(tokens) - 1)
        tokens = tokens[closing + 1 :]
    return text.encode()[tokens[0][0] :].decode() if tokens else ""


def _is_query(text: str, start: int) -> bool:
    try:
        return len(_open_parser().extract_statements(text.encode()[start:].decode())) == 1
    except duckdb.Error:
        return False


def _statement_words(text: str) -> list[str]:
    return [word.upper() if word.isascii() and word.isalpha() else word for _, word in _statement_tokens(text)]


def _statement_tokens(text: str) -> list[tuple[int, str]]:
    """Return each token with its first byte, without comments."""
    raw = text.encode()
    found = duckdb.tokenize(text)
    ends = [start for start, _ in found[1:]] + [len(raw)]
    return [
        (start, raw[start:end].decode(errors="replace").strip())
        for (start, kind), end in zip(found, ends, strict=True)
        if kind != duckdb.token_type.comment
    ]


def _open_parser() -> duckdb.DuckDBPyConnection:
    return _parser_database().cursor()


@cache
def _parser_database() -> duckdb.DuckDBPyConnection:
    """Open an empty database in memory, in which statements are parsed and never run."""
    return duckdb.connect(config={"enable_external_access": "false", "lock_configuration": "true"})


@cache
def _list_functions(*kinds: str) -> frozenset[str]:
    query = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE list_contains(?, function_type)"
    return frozenset(str(name) for (name,) in _open_parser().execute(query, [list(kinds)]).fetchall())


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
        return _import_library("pyarrow").table(self.table())

    def df(self) -> Any:
        """Return the rows as a pandas data frame, decimals and sums as numbers that pandas calculates with.

        Raises `SetupError` if pandas is not installed.
        """
        _import_library("pandas")
        with engine(answer=self.table()) as con:
            return con.sql("FROM answer").project(", ".join(_native_columns(con))).df()

    def pl(self) -> Any:
        """Return the rows as a polars data frame. Raises `SetupError` if polars is not installed."""
        return _import_library("polars").DataFrame(self.table())


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
            raise QueryError(_error_sentence(error)) from error

    def result(self) -> QueryResult:
        """Return the whole answer. Raises `QueryError` if the query fails on the way."""
        table = Table.from_batches(list(self), schema=self.schema)
        columns = [
            _column_values(column, name, type_)
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
        raise QueryError(_error_sentence(error)) from error


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


def _native_columns(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Select each column of `answer`: decimals as whole numbers where all fit, else as doubles."""
    for name, type_, *_ in con.execute("DESCRIBE answer").fetchall():
        column = quote_name(name)
        if not type_.startswith("DECIMAL"):
            yield column
            continue
        whole = f"count(*) FILTER ({column} IS NOT NULL AND TRY_CAST({column} AS BIGINT) IS NULL) = 0"
        fits = type_.endswith(",0)") and con.execute(f"SELECT {whole} FROM answer").fetchall() == [(True,)]  # noqa: S608
        yield f"{column}::{'BIGINT' if fits else 'DOUBLE'} AS {column}"


def _import_library(library: str) -> ModuleType:
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{library} is not installed: `pip install {library}`, or take the answer as `.rows`."
        ) from error


def _error_sentence(error: Exception) -> str:
    if "Out of Memory Error" in str(error):
        return TOO_LARGE
    words = said(error)
    return words if words.endswith(("!", "?")) else f"{words}."


def _check_types(columns: Sequence[str], types: Sequence[str]) -> None:
    for name, type_ in zip(columns, types, strict=True):
        if type_ in _UNSPEAKABLE:
            raise QueryError(f"Column {name!r} is of type {type_}, which cannot be handed out; cast it to VARCHAR.")


def _column_values(column: ChunkedArray, name: str, type_: str) -> list[Any]:
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
