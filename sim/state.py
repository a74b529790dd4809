"""The state of a society: what its steps read and change, and how it is written to and restored from a run file."""

from collections.abc import Mapping
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..agents.action_check import novelty_of
from ..agents.action_schema import typed_fields
from ..agents.actions import PLAYER
from ..agents.hooks import hook
from ..personas.errors import SetupError
from ..personas.persona import RelationKind
from ..personas.population import PersonaGraph
from .emitted import Emitted, read_emissions
from .runfile import rows
from .runfile.runlog import RunLog
from .runfile.writer import Statement
from .scenario import Scenario
from .world import World, is_cut

if TYPE_CHECKING:
    from .resident import Resident

__all__ = ["SocietyState", "declare", "declared_rows", "restore"]

#: Lines a resident has not acted on yet: a neighbour's are heard a step after they are spoken, a visitor's at once.
_UNHEARD = """
    WHERE message IN (
        SELECT m.message FROM messages AS m
        LEFT JOIN (SELECT agent, max(step) AS step FROM observations GROUP BY agent) AS last ON last.agent = m.recipient
        WHERE m.recipient <> $player
          AND (last.step IS NULL OR m.step > last.step OR (m.step = last.step AND m.sender <> $player))
    ) OR message IN (SELECT unnest($kept))
    ORDER BY message
"""

_SUSPENDED = """
SELECT step, from_json(world_state -> 'suspended', '["VARCHAR"]') FROM steps
WHERE json_array_length(world_state, '$.suspended') > 0
"""
#: Lines whose recipients had turns since, in each of which some kind of tie was suspended.
_MAYBE_KEPT = """
SELECT m.message, m.sender, m.recipient, list(o.step)
FROM messages AS m JOIN observations AS o ON o.agent = m.recipient AND o.step > m.step
WHERE m.sender <> $player GROUP BY ALL HAVING bool_and(o.step IN (SELECT unnest($steps)))
"""

_NEWEST_NOTES = """
    QUALIFY row_number() OVER (PARTITION BY agent ORDER BY step DESC, ordinal DESC) <= $capacity
    ORDER BY step, agent, ordinal
"""


class SocietyState:
    """The people at their places, the world, and everything emitted so far."""

    def __init__(self, scenario: Scenario, *, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.graph = PersonaGraph({}, ())
        self.residents: Mapping[str, Resident] = MappingProxyType({})
        self.world, self.emitted = World(), Emitted()
        self.count_from(emissions=0, messages=0)

    def count_from(self, *, emissions: int, messages: int) -> None:
        """Number emissions and messages from behind these."""
        self.next_emission = count(emissions + 1).__next__
        self.next_message = count(messages + 1).__next__


def restore(state: SocietyState, log: RunLog) -> None:
    """Give the residents their notes and unheard lines, the world its state, and the index everything emitted."""
    last = log.last_step()
    if last is None:
        return
    ((world,),) = log.query("SELECT world_state FROM steps WHERE step = $step", {"step": last})
    state.world = World.model_validate_json(world)
    emissions = log.rows(rows.EmissionRow, "ORDER BY emission")
    uncompared = {action.name for action in state.scenario.actions if novelty_of(action) == "none"}
    state.emitted = Emitted(emission for emission in emissions if emission.kind not in uncompared)
    latest = [emission for emission in emissions if emission.step == last]
    state.emitted.note_latest(partial(read_emissions, latest, state.scenario.actions))
    ((messages,),) = log.query("SELECT coalesce(max(message), 0) FROM messages")
    state.count_from(emissions=len(emissions), messages=messages)
    for message in log.rows(rows.MessageRow, _UNHEARD, {"player": PLAYER, "kept": _kept(state, log)}):
        state.residents[message.recipient].inbox.append(message)
    capacity = state.scenario.settings.memory
    for note in log.rows(rows.MemoryRow, _NEWEST_NOTES, {"capacity": capacity}):
        state.residents[note.agent].memory.note(note.text)


def _kept(state: SocietyState, log: RunLog) -> list[int]:
    """The lines that suspended ties have kept from being heard in every turn that their recipients had since."""
    suspended = {step: {RelationKind(kind) for kind in kinds} for step, kinds in log.query(_SUSPENDED)}
    if not suspended:
        return []
    found = log.query(_MAYBE_KEPT, {"player": PLAYER, "steps": list(suspended)})
    return [
        message
        for message, sender, recipient, steps in found
        if all(is_cut(state.graph, sender, recipient, suspended[step]) for step in steps)
    ]


def declare(state: SocietyState, log: RunLog) -> None:
    """Write agents, their groups, fields of actions and questions to the run file, where they are not there yet.

    A script that has changed since is taken as it is now.
    """
    with hook(state.scenario, "group"):
        agents = [
            rows.AgentRow(resident.id, place, _named(state.scenario.group(resident)))
            for place, resident in enumerate(state.residents.values(), start=1)
        ]
    declared = declared_rows(state.scenario)
    there = log.rows(rows.AgentRow, "ORDER BY ordinal")
    known = [*log.rows(rows.ActionFieldRow, "ORDER BY ordinal"), *log.rows(rows.QuestionRow, "ORDER BY ordinal")]
    if there == agents and known == declared:
        return
    emptied = [Statement(f"DELETE FROM {table}") for table in ("action_fields", "questions")] if known else []  # noqa: S608
    if emptied:
        log.commit(statements=emptied).result()
    log.commit(declared if there else [*agents, *declared], statements=_regrouped(agents, there)).result()


def declared_rows(scenario: Scenario) -> list[rows.Row]:
    """The rows of its actions' fields and its questions. Raises `SetupError` for questions that are none."""
    return [*_fields(scenario), *_questions(scenario)]


def _fields(scenario: Scenario) -> list[rows.ActionFieldRow]:
    fields = {(action.name, field.name): field for action in scenario.actions for field in typed_fields(action)}
    return [
        rows.ActionFieldRow(kind, name, place, field.type, list(field.choices), field.description)
        for place, ((kind, name), field) in enumerate(fields.items(), start=1)
    ]


def _questions(scenario: Scenario) -> list[rows.QuestionRow]:
    asked: object = scenario.questions
    if not isinstance(asked, Mapping) or not all(isinstance(words, str) for pair in asked.items() for words in pair):
        raise SetupError(
            f"The questions of scenario {scenario.name!r} must be a mapping of texts to SQL, as "
            f'{{"How many?": "SELECT ..."}}, but {asked!r:.80} was given.'
        )
    return [rows.QuestionRow(place, *pair) for place, pair in enumerate(asked.items(), start=1)]


def _named(group: object) -> str | None:
    return None if group is None else str(group)


def _regrouped(agents: list[rows.AgentRow], there: list[rows.AgentRow]) -> list[Statement]:
    before = {row.agent: row.group_name for row in there}
    return [
        Statement("UPDATE agents SET group_name = ? WHERE agent = ?", [row.group_name, row.agent])
        for row in agents
        if row.agent in before and before[row.agent] != row.group_name
    ]
