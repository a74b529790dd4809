"""The run file of a run that is going on: written by one thread, read by any."""

import atexit
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import duckdb
import orjson

from ...core.arrow import read_table
from ...core.files import private_umask, remove_parts
from ...core.query import Params
from ...core.table import Row, by_type, make_rows, select_rows
from ...personas.hub.file import HUB_VERSION, check_hub, hub_version, make_hub_schema
from .database import (
    Cursors,
    check_schema,
    check_unwritten,
    connect,
    has_jobs,
    is_early,
    make_run_file,
    make_schema,
    opened,
)
from .job_rows import JobRow, MarkerRow, PhaseRow, Unit
from .writer import FileChange, Inserts, Statement, Writer, take_over

if TYPE_CHECKING:
    from arro3.core import Table

_GOES_ON = "UPDATE jobs SET status = 'running', reason = NULL, ended_at = NULL WHERE job = ?"
_LAST_COMPLETE = """
SELECT max(number) FROM markers JOIN phases USING (job, phase) WHERE unit = $unit AND chunk = 0
"""
_MARKERS = "WHERE job = $job AND phase = $phase AND number = $number ORDER BY chunk"
_LAST_HASH = "SELECT event_hash FROM markers WHERE job = $job ORDER BY rowid DESC LIMIT 1"


