"""Making and opening DuckDB files: one configuration for all, and one sentence for everything that can be wrong."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import duckdb

from .errors import SetupError
from .files import private_umask, whole_file
from .inputs import shown

type Fill = Callable[[duckdb.DuckDBPyConnection], None]

#: Queries reach no other file, no network and no Python variables. DuckDB opens a file only once in a process, so
#: readers and writers must use the same configuration. Two settings may be changed: the limit of memory, which only
#: `Cursors.trim` does, and how far names like one that is missing are looked for, which only `has_tables` does.
#: What is committed is in the write-ahead log at once; it is moved into the blocks of the tables when the log has grown
#: to the threshold, and then the last blocks of each table are written anew: at DuckDB's own 16 MB that took twice the
#: time of all inserts, and left files half as large again.
CONFIG: Mapping[str, str | bool | int | float | list[str]] = MappingProxyType(
    {
        "enable_external_access": "false",
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "lock_configuration": "true",
        "allowed_configs": ["memory_limit", "catalog_error_max_schemas"],
        "checkpoint_threshold": "64MB",
    }
)

_CLASS = re.compile(r"^([A-Z]\w*( [A-Z]\w*)* Error: )+")
_DAMAGE = re.compile("Corrupt database file|Could not read enough bytes|checksum|Failed to deserialize", re.IGNORECASE)
_FORBIDDEN = ("Read-only file system", "Permission denied")
#: A database with contents is larger.
_UNMADE = 1 << 16
_HOLDER = re.compile(r"\(PID (\d+)\)")
#: The bytes of empty databases by schema: creating the tables takes longer than everything else before a run.
_empty: dict[tuple[Fill, int], bytes] = {}


def make_database(
    path: Path, schema: Fill, *, block_size: int, fill: Fill | None = None, is_small: bool = False
) -> None:
    """Create a database with this schema, filled in one transaction; the file appears once it is complete.

    `schema` must do the same on every call. A fill of a few rows (`is_small`) takes less time, but its statements can
    also reach other files. Files consist of blocks of `block_size` bytes (a power of 2 from 16,384). Each column of a
    table in use takes at least one block. Raises `FileExistsError` if the path is taken, and `OSError` or
    `duckdb.Error` if the file cannot be written.
    """
    if path.exists() and not is_made(path):
        path.unlink()
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    with whole_file(path.absolute()) as part, private_umask(part):
        _write_empty(part, schema, block_size)
        if fill is not None:
            with _attach_file(part) if is_small else duckdb.connect(part, config=dict(CONFIG)) as con:
                con.execute("BEGIN TRANSACTION")
                fill(con)
                con.execute("COMMIT")
                con.execute("CHECKPOINT")


@contextmanager
def _attach_file(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to the file through an in-memory database that stays open: this takes 3 ms, opening a database 20."""
    name = f"made_{uuid4().hex}"
    try:
        with _in_memory(os.getpid()).cursor() as con:
            con.execute(f"ATTACH ? AS {name}", [str(path)])
            con.execute(f"USE {name}")
            yield con
            con.execute("USE memory")
            con.execute(f"DETACH {name}")
    except BaseException:
        _in_memory.cache_clear()  # the file may be attached still, and some errors leave the whole database unusable
        raise


@cache
def _in_memory(_pid: int) -> duckdb.DuckDBPyConnection:
    # A process that was forked has none of the database's threads, and needs one of its own.
    attaching = {"enable_external_access", "lock_configuration"}
    return duckdb.connect(config={name: value for name, value in CONFIG.items() if name not in attaching})


def _write_empty(part: Path, schema: Fill, block_size: int) -> None:
    empty = _empty.get((schema, block_size))
    if empty is not None:
        with part.open("wb") as file:
            file.write(empty)
            file.flush()
            os.fsync(file.fileno())
        return
    part.unlink()  # DuckDB does not accept an empty file as a new database
    with duckdb.connect(part, config={**CONFIG, "default_block_size": str(block_size)}) as con:
        con.execute("BEGIN TRANSACTION")
        schema(con)
        con.execute("COMMIT")
        con.execute("CHECKPOINT")
    _empty[schema, block_size] = part.read_bytes()


def quote_name(name: str) -> str:
    """Quote a name as an SQL identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Quote a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def said(error: BaseException) -> str:
    """Return a database error's message on one line, without its class, the marked query and the final full stop."""
    words = str(error).strip().partition("\n\n")[0].partition("\nLINE ")[0]
    return " ".join(_CLASS.sub("", words).split()).rstrip(". ") or type(error).__name__


def is_busy(error: duckdb.Error) -> bool:
    """Return whether a file cannot be opened because it is open elsewhere, or here with another configuration."""
    return "Could not set lock" in str(error) or "different configuration" in str(error)


