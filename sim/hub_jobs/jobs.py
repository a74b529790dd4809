"""Jobs on the people of a hub: begun in the hub's own file, found there again, and resumed from their spec."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import orjson

from ...agents.embedding.models import EmbeddingHandle
from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Budget, Prices
from ...agents.gateway.cache import AnswerCache
from ...agents.gateway.gateway import Gateway
from ...agents.gateway.limits import Limits
from ...personas.errors import SetupError
from ...personas.hub.file import describe_hub, open_hub
from ...personas.hub.info import HubInfo, describe
from ..engine import Engine, EventHash, Progress, SilentProgress
from ..runfile.database import cursors_of
from ..runfile.job_rows import JobRow, RunRow, now, versions
from ..runfile.live import Sidecar
from ..runfile.reader import open_hub_or_run
from ..runfile.runlog import RunLog
from ..trust import RESUMED, TrustedKind, check_trusted, remember

#: How a job ended that needs no resuming: it is done, or another was begun instead.
_ENDED = ("finished", "abandoned")
#: What may be changed when a job is resumed.
_CHANGEABLE = ("base_url", "embedding_url", "limits", "prices", "cache")

#: Where the spec of a job holds the prices of an embedding model beside the model.
EMBEDDING_PRICES = "embedding_prices"

_HAS_JOBS = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'jobs'"
_JOBS = "SELECT job, kind, status, model, reason FROM jobs ORDER BY job"
_UNFINISHED = "SELECT * FROM jobs WHERE kind = $kind AND status NOT IN ('finished', 'abandoned') ORDER BY job"
_FINISHED = "SELECT * FROM jobs WHERE kind = $kind AND status = 'finished' ORDER BY job DESC"
_PAID = "SELECT count(raw) FROM calls WHERE job = $job"


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of a file, and how it stands."""

    job: int
    #: As in `jobs.kind`.
    kind: str
    status: str
    model: str
    reason: str | None

    @property
    def is_ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in _ENDED


def jobs_in(path: Path) -> list[JobState]:
    """Return the jobs of a run file or hub, in the order in which they began. Empty for a hub without jobs.

    Raises what `open_hub_or_run` raises.
    """
    with open_hub_or_run(path) as run:
        return [JobState(*row) for row in run.query(_JOBS).rows] if run.query(_HAS_JOBS).rows else []


