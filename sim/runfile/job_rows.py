"""The rows of jobs: what was asked for, how far it has come, what was lost, and what jobs on outputs found."""

# ruff: noqa: E501 - what a table and a column mean is one string

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from typing import Annotated, Any
from uuid import uuid4

import orjson
from pydantic import ValidationError

from ...agents.gateway.call import Call, RequestPart
from ...core.errors import RunFileError
from ...core.model import FrozenModel
from ...core.table import column_names, table

#: The rows that step $at had already: of tables of steps, and of what jobs have asked. Steps, and surveys after them,
#: differ from hops in what the numbers of their phase count.
BY_STEP = "step <= $at"
OF_STEPS = "phase IN (SELECT phase FROM phases WHERE job = 1 AND unit IN ('step', 'after step'))"
BEFORE = f"job = 1 AND (NOT {OF_STEPS} OR number <= $at)"
#: The rows of job $job and later ones.
LATER = "job >= $job"
#: DuckDB's own choice for ids, a dictionary, takes ten times the CPU: a twentieth of all that a rule's turn takes.
ZSTD = "VARCHAR USING COMPRESSION zstd"


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


def title_phase(phase: str, unit: Unit, number: int) -> str:
    """Return the words for a hop, step or stage: `hop 0`, `step 3`, `survey council after step 3`.

    For a phase of one stage, return the name of the phase.
    """
    if unit is Unit.STAGE:
        return phase
    return f"{phase} {unit} {number}" if unit is Unit.AFTER_STEP else f"{unit} {number}"


# fmt: off
@table("migrations", key="version", fork=None)
@dataclass(frozen=True, slots=True)
class MigrationRow:
    """The version of the schema that the file was made with."""

    version: Annotated[int, "Version"]
    name: Annotated[str, "What the version brought"]
    applied_at: Annotated[datetime, "UTC"]


class RunSpec(FrozenModel):
    """What a run is to do: the spec of its job, with what columns of `jobs` do not hold."""

    scenario: str
    scenario_file: str | None = None
    settings: dict[str, Any]
    growth: dict[str, Any]
    world: str
    #: Steps in total; 0 for growth alone.
    steps: int
    #: The network that the society begins with.
    network: str = "grown"
    mind: str | None = None
    archetypes: str | None = None
    #: The agent whose turns the role `human` takes.
    play: str | None = None
    #: The models of roles that have their own, by role.
    roles: Mapping[str, Any] = {}
    embedding_prices: dict[str, Any] | None = None
    #: The run that this one was forked from, and the step.
    forked_from: str | None = None
    forked_at: int | None = None
    #: Which personas were sampled from a hub.
    drawn: dict[str, Any] | None = None
    #: Whether the sources of texts have been read to their end.
    texts: Any = None

    def as_json(self) -> str:
        """Return the spec as `jobs` holds it."""
        return self.model_dump_json(exclude_defaults=True)


@table("jobs", key="job", fork=None, undo="job > $job")
@dataclass(frozen=True, slots=True)
class JobRow:
    """The jobs of this file, in the order in which they began: growth, a society, enrichment, embedding."""

    job: Annotated[int, "Number in this file, from 1"]
    id: Annotated[str, "Random id of the job"]
    kind: Annotated[str, "growth (people alone), society (people and steps), enrichment, embedding, solving, evaluation, responding, grading, comparing, or checking (verdicts on finished outputs that no model gave)"]
    spec: Annotated[str, "All that is asked for, as JSON; what it holds depends on the kind", "JSON"]
    seed: Annotated[int, "Seed from which every random choice of the job is drawn", "BIGINT"]
    model: Annotated[str, "The model by name; of an embedding job the embedding model"]
    is_language_model: Annotated[bool, "False for the built-in generator, which is not a language model"]
    base_url: Annotated[str | None, "Endpoints of the model, without keys, separated by spaces; null for a model in the process"]
    embedding_model: Annotated[str | None, "Model that gives vectors, by name; null when there is none, and then only words are compared"]
    embedding_url: Annotated[str | None, "Endpoint of that model, without key"]
    limits: Annotated[str, "Calls in flight, requests and tokens a minute, budget, error rate, timeout, retries and sampling, as JSON", "JSON"]
    prices: Annotated[str | None, "US dollars for a million tokens and where the prices are from, as JSON; null when they are not known", "JSON"]
    cache: Annotated[str | None, "File from which answers are shared with other jobs; null for none"]
    batch: Annotated[bool, "True when work that nothing waits for goes through batches"]
    versions: Annotated[str, "Versions of Populace, Python and the libraries, as JSON", "JSON"]
    status: Annotated[str, "running, finished, failed, paused (a budget that is spent, too many failing calls) or abandoned (another was begun instead); a job marked as running without a process was killed; all but finished and abandoned ones can be resumed"]
    reason: Annotated[str | None, "Why the job failed or was paused, in one sentence"]
    event_hash: Annotated[str | None, "Hash over every event of the job so far: equal for equal spec, seed and answers"]
    started_at: Annotated[datetime, "UTC"]
    ended_at: Annotated[datetime | None, "UTC; null while running"]

    @classmethod
    def new(cls, kind: str, spec: str, **known: Any) -> "JobRow":
        """Make the row of a job that begins now. What is not known of it is as for one that asks no model."""
        columns: dict[str, Any] = dict.fromkeys(column_names(cls))
        columns |= {"job": 0, "id": uuid4().hex, "kind": kind, "spec": spec, "seed": 0, "status": "running"}
        # Of a job that writes nothing there is nothing to be told from what a language model writes.
        columns |= {"model": "none", "is_language_model": True, "limits": "{}", "batch": False}
        columns |= {"versions": orjson.dumps(versions()).decode(), "started_at": now()}
        return cls(**columns | known)

    @property
    def is_ended(self) -> bool:
        """Whether it needs no resuming: it is done, or another was begun instead."""
        return self.status in ("finished", "abandoned")

    @property
    def run_spec(self) -> RunSpec:
        """What the run is to do, if the job is one. Raises `RunFileError` for a spec that is not one of a run."""
        try:
            return RunSpec.model_validate_json(self.spec)
        except ValidationError as error:
            raise RunFileError(f"What job {self.job} was asked to do cannot be read: {self.spec!r:.80}.") from error