class RunLog:
    """Everything that happens in a job, as it happens, in a run file or in a hub.

    One process has a file open for writing, and only once. Rows are handed over from any thread with
    `submit` or `commit`; `query` and `rows` see what is committed. A marker (`MarkerRow`) must be committed together
    with the rows of its chunk: then a file cut off at any moment holds all or none.
    """

    def __init__(
        self,
        path: Path,
        con: duckdb.DuckDBPyConnection,
        *,
        job: int = 1,
        going_on: bool,
        filled: set[type[Row]] | None = None,
    ) -> None:
        self.path = path
        #: The tables of a new file that hold rows; None where they are not known.
        self._filled = filled
        #: What this session committed markers of.
        self._marked: set[tuple[str, int]] = set()
        #: Number of the job that is worked on.
        self.job = job
        self._con = con
        self.cursors = Cursors(con)
        self._writer = Writer(con.cursor(), path, self.cursors.trim_memory)
        # Opening an ended run changes nothing; writing to it makes it a running one again.
        self._ahead: list[FileChange] = [] if going_on else [Statement(_GOES_ON, [job])]
        self._stack = ExitStack()
        self._stack.enter_context(private_umask(path))
        self._stack.callback(self.cursors.close)
        self._stack.callback(self._writer.close)
        self._stack.enter_context(opened(path, self.cursors))
        # The writer is a daemon, so that a run that was not closed cannot keep the process from ending.
        atexit.register(self.close)

    @classmethod
    def create(cls, path: Path, job: JobRow) -> Self:
        """Create a run file that holds this job. Raises `RunFileError` if the path exists or cannot be written."""
        make_run_file(path, lambda con: Inserts(con).write([job]), is_small=True)
        return cls(path, connect(path, read_only=False), job=job.job, going_on=True, filled={type(job)})

    @classmethod
    def open(cls, path: Path, job: int | None = None) -> Self:
        """Open a run file to continue its run, or its job of the given number, and update its schema.

        Raises `RunFileError` if it is not a run file, has a newer schema, or is already open.
        """
        return cls(path, _open_for_writing(path, hubs=job is not None), job=job or 1, going_on=False)

    @classmethod
    def begin(
        cls, path: Path, job: JobRow, fill: Callable[[duckdb.DuckDBPyConnection, int], None] | None = None
    ) -> Self:
        """Open a run file or hub and begin another job in it, with the next free number.

        A hub gets the tables of jobs when its first job begins. `fill` receives the connection and the number and
        writes what the job begins with, in the same transaction. Raises `RunFileError` as `open` does, and
        `SourceError` if it is not a hub either.
        """
        con = _open_for_writing(path, hubs=True)
        try:
            con.execute("BEGIN TRANSACTION")
            ((number,),) = con.execute("SELECT coalesce(max(job), 0) + 1 FROM jobs").fetchall()
            Inserts(con).write([replace(job, job=number)])
            if fill is not None:
                fill(con, number)
            con.execute("COMMIT")
        except BaseException:
            con.close()
            raise
        return cls(path, con, job=number, going_on=True)

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log."""
        self.close()

    @property
    def job_row(self) -> JobRow:
        """The job as stored in the file."""
        (row,) = self.rows(JobRow, "WHERE job = $job", {"job": self.job})
        return row

    @property
    def is_fork(self) -> bool:
        """Whether the job began with the state of another run, and knows answers of that one."""
        return bool(orjson.loads(self.job_row.spec).get("forked_from"))

    @property
    def commits(self) -> int:
        """Transactions written since the file was opened."""
        return self._writer.commits

    def submit(self, rows: Iterable[Row]) -> None:
        """Queue rows and return at once. They are durable within about 50 ms. Raises `StorageError`."""
        alike = by_type(rows)
        self._note_filled(alike, ())
        self._writer.submit(alike, self._take_ahead())

    def commit(self, rows: Iterable[Row] = (), statements: Sequence[FileChange] = ()) -> Future[None]:
        """Queue rows that belong together, and return a future that is done when they are durable.

        All earlier rows are then durable too. The statements run after the rows, in the same transaction. Both this and
        the future raise `StorageError`.
        """
        alike = by_type(rows)
        self._note_filled(alike, statements)
        markers = [row for row in alike.get(MarkerRow, ()) if isinstance(row, MarkerRow)]
        self._marked.update((marker.phase, marker.number) for marker in markers)
        hashes = [_hash_so_far(marker) for marker in markers]
        return self._writer.commit(alike, [*self._take_ahead(), *hashes, *statements])

    def query(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Run a read-only query on its own cursor and return the committed rows."""
        with self.cursors.reading() as cursor:
            return cursor.execute(sql, params or None).fetchall()

    def table(self, sql: str) -> "Table":
        """Run a query and return the result as an Arrow table."""
        with self.cursors.reading() as cursor:
            return read_table(cursor.sql(sql))

    def rows[R: Row](self, row_type: type[R], clause: str = "", params: Params = ()) -> list[R]:
        """Return the rows of one table. `clause` may filter or order them and begins with WHERE or ORDER BY."""
        if not self.may_hold(row_type):
            return []
        return make_rows(row_type, self.query(select_rows(row_type, clause), params))

    def may_hold(self, *row_types: type) -> bool:
        """Return whether any of these tables may hold rows. Saves a new run from querying empty tables."""
        filled = self._filled
        return filled is None or any(issubclass(one, row_types) for one in tuple(filled))  # other threads add to it

    def markers(self, phase: str, number: int) -> list[MarkerRow]:
        """Return the markers of a hop, step or stage of the job, with the marker of the whole first.

        In a new file, looks only for markers that this session committed.
        """
        if self._filled is not None and (phase, number) not in self._marked:
            return []
        return self.rows(MarkerRow, _MARKERS, {"job": self.job, "phase": phase, "number": number})

    def last_complete(self, unit: Unit) -> int | None:
        """Return the last complete hop or step of the file, or None if there is none."""
        if not self.may_hold(MarkerRow):
            return None
        ((number,),) = self.query(_LAST_COMPLETE, {"unit": unit})
        return None if number is None else int(number)

    def last_event_hash(self) -> str | None:
        """Return the hash over all events of the job up to its last marker, or None if there is none."""
        if not self.may_hold(MarkerRow):
            return None
        found = self.query(_LAST_HASH, {"job": self.job})
        return str(found[0][0]) if found else None

    def change(self, *, spec: Mapping[str, object] | None = None, **columns: object) -> list[FileChange]:
        """Return the statements that update these columns of the job and these keys of its spec."""
        if spec:
            columns["spec"] = orjson.dumps({**orjson.loads(self.job_row.spec), **spec}).decode()
        assigned = ", ".join(f"{name} = ?" for name in columns)
        update = f"UPDATE jobs SET {assigned} WHERE job = ?"  # noqa: S608 - our own names
        return [Statement(update, [*columns.values(), self.job])] if columns else []

    def declare(self, phase: str, unit: Unit) -> Future[None]:
        """Record that a phase of the job begins, unless recorded already.

        Returns a future that is done when that is durable.
        """
        known = [row.phase for row in self.rows(PhaseRow, "WHERE job = $job", {"job": self.job})]
        return self.commit([] if phase in known else [PhaseRow(self.job, phase, len(known) + 1, unit)])

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection to the file in this process. Close it before the log."""
        self._filled = None
        return self.cursors.own()

    def finish(
        self, status: Literal["finished", "failed", "paused", "abandoned"], reason: str | None, event_hash: str | None
    ) -> None:
        """Mark the job as ended and wait until that is durable. Raises `StorageError`."""
        ended = Statement(
            "UPDATE jobs SET status = ?, reason = ?, event_hash = ?, ended_at = ? WHERE job = ?",
            [status, reason, event_hash, datetime.now(UTC).replace(tzinfo=None), self.job],
        )
        self.commit(statements=[ended]).result()

    def close(self) -> None:
        """Write what is left and close the file. Closing twice does nothing.

        Raises `StorageError` if something could not be written and this was not reported before.
        """
        atexit.unregister(self.close)
        self._stack.close()

    def _note_filled(self, row_types: Iterable[type[Row]], statements: Sequence[FileChange]) -> None:
        filled = self._filled
        if filled is not None and all(isinstance(one, Statement) and not one.is_insert for one in statements):
            filled.update(row_types)
        else:
            self._filled = None

    def _take_ahead(self) -> list[FileChange]:
        ahead, self._ahead = self._ahead, []
        return ahead


def _open_for_writing(path: Path, *, hubs: bool) -> duckdb.DuckDBPyConnection:
    """Return a writing connection to a file after updating its schema."""
    check_unwritten(path)
    remove_parts(path)
    con = connect(path, read_only=False)
    try:
        is_new = hubs and not has_jobs(con) and not is_early(con)
        if is_new:
            check_hub(con, str(path))
        else:
            check_schema(con, str(path), hubs=hubs)
        con.execute("BEGIN TRANSACTION")
        if hubs and hub_version(con) < HUB_VERSION:
            make_hub_schema(con)
        if is_new:
            make_schema(con)
        con.execute("COMMIT")
        take_over(path, con, lambda rows: Inserts(con).write(rows))  # what was prepared goes with a rollback
    except BaseException:
        con.close()
        raise
    return con


def _hash_so_far(marker: MarkerRow) -> Statement:
    return Statement("UPDATE jobs SET event_hash = ? WHERE job = ?", [marker.event_hash, marker.job])
