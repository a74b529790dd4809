"""The run file of a run that is going on: written by one thread, read by any."""

import atexit
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import duckdb

from ...personas.errors import RunFileError
from ...personas.files import private_umask, remove_parts
from ...personas.query import Params
from .cursors import Cursors, cursors_of, opened
from .database import connect, make_run_file
from .inserts import Inserts
from .migrations import check_schema, migrate
from .rows import GrowthChunkRow, GrowthRow, Row, RunRow, StepRow
from .tables import column_names, table_of
from .writer import Change, Statement, Writer

__all__ = ["RunLog"]

_GOES_ON = Statement("UPDATE runs SET status = 'running', reason = NULL, ended_at = NULL")
_LAST_HASH = """
SELECT coalesce(
    (SELECT event_hash FROM steps ORDER BY step DESC LIMIT 1),
    (SELECT event_hash FROM growth_chunks ORDER BY extension DESC, hop DESC, chunk DESC LIMIT 1),
    (SELECT event_hash FROM growth ORDER BY hop DESC LIMIT 1)
)
"""


class RunLog:
    """Everything that happens in a run, as it happens.

    One process has a run file open for writing, and only once. Rows are handed over from any thread with
    `submit` or `commit`; `query` and `rows` see what is committed. A marker (`GrowthRow`, `GrowthChunkRow`,
    `StepRow`) must be committed together with the rows of its hop, chunk or step: then a file cut off at any
    moment holds all or none.
    """

    def __init__(self, path: Path, con: duckdb.DuckDBPyConnection, *, going_on: bool) -> None:
        self.path = path
        self.cursors = Cursors(con)
        self._writer = Writer(con.cursor(), path)
        # Opening an ended run changes nothing; writing to it makes it a running one again.
        self._ahead: list[Change] = [] if going_on else [_GOES_ON]
        self._stack = ExitStack()
        self._stack.enter_context(private_umask(path))
        self._stack.callback(self.cursors.close)
        self._stack.callback(self._writer.close)
        self._stack.enter_context(opened(path, self.cursors))
        # The writer is a daemon, so that a run that nobody closed cannot keep the process from ending.
        atexit.register(self.close)

    @classmethod
    def create(cls, path: Path, run: RunRow) -> Self:
        """A new run file that holds `run`.

        Raises `RunFileError` when the path is taken or cannot be written.
        """
        make_run_file(path, lambda con: Inserts(con).write([run]))
        return cls(path, connect(path, read_only=False), going_on=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The file of a run that is to go on, its schema brought up to date.

        Raises `RunFileError` when it is no run file, is of a newer schema, or is open already.
        """
        if cursors_of(path):
            raise RunFileError(f"{str(path)!r} is being written in this process already; close that run first.")
        remove_parts(path)
        con = connect(path, read_only=False)
        try:
            check_schema(con, str(path))
            con.execute("BEGIN TRANSACTION")
            migrate(con)
            con.execute("COMMIT")
        except BaseException:
            con.close()
            raise
        return cls(path, con, going_on=False)

    def __enter__(self) -> Self:
        """The log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log."""
        self.close()

    @property
    def run(self) -> RunRow:
        """The run as it stands in the file."""
        (run,) = self.rows(RunRow)
        return run

    @property
    def commits(self) -> int:
        """Transactions written since the file was opened."""
        return self._writer.commits

    def submit(self, rows: Iterable[Row]) -> None:
        """Hand rows over and return at once; they are durable within about 50 ms. Raises `StorageError`."""
        self._writer.submit(rows, self._take_ahead())

    def commit(self, rows: Iterable[Row] = (), statements: Sequence[Change] = ()) -> Future[None]:
        """Hand over rows that belong together; the future is done once they and all before are durable.

        The statements run after the rows, in the same transaction. Raises `StorageError`, as does the future.
        """
        rows = tuple(rows)
        hashes = [_hash_so_far(row) for row in rows if isinstance(row, GrowthChunkRow | GrowthRow | StepRow)]
        return self._writer.commit(rows, [*self._take_ahead(), *hashes, *statements])

    def query(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """The answer to a query, on a cursor of its own: what is committed, and nothing can be written."""
        with self.cursors.reading() as cursor:
            return cursor.execute(sql, params or None).fetchall()

    def rows[R: Row](self, row_type: type[R], clause: str = "", params: Params = ()) -> list[R]:
        """The rows of one table, narrowed or ordered by a clause that begins with WHERE or ORDER BY."""
        columns = ", ".join(f'"{name}"' for name in column_names(row_type))
        found = self.query(f"SELECT {columns} FROM {table_of(row_type)} {clause}", params)  # noqa: S608 - our own names
        return [row_type(*values) for values in found]

    def last_hop(self) -> int | None:
        """The last complete hop of growth, or None."""
        return self._last(int, "SELECT max(hop) FROM growth")

    def last_step(self) -> int | None:
        """The last complete step, or None."""
        return self._last(int, "SELECT max(step) FROM steps")

    def last_event_hash(self) -> str | None:
        """The hash over all events up to the last complete step, hop or chunk of one, or None when there is none."""
        return self._last(str, _LAST_HASH)

    def finish(self, status: Literal["finished", "failed", "paused"], reason: str | None, event_hash: str) -> None:
        """Mark the run as ended and wait until that is durable. Raises `StorageError`."""
        ended = Statement(
            "UPDATE runs SET status = ?, reason = ?, event_hash = ?, ended_at = ?",
            [status, reason, event_hash, datetime.now(UTC).replace(tzinfo=None)],
        )
        self.commit(statements=[ended]).result()

    def close(self) -> None:
        """Write what is left and close the file; closing twice does nothing.

        Raises `StorageError` when something could not be written and nobody has been told so.
        """
        atexit.unregister(self.close)
        self._stack.close()

    def _take_ahead(self) -> list[Change]:
        ahead, self._ahead = self._ahead, []
        return ahead

    def _last[T: (int, str)](self, kind: type[T], sql: str) -> T | None:
        ((value,),) = self.query(sql)
        return None if value is None else kind(value)


def _hash_so_far(marker: GrowthChunkRow | GrowthRow | StepRow) -> Statement:
    return Statement("UPDATE runs SET event_hash = ?", [marker.event_hash])
