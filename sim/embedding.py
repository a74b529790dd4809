"""Vectors as a job in the file itself: of a hub's people, or of texts such as a run's outputs; never paid for twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import orjson
from langchain_core.embeddings import Embeddings

from ..agents.embedding.embedder import Lost
from ..agents.embedding.models import EmbeddingHandle, check_embeddings_priced, open_embedder
from ..agents.embedding.vectors import text_hash
from ..agents.gateway.budget import Prices
from ..agents.gateway.limits import Limits
from ..personas.dedup.vectors import COSINE, check_cosine, is_compared_exactly
from ..personas.hub.dedup import CHUNK, EmbeddedReport, compared, dedup_embedded, read_texts, without_vector
from ..personas.hub.file import HubFile, open_hub
from ..personas.hub.queries import registered
from ..personas.model import Outcome, RequestContext
from ..personas.persona import canonical_text
from .engine import Engine, Progress
from .executor import Executor
from .hub_jobs.jobs import HubJob, check_job_trusted, resumed, stored_job
from .jobs import Changes, Chunks, Phase, run_phase
from .observe import PURPOSE, TextEmbedder
from .runfile import job_rows
from .runfile.runlog import RunLog

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The kind of these jobs.
KIND = "embedding"
#: People who lack a vector, and those who got one by the job, in order of arrival.
_ASKED = """
SELECT rowid AS row FROM personas
WHERE rowid IN (SELECT unnest($lacking)) OR id IN (
    SELECT text_hash FROM vectors
    WHERE model = $model AND request_hash IN (SELECT request_hash FROM calls WHERE job = $job)
)
ORDER BY ordinal, rowid
"""
_KNOWN = "SELECT DISTINCT text_hash FROM vectors WHERE model = $model"
_ITEMS = "SELECT item FROM job_items WHERE job = $job ORDER BY ordinal"
_KEEP_ITEMS = "INSERT INTO job_items BY NAME FROM embedded_texts"
#: On whose behalf the texts of many are sent at once.
_OWNER = "hub"


@dataclass(frozen=True, slots=True)
class HubVectors:
    """What fetching the vectors of a hub's people, or of texts, came to."""

    #: The embedding model by name.
    model: str
    #: People or texts that were to get a vector, and those that got one, in this session.
    missing: int = 0
    fetched: int = 0
    #: The job's number in the file; None when everybody had a vector.
    job: int | None = None
    #: Unfinished jobs that this one replaces: they asked for something else, and their vectors stay in the hub.
    abandoned: tuple[int, ...] = ()


def dedup_by_meaning(
    hub: Path | str,
    embeddings: str | Embeddings | EmbeddingHandle,
    *,
    base_url: str | None = None,
    threshold: float = COSINE,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    exact: bool | None = None,
    progress: Progress | None = None,
) -> tuple[HubVectors, EmbeddedReport]:
    """Fetch the missing vectors of a hub, and mark personas whose vector is nearly that of an earlier one.

    This is the second stage. Run `dedup_hub` first, since the personas it marks need no vector. Raises what
    `fetch_hub_vectors` and `dedup_embedded` raise.
    """
    check_cosine(threshold)
    spec = {"chunk": CHUNK, "threshold": threshold, "exact": exact}
    job = _job(Path(hub), embeddings, spec, base_url, limits, prices, cache)
    with open_hub(hub) as opened:
        # Nothing is paid for vectors that could not be compared.
        is_compared_exactly(compared(opened), exact)
    fetched, report = _begun(job, progress)
    return fetched, report or _compared(job)


