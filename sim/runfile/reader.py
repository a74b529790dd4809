"""Asking a run file in SQL, whether it is closed, open in this process, or being written; and the run it recorded."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb

from ...agents.gateway.call import CallKey
from ...core.errors import RunFileError, SetupError
from ...core.model import Outcome
from ...core.query import Params, QueryLimit, QueryResult, Tabular, answer
from ...core.query import QueryError as QueryError
from ...core.result import html_table
from ...core.table import Row, make_rows, select_rows
from ...personas.hub.file import check_hub
from .database import (
    BusyError,
    ClosedError,
    Cursors,
    check_schema,
    check_there,
    connect,
    cursors_of,
    has_jobs,
    is_early,
    is_experiment,
)
from .job_rows import RUN_KINDS, JobRow, Unit, title_phase
from .live import LiveClient, Sidecar

if TYPE_CHECKING:
    import networkx as nx
    from arro3.core import Table


#: A run that is just beginning or ending holds its file for a moment without answering.
_TRIES = 20
_PAUSE_SECONDS = 0.05

#: The merged file in the folder of an experiment.
MERGED_FILE = "experiment.duckdb"

_HAS_RUN = "SELECT 1 FROM runs WHERE scenario <> 'growth'"


def open_hub_or_run(path: Path | str) -> "RunReader":
    """Return a reader of a run file, a hub, or the merged file of an experiment. Otherwise works as `open_run`."""
    return RunReader(Path(path), hubs=True)


def open_run(path: Path | str) -> "RunReader":
    """Return a reader of a run file, which may be one that is being written.

    In a `with` statement the file is opened once and held. Otherwise it is opened for each query. A file of an older
    schema is updated first, without changing its contents.

    Raises `RunFileError` if there is no such file. Also raises it, at once or when the file is opened, if it is not a
    run file, has a newer schema, or is held by a process that answers no SQL.
    """
    return RunReader(Path(path))


def open_reported(path: Path | str) -> "RunReader":
    """Return a reader as `open_run` does, also for the merged file or the folder of an experiment."""
    merged = Path(path) / MERGED_FILE
    return RunReader(merged if merged.is_file() else Path(path), experiments=True)


def open_made(path: Path | str) -> "RunReader":
    """Return a reader, as `open_run` does, of a file in which personas made outputs or were to make some.

    Raises what `open_run` raises, and `SetupError` for a hub when it is opened.
    """
    return RunReader(Path(path), made=True)


class RunReader:
    """Answers SQL about one run, read-only. In a `with` statement it holds the file, and nobody can resume the run."""

    def __init__(self, path: Path, *, hubs: bool = False, experiments: bool = False, made: bool = False) -> None:
        check_there(path)
        self.path = path
        self._experiments = hubs or experiments
        self._hubs = hubs
        self._made = made
        #: Answers queries; None while the file is closed.
        self._ask: _Ask | None = None
        #: The file, where no process writes it.
        self._con: duckdb.DuckDBPyConnection | None = None
        self._is_live = False

    def __enter__(self) -> Self:
        """Open the file and return the reader."""
        self._open_source()
        if self._made:
            self._check_made()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the reader."""
        self.close()

    @property
    def is_live(self) -> bool:
        """Whether a process is writing the run, as far as the last query showed."""
        if self._ask is None:
            with self:
                pass
        return self._is_live

    def query(self, sql: str, params: Params = (), *, limit: QueryLimit | None = None) -> QueryResult:
        """Run one read-only statement and return its result. Use `?` or `$name` for each of `params`.

        `limit` bounds time, memory and result size. If another process is writing the run, a query takes at most 300 s.
        Raises `QueryError` with the database's own words if the query fails.
        """
        if self._ask is None:
            with self:
                return self.query(sql, params, limit=limit)
        try:
            return self._ask(sql, params, limit)
        except ClosedError:
            # The run has ended since: its file can be opened now, or is being resumed by another process.
            ask = self._open_source()
        try:
            return ask(sql, params, limit)
        except ClosedError as error:
            raise QueryError(f"{str(self.path)!r} was closed while it answered; ask again.") from error

    def emissions(self) -> QueryResult:
        """Return all outputs in order, with a typed column for each number, choice and boolean of their actions.

        Raises `QueryError` for a hub that no run has made.
        """
        fields = self.query("SELECT kind, field, type FROM action_fields ORDER BY ordinal").rows
        return self.query(emissions_query(fields))

    def close(self) -> None:
        """Close the file if it is open."""
        if self._con is not None:
            with suppress(duckdb.OperationalError):  # a query that could not be stopped still has it
                self._con.close()
        self._ask = self._con = None

    def _check_made(self) -> None:
        try:
            if not self.query(_HAS_RUN).rows:
                raise SetupError(
                    f"{str(self.path)!r} is a hub: it holds people, and nothing that they made; give a run file, as "
                    f"`populace make TASK --hub {self.path}` writes one."
                )
        except BaseException:
            self.close()
            raise

    def _open_source(self) -> "_Ask":
        left = _TRIES
        while (ask := self._try_open(is_last=left == 1)) is None:
            left -= 1
            time.sleep(_PAUSE_SECONDS)
        self._ask, self._is_live = ask, self._con is None
        return ask

    def _try_open(self, *, is_last: bool) -> "_Ask | None":
        """Return what answers queries: this process, the file, or the process that writes it. None to try again."""
        self._con = None
        if cursors := cursors_of(self.path):
            return partial(_ask_cursors, cursors)
        try:
            con = connect(self.path, read_only=True)
        except BusyError:
            if (live := _find_live(self.path)) is None and is_last:
                raise
            return live
        try:
            _check(con, self.path, hubs=self._hubs, experiments=self._experiments)
        except BaseException:
            con.close()
            raise
        self._con = con
        return partial(_ask_file, con)


