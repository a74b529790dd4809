"""The rows of jobs: what was asked for, how far it has come, what was lost, and what jobs on outputs found."""

import json
import platform
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.metadata import version

import orjson

from ...agents.embedding.vectors import Vector


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job, in `jobs`."""

    job: int
    id: str
    kind: str
    #: As JSON, like limits, prices and versions.
    spec: str
    seed: int
    model: str
    is_language_model: bool
    base_url: str | None
    embedding_model: str | None
    embedding_url: str | None
    limits: str
    prices: str | None
    cache: str | None
    batch: bool
    versions: str
    status: str
    reason: str | None
    event_hash: str | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SetAsideRow:
    """A row or a record of the journal that fitted no table, in `set_aside`."""

    set_aside_at: datetime
    destination: str
    content: str
    reason: str

    @classmethod
    def of(cls, destination: str, content: object, error: Exception) -> "SetAsideRow":
        """The row of what did not fit, kept as JSON."""
        kept = asdict(content) if is_dataclass(content) and not isinstance(content, type) else content
        # The standard library writes numbers of any length, and half a surrogate pair as an escape.
        written = kept if isinstance(kept, str) else json.dumps(kept, default=str)
        why = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()[:500]
        return cls(datetime.now(UTC).replace(tzinfo=None), destination, written, why)


#: The kinds of the jobs that grow people and take steps: what a run is. Other jobs work on the people of a hub.
RUN_KINDS = ("growth", "society")
#: The kind of jobs that ask no model: verdicts on finished outputs, which are there as soon as the job is.
CHECKING = "checking"


class Unit(StrEnum):
    """What the numbers of a phase count: hops of growth, steps of a society, or nothing, as it has one stage.

    A survey is numbered by the step after which it was asked.
    """

    HOP = "hop"
    STEP = "step"
    AFTER_STEP = "after step"
    STAGE = "stage"


def titled(phase: str, unit: Unit, number: int) -> str:
    """A hop, step or stage in words: `hop 0`, `step 3`, `survey council after step 3`; of one stage the phase."""
    if unit is Unit.STAGE:
        return phase
    return f"{phase} {unit} {number}" if unit is Unit.AFTER_STEP else f"{unit} {number}"


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """A part of a job, in `phases`."""

    job: int
    phase: str
    #: Place in the job, from 1.
    ordinal: int
    unit: str


@dataclass(frozen=True, slots=True)
class MarkerRow:
    """A complete chunk of a job, or with chunk 0 a complete hop, step or stage, in `markers`."""

    phase: str
    number: int
    chunk: int
    items: int
    failed: int
    #: As JSON, like `counts`.
    state: str | None
    counts: str
    started_at: datetime
    ended_at: datetime
    event_hash: str
    position: str | None = None
    job: int = 1

    def count(self, name: str) -> int:
        """One of the counts; 0 where it has none of this name."""
        return int(orjson.loads(self.counts).get(name, 0))


@dataclass(frozen=True, slots=True)
class JobItemRow:
    """Something that a job works on, in `job_items`."""

    job: int
    ordinal: int
    item: str


@dataclass(frozen=True, slots=True)
class FailureRow:
    """An item of a job that was lost, in `failures`."""

    phase: str
    number: int
    step: int | None
    agent: str | None
    owner: str
    purpose: str
    outcome: str
    reason: str
    attempts: int
    job: int = 1


@dataclass(frozen=True, slots=True)
class KnownAnswerRow:
    """An answer of the run that this one was forked from, in `known_answers`."""

    phase: str
    number: int
    owner: str
    request_hash: str
    replicate: int
    raw: str
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    job: int = 1
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """Requests that were handed to an endpoint together, in `batches`."""

    nonce: str
    batch: str | None
    endpoint: str
    input_file: str | None
    requests: str
    status: str
    created_at: datetime
    ended_at: datetime | None
    job: int = 1


@dataclass(frozen=True, slots=True)
class VectorRow:
    """What an embedding model made of a text, in `vectors`."""

    text_hash: str
    model: str
    vector: Vector
    request_hash: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """The run of a file, as the view `runs` shows it: the job that grows people and takes the steps."""

    run: str
    scenario: str
    scenario_file: str | None
    settings: str
    growth_settings: str
    world: str
    seed: int
    model: str
    is_language_model: bool
    base_url: str | None
    max_in_flight: int
    steps_wanted: int
    versions: str
    status: str
    reason: str | None
    event_hash: str | None
    started_at: datetime
    ended_at: datetime | None
    limits: str | None = None
    prices: str | None = None
    cache: str | None = None
    batch: bool = False
    embedding_model: str | None = None
    embedding_url: str | None = None
    forked_from: str | None = None
    forked_at: int | None = None
    drawn: str | None = None
    roles: str | None = None
    mind: str | None = None
    archetypes: str | None = None
    network: str = "grown"


def job_of(run: RunRow, *, kind: str = "society") -> JobRow:
    """The job that is shown as this run: growth alone, or a society."""
    spec = {
        "scenario": run.scenario,
        "scenario_file": run.scenario_file,
        "settings": orjson.Fragment(run.settings),
        "growth": orjson.Fragment(run.growth_settings),
        "world": run.world,
        "steps": run.steps_wanted,
        "forked_from": run.forked_from,
        "forked_at": run.forked_at,
        "drawn": orjson.Fragment(run.drawn) if run.drawn else None,
    }
    if run.mind:
        spec["mind"] = run.mind
    if run.archetypes:
        spec["archetypes"] = run.archetypes
    if run.network != "grown":
        spec["network"] = run.network
    if run.roles:
        spec["roles"] = orjson.Fragment(run.roles)
    return JobRow(
        job=1,
        id=run.run,
        kind=kind,
        spec=orjson.dumps(spec).decode(),
        seed=run.seed,
        model=run.model,
        is_language_model=run.is_language_model,
        base_url=run.base_url,
        embedding_model=run.embedding_model,
        embedding_url=run.embedding_url,
        limits=run.limits or orjson.dumps({"max_in_flight": run.max_in_flight}).decode(),
        prices=run.prices,
        cache=run.cache,
        batch=run.batch,
        versions=run.versions,
        status=run.status,
        reason=run.reason,
        event_hash=run.event_hash,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


def now() -> datetime:
    """The present moment in UTC, without a time zone: the run file's timestamps are all UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


_DISTRIBUTIONS = ("populace", "langgraph", "langchain-openai", "networkx", "mesa", "datasketch", "duckdb")

#: It reads and parses a file each time, and a run asks for its versions several times.
_version = cache(version)


def versions() -> dict[str, str]:
    """Versions by name of Populace, Python and the libraries that shape a run."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _DISTRIBUTIONS}
