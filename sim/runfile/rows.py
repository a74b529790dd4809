"""The rows of growth, of turns, and of what agents make; times are UTC, and JSON is text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from ...agents.memory import NoteKind
from ...core.table import ALL, table
from .job_rows import BY_STEP, LATER, ZSTD

# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off




@table("growth_extensions", key="extension", fork=ALL)
@dataclass(frozen=True, slots=True)
class GrowthExtensionRow:
    """Finished growth that was asked for more: more hops, more people, more sources. Its hops are gone through once more, and what is there stays."""

    extension: Annotated[int, "From 1"]
    was: Annotated[str, "The settings until then", "JSON"]
    became: Annotated[str, "The settings from then on, as in runs", "JSON"]
    rounds: Annotated[Sequence[int], "Rounds in which each hop had asked, from hop 1: those that follow belong to the extension"]
    event_hash: Annotated[str | None, "Hash over all events until then"]
    extended_at: Annotated[datetime, "UTC"]


@table("skipped_sources", fork=ALL)
@dataclass(frozen=True, slots=True)
class SkippedSourceRow:
    """What was passed over while the sources were read, and files that outputs are compared with: files, folders and rows, by chunk and kind."""

    chunk: Annotated[int, "Chunk of hop 0 in which it was passed over, as in growth_chunks; -1 for files that outputs are compared with"]
    kind: Annotated[str, "Why, in a few words"]
    number: Annotated[int, "How many", "BIGINT"]
    examples: Annotated[Sequence[str], "Sentences on the first of them: which file, which row, and what is wrong"]


@table("frontier", fork=ALL)
@dataclass(frozen=True, slots=True)
class FrontierRow:
    """Whom each hop of Persona-to-Persona asks about, in order; written before the first of its chunks is complete."""

    hop: Annotated[int, "Hop, from 1"]
    ordinal: Annotated[int, "Place in the hop, from 1"]
    round: Annotated[int, "The last hop may ask in several rounds, until there are as many people as are wanted; from 0"]
    persona: Annotated[str, "Persona that is asked about"]
    known: Annotated[Sequence[str], "Known personas who were offered as answers"]


@table("passage_places", key="passage", fork=ALL)
@dataclass(frozen=True, slots=True)
class PassagePlaceRow:
    """The places of passages in the documents that they were read from."""

    passage: Annotated[str, "Passage, as in passages"]
    document: Annotated[str, "File, or the row or page of one (FILE#id, FILE:line), that the offset counts in"]
    offset: Annotated[int, "Characters of that document before the passage", "BIGINT"]
    length: Annotated[int, "Characters of the passage", "BIGINT"]
    title: Annotated[str | None, "Title of the document, where it has one"]


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@table("observations", fork=BY_STEP)
@dataclass(slots=True)
class ObservationRow:
    """What each active agent saw before it acted; several rows in a step for one that was in a conversation."""

    step: Annotated[int, "Step"]
    agent: Annotated[str, "Agent", ZSTD]
    neighbours: Annotated[int, "Neighbours that the agent saw: a rule all that it has"]
    heard: Annotated[int, "Lines heard"]
    text: Annotated[str, "The observation as in the prompt; of a rule, as much of it as a prompt would hold", ZSTD]
    unseen: Annotated[int, "Neighbours of the agent for whom the prompt had no room (settings neighbours, observation_tokens)"] = 0
    messages: Annotated[list[int], "Numbers of the lines heard, as in messages", "BIGINT[]"] = field(default_factory=list)


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@table("emissions", key="emission", fork=BY_STEP)
@dataclass(slots=True)
class EmissionRow:
    """What an agent made by an answer of its own; its fields are hashed, so that there is no empty archetype."""

    emission: Annotated[int, "Number in the run, from 1, in the order of steps and agents", "BIGINT"]
    step: Annotated[int, "Step"]
    agent: Annotated[str, "Agent that made it", ZSTD]
    kind: Annotated[str, "instruction, dialogue, tool, or a kind of the scenario's own"]
    text: Annotated[str, "The text that is compared with others"]
    payload: Annotated[str, "The whole of it as JSON; of a tool: name, purpose, parameters (JSON Schema), returns", "JSON"]
    revised: Annotated[bool, "True when a first version was too close to something said before"]
    model: Annotated[str, "Model that wrote it"]
    prompt: Annotated[str, "Prompt that it answers, as name@version"]


@table("emissions", key="emission", fork=BY_STEP)
@dataclass(slots=True)
class ArchetypeEmissionRow(EmissionRow):
    """Everything agents made: instructions, dialogue lines, tool specs and what scenarios add; synthetic text, all of it."""

    archetype: Annotated[str | None, "Agent that was asked for all that are alike, whose answer this is, perhaps varied; null where each agent was asked"]


@table("messages", key="message", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class MessageRow:
    """Every spoken line: heard by its recipient in the next step, at once if it is a visitor's or in a conversation."""

    message: Annotated[int, "Number in the run, from 1", "BIGINT"]
    step: Annotated[int, "Step in which it was spoken"]
    sender: Annotated[str, "Agent, or 'player'"]
    recipient: Annotated[str, "Agent, or 'player'"]
    text: Annotated[str, "The line"]
    emission: Annotated[int | None, "The emission that is this line; null for a visitor's", "BIGINT"]
    reply_to: Annotated[int | None, "The message that it answers", "BIGINT"]


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@table("memories", fork=BY_STEP)
@dataclass(slots=True)
class MemoryRow:
    """What agents took note of; each keeps the newest of its own, up to a limit."""

    step: Annotated[int, "Step"]
    agent: Annotated[str, "Agent", ZSTD]
    ordinal: Annotated[int, "Order among what the agent noted in this step, from 1"]
    text: Annotated[str, "The note"]
    kind: Annotated[NoteKind, "seen (news), said (what the agent did or said), heard, reflection (what it concluded) or plan", "VARCHAR"]
    importance: Annotated[int | None, "From 1 to 10, in a memory stream; null where notes are not weighed"]
    time: Annotated[str, "When it was noted as prompts tell it, by the scenario's clock"] = ""


