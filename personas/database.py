"""Making and opening DuckDB files: one configuration for all, and one sentence for everything that can be wrong."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import duckdb

from .errors import SetupError
from .files import private_umask, whole_file

__all__ = [
    "CONFIG",
    "TOO_LARGE",
    "QueryLimit",
    "has_unstoppable_query",
    "is_busy",
    "is_damage",
    "is_database",
    "is_interrupt",
    "is_made",
    "make_database",
    "open_error",
    "run_query",
    "said",
]

type Fill = Callable[[duckdb.DuckDBPyConnection], None]

#: No query on such a file reaches another file, the network or Python's variables. DuckDB opens a file
#: only once in a process, with one configuration: readers and writers must agree on it.
CONFIG: Mapping[str, str | bool | int | float | list[str]] = MappingProxyType(
    {
        "enable_external_access": "false",
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "lock_configuration": "true",
    }
)

_CLASS = re.compile(r"^([A-Z]\w*( [A-Z]\w*)* Error: )+")
_DAMAGE = re.compile("Corrupt database file|Could not read enough bytes|checksum|Failed to deserialize", re.IGNORECASE)
#: No database with anything in it is smaller.
_UNMADE = 1 << 16
_HOLDER = re.compile(r"\(PID (\d+)\)")
#: The bytes of databases in which nothing but their schema is: to make one takes longer than all else before a run.
_empty: dict[tuple[Fill, int], bytes] = {}


def make_database(path: Path, schema: Fill, *, block_size: int, fill: Fill | None = None) -> None:
    """Make a database of this schema, filled in one transaction; nothing is under its name before it is whole.

    `schema` must do the same whenever it is called. Files are made of blocks of `block_size` bytes (a power of 2 from
    16,384), of which each column of a table in use takes one at least. Raises `FileExistsError` when the path is taken,
    `OSError` and `duckdb.Error` when it cannot be written.
    """
    if path.exists() and not is_made(path):
        path.unlink()
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    with whole_file(path.absolute()) as part, private_umask(part):
        _write_empty(part, schema, block_size)
        if fill is not None:
            with duckdb.connect(part, config=dict(CONFIG)) as con:
                con.execute("BEGIN TRANSACTION")
                fill(con)
                con.execute("COMMIT")
                con.execute("CHECKPOINT")


def _write_empty(part: Path, schema: Fill, block_size: int) -> None:
    empty = _empty.get((schema, block_size))
    if empty is not None:
        with part.open("wb") as file:
            file.write(empty)
            file.flush()
            os.fsync(file.fileno())
        return
    part.unlink()  # DuckDB takes no empty file for a new one
    with duckdb.connect(part, config={**CONFIG, "default_block_size": str(block_size)}) as con:
        con.execute("BEGIN TRANSACTION")
        schema(con)
        con.execute("COMMIT")
        con.execute("CHECKPOINT")
    _empty[schema, block_size] = part.read_bytes()


def said(error: BaseException) -> str:
    """What a database says is wrong, on one line: without its class, picture of the query and full stop."""
    words = str(error).strip().partition("\n\n")[0].partition("\nLINE ")[0]
    return " ".join(_CLASS.sub("", words).split()).rstrip(". ")


def is_busy(error: duckdb.Error) -> bool:
    """Whether a file cannot be opened because it is open elsewhere: in another process, or in this one otherwise."""
    return "Could not set lock" in str(error) or "different configuration" in str(error)


def is_damage(error: BaseException) -> bool:
    """Whether a database says that its file is cut off or altered."""
    return isinstance(error, duckdb.Error) and bool(_DAMAGE.search(str(error)))


def is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C came while the database was at work, which hides it in an error of its own."""
    return isinstance(error, RuntimeError) and "Query interrupted" in str(error)


