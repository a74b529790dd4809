"""The state of a society: what its steps read and change, and how it is written to and restored from a run file."""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel

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
from .seeds import rng_for
from .world import World, is_cut

if TYPE_CHECKING:
    from .resident import Resident

__all__ = [
    "SocietyState",
    "changed_states",
    "checked_state",
    "declare",
    "declared_rows",
    "restore",
]

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

_LATEST_STATES = "SELECT agent, name, arg_max(value, step) FROM agent_state GROUP BY agent, name"

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
        self.world, self.emitted = World(), Emitted(thresholds=_thresholds(scenario))
        #: Each agent's state as it was last written, by field.
        self.written: dict[str, dict[str, Any]] = {}
        self.count_from(emissions=0, messages=0)

    def count_from(self, *, emissions: int, messages: int) -> None:
        """Number emissions and messages from behind these."""
        self.next_emission = count(emissions + 1).__next__
        self.next_message = count(messages + 1).__next__


def restore(state: SocietyState, log: RunLog) -> None:
    """Give residents their notes, unheard lines and states, the world its state, and the index everything emitted."""
    last = log.last_step()
    if last is not None:
        _restore_steps(state, log, last)
    _begin_states(state, log)


def _restore_steps(state: SocietyState, log: RunLog, last: int) -> None:
    ((world,),) = log.query("SELECT world_state FROM steps WHERE step = $step", {"step": last})
    state.world = World.model_validate_json(world)
    if state.world.state is not None and state.scenario.world_state_type is not None:
        state.world.state = state.scenario.world_state_type.model_validate(state.world.state)
    emissions = log.rows(rows.EmissionRow, "ORDER BY emission")
    uncompared = {action.name for action in state.scenario.actions if novelty_of(action) == "none"}
    compared = (emission for emission in emissions if emission.kind not in uncompared)
    state.emitted = Emitted(compared, thresholds=_thresholds(state.scenario))
    latest = [emission for emission in emissions if emission.step == last]
    state.emitted.note_latest(partial(read_emissions, latest, state.scenario.actions))
    ((messages,),) = log.query("SELECT coalesce(max(message), 0) FROM messages")
    state.count_from(emissions=len(emissions), messages=messages)
    for message in log.rows(rows.MessageRow, _UNHEARD, {"player": PLAYER, "kept": _kept(state, log)}):
        state.residents[message.recipient].inbox.append(message)
    capacity = state.scenario.settings.memory
    for note in log.rows(rows.MemoryRow, _NEWEST_NOTES, {"capacity": capacity}):
        state.residents[note.agent].memory.note(note.text)


def _thresholds(scenario: Scenario) -> dict[str, float]:
    with hook(scenario, "actions"):
        return {action.name: action.novelty_threshold for action in scenario.actions}


def _begin_states(state: SocietyState, log: RunLog) -> None:
    """Give agents and world the states they begin with, or those that the file holds; writes what is new to it."""
    scenario = state.scenario
    if scenario.world_state_type is not None and state.world.state is None:
        with hook(scenario, "world_state"):
            state.world.state = checked_state(scenario.world_state(rng_for(state.seed, "world_state")))
    if scenario.agent_state_type is None:
        return
    stored: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for agent, name, value in log.query(_LATEST_STATES):
        stored[agent][name] = orjson.loads(value)
    for resident in state.residents.values():
        with hook(scenario, "agent_state"):
            begun = checked_state(scenario.agent_state(resident, rng_for(state.seed, "agent_state", resident.id)))
            known = begun.model_dump(mode="json") | stored[resident.id]
            resident.state = type(begun).model_validate(known)
    state.written = stored
    if changed := changed_states(state, step=state.world.step):
        log.commit(changed).result()


def changed_states(state: SocietyState, *, step: int) -> list[rows.AgentStateRow]:
    """Rows of the fields of agents' states that have changed since they were last written, in the order of agents."""
    if state.scenario.agent_state_type is None:
        return []
    changed = []
    for agent, resident in state.residents.items():
        before, values = state.written.get(agent), resident.state.model_dump(mode="json")
        if values != before:
            state.written[agent] = values
            for name, value in values.items():
                if before is None or name not in before or before[name] != value:
                    changed.append(rows.AgentStateRow(step, agent, name, orjson.dumps(value).decode()))
    return changed


def checked_state(state: object) -> BaseModel:
    """The state itself. Raises `TypeError` for what is no pydantic model."""
    if not isinstance(state, BaseModel):
        raise TypeError(f"it must give a state, as class Purse(State) is, and gave {state!r:.80}")
    return state


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