@table("set_aside", fork=None)
@dataclass(frozen=True, slots=True)
class SetAsideRow:
    """Rows and journal records that did not fit their table; the rest was written."""

    set_aside_at: Annotated[datetime, "UTC"]
    destination: Annotated[str, "The table that it was meant for"]
    content: Annotated[str, "The row as JSON, or the record as it was read"]
    reason: Annotated[str, "Why it did not fit"]

    @classmethod
    def of(cls, destination: str, content: object, error: Exception) -> "SetAsideRow":
        """Make the row of what did not fit, stored as JSON."""
        kept = asdict(content) if is_dataclass(content) and not isinstance(content, type) else content
        # The standard library writes numbers of any length, and half a surrogate pair as an escape.
        written = kept if isinstance(kept, str) else json.dumps(kept, default=str)
        why = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()[:500]
        return cls(datetime.now(UTC).replace(tzinfo=None), destination, written, why)


@table("phases", key="job phase", fork="job = 1", undo=LATER)
@dataclass(frozen=True, slots=True)
class PhaseRow:
    """The parts of jobs, each from the moment it begins, with what their numbers count."""

    job: Annotated[int, "Job, as in jobs"]
    phase: Annotated[str, "Name, as in markers, calls and failures: growth, step, a survey with its name, or a stage of an enrichment or embedding"]
    ordinal: Annotated[int, "Place in the job, from 1"]
    unit: Annotated[str, "What numbers of this phase count: hop, step, after step (of a survey), or stage, of which there is one"]


@table(
    "markers", key="job phase number chunk", first="job phase number chunk items failed position", fork=BEFORE, undo=LATER
)
@dataclass(frozen=True, slots=True)
class MarkerRow:
    """How far jobs have come: a chunk with a row is complete, and a job that was stopped continues after the last one. The views growth, growth_chunks and steps are made of them."""

    phase: Annotated[str, "Part of the job, as in phases"]
    number: Annotated[int, "Hop of growth or step of the society; 1 where a phase has no such numbers"]
    chunk: Annotated[int, "Chunk within that number, from 1; 0 says that the number is complete, with all of its chunks"]
    items: Annotated[int, "Items that were worked on: passages, personas, agents or texts"]
    failed: Annotated[int, "Of those, how many gave no usable answer (see failures)"]
    state: Annotated[str | None, "What a resumed job continues with, as JSON; of a step the state of the world after it", "JSON"]
    counts: Annotated[str, "What came of the items, as JSON: names and numbers", "JSON"]
    started_at: Annotated[datetime, "UTC"]
    ended_at: Annotated[datetime, "UTC"]
    event_hash: Annotated[str, "Hash over all events of the job up to here"]
    position: Annotated[str | None, "Where reading the sources has come to; null where they are not read as a stream"] = None
    job: Annotated[int, "Job, as in jobs"] = 1

    def count(self, name: str) -> int:
        """Return one of the counts, or 0 if there is none of this name."""
        return int(orjson.loads(self.counts).get(name, 0))


