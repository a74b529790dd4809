"""Vectors as a job in the file itself: of a hub's people, or of texts such as a run's outputs; never paid for twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import duckdb
import numpy as np
from langchain_core.embeddings import Embeddings
from pydantic import Field

from ..agents.embedding.models import EmbeddingHandle, open_embedder
from ..agents.embedding.vectors import text_hash
from ..agents.gateway.limits import Limits
from ..core.model import Answer, Outcome, RequestContext
from ..core.text import canonical_text
from ..personas.dedup.vectors import COSINE, check_cosine, is_compared_exactly
from ..personas.hub.dedup import CHUNK, EmbeddedReport, compared, dedup_embedded, read_texts, without_vector
from ..personas.hub.file import HubFile, open_hub
from .engine import Engine, Executor, JobModels
from .jobs.kind import Asked, JobContext, JobKind, JobOptions, write_items
from .jobs.life import run_job
from .jobs.loop import Changes, Chunks, Phase, run_phase
from .observe import PURPOSE, TextEmbedder
from .runfile.job_rows import FailureRow
from .specs import JobSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The kind of these jobs.
KIND = "embedding"
#: People who lack a vector, and those who got one by the job, in order of arrival.
_ASKED = """
SELECT personas.rowid AS row FROM personas LEFT JOIN rewritten_people ON persona = id
WHERE personas.rowid IN (SELECT unnest($lacking)) OR coalesce(text_hash, id) IN (
    SELECT text_hash FROM vectors
    WHERE model = $model AND request_hash IN (SELECT request_hash FROM calls WHERE job = $job)
)
ORDER BY ordinal, personas.rowid
"""
_KNOWN = "SELECT DISTINCT text_hash FROM vectors WHERE model = $model"
_ITEMS = "SELECT item FROM job_items WHERE job = $job ORDER BY ordinal"
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


class EmbeddingSpec(JobSpec):
    """Which texts get vectors."""

    chunk: int = Field(CHUNK, ge=1)
    #: From which cosine on personas are marked as near-duplicates when their vectors are there; None for no comparison.
    threshold: float | None = None
    #: Whether they are compared exactly; None where their number decides.
    exact: bool | None = None
    #: The hash of the texts that get vectors; None for the personas of a hub.
    texts: str | None = None


class EmbeddingJob(JobKind[EmbeddingSpec, tuple[HubVectors, EmbeddedReport | None]]):
    """Fetches the vectors that are missing in a file, and compares personas by them."""

    kind = KIND
    spec_type = EmbeddingSpec
    # Vectors that another job fetched are in the file, so nothing is lost by abandoning it.
    keeps_all = True
    is_on_hub = True
    is_done_once = False
    #: The texts of a new job, in canonical form.
    texts: Sequence[str] = ()

    def open_models(self, path: Path, asked: Asked) -> JobModels:
        """Open the embedding model. Raises `SetupError` if it is unknown."""
        model, limits = asked.get("model"), asked.get("limits") or Limits()
        if not isinstance(model, EmbeddingHandle):
            where = asked.get("embeddings_url") or asked.get("base_url")
            model = open_embedder(model, base_url=where, timeout=limits.timeout)  # type: ignore[arg-type]
        return JobModels(embeddings=model, embeddings_prices=asked.get("embeddings_prices") or asked.get("prices"))

    def prepare(self, path: Path, seed: int, models: JobModels) -> int:
        """Return how many personas or texts have no vector yet."""
        model = models.first.name
        if self.spec.texts:
            self.texts = without_text_vector(path, model, self.texts)
            return len(self.texts)
        with open_hub(path) as hub:
            # Nothing is paid for vectors that could not be compared.
            if self.spec.threshold is not None:
                is_compared_exactly(compared(hub), self.spec.exact)
            return len(without_vector(hub, model))

    def fill(self, con: duckdb.DuckDBPyConnection, number: int, seed: int) -> None:
        """Write the texts, so that the job can go on whatever happens to the rows that they came from."""
        if self.texts:
            write_items(con, number, self.texts)

    def run(self, context: JobContext) -> None:
        """Fetch the vectors, and compare the personas if that is wanted."""
        if context.embedder is None:
            raise RuntimeError("the engine was opened without an embedding model")
        kind = TextEmbeddingPhase if self.spec.texts else EmbeddingPhase
        model = context.log.job_row.model
        with HubFile(context.log.path, context.log.cursor()) as hub:
            self._phase = kind(context.engine, hub, model, context.embedder, chunk=self.spec.chunk)
            context.engine.call(partial(run_phase, context.engine, self._phase))

    def report(self, context: JobContext) -> tuple[HubVectors, EmbeddedReport | None]:
        """Return what was fetched in this session, and what the comparison found."""
        model, phase = context.log.job_row.model, self._phase
        with HubFile(context.log.path, context.log.cursor()) as hub:
            found = self._compare_people(hub, model)
        return HubVectors(model, phase.missing, phase.fetched, context.job, self.abandoned), found

    def nothing(self, path: Path, models: JobModels) -> tuple[HubVectors, EmbeddedReport | None]:
        """Compare the personas if that is wanted, since all have their vectors."""
        model = models.first.name
        with open_hub(path, write=self.spec.threshold is not None) as hub:
            return HubVectors(model, abandoned=self.abandoned), self._compare_people(hub, model)

    def _compare_people(self, hub: HubFile, model: str) -> EmbeddedReport | None:
        threshold = self.spec.threshold
        return None if threshold is None else dedup_embedded(hub, model, threshold=threshold, exact=self.spec.exact)


def dedup_by_meaning(
    hub: Path | str,
    embeddings: str | Embeddings | EmbeddingHandle,
    /,
    *,
    threshold: float = COSINE,
    exact: bool | None = None,
    **options: Unpack[JobOptions],
) -> tuple[HubVectors, EmbeddedReport]:
    """Fetch the missing vectors of a hub, and mark personas whose vector is nearly that of an earlier one.

    This is the second stage. Run `dedup_hub` first, since the personas it marks need no vector. If called again, a
    stopped job continues, and texts that were paid for are not sent again. A text without a vector becomes a row of
    `failures`, and the next job asks for it again.

    Raises `SetupError` for an unknown model, `EndpointError` if no text gets a vector, and `PausedError` if the budget
    is spent.
    """
    check_cosine(threshold)
    options["model"] = embeddings
    fetched, report = run_job(hub, EmbeddingJob(EmbeddingSpec(threshold=threshold, exact=exact)), **options)
    if report is None:
        raise RuntimeError("a job with a threshold compares")
    return fetched, report


def fetch_text_vectors(
    path: Path | str,
    embeddings: str | Embeddings | EmbeddingHandle,
    texts: Iterable[str],
    /,
    *,
    chunk: int = CHUNK,
    **options: Unpack[JobOptions],
) -> HubVectors:
    """Fetch a vector of this model for each of these texts that has none in a run file or hub.

    The texts are stored as the items of the job (`job_items`). The job can therefore continue after a stop, and can be
    replayed, whatever happened to the rows the texts came from. Otherwise works as `dedup_by_meaning`.
    """
    options["model"] = embeddings
    wanted = [text for text in map(canonical_text, texts) if text]
    job = EmbeddingJob(EmbeddingSpec.given(chunk=chunk, texts=text_hash("".join(map(text_hash, wanted)))))
    job.texts = wanted
    return run_job(path, job, **options)[0]


def without_text_vector(path: Path | str, model: str, texts: Iterable[str]) -> list[str]:
    """Return the distinct texts, in canonical form, that have no vector of this model in the file."""
    with open_hub(path) as hub:
        known = {key for (key,) in hub.con.execute(_KNOWN, {"model": model}).fetchall()}
    wanted = {text_hash(text): text for text in map(canonical_text, texts) if text}
    return [text for key, text in wanted.items() if key not in known]


class EmbeddingPhase(Phase[str, Answer[Any] | None]):
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

    def begin(self, chunks: Chunks) -> None:
        """Continue after the personas of complete chunks.

        Personas with a vector from this job are in the next chunk.
        """
        asked = lacking = without_vector(self._hub, self._model)
        job, con = {"job": self._engine.log.job}, self._hub.con
        if con.execute("SELECT 1 FROM calls WHERE job = $job LIMIT 1", job).fetchall():
            both = {"model": self._model, "lacking": lacking.tolist(), **job}
            asked = con.execute(_ASKED, both).fetchnumpy()["row"]
        self._rows = asked[chunks.items :]
        self.missing = int(np.isin(self._rows, lacking).sum())
        # Those who have one by now will be counted again.
        self.fetched = self.missing - len(self._rows)
        self._engine.progress.began("Vectors", len(self._rows))

    def take(self, chunks: Chunks, most: int) -> Sequence[str]:
        """Return the next texts."""
        some, self._rows = self._rows[:most], self._rows[most:]
        return read_texts(self._hub, some) if len(some) else []

    async def results(self, items: Sequence[str], executor: Executor, engine: Engine) -> list[Answer[Any] | None]:
        """Return why each text got no vector, or None for a text whose vector is now in the hub."""
        context = RequestContext(self.name, self.number, _OWNER, 0, job=engine.log.job)
        embedded = await self._embedder.embed(items, context)
        for _ in items:
            engine.progress.advanced()
        return [embedded.lost.get(text) for text in items]

    def outcome(self, result: Answer[Any] | None) -> tuple[Outcome, str]:
        """Return how fetching the vector of a text ended."""
        return (Outcome.OK, "") if result is None else (result.outcome, result.reason)

    def collect(self) -> Changes:
        """Return which texts got no vector, with those that were asked about as events. Counts the vectors."""
        job, done = self._engine.log.job, [(text_hash(text), lost) for text, lost in self.take_done()]
        failures = [
            FailureRow.of(lost, self.name, 1, _OWNER, PURPOSE, agent=key, job=job)
            for key, lost in done
            if lost is not None
        ]
        self.fetched += len(done) - len(failures)
        return Changes(rows=[*failures], events=[PURPOSE, *(key for key, _ in done)], failed=len(failures))


class TextEmbeddingPhase(EmbeddingPhase):
    """The vectors of the texts that the job was begun with, all of which had none then."""

    def begin(self, chunks: Chunks) -> None:
        """Continue after the texts of complete chunks."""
        job = {"job": self._engine.log.job}
        texts = [text for (text,) in self._hub.con.execute(_ITEMS, job).fetchall()]
        self._texts = texts[chunks.items :]
        self.missing = len(self._texts)
        self._engine.progress.began("Vectors", self.missing)

    def take(self, chunks: Chunks, most: int) -> Sequence[str]:
        """Return the next texts."""
        some, self._texts = self._texts[:most], self._texts[most:]
        return some