def is_database(path: Path) -> bool:
    """Whether a file is a DuckDB database. By its ending alone DuckDB would take a table of text for one in memory."""
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def is_made(path: Path) -> bool:
    """Whether there is a file that holds something: a database without any table is one that was about to be made.

    A process of an earlier Populace that was killed has left such a file, and whoever comes next may make it.
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
    """The error that says in one sentence why `path` cannot be opened; `what` is what it should have been."""
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
    if is_damage(error):
        return raised(f"{str(path)!r} is damaged ({said(error)}); restore it from a copy.")
    return raised(f"{str(path)!r} cannot be opened: {said(error)}; restore it from a copy, or write to another file.")


@dataclass(frozen=True, slots=True)
class QueryLimit:
    """What a query that a user wrote may take."""

    #: None is no limit.
    seconds: float | None
    #: What to do about the time limit, as the end of the sentence that says it was reached.
    advice: str
    #: Share of the memory that DuckDB takes for its own, by which memory and temporary files may grow.
    memory: float = 0.6
    #: Whether the process is there for this query alone, so that its memory may be limited as a whole.
    has_own_process: bool = False

    @classmethod
    def given(cls, seconds: float, *, memory: float = 0.6, has_own_process: bool = False) -> "QueryLimit":
        """The limit that `--timeout` says, of which 0 is none. Raises `SetupError`."""
        if not 0 <= seconds <= threading.TIMEOUT_MAX:
            raise SetupError(f"--timeout is {seconds:g}; it must be a number of seconds from 0, which is no limit.")
        advice = "ask for less, or allow more with --timeout SECONDS (0 is no limit)"
        return cls(seconds or None, advice, memory, has_own_process)


#: Said of a query that runs out of memory.
TOO_LARGE = "The query needs more memory than it may take here; ask for fewer rows at once, or for less of each."

#: How often a query is looked after, and how long one that was stopped may take to end.
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 2.0
#: Queries that did not end when they were told to.
_UNSTOPPABLE: list[threading.Thread] = []


def has_unstoppable_query() -> bool:
    """Whether a query that was stopped is still at work: DuckDB ends none within a single call of a function."""
    return any(thread.is_alive() for thread in _UNSTOPPABLE)


def run_query[T](con: duckdb.DuckDBPyConnection, work: Callable[[], T], limit: QueryLimit) -> T:
    """What `work` gives, which asks `con` and nothing else, in a thread of its own.

    Raises `SetupError` with the limit when it takes longer or needs more memory. Ctrl-C stops it, too.
    """
    answers: list[T] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised to whoever asked
            failures.append(error)
        finally:
            ended.set()

    with con.cursor() as watch, _bounded_allocations(watch, limit):
        thread = threading.Thread(target=run, name="populace-query", daemon=True)
        thread.start()
        try:
            reached = _watch(watch, ended, limit)
        except BaseException:
            _stop(con, thread, ended)
            raise
        if reached is not None:
            _stop(con, thread, ended)
    if answers:
        return answers[0]
    if reached is None and isinstance(failures[0], duckdb.OutOfMemoryException | MemoryError):
        reached = TOO_LARGE
    if reached is not None:
        raise SetupError(reached) from (failures[0] if failures else None)
    raise failures[0]


def _watch(watch: duckdb.DuckDBPyConnection, ended: threading.Event, limit: QueryLimit) -> str | None:
    """Wait for the end; the sentence of the limit that was reached before, if one was."""
    began = time.monotonic()
    allowed = None
    while not ended.wait(_LOOK_SECONDS):
        if limit.seconds is not None and time.monotonic() - began >= limit.seconds:
            return f"The query was stopped after {limit.seconds:g} s; {limit.advice}."
        with suppress(duckdb.Error):  # who closes the database meanwhile stops the query as well
            taken, whole = watch.execute(_TAKEN).fetchall()[0]
            allowed = allowed or taken + limit.memory * whole
            if taken > allowed:
                return TOO_LARGE
    return None


_TAKEN = """
SELECT sum(memory_usage_bytes + temporary_storage_bytes), parse_formatted_bytes(current_setting('memory_limit'))
FROM duckdb_memory()
"""


def _stop(con: duckdb.DuckDBPyConnection, thread: threading.Thread, ended: threading.Event) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not ended.is_set() and time.monotonic() < until:
        # Again and again: between two statements there is nothing to interrupt.
        with suppress(duckdb.Error):
            con.interrupt()
        ended.wait(_LOOK_SECONDS)
    if not ended.is_set():
        _UNSTOPPABLE.append(thread)


@contextmanager
def _bounded_allocations(watch: duckdb.DuckDBPyConnection, limit: QueryLimit) -> Iterator[None]:
    """Let what DuckDB does not count, as a list of a thousand million numbers, fail instead of filling the machine."""
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
