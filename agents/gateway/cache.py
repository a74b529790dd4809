"""Paid answers shared between runs: one SQLite file, read and written by several processes at the same time."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import replace
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from ...core.errors import CacheError, SetupError, parameter
from ...core.files import remove_parts, whole_file
from ..endpoint.response import ModelResponse
from .call import Call, CallKey

#: On Windows, requests of other processes are not joined.
_HAS_LOCKS = find_spec("fcntl") is not None
if _HAS_LOCKS:
    import fcntl

#: Seconds between two tries to claim a request that another sends: at first, and at most in the first half minute.
_FIRST, _MOST = 0.02, 0.25
#: After that, which share of the time waited so far may pass until the next try.
_SHARE_WAITED = 0.01


class RequestsInFlight:
    """Who sends a request now: one task of this process, told by a set; one process, told by the lock of a byte.

    The kernel gives up the locks of a process that ends, however it does.
    """

    def __init__(self, path: Path) -> None:
        """Take `path`, the file whose bytes are locked.

        It stays empty and exists as long as a process has it open.
        """
        self._path = path
        self._lock = threading.Lock()
        self._claimed: set[str] = set()
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600) if _HAS_LOCKS else None
        if self._file is not None:
            os.fchmod(self._file, 0o600)  # whatever the umask takes away

    async def claim(self, key: str, *, patience: float) -> bool:
        """Wait until the caller may send the request (True), or find its answer. Return False after `patience`."""
        loop, look = asyncio.get_running_loop(), _FIRST
        began = loop.time()
        while not self._try_claim(key):
            waited = loop.time() - began
            if waited >= patience:
                return False
            await asyncio.sleep(min(patience - waited, look))
            look = max(min(_MOST, 2 * look), _SHARE_WAITED * waited)
        return True

    def release(self, key: str, *, keep_lock: bool = False) -> None:
        """End the claim to a request. With `keep_lock`, other processes wait until `unlock_request`."""
        with self._lock:
            self._claimed.discard(key)
            if not keep_lock:
                self._unlock_key(key)

    def unlock_request(self, key: str) -> None:
        """Let other processes send a request, or find its answer."""
        with self._lock:
            if key not in self._claimed:
                self._unlock_key(key)

    def close(self) -> None:
        """Give up all locks, and remove their file if no other process has any."""
        if self._file is None:
            return
        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who opened it a moment ago locks bytes that nobody sees: at worst, a request is paid for twice.
            self._path.unlink()
        os.close(self._file)
        self._file = None

    def _try_claim(self, key: str) -> bool:
        """Claim the key, and lock its byte for this process. Return whether that is done."""
        with self._lock:
            if key in self._claimed:
                return False
            if self._file is not None:
                try:
                    fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _key_place(key))
                except OSError:
                    return False
            self._claimed.add(key)
            return True

    def _unlock_key(self, key: str) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _key_place(key))


def _key_place(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) >> 2


#: Answers wait at most this long for others to share their commit, which costs the same whatever it holds.
GROUP_SECONDS = 0.05

#: "PopC" in the file's header: it tells a cache from other databases.
_APPLICATION = 0x506F7043
_VERSION = 3

_FORBIDDEN = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)

# Answers are appended and found by a small index: with the answers inside the index, rows came in 2.6 times slower
# and took 14 % more room. They are plain text, for any SQL tool to read: packed, a file would be a third smaller.
_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS scopes (id INTEGER PRIMARY KEY, scope TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    request_hash BLOB NOT NULL, replicate INTEGER NOT NULL, scope INTEGER NOT NULL REFERENCES scopes,
    model TEXT NOT NULL, purpose TEXT NOT NULL, raw TEXT NOT NULL, finish_reason TEXT,
    input_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER, cached_tokens INTEGER,
    kept_at INTEGER NOT NULL, -- seconds since 1970, UTC
    reasoning TEXT, -- what a reasoning model thought before it answered
    checksum BLOB NOT NULL, -- of the answer and its request
    UNIQUE (request_hash, replicate, scope)
);
PRAGMA application_id = {application};
PRAGMA user_version = {version};
COMMIT;
"""
_KEEP_SCOPE = "INSERT INTO scopes (scope) VALUES (?) ON CONFLICT (scope) DO NOTHING"
# A model's text may hold halves of surrogate pairs, which are no UTF-8: it goes in and comes out as bytes.
_KEEP = """
INSERT INTO answers (request_hash, replicate, scope, model, purpose, raw, finish_reason,
                     input_tokens, output_tokens, reasoning_tokens, cached_tokens, kept_at, reasoning, checksum)
VALUES (?, ?, (SELECT id FROM scopes WHERE scope = ?), ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?,
        CAST(? AS TEXT), ?)
ON CONFLICT (request_hash, replicate, scope) DO NOTHING
"""
_RECALL = """
SELECT CAST(raw AS BLOB), CAST(finish_reason AS BLOB), CAST(reasoning AS BLOB),
       input_tokens, output_tokens, reasoning_tokens, cached_tokens, checksum
FROM answers WHERE request_hash = ? AND replicate = ? AND scope = (SELECT id FROM scopes WHERE scope = ?)
"""