type _Ask = Callable[[str, Params, QueryLimit | None], QueryResult]


def _ask_file(con: duckdb.DuckDBPyConnection, sql: str, params: Params, limit: QueryLimit | None) -> QueryResult:
    cursor = con.cursor()
    try:
        return answer(cursor, sql, params, limit)
    finally:
        with suppress(duckdb.Error):  # a query that could not be stopped still has it
            cursor.close()


def _ask_cursors(cursors: Cursors, sql: str, params: Params, limit: QueryLimit | None) -> QueryResult:
    with cursors.reading() as cursor:
        return answer(cursor, sql, params, limit)


def _ask_live(client: LiveClient, sql: str, params: Params, limit: QueryLimit | None) -> QueryResult:
    return client.query(sql, params, seconds=None if limit is None else limit.seconds)


def _check(con: duckdb.DuckDBPyConnection, path: Path, *, hubs: bool, experiments: bool) -> None:
    if experiments and not has_jobs(con) and is_experiment(con):
        return
    if hubs and not has_jobs(con) and not is_early(con):
        check_hub(con, str(path))
    else:
        check_schema(con, str(path), hubs=hubs)


def _find_live(path: Path) -> _Ask | None:
    sidecar = Sidecar.read(path)
    if sidecar is None:
        return None
    client = LiveClient(sidecar)
    try:
        client.query("SELECT 1")
    except ClosedError:  # left behind by a run that was killed
        return None
    return partial(_ask_live, client)


