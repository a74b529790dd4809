"""The rows of a society: what its people count for, what is done to it, how it changes, and what is measured."""

# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from ...personas.table import ALL, table
from .job_rows import BY_STEP, LATER, ZSTD


@table("deliberations", key="step agent ordinal", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class DeliberationRow:
    """What agents thought and found out before they acted, with the minds think and react; no other agent learns of it."""

    step: Annotated[int, "Step"]
    agent: Annotated[str, "Agent"]
    ordinal: Annotated[int, "Order within the turn, from 1"]
    kind: Annotated[str, "thought, or tool"]
    text: Annotated[str, "The thought, or what the tool gave"]
    tool: Annotated[str | None, "The tool that was called; null for a thought"]
    arguments: Annotated[str | None, "Its arguments; null for a thought", "JSON"]
    is_error: Annotated[bool, "True where the tool did not take its arguments; the text says why"]


@table("interventions", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class InterventionRow:
    """What the scenario did to its society, at the start of the step; what that changed is in intervention_effects."""

    step: Annotated[int, "Step"]
    name: Annotated[str, "Name the scenario declares it by"]
    news: Annotated[str | None, "What those it is meant for hear of it; null where they hear nothing"]


@table("intervention_effects", key="step ordinal", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class InterventionEffectRow:
    """What interventions changed, field by field, and the agents that they were meant for."""

    step: Annotated[int, "Step at whose start it was changed"]
    ordinal: Annotated[int, "Place among the changes of the step, from 1"]
    intervention: Annotated[str, "Intervention, as in interventions; resolve for what the scenario's resolve changed when the step ended"]
    what: Annotated[str, "assigned (the agent is one of those that it was meant for, where not all were), world, state, tie, block, or agent (one that left)"]
    agent: Annotated[str | None, "Agent; of a tie the one from whom it leads; null for the world"]
    other: Annotated[str | None, "The other agent of a tie; null where there is none"]
    field: Annotated[str | None, "Field of the state or the world (state.NAME, values.NAME), label of the tie; null where there is none"]
    before: Annotated[str | None, "Value before, as JSON: of a tie its weight, of a block whether it was blocked, of an agent whether it was there; null where there was none", "JSON"]
    after: Annotated[str | None, "Value after, as JSON; null where there is none any more", "JSON"]


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@table("agent_state", fork=BY_STEP)
@dataclass(slots=True)
class AgentStateRow:
    """State of agents by the scenario's own type: all fields before the first step, then those that changed."""

    step: Annotated[int, "Step after which the value holds; 0 before the first"]
    agent: Annotated[str, "Agent", ZSTD]
    name: Annotated[str, "Field of the state"]
    value: Annotated[str, "Its value as JSON", "JSON"]


@table("relation_changes", key="step ordinal", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class RelationChangeRow:
    """Ties that actions and interventions added, strengthened or removed; relations holds those that growth found, and the view ties all as they are now."""

    step: Annotated[int, "Step after which it holds; what an intervention changes holds in the step already"]
    ordinal: Annotated[int, "Place among the changes of the step, from 1"]
    source: Annotated[str, "Agent from whom the tie leads"]
    target: Annotated[str, "Agent to whom it leads: source's label"]
    kind: Annotated[str, "Kind of the tie, as in relations"]
    label: Annotated[str, "What target is to source, in words"]
    change: Annotated[str, "added, strengthened or removed"]
    weight: Annotated[float, "Weight of the tie after it; a tie that growth found begins with 1, and one that is removed has 0"]
    emission: Annotated[int | None, "Emission whose action did it, as in emissions; null where no action did", "BIGINT"]
    resolved: Annotated[bool, "Whether the scenario's resolve did it, after the turns of the step"] = False


@table("measures", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class MeasureRow:
    """Numbers the scenario takes of the society after each step."""

    step: Annotated[int, "Step"]
    name: Annotated[str, "Name of the measure"]
    value: Annotated[float, "Its value"]


@table("agent_changes", key="step ordinal", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class AgentChangeRow:
    """Who came to the society while it lived, who was refused, and who left it."""

    step: Annotated[int, "Step"]
    ordinal: Annotated[int, "Place among the changes of the step, from 1"]
    agent: Annotated[str, "Persona id"]
    change: Annotated[str, "arrived, refused (a rule rejects it, or it is or nearly repeats somebody who is known), or departed"]
    cause: Annotated[str, "scenario, intervention, or action"]
    parent: Annotated[str | None, "Agent to whom a newcomer is related; null where there is none"]
    resembles: Annotated[str | None, "Whom one who was refused is or nearly repeats; null where a rule refused it, and for the others"]
    text: Annotated[str | None, "Description of one who was refused, unless the rule lets nothing be kept; those of the others are in personas"]
    intervention: Annotated[str | None, "Intervention that did it, as in interventions; null where none did"]
    emission: Annotated[int | None, "Emission whose action did it, as in emissions; null where none did", "BIGINT"]


@table("node_measures", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class NodeMeasureRow:
    """Numbers that the scenario takes of each agent after a step, as its place in the network."""

    step: Annotated[int, "Step"]
    agent: Annotated[str, "Agent"]
    name: Annotated[str, "Name of the measure"]
    value: Annotated[float, "Value"]


@table("posts", key="post", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class PostRow:
    """What agents posted in channels; who was shown it is in exposures."""

    post: Annotated[int, "Number in the run, from 1", "BIGINT"]
    step: Annotated[int, "Step in which it was posted"]
    agent: Annotated[str, "Agent that posted it"]
    channel: Annotated[str, "Channel, by its name"]
    text: Annotated[str, "The text"]
    emission: Annotated[int, "Emission whose action posted it", "BIGINT"]
    reply_to: Annotated[int | None, "Post that it replies to; null where it replies to none", "BIGINT"]


@table("exposures", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class ExposureRow:
    """Who was shown which post in a turn."""

    step: Annotated[int, "Step of the turn"]
    agent: Annotated[str, "Agent that was shown it"]
    post: Annotated[int, "Post, as in posts", "BIGINT"]
    channel: Annotated[str, "Channel, by its name"]
    place: Annotated[int, "Place among what the agent was shown in the turn, from 1"]


@table("turn_times", key="step agent", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class TurnTimeRow:
    """When agents had turns, in worlds that are not in lock-step; none in others."""

    step: Annotated[int, "Step that held the turn; 0 for the time at which the first turn was scheduled"]
    agent: Annotated[str, "Agent"]
    time: Annotated[float, "Time of the turn, from 0, in the scenario's own unit"]
    next_time: Annotated[float | None, "Time at which the next one falls due; null where there will be none"]


@table("weights", key="persona", fork=ALL)
@dataclass(frozen=True, slots=True)
class WeightRow:
    """What the people of a selection count for (see agents.weight); empty where they were not read from one, or it is no sample."""

    persona: Annotated[str, "Persona"]
    weight: Annotated[float, "Weight, 1 on average over the whole selection"]


@table("network_ties", key="ordinal", fork=ALL)
@dataclass(frozen=True, slots=True)
class TieRow:
    """The ties of the network that the society began with, where it was drawn or read from a file (see runs.network); empty where it is that of growth."""

    ordinal: Annotated[int, "From 1"]
    source: Annotated[str, "Persona from whom the tie leads"]
    target: Annotated[str, "Persona to whom it leads: source's label"]
    kind: Annotated[str, "Kind of the tie, as in relations"]
    label: Annotated[str, "What target is to source, in words"]
    weight: Annotated[float, "Weight; 1 unless a file gave another"]


@table("target_shares", key="ordinal", fork=ALL)
@dataclass(frozen=True, slots=True)
class TargetShareRow:
    """The shares that the selection of the people was to meet; empty where they were not read from one with a rule (see targets)."""

    ordinal: Annotated[int, "From 1"]
    column: Annotated[str, "Column of the hub's people; several, joined by commas, where combinations were asked for"]
    value: Annotated[str, "Its value, or the combination of values"]
    wanted: Annotated[float, "Share that was wanted, 0 to 1"]


@table("target_people", key="persona column", fork=ALL)
@dataclass(frozen=True, slots=True)
class TargetPersonRow:
    """Which of these shares the people who were read belong to."""

    persona: Annotated[str, "Persona"]
    column: Annotated[str, "Column, as in target_shares"]
    ordinal: Annotated[int | None, "Share, as in target_shares; null where no share was wanted of the person's value"]


@table("surveys", key="job survey step item", fork="job = 1 AND step <= $at", undo=LATER)
@dataclass(frozen=True, slots=True)
class SurveyRow:
    """Items of surveys, each as it was asked after a step."""

    job: Annotated[int, "Job, as in jobs: 1 is the run itself"]
    survey: Annotated[str, "Name of the survey"]
    step: Annotated[int, "Step after which it was asked; 0 is before the first"]
    item: Annotated[str, "Name of the item"]
    ordinal: Annotated[int, "Place of the item in the survey, from 1"]
    type: Annotated[str, "likert, choice, rank, number or text"]
    text: Annotated[str, "The question"]
    intro: Annotated[str, "What respondents were told before the items"]
    options: Annotated[Sequence[str], "The options as they were declared; of a Likert scale the labels of its points, or of its two ends"]
    low: Annotated[float | None, "Least value of a number or scale; null for other types"]
    high: Annotated[float | None, "Greatest value of a number or scale; null for other types"]
    dont_know: Annotated[bool, "Whether respondents could answer that they do not know"]


@table("answers", key="job survey step agent item replicate", fork="job = 1 AND step <= $at", undo=LATER)
@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What agents answered to the items of surveys."""

    job: Annotated[int, "Job, as in jobs: 1 is the run itself"]
    survey: Annotated[str, "Survey, as in surveys"]
    step: Annotated[int, "Step after which it was asked; 0 is before the first"]
    agent: Annotated[str, "Agent who was asked"]
    item: Annotated[str, "Item, as in surveys"]
    replicate: Annotated[int, "Which of several times this agent was asked the same, from 0"]
    value: Annotated[str | None, "The answer as JSON: a number, an option or a text, or a list of options of which the first is first; null where there is none"]
    number: Annotated[float | None, "The answer as a number, of scales and numbers; null for other types and where there is none"]
    shown: Annotated[Sequence[str], "The options, or the points of a scale, in the order in which this respondent was shown them"]
    outcome: Annotated[str, "ok, dont_know, or how the call ended, as in calls, where no answer came"]
    reason: Annotated[str, "Why no answer came, in one sentence; empty otherwise"]
    model: Annotated[str, "Model that answered, by name; rule where a rule of the scenario did"]
    prompt: Annotated[str, "Prompt that it answers, as name@version; rule where a rule did"]


@table("descriptions", key="agent", fork=None)
@dataclass(frozen=True, slots=True)
class DescriptionRow:
    """What the scenario had prompts say of an agent after the last step, where that is more or other than its persona: surveys and interviews of the finished run say it too."""

    agent: Annotated[str, "Persona id"]
    before: Annotated[str, "What stood before the persona; the whole where that is replaced"]
    after: Annotated[str, "What stood behind the persona"]
    is_replaced: Annotated[bool, "Whether the persona was not said as it is"]


@table("interviews", key="agent interview turn", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class InterviewRow:
    """What agents of another run were asked after it (populace ask), in a file beside that run; empty in a run file."""

    job: Annotated[int, "Job, as in jobs: its spec names the run"]
    interview: Annotated[int, "Number of the interview among those with this agent, from 1"]
    agent: Annotated[str, "Agent, as in the run"]
    turn: Annotated[int, "Place of the question in the interview, from 1"]
    question: Annotated[str, "The question"]
    answer: Annotated[str | None, "What the agent answered; null where no answer came"]
    raw: Annotated[str, "The answer as the model wrote it, with which the interview goes on"]
    outcome: Annotated[str, "How the call ended, as in calls"]
    reason: Annotated[str, "Why no answer came, in one sentence; empty where one did"]
    model: Annotated[str, "Model that answered, by name"]
    prompt: Annotated[str, "Prompt that it answers, as name@version"]