@table("job_items", fork=None)
@dataclass(frozen=True, slots=True)
class JobItemRow:
    """What a job works on, where that is chosen when it begins."""

    job: Annotated[int, "Job, as in jobs"]
    ordinal: Annotated[int, "Place in the job, from 1"]
    item: Annotated[str, "Persona; of an embedding of texts the text; of a job on outputs the emission"]


@table("failures", first="job", fork=BEFORE, undo=LATER)
@dataclass(frozen=True, slots=True)
class FailureRow:
    """Items of jobs that were lost (agent-turns, growth requests, profiles, embeddings), each with its reason."""

    phase: Annotated[str, "Part of the job, as in phases"]
    number: Annotated[int, "Hop of growth, step of the society, or 1, as in markers"]
    step: Annotated[int | None, "Step of the lost turn; null elsewhere"]
    agent: Annotated[str | None, "Agent whose turn was lost; null elsewhere"]
    owner: Annotated[str, "Passage or persona on whose behalf the request was made"]
    purpose: Annotated[str, "Name of the prompt"]
    outcome: Annotated[str, "Outcome of the last attempt, as in calls"]
    reason: Annotated[str, "Why, in one sentence"]
    attempts: Annotated[int, "Attempts made"]
    job: Annotated[int, "Job, as in jobs"] = 1

    @classmethod
    def of(
        cls, end: Any, phase: str, number: int, owner: str, purpose: str, *, agent: str | None = None, job: int = 1
    ) -> "FailureRow":
        """Make the row of a request that ended with the outcome, reason and attempts of `end`.

        An agent's in the phase of steps is one of its turn.
        """
        step = number if phase == "step" and agent is not None else None
        return cls(phase, number, step, agent, owner, purpose, end.outcome, end.reason, end.attempts, job)


@table("known_answers", first="job", fork=None)
@dataclass(frozen=True, slots=True)
class KnownAnswerRow:
    """Answers of the run that this one was forked from, after the step of the fork: a request that is the same takes its answer from here."""

    phase: Annotated[str, "Part of the job, as in phases"]
    number: Annotated[int, "Hop of growth, or step of the society, as in markers"]
    owner: Annotated[str, "Passage or persona on whose behalf it was asked"]
    request_hash: Annotated[str, "128-bit hash of the whole request"]
    replicate: Annotated[int, "Which of several answers to the same request it is, from 0"]
    raw: Annotated[str, "The answer exactly as it came"]
    finish_reason: Annotated[str | None, "Why the model stopped, in the endpoint's words"]
    input_tokens: Annotated[int | None, "Tokens of the request, as counted then", "BIGINT"]
    output_tokens: Annotated[int | None, "Tokens of the answer, as counted then", "BIGINT"]
    reasoning_tokens: Annotated[int | None, "Of the output tokens, those spent on reasoning", "BIGINT"]
    cached_tokens: Annotated[int | None, "Of the input tokens, those the endpoint had cached", "BIGINT"]
    job: Annotated[int, "Job, as in jobs"] = 1
    reasoning: Annotated[str | None, "What a reasoning model thought before it answered; null where it gave none"] = None


@table("batches", key="nonce", first="nonce job", fork=None)
@dataclass(frozen=True, slots=True)
class BatchRow:
    """Batches of requests handed to an endpoint's batch interface."""

    nonce: Annotated[str, "Random name that the batch carries in its metadata, by which one that was created and not yet noted is found again"]
    batch: Annotated[str | None, "Id that the endpoint gave it; null until it is known"]
    endpoint: Annotated[str, "Endpoint, without key"]
    input_file: Annotated[str | None, "Id that the endpoint gave the file of requests"]
    requests: Annotated[str, "Names (custom_id) of its requests, as a JSON list", "JSON"]
    status: Annotated[str, "intended, open, or how it ended: completed, failed, expired or cancelled"]
    created_at: Annotated[datetime, "UTC"]
    ended_at: Annotated[datetime | None, "UTC; null while it is open"]
    job: Annotated[int, "Job, as in jobs"] = 1


table("calls", first="job", fork=BEFORE, undo=LATER)(Call)
table("request_parts", fork=f"part IN (SELECT unnest(parts) FROM calls WHERE {BEFORE})")(RequestPart)  # noqa: S608 - our own words


# fmt: on
def now() -> datetime:
    """Return the current time in UTC without a time zone. All timestamps of a run file are in UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


_DISTRIBUTIONS = ("populace", "langgraph", "langchain-openai", "networkx", "mesa", "datasketch", "duckdb")

#: It reads and parses a file each time, and a run asks for its versions several times.
_version = cache(version)


def versions() -> dict[str, str]:
    """Return the versions of Populace, Python and the libraries that shape a run, by name."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _DISTRIBUTIONS}
