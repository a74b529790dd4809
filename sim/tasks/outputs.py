"""What a job on the outputs of a finished run is made of: its spec, its outputs, its phases.

A kind of job is a class with its phases::

    class TitlePhase(OutputPhase[Output, list[Reply]]):
        name, shown = "titles", "Outputs given a title"

        async def work(self, item, model): ...                   # returns a list of replies
        def rows_of(self, output, result): ...                   # rows of tables that have a column `job`

    class Titling(OutputJob[TitlingSpec]):
        kind, spec_type, phase_type, own_checks = "titling", TitlingSpec, TitlePhase, ("titled",)

`run_job` of `sim.jobs.life` does it. What a job says of an output is a row of `checks` with the job's
number. Its own checks (`own_checks`) do not count when outputs are chosen, so that the job can be done again on what
it has rejected before.
"""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import duckdb
import orjson

from ...agents.checks import CheckOutcome
from ...agents.responses import Response, read_text
from ...core.errors import SetupError
from ...core.inputs import nearest
from ...core.model import Answer, Outcome
from ...core.table import Row
from ...personas.hub.file import open_hub
from ..engine import JobModels
from ..jobs.kind import JobContext, JobKind
from ..jobs.loop import LOST_OUTCOMES, Changes, Chunks, Phase
from ..runfile.job_rows import CHECKING, JobRow, now
from ..runfile.reader import RunReader, open_run
from ..runfile.rows import CheckRow
from ..runfile.runlog import RunLog
from ..runfile.writer import Inserts
from ..scenario import GrowthOnly
from ..specs import OutputSpec, RoleModel

#: The package of the prompts.
ROOM = f"{(__package__ or '').rpartition('.sim')[0]}.agents"

#: What a check that the job itself makes has said before is no reason to pass an output over.
CHOSEN_OUTPUTS = """
FROM outputs
WHERE ($all OR status = 'accepted' OR list_contains($own, stage)) AND (len($kinds) = 0 OR list_contains($kinds, kind))
"""
_FILL = f"""
INSERT INTO job_items BY NAME
SELECT $job AS job, row_number() OVER (ORDER BY emission) AS ordinal, CAST(emission AS VARCHAR) AS item
FROM (SELECT emission {CHOSEN_OUTPUTS} ORDER BY md5(CAST(emission AS VARCHAR) || $seed) LIMIT $most)
"""  # noqa: S608 - our own words
_ITEMS = """
SELECT i.ordinal, e.emission, e.agent, e.kind, e.text, e.payload
FROM job_items AS i
JOIN emissions AS e ON e.emission = CAST(i.item AS BIGINT)
WHERE i.job = $job AND i.ordinal > $after
ORDER BY i.ordinal
LIMIT $most
"""
_MOST = 1 << 62
_STATUS = "SELECT status, scenario FROM runs"
_KINDS = "SELECT kind, count(*), count(*) FILTER (status = 'accepted') FROM outputs GROUP BY kind ORDER BY kind"
_MARKER = "SELECT phase, items, failed, counts FROM markers WHERE job = $job AND chunk = 0 ORDER BY rowid"
_COUNT = f"SELECT count(*) {CHOSEN_OUTPUTS}"


