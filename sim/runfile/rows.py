"""The rows of growth, of turns, and of what agents make; times are UTC, and JSON is text."""

# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from ...agents.memory import NoteKind
from ...personas.table import ALL, table
from .job_rows import BY_STEP, ZSTD


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
    """What each active agent saw before it acted."""

    step: Annotated[int, "Step"]
    agent: Annotated[str, "Agent", ZSTD]
    neighbours: Annotated[int, "Neighbours that the agent saw: a rule all that it has"]
    heard: Annotated[int, "Lines heard"]
    text: Annotated[str, "The observation as in the prompt; of a rule, as much of it as a prompt would hold", ZSTD]
    unseen: Annotated[int, "Neighbours of the agent for whom the prompt had no room (settings neighbours, observation_tokens)"] = 0


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
    """Every spoken line: heard by its recipient in the next step, or at once when a visitor says it."""

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