def fetch_hub_vectors(
    hub: Path | str,
    embeddings: str | Embeddings | EmbeddingHandle,
    *,
    base_url: str | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> HubVectors:
    """Fetch a vector of this model for each persona of a hub that has none and is not a near-duplicate.

    If called again, a stopped job continues, and texts that were paid for are not sent again. `chunk` is the number of
    personas asked about at once. A text without a vector becomes a row of `failures`, and the next job asks for it
    again.

    Raises `SetupError` for an unknown model, `EndpointError` if no text gets a vector, and `PausedError` if the budget
    is spent.
    """
    spec = {"chunk": chunk, "threshold": None, "exact": None}
    fetched, _ = _begun(_job(Path(hub), embeddings, spec, base_url, limits, prices, cache), progress)
    return fetched


def fetch_text_vectors(
    path: Path | str,
    embeddings: str | Embeddings | EmbeddingHandle,
    texts: Iterable[str],
    *,
    base_url: str | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> HubVectors:
    """Fetch a vector of this model for each of these texts that has none in a run file or hub.

    The texts are stored as the items of the job (`job_items`). The job can therefore continue after a stop, and can be
    replayed, whatever happened to the rows the texts came from. Otherwise works as `fetch_hub_vectors`.
    """
    wanted = [text for text in map(canonical_text, texts) if text]
    spec = {"chunk": chunk, "threshold": None, "exact": None, "texts": text_hash("".join(map(text_hash, wanted)))}
    job = _job(Path(path), embeddings, spec, base_url, limits, prices, cache)
    with open_hub(job.path):  # opened once for both
        missing, unfinished = without_text_vector(job.path, job.model.name, wanted), job.unfinished()
    number, abandoned = job.continued(unfinished, is_kept=True)
    if number is None and not missing:
        return HubVectors(job.model.name, abandoned=abandoned)
    log = job.begin(partial(_keep_texts, missing)) if number is None else job.reopen(number)
    fetched, _ = _run(job, log, progress)
    return replace(fetched, abandoned=abandoned)


def without_text_vector(path: Path | str, model: str, texts: Iterable[str]) -> list[str]:
    """Return the distinct texts, in canonical form, that have no vector of this model in the file."""
    with open_hub(path) as hub:
        known = {key for (key,) in hub.con.execute(_KNOWN, {"model": model}).fetchall()}
    wanted = {text_hash(text): text for text in map(canonical_text, texts) if text}
    return [text for key, text in wanted.items() if key not in known]


def _keep_texts(texts: Sequence[str], con: duckdb.DuckDBPyConnection, job: int) -> None:
    rows = {"job": [job] * len(texts), "ordinal": range(1, len(texts) + 1), "item": texts}
    with registered(con, rows, "embedded_texts"):
        con.execute(_KEEP_ITEMS)


def resume_embedding(
    path: Path,
    number: int,
    *,
    model: str | None = None,
    base_url: str | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> tuple[HubVectors, EmbeddedReport | None]:
    """Continue an unfinished job from its spec. `given` are the limits, prices and cache to change.

    The report is that of comparing the personas. It is None if the job only fetches vectors. Raises `SetupError` if the
    job uses an address or a file that was not named on this machine.
    """
    row = stored_job(path, number)
    check_job_trusted(path, row, embeddings=base_url, model=model, cache=given.get("cache"))
    now = resumed(row, **given)
    address = base_url or row.embedding_url
    job = _job(path, model or row.model, orjson.loads(row.spec), address, now["limits"], now["prices"], now["cache"])
    return _run(job, job.reopen(row.job), progress)


def _job(
    path: Path,
    embeddings: str | Embeddings | EmbeddingHandle,
    spec: dict[str, Any],
    base_url: str | None,
    limits: Limits | None,
    prices: Prices | None,
    cache: Path | None,
) -> HubJob:
    limits = limits or Limits()
    model = (
        embeddings
        if isinstance(embeddings, EmbeddingHandle)
        else open_embedder(embeddings, base_url=base_url, timeout=limits.timeout)
    )
    check_embeddings_priced(limits, prices, model)
    return HubJob(path=path, kind=KIND, spec=spec, model=model, limits=limits, prices=prices, cache=cache)


def _begun(job: HubJob, progress: Progress | None) -> tuple[HubVectors, EmbeddedReport | None]:
    """Begin or resume the job and run it to its end. Begin nothing if all personas have a vector."""
    with open_hub(job.path) as hub:
        is_needed = len(without_vector(hub, job.model.name)) > 0
        unfinished = job.unfinished()
    # Vectors that another job fetched are in the hub, so nothing is lost by abandoning it.
    number, abandoned = job.continued(unfinished, is_kept=True)
    if number is None and not is_needed:
        return HubVectors(job.model.name, abandoned=abandoned), None
    fetched, report = _run(job, job.begin() if number is None else job.reopen(number), progress)
    return replace(fetched, abandoned=abandoned), report


def _run(job: HubJob, log: RunLog, progress: Progress | None) -> tuple[HubVectors, EmbeddedReport | None]:
    with job.running(log, progress) as engine:
        if engine.embedder is None:
            raise RuntimeError("the engine was opened without an embedding model")
        phase = run_embedding(engine, job, engine.embedder)
        report = None if job.spec["threshold"] is None else _compared(job, log)
        return HubVectors(job.model.name, phase.missing, phase.fetched, log.job), report


def run_embedding(engine: Engine, job: HubJob, embedder: TextEmbedder) -> "EmbeddingPhase":
    """Run the phase of the job to its end with vectors from `embedder`, and return it."""
    with HubFile(job.path, engine.log.cursor()) as hub:
        kind = TextEmbeddingPhase if job.spec.get("texts") else EmbeddingPhase
        phase = kind(engine, hub, job.model.name, embedder, chunk=job.spec["chunk"])
        engine.call(partial(run_phase, engine, phase))
    return phase


def _compared(job: HubJob, log: RunLog | None = None) -> EmbeddedReport:
    threshold, exact = job.spec["threshold"], job.spec["exact"]
    with HubFile(job.path, log.cursor()) if log else open_hub(job.path, write=True) as hub:
        return dedup_embedded(hub, job.model.name, threshold=threshold, exact=exact)


class EmbeddingPhase(Phase[str, Lost | None]):
    """The vectors of those who have none: calls bring those of many texts, and are kept in the hub with them."""

    name = KIND
    looks_ahead = False

    def __init__(self, engine: Engine, hub: HubFile, model: str, embedder: TextEmbedder, *, chunk: int) -> None:
        self.chunk = chunk
        self._engine = engine
        self._hub = hub
        self._embedder = embedder
        self._model = model
        self._rows: NDArray[np.int64]
        #: People who have no vector and are asked for in this session, and those of them who got one so far.
        self.missing = 0
        self.fetched = 0
        self._changes = Changes()
        self._hashes: list[str] = []

    def begin(self, chunks: Chunks) -> None:
        """Continue after the personas of complete chunks.

        Personas with a vector from this job are in the next chunk.
        """
        asked = lacking = without_vector(self._hub, self._model)
        job, con = {"job": self._engine.log.job}, self._hub.con
        if con.execute("SELECT 1 FROM calls WHERE job = $job LIMIT 1", job).fetchall():
            both = {"model": self._model, "lacking": lacking.tolist(), **job}
            asked = con.execute(_ASKED, both).fetchnumpy()["row"]
        self._next, self._rows = 0, asked[chunks.items :]
        self.missing = int(np.isin(self._rows, lacking).sum())
        # Those who have one by now will be counted again.
        self.fetched = self.missing - len(self._rows)
        self._engine.progress.began("Vectors", len(self._rows))

    def take(self, chunks: Chunks, most: int) -> Sequence[str]:
        """Return the next texts."""
        some = self._rows[self._next : self._next + most]
        self._next += len(some)
        return read_texts(self._hub, some) if len(some) else []

    async def results(self, items: Sequence[str], executor: Executor, engine: Engine) -> list[Lost | None]:
        """Return why each text got no vector, or None for a text whose vector is now in the hub."""
        context = RequestContext(self.name, self.number, _OWNER, 0, job=engine.log.job)
        embedded = await self._embedder.embed(items, context)
        for _ in items:
            engine.progress.advanced()
        return [embedded.lost.get(text) for text in items]

    def outcome(self, result: Lost | None) -> tuple[Outcome, str]:
        """Return how fetching the vector of a text ended."""
        return (Outcome.OK, "") if result is None else (result.outcome, result.reason)

    def apply(self, items: Sequence[str], results: Sequence[Lost | None]) -> None:
        """Record which texts got no vector, and count the vectors fetched in this session."""
        job = self._engine.log.job
        for text, lost in zip(items, results, strict=True):
            key = text_hash(text)
            self._hashes.append(key)
            if lost is None:
                self.fetched += 1
            else:
                self._changes.failed += 1
                self._changes.rows.append(
                    job_rows.FailureRow(
                        self.name, 1, None, key, _OWNER, PURPOSE, lost.outcome, lost.reason, lost.attempts, job
                    )
                )

    def collect(self) -> Changes:
        """Return the failures, with the texts that were asked about as events."""
        changes, self._changes = self._changes, Changes()
        hashes, self._hashes = self._hashes, []
        changes.events = [PURPOSE, *hashes]
        return changes


class TextEmbeddingPhase(EmbeddingPhase):
    """The vectors of the texts that the job was begun with, all of which had none then."""

    def begin(self, chunks: Chunks) -> None:
        """Continue after the texts of complete chunks."""
        job = {"job": self._engine.log.job}
        texts = [text for (text,) in self._hub.con.execute(_ITEMS, job).fetchall()]
        self._next, self._texts = 0, texts[chunks.items :]
        self.missing = len(self._texts)
        self._engine.progress.began("Vectors", self.missing)

    def take(self, chunks: Chunks, most: int) -> Sequence[str]:
        """Return the next texts."""
        some = self._texts[self._next : self._next + most]
        self._next += len(some)
        return some
