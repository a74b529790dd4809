"""The rows of the run file: one class a table, its fields in the order of the columns.

What a column means is said once, in the comments of the run file itself (`populace schema`). Times are UTC;
JSON is text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ...agents.embedding.vectors import Vector
from ...agents.gateway.call import Call
from ...personas.judgement import RulingRow
from .declared_rows import ActionFieldRow, AgentRow, QuestionRow

__all__ = [
    "ActionFieldRow",
    "AgentRow",
    "BatchRow",
    "Call",
    "DuplicateRow",
    "EmissionRow",
    "FailureRow",
    "FrontierRow",
    "GrowthChunkRow",
    "GrowthExtensionRow",
    "GrowthRow",
    "InterventionRow",
    "KnownAnswerRow",
    "MeasureRow",
    "MemoryRow",
    "MessageRow",
    "ObservationRow",
    "PassagePlaceRow",
    "PassageRow",
    "PersonaRow",
    "QuestionRow",
    "RelationRow",
    "Row",
    "RulingRow",
    "RunRow",
    "SkippedSourceRow",
    "StepRow",
    "VectorRow",
]


@dataclass(frozen=True, slots=True)
class RunRow:
    """The run itself, in `runs`."""

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


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A seed text, in `passages`."""

    passage: str
    ordinal: int
    text: str
    language: str
    source: str | None
    licence: str | None


@dataclass(frozen=True, slots=True)
class PersonaRow:
    """Somebody who was grown or read, in `personas`."""

    id: str
    ordinal: int
    text: str
    origin: str
    hop: int
    parent: str | None
    language: str
    source: str | None
    licence: str | None
    model: str | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class RelationRow:
    """A directed tie, in `relations`."""

    ordinal: int
    source: str
    target: str
    kind: str
    label: str
    hop: int


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """The marker of a complete hop, in `growth`."""

    hop: int
    asked: int
    failed: int
    born: int
    duplicates: int
    relations: int
    started_at: datetime
    ended_at: datetime
    event_hash: str


@dataclass(frozen=True, slots=True)
class GrowthChunkRow:
    """The marker of a complete chunk of a hop, in `growth_chunks`."""

    hop: int
    chunk: int
    asked: int
    failed: int
    born: int
    duplicates: int
    repeats: int
    dropped: int
    relations: int
    latest: str
    position: str | None
    started_at: datetime
    ended_at: datetime
    event_hash: str
    turned_away: int = 0
    unwanted: int = 0
    extension: int = 0


@dataclass(frozen=True, slots=True)
class GrowthExtensionRow:
    """What finished growth was asked for in addition, in `growth_extensions`."""

    extension: int
    was: str
    became: str
    rounds: Sequence[int]
    event_hash: str | None
    extended_at: datetime


@dataclass(frozen=True, slots=True)
class SkippedSourceRow:
    """What was passed over in the sources, in `skipped_sources`."""

    chunk: int
    kind: str
    number: int
    examples: Sequence[str]


@dataclass(frozen=True, slots=True)
class FrontierRow:
    """Somebody whom a hop asks about, in `frontier`."""

    hop: int
    ordinal: int
    round: int
    persona: str
    known: Sequence[str]


@dataclass(frozen=True, slots=True)
class PassagePlaceRow:
    """Where a passage stands in its document, in `passage_places`."""

    passage: str
    document: str
    offset: int
    length: int
    title: str | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """The marker of a complete step, in `steps`."""

    step: int
    active: int
    acted: int
    failed: int
    world_state: str
    started_at: datetime
    ended_at: datetime
    event_hash: str


@dataclass(frozen=True, slots=True)
class InterventionRow:
    """What the scenario did to the world, in `interventions`."""

    step: int
    name: str
    news: str


@dataclass(frozen=True, slots=True)
class ObservationRow:
    """What an agent saw before it acted, in `observations`."""

    step: int
    agent: str
    neighbours: int
    heard: int
    text: str


@dataclass(frozen=True, slots=True)
class EmissionRow:
    """Something an agent made, in `emissions`."""

    emission: int
    step: int
    agent: str
    kind: str
    text: str
    payload: str
    revised: bool
    model: str
    prompt: str


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A spoken line, in `messages`."""

    message: int
    step: int
    sender: str
    recipient: str
    text: str
    emission: int | None
    reply_to: int | None


@dataclass(frozen=True, slots=True)
class DuplicateRow:
    """A verdict of near-duplicate detection, in `duplicates`."""

    kind: str
    step: int | None
    persona: str
    of: str
    emission: int | None
    of_emission: int | None
    stage: str
    similarity: float
    undone: bool


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """What an agent took note of, in `memories`."""

    step: int
    agent: str
    ordinal: int
    text: str


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """A number taken of the society after a step, in `measures`."""

    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class FailureRow:
    """An agent-turn or growth request that was lost, in `failures`."""

    phase: str
    number: int
    step: int | None
    agent: str | None
    owner: str
    purpose: str
    outcome: str
    reason: str
    attempts: int


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


@dataclass(frozen=True, slots=True)
class VectorRow:
    """What an embedding model made of a text, in `vectors`."""

    text_hash: str
    model: str
    vector: Vector
    request_hash: str


type Row = (
    RunRow
    | PassageRow
    | PersonaRow
    | RelationRow
    | GrowthRow
    | GrowthChunkRow
    | GrowthExtensionRow
    | SkippedSourceRow
    | FrontierRow
    | PassagePlaceRow
    | AgentRow
    | ActionFieldRow
    | QuestionRow
    | StepRow
    | InterventionRow
    | ObservationRow
    | EmissionRow
    | MessageRow
    | DuplicateRow
    | MemoryRow
    | MeasureRow
    | Call
    | FailureRow
    | KnownAnswerRow
    | BatchRow
    | VectorRow
    | RulingRow
)
