"""What a running job uses: its file, the model behind its gateway, an event loop of its own, its event hash."""

import asyncio
import gc
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import orjson
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..agents.batch.job import MOST_IN_A_BATCH
from ..agents.batch.queue import check_batchable, open_batch_queue
from ..agents.embedding.embedder import Embedder
from ..agents.embedding.models import WORDLLAMA, EmbeddingHandle
from ..agents.endpoint.models import ModelHandle, open_model
from ..agents.gateway.budget import Budget, Meter, check_priced
from ..agents.gateway.cache import AnswerCache
from ..agents.gateway.call import Call
from ..agents.gateway.client import Gateway
from ..agents.gateway.limits import Backoff, Limits, Prices
from ..core.database import is_interrupt
from ..core.errors import PausedError, StorageError
from ..core.model import PersonaModel
from ..core.table import Row
from .runfile.job_rows import JobRow, Unit
from .runfile.ledger import KnownAnswers, RunBatches, RunLedger, RunVectors, spent_before
from .runfile.live import LiveSql
from .runfile.runlog import RunLog
from .runfile.writer import FileChange

if TYPE_CHECKING:
    from ..agents.gateway.call import AnswerStore

#: Why a run is paused that was interrupted: by Ctrl-C, by a notebook, or by `Engine.interrupt`.
INTERRUPTED = "It was interrupted."


class Progress(Protocol):
    """Shows progress; called from the run's own thread, so every method must be quick."""

    def opened(self, gateway: Gateway) -> None:
        """Prepare to show progress. From now on calls go through `gateway`, whose meter may be read at any time."""

    def began(self, title: str, total: int) -> None:
        """Begin a phase of `total` items. The phase before it has ended."""

    def advanced(self) -> None:
        """Count one more item as done."""

    def ended(self) -> None:
        """Stop showing progress."""


