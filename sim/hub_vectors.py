"""The vectors of a hub's people as a job: fetched under the gateway's policy, kept in the hub, never paid for twice.

    texts without a vector ──► Embedder ──► the job's run file: each call with what it brought ──► the hub
                                                  ▲ after a kill the vectors are here already

The ledger is a run file of its own beside the hub, as that of an enrichment is, and for the same reasons.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from langchain_core.embeddings import Embeddings

from ..agents.embedding.embedder import Embedded
from ..agents.embedding.models import EmbeddingHandle, check_embeddings_priced, open_embedder
from ..agents.embedding.vectors import text_hash
from ..agents.endpoint.models import open_model
from ..agents.gateway.cache import AnswerCache
from ..agents.gateway.limits import Limits
from ..agents.gateway.prices import Prices
from ..personas.dedup.cosine import COSINE, check_cosine
from ..personas.dedup.vectors import is_compared_exactly
from ..personas.errors import PausedError, StorageError
from ..personas.hub.file import open_hub
from ..personas.hub.vectors import (
    CHUNK,
    EmbeddedReport,
    Fetched,
    compared,
    dedup_embedded,
    fetch_vectors,
    without_vector,
)
from ..personas.model import Outcome, RequestContext
from .answered import check_answered
from .engine import Engine
from .event_hash import EventHash
from .hub_vectors_ledger import open_ledger
from .progress import Progress, SilentProgress
from .recall import PURPOSE
from .runfile import rows
from .runfile.runlog import RunLog
from .times import now

__all__ = ["HubVectors", "dedup_by_meaning", "fetch_hub_vectors"]

#: On whose behalf the texts of many are sent at once.
_OWNER = "hub"
_BROUGHT = """
SELECT text_hash, max_by(request_hash, rowid) FROM vectors
WHERE model = $model AND text_hash IN (SELECT unnest($hashes)) GROUP BY text_hash
"""


@dataclass(frozen=True, slots=True)
class HubVectors:
    """What fetching the vectors of a hub's people came to."""

    #: The embedding model by name.
    model: str
    #: People who were to get a vector, and those who got one, in this session.
    missing: int = 0
    fetched: int = 0
    #: The job's run file; None when everybody had a vector.
    ledger: Path | None = None


def dedup_by_meaning(
    hub: Path | str,
    embeddings: str | Embeddings | EmbeddingHandle,
    *,
    base_url: str | None = None,
    threshold: float = COSINE,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    ledger: Path | None = None,
    exact: bool | None = None,
    progress: Progress | None = None,
) -> tuple[HubVectors, EmbeddedReport]:
    """Fetch the vectors that a hub's people lack, and mark those whose vector is nearly that of an earlier one.

    It is the second stage: `dedup_hub` comes first, for whom it marks needs no vector. Raises what `fetch_hub_vectors`
    and `dedup_embedded` raise.
    """
    check_cosine(threshold)
    handle = _opened(embeddings, base_url, limits)
    with open_hub(hub) as opened:
        # Nothing is paid for vectors that could not be compared.
        is_compared_exactly(compared(opened), exact)
    fetched = fetch_hub_vectors(
        hub, handle, limits=limits, prices=prices, cache=cache, ledger=ledger, progress=progress
    )
    with open_hub(hub, write=True) as opened:
        return fetched, dedup_embedded(opened, handle.name, threshold=threshold, exact=exact)


