"""The loop that every job runs in: items in a fixed order, concurrent work, ordered effects, a marker for each chunk.

    take ──► items ──► executor.map(work, items) ──► results ──► apply, in order ──► collect ──► one transaction
     ▲                                                                                           (rows and marker)
     └────────────────────────────── until there are no more items ◄──────────────────────────────┘

A job is a row in `jobs` and one or more phases, which `run_phase` takes to their end one after the other. A phase is a
class with these methods:

    class Titles(Phase[Persona, Answer[str]]):
        name, chunk = "titles", 500

        def take(self, chunks, most):           # the next items, behind those of complete chunks; () at the end
            return self._people(after=chunks.items, most=most)

        async def work(self, item, model):      # asks the model and changes nothing: may run in another process
            return await model.ask(PROMPT.render(text=item.text), SCHEMA, RequestContext("titles", 1, item.id, seed))

        def collect(self):                      # what has been done since the last call: rows, events, counts
            return Changes(rows=[TitleRow(...) for item, answer in self.take_done()])

Where results change more than rows, `apply` does that in the order of the items.

What is applied and collected is committed with the chunk's marker, then nothing of it is held. A job that was stopped
continues after its last marker, and answers to later items are found again in `calls`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from sys import maxsize

import orjson

from ...core.errors import RunError
from ...core.model import Outcome
from ...core.table import Row
from ..engine import AsyncioExecutor, Done, Engine, Executor, Work
from ..runfile.job_rows import MarkerRow, Unit, now, title_phase
from ..runfile.writer import FileChange

#: Items that are worked on before the results of the first of them are committed, at most, and in multiples of what is
#: under way at once: enough to leave no slot waiting for the slowest answer of a chunk.
_MOST_AHEAD = 50_000
_AHEAD = 4


@dataclass(slots=True)
class Changes:
    """The results of items: committed together, with the marker of their chunk."""

    rows: list[Row] = field(default_factory=list)
    #: Items that were worked on; None for all that were taken.
    items: int | None = None
    #: What the event hash is taken over, instead of times and attempts.
    events: Sequence[object] = ()
    #: Items without a usable answer, and the numbers of the others by result.
    failed: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    #: What a resumed job continues with, as JSON, and the place up to which the sources are read.
    state: str | None = None
    position: str | None = None
    #: What else is done in the same transaction, after the rows.
    statements: Sequence[FileChange] = ()


class Phase[I, R](ABC):
    """A part of a job: a stream of items, what is done about each, and what becomes of the results."""

    #: The phase in `markers`, `calls` and `failures`, and the hop or step within it.
    name: str
    number: int = 1
    #: What the number counts.
    unit: Unit = Unit.STAGE
    #: Items committed together; None for all of them, with the one marker that completes the number.
    chunk: int | None
    #: Whether items of the next chunks may be worked on before a chunk is applied.
    looks_ahead: bool = True
    #: Whether what follows may begin before a chunk is durable: where nothing that follows reads it from the file.
    overlaps: bool = False
    #: What is left to be taken, where it is known beforehand.
    items: Sequence[I] = ()
    #: What was worked on since the last commit, with the results.
    done: Sequence[tuple[I, R]] = ()

    #: The result for one item: changes nothing, and depends on nothing but the item and the model's answers. A method,
    #: or an object that can be pickled where other processes are to do it. Phases that take no items, or override
    #: `results`, have none.
    work: Work[I, R]

    @property
    def title(self) -> str:
        """What is worked on, in words: the number with its unit, as `hop 2`, or the name where there is one stage."""
        return title_phase(self.name, self.unit, self.number)

    def begin(self, chunks: "Chunks") -> None:  # noqa: B027 - most phases have nothing to do
        """Prepare the phase. Called once before `take`, with the progress so far."""

    def take(self, chunks: "Chunks", most: int) -> Sequence[I]:
        """Return the next items, at most `most`, or () at the end. Also report its title and item count as progress."""
        taken, self.items = self.items[:most], self.items[most:]
        return taken

    def apply(self, items: Sequence[I], results: Sequence[R]) -> None:
        """Apply the results in the order of the items. Keeps them for `collect` unless overridden."""
        self.done = [*self.done, *zip(items, results, strict=True)]

    def take_done(self) -> Sequence[tuple[I, R]]:
        """Return what was worked on since the last call, with the results."""
        done, self.done = self.done, ()
        return done

    @abstractmethod
    def collect(self) -> Changes:
        """Return what was applied since the last call."""

    def conclude(self) -> Changes:
        """Return the changes that complete a number after its last chunk. Empty unless overridden."""
        return Changes()

    def owner(self, item: I) -> str | None:
        """Return the id on whose behalf the model is asked about an item, or None if a request is about many items."""
        return None

    def outcome(self, result: R) -> tuple[Outcome, str] | None:
        """Return how the work on an item ended, and why it failed, or None if there was nothing to do.

        Reads the fields of an `Answer` unless overridden.
        """
        answer: object = result
        return getattr(answer, "outcome", Outcome.OK), getattr(answer, "reason", "")

    def is_over(self, chunks: "Chunks") -> bool:
        """Return whether to stop taking items. Asked between chunks, for phases whose end depends on their results."""
        return False

    async def check(self, chunks: "Chunks") -> None:  # noqa: B027 - most phases have nothing to say
        """Raise the error that ends the job, after committing with `chunks` what must be kept.

        Called whenever results were applied, and once when no items are left.
        """

    async def results(self, items: Sequence[I], executor: Executor, engine: Engine) -> list[R]:
        """Return the results for the items, in their order. Override it if one request is about many items."""
        return await worked(self.work, items, executor, engine)


class Chunks:
    """How far a phase has come: its complete chunks, and the items applied since the last of them."""

    def __init__(self, engine: Engine, phase: str, number: int, size: int | None) -> None:
        """Start where the last complete chunk in the run file ended."""
        self._engine = engine
        self._phase = phase
        self._number = number
        self._size = size
        found = engine.log.markers(phase, number)
        #: The markers of complete chunks.
        self.complete = [marker for marker in found if marker.chunk]
        #: Whether the number is complete, so that there is nothing left to do.
        self.is_closed = len(self.complete) < len(found)
        self._pending = 0
        self._begun = now()

    @property
    def items(self) -> int:
        """Items added so far, including those that are not committed yet."""
        return sum(marker.items for marker in self.complete) + self._pending

    @property
    def chunk(self) -> int:
        """Number of the chunk that is being collected, from 1."""
        return len(self.complete) + 1

    @property
    def position(self) -> str | None:
        """The position kept with the last complete chunk."""
        return self.complete[-1].position if self.complete else None

    @property
    def room(self) -> int:
        """Items until the chunk is full."""
        return (self._size or maxsize) - self._pending

    @property
    def is_between(self) -> bool:
        """Whether everything that was added is committed."""
        return not self._pending

    def add(self, items: int) -> None:
        """Count items that were applied."""
        self._pending += items

    async def commit(self, changes: Changes) -> None:
        """Commit what was applied as a complete chunk."""
        marker = self._make_marker(changes)
        self.complete.append(marker)
        await self._engine.commit([*changes.rows, marker], changes.statements)

    async def close(self, changes: Changes, conclusion: Changes) -> None:
        """Commit the rest and the conclusion, and mark the number as complete."""
        if self._size is None:
            await self._engine.commit([*changes.rows, self._make_marker(changes, chunk=0)], changes.statements)
            return
        left = list(changes.rows)
        if self._pending or not self.complete:
            self.complete.append(self._make_marker(changes))
            left.append(self.complete[-1])
        counts = Counter[str]()
        for marker in self.complete:
            counts.update(orjson.loads(marker.counts))
        whole = MarkerRow(
            phase=self._phase,
            number=self._number,
            chunk=0,
            items=sum(marker.items for marker in self.complete),
            failed=sum(marker.failed for marker in self.complete),
            state=conclusion.state,
            counts=orjson.dumps(counts).decode(),
            started_at=self.complete[0].started_at,
            ended_at=now(),
            event_hash=self._engine.events.extend(conclusion.events),
            job=self._engine.log.job,
        )
        await self._engine.commit([*left, *conclusion.rows, whole], [*changes.statements, *conclusion.statements])

    def _make_marker(self, changes: Changes, *, chunk: int | None = None) -> MarkerRow:
        items, self._pending = self._pending, 0
        began, self._begun = self._begun, now()
        return MarkerRow(
            phase=self._phase,
            number=self._number,
            chunk=self.chunk if chunk is None else chunk,
            items=items if changes.items is None else changes.items,
            failed=changes.failed,
            state=changes.state,
            counts=orjson.dumps(changes.counts).decode(),
            started_at=began,
            ended_at=self._begun,
            event_hash=self._engine.events.extend(changes.events),
            position=changes.position,
            job=self._engine.log.job,
        )


async def run_phase[I, R](engine: Engine, phase: Phase[I, R], *, executor: Executor | None = None) -> None:
    """Run a phase to its end from where the run file says it stopped. Do nothing if it is complete.

    Raises `RunError` without committing a chunk if the endpoint answered none of its requests. Raises `PausedError` if
    the budget is spent, and whatever the phase raises.
    """
    chunks = Chunks(engine, phase.name, phase.number, phase.chunk)
    if chunks.is_closed:
        return
    executor = executor or AsyncioExecutor(engine.gateway, workers=engine.workers(phase.name))
    await engine.declare(phase.name, phase.unit)
    phase.begin(chunks)
    while not (chunks.is_between and phase.is_over(chunks)):
        items = phase.take(chunks, _window_size(engine, phase, chunks))
        if not items:
            await phase.check(chunks)
            break
        engine.recall(phase.name, phase.number, [phase.owner(item) for item in items])
        results = await phase.results(items, executor, engine)
        ended = [end for result in results if (end := phase.outcome(result)) is not None]
        _check_answered(phase.title if chunks.chunk == 1 else f"chunk {chunks.chunk} of {phase.title}", ended)
        await _apply_results(phase, chunks, items, results)
        del results, ended  # of many agents, they are more than the rows that are made next
        if not phase.overlaps:
            await engine.flush()
    await chunks.close(phase.collect(), phase.conclude() if phase.chunk else Changes())
    if not phase.overlaps:
        await engine.flush()


async def worked[I, R](
    work: Work[I, R],
    items: Iterable[I],
    executor: Executor,
    engine: Engine,
    *,
    done: Callable[[int, R], None] | None = None,
) -> list[R]:
    """Return the results of the work on items, in their order.

    As soon as a result arrives, it is counted and passed to `done` with its index. Raises `PausedError` if calls of
    another process have spent the budget.
    """

    def count(place: int, one: Done[R]) -> None:
        engine.record(one.calls)
        engine.progress.advanced()
        if done is not None:
            done(place, one.result)

    return [done.result for done in await executor.map(work, engine.within_budget(items), done=count)]


async def _apply_results[I, R](phase: Phase[I, R], chunks: Chunks, items: Sequence[I], results: Sequence[R]) -> None:
    at = 0
    while at < len(items) and not (at and chunks.is_between and phase.is_over(chunks)):
        piece = slice(at, at + chunks.room)
        some = items[piece]
        phase.apply(some, results[piece])
        chunks.add(len(some))
        at += len(some)
        await phase.check(chunks)
        if chunks.room <= 0:
            await chunks.commit(phase.collect())


def _window_size[I, R](engine: Engine, phase: Phase[I, R], chunks: Chunks) -> int:
    """Return how many items to take: what is left of the chunk, or enough whole chunks to fill batches and slots."""
    if not phase.looks_ahead or phase.chunk is None:
        return chunks.room
    ahead = min(_AHEAD * engine.workers(phase.name), _MOST_AHEAD)
    return phase.chunk * max(1, -(-ahead // phase.chunk))


#: Outcomes that tell about the endpoint, not about the request or its answer.
LOST_OUTCOMES = frozenset(
    {Outcome.RATE_LIMITED, Outcome.SERVER_ERROR, Outcome.DROPPED, Outcome.UNREACHABLE, Outcome.TIMEOUT}
)


def _check_answered(work: str, ended: Sequence[tuple[Outcome, str]]) -> None:
    """Raise `RunError` if the endpoint answered no request of this piece of work, for example `step 3`.

    `ended` holds the outcome and reason of each request. The work should then not be committed, so that a resumed run
    repeats it.
    """
    if len(ended) > 1 and all(outcome in LOST_OUTCOMES for outcome, _ in ended):
        raise RunError(
            f"The endpoint answered none of {len(ended)} requests in {work}; the last it said was: {ended[-1][1]} "
            f"Nothing of {work} was committed: resume the run when the endpoint is well."
        )