@table("draws", fork="emission IN (SELECT emission FROM emissions WHERE step <= $at)")
@dataclass(frozen=True, slots=True)
class DrawRow:
    """What was drawn for the request that an emission answers, a row for each table of its prompt."""

    emission: Annotated[int, "Emission that answers the request", "BIGINT"]
    choice: Annotated[str, "Table of the prompt, as difficulty: its part [choices.difficulty]"]
    word: Annotated[str, "Word whose phrase the request shows, as school"]


@table("checks", fork="job = 1 AND emission IN (SELECT emission FROM emissions WHERE step <= $at)", undo="job >= $job AND job > 1")
@dataclass(frozen=True, slots=True)
class CheckRow:
    """Results of the checks that actions list, for each emission; a failed check drops nothing."""

    emission: Annotated[int, "Emission that was checked", "BIGINT"]
    check: Annotated[str, 'Name of the check; in SQL it is written with quotes: "check"']
    outcome: Annotated[str, "passed, failed, warned (it may be wrong and is not rejected), or undecided where it could not be checked"]
    reason: Annotated[str, "Why it did not pass, in one sentence; empty where there is nothing to say"]
    score: Annotated[float | None, "Score that the check gave, if any"]
    version: Annotated[int, "Version of the check"]
    job: Annotated[int, "Job that made it, as in jobs: the run itself, or one on its finished outputs; of the results of one check the latest job's counts"] = 1
    field: Annotated[str, "Field that the result is about, as barks.idle; empty where it is about all"] = ""


@table("agents", key="agent", fork="arrived <= $at")
@dataclass(frozen=True, slots=True)
class AgentRow:
    """The personas that live in the society."""

    agent: Annotated[str, "Persona id"]
    ordinal: Annotated[int, "Fixed order in which effects are applied, from 1"]
    group_name: Annotated[str | None, "Group that the scenario puts the agent in; null where it has none"] = None
    weight: Annotated[float, "What the agent counts for in figures about the population it was drawn from, as the selection of the hub says; 1 where none says otherwise"] = 1.0
    arrived: Annotated[int, "Step at which the agent came; 0 for those who were there from the beginning"] = 0
    attributes: Annotated[str | None, "Columns that it was imported with by name, as attributes ->> 'income'; null where there are none", "JSON"] = None
    name: Annotated[str | None, "Name by which others call the agent: its own where its description or columns give one, else made up; null where agents see nobody, or decide by a rule"] = None