_FORGET = """
DELETE FROM answers WHERE request_hash = ? AND replicate = ? AND scope = (SELECT id FROM scopes WHERE scope = ?)
"""

type _Key = tuple[str, str, int]

#: The caches that are open in this process, and by how many runs: those that share a file share what is in flight.
_OPEN: dict[Path, "AnswerCache"] = {}
_OPENING = threading.Lock()


class AnswerCache:
    """An `AnswerStore` in a file: the first answer in to a request and replicate is the one that every run gets.

    Answers are committed in groups by a thread of the cache's own, and survive a kill and a power cut from then on.
    The file must lie on a disk of this machine: processes on several machines cannot share it. After a failed write
    nothing more is written, every later `keep` raises `CacheError`, and `recall` goes on as before.
    """

    #: What the rows of its answers name as their source.
    source = "cache"

    def __init__(self, path: Path, *, patience: float = 30.0) -> None:
        """Open the file, or create it.

        `patience` is how many seconds other processes may keep it locked. Raises `SetupError`, in one sentence, for a
        file that cannot be used. Such a file is left unchanged.
        """
        self.path = path
        #: Groups of answers committed so far.
        self.commits = 0
        self._patience = patience
        self._write_con, self._read_con = _open_connections(path, patience)
        self._reading, self._lock = threading.Lock(), threading.Lock()
        #: Kept and not committed yet, in the order in which they came.
        self._pending: dict[_Key, Call] = {}
        self._failure: Exception | None = None
        self._reported = False
        #: Rows that were ignored because they do not match their checksum, in this session; they are paid for again.
        self.damaged = 0
        self._damaged: set[_Key] = set()
        self._users = 1
        self._in_flight = RequestsInFlight(path.with_name(f"{path.name}.locks"))
        self._work, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write_pending, name="populace-cache", daemon=True)
        self._thread.start()

    @classmethod
    def shared(cls, path: Path) -> Self:
        """Return the cache that this process has open at the path, or a new one. Each caller closes it."""
        with _OPENING:
            place = path.resolve()
            found = _OPEN.get(place)
            if found is None or found._failure is not None:
                found = _OPEN[place] = cls(path)
            else:
                found._users += 1
            return cast("Self", found)

    @asynccontextmanager
    async def claim(self, key: CallKey, scope: str, *, patience: float) -> AsyncIterator[None]:
        """Let only the caller send the request within this block, unless another takes too long to answer it."""
        at = (scope, key.request_hash, key.replicate)
        name = f"{key.request_hash} {key.replicate} {scope}"
        is_mine = await self._in_flight.claim(name, patience=patience)
        try:
            yield
        finally:
            if is_mine:
                with self._lock:  # other processes find an answer once it is committed
                    is_pending = at in self._pending
                    self._in_flight.release(name, keep_lock=is_pending)

    def recall(self, key: CallKey, scope: str) -> ModelResponse | None:
        """Return the answer to this exact request and replicate, if any run has kept one. Raises `CacheError`."""
        with self._lock:
            call = self._pending.get((scope, key.request_hash, key.replicate))
        if call is not None:
            return _call_reply(call)
        try:
            with self._reading:
                at = (bytes.fromhex(key.request_hash), key.replicate, scope)
                row = self._read_con.execute(_RECALL, at).fetchone()
        except sqlite3.Error as error:
            raise CacheError(
                f"The answer cache {str(self.path)!r} cannot be read ({error}); go on with another "
                f"{parameter('cache')}, or with "
                f"{parameter('cache', value=False)}."
            ) from error
        if row is None:
            return None
        raw, finish_reason, reasoning, *tokens, checksum = row
        if checksum != _row_checksum(*at, raw, finish_reason, reasoning, *tokens):
            with self._lock:
                if (scope, key.request_hash, key.replicate) not in self._damaged:
                    self._damaged.add((scope, key.request_hash, key.replicate))
                    self.damaged += 1
            return None
        return replace(
            ModelResponse(_decode_text(raw) or "", _decode_text(finish_reason), *tokens),
            reasoning=_decode_text(reasoning),
        )

    def keep(self, call: Call, scope: str) -> None:
        """Accept an answer and return at once. It is durable soon after. Raises `CacheError`."""
        if call.raw is None:
            return
        with self._lock:
            if self._failure is not None:
                raise self._cache_error(self._failure)
            if self._closing.is_set():
                raise CacheError(f"The answer cache {str(self.path)!r} is closed; open it again to keep answers.")
            self._pending.setdefault((scope, call.request_hash, call.replicate), call)
        self._work.set()

    def close(self) -> None:
        """Commit what is left and release the file, once nobody else in this process uses it.

        Raises `CacheError` if something could not be written and no caller has received that error yet.
        """
        with _OPENING:
            self._users -= 1
            if self._users > 0:
                return
            if _OPEN.get(self.path.resolve()) is self:
                del _OPEN[self.path.resolve()]
        with self._lock:
            self._closing.set()
        self._work.set()
        self._thread.join()
        with self._reading:
            self._read_con.close()
        self._in_flight.close()
        if self._failure is not None and not self._reported:
            raise self._cache_error(self._failure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write_pending(self) -> None:
        with closing(self._write_con):
            while self._failure is None:
                self._work.wait()
                self._closing.wait(GROUP_SECONDS)
                batch = self._take_pending()
                if batch:
                    self._try_write(batch)
                elif self._closing.is_set():
                    break

    def _take_pending(self) -> dict[_Key, Call]:
        with self._lock:
            if not self._closing.is_set():
                self._work.clear()
            return self._pending.copy()

    def _try_write(self, batch: dict[_Key, Call]) -> None:
        try:
            self._write_calls(batch)
        except Exception as error:  # noqa: BLE001 - a thread that died silently would lose every later answer
            with self._lock:
                self._failure = error
            return
        # Only now: until it is committed, an answer is recalled from here.
        with self._lock:
            for key in batch:
                del self._pending[key]
                self._damaged.discard(key)
                scope, request_hash, replicate = key
                self._in_flight.unlock_request(f"{request_hash} {replicate} {scope}")

    def _write_calls(self, batch: dict[_Key, Call]) -> None:
        self._write_con.execute("BEGIN IMMEDIATE")
        self._write_con.executemany(_KEEP_SCOPE, [(scope,) for scope in {scope for scope, _, _ in batch}])
        spoilt = [_place_of(key) for key in batch if key in self._damaged]
        self._write_con.executemany(_FORGET, spoilt)
        self._write_con.executemany(_KEEP, [_call_row(scope, call) for (scope, _, _), call in batch.items()])
        self._write_con.execute("COMMIT")
        self.commits += 1

    def _cache_error(self, failure: Exception) -> CacheError:
        self._reported = True
        way = _way_out(failure, self._patience) or f"give another {parameter('cache')}"
        error = CacheError(
            f"The answer cache {str(self.path)!r} cannot be written ({failure}); "
            f"everything committed before is kept: {way}, or go on with {parameter('cache', value=False)}."
        )
        error.__cause__ = failure
        return error


def _open_connections(path: Path, patience: float) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open two connections, one to write and one to read, to a cache that then exists and can be written."""
    try:
        _check_place(path)
        remove_parts(path)
        if not path.exists():
            _create_cache(path, patience)
        with ExitStack() as opened:
            writer = opened.enter_context(closing(_connect_cache(path, patience)))
            _check_cache(writer, path)
            _make_tables(writer, patience)
            reader = opened.enter_context(closing(_connect_cache(path, patience)))
            opened.pop_all()
            return writer, reader
    except (sqlite3.Error, OSError) as error:
        raise _explain_error(path, error, patience) from error


def _create_cache(path: Path, patience: float) -> None:
    """Create an empty cache that only its owner can read. It gets its name only when it is complete."""
    with suppress(FileExistsError), whole_file(path.absolute()) as part, closing(_connect_cache(part, patience)) as con:
        _make_tables(con, patience)


def _check_place(path: Path) -> None:
    """Raise an error for a path that cannot be a file."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        raise SetupError(f"{str(path)!r} is {what}; give the name of a file for the answer cache.")
    if not path.parent.is_dir():
        raise SetupError(f"There is no folder {str(path.parent)!r} for the answer cache {path.name!r}; make it first.")
    # SQLite takes a file of one byte for an empty one, and would write over it.
    if path.exists() and path.stat().st_size == 1:
        raise _foreign_file(path)


def _connect_cache(path: Path, patience: float) -> sqlite3.Connection:
    # Absolute, because SQLite has its own idea of names such as ':memory:'.
    return sqlite3.connect(path.absolute(), timeout=patience, isolation_level=None, check_same_thread=False)


def _check_cache(con: sqlite3.Connection, path: Path) -> None:
    """Raise an error for a file that is not ours, before anything is written to it."""
    # In one transaction: another process may be making the tables meanwhile.
    con.execute("BEGIN")
    (application,) = con.execute("PRAGMA application_id").fetchone()
    (version,) = con.execute("PRAGMA user_version").fetchone()
    (tables,) = con.execute("SELECT count(*) FROM sqlite_master").fetchone()
    con.execute("COMMIT")
    if application != _APPLICATION and (application or version or tables):
        raise _foreign_file(path)
    if version > _VERSION:
        raise SetupError(
            f"The answer cache {str(path)!r} has format {version}, and this version of Populace reads format "
            f"{_VERSION}; update Populace, or give another file."
        )


def _make_tables(con: sqlite3.Connection, patience: float) -> None:
    """Create the tables unless they exist.

    Write in any case, to find out now if the file cannot be written.
    """
    until = time.monotonic() + patience
    # SQLite does not wait for other processes that switch a new file over at the same moment: we do.
    while True:
        try:
            con.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if _error_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
    # Each commit reaches the disk, at half a millisecond: SQLite's default here would lose some in a power cut.
    con.execute("PRAGMA synchronous = FULL")
    con.executescript(_TABLES.format(application=_APPLICATION, version=_VERSION))
    columns = {name for _, name, *_ in con.execute("PRAGMA table_info(answers)")}
    for name, kind in (("reasoning", "TEXT"), ("checksum", "BLOB")):  # which files of formats 1 and 2 lack
        if name not in columns:
            with suppress(sqlite3.OperationalError):  # another process was quicker
                con.execute(f"ALTER TABLE answers ADD COLUMN {name} {kind}")


def _explain_error(path: Path, error: sqlite3.Error | OSError, patience: float) -> SetupError:
    code = _error_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return _foreign_file(path)
    way = _way_out(error, patience) or "restore it from a copy"
    if code in _FORBIDDEN or isinstance(error, PermissionError):
        way = "it and its folder must be yours to read and write: change that"
    what = error.strerror if isinstance(error, OSError) else error
    return SetupError(f"The answer cache {str(path)!r} cannot be opened ({what}); {way}, or give another file.")


def _way_out(error: Exception, patience: float) -> str:
    """Return what can be done about a full disk or a locked file, or "" for any other error."""
    if _error_code(error) == sqlite3.SQLITE_FULL:
        return "free some space"
    is_locked = _error_code(error) == sqlite3.SQLITE_BUSY
    return f"another process has kept it locked for {patience:g} s: end that one" if is_locked else ""


def _foreign_file(path: Path) -> SetupError:
    return SetupError(f"{str(path)!r} is no answer cache; give the path of one, or of a file that does not exist yet.")


def _error_code(error: Exception) -> int | None:
    """Return SQLite's number for a kind of error, without its extended part."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _call_row(scope: str, call: Call) -> tuple[object, ...]:
    reply = _call_reply(call)
    at = _place_of((scope, call.request_hash, call.replicate))
    tokens = (call.input_tokens, call.output_tokens, call.reasoning_tokens, call.cached_tokens)
    told = (_encode_text(reply.raw), _encode_text(reply.finish_reason), _encode_text(reply.reasoning))
    return (
        *at,
        call.model,
        f"{call.purpose}@{call.prompt_version}",
        *told[:2],
        *tokens,
        int(call.ended_at.timestamp()),
        told[2],
        _row_checksum(*at, *told, *tokens),
    )


def _place_of(key: _Key) -> tuple[bytes, int, str]:
    scope, request_hash, replicate = key
    return bytes.fromhex(request_hash), replicate, scope


def _row_checksum(*fields: bytes | str | int | None) -> bytes:
    """Return the checksum of a row's fields in their order: where they are, what was answered, and the tokens."""
    digest = blake2b(digest_size=8)
    for field in fields:
        data = field if isinstance(field, bytes) else str(field).encode()
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.digest()


def _call_reply(call: Call) -> ModelResponse:
    tokens = (call.input_tokens, call.output_tokens, call.reasoning_tokens, call.cached_tokens)
    return ModelResponse(call.raw or "", call.finish_reason, *tokens, reasoning=call.reasoning)


def _encode_text(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogatepass")


def _decode_text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogatepass")
