"""Answers from the moment they arrive until the run file has committed them: an append-only file beside it.

The run file commits in groups, a few times a second. A process that is killed in between leaves the answers of the
last group in the journal (`RUN.duckdb.journal`), and the next process that opens the file for writing inserts them.
There is no fsync: the journal survives the process, not the machine. Readers see only what is committed.

    header: magic, hash of the file's first job, where the records begin that are not committed
    record: length, CRC-32, JSON of a call and of its vectors' names, the vectors as 32-bit floats
"""

import errno
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson

from ...agents.endpoint.errors import FieldReader
from ...agents.gateway.call import Call, RequestPart
from ...core.errors import StorageError
from ...core.files import make_file
from ...core.model import Outcome
from ...core.table import Row, table_of
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
            self._file = self._made(self.path)
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
        record = _record(calls, vectors, parts)
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
        self._write(self._header(), 0)
        if end > _COMMITTED:
            self._shorten()

    def close(self) -> None:
        """Close the file. It is removed if nothing in it is left to commit."""
        with suppress(OSError):
            os.close(self._file)
            if self._start == self.end:
                self.path.unlink(missing_ok=True)

    def _header(self) -> bytes:
        return _HEADER.pack(_MAGIC, self._owner, self._start)

    def _write(self, data: bytes, place: int) -> None:
        os.lseek(self._file, place, os.SEEK_SET)
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _made(self, path: Path, rest: bytes = b"") -> int:
        make_file(path)
        file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        os.write(file, self._header() + rest)
        return file

    def _shorten(self) -> None:
        """Write what is not committed to another file, which replaces this one."""
        os.lseek(self._file, self._start, os.SEEK_SET)
        rest = os.read(self._file, self.end - self._start)
        part = self.path.with_name(f"{self.path.name}.new")
        part.unlink(missing_ok=True)
        self._start, self.end = _HEADER.size, _HEADER.size + len(rest)
        file = self._made(part, rest)
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
    rows = list(_rows(data)) if data[8:24] == _owner_of(con) else []
    calls = [row for row in rows if isinstance(row, Call)]
    hashes = {"hashes": list({call.request_hash for call in calls})}
    known = set(con.execute(_KNOWN_CALLS, hashes).fetchall())
    vectors = set(con.execute(_KNOWN_VECTORS, hashes).fetchall())
    parts = set(
        con.execute(_KNOWN_PARTS, {"parts": [one.part for one in rows if isinstance(one, RequestPart)]}).fetchall()
    )
    missing = [row for row in rows if not {_key(row)} & (known | vectors | parts)]
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


def _key(row: Row) -> tuple[Any, ...]:
    if isinstance(row, Call):
        return row.request_hash, row.owner, row.attempt, row.started_at.replace(tzinfo=None)
    if isinstance(row, RequestPart):
        return (row.part,)
    return (row.request_hash, row.text_hash) if isinstance(row, VectorRow) else ()


def _record(calls: Sequence[Call], vectors: Sequence[VectorRow], parts: Sequence[RequestPart] = ()) -> bytes:
    named = [(row.text_hash, row.model, row.request_hash, row.vector.size) for row in vectors]
    try:
        written = orjson.dumps([calls, named, parts])
    except TypeError:  # a long integer, or text that is none: the standard library writes both, and the table decides
        written = json.dumps([_dicts(calls), named, _dicts(parts)], default=str).encode()
    numbers = b"".join(np.asarray(row.vector, dtype="<f4").tobytes() for row in vectors)
    body = b"".join((len(written).to_bytes(4, "little"), written, numbers))
    return _RECORD.pack(len(body), zlib.crc32(body)) + body


def _dicts(rows: Sequence[Call] | Sequence[RequestPart]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def _rows(data: bytes) -> Iterator[Row]:
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