def hub_in_numbers(path: Path) -> HubInfo:
    """Return the figures of a hub. While a job is running in it, they cover what is committed.

    Raises `SourceError` if the file is not a hub, and `RunFileError` if a process holds it that answers no SQL.
    """
    # A job that was killed leaves its note behind: then the reader gets no answer, and opens the file.
    if path.name and (cursors_of(path) or Sidecar.read(path) is not None):
        with open_hub_or_run(path) as run:
            return describe(path, lambda statement: run.query(statement).rows)
    with open_hub(path) as hub:
        return describe_hub(hub)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubJob:
    """What a job on a hub is made with: its kind and spec, and who is asked within what limits."""

    path: Path
    kind: str
    spec: Mapping[str, Any]
    seed: int = 0
    #: The model that is asked for words, or the one that is asked for vectors.
    model: ModelHandle | EmbeddingHandle
    limits: Limits
    prices: Prices | None
    cache: Path | None
    batch: bool = False
    #: The embedding model by which agents recall, beside a model that is asked for words, and its prices.
    embeddings: EmbeddingHandle | None = None
    embeddings_prices: Prices | None = None
    #: Models beside that one, by the role that they are asked in, with their prices.
    roles: Mapping[str, tuple[ModelHandle, Prices | None]] = field(default_factory=dict)

    @property
    def other_models(self) -> tuple[ModelHandle, ...]:
        """The models of roles."""
        return tuple(handle for handle, _ in self.roles.values())

    @property
    def row(self) -> JobRow:
        """The job as a row, not numbered yet."""
        model, embedder = self.model, self._embedder
        own = {} if self.embeddings is None else {EMBEDDING_PRICES: self.embeddings_prices}
        return JobRow(
            job=0,
            id=uuid4().hex,
            kind=self.kind,
            spec=orjson.dumps({**self.spec, **own}).decode(),
            seed=self.seed,
            model=model.name,
            # Who gives vectors writes nothing, so there is nothing to be told from a language model's.
            is_language_model=True if isinstance(model, EmbeddingHandle) else model.is_language_model,
            base_url=None if isinstance(model, EmbeddingHandle) else model.endpoints,
            embedding_model=embedder.name if embedder else None,
            embedding_url=embedder.endpoint if embedder else None,
            limits=self.limits.model_dump_json(),
            prices=orjson.dumps(self.prices).decode() if self.prices else None,
            cache=str(self.cache) if self.cache else None,
            batch=self.batch,
            versions=orjson.dumps(versions()).decode(),
            status="running",
            reason=None,
            event_hash=None,
            started_at=now(),
            ended_at=None,
        )

    @property
    def _embedder(self) -> EmbeddingHandle | None:
        return self.model if isinstance(self.model, EmbeddingHandle) else self.embeddings

    def unfinished(self) -> list[tuple[JobRow, int]]:
        """Return the unfinished jobs of this kind in the hub, in order, each with the number of its paid answers.

        Raises `SourceError` if the file is not a hub, or is in use.
        """
        # The hub is checked first; the reader shares its database.
        with open_hub(self.path), open_hub_or_run(self.path) as run:
            if not run.query(_HAS_JOBS).rows:
                return []
            found = run.query(_UNFINISHED, {"kind": self.kind})
            jobs = [JobRow(**dict(zip(found.columns, row, strict=True))) for row in found.rows]
            return [(job, int(run.query(_PAID, {"job": job.job}).rows[0][0])) for job in jobs]

    def continued(
        self, unfinished: Sequence[tuple[JobRow, int]], *, anew: bool = False, is_kept: bool = False
    ) -> tuple[int | None, tuple[int, ...]]:
        """Return the number of this job if it is among the unfinished ones, and the abandoned jobs with paid answers.

        The first value is None if this job is to begin. Other unfinished jobs of the kind are abandoned, and with
        `anew` the unfinished ones of this job too. Raises `SetupError` if a job to abandon has paid answers, unless all
        it paid for remains of use (`is_kept`) or `anew` is set.
        """
        others = [(job, paid) for job, paid in unfinished if anew or not self._is(job)]
        for job, paid in others:
            if paid and not (anew or is_kept):
                raise SetupError(_other(self.path, job))
        for job, _ in others:
            with RunLog.open(self.path, job.job) as log:
                log.finish("abandoned", "Another job was begun instead.", job.event_hash)
        mine = [job.job for job, paid in unfinished if (job, paid) not in others]
        return mine[-1] if mine else None, tuple(job.job for job, paid in others if paid)

    def finished(self) -> int | None:
        """Return the number of the latest finished job identical to this one, or None if there is none."""
        with open_hub_or_run(self.path) as run:
            if not run.query(_HAS_JOBS).rows:
                return None
            found = run.query(_FINISHED, {"kind": self.kind})
            jobs = (JobRow(**dict(zip(found.columns, row, strict=True))) for row in found.rows)
            return next((job.job for job in jobs if self._is(job)), None)

    def begin(self, fill: Callable[[duckdb.DuckDBPyConnection, int], None] | None = None) -> RunLog:
        """Begin this job in the hub.

        `fill` receives the connection and the number, and writes what the job begins with.
        """
        return RunLog.begin(self.path, self.row, fill)

    def reopen(self, job: int) -> RunLog:
        """Reopen this unfinished job in the hub with the current limits, prices, cache and addresses."""
        log = RunLog.open(self.path, job)
        log.commit(statements=log.change(**{name: getattr(self.row, name) for name in _CHANGEABLE})).result()
        return log

    def _is(self, other: JobRow) -> bool:
        spec, row = orjson.loads(other.spec), self.row
        spec.pop(EMBEDDING_PRICES, None)  # which can change, as other prices do
        mine = (dict(self.spec), row.model, row.seed, row.embedding_model)
        return (spec, other.model, other.seed, other.embedding_model) == mine

    @contextmanager
    def running(
        self,
        log: RunLog,
        progress: Progress | None,
        *,
        batched: Sequence[str] = (),
        answer_tokens: int = 1,
        gateway: Gateway | None = None,
        shared_budget: Budget | None = None,
    ) -> Iterator[Engine]:
        """Yield the open engine, and write into the hub how the work in it ends.

        `gateway` answers instead of the model. It is that of a replay, which needs no trust. `shared_budget` is the
        budget of several jobs, and applies in addition to the limits of each.
        """
        answers = None
        try:
            if gateway is None:
                remember(_as_run(log.job_row))
            answers = AnswerCache.shared(self.cache) if self.cache else None
            embeds = isinstance(self.model, EmbeddingHandle)
            engine = Engine(
                log,
                # No chat model is asked where vectors are wanted: the stand-in takes its place.
                open_model("procedural") if isinstance(self.model, EmbeddingHandle) else self.model,
                limits=self.limits,
                prices=self.prices,
                cache=answers,
                batched=frozenset(batched if self.batch else ()),
                embeddings=self._embedder,
                embeddings_prices=self.prices if embeds else self.embeddings_prices,
                answer_tokens=answer_tokens,
                events=EventHash(log.last_event_hash()),
                progress=progress or SilentProgress(),
                gateway=gateway,
                roles=self.roles,
                shared_budget=shared_budget,
            )
        except BaseException:
            if answers is not None:
                answers.close()
            log.close()
            raise
        with engine:
            try:
                yield engine
            except BaseException as error:
                engine.finish(error)
                raise
            engine.finish(None)


