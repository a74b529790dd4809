"""Opening run files, and one sentence for everything that can be wrong."""

from pathlib import Path

import duckdb

from ...personas.database import CONFIG, check_regular, is_busy, open_error, said
from ...personas.errors import RunFileError

__all__ = ["CONFIG", "BusyError", "connect", "said"]


class BusyError(RunFileError):
    """The file is open elsewhere: in another process, or in this one for another purpose."""


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection to an existing file. Raises `RunFileError`, in one sentence, when it cannot be opened."""
    if not path.exists():
        raise RunFileError(f"There is no run file {str(path)!r}; give the path that a run was written to.")
    if path.is_dir():
        raise RunFileError(f"{str(path)!r} is a folder; give the path of a run file in it.")
    check_regular(path, what="run file", raised=RunFileError)
    try:
        # Absolute, because DuckDB has its own idea of names such as ':memory:' and 'md:x'.
        return duckdb.connect(path.absolute(), read_only=read_only, config=dict(CONFIG))
    except duckdb.Error as error:
        kind = BusyError if is_busy(error) else RunFileError
        raise open_error(path, error, what="run file", raised=kind) from error
