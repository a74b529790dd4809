"""Rows of a society: what its people count for, what is done to it, how it changes, and what is measured of it.

One class a table, its fields in the order of the columns, as in `rows`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliberationRow:
    """What an agent thought or found out before it acted, in `deliberations`."""

    step: int
    agent: str
    ordinal: int
    kind: str
    text: str
    tool: str | None
    arguments: str | None
    is_error: bool


@dataclass(frozen=True, slots=True)
class InterventionRow:
    """What the scenario did to the world, in `interventions`."""

    step: int
    name: str
    news: str | None


@dataclass(frozen=True, slots=True)
class InterventionEffectRow:
    """What an intervention changed, field by field, or an agent that it concerns, in `intervention_effects`."""

    step: int
    ordinal: int
    intervention: str
    what: str
    agent: str | None
    other: str | None
    field: str | None
    before: str | None
    after: str | None


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class AgentStateRow:
    """A field of an agent's state that changed in a step, in `agent_state`."""

    step: int
    agent: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RelationChangeRow:
    """A tie that an action or an intervention added, strengthened or removed, in `relation_changes`."""

    step: int
    ordinal: int
    source: str
    target: str
    kind: str
    label: str
    change: str
    weight: float
    emission: int | None
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """A number taken of the society after a step, in `measures`."""

    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class AgentChangeRow:
    """Somebody who came, was refused or left, in `agent_changes`."""

    step: int
    ordinal: int
    agent: str
    change: str
    cause: str
    parent: str | None
    resembles: str | None
    text: str | None
    intervention: str | None
    emission: int | None


@dataclass(frozen=True, slots=True)
class NodeMeasureRow:
    """A number taken of an agent after a step, in `node_measures`."""

    step: int
    agent: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class PostRow:
    """What an agent posted in a channel, in `posts`."""

    post: int
    step: int
    agent: str
    channel: str
    text: str
    emission: int
    reply_to: int | None


@dataclass(frozen=True, slots=True)
class ExposureRow:
    """A post that an agent was shown, in `exposures`."""

    step: int
    agent: str
    post: int
    channel: str
    place: int


@dataclass(frozen=True, slots=True)
class TurnTimeRow:
    """When an agent had a turn, and when it will have the next one, in `turn_times`."""

    step: int
    agent: str
    time: float
    next_time: float | None


@dataclass(frozen=True, slots=True)
class WeightRow:
    """What a person of a selection counts for, in `weights`."""

    persona: str
    weight: float


@dataclass(frozen=True, slots=True)
class TieRow:
    """A tie of the network that was drawn or read from a file, in `network_ties`."""

    ordinal: int
    source: str
    target: str
    kind: str
    label: str
    weight: float


@dataclass(frozen=True, slots=True)
class TargetShareRow:
    """The share that a selection wanted of a value, in `target_shares`."""

    ordinal: int
    column: str
    value: str
    wanted: float


@dataclass(frozen=True, slots=True)
class TargetPersonRow:
    """To which of these shares somebody belongs, in `target_people`."""

    persona: str
    column: str
    ordinal: int | None


@dataclass(frozen=True, slots=True)
class SurveyRow:
    """An item of a survey as it was asked after a step, in `surveys`."""

    job: int
    survey: str
    step: int
    item: str
    ordinal: int
    type: str
    text: str
    intro: str
    options: Sequence[str]
    low: float | None
    high: float | None
    dont_know: bool


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What an agent answered to an item, in `answers`."""

    job: int
    survey: str
    step: int
    agent: str
    item: str
    replicate: int
    value: str | None
    number: float | None
    shown: Sequence[str]
    outcome: str
    reason: str
    model: str
    prompt: str


@dataclass(frozen=True, slots=True)
class DescriptionRow:
    """What the scenario has prompts say of an agent after the last step, in `descriptions`."""

    agent: str
    before: str
    after: str
    is_replaced: bool


@dataclass(frozen=True, slots=True)
class InterviewRow:
    """A question to an agent and its answer, in `interviews`."""

    job: int
    interview: int
    agent: str
    turn: int
    question: str
    answer: str | None
    raw: str
    outcome: str
    reason: str
    model: str
    prompt: str