def stored_job(path: Path, job: int) -> JobRow:
    """Return a job as stored in a file."""
    with open_hub_or_run(path) as run:
        found = run.query("SELECT * FROM jobs WHERE job = $job", {"job": job})
    return JobRow(**dict(zip(found.columns, found.rows[0], strict=True)))


def check_job_trusted(path: Path, row: JobRow, **given: object) -> None:
    """Raise `SetupError` if a job uses an address or a file that was not named on this machine, now or before.

    `given` is what the caller gives now, by its kind: address, embeddings, model or cache.
    """
    named: list[TrustedKind] = [kind for kind in RESUMED if given.get(kind) not in (None, ())]
    check_trusted(path, _as_run(row), named)


def _as_run(row: JobRow) -> RunRow:
    """Return a job on a hub as a row for the rules of trust: what it names besides the hub."""
    return RunRow(
        run=row.id,
        scenario=row.kind,
        scenario_file=None,
        settings="{}",
        growth_settings="{}",
        world="",
        seed=row.seed,
        model=row.model,
        is_language_model=row.is_language_model,
        base_url=row.base_url,
        max_in_flight=1,
        steps_wanted=0,
        versions=row.versions,
        status=row.status,
        reason=row.reason,
        event_hash=row.event_hash,
        started_at=row.started_at,
        ended_at=row.ended_at,
        cache=row.cache,
        embedding_model=row.embedding_model,
        embedding_url=row.embedding_url,
        roles=orjson.dumps(orjson.loads(row.spec).get("roles") or {}).decode(),
    )


def resumed(row: JobRow, **given: Any) -> dict[str, Any]:
    """Return the limits, prices and cache with which a job continues.

    They are its own, except for those that are given now. False means no cache.
    """
    own = Limits.model_validate_json(row.limits)
    cache = given.get("cache")
    return {
        "limits": own.changed(**(given.get("limits") or {})),
        "prices": given.get("prices") or (Prices(**orjson.loads(row.prices)) if row.prices else None),
        "cache": (Path(row.cache) if row.cache and cache is None else None) or cache or None,
        "batch": row.batch,
        "seed": row.seed,
    }


def _other(path: Path, job: JobRow) -> str:
    wished = {name: value for name, value in orjson.loads(job.spec).items() if value not in (None, False)}
    written = _short(orjson.dumps(wished).decode())
    return (
        f"{str(path)!r} holds another {job.kind} that is not finished (model {job.model}, seed {job.seed}, "
        f"{written}), with paid answers; go on with that first, `populace resume {path}`, or "
        f"begin this one instead with --anew."
    )


def _short(text: str) -> str:
    return text if len(text) <= 400 else f"{text[:400]} ..."