@dataclass(frozen=True, slots=True)
class Output:
    """An output that a job works on."""

    #: Place among the outputs of the job.
    ordinal: int
    emission: int
    #: The agent that made it.
    agent: str
    kind: str
    text: str
    #: All of it as JSON.
    payload: str

    def field(self, name: str) -> str:
        """Return a field of the payload as text, or "" if it has no field of this name."""
        value = orjson.loads(self.payload).get(name)
        return value.strip() if isinstance(value, str) else "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class OutputJobReport:
    """The result of a job on outputs, over this session and earlier ones."""

    job: int
    outputs: int
    #: By phase: outputs worked on, outputs for which nothing usable came, and counts by name.
    done: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    is_language_model: bool = True
    event_hash: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer to one request about an output, and what can be used of it."""

    answered: Answer[Any]
    #: `ok` where it can be used, else why not: how the call ended, or what is wrong with the text.
    outcome: str
    reason: str = ""
    text: str = ""

    @classmethod
    def of(cls, answer: Answer[Response]) -> Self:
        """Read a response, which may decline in words."""
        found = read_text(answer)
        return cls(answer, found.outcome, found.reason, found.value or "")


class OutputPhase[O: Output, R](Phase[O, R]):
    """A phase that works on the outputs of the job in their order."""

    #: What is shown of it as progress.
    shown: ClassVar[str] = "Outputs"
    #: What is counted of results by outcome, as `votes`.
    counted: ClassVar[str] = ""
    #: SQL for the fields of outputs by `$job`, `$after` and `$most`.
    query: ClassVar[str] = _ITEMS

    def __init__(self, context: JobContext, job: "OutputJob[Any]") -> None:
        self.chunk = job.spec.chunk
        self._context = context
        self._spec = job.spec
        self._job = job

    @abstractmethod
    def rows_of(self, output: O, result: R) -> Sequence[Row]:
        """Return the rows for a result."""

    def replies_of(self, result: R) -> Sequence[Reply]:
        """Return the replies in a result, which is a list of them unless this is overridden."""
        return cast("Sequence[Reply]", result)

    def event_of(self, output: O, result: R) -> object:
        """Return what the event hash is taken over besides the output: the raw answers, unless it is overridden.

        It must be JSON-able, and the same whenever the work is repeated.
        """
        return [[one.answered.outcome, one.answered.raw] for one in self.replies_of(result)]

    def counts_of(self, output: O, result: R) -> Mapping[str, int]:
        """Return what a result adds to the counts of its marker, by name."""
        return Counter(f"{self.counted} {one.outcome}" for one in self.replies_of(result))

    def is_lost(self, result: R) -> bool:
        """Return whether nothing usable came for an output. It then counts as failed."""
        return all(one.outcome != Outcome.OK for one in self.replies_of(result))

    def outcome(self, result: R) -> tuple[Outcome, str]:
        """Return the outcome of the endpoint if it lost all answers, else OK."""
        answers = [one.answered for one in self.replies_of(result)]
        if answers and all(one.outcome in LOST_OUTCOMES for one in answers):
            return answers[-1].outcome, answers[-1].reason
        return Outcome.OK, ""

    def begin(self, chunks: Chunks) -> None:
        """Continue after the last output of the last complete chunk."""
        self._after = int(chunks.position or 0)
        self._context.engine.progress.began(self.shown, self._context.items - self._after)

    def owner(self, item: O) -> str:
        """Return the number of the output as text."""
        return str(item.emission)

    def take(self, chunks: Chunks, most: int) -> Sequence[O]:
        """Return the next outputs."""
        page = {"job": self._context.job, "after": self._after, "most": most}
        found = self.read_items(self._context.log.query(self.query, page))
        self._after = found[-1].ordinal if found else self._after
        return found

    def read_items(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[O]:
        """Return the outputs in the rows of the query."""
        return [cast("O", Output(*row)) for row in rows]

    def collect(self) -> Changes:
        """Return the results as rows."""
        results = self.take_done()
        counts = Counter[str]()
        for output, result in results:
            counts.update(self.counts_of(output, result))
        return Changes(
            rows=[row for output, result in results for row in self.rows_of(output, result)],
            events=[self.name, *([o.emission, self.event_of(o, r)] for o, r in results)],
            failed=sum(self.is_lost(result) for _, result in results),
            counts=counts,
            position=str(results[-1][0].ordinal) if results else None,
        )


class OutputJob[S: OutputSpec](JobKind[S, OutputJobReport]):
    """A kind of job on outputs, with what is wanted."""

    #: Names of the checks whose results the job writes.
    own_checks: ClassVar[tuple[str, ...]] = ()
    #: Its one phase.
    phase_type: ClassVar[type[OutputPhase[Any, Any]]]
    #: What its items are called, and where the results are found in a file.
    noun: ClassVar[str] = "outputs"
    where_found: ClassVar[str] = 'All of it: `populace sql {file} "SHOW TABLES"`.'

    @property
    def chosen(self) -> dict[str, object]:
        """The parameters of `CHOSEN_OUTPUTS`."""
        return {"all": self.spec.all, "own": list(self.own_checks), "kinds": list(self.spec.kinds)}

    @property
    def phase_names(self) -> Sequence[str]:
        """The name of its one phase."""
        return (self.phase_type.name,)

    def phases(self, context: JobContext) -> Iterable[Phase[Any, Any]]:
        """Return its one phase."""
        return [self.phase_type(context, self)]

    def prepare(self, path: Path, seed: int, models: JobModels) -> int:
        """Return the number of items the job would have. They are outputs unless the job says otherwise.

        Raises `RunFileError` if the file is not a run file. Raises `SetupError` if the run is not finished, has no
        accepted output, or has none of the wanted kinds.
        """
        with open_run(path) as run:
            found = run.query(_STATUS).rows
            if not found or found[0][1] == GrowthOnly.name:
                raise SetupError(
                    f"{str(path)!r} is a hub: it holds people, and nothing that they made; give a run file."
                )
            ((status, _),) = found
            if status != "finished":
                raise SetupError(
                    f"The run in {str(path)!r} is not finished ({status}), and its outputs are not all there; go on "
                    f"with it first: `populace resume {path}`."
                )
            kinds = {kind: (made, accepted) for kind, made, accepted in run.query(_KINDS).rows}
            ((outputs,),) = run.query(_COUNT, self.chosen).rows
            number = self.count(run) if outputs else 0
        for kind in self.spec.kinds:
            if kind not in kinds:
                raise SetupError(
                    f"The run in {str(path)!r} made no {kind!r}{nearest(kind, list(kinds))}; "
                    f"it made: {', '.join(kinds) or 'nothing'}."
                )
        if not number:
            made = sum(one for one, _ in kinds.values())
            if not made:
                raise SetupError(f"The run in {str(path)!r} has made nothing, so there is nothing to work on.")
            why = f'populace sql {path} "FROM outputs"'
            raise SetupError(
                f"Of the {made:,} outputs of the run in {str(path)!r} none is accepted; see why with `{why}`, or take "
                f"the rejected ones too: --all."
            )
        return number

    def count(self, run: RunReader) -> int:
        """Return the number of items the job would have, from `chosen` alone.

        Raises `SetupError` if it cannot work on them.
        """
        ((number,),) = run.query(_COUNT, self.chosen).rows
        return int(number)

    def fill(self, con: duckdb.DuckDBPyConnection, number: int, seed: int) -> None:
        """Write the items of the job when it begins."""
        con.execute(_FILL, self.chosen | {"job": number, "seed": str(seed), "most": self.spec.n or _MOST})

    def report(self, context: JobContext) -> OutputJobReport:
        """Return the numbers of the job's markers."""
        markers = context.log.query(_MARKER, {"job": context.job})
        counts = Counter[str]()
        for _, _, _, counted in markers:
            counts.update(orjson.loads(counted))
        return OutputJobReport(
            context.job,
            context.items,
            done={phase: items for phase, items, _, _ in markers},
            failed={phase: failed for phase, _, failed, _ in markers},
            counts=counts,
            is_language_model=context.is_language_model,
            event_hash=context.engine.events.hex,
        )

    def rows(self, done: OutputJobReport) -> list[tuple[str, str]]:
        """Return the result as names and values for a terminal."""
        name, counts = self.phase_type.counted, sorted(done.counts.items())
        ended = [f"{n:,} {one.removeprefix(f'{name} ')}" for one, n in counts if one.startswith(f"{name} ")]
        rows = [(self.noun, f"{done.outputs:,}"), *self.figures(done.counts), (name, ", ".join(ended))]
        return [*(row for row in rows if all(row)), ("job", str(done.job))]

    def figures(self, counts: Mapping[str, int]) -> list[tuple[str, str]]:
        """Return what else is told of the counts, as names and values."""
        return []

    def where(self, file: str) -> str:
        """Return a sentence that says where the results are found in the file, which is quoted for a shell."""
        return self.where_found.format(file=file)


