"""The rows of the run file: one class a table, its fields in the order of the columns.

What a column means is said once, in the comments of the run file itself (`populace schema`). Times are UTC;
JSON is text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from types import MappingProxyType

from ...agents.gateway.call import Call, RequestPart
from ...agents.memory import NoteKind
from ...personas.judgement import RuleResultRow
from .job_rows import (
    BatchRow,
    FailureRow,
    JobItemRow,
    JobRow,
    KnownAnswerRow,
    MarkerRow,
    PhaseRow,
    RunRow,
    SetAsideRow,
    VectorRow,
)
from .output_rows import (
    DemonstrationRow,
    HeldOutRow,
    PreferenceRow,
    ProblemRow,
    ResponseRow,
    SolutionRow,
    VoteRow,
)
from .society_rows import (
    AgentChangeRow,
    AgentStateRow,
    AnswerRow,
    DeliberationRow,
    DescriptionRow,
    ExposureRow,
    InterventionEffectRow,
    InterventionRow,
    InterviewRow,
    MeasureRow,
    NodeMeasureRow,
    PostRow,
    RelationChangeRow,
    SurveyRow,
    TargetPersonRow,
    TargetShareRow,
    TieRow,
    TurnTimeRow,
    WeightRow,
)


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
    """A person who was grown or read, in `personas`."""

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
    """A person whom a hop asks about, in `frontier`."""

    hop: int
    ordinal: int
    round: int
    persona: str
    known: Sequence[str]


@dataclass(frozen=True, slots=True)
class PassagePlaceRow:
    """The place of a passage in its document, in `passage_places`."""

    passage: str
    document: str
    offset: int
    length: int
    title: str | None


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class ObservationRow:
    """What an agent saw before it acted, in `observations`."""

    step: int
    agent: str
    neighbours: int
    heard: int
    text: str
    unseen: int = 0


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
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


@dataclass(slots=True)
class ArchetypeEmissionRow(EmissionRow):
    """An emission by the answer of one agent for all that are alike, in `emissions`."""

    archetype: str


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


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class MemoryRow:
    """What an agent took note of, in `memories`."""

    step: int
    agent: str
    ordinal: int
    text: str
    kind: NoteKind
    importance: int | None
    time: str = ""


@dataclass(frozen=True, slots=True)
class DrawRow:
    """What was drawn for the request of an emission, in `draws`."""

    emission: int
    choice: str
    word: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """The result of one check of an emission, in `checks`."""

    emission: int
    check: str
    outcome: str
    reason: str
    score: float | None
    version: int
    job: int = 1
    field: str = ""


@dataclass(frozen=True, slots=True)
class AgentRow:
    """A persona who lives in the society, in `agents`."""

    agent: str
    ordinal: int
    group_name: str | None = None
    weight: float = 1.0
    arrived: int = 0
    attributes: str | None = None


@dataclass(frozen=True, slots=True)
class ActionFieldRow:
    """A field of an action that can be counted or averaged, in `action_fields`."""

    kind: str
    field: str
    ordinal: int
    type: str
    choices: Sequence[str]
    description: str


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question of the scenario's own, in `questions`."""

    ordinal: int
    title: str
    sql: str


type Row = (
    JobRow
    | MarkerRow
    | PhaseRow
    | JobItemRow
    | PassageRow
    | PersonaRow
    | RelationRow
    | GrowthExtensionRow
    | SkippedSourceRow
    | FrontierRow
    | PassagePlaceRow
    | AgentRow
    | WeightRow
    | TargetPersonRow
    | TargetShareRow
    | TieRow
    | ActionFieldRow
    | QuestionRow
    | InterventionRow
    | DeliberationRow
    | InterventionEffectRow
    | TurnTimeRow
    | AgentChangeRow
    | PostRow
    | ExposureRow
    | ObservationRow
    | EmissionRow
    | ArchetypeEmissionRow
    | MessageRow
    | DuplicateRow
    | MemoryRow
    | MeasureRow
    | NodeMeasureRow
    | CheckRow
    | DrawRow
    | SolutionRow
    | ProblemRow
    | ResponseRow
    | VoteRow
    | PreferenceRow
    | HeldOutRow
    | DemonstrationRow
    | AgentStateRow
    | RelationChangeRow
    | SurveyRow
    | AnswerRow
    | DescriptionRow
    | InterviewRow
    | Call
    | RequestPart
    | FailureRow
    | KnownAnswerRow
    | BatchRow
    | VectorRow
    | SetAsideRow
    | RuleResultRow
)

_TABLES: Mapping[type[object], str] = MappingProxyType(
    {
        JobRow: "jobs",
        MarkerRow: "markers",
        PhaseRow: "phases",
        JobItemRow: "job_items",
        Call: "calls",
        RequestPart: "request_parts",
        FailureRow: "failures",
        KnownAnswerRow: "known_answers",
        BatchRow: "batches",
        VectorRow: "vectors",
        SetAsideRow: "set_aside",
        PassageRow: "passages",
        PassagePlaceRow: "passage_places",
        PersonaRow: "personas",
        RelationRow: "relations",
        DuplicateRow: "duplicates",
        RuleResultRow: "rule_results",
        FrontierRow: "frontier",
        GrowthExtensionRow: "growth_extensions",
        SkippedSourceRow: "skipped_sources",
        AgentRow: "agents",
        WeightRow: "weights",
        TargetPersonRow: "target_people",
        TargetShareRow: "target_shares",
        TieRow: "network_ties",
        ActionFieldRow: "action_fields",
        QuestionRow: "questions",
        InterventionRow: "interventions",
        DeliberationRow: "deliberations",
        InterventionEffectRow: "intervention_effects",
        TurnTimeRow: "turn_times",
        AgentChangeRow: "agent_changes",
        PostRow: "posts",
        ExposureRow: "exposures",
        ObservationRow: "observations",
        EmissionRow: "emissions",
        ArchetypeEmissionRow: "emissions",
        MessageRow: "messages",
        MemoryRow: "memories",
        MeasureRow: "measures",
        NodeMeasureRow: "node_measures",
        CheckRow: "checks",
        DrawRow: "draws",
        SolutionRow: "solutions",
        ProblemRow: "test_problems",
        ResponseRow: "responses",
        VoteRow: "votes",
        PreferenceRow: "preferences",
        HeldOutRow: "held_out",
        DemonstrationRow: "demonstrations",
        AgentStateRow: "agent_state",
        RelationChangeRow: "relation_changes",
        SurveyRow: "surveys",
        AnswerRow: "answers",
        DescriptionRow: "descriptions",
        InterviewRow: "interviews",
    }
)


def table_of(row_type: type[object]) -> str:
    """The table that rows of this class are kept in. Raises `TypeError` for any other class."""
    try:
        return _TABLES[row_type]
    except KeyError:
        raise TypeError(f"{row_type.__name__} is not a row of the run file.") from None


def by_type(rows: Iterable[Row]) -> dict[type[Row], list[Row]]:
    """The rows of each class, in their order. Raises `TypeError` for what is no row."""
    found: dict[type[Row], list[Row]] = {}
    for row_type, alike in groupby(rows, type):
        table_of(row_type)
        found.setdefault(row_type, []).extend(alike)
    return found


def column_names[R: Row | RunRow](row_type: type[R]) -> tuple[str, ...]:
    """The columns of the class's table or view, which are its fields."""
    return tuple(field.name for field in fields(row_type))