def fetch_hub_vectors(
    hub: Path | str,
    embeddings: str | Embeddings | EmbeddingHandle,
    *,
    base_url: str | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    ledger: Path | None = None,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> HubVectors:
    """Give each person of a hub whom no verdict marks a vector of this model, unless there is one already.

    Given again, a job that was stopped goes on, and texts that it has paid for are not sent again. `ledger` is its run
    file, by default beside the hub; `chunk` is how many people's vectors come into the hub at once. A text that gets no
    vector is a row of its `failures`, and is asked again by the next job. Raises `SetupError` for an unknown model,
    `EndpointError` when no text can get a vector, and `PausedError` when the budget is spent.
    """
    limits = limits or Limits()
    handle = _opened(embeddings, base_url, limits)
    check_embeddings_priced(limits, prices, handle)
    with open_hub(hub, write=True) as opened:
        missing = len(without_vector(opened, handle.name))
        if not missing:
            return HubVectors(handle.name)
        log = open_ledger(opened, ledger, handle, limits, prices, cache)
        with _working(log, handle, limits, prices, cache, progress or SilentProgress()) as engine:
            engine.progress.began("Vectors", missing)
            work = _Work(engine, handle.name)
            fetched = engine.call(partial(fetch_vectors, opened, work.embed, handle.name, chunk=chunk))
            return HubVectors(handle.name, missing, fetched, log.path)


def _opened(
    embeddings: str | Embeddings | EmbeddingHandle, base_url: str | None, limits: Limits | None
) -> EmbeddingHandle:
    if isinstance(embeddings, EmbeddingHandle):
        return embeddings
    return open_embedder(embeddings, base_url=base_url, timeout=(limits or Limits()).timeout)


@contextmanager
def _working(
    log: RunLog,
    handle: EmbeddingHandle,
    limits: Limits,
    prices: Prices | None,
    cache: Path | None,
    progress: Progress,
) -> Iterator[Engine]:
    """The engine, open; how the work in it ends is written into the run file."""
    with _engine(log, handle, limits, prices, cache, progress) as engine:
        try:
            yield engine
            log.finish("finished", None, engine.events.hex)
        except StorageError:
            raise
        except Exception as error:
            log.finish("paused" if isinstance(error, PausedError) else "failed", str(error), engine.events.hex)
            raise


def _engine(
    log: RunLog,
    handle: EmbeddingHandle,
    limits: Limits,
    prices: Prices | None,
    cache: Path | None,
    progress: Progress,
) -> Engine:
    answers = None
    try:
        answers = AnswerCache(cache) if cache else None
        return Engine(
            log,
            # Nobody is asked for words, and so nothing is paid for them.
            open_model("procedural"),
            limits=limits,
            prices=prices,
            cache=answers,
            embeddings=handle,
            embeddings_prices=prices,
            answer_tokens=1,
            events=EventHash(log.last_event_hash()),
            progress=progress,
        )
    except BaseException:
        if answers is not None:
            answers.close()
        log.close()
        raise


class _Work:
    """Chunk by chunk: what is fetched is in the ledger before the hub gets it."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine = engine
        self._model = model

    async def embed(self, texts: Sequence[str]) -> Fetched:
        """The vectors of some texts. Raises `RunError` when the endpoint gives none of them any."""
        embedder, log = self._engine.embedder, self._engine.log
        if embedder is None:
            raise RuntimeError("the engine was opened without an embedding model")
        number, started = (log.last_step() or 0) + 1, now()
        embedded = await embedder.embed(texts, RequestContext("step", number, _OWNER, 0))
        ended = [(lost.outcome, lost.reason) for lost in embedded.lost.values()]
        check_answered(f"chunk {number}", [*ended, *((Outcome.OK, "") for _ in list(embedded.vectors)[:1])])
        await self._engine.commit(*self._rows(texts, embedded, number, started), finished=("step", number))
        for _ in texts:
            self._engine.progress.advanced()
        return self._fetched(texts, embedded)

    def _rows(self, texts: Sequence[str], embedded: Embedded, number: int, started: datetime) -> list[rows.Row]:
        hashes = [text_hash(text) for text in texts]
        lost: list[rows.Row] = [
            rows.FailureRow("step", number, number, key, _OWNER, PURPOSE, why.outcome, why.reason, why.attempts)
            for key, text in zip(hashes, texts, strict=True)
            if (why := embedded.lost.get(text)) is not None
        ]
        marker = rows.MarkerRow(
            phase="step",
            number=number,
            chunk=0,
            items=len(texts),
            counts=orjson.dumps({"acted": len(texts) - len(lost)}).decode(),
            failed=len(lost),
            state=orjson.dumps({"stage": PURPOSE}).decode(),
            started_at=started,
            ended_at=now(),
            event_hash=self._engine.events.extend([PURPOSE, *hashes]),
        )
        return [*lost, marker]

    def _fetched(self, texts: Sequence[str], embedded: Embedded) -> Fetched:
        places = [place for place, text in enumerate(texts) if text in embedded.vectors]
        hashes = [text_hash(texts[place]) for place in places]
        brought = dict(self._engine.log.query(_BROUGHT, {"model": self._model, "hashes": hashes}))
        matrix = embedded.matrix([texts[place] for place in places])
        return Fetched(np.array(places, dtype=np.int64), matrix, [brought[key] for key in hashes])
