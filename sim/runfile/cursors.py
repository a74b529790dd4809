"""Cursors that only read, in a process that writes; and the run files that this process is writing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

__all__ = ["ClosedError", "Cursors", "cursors_of", "opened"]

#: How long closing waits for readers that were interrupted.
_PATIENCE_SECONDS = 5.0


class ClosedError(Exception):
    """The run file is not being written any more: ask the file itself."""


class Cursors:
    """Hands out cursors in read-only transactions, to any thread, until it is closed."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._active: set[duckdb.DuckDBPyConnection] = set()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def active(self) -> int:
        """Cursors that are lent out."""
        return len(self._active)

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees what is committed and can write nothing. Raises `ClosedError` once closed."""
        cursor = self._lend()
        try:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            yield cursor
        except Exception as error:  # whatever an interrupted reader met, the reason is the closing
            if self._closed:
                raise ClosedError from error
            raise
        finally:
            with suppress(duckdb.Error):  # a statement that failed has ended the transaction itself
                cursor.execute("ROLLBACK")
            with suppress(duckdb.Error):  # a query that could not be stopped still has it
                cursor.close()
            with self._changed:
                self._active.discard(cursor)
                self._changed.notify_all()

    def close(self) -> None:
        """Interrupt what is being read and lend no more."""
        with self._changed:
            self._closed = True
            for cursor in self._active:
                cursor.interrupt()
            self._changed.wait_for(lambda: not self._active, timeout=_PATIENCE_SECONDS)
            with suppress(duckdb.OperationalError):  # a query that could not be stopped still has it
                self._con.close()

    def _lend(self) -> duckdb.DuckDBPyConnection:
        with self._changed:
            if self._closed:
                raise ClosedError
            cursor = self._con.cursor()
            self._active.add(cursor)
            return cursor


_OPEN: dict[Path, Cursors] = {}


def cursors_of(path: Path) -> Cursors | None:
    """The cursors of a run file that this process is writing, or None."""
    return _OPEN.get(path.resolve())


@contextmanager
def opened(path: Path, cursors: Cursors) -> Iterator[None]:
    """While this is entered, others in this process find the cursors by the file's path."""
    key = path.resolve()
    _OPEN[key] = cursors
    try:
        yield
    finally:
        _OPEN.pop(key, None)