class CountedProgress:
    """Counts what is left of a phase, and passes all on to what shows it."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._title, self._left = "", 0
        self.opened, self.ended = shown.opened, shown.ended

    def began(self, title: str, total: int) -> None:
        """Begin a phase of `total` items."""
        self._title, self._left = title, total
        self._shown.began(title, total)

    def advanced(self) -> None:
        """Count one item as done."""
        self._left -= 1
        self._shown.advanced()

    @property
    def left(self) -> str:
        """How many pieces the latest phase has left; empty where it has none."""
        return f"{self._title}: {self._left:,} left" if self._left > 0 else ""


class SilentProgress:
    """Shows nothing."""

    def opened(self, *_: object) -> None:
        """Do nothing."""

    began = advanced = ended = opened


_ROOT = hashlib.sha256(b"populace event log").hexdigest()


class EventHash:
    """A chain over events: each link is the SHA-256 of the link before and the event as canonical JSON."""

    def __init__(self, hex: str | None = None) -> None:  # noqa: A002 - the same word as the property
        """Continue from the hash `hex`, or start from the root that all runs share."""
        self._link = bytes.fromhex(hex or _ROOT)

    @property
    def hex(self) -> str:
        """The hash of everything so far: 64 hexadecimal digits."""
        return self._link.hex()

    def extend(self, events: Iterable[object]) -> str:
        """Add events and return the new hash. Raises `TypeError` for an event that cannot be written as JSON."""
        link = self._link
        for event in events:
            written = hashlib.sha256(link)
            written.update(orjson.dumps(event, option=orjson.OPT_SORT_KEYS))
            link = written.digest()
        self._link = link
        return self.hex


#: A step makes many objects that live on (notes, emissions) and hardly a cycle, so looking often finds nothing.
_THRESHOLD, _OLDER = 200_000, (10, 50)
#: Objects that are there at once for each agent that decides by a rule: those of its turn, and those of the step before
#: until they are written. To look at them in the midst of a step took a tenth of the CPU.
_OF_AN_AGENT = 100


@contextmanager
def rare_collections(*, ruled: int = 0) -> Iterator[None]:
    """Collect garbage rarely, and never scan the objects that exist already. Restore the old settings afterwards.

    Collections took a sixth of the CPU of an agent-turn (`benchmarks/turns.py --profile`). `ruled` is the number of
    agents that decide by a rule. Does nothing if nested in another.
    """
    before = gc.get_threshold()
    if before[0] >= _THRESHOLD:
        yield
        return
    gc.freeze()
    gc.set_threshold(_THRESHOLD + ruled * _OF_AN_AGENT, *_OLDER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


#: uvloop takes an eighth less CPU a turn over HTTP than asyncio's own loop; there is none for Windows.
_HAS_UVLOOP = find_spec("uvloop") is not None

#: How long an interrupted run waits for what is under way to take notice.
_PATIENCE_SECONDS = 5.0

#: How often a request is sent in batches, at most: one may take a day, and its undone requests are sent again in it.
_BATCH_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JobModels:
    """The models of a job, open, with their prices."""

    #: Who is asked for words; None where only vectors are wanted.
    model: ModelHandle | None = None
    prices: Prices | None = None
    #: Who gives vectors.
    embeddings: EmbeddingHandle | None = None
    embeddings_prices: Prices | None = None
    #: Models of roles beside the first, by role.
    roles: Mapping[str, tuple[ModelHandle, Prices | None]] = field(default_factory=dict)

    @property
    def first(self) -> ModelHandle | EmbeddingHandle:
        """The model that the job is named after."""
        first = self.model or self.embeddings
        if first is None:
            raise ValueError("a job has a model")
        return first

    def of(self, role: str) -> tuple[ModelHandle, Prices | None]:
        """Return the chat model that is asked in a role, with its prices: the first where the role has none."""
        if role in self.roles:
            return self.roles[role]
        if self.model is None:
            raise ValueError("only vectors are wanted")
        return self.model, self.prices

    @property
    def vector_prices(self) -> Prices | None:
        """What vectors cost: nothing in this process."""
        is_here = self.embeddings is not None and self.embeddings.name == WORDLLAMA
        return Prices(input=0, output=0) if is_here else self.embeddings_prices

    @property
    def is_language_model(self) -> bool:
        """Whether a language model is among those that are asked for words."""
        return any(self.of(role)[0].is_language_model for role in ("default", *self.roles))

    def check(self, limits: Limits, *, batch: bool = False) -> None:
        """Raise `SetupError` for a budget in dollars without prices, and for batches that no model can take."""
        if self.model is not None:
            for prices in (self.prices, *(prices for _, prices in self.roles.values())):
                check_priced(limits, prices)
            if batch:
                check_batchable(self.model)
        if self.embeddings is not None:
            whose = f"embedding model {self.embeddings.name}"
            check_priced(limits, self.vector_prices, whose, named="embeddings_prices")

    def make_row(
        self, kind: str, spec: str, *, seed: int, limits: Limits, cache: Path | Literal[False] | None, batch: bool
    ) -> JobRow:
        """Make the row of a job that begins now and asks these models. It is not numbered yet."""
        chat, vectors = self.model, self.embeddings
        prices = self.prices if chat else self.embeddings_prices
        return JobRow.new(
            kind,
            spec,
            seed=seed,
            model=self.first.name,
            # Who gives vectors writes nothing, so there is nothing to be told from a language model's.
            is_language_model=chat is None or chat.is_language_model,
            base_url=chat.endpoints if chat else None,
            embedding_model=vectors.name if vectors else None,
            embedding_url=vectors.endpoint if vectors else None,
            limits=limits.model_dump_json(),
            prices=orjson.dumps(prices).decode() if prices else None,
            cache=str(cache) if cache else None,
            batch=batch,
        )


class Engine:
    """Holds what has to be opened before a run and closed after it, whatever happens between.

    The event loop runs in a thread of its own, so that `call` works in a notebook, where a loop runs already.
    """

    def __init__(
        self,
        log: RunLog,
        models: JobModels,
        *,
        limits: Limits,
        cache: AnswerCache | None = None,
        batched: frozenset[str] = frozenset(),
        answer_tokens: int,
        progress: Progress | None = None,
        gateway: Gateway | None = None,
        shared_budget: Budget | None = None,
    ) -> None:
        """Set up the gateway, the budget and the ledger of a job.

        `batched` are the phases whose requests go by batch; those to models of roles never do. `gateway` replaces the
        one over the models. `shared_budget` is the budget of several runs and applies in addition to the limits of this
        run.

        Raises `SetupError` if the model cannot do what is needed.
        """
        self.log = log
        # No chat model is asked where vectors are wanted: the built-in generator takes its place.
        self.model = model = models.model or open_model("procedural")
        self.events = EventHash(log.last_event_hash())
        self.progress = CountedProgress(progress or SilentProgress())
        self._max_in_flight = limits.max_in_flight
        self._batched = batched
        self._batch_queue = (
            open_batch_queue(
                model,
                journal=RunBatches(log),
                longest_line=limits.max_response_bytes,
                takes=lambda context: context.phase in batched,
            )
            if batched
            else None
        )
        self._ledger = RunLedger(log)
        meter = Meter(spent_before(log))
        meter.budget = Budget(limits, meter.total, parent=shared_budget)
        self._cache = cache
        stores: list[AnswerStore] = [KnownAnswers(log)] if log.is_fork else []
        opened = partial(
            Gateway,
            ledger=self._ledger,
            limits=limits,
            stores=[*stores, cache] if cache else stores,
            meter=meter,
            answer_tokens=answer_tokens,
        )
        self.gateway = gateway or opened(
            model,
            prices=models.prices if models.model else models.vector_prices,
            queue=self._batch_queue,
            backoff=Backoff(attempts=_BATCH_ATTEMPTS) if batched else None,
            roles={role: opened(one, prices=its) for role, (one, its) in models.roles.items()},
        )
        #: The door to the embedding model, where there is one: under the same budget, with a pace of its own.
        self.embedder = self._open_embedder(models, limits)
        #: What its calls are held to; a replay's gateway makes none.
        self.budget = self.gateway.meter.budget or meter.budget
        self._is_asked_elsewhere = False
        self._declared = set[str]()
        #: The latest commit, while it may not be durable yet.
        self._committing: Future[None] | None = None
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._under_way: Future[Any] | None = None
        self._is_interrupted = False
        #: Whether `interrupt` cancels what is under way; what closes a run is not cancelled.
        self.is_interruptible = True

    def _open_embedder(self, models: JobModels, limits: Limits) -> Embedder | None:
        if models.embeddings is None:
            return None
        return Embedder(
            models.embeddings,
            ledger=self._ledger,
            store=RunVectors(self.log),
            shared=[self._cache] if self._cache else (),
            limits=limits,
            prices=models.vector_prices,
            meter=self.gateway.meter,
        )

    def __enter__(self) -> Self:
        """Start the event loop and open the run file to SQL from other processes."""
        self._stack.callback(self.log.close)
        if self._cache is not None:
            self._stack.callback(self._cache.close)
        self._stack.enter_context(LiveSql(self.log))
        self._portal = self._stack.enter_context(start_blocking_portal(backend_options={"use_uvloop": _HAS_UVLOOP}))
        self._stack.callback(lambda: self.call(self.gateway.aclose))
        if self._batch_queue is not None:
            self._stack.callback(partial(self.call, self._batch_queue.aclose))
        if self.embedder is not None:
            self._stack.callback(partial(self.call, self.embedder.aclose))
        self.progress.opened(self.gateway)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything in the reverse order."""
        self.progress.ended()
        self._stack.__exit__(kind, error, trace)

    def finish(self, failure: BaseException | None, *, left: str = "") -> None:
        """Write how the job ended: finished, paused (also if it was interrupted) or failed.

        The reason of a pause says what was spent after all calls ended, and what is left. What is left covers the
        current phase and what comes after it (`left`).

        Writes nothing after a `StorageError`, since the file accepts no more writes.
        """
        if isinstance(failure, StorageError):
            return
        said = "; ".join(filter(None, (self.progress.left, left)))
        said = f"{said}." if said else ""
        if failure is None:
            self.log.finish("finished", None, self.events.hex)
        elif isinstance(failure, PausedError):
            failure.left = " ".join(filter(None, (self.budget.text, said)))
            self.log.finish("paused", str(failure), self.events.hex)
        elif isinstance(failure, Exception) and not is_interrupt(failure):
            self.log.finish("failed", str(failure), self.events.hex)
        else:
            if said:
                failure.add_note(said)
            self.log.finish("paused", f"{INTERRUPTED} {said}".strip(), self.events.hex)

    def is_batched(self, phase: str) -> bool:
        """Return whether the calls of this phase go through the batches of the endpoint."""
        return phase in self._batched

    def workers(self, phase: str) -> int:
        """Return the number of items of this phase to work on concurrently.

        It is three times the maximum number of concurrent calls, so that a free slot finds a prompt ready. Some items
        wait with a revision until no first call waits, and the factor of three leaves enough of the others.

        For a batched phase it is the largest batch, since an item that is not in progress cannot be in the batch.
        """
        return MOST_IN_A_BATCH if phase in self._batched else 3 * self._max_in_flight

    def call[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """Run an async function in the loop of the engine and return its result.

        If the caller is interrupted while it waits (Ctrl-C), the work is cancelled. Raises `PausedError` once after
        `interrupt`.
        """
        if self._portal is None:
            raise RuntimeError("the engine is not open: use it in a with statement")
        ended = Event()

        async def run_watched() -> T:
            try:
                return await work()
            finally:
                ended.set()

        future = self._portal.start_task_soon(run_watched)
        self._under_way = future
        if self._is_interrupted and self.is_interruptible:
            future.cancel()
        try:
            return future.result()
        except BaseException as error:
            # What is closed next must not be opened again by a call that was about to begin.
            if future.cancel():
                ended.wait(_PATIENCE_SECONDS)
            if isinstance(error, CancelledError) and self._is_interrupted:
                self.is_interruptible = False
                raise PausedError(INTERRUPTED) from error
            raise

    def interrupt(self) -> None:
        """Cancel the work in progress, or the work that begins next. May be called from any thread."""
        self._is_interrupted = True
        if self._under_way is not None and self.is_interruptible:
            self._under_way.cancel()

    def record(self, calls: Iterable[Call]) -> None:
        """Record calls that another process made, and count them in the budget."""
        for call in calls:
            self._ledger.record(call)
            self.gateway.meter.add(call)
            self._is_asked_elsewhere = True

    def within_budget[I](self, items: Iterable[I]) -> Iterator[I]:
        """Yield items until the budget is spent, also by calls of other processes.

        Raises `PausedError` when it is spent.
        """
        for item in items:
            if self._is_asked_elsewhere or self.budget.is_over:  # this process's gateway reserves each of its calls
                self.budget.check()
            yield item

    def recall(self, phase: str, number: int, owners: Sequence[str | None]) -> None:
        """Load the answers that earlier sessions paid for on behalf of these owners. None loads those of all owners."""
        self._ledger.prepare(phase, number, owners)

    async def declare(self, phase: str, unit: Unit) -> None:
        """Record in the file that a phase begins, so that its calls can be told from those of other phases."""
        if phase not in self._declared:
            await asyncio.wrap_future(self.log.declare(phase, unit))
            self._declared.add(phase)

    async def commit(self, rows: Iterable[Row], statements: Sequence[FileChange] = ()) -> None:
        """Queue rows to be written in one transaction while other work continues.

        Rows of earlier commits are durable when this returns. These rows are durable after `flush`. Raises
        `StorageError`.
        """
        await self.flush()
        self._committing = self.log.commit(rows, statements)

    @property
    def is_committing(self) -> bool:
        """Whether what was handed over last may not be durable yet."""
        return self._committing is not None

    async def flush(self) -> None:
        """Wait until all queued rows are durable. Raises `StorageError`."""
        if self._committing is not None:
            committing, self._committing = self._committing, None
            await asyncio.wrap_future(committing)


#: Workers started at a time: the requests of the first are on their way before the last have started.
_TOGETHER = 8


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class Done[R]:
    """The result for one item, and the calls made for it that no ledger has recorded yet."""

    result: R
    #: Empty where the model records each call itself, as the gateway of this process does.
    calls: tuple[Call, ...] = ()


class Work[I, R](Protocol):
    """What is done for each item. Items, results and the work itself can be pickled."""

    async def __call__(self, item: I, model: PersonaModel) -> R:
        """Return the result for one item."""
        ...


class Executor(Protocol):
    """Runs work over items."""

    async def map[I, R](
        self, work: Work[I, R], items: Iterable[I], *, done: Callable[[int, Done[R]], None]
    ) -> list[Done[R]]:
        """Return the results in the order of `items`.

        Items are read only when there is room for them. Reading one raises `PausedError` if the budget is spent. As
        soon as a result arrives, `done` gets the item's index, from 0, and the result, and counts its calls. After an
        error no new item is begun, items in progress end, and the error is raised.
        """
        ...


class AsyncioExecutor:
    """Runs work in the running event loop, on one model, a bounded number of items at once."""

    def __init__(self, model: PersonaModel, *, workers: int) -> None:
        self._model = model
        self._workers = workers

    async def map[I, R](
        self, work: Work[I, R], items: Iterable[I], *, done: Callable[[int, Done[R]], None]
    ) -> list[Done[R]]:
        """Return the results in the order of `items`. The model has recorded the calls."""

        async def run(item: I) -> Done[R]:
            return Done(await work(item, self._model))

        return await bounded_map(run, items, workers=self._workers, done=done)


async def bounded_map[T, R](
    work: Callable[[T], Awaitable[R]], items: Iterable[T], *, workers: int, done: Callable[[int, R], None]
) -> list[R]:
    """Return the results of `work` in the order of `items`, with at most `workers` in progress.

    `items` are read one by one, as workers become free. `done` gets the index of each item and its result. After an
    error nothing new is begun. What is in progress ends, so that no paid answer is lost, and the error is raised
    unchanged.
    """
    results: dict[int, R] = {}
    errors: list[Exception] = []
    waiting = enumerate(items)
    is_read = False

    async def run_worker() -> None:
        nonlocal is_read
        while not errors:
            try:
                position, item = next(waiting)
            except StopIteration:
                is_read = True
                return
            except Exception as error:  # noqa: BLE001 - raised below, once what is under way has ended
                errors.append(error)
                return
            try:
                results[position] = result = await work(item)
                done(position, result)
            except Exception as error:  # noqa: BLE001 - raised below, once what is under way has ended
                errors.append(error)
                return

    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(run_worker())
            if number % _TOGETHER == _TOGETHER - 1:
                await asyncio.sleep(0)
            if is_read or errors:
                break
    if errors:
        raise errors[0]
    return [results[position] for position in range(len(results))]
