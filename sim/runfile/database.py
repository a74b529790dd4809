"""Run files: their schema, and making and opening them, each error in one sentence."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import duckdb

from ...core import files
from ...core.database import CONFIG, check_regular, has_tables, is_busy, is_made, make_database, open_error, said
from ...core.errors import UPGRADE, RunFileError
from ...core.table import Table, declared_tables
from ...personas.hub.file import check_hub_version, make_hub_schema

#: The version that this Populace writes and reads. It goes up when a declaration of a table changes.
SCHEMA_VERSION = 8


@cache
def run_tables() -> Sequence[Table]:
    """Return the tables of a run file as they are declared."""
    # They declare tables.
    from ...personas.hub import tables  # noqa: F401
    from . import rows as output_rows  # noqa: F401

    return [table for table in declared_tables() if not (table.is_hub or table.is_of_job)]


@cache
def _table_statements() -> Mapping[str, str]:
    """Return the SQL that makes each table, by the table's name."""
    return {table.name: table.statements() for table in run_tables()}


@cache
def _read_views() -> str:
    return resources.files(__package__).joinpath("sql", "views.sql").read_text(encoding="utf-8")


def make_schema(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables and views of a run file. A hub in which a job begins keeps its tables.

    Everything happens in the caller's transaction, or each statement in its own if there is none.
    """
    there = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    con.execute("\n".join([*(sql for name, sql in _table_statements().items() if name not in there), _read_views()]))
    made_at = datetime.now(UTC).replace(tzinfo=None)
    con.execute("INSERT INTO migrations VALUES (?, 'declared tables', ?)", [SCHEMA_VERSION, made_at])


def check_schema(con: duckdb.DuckDBPyConnection, path: str, *, hubs: bool = False) -> None:
    """Raise `RunFileError` if a database is not a run file, or is one of another version.

    With `hubs`, a hub that holds jobs but no run is accepted. Raises `SourceError` if the schema of its personas is
    newer.
    """
    if not has_jobs(con):
        if is_early(con):
            raise RunFileError(
                f"{path!r} was written by a development version of Populace from before the first release, which this "
                f"one does not read; make it anew."
            )
        raise RunFileError(f"{path!r} is a DuckDB database but no run file; give the path that a run was written to.")
    ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchall()
    if version != SCHEMA_VERSION:
        is_newer = version > SCHEMA_VERSION
        raise RunFileError(
            f"{path!r} has version {version} of the run file's schema and this Populace reads version {SCHEMA_VERSION} "
            f"alone; {UPGRADE if is_newer else 'export it with the Populace that wrote it, or make it anew'}."
        )
    if not hubs and con.execute("SELECT 1 FROM runs").fetchone() is None:
        if con.execute("SELECT 1 FROM jobs WHERE kind = 'interview'").fetchone():
            raise RunFileError(
                f"{path!r} holds interviews with agents of a run, and no run itself; an interview goes on with "
                f"`populace ask RUN AGENT QUESTION`."
            )
        raise RunFileError(f"{path!r} is a hub but no run file; give the path that a run was written to.")
    check_hub_version(con, path)


def has_jobs(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the database has the tables of jobs. It is then a run file, or a hub in which a job has begun."""
    return has_tables(con, "jobs", "phases", "migrations")


def is_early(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a development version from before the first release wrote the database."""
    return has_tables(con, "migrations") and (has_tables(con, "runs") or has_tables(con, "jobs")) and not has_jobs(con)


def is_experiment(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the database is the merged file of an experiment."""
    return has_tables(con, "experiment", "outcome_values")


_ENTRIES = """
SELECT 'table', table_name, comment FROM duckdb_tables()
UNION ALL
SELECT 'view', view_name, comment FROM duckdb_views() WHERE NOT internal
ORDER BY 1, 2
"""

_COLUMNS = """
SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal
ORDER BY table_name, column_index
"""


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """One column: its name, its DuckDB type, and what it means."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """A table or view: its name, what it holds, and its columns in order."""

    kind: Literal["table", "view"]
    name: str
    comment: str
    columns: tuple[ColumnEntry, ...]


def describe(*, hubs: bool = False) -> list[SchemaEntry]:
    """Return every table and then every view of a new run file, by name.

    With `hubs`, include those of jobs on a hub.
    """
    with duckdb.connect() as con:
        make_schema(con)
        if hubs:
            make_hub_schema(con)
        columns: dict[str, list[ColumnEntry]] = {}
        for table, name, type_, comment in con.execute(_COLUMNS).fetchall():
            columns.setdefault(table, []).append(ColumnEntry(name, type_, comment or ""))
        found = con.execute(_ENTRIES).fetchall()
    return [SchemaEntry(kind, name, comment or "", tuple(columns[name])) for kind, name, comment in found]


#: The smallest that there are: a run of 30 emissions takes 0.6 MB with them and 7 MB with DuckDB's own of 256 KiB, one
#: of 100,000 calls 28 MB with either, written at 25,000 rows a second instead of 40,000 and read as fast.
_BLOCK = 16_384


class BusyError(RunFileError):
    """The file is open elsewhere: in another process, or in this one for another purpose."""


def check_there(path: Path) -> None:
    """Raise `RunFileError` if there is no file at this path."""
    if not path.exists():
        raise RunFileError(f"There is no run file {str(path)!r}; give the path that a run was written to.")
    if path.is_dir():
        raise RunFileError(f"{str(path)!r} is a folder; give the path of a run file in it.")
    check_regular(path, what="run file", raised=RunFileError)


def check_unwritten(path: Path) -> None:
    """Raise `RunFileError` if this process is writing the file."""
    if cursors_of(path):
        raise RunFileError(f"{str(path)!r} is being written in this process already; close that run first.")


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Connect to an existing file. Raises `RunFileError`, in one sentence, if it cannot be opened."""
    check_there(path)
    try:
        # Absolute, because DuckDB has its own idea of names such as ':memory:' and 'md:x'.
        return duckdb.connect(path.absolute(), read_only=read_only, config=dict(CONFIG))
    except duckdb.Error as error:
        kind = BusyError if is_busy(error) else RunFileError
        raise open_error(path, error, what="run file", raised=kind) from error


def make_run_file(
    path: Path, fill: Callable[[duckdb.DuckDBPyConnection], None] | None = None, *, is_small: bool = False
) -> None:
    """Create a run file, empty or with what `fill` writes to it. It appears complete or not at all.

    `is_small` means that it holds only a few rows. Raises `RunFileError` if the path is taken or cannot be written.
    """
    check_free(path)
    try:
        make_database(path, make_schema, block_size=_BLOCK, fill=fill, is_small=is_small)
    except FileExistsError:
        check_free(path)  # another process was faster
        raise
    except (duckdb.Error, OSError) as error:
        why = said(error) if isinstance(error, duckdb.Error) else error.strerror or str(error)
        raise RunFileError(f"{str(path)!r} cannot be written: {why}; make room, or give another path.") from error


def check_free(path: Path) -> None:
    """Raise `RunFileError`, in one sentence, if a new run file cannot be created at this path."""
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
    rest = path.with_name(f"{path.name}.wal")
    if rest.exists() and not path.exists():
        raise RunFileError(f"{str(rest)!r} is left of a file that is gone; put that back, or delete or move the rest.")


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Yield a hidden folder on the same disk as the file, or else a temporary folder of the system.

    It is removed afterwards. Raises `RunFileError` if nothing can be written anywhere.
    """
    with ExitStack() as stack:
        try:
            folder = _enter_folder(stack, path)
        except OSError as error:
            raise RunFileError(
                f"Nothing can be written beside {str(path)!r} ({error.strerror}); make room, or give a path elsewhere."
            ) from error
        yield folder


def _enter_folder(stack: ExitStack, path: Path) -> Path:
    try:
        return stack.enter_context(files.folder_beside(path))
    except OSError:  # it may lie where nothing can be written
        return Path(stack.enter_context(TemporaryDirectory(prefix="populace-", ignore_cleanup_errors=True)))


#: How long closing waits for readers that were interrupted.
_PATIENCE_SECONDS = 5.0


class ClosedError(Exception):
    """The run file is not being written any more: ask the file itself."""


#: What DuckDB holds of the file's blocks, and of all else.
_HELD = """
SELECT sum(memory_usage_bytes) FILTER (tag = 'BASE_TABLE'), sum(memory_usage_bytes) FILTER (tag <> 'BASE_TABLE')
FROM duckdb_memory()
"""


class Cursors:
    """Hands out cursors in read-only transactions, to any thread, until it is closed."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._active: set[duckdb.DuckDBPyConnection] = set()
        self._changed = threading.Condition()
        self._closed = self._is_shared = False

    @property
    def active(self) -> int:
        """Cursors that are lent out."""
        return len(self._active)

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a cursor that sees committed rows and cannot write. Raises `ClosedError` once closed."""
        cursor = self._lend_cursor()
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

    def own(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor that its user closes and that may write. From now on nothing is trimmed."""
        with self._changed:
            self._is_shared = True
            return self._con.cursor()

    def trim_memory(self, most: int) -> None:
        """Make DuckDB keep at most `most` bytes of the file's blocks, unless the file is being read now.

        DuckDB keeps every block it wrote or read until it reaches its memory limit, which is 80 % of the machine's
        memory. A permanent lower limit would fail statements that need more, such as a sort on many cores or a list of
        everything. So the limit is lowered only while blocks are dropped, when no other statement can run into it.
        """
        with self._changed:
            if self._closed or self._active or self._is_shared:
                return
            with suppress(duckdb.Error), self._con.cursor() as cursor:  # what cannot be dropped stays
                ((blocks, others),) = cursor.execute(_HELD).fetchall()
                if blocks > most:
                    try:
                        cursor.execute(f"SET memory_limit = '{others + most}B'")
                    finally:
                        cursor.execute("RESET memory_limit")

    def close(self) -> None:
        """Interrupt all reads and lend no more cursors."""
        with self._changed:
            self._closed = True
            for cursor in self._active:
                cursor.interrupt()
            self._changed.wait_for(lambda: not self._active, timeout=_PATIENCE_SECONDS)
            with suppress(duckdb.OperationalError):  # a query that could not be stopped still has it
                self._con.close()

    def _lend_cursor(self) -> duckdb.DuckDBPyConnection:
        with self._changed:
            if self._closed:
                raise ClosedError
            cursor = self._con.cursor()
            self._active.add(cursor)
            return cursor


_OPEN: dict[Path, Cursors] = {}


def cursors_of(path: Path) -> Cursors | None:
    """Return the cursors of a run file that this process is writing, or None."""
    return _OPEN.get(path.resolve())


@contextmanager
def opened(path: Path, cursors: Cursors) -> Iterator[None]:
    """Register the cursors under the file's path, so that others in this process find them."""
    key = path.resolve()
    _OPEN[key] = cursors
    try:
        yield
    finally:
        _OPEN.pop(key, None)
