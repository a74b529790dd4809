"""The one thread that writes a run file: rows come in from any thread and are committed in groups, through Arrow."""

import errno
import json
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson

from ...agents.endpoint.errors import FieldReader
from ...agents.gateway.call import Call, RequestPart
from ...core.arrow import UNFIT, make_table
from ...core.database import said
from ...core.errors import StorageError
from ...core.files import make_file
from ...core.model import Outcome
from ...core.table import Row, by_type, column_names, table_of
from ...personas.hub.tables import VectorRow
from .job_rows import SetAsideRow

_HEADER = struct.Struct("<8s16sQ")
_RECORD = struct.Struct("<II")
_MAGIC = b"PopJrnl1"

#: Bytes of committed records that may precede the others before the file is rewritten.
_COMMITTED = 1 << 23

_TIMES = ("started_at", "ended_at")
_COUNTS = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens")
_NAMES = tuple(field.name for field in fields(Call))

_KNOWN_CALLS = (
    "SELECT request_hash, owner, attempt, started_at FROM calls WHERE request_hash IN (SELECT unnest($hashes))"
)
_KNOWN_PARTS = "SELECT part FROM request_parts WHERE part IN (SELECT unnest($parts::BIGINT[]))"
_KNOWN_VECTORS = "SELECT request_hash, text_hash FROM vectors WHERE request_hash IN (SELECT unnest($hashes))"


class Journal:
    """The journal of a file that is open for writing. Its user holds a lock around every call."""

    def __init__(self, run_file: Path, con: duckdb.DuckDBPyConnection) -> None:
        """Create an empty journal. Raises `StorageError` if it cannot be created."""
        self.path = _path_of(run_file)
        self._owner = _owner_of(con)
        self._start = self.end = _HEADER.size
        try:
            self.path.unlink(missing_ok=True)
            self._file = self._make_journal(self.path)
        except OSError as error:
            raise StorageError(
                f"Nothing can be written beside {str(run_file)!r} ({error.strerror}); make room or check rights, then "
                f"go on with `populace resume {run_file}`."
            ) from error

    def append(self, alike: Mapping[type[Row], Sequence[Row]]) -> None:
        """Store the calls with an answer, and the vectors, from rows by class. Raises `OSError`."""
        calls = [row for row in alike.get(Call, ()) if isinstance(row, Call) and row.raw is not None]
        if not calls:
            return
        vectors = [row for row in alike.get(VectorRow, ()) if isinstance(row, VectorRow)]
        parts = [row for row in alike.get(RequestPart, ()) if isinstance(row, RequestPart)]
        record = _pack_record(calls, vectors, parts)
        self._write(record, self.end)
        self.end += len(record)

    def cut(self, end: int) -> None:
        """Drop the records up to here, which are committed now. Raises `OSError`."""
        if end == self._start:
            return
        if end == self.end:
            os.ftruncate(self._file, _HEADER.size)
            end = self.end = _HEADER.size
        self._start = end
        self._write(self._pack_header(), 0)
        if end > _COMMITTED:
            self._drop_committed()

    def close(self) -> None:
        """Close the file. It is removed if nothing in it is left to commit."""
        with suppress(OSError):
            os.close(self._file)
            if self._start == self.end:
                self.path.unlink(missing_ok=True)

    def _pack_header(self) -> bytes:
        return _HEADER.pack(_MAGIC, self._owner, self._start)

    def _write(self, data: bytes, place: int) -> None:
        os.lseek(self._file, place, os.SEEK_SET)
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _make_journal(self, path: Path, rest: bytes = b"") -> int:
        make_file(path)
        file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        os.write(file, self._pack_header() + rest)
        return file

    def _drop_committed(self) -> None:
        """Write what is not committed to another file, which replaces this one."""
        os.lseek(self._file, self._start, os.SEEK_SET)
        rest = os.read(self._file, self.end - self._start)
        part = self.path.with_name(f"{self.path.name}.new")
        part.unlink(missing_ok=True)
        self._start, self.end = _HEADER.size, _HEADER.size + len(rest)
        file = self._make_journal(part, rest)
        part.replace(self.path)
        os.close(self._file)
        self._file = file


