"""Enriching a hub as a job: its own ledger beside the hub, results in the hub, chunk by chunk, so that it can go on.

What a profile, a biography and an elite persona are lives in `personas`. The ledger is a run file of its own, because
a hub that was imported has no calls, and because several jobs may work on one hub, each with its model and budget.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.batch import check_batchable
from ..agents.endpoint.models import ModelHandle, open_model
from ..agents.gateway.budget import check_priced
from ..agents.gateway.cache import AnswerCache
from ..agents.gateway.limits import Limits
from ..agents.gateway.prices import Prices, known_prices
from ..personas.errors import PausedError, StorageError
from ..personas.hub.file import open_hub
from ..personas.inputs import check_seed
from .engine import Engine
from .enriching.ledger import Job
from .enriching.outcome import Enriched, summed_up
from .enriching.stages import Stages
from .enriching.wishes import Enrichment
from .event_hash import EventHash
from .progress import Progress, SilentProgress
from .runfile.runlog import RunLog

__all__ = ["Enriched", "Enrichment", "enrich"]

#: A profile has some 900 tokens, a biography up to 2,500.
_ANSWER_TOKENS = 4_096
#: People of one chunk where requests go by batch, of which an endpoint takes hours.
_BATCH_CHUNK = 10_000


def enrich(
    hub: Path | str,
    wishes: Enrichment | None = None,
    *,
    model: str | BaseChatModel | ModelHandle = "procedural",
    base_url: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    batch: bool = False,
    seed: int = 0,
    ledger: Path | None = None,
    progress: Progress | None = None,
) -> Enriched:
    """Ask a model what is wished about the people of a hub, and keep the answers in it.

    Given again with the same wishes, model and seed, a job that was stopped goes on where it stopped; answers that it
    has paid for are not paid again. `ledger` is its run file, by default beside the hub. Raises `SourceError` for what
    is no hub, `SetupError` for wishes that cannot be, `PausedError` when the budget is spent.
    """
    job = _job(Path(hub), wishes or Enrichment(), model, base_url, limits, prices, cache, seed, batch)
    answers = AnswerCache(cache) if cache else None
    try:
        return _enriched(job, ledger, answers, progress or SilentProgress())
    finally:
        if answers is not None:
            answers.close()


def _enriched(job: Job, ledger: Path | None, answers: AnswerCache | None, progress: Progress) -> Enriched:
    with open_hub(job.hub, write=True) as hub:
        log = job.open_ledger(hub, ledger)
        if log is None:
            return Enriched(None, is_language_model=job.model.is_language_model)
        with _working(job, log, answers, progress) as engine:
            engine.call(Stages(engine, hub, job.wishes, seed=job.seed).run)
            return summed_up(log, hub, engine.events.hex)


def _job(
    hub: Path,
    wishes: Enrichment,
    model: str | BaseChatModel | ModelHandle,
    base_url: str | Sequence[str] | None,
    limits: Limits | None,
    prices: Prices | None,
    cache: Path | None,
    seed: int,
    batch: bool,
) -> Job:
    wishes.check()
    check_seed(seed)
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    limits, prices = limits or Limits(), prices or known_prices(handle)
    check_priced(limits, prices)
    if batch:
        check_batchable(handle)
        wishes = wishes.model_copy(update={"chunk": max(wishes.chunk, _BATCH_CHUNK)})
    return Job(
        hub=hub,
        wishes=wishes,
        model=handle,
        limits=limits,
        prices=prices,
        cache=cache,
        seed=seed,
        batch=batch,
    )


@contextmanager
def _working(job: Job, log: RunLog, answers: AnswerCache | None, progress: Progress) -> Iterator[Engine]:
    """The engine, open; how the work in it ends is written into the run file."""
    with _engine(job, log, answers, progress) as engine:
        try:
            yield engine
            log.finish("finished", None, engine.events.hex)
        except StorageError:
            raise
        except Exception as error:
            log.finish("paused" if isinstance(error, PausedError) else "failed", str(error), engine.events.hex)
            raise


def _engine(job: Job, log: RunLog, answers: AnswerCache | None, progress: Progress) -> Engine:
    try:
        return Engine(
            log,
            job.model,
            limits=job.limits,
            prices=job.prices,
            cache=answers,
            batched=frozenset({"step"}) if job.batch else frozenset(),
            answer_tokens=_ANSWER_TOKENS,
            events=EventHash(log.last_event_hash()),
            progress=progress,
        )
    except BaseException:
        log.close()
        raise
