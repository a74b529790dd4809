"""Making and opening run files, and one sentence for everything that can be wrong."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ...personas import files
from ...personas.database import CONFIG, check_regular, is_busy, is_made, make_database, open_error, said
from ...personas.errors import RunFileError
from .schema import migrate

#: The smallest that there are: a run of 30 emissions takes 0.6 MB with them and 7 MB with DuckDB's own of 256 KiB, one
#: of 100,000 calls 28 MB with either, written at 25,000 rows a second instead of 40,000 and read as fast.
_BLOCK = 16_384


class BusyError(RunFileError):
    """The file is open elsewhere: in another process, or in this one for another purpose."""


def check_there(path: Path) -> None:
    """Raise `RunFileError` when there is no file at this path."""
    if not path.exists():
        raise RunFileError(f"There is no run file {str(path)!r}; give the path that a run was written to.")
    if path.is_dir():
        raise RunFileError(f"{str(path)!r} is a folder; give the path of a run file in it.")
    check_regular(path, what="run file", raised=RunFileError)


def check_unwritten(path: Path) -> None:
    """Raise `RunFileError` when this process is writing the file."""
    if cursors_of(path):
        raise RunFileError(f"{str(path)!r} is being written in this process already; close that run first.")


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection to an existing file. Raises `RunFileError`, in one sentence, when it cannot be opened."""
    check_there(path)
    try:
        # Absolute, because DuckDB has its own idea of names such as ':memory:' and 'md:x'.
        return duckdb.connect(path.absolute(), read_only=read_only, config=dict(CONFIG))
    except duckdb.Error as error:
        kind = BusyError if is_busy(error) else RunFileError
        raise open_error(path, error, what="run file", raised=kind) from error


def make_run_file(path: Path, fill: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    """Make a run file with what `fill` writes in it, whole or not at all.

    Raises `RunFileError` when the path is taken or cannot be written.
    """
    check_free(path)
    try:
        make_database(path, migrate, block_size=_BLOCK, fill=fill)
    except FileExistsError:
        check_free(path)  # another process was faster
        raise
    except (duckdb.Error, OSError) as error:
        why = said(error) if isinstance(error, duckdb.Error) else error.strerror or str(error)
        raise RunFileError(f"{str(path)!r} cannot be written: {why}; make room, or give another path.") from error


def check_free(path: Path) -> None:
    """Raise `RunFileError`, in one sentence, when no new run file can be at this path."""
    if path.is_dir():
        file = path / "run.duckdb"
        raise RunFileError(f"{str(path)!r} is a folder; give the path of a file in it, as {str(file)!r}.")
    check_regular(path, what="run file", raised=RunFileError)
    if is_made(path):
        raise RunFileError(f"{str(path)!r} exists; give another path, or go on with `populace resume {path}`.")
    if not path.parent.is_dir():
        raise RunFileError(
            f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it, or give another path."
        )


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A hidden folder on the same disk as the file, or else among the system's temporary ones; gone when it is left.

    Raises `RunFileError` when nothing can be written anywhere.
    """
    with ExitStack() as stack:
        try:
            folder = _entered(stack, path)
        except OSError as error:
            raise RunFileError(
                f"Nothing can be written beside {str(path)!r} ({error.strerror}); make room, or give a path elsewhere."
            ) from error
        yield folder


def _entered(stack: ExitStack, path: Path) -> Path:
    try:
        return stack.enter_context(files.folder_beside(path))
    except OSError:  # it may lie where nothing can be written
        return Path(stack.enter_context(TemporaryDirectory(prefix="populace-", ignore_cleanup_errors=True)))


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