def take_over(run_file: Path, con: duckdb.DuckDBPyConnection, insert: Callable[[Sequence[Row]], None]) -> int:
    """Insert the answers a killed process left in the journal, each once, and return their number.

    A journal that belongs to another file, and an incomplete last record, are ignored.
    """
    path = _path_of(run_file)
    try:
        data = path.read_bytes()
    except OSError:
        return 0
    path.with_name(f"{path.name}.new").unlink(missing_ok=True)
    rows = list(_iter_rows(data)) if data[8:24] == _owner_of(con) else []
    calls = [row for row in rows if isinstance(row, Call)]
    hashes = {"hashes": list({call.request_hash for call in calls})}
    known = set(con.execute(_KNOWN_CALLS, hashes).fetchall())
    vectors = set(con.execute(_KNOWN_VECTORS, hashes).fetchall())
    parts = set(
        con.execute(_KNOWN_PARTS, {"parts": [one.part for one in rows if isinstance(one, RequestPart)]}).fetchall()
    )
    missing = [row for row in rows if not {_row_key(row)} & (known | vectors | parts)]
    if missing:
        _insert_fitting(con, missing, insert)
    path.unlink(missing_ok=True)
    return sum(isinstance(row, Call) for row in missing)


def _insert_fitting(
    con: duckdb.DuckDBPyConnection, rows: Sequence[Row], insert: Callable[[Sequence[Row]], None]
) -> None:
    """Insert the rows in one transaction.

    If the file refuses a row, insert each in its own transaction and set the refused ones aside.
    """
    con.execute("BEGIN TRANSACTION")
    try:
        insert(rows)
        con.execute("COMMIT")
    except (duckdb.ConstraintException, duckdb.DataError) as error:
        con.execute("ROLLBACK")
        if len(rows) > 1:
            for row in rows:
                _insert_fitting(con, [row], insert)
        else:
            insert([SetAsideRow.of(table_of(type(rows[0])), rows[0], error)])


def _path_of(run_file: Path) -> Path:
    return run_file.with_name(run_file.name + ".journal")


def _owner_of(con: duckdb.DuckDBPyConnection) -> bytes:
    found = con.execute("SELECT id FROM jobs ORDER BY job LIMIT 1").fetchall()
    return blake2b(str(found).encode(), digest_size=16).digest()


def _row_key(row: Row) -> tuple[Any, ...]:
    if isinstance(row, Call):
        return row.request_hash, row.owner, row.attempt, row.started_at.replace(tzinfo=None)
    if isinstance(row, RequestPart):
        return (row.part,)
    return (row.request_hash, row.text_hash) if isinstance(row, VectorRow) else ()


def _pack_record(calls: Sequence[Call], vectors: Sequence[VectorRow], parts: Sequence[RequestPart] = ()) -> bytes:
    named = [(row.text_hash, row.model, row.request_hash, row.vector.size) for row in vectors]
    try:
        written = orjson.dumps([calls, named, parts])
    except TypeError:  # a long integer, or text that is none: the standard library writes both, and the table decides
        written = json.dumps([_make_dicts(calls), named, _make_dicts(parts)], default=str).encode()
    numbers = b"".join(np.asarray(row.vector, dtype="<f4").tobytes() for row in vectors)
    body = b"".join((len(written).to_bytes(4, "little"), written, numbers))
    return _RECORD.pack(len(body), zlib.crc32(body)) + body