@table("action_fields", key="kind field", fork=ALL)
@dataclass(frozen=True, slots=True)
class ActionFieldRow:
    """The fields of the scenario's actions that can be counted or averaged; their values are in emissions.payload."""

    kind: Annotated[str, "Kind of the emissions that have it"]
    field: Annotated[str, "Name of the field, and its key in emissions.payload"]
    ordinal: Annotated[int, "Its place among them, from 1"]
    type: Annotated[str, "integer, number, boolean or choice"]
    choices: Annotated[Sequence[str], "The values of a choice, in the order in which they are declared"]
    description: Annotated[str, "What the model reads about it"]


@table("questions", key="ordinal", fork=ALL)
@dataclass(frozen=True, slots=True)
class QuestionRow:
    """Questions that the scenario has of its own runs."""

    ordinal: Annotated[int, "From 1"]
    title: Annotated[str, "The question in words"]
    sql: Annotated[str, "The question in SQL"]


# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off




@table("deliberations", key="step agent ordinal", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class DeliberationRow:
    """What agents thought and found out before they acted, and the answers to their requests; no other agent learns of it."""

    step: Annotated[int, "Step"]
    agent: Annotated[str, "Agent"]
    ordinal: Annotated[int, "Order within the agent's turns of the step, from 1"]
    kind: Annotated[str, "thought, tool, or answer (of the assistant)"]
    text: Annotated[str, "The thought, what the tool gave, or the answer"]
    tool: Annotated[str | None, "The tool that was called; null for others"]
    arguments: Annotated[str | None, "Its arguments; null for others", "JSON"]
    is_error: Annotated[bool, "True where the tool did not take its arguments; the text says why"]


@table("interventions", fork=BY_STEP)
@dataclass(frozen=True, slots=True)
class InterventionRow:
    """What the scenario did to its society, at the start of the step or between lines of its conversations; what that changed is in intervention_effects."""

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
    parent: Annotated[str | None, "Agent to whom a newcomer is related; null where there is none"] = None
    resembles: Annotated[str | None, "Whom one who was refused is or nearly repeats; null where a rule refused it, and for the others"] = None
    text: Annotated[str | None, "Description of one who was refused, unless the rule lets nothing be kept; those of the others are in personas"] = None
    intervention: Annotated[str | None, "Intervention that did it, as in interventions; null where none did"] = None
    emission: Annotated[int | None, "Emission whose action did it, as in emissions; null where none did", "BIGINT"] = None


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


# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off




@table("demonstrations", key="ordinal", fork=ALL)
@dataclass(frozen=True, slots=True)
class DemonstrationRow:
    """The demonstrations that a task shows the model."""

    ordinal: Annotated[int, "Place in their file, from 1"]
    persona: Annotated[str | None, "Description of the person from whom the output could be; null where that is not known and not asked for"]
    output: Annotated[str, "The demonstration itself"]
    is_inferred: Annotated[bool, "True where the persona was inferred from the output by Text-to-Persona"]


@table("solutions", key="job emission ordinal", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class SolutionRow:
    """Solutions of problems by solvers: several of each problem (populace data solve), or those of the model that is measured (populace data evaluate)."""

    job: Annotated[int, "Job, as in jobs"]
    emission: Annotated[int, "Emission that is solved; of an evaluation the problem, as in test_problems", "BIGINT"]
    ordinal: Annotated[int, "Place among the solutions of the problem, from 1"]
    solver: Annotated[str, "Model that solved it, by name"]
    replicate: Annotated[int, "Which of several answers of this solver by this method it is, from 0"]
    method: Annotated[str, "text (worked out in words) or program (a program whose output is the answer)"]
    solution: Annotated[str, "The solution as it was written, or the program; empty where none came"]
    answer: Annotated[str | None, "The final answer; null where there is none"]
    cluster: Annotated[int | None, "Number among the different answers to the problem, from 1 in their order: equal answers have the same; null where there is no answer"]
    outcome: Annotated[str, "ok; no_answer (the solver gives none); program_failed or not_run of a program; or how the call ended, as in calls"]
    reason: Annotated[str, "Why there is no answer, in one sentence; empty where there is one"]
    correct: Annotated[bool | None, "Whether the answer equals the known one; null where none is known, or where the two could not be compared in time"] = None


@table("test_problems", key="job problem", fork=None)
@dataclass(frozen=True, slots=True)
class ProblemRow:
    """Problems with known answers on which a model is measured (populace data evaluate)."""

    job: Annotated[int, "Job, as in jobs"]
    problem: Annotated[int, "Number in the job, from 1", "BIGINT"]
    text: Annotated[str, "The problem as the model is shown it"]
    answer: Annotated[str, "The known answer: that of the test set, or the one on which earlier solutions agree"]
    level: Annotated[str | None, "Level of the problem, as the test set names it; null where it names none"]
    type: Annotated[str | None, "Subject of the problem, as the test set names it, or the kind of the output; null where there is none"]
    source: Annotated[str, "Line of the test set (FILE:line), or the emission (RUN#emission)"]


@table("responses", key="job emission response", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class ResponseRow:
    """Several responses of a teacher to one instruction (populace data grade --responses), of which preferences are made."""

    job: Annotated[int, "Job, as in jobs"]
    emission: Annotated[int, "Emission that is responded to", "BIGINT"]
    response: Annotated[int, "Which of several responses it is, from 0"]
    model: Annotated[str, "Model that wrote it"]
    text: Annotated[str, "The response; empty where none came"]
    outcome: Annotated[str, "ok, refusal, empty, or how the call ended, as in calls; only those that are ok are graded"]
    reason: Annotated[str, "Why there is none to use, in one sentence; empty where there is one"]


@table("votes", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class VoteRow:
    """What graders say of outputs (populace data grade): a label for each criterion of a rubric, or which of two is better."""

    job: Annotated[int, "Job, as in jobs"]
    emission: Annotated[int, "Emission that is graded; of a comparison the earlier of the two", "BIGINT"]
    response: Annotated[int | None, "Response to it that is graded, as in responses; null where the output itself is"]
    other: Annotated[int | None, "Emission that it is compared with; null where nothing is compared", "BIGINT"]
    other_response: Annotated[int | None, "Response that it is compared with; null where there is none"]
    criterion: Annotated[str, "Criterion of the rubric; of a comparison overall"]
    grader: Annotated[str, "Model that judged, by name"]
    replicate: Annotated[int, "Which of several votes of this grader it is, from 0"]
    label: Annotated[str | None, "The label that was given; of a comparison better, worse or tie, said of emission; null where none came"]
    score: Annotated[float | None, "The score of the label, 0 to 1; null where none came"]
    position: Annotated[int | None, "Place in which emission, or in a line-up its author, was shown to the grader, from 1; null where there is one place"]
    outcome: Annotated[str, "How the call ended, as in calls: ok, or why there is no label (a refusal, an answer that could not be read, ...)"]
    reason: Annotated[str, "The grader's reason, or why there is no label"]


@table("preferences", key="job emission", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """The best and the worst of several candidates made for one prompt (populace data pairs): rows for training on preferences."""

    job: Annotated[int, "Job, as in jobs: the latest, whose rows take the place of those before"]
    emission: Annotated[int, "Emission that the row stands for: the one that is responded to, or the better one", "BIGINT"]
    prompt: Annotated[str, "What both answer"]
    chosen: Annotated[str, "The better answer"]
    rejected: Annotated[str, "The worse answer"]
    chosen_emission: Annotated[int, "Emission of the better one; where responses are compared, the one that is responded to", "BIGINT"]
    rejected_emission: Annotated[int, "Emission of the worse one; where responses are compared, the one that is responded to", "BIGINT"]
    chosen_response: Annotated[int | None, "The better response, as in responses; null where outputs are compared"]
    rejected_response: Annotated[int | None, "The worse response, as in responses; null where outputs are compared"]
    margin: Annotated[float, "Difference of their scores, above 0 and at most 1"]
    source: Annotated[str, "What the scores are: grades (by a rubric), comparisons (share of comparisons won) or agreement (of solutions)"]


@table("held_out", key="emission", fork=None, undo=LATER)
@dataclass(frozen=True, slots=True)
class HeldOutRow:
    """Emissions that are kept for measuring models (populace data split): exports leave them out, and populace data evaluate --held-out takes them."""

    emission: Annotated[int, "Emission, accepted or not", "BIGINT"]
    job: Annotated[int, "Job, as in jobs: the latest, whose rows take the place of those before"]