def describe_check(counts: Mapping[str, int], check: str, note: str = "") -> str:
    """Return how many outputs passed a check, or "" if none was checked."""
    results = {outcome: counts.get(f"{check} {outcome}", 0) for outcome in CheckOutcome}
    passed, undecided, total = results[CheckOutcome.PASSED], results[CheckOutcome.UNDECIDED], sum(results.values())
    left = f", {undecided:,} undecided" if undecided else ""
    return f"{passed:,} of {total:,} ({passed / total:.1%}){note}{left}" if total else ""


async def answered[T](asked: Iterable[Awaitable[T]]) -> list[T]:
    """Return the results of several requests.

    All are awaited before an error is raised, so that no paid answer is lost.
    """
    found: list[T] = []
    for one in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found


def role_of(role: str, place: int) -> str:
    """Return the role of one of several models by its index from 0: `grader`, `grader-2`, ..."""
    return role if place == 0 else f"{role}-{place + 1}"


def parse_models(given: Sequence[str], role: str, more: str) -> tuple[RoleModel, ...]:
    """Parse models of a role as named on the command line: `MODEL[@URL][,...]`, each once. Raises `SetupError`.

    `more` is the option that asks one model several times.
    """
    found: list[RoleModel] = []
    for text in (part.strip() for one in given for part in one.split(",")):
        model, at, address = text.partition("@http")
        if not model:
            raise SetupError(f"{','.join(given)!r} names no {role} at one place; write MODEL, or MODEL@URL,MODEL@URL.")
        if any(one.model == model for one in found):
            raise SetupError(f"The {role} {model!r} is named twice; to ask it several times give {more}.")
        found.append(RoleModel(model=model, base_url=(f"http{address}",) if at else ()))
    return tuple(found)


