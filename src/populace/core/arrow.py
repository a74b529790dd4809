"""Columns that DuckDB reads in place, through Arrow's C interface: made of Python values, read, searched and written.

Types go by DuckDB's names. Nothing here needs pyarrow, which is an extra.
"""

import glob
import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from importlib import import_module
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import IO, Any
from weakref import finalize

import duckdb
import numpy as np
import orjson
from arro3.core import (
    Array,
    ChunkedArray,
    DataType,
    RecordBatch,
    RecordBatchReader,
    Schema,
    Table,
    list_array,
    list_flatten,
    struct_array,
)
from numpy.typing import NDArray

from .database import is_interrupt, quote_name, quote_text, said
from .errors import SetupError, StorageError, install_extra

_SCALARS = {
    "varchar": DataType.string(), "boolean": DataType.bool(), "blob": DataType.binary(), "tinyint": DataType.int8(),
    "integer": DataType.int32(), "bigint": DataType.int64(), "uinteger": DataType.uint32(),
    "ubigint": DataType.uint64(), "float": DataType.float32(), "double": DataType.float64(),
}  # fmt: skip
_INFERRED = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", datetime: "TIMESTAMP"}
_EPOCH, _MICROSECOND = datetime(1970, 1, 1), timedelta(microseconds=1)

#: A path is one file, whose name says nothing.
_PLAIN = "hive_partitioning = false"
_NOT_UTF8 = "Invalid string encoding"
_NAMES = "populace.columns"

#: Rows by their number in a file, from 1; None for one that cannot be decoded.
type NumberedRows = list[tuple[int, dict[str, Any] | None]]

#: How a value says that it does not fit its column: wrong type, out of range, text that is not UTF-8.
UNFIT = (AttributeError, LookupError, OverflowError, TypeError, ValueError)


