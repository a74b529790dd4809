"""Making and opening run files, and one sentence for everything that can be wrong."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from ...personas.database import CONFIG, is_busy, make_database, open_error, said
from ...personas.errors import RunFileError
from .beside import check_free
from .migrations import migrate

__all__ = ["CONFIG", "BusyError", "connect", "make_run_file", "said"]

#: The smallest that there are: a run of 30 emissions takes 0.6 MB with them and 7 MB with DuckDB's own of 256 KiB, one
#: of 100,000 calls 28 MB with either, written at 25,000 rows a second instead of 40,000 and read as fast.
_BLOCK = 16_384


class BusyError(RunFileError):
    """The file is open elsewhere: in another process, or in this one for another purpose."""


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection to an existing file. Raises `RunFileError`, in one sentence, when it cannot be opened."""
    if not path.exists():
        raise RunFileError(f"There is no run file {str(path)!r}; give the path that a run was written to.")
    if path.is_dir():
        raise RunFileError(f"{str(path)!r} is a folder; give the path of a run file in it.")
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