def is_damage(error: BaseException) -> bool:
    """Return whether the error says that the file is truncated or altered."""
    return isinstance(error, duckdb.Error) and bool(_DAMAGE.search(str(error)))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory, or DuckDB's share of it, was not enough."""
    return isinstance(error, MemoryError | duckdb.OutOfMemoryException)


#: Seconds in which DuckDB mostly notices a signal by itself, and ends the query where Python can still clean up.
_NOTICED = 0.5


@contextmanager
def interrupted_by_ctrl_c(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let Ctrl-C end a query of this connection at once within the block, if the main thread runs it.

    DuckDB looks for signals only between the pieces of work of the main thread. It misses one while it waits for
    another thread. Python writes each signal's number to the wakeup file as it arrives, and a thread reads it here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if before != -1:  # an event loop or another hub reads them already
        signal.set_wakeup_fd(before)
        os.close(writing)
        os.close(reading)
        yield
        return

    def watch_signals() -> None:
        while number := os.read(reading, 1):
            if number[0] == signal.SIGINT:
                time.sleep(_NOTICED)
                with suppress(duckdb.Error):  # the main thread has closed it already
                    con.interrupt()
        os.close(reading)

    watcher = threading.Thread(target=watch_signals, name="ctrl-c", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with suppress(ValueError):  # closed by another thread, which cannot take the file back
            signal.set_wakeup_fd(-1)
            os.close(writing)
            watcher.join(timeout=1)


def is_interrupt(error: BaseException) -> bool:
    """Return whether the error is a Ctrl-C that came while the database was at work."""
    return isinstance(error, RuntimeError) and "Query interrupted" in str(error)


def has_tables(con: duckdb.DuckDBPyConnection, *tables: str) -> bool:
    """Return whether the database has all these tables, or views of those names, committed.

    `duckdb_tables()` loads and describes every table, which takes half as long as opening the file. So does the search
    for similar names if one is missing.
    """
    with con.cursor() as own, suppress(duckdb.CatalogException):  # the error would abort the caller's transaction
        own.execute("SET SESSION catalog_error_max_schemas = 0")
        own.execute("FROM " + ", ".join(f'main."{table}"' for table in tables) + " LIMIT 0")
        return True
    return False


def is_database(path: Path) -> bool:
    """Return whether a file is a DuckDB database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def check_regular[E: SetupError](path: Path, *, what: str, raised: type[E]) -> None:
    """Raise an error for a path that exists and is no regular file: opening a pipe would wait for ever."""
    try:
        is_there = path.exists()
    except OSError as error:
        raise raised(f"{shown(str(path))} cannot be looked at ({error.strerror}); check path and rights.") from error
    if str(path) == "-":
        raise raised(f"A {what} is a file, and no standard input or output (-); give it a name.")
    if not is_there and path.is_symlink():
        raise raised(f"{str(path)!r} is a link that leads nowhere; remove it, or give the path itself.")
    if is_there and not path.is_file():
        kind = "a folder; give the path of a file in it" if path.is_dir() else "a pipe, socket or device"
        raise raised(f"{str(path)!r} is no {what} but {kind}.")


def is_made(path: Path) -> bool:
    """Return whether a file exists and holds something; a database without tables counts as not made.

    A process that was killed may leave such a file. It may be replaced.
    """
    if not path.is_file() or path.stat().st_size > _UNMADE:
        return path.exists()
    if not path.stat().st_size:
        return False
    try:
        with duckdb.connect(path.absolute(), read_only=True, config=dict(CONFIG)) as con:
            return bool(con.execute("SELECT 1 FROM duckdb_tables() LIMIT 1").fetchall())
    except duckdb.Error:
        return True


def open_error[E: SetupError](path: Path, error: duckdb.Error, *, what: str, raised: type[E]) -> E:
    """Return an error that says in one sentence why `path` cannot be opened; `what` is the expected kind of file."""
    message = str(error)
    if "Could not set lock" in message:
        holder = _HOLDER.search(message)
        who = f"by another process (PID {holder[1]})" if holder else "by another process"
        return raised(
            f"{str(path)!r} is in use {who}; wait until that is done, or end it. A run or growth that goes on can be "
            f"looked at meanwhile with `populace hub info` and `populace sql`."
        )
    if "different configuration" in message:
        return raised(f"{str(path)!r} is open in this process for reading; close what reads it first.")
    if not is_database(path):
        made = "that a run was written to" if what == "run file" else "of one"
        return raised(f"{str(path)!r} is no {what}, nor any DuckDB database; give the path {made}.")
    if why := next((sign for sign in _FORBIDDEN if sign in message), ""):
        return raised(f"{str(path)!r} cannot be written: {why}; copy it to where you may write.")
    if is_damage(error):
        return raised(f"{str(path)!r} is damaged ({said(error)}); restore it from a copy.")
    return raised(f"{str(path)!r} cannot be opened: {said(error)}; restore it from a copy, or write to another file.")