def make_array(values: Any, kind: Any = None) -> Array:
    """Build a column from Python values or NumPy numbers; without `kind` the first value decides its type.

    Raises one of `UNFIT` for a value that is not of the type.
    """
    if isinstance(values, np.ndarray):
        return Array.from_numpy(np.ascontiguousarray(values))
    if kind is None:
        kind = _INFERRED.get(type(next((value for value in values if value is not None), None)), "VARCHAR")
    kind = _parse_type(kind) if isinstance(kind, str) else kind
    match kind.id:
        case "list":
            held = [() if value is None else value for value in values]
            ends = np.cumsum([0, *map(len, held)], dtype=np.int32)
            inner = kind.children[0][1]
            whole = np.concatenate(held) if held and isinstance(held[0], np.ndarray) else [*chain.from_iterable(held)]
            missing = Array([value is None for value in values], DataType.bool())
            return list_array(Array.from_numpy(ends), make_array(whole, inner), mask=missing)
        case "struct":
            parts = [(name, make_array([value.get(name) for value in values], inner)) for name, inner in kind.children]
            return struct_array(
                [part for _, part in parts], fields=[part.field.with_name(name) for name, part in parts]
            )
        case "timestamp":
            since = [None if value is None else (_make_naive(value) - _EPOCH) // _MICROSECOND for value in values]
            return Array(since, DataType.int64()).cast(DataType.timestamp("us"))
    return Array(values, _SCALARS[kind.id])


def _make_naive(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def make_table(columns: Mapping[str, Any], types: Mapping[str, Any] = MappingProxyType({})) -> Table:
    """Build a table from columns of equal length; a column without a type takes that of its first value."""
    arrays = [make_array(values, types.get(name)) for name, values in columns.items()]
    return Table.from_arrays(arrays, names=list(columns))


def duckdb_type(column: ChunkedArray) -> Any:
    """Return DuckDB's type of a column."""
    with engine(typed=Table.from_arrays([column], names=["held"])) as con:
        return con.sql("FROM typed").types[0]


def table_of(rows: Sequence[Sequence[Any]], types: Mapping[str, Any]) -> Table:
    """Build a table from a possibly empty list of rows."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(types)
    return make_table(dict(zip(types, columns, strict=True)), types)


def read_table(relation: Any) -> Table:
    """Read all rows of a relation."""
    batches, schema = read_stream(relation)
    return Table.from_batches(list(batches), schema=schema)


def iter_batches(relation: Any, rows: int) -> Iterator[Table]:
    """Read a relation as it is computed, at most `rows` rows at a time. Raises `duckdb.Error` when it fails."""
    for batch in read_stream(relation)[0]:
        for start in range(0, batch.num_rows, rows):
            yield Table.from_batches([batch.slice(start, min(rows, batch.num_rows - start))])


def read_stream(relation: Any) -> tuple[Iterator[RecordBatch], Schema]:
    """Begin to read a relation, and return its batches as they are computed and its columns."""
    reader = RecordBatchReader.from_arrow(relation)

    def batches() -> Iterator[RecordBatch]:
        try:
            yield from reader
        except Exception as error:  # an error within a stream has no class of its own
            raise duckdb.Error(str(error).removeprefix("C Data interface error: ")) from error

    return batches(), reader.schema


def to_rows(table: Table) -> list[dict[str, Any]]:
    """Return the rows as dictionaries."""
    columns = (column.to_pylist() for column in table.columns)
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def to_matrix(vectors: ChunkedArray) -> NDArray[np.float32]:
    """Return vectors of equal length as the rows of a matrix."""
    flat = list_flatten(vectors.combine_chunks()).to_numpy()
    return np.ascontiguousarray(flat.reshape(len(vectors), -1), dtype=np.float32)


def take(table: Table, places: Sequence[int]) -> Table:
    """Return the rows at these places."""
    if not places:
        return Table.from_batches([], schema=table.schema)
    indices = Array(places, DataType.int64())
    arrays = [column.combine_chunks().take(indices) for column in table.columns]
    return Table.from_arrays(arrays, schema=table.schema)


def take_known(table: Table, name: str, known: Container[Any]) -> Table:
    """Return the rows whose value in a column is in `known`."""
    return take(table, [place for place, value in enumerate(table[name].to_pylist()) if value in known])


def set_column(table: Table, name: str, values: Any, kind: str | None = None) -> Table:
    """Return the table with one column replaced or added."""
    made = values if isinstance(values, Array | ChunkedArray) else make_array(values, kind)
    column = ChunkedArray(made) if isinstance(made, ChunkedArray) else ChunkedArray([made])
    if name not in table.column_names:
        return table.append_column(name, column)
    return table.set_column(table.column_names.index(name), name, column)


@contextmanager
def engine(**tables: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection to an empty database in which these tables can be queried by name."""
    with _open_engine().cursor() as con:
        for name, table in tables.items():
            con.register(name, table)
        try:
            yield con
        except duckdb.Error:
            _open_engine.cache_clear()  # a damaged file may leave the whole database unusable
            raise


def write_parquet(rows: Any, path: Path, metadata: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write a relation, or an iterator of at least one table, as a Parquet file; `metadata` becomes the file's.

    DuckDB renames columns without a name, and columns whose names differ only in case. `ColumnFile` reads the original
    names. Raises `OSError` if the file cannot be written, and whatever the iterator raises.
    """
    failures: list[Exception] = []
    written = _stream_tables(rows, failures) if isinstance(rows, Iterator) else RecordBatchReader.from_arrow(rows)
    names = written.schema.names
    with engine(written=written) as con:
        if con.sql("FROM written").columns != names:
            metadata = {**metadata, _NAMES: orjson.dumps(names).decode()}
        facts = ", ".join(f"{quote_name(name)}: {quote_text(text)}" for name, text in metadata.items())
        form = f"FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false{f', KV_METADATA {{{facts}}}' if facts else ''}"
        try:
            con.execute(f"COPY (FROM written) TO {quote_text(str(path))} ({form})")
        except duckdb.Error as error:
            if failures:
                raise failures[0] from None
            raise OSError(said(error)) from error


def _stream_tables(tables: Iterator[Table], failures: list[Exception]) -> RecordBatchReader:
    """Stream tables as they are read; keep exceptions in `failures`, because DuckDB passes them on only as text."""
    first = next(tables)

    def batches() -> Iterator[RecordBatch]:
        try:
            for table in chain([first], tables):
                yield from table.to_batches()
        except Exception as error:
            failures.append(error)
            raise

    return RecordBatchReader.from_batches(first.schema, batches())


@contextmanager
def open_parquet(path: Path) -> Iterator[duckdb.DuckDBPyRelation]:
    """Open a Parquet file as a relation."""
    with engine() as con:
        yield con.sql(f"FROM {_scan_parquet(path)}")


def _scan_parquet(path: Path) -> str:
    return f"read_parquet({quote_text(glob.escape(str(path.absolute())))}, {_PLAIN})"


class ColumnFile:
    """A Parquet or Arrow file, read as rows of Python values.

    Arrow files, and the text of Parquet that DuckDB does not take for UTF-8, are read with pyarrow. Every method
    raises `OSError` for a damaged file, and `SetupError` when pyarrow is needed and not installed.
    """

    def __init__(self, path: Path, *, is_parquet: bool) -> None:
        self._path, self._is_parquet = path, is_parquet
        #: What DuckDB calls the columns: it renames those that have no name, or differ only in case.
        self._columns: Sequence[str] = ()

    @cached_property
    def types(self) -> dict[str, str]:
        """DuckDB's type of each column."""
        with _explain_damage(self._path), engine() as con:
            if self._is_parquet:
                source, names = _scan_parquet(self._path), _parquet_names(con, self._path)
            else:
                schema = self._open_arrow().schema
                con.register(source := "empty", schema.empty_table())
                names = schema.names
            found = con.sql(f"FROM {source}")
            self._columns = found.columns
            if len(set(names)) != len(found.columns):
                names = found.columns
            return dict(zip(names, map(str, found.types), strict=True))

    def _find_places(self, names: Sequence[str]) -> list[int]:
        return [list(self.types).index(name) for name in names]

    def rows(self, names: Sequence[str], size: int, first: int = 1) -> Iterator[NumberedRows]:
        """Read rows from row `first` (counted from 1) on, at most `size` at a time."""
        with _explain_damage(self._path):
            if self._is_parquet:
                try:
                    for rows in self._query_rows(names, size, first):
                        yield rows
                        first = rows[-1][0] + 1
                    return
                except duckdb.InvalidInputException as error:
                    if _NOT_UTF8 not in str(error):
                        raise
            yield from self._decode_rows(names, size, first)

    def _query_rows(self, names: Sequence[str], size: int, first: int) -> Iterator[NumberedRows]:
        wanted = ", ".join(
            ("file_row_number + 1", *(quote_name(self._columns[place]) for place in self._find_places(names)))
        )
        with engine() as con:
            con.execute(f"SELECT {wanted} FROM {_scan_parquet(self._path)} WHERE file_row_number >= ?", [first - 1])  # noqa: S608
            while rows := con.fetchmany(size):
                yield [(number, dict(zip(names, values, strict=True))) for number, *values in rows]

    def _decode_rows(self, names: Sequence[str], size: int, first: int) -> Iterator[NumberedRows]:
        columns = self._find_places(names)  # names may stand twice in the file
        is_parquet = self._is_parquet
        number = 1
        for batch in (
            self._import_pyarrow("parquet").ParquetFile(self._path).iter_batches()
            if is_parquet
            else self._read_batches()
        ):
            for start in range(max(0, first - number), batch.num_rows, size):
                part = batch.slice(start, size).select(columns).rename_columns(list(names))
                yield list(enumerate(_to_rows(part), number + start))
            number += batch.num_rows

    def _read_batches(self) -> Iterator[Any]:
        reader = self._open_arrow()
        if not hasattr(reader, "num_record_batches"):
            return iter(reader)
        return map(reader.get_batch, range(reader.num_record_batches))

    def _open_arrow(self) -> Any:
        ipc = self._import_pyarrow("ipc")
        with self._path.open("rb") as file:
            is_file = file.read(6) == b"ARROW1"
        return (ipc.open_file if is_file else ipc.open_stream)(import_module("pyarrow").memory_map(str(self._path)))

    def _import_pyarrow(self, module: str) -> Any:
        try:
            return import_module(f"pyarrow.{module}")
        except ModuleNotFoundError as error:
            why = "is an Arrow file" if module == "ipc" else "has text that is not UTF-8"
            raise SetupError(f"{self._path} {why}; to read it, install pyarrow: {install_extra('arrow')}.") from error


def _parquet_names(con: duckdb.DuckDBPyConnection, path: Path) -> Sequence[str]:
    """Return the column names in the file, or the names that they had before `write_parquet`."""
    file = quote_text(glob.escape(str(path.absolute())))
    kept = con.execute(f"SELECT value FROM parquet_kv_metadata({file}) WHERE key = ?", [_NAMES.encode()]).fetchone()  # noqa: S608
    if kept:
        return tuple(map(str, orjson.loads(kept[0])))
    names, within = [], 0
    for name, children in con.execute(f"SELECT name, num_children FROM parquet_schema({file})").fetchall()[1:]:  # noqa: S608
        if within:
            within -= 1
        else:
            names.append(name)
        within += children or 0
    return names


@contextmanager
def _explain_damage(path: Path) -> Iterator[None]:
    """Turn the errors of DuckDB and pyarrow into `OSError`."""
    with path.open("rb"):
        try:
            yield
        except (duckdb.Error, ValueError, TypeError, RuntimeError, LookupError, MemoryError) as error:
            if is_interrupt(error):
                raise
            raise OSError(said(error)) from error


def _to_rows(batch: Any) -> list[dict[str, Any] | None]:
    """Convert pyarrow rows to dictionaries; a damaged row becomes None."""
    try:
        batch.validate(full=True)  # what is damaged may point anywhere in memory
        rows: list[dict[str, Any] | None] = batch.to_pylist()
    except (ValueError, OverflowError):
        half = batch.num_rows // 2
        return [*_to_rows(batch.slice(0, half)), *_to_rows(batch.slice(half))] if half else [None]
    return rows


@cache
def _open_engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})


@cache
def _parse_type(name: str) -> Any:
    return duckdb.sqltype(name)


#: Hashes and keys; places, sizes and numbers of sets; and marks.
type Hashes = NDArray[np.uint64]
type Ints = NDArray[np.int64]
type Flags = NDArray[np.bool_]
#: Vectors as rows, and numbers computed of them.
type Matrix = NDArray[np.float32]
type Floats = NDArray[np.float64]


_LEAST_ROOM = 1024


class GrowingArray[T: np.generic]:
    """A one-dimensional array in memory that grows by appending."""

    def __init__(self, dtype: type[T], *, room: int = _LEAST_ROOM) -> None:
        self._room = np.empty(room, dtype=dtype)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def values(self) -> NDArray[T]:
        """The numbers so far: a view that is valid until the next append."""
        return self._room[: self._used]

    def append(self, numbers: NDArray[T]) -> None:
        """Append an array."""
        end = self._used + len(numbers)
        if end > len(self._room):
            room = np.empty(end + end // 4 + _LEAST_ROOM, dtype=self._room.dtype)
            room[: self._used] = self._room[: self._used]
            self._room = room
        self._room[self._used : end] = numbers
        self._used = end

    def append_number(self, number: int) -> None:
        """Append one number."""
        if self._used == len(self._room):
            self.append(np.array([number], dtype=self._room.dtype))
        else:
            self._room[self._used] = number
            self._used += 1


#: Numbers from which on an array is held in a file: files of a few megabytes are not worth their making.
_IN_MEMORY = 1 << 20


class FileArray[T: np.generic]:
    """A one-dimensional array that grows by appending: in memory while it is small, then in a temporary file.

    The file has no name and goes with the array. It is mapped for reading, so its pages are the system's cache, which
    may drop them. Pickled, the array is its numbers, in memory.
    """

    def __init__(self, folder: Path, dtype: type[T]) -> None:
        """`folder` is where the file is made."""
        self._folder, self._dtype = folder, dtype
        self._memory = GrowingArray(dtype)
        self._file: IO[bytes] | None = None
        self._used = 0
        self._mapped: NDArray[T] = np.empty(0, dtype=dtype)

    def __reduce__(self) -> tuple[Callable[[NDArray[T]], GrowingArray[T]], tuple[NDArray[T]]]:
        return _in_memory, (np.array(self.values),)

    def __len__(self) -> int:
        return self._used

    @property
    def values(self) -> NDArray[T]:
        """The numbers so far: a view that is valid until the next append."""
        if self._file is None:
            return self._memory.values
        if len(self._mapped) < self._used:
            mapped = np.memmap(self._file, dtype=self._dtype, mode="r", shape=(self._used,))
            self._mapped = np.asarray(mapped)  # whose slices cost less
        return self._mapped

    def append(self, numbers: NDArray[T]) -> None:
        """Append an array. Raises `StorageError` when the file cannot be written."""
        numbers = numbers.astype(self._dtype, copy=False)
        if self._file is None and self._used + len(numbers) <= _IN_MEMORY:
            self._memory.append(numbers)
        else:
            self._write_numbers(numbers)
        self._used += len(numbers)

    def _write_numbers(self, numbers: NDArray[T]) -> None:
        try:
            if self._file is None:
                self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - open for as long as the array is there
                finalize(self, self._file.close)
                self._file.write(self._memory.values.tobytes())
                self._memory = GrowingArray(self._dtype)
            self._file.seek(0, os.SEEK_END)
            self._file.write(numbers.tobytes())
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"No temporary file can be written in {str(self._folder.absolute())!r} ({error.strerror}), where the "
                f"words of earlier texts are kept to compare with; make room there, then go on."
            ) from error


def _in_memory[T: np.generic](numbers: NDArray[T]) -> GrowingArray[T]:
    held = GrowingArray(numbers.dtype.type, room=len(numbers))
    held.append(numbers)
    return held


def expand_ranges(first: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ranges `first[i]`, `first[i] + 1`, ... of `counts[i]` numbers each, concatenated."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(first - ends + counts, counts)


def iter_slices(weights: NDArray[np.int64], most: int, items: int | None = None) -> Iterator[slice]:
    """Consecutive slices, each of at most `most` total weight (or one item) and at most `items` items."""
    ends = np.cumsum(weights)
    at = 0
    while at < len(weights):
        before = int(ends[at - 1]) if at else 0
        end = max(at + 1, int(np.searchsorted(ends, before + most, side="right")))
        end = end if items is None else min(end, at + items)
        yield slice(at, end)
        at = end
