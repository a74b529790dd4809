"""Opening run files: one configuration for all of them, and one sentence for everything that can be wrong."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import duckdb

from ...personas.errors import RunFileError

__all__ = ["CONFIG", "BusyError", "connect", "said"]

#: No query on a run file reaches another file, the network or Python's variables. DuckDB opens a file
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
_HOLDER = re.compile(r"\(PID (\d+)\)")


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
        raise _explained(path, error) from error


def said(error: BaseException) -> str:
    """What a database says is wrong, on one line: without its class, picture of the query and full stop."""
    words = str(error).strip().partition("\n\n")[0].partition("\nLINE ")[0]
    return " ".join(_CLASS.sub("", words).split()).rstrip(". ")


def _explained(path: Path, error: duckdb.Error) -> RunFileError:
    message = str(error)
    if "Could not set lock" in message:
        holder = _HOLDER.search(message)
        who = f"by another process (PID {holder[1]})" if holder else "by another process"
        return BusyError(f"{str(path)!r} is in use {who}; wait until that is done, or end it.")
    if "different configuration" in message:
        return BusyError(f"{str(path)!r} is open in this process for reading; close what reads it first.")
    # By its ending DuckDB takes a table of text for a database, and then for one in memory.
    if "not a valid DuckDB" in message or "in-memory database" in message:
        return RunFileError(
            f"{str(path)!r} is no run file, nor any DuckDB database; give the path that a run was written to."
        )
    return RunFileError(
        f"{str(path)!r} cannot be opened: {said(error)}; restore it from a copy, or run into another file."
    )
