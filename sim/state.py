"""The state of a society: what its steps read and change, and how it is written to and restored from a run file."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel

from ..agents.action_check import novelty_of
from ..agents.action_schema import typed_fields
from ..agents.actions import PLAYER
from ..personas.errors import SetupError, hook
from ..personas.persona import RelationKind
from ..personas.population import PersonaGraph
from .emitted import EarlierTexts, Emission, Emitted, SimilarOutputs, TakenValues, read_emissions
from .runfile import rows
from .runfile.job_rows import Unit
from .runfile.runlog import RunLog
from .runfile.writer import Statement
from .scenario import Scenario
from .seeds import rng_for
from .world import World, is_cut

if TYPE_CHECKING:
    from .resident import Resident

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

_NUMBERED = """
SELECT (SELECT coalesce(max(emission), 0) FROM emissions), (SELECT coalesce(max(message), 0) FROM messages)
"""
_NEXT_EMISSIONS = "WHERE emission > $first AND emission <= $last ORDER BY emission"
_EMITTED_AS = "SELECT emission, agent, text FROM emissions WHERE emission IN (SELECT unnest($numbers))"
#: The same of one alone, which is most often asked for, in half the time.
_EMITTED_ONE = "SELECT emission, agent, text FROM emissions WHERE emission = $number"
#: Emissions that are in memory at once while the index is filled.
_READ = 20_000
_LATEST_STATES = "SELECT agent, name, arg_max(value, step) FROM agent_state GROUP BY agent, name"

#: How many of the latest outputs the share of new ones is taken over.
_NEWEST = 500
_TURNS_TAKEN = """
SELECT agent, count(*), count(*) FILTER (status = 'accepted') FROM (
    SELECT step, agent, status FROM outputs
    UNION ALL SELECT step, agent, 'lost' FROM failures WHERE step IS NOT NULL AND purpose <> 'embedding'
) WHERE step >= $first AND step <= $last GROUP BY agent
"""
_TAKEN = """
SELECT payload ->> $path, emission FROM outputs WHERE kind = $kind AND status = 'accepted' ORDER BY emission
"""
_WERE_NEW = """
SELECT d.emission IS NULL FROM emissions AS e
LEFT JOIN (SELECT DISTINCT emission FROM duplicates WHERE NOT undone) AS d ON d.emission = e.emission
ORDER BY e.emission DESC LIMIT $most
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
        #: Actions that were checked when the society was made.
        self.declared_actions = frozenset(scenario.actions)
        self.graph = PersonaGraph({}, ())
        self.residents: Mapping[str, Resident] = MappingProxyType({})
        self.world, self.emitted = World(), Emitted(thresholds=_thresholds(scenario))
        #: Whether anything was emitted in any step.
        self.has_emitted = False
        #: Texts of other files that outputs must not nearly repeat.
        self.against: EarlierTexts | None = None
        #: What is alike by vectors, where the outputs of a task are compared so.
        self.similar: SimilarOutputs | None = None
        #: Values that accepted outputs hold alone.
        self.taken = TakenValues()
        #: Of the latest outputs, oldest first, whether each was new.
        self.newest = deque[bool](maxlen=_NEWEST)
        #: Each agent's state as it was last written, by field.
        self.written: dict[str, dict[str, Any]] = {}
        self.count_from(emissions=0, messages=0)

    def count_from(self, *, emissions: int, messages: int) -> None:
        """Number emissions and messages from behind these."""
        self.next_emission = count(emissions + 1).__next__
        self.next_message = count(messages + 1).__next__

    def set_tie(self, change: rows.RelationChangeRow) -> None:
        """Change a tie as the row says, on the graph and between the agents' cells."""
        one, other = change.source, change.target
        self.graph.set_tie(one, other, RelationKind(change.kind), change.label, change.weight)
        cells = self.residents[one].cell, self.residents[other].cell
        is_tied = any(tie.id == other for tie in self.graph.neighbours(one))
        for here, there in (cells, cells[::-1]):
            if is_tied:
                here.connect(there)
            elif change.change == "removed":
                here.disconnect(there)

    def take_heard(self, step: int) -> list[rows.MessageRow]:
        """Take what was said in this step out of the inboxes, in the order in which it was said."""
        found: list[rows.MessageRow] = []
        for resident in self.residents.values():
            found += (message for message in resident.inbox if message.step == step)
            resident.inbox = [message for message in resident.inbox if message.step != step]
        return sorted(found, key=lambda message: message.message)