def _make_dicts(rows: Sequence[Call] | Sequence[RequestPart]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def _iter_rows(data: bytes) -> Iterator[Row]:
    """Yield the rows of all complete records that are not committed."""
    if len(data) < _HEADER.size or data[:8] != _MAGIC:
        return
    _, _, place = _HEADER.unpack_from(data)
    while place + _RECORD.size <= len(data):
        length, checksum = _RECORD.unpack_from(data, place)
        body = data[place + _RECORD.size : place + _RECORD.size + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        yield from _rows_in(body)
        place += _RECORD.size + length


def _call_of(kept: dict[str, Any]) -> Call | SetAsideRow:
    """Return the call in a record. Impossible token counts become unknown."""
    try:
        times = {name: datetime.fromisoformat(kept[name]) for name in _TIMES}
        counts = FieldReader(kept, path="usage.")
        tokens = {name: counts.count(name) for name in _COUNTS}
        invalid = ", ".join(counts.invalid) or kept.get("invalid_fields")
        known = {name: kept[name] for name in _NAMES if name in kept}
        return Call(**known | times | tokens | {"outcome": Outcome(kept["outcome"]), "invalid_fields": invalid})
    except (KeyError, TypeError, ValueError) as error:
        return SetAsideRow.of("calls", kept, error)


def _rows_in(body: bytes) -> Iterator[Row]:
    end = 4 + int.from_bytes(body[:4], "little")
    try:
        calls, vectors, parts = orjson.loads(body[4:end])
    except orjson.JSONDecodeError:
        calls, vectors, parts = json.loads(body[4:end])
    yield from (RequestPart(**part) for part in parts)
    for call in calls:
        yield _call_of(call)
    for text_hash, model, request_hash, size in vectors:
        yield VectorRow(text_hash, model, np.frombuffer(body, "<f4", size, end).astype(np.float32), request_hash)
        end += 4 * size


class Inserts:
    """Inserts rows over one connection; what a table's columns hold is asked of the table once.

    A row whose values do not fit the columns is kept in `set_aside`, and all others are inserted.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._tables: dict[type[Row], _PreparedInsert] = {}

    def write(self, rows: Iterable[Row]) -> None:
        """Insert the rows, those of one table together and in the order given."""
        self.write_alike(by_type(rows))

    def write_alike(self, alike: dict[type[Row], list[Row]]) -> None:
        """Insert rows by class. Inserted rows are removed from `alike`, so that their memory is freed."""
        for row_type in tuple(alike):
            if row_type not in self._tables:
                self._tables[row_type] = _PreparedInsert(self._con, row_type)
            set_aside = self._tables[row_type].insert(alike.pop(row_type))
            if set_aside and row_type is not SetAsideRow:
                self.write(set_aside)


class _PreparedInsert:
    """One table's prepared insert: registering and planning it each time would double the cost of a small batch."""

    def __init__(self, con: duckdb.DuckDBPyConnection, row_type: type[Row]) -> None:
        self._table = table = table_of(row_type)
        self._con = con
        self._columns = [attrgetter(name) for name in column_names(row_type)]
        self._batch = _HeldRows(_types_of(con, row_type))
        name = row_type.__name__  # two classes may be rows of one table
        con.register(f"new_{name}", self._batch)
        con.execute(f"PREPARE insert_{name} AS INSERT INTO {table} BY NAME FROM new_{name}")
        self._statement = f"EXECUTE insert_{name}"

    def insert(self, rows: Sequence[Row]) -> list[SetAsideRow]:
        """Insert the rows, and return those that do not fit the table."""
        set_aside: list[SetAsideRow] = []
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            try:
                self._batch.hold(self._column_values(some))
            except UNFIT:
                some = [row for row in some if not self._is_unfit(row, set_aside)]
                self._batch.hold(self._column_values(some))
            try:
                self._con.execute(self._statement)
            finally:
                self._batch.clear()
        return set_aside

    def _column_values(self, rows: Sequence[Row]) -> list[list[object]]:
        return [list(map(column, rows)) for column in self._columns]

    def _is_unfit(self, row: Row, set_aside: list[SetAsideRow]) -> bool:
        try:
            self._batch.hold(self._column_values([row]))
        except UNFIT as error:
            set_aside.append(SetAsideRow.of(self._table, row, error))
            return True
        return False


#: Rows of a table that are inserted at once, as each of them is in memory twice more then.
_AT_ONCE = 20_000

#: The columns of rows and their types: asking a table takes longer than inserting into it.
_types: dict[type[Row], dict[str, Any]] = {}


def _types_of(con: duckdb.DuckDBPyConnection, row_type: type[Row]) -> dict[str, Any]:
    if row_type not in _types:
        # A table may have columns that only work on a hub fills.
        names = ", ".join(f'"{name}"' for name in column_names(row_type))
        rows = con.sql(f"SELECT {names} FROM {table_of(row_type)} LIMIT 0")  # noqa: S608 - our own names
        _types[row_type] = dict(zip(rows.columns, rows.types, strict=True))
    return _types[row_type]


class _HeldRows:
    """The rows that the prepared insert reads when it is run next."""

    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types
        self.clear()

    def hold(self, columns: Iterable[Sequence[object]]) -> None:
        """Hold these values for the next insert. Raises one of `UNFIT` if a value does not fit."""
        self._rows = make_table(dict(zip(self._types, columns, strict=True)), self._types)

    def clear(self) -> None:
        """Release the values."""
        self.hold([()] * len(self._types))

    def __arrow_c_schema__(self) -> object:
        return self._rows.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)


#: What is done in the transaction of the rows it comes with.
type FileChange = Callable[[duckdb.DuckDBPyConnection], None]

#: Rows wait at most this long for others to share their commit, which costs the same whatever it holds.
GROUP_SECONDS = 0.05

#: Bytes of the file's blocks that DuckDB may keep in memory, and rows after which that is looked at: what a run reads
#: again are the latest rows, and others by number.
_CACHED, _LOOKED_AFTER = 1 << 27, 20_000

_FULL = ("No space left", "File too large", "Disk quota exceeded")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL to run in the transaction of the rows it comes with."""

    sql: str
    params: Sequence[object] = ()

    def __call__(self, con: duckdb.DuckDBPyConnection) -> None:
        """Run the statement."""
        con.execute(self.sql, list(self.params))

    @property
    def is_insert(self) -> bool:
        """Whether it adds rows to a table."""
        return self.sql.lstrip().upper().startswith("INSERT")


@dataclass(slots=True)
class _Batch:
    rows: dict[type[Row], list[Row]] = field(default_factory=dict)
    statements: list[FileChange] = field(default_factory=list)
    futures: list[Future[None]] = field(default_factory=list)
    #: Where its answers end in the journal.
    journalled: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.statements or self.futures)


class Writer:
    """Owns a connection to a run file and writes to it, in the order in which things came.

    A batch is one transaction, so whatever is handed in together is kept or lost together. After a failed
    write nothing more is written: every later call raises `StorageError`.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, path: Path, trim: Callable[[int], None]) -> None:
        """Start the writing thread. `trim` makes DuckDB keep at most that many bytes of the file in memory.

        Raises `StorageError` if the journal cannot be created.
        """
        self._trim, self._untrimmed = trim, 0
        self._journal = Journal(path, con)
        self._con = con
        self._path = path
        self._inserts = Inserts(con)
        #: Transactions committed so far.
        self.commits = 0
        self._lock = threading.Lock()
        self._batch = _Batch()
        self._failure: Exception | None = None
        self._reported = False
        self._closing = False
        self._work = threading.Event()
        self._urgent = threading.Event()
        self._thread = threading.Thread(target=self._write_batches, name="populace-writer", daemon=True)
        self._thread.start()

    def submit(self, rows: Mapping[type[Row], list[Row]], statements: Sequence[FileChange] = ()) -> None:
        """Queue rows by class and return at once. They are durable soon after."""
        self._hand_over(rows, statements, None)

    def commit(self, rows: Mapping[type[Row], list[Row]], statements: Sequence[FileChange] = ()) -> Future[None]:
        """Queue rows by class without waiting to batch them.

        The future is done when they and all earlier rows are durable. The statements run after the rows, in the same
        transaction. The future fails with `StorageError`.
        """
        future: Future[None] = Future()
        # From here on it cannot be cancelled: the rows are written whether anybody waits or not.
        future.set_running_or_notify_cancel()
        self._hand_over(rows, statements, future)
        return future

    def close(self) -> None:
        """Write what is left, merge the log into the file, and end the thread.

        Raises `StorageError` if something could not be written and this was not reported before.
        """
        with self._lock:
            self._closing = True
            self._work.set()
            self._urgent.set()
        self._thread.join()
        self._journal.close()
        if self._failure is not None and not self._reported:
            raise self._storage_error()

    def _hand_over(
        self, rows: Mapping[type[Row], list[Row]], statements: Sequence[FileChange], future: Future[None] | None
    ) -> None:
        with self._lock:
            if self._failure is not None:
                raise self._storage_error()
            if self._closing:
                raise StorageError(f"The run file {str(self._path)!r} is closed; resume it to write on.")
            try:
                self._journal.append(rows)
            except OSError as error:
                self._failure = error
                raise self._storage_error() from error
            for row_type, alike in rows.items():
                self._batch.rows.setdefault(row_type, []).extend(alike)
            self._batch.statements.extend(statements)
            if future is not None:
                self._batch.futures.append(future)
                self._urgent.set()
            if not self._work.is_set():
                self._work.set()

    def _write_batches(self) -> None:
        while True:
            self._work.wait()
            self._urgent.wait(GROUP_SECONDS)
            batch = self._take_batch()
            if batch:
                try:
                    self._write(batch)
                except Exception as error:  # noqa: BLE001 - a thread that died silently would hang every commit
                    self._fail_waiting(batch, error)
                    break
            elif self._closing:
                break
        self._close_database()

    def _take_batch(self) -> _Batch:
        with self._lock:
            batch, self._batch = self._batch, _Batch()
            batch.journalled = self._journal.end
            if not self._closing:
                self._work.clear()
                self._urgent.clear()
            return batch

    def _write(self, batch: _Batch) -> None:
        # One insert is a transaction in itself, and most batches are calls alone.
        written = sum(map(len, batch.rows.values()))
        alone = not batch.statements and len(batch.rows) == 1 and written <= _AT_ONCE
        if not alone:
            self._con.execute("BEGIN TRANSACTION")
        self._inserts.write_alike(batch.rows)
        for statement in batch.statements:
            statement(self._con)
        if not alone:
            self._con.execute("COMMIT")
        self.commits += 1
        with self._lock:
            self._journal.cut(batch.journalled)
        for future in batch.futures:
            future.set_result(None)
        self._untrimmed += written
        if self._untrimmed >= _LOOKED_AFTER:
            self._untrimmed = 0
            self._trim(_CACHED)

    def _fail_waiting(self, batch: _Batch, error: Exception) -> None:
        with self._lock:
            self._failure = error
            waiting = [*batch.futures, *self._batch.futures]
            self._batch = _Batch()
        for future in waiting:
            future.set_exception(self._storage_error())

    def _storage_error(self) -> StorageError:
        self._reported = True
        what, file = said(self._failure or Exception("it is closed")), str(self._path)
        first = "free some space, then go on" if any(sign in what for sign in _FULL) else "go on"
        error = StorageError(
            f"The run file {file!r} cannot be written ({what}); everything committed before is kept: "
            f"{first} with `populace resume {file}`."
        )
        error.__cause__ = self._failure
        return error

    def _close_database(self) -> None:
        # Nothing is lost when this fails: what is committed is in the write-ahead log beside the file.
        with suppress(duckdb.Error):
            if self._failure is None:
                self._con.execute("CHECKPOINT")
        with suppress(duckdb.Error):
            self._con.close()