class FileTables:
    """The tables of a file that is open for reading, as rows."""

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader

    def rows[R: Row](self, row_type: type[R], clause: str = "", params: Params = ()) -> list[R]:
        """Return the rows of one table. `clause` may filter or order them and begins with WHERE or ORDER BY."""
        return make_rows(row_type, self.query(select_rows(row_type, clause), params))

    def query(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the file."""
        return self._reader.query(sql, params).rows

    def table(self, sql: str) -> "Table":
        """Return the result of a query as an Arrow table."""
        return self._reader.query(sql).table()


_OWN = ("emission", "step", "agent", "group_name", "kind", "text", "revised")
_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}


def emissions_query(fields: Sequence[tuple[str, str, str]]) -> str:
    """Build the SQL for all outputs in order, with a typed column for each field given as kind, name and type.

    Kinds with a field of the same name and type share its column. A column is called KIND_FIELD if the types differ, or
    if its name is a column of the outputs themselves.
    """
    types: dict[str, set[str]] = {}
    for _, name, type_ in fields:
        types.setdefault(name, set()).add(type_)
    columns: dict[str, tuple[str, str, list[str]]] = {}
    for kind, name, type_ in fields:
        column = name if name not in _OWN and len(types[name]) == 1 else f"{kind}_{name}"
        columns.setdefault(column, (name, type_, []))[2].append(kind)
    said = [
        f"CASE WHEN kind IN ({', '.join(map(_quote_text, kinds))}) THEN "
        f"TRY_CAST(e.payload ->> {_quote_text(name)} AS {_TYPES.get(type_, 'VARCHAR')}) END AS {_quote_name(column)}"
        for column, (name, type_, kinds) in columns.items()
    ]
    return (
        f"SELECT {', '.join([*_OWN, *said])} FROM emissions AS e "  # noqa: S608 - quoted
        "LEFT JOIN (SELECT agent, group_name FROM agents) USING (agent) ORDER BY emission"
    )


def _quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quote_name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


_NUMBERS = """
SELECT scenario, seed, CASE WHEN is_language_model THEN model ELSE model || ' (no language model)' END AS model,
       status, (SELECT count(*) FROM agents) AS agents, (SELECT count(*) FROM relations) AS relations,
       (SELECT count(*) FROM steps) AS steps, (SELECT count(*) FROM emissions) AS emissions,
       (SELECT count(*) FROM failures) AS failures, (SELECT count(*) FROM calls) AS calls
FROM runs
"""


_NODES = """
SELECT a.agent, p.text, a.group_name, s.state
FROM agents AS a JOIN personas AS p ON p.id = a.agent
LEFT JOIN (SELECT agent, CAST(json_group_object(name, value) AS VARCHAR) AS state
           FROM (SELECT agent, name, arg_max(value, step) AS value FROM agent_state GROUP BY agent, name)
           GROUP BY agent) AS s USING (agent)
ORDER BY a.ordinal
"""
_EDGES = "SELECT source, target, kind, label, weight FROM ties ORDER BY source, target, kind, label"


@dataclass(frozen=True, slots=True)
class FinishedRun(Tabular):
    """A run that is over: where it is kept, and the hash of everything that happened in it.

    As a table (`df()`, `pl()`, `arrow()`) it is its outputs; it has their number as its length, and iterates over them.
    """

    path: Path
    event_hash: str
    #: What should be known of how it came about, as that it had been there already; empty where nothing.
    note: str = ""

    @property
    def drawn(self) -> str:
        """How people were drawn from a hub that had more, and how many ties remained, in one sentence; else empty."""
        from ...personas.hub.read import DrawReport

        ((drawn,),) = self.sql("SELECT drawn FROM runs").rows
        return DrawReport(**json.loads(drawn)).sentence() if drawn else ""

    def table(self) -> "Table":
        """Return all outputs in order, as an Arrow table."""
        return self.emissions().table()

    def __len__(self) -> int:
        return int(self.sql("SELECT count(*) FROM emissions").rows[0][0])

    def __bool__(self) -> bool:
        """Return True, also for a run without outputs."""
        return True

    def __iter__(self) -> Iterator[dict[str, Any]]:
        found = self.emissions()
        return (dict(zip(found.columns, row, strict=True)) for row in found.rows)

    def _repr_html_(self) -> str:
        """Show the run's figures in a notebook."""
        numbers = self.sql(_NUMBERS)
        rows = [*zip(numbers.columns, numbers.rows[0], strict=True), ("event hash", self.event_hash)]
        note = [(name, said) for name, said in (("drawn", self.drawn), ("note", self.note)) if said]
        return html_table((str(self.path), ""), [*rows, *note], most=100)

    def emissions(self) -> QueryResult:
        """Return all outputs in order, with the typed fields of their actions as columns. Use `.df()` for pandas."""
        with open_run(self.path) as run:
            return run.emissions()

    def graph(self) -> "nx.MultiDiGraph":
        """Return the agents and their ties after the last step, as a networkx graph.

        Nodes are ids of agents with `text`, `group` and the fields of their state. Edges have `kind`, `label` and
        `weight`.
        """
        import networkx as nx

        graph = nx.MultiDiGraph()
        for agent, text, group, state in self.sql(_NODES).rows:
            graph.add_node(agent, **json.loads(state or "{}"), text=text, group=group)
        for source, target, kind, label, weight in self.sql(_EDGES).rows:
            graph.add_edge(source, target, kind=kind, label=label, weight=weight)
        return graph

    def sql(self, query: str, params: tuple[Any, ...] = ()) -> QueryResult:
        """Run a query on the run file. The result has `.rows`, `.df()`, `.pl()` and `.arrow()`.

        Raises `QueryError` with the database's own words.
        """
        with open_run(self.path) as run:
            return run.query(query, params)


_MARKERS = """
SELECT phase, number, event_hash, unit FROM markers JOIN phases USING (job, phase)
WHERE job = $job AND chunk = 0 ORDER BY markers.rowid
"""

_ATTEMPTS = """
SELECT owner, request_hash, replicate, outcome, reason, raw, finish_reason
FROM calls
WHERE job = $job AND phase = $phase AND number = $number
ORDER BY rowid
"""

#: What models must have been asked about: rules decide without any.
_ASKED = """
SELECT (SELECT coalesce(sum(asked), 0) FROM growth) + (SELECT count(*) FROM emissions WHERE model <> 'rule')
       + (SELECT count(*) FROM failures WHERE step IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Marker:
    """A complete hop or step, and the hash of all events up to there."""

    phase: str
    number: int
    event_hash: str
    unit: Unit

    @property
    def where(self) -> str:
        """The hop or step in words, as `title_phase` has it."""
        return title_phase(self.phase, self.unit, self.number)


@dataclass(frozen=True, slots=True)
class RecordedEnd:
    """How a request ended: with a paid answer, or with the outcome of its last attempt."""

    outcome: Outcome
    reason: str
    #: None when no answer came.
    raw: str | None
    finish_reason: str | None
    attempts: int


class Recording(FileTables):
    """A job in its file, read to be done again. The answers of one hop, step or stage are in memory at a time."""

    def __init__(self, reader: RunReader, job: int = 1) -> None:
        """Prepare to read the job. Raises `RunFileError` if the job holds nothing that can be replayed."""
        super().__init__(reader)
        self.path = reader.path
        #: Number of the job in its file.
        self.job = job
        self._loaded = ("", -1)
        self._ends: dict[CallKey, list[RecordedEnd]] = {}
        self._check()

    @classmethod
    def open(cls, path: Path, job: int | None = None) -> Self:
        """Open the recording of a run, finished or not, or of a job on a hub by its number.

        Raises `RunFileError` if it is no such file, or if it holds nothing that can be replayed.
        """
        with ExitStack() as opened:
            reader = opened.enter_context(open_run(path) if job is None else open_hub_or_run(path))
            recording = cls(reader, job or 1)
            opened.pop_all()
            return recording

    def __enter__(self) -> Self:
        """Return the recording."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._reader.close()

    @cached_property
    def job_row(self) -> JobRow:
        """What the job was asked to be."""
        (row,) = self.rows(JobRow, "WHERE job = $job", {"job": self.job})
        return row

    @property
    def is_live(self) -> bool:
        """Whether a process is writing the file."""
        return self._reader.is_live

    @property
    def begun(self) -> int | None:
        """The step whose state the run began with, when it is a fork."""
        return self.job_row.run_spec.forked_at

    @cached_property
    def markers(self) -> tuple[Marker, ...]:
        """Every complete hop and step, in order."""
        return markers(self._reader, self.job)

    @property
    def steps(self) -> int:
        """Steps that are complete."""
        return max((m.number for m in self.markers if m.unit is Unit.STEP), default=0)

    def has_completed(self, phase: str, number: int) -> bool:
        """Return whether this hop or step is within the completed ones."""
        return number <= max((m.number for m in self.markers if m.phase == phase), default=-1)

    def where(self, phase: str, number: int) -> str:
        """Return the words for a hop, step or stage."""
        unit = next((m.unit for m in self.markers if m.phase == phase), Unit.STAGE)
        return Marker(phase, number, "", unit).where

    def knows(self, key: CallKey) -> bool:
        """Return whether the run ever made this request."""
        return key in self._ends_of(key.phase, key.number)

    def end(self, key: CallKey) -> RecordedEnd:
        """Return how the request ended. If asked again, return how it ended the next time.

        Raises `KeyError` if the request was not made.
        """
        ends = self._ends_of(key.phase, key.number)[key]
        return ends.pop(0) if len(ends) > 1 else ends[0]

    def _ends_of(self, phase: str, number: int) -> dict[CallKey, list[RecordedEnd]]:
        if self._loaded != (phase, number):
            attempts = self.query(_ATTEMPTS, {"job": self.job, "phase": phase, "number": number})
            self._ends = _gather_ends(
                (CallKey(phase, number, owner, request, replicate, self.job), tuple(ended))
                for owner, request, replicate, *ended in attempts
            )
            self._loaded = (phase, number)
        return self._ends

    def _check(self) -> None:
        if self.job_row.kind not in RUN_KINDS:
            self._check_finished()
            return
        if not self.markers:
            raise RunFileError(
                f"The run in {str(self.path)!r} was stopped before its first hop was complete, so there is nothing to "
                f"replay; go on with it first: `populace resume {self.path}`."
            )
        if self.steps == self.begun:
            raise RunFileError(
                f"The run in {str(self.path)!r} has run no step since it was forked at step {self.begun}, so there "
                f"is nothing to replay; go on with it first: `populace resume {self.path}`."
            )
        ((asked,),) = self.query(_ASKED)
        ((calls,),) = self.query("SELECT count(*) FROM calls WHERE job = 1")
        if asked and not calls:
            raise RunFileError(
                f"{str(self.path)!r} holds no answers, as the file that a replay leaves; replay the run that it was "
                f"made from."
            )

    def _check_finished(self) -> None:
        if self.job_row.status != "finished":
            raise RunFileError(
                f"Job {self.job} in {str(self.path)!r} is not finished, so it cannot be replayed; go on with it first: "
                f"`populace resume {self.path}`."
            )


def markers(reader: RunReader, job: int = 1) -> tuple[Marker, ...]:
    """Return the complete hops, steps and stages of a job, in order."""
    found = reader.query(_MARKERS, {"job": job}).rows
    return tuple(Marker(phase, number, then, Unit(unit)) for phase, number, then, unit in found)


def run_of(reader: RunReader) -> JobRow:
    """Return the job that is the run of a file."""
    (row,) = FileTables(reader).rows(JobRow, "WHERE kind IN $kinds", {"kinds": RUN_KINDS})
    return row


def last_step(reader: RunReader) -> int:
    """Return the last complete step of a run, or 0 if there is none."""
    ((step,),) = reader.query("SELECT coalesce(max(step), 0) FROM steps").rows
    return int(step)


def _gather_ends(
    attempts: Iterable[tuple[CallKey, tuple[str, str, str | None, str | None]]],
) -> dict[CallKey, list[RecordedEnd]]:
    found: dict[CallKey, list[RecordedEnd]] = {}
    for key, (outcome, reason, raw, finish_reason) in attempts:
        ends = found.setdefault(key, [])
        # A fault behind which the same request was sent again is not how it ended.
        earlier = ends.pop().attempts if ends and ends[-1].raw is None else 0
        ends.append(RecordedEnd(Outcome(outcome), reason, raw, finish_reason, earlier + 1))
    return found