def restore(state: SocietyState, log: RunLog) -> None:
    """Give residents their ties, notes, unheard lines and states, the world its own, the index everything emitted."""
    state.emitted = Emitted(partial(_emitted_as, log), thresholds=_thresholds(state.scenario))
    last = log.last_complete(Unit.STEP)
    if last is not None:
        ((world,),) = log.query("SELECT world_state FROM steps WHERE step = $step", {"step": last})
        state.world = read_world(world, state.scenario)
        state.emitted.note_latest(partial(emitted_in, log, last, state.scenario))
        count_outputs(state, log, first=1, last=last)
    state.newest.extend(is_new for (is_new,) in reversed(log.query(_WERE_NEW, {"most": _NEWEST})))
    _restore_emitted(state, log)
    _begin_states(state, log)


def count_outputs(state: SocietyState, log: RunLog, *, first: int, last: int) -> None:
    """Add the committed results of these steps' turns to the numbers of each resident."""
    for agent, asked, accepted in log.query(_TURNS_TAKEN, {"first": first, "last": last}):
        state.residents[agent].asked += asked
        state.residents[agent].accepted += accepted


def read_world(text: str, scenario: Scenario) -> World:
    """The world as a marker keeps it, with the scenario's own state of it."""
    world = World.model_validate_json(text)
    if world.state is not None and scenario.world_state_type is not None:
        world.state = scenario.world_state_type.model_validate(world.state)
    return world


def _restore_emitted(state: SocietyState, log: RunLog) -> None:
    ((emissions, messages),) = log.query(_NUMBERED)
    uncompared = {action.name for action in state.scenario.actions if novelty_of(action) == "none"}
    for first in range(0, emissions, _READ):
        some = log.rows(rows.EmissionRow, _NEXT_EMISSIONS, {"first": first, "last": first + _READ})
        state.emitted.add_all([emission for emission in some if emission.kind not in uncompared])
    for action in state.scenario.actions:
        if action.unique:
            for value, emission in log.query(_TAKEN, {"kind": action.name, "path": f"$.{action.unique}"}):
                state.taken.take(action.name, str(value), emission)
    state.has_emitted = emissions > 0
    state.count_from(emissions=emissions, messages=messages)
    for message in log.rows(rows.MessageRow, _UNHEARD, {"player": PLAYER, "kept": _restore_ties(state, log)}):
        state.residents[message.recipient].inbox.append(message)
    capacity = state.scenario.settings.memory
    for note in log.rows(rows.MemoryRow, _NEWEST_NOTES, {"capacity": capacity}):
        state.residents[note.agent].memory.note(note.text)


def emitted_in(log: RunLog, step: int, scenario: Scenario) -> tuple[Emission, ...]:
    """What a committed step emitted, in the order of agents.

    Raises `RunFileError` for what cannot be read as the scenario's actions.
    """
    found = log.rows(rows.EmissionRow, "WHERE step = $step ORDER BY emission", {"step": step})
    return read_emissions(found, scenario.actions)


def _emitted_as(log: RunLog, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    if len(numbers) == 1:
        found = log.query(_EMITTED_ONE, {"number": numbers[0]})
    else:
        found = log.query(_EMITTED_AS, {"numbers": list(numbers)})
    return {number: (agent, text) for number, agent, text in found}


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


def _restore_ties(state: SocietyState, log: RunLog) -> list[int]:
    """Change the ties that growth found as actions did.

    Gives the lines that suspended ties have kept from being heard in every turn that their recipients had since.
    """
    changes = deque(log.rows(rows.RelationChangeRow, "ORDER BY step, ordinal"))
    suspended = {step: {RelationKind(kind) for kind in kinds} for step, kinds in log.query(_SUSPENDED)}
    found = log.query(_MAYBE_KEPT, {"player": PLAYER, "steps": list(suspended)}) if suspended else []
    heard: set[int] = set()
    for step in sorted(suspended):
        while changes and changes[0].step < step:
            state.set_tie(changes.popleft())
        for message, sender, recipient, steps in found:
            if step in steps and not is_cut(state.graph, sender, recipient, suspended[step]):
                heard.add(message)
    for change in changes:
        state.set_tie(change)
    return [message for message, *_ in found if message not in heard]


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
    """The rows of its actions' fields and its questions. Raises `SetupError` for malformed questions."""
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