_UNDO = """DELETE FROM checks WHERE "check" = $check AND job IN (SELECT job FROM jobs WHERE kind = $kind)"""
_UNDONE = """
UPDATE jobs SET status = 'abandoned', reason = 'Undone.'
WHERE kind = $kind AND spec ->> '$.check' = $check AND status = 'finished'
"""


def record_verdicts(
    path: Path | str, check: str, spec: Mapping[str, Any], failed: Iterable[tuple[int, str, float | None]]
) -> int:
    """Store a check's verdicts on outputs that failed it: number, reason and score. Returns the number of the job.

    The job's row records with `spec` what was compared, even if nothing failed. Raises what `record_rows` raises.
    """

    def rows(number: int) -> list[CheckRow]:
        return [CheckRow(emission, check, "failed", why, score, 1, number) for emission, why, score in failed]

    return record_rows(path, {"check": check, **spec}, rows)


def record_rows(
    path: Path | str, spec: Mapping[str, Any], rows: Callable[[int], Iterable[Row]], *, replaces: str = ""
) -> int:
    """Store rows that no model produced, in one transaction with their job, and return the job's number.

    First deletes all rows of the table `replaces`. Raises `RunFileError` if the file is not a run file, or is in use.
    """
    path, at = Path(path), now()
    job = JobRow.new(CHECKING, orjson.dumps(spec).decode(), status="finished", started_at=at, ended_at=at)

    def fill(con: duckdb.DuckDBPyConnection, number: int) -> None:
        if replaces:
            con.execute(f"DELETE FROM {replaces}")  # noqa: S608 - our own words
        Inserts(con).write(list(rows(number)))

    with RunLog.begin(path, job, fill) as log:
        return log.job


def undo_verdicts(path: Path | str, check: str) -> int:
    """Remove the verdicts that `record_verdicts` stored for a check, and return their number."""
    given = {"check": check, "kind": CHECKING}
    with open_hub(path, write=True) as hub, hub.writing() as con:
        ((count,),) = con.execute(_UNDO, given).fetchall()
        con.execute(_UNDONE, given)
    return int(count)
