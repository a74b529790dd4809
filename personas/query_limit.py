"""Limits of time and memory for queries that users write, and running one within them."""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from .errors import SetupError

__all__ = ["TOO_LARGE", "QueryLimit", "has_unstoppable_query", "run_query"]


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
