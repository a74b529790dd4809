"""The state of a society: what its steps read and change, and how it is written to and restored from a run file."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SerializeAsAny, TypeAdapter

from ..agents.action_schema import novelty_of
from ..agents.actions import dump_json, load_json
from ..agents.observation import PLAYER
from ..core.errors import hook, text_from
from ..personas.judgement import Judge
from ..personas.persona import RelationKind
from ..personas.population import PersonaGraph
from .details import KnownPeople, StoredTables
from .dynamics.activation import EventTime
from .dynamics.channels import PostBoard
from .dynamics.world import World, checked_state, is_cut
from .emitted import EarlierTexts, Emission, Emitted, SimilarOutputs, read_emissions
from .resident import KnownFacts, Resident, SocietyView
from .runfile import rows
from .runfile import rows as society_rows
from .runfile.job_rows import Unit
from .runfile.runlog import RunLog
from .scenario import Scenario
from .seeds import rng_for

if TYPE_CHECKING:
    from ..personas.persona import NameBook
    from .tasks.yields import YieldWatch

#: Lines a resident has not acted on yet: a neighbour's are heard a step after they are spoken, unless a conversation
#: had them heard at once, as a visitor's are.
_UNHEARD = """
    WHERE message IN (
        SELECT m.message FROM messages AS m
        LEFT JOIN (SELECT agent, max(step) AS step FROM observations GROUP BY agent) AS last ON last.agent = m.recipient
        WHERE m.recipient <> $player
          AND (last.step IS NULL OR m.step > last.step OR (m.step = last.step AND m.sender <> $player))
          AND m.message NOT IN (SELECT unnest(messages) FROM observations)
    ) OR message IN (SELECT unnest($kept))
    ORDER BY message
"""

#: The world in steps in which something was suspended or blocked.
_HELD_BACK = """
SELECT step, world_state FROM steps WHERE json_array_length(world_state, '$.suspended') > 0
   OR json_exists(world_state, '$.blocked') OR json_exists(world_state, '$.blocked_ties') ORDER BY step
"""
#: Lines whose recipients had turns since, in each of which something was suspended or blocked.
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
_DEPARTED = "SELECT agent FROM agent_changes WHERE change = 'departed' ORDER BY step, ordinal"
_LATEST_STATES = "SELECT agent, name, arg_max(value, step) FROM agent_state GROUP BY agent, name"

#: Dumps states of any type, all of them in a third of the time that `model_dump` takes for each.
_STATES = TypeAdapter(list[SerializeAsAny[BaseModel]])

#: How many of the latest outputs the share of new ones is taken over.
_NEWEST = 500
_VALID_IN_STEP = """
WHERE step = $step AND emission NOT IN (SELECT emission FROM checks WHERE outcome = 'failed') ORDER BY emission
"""
_TURNS_TAKEN = """
SELECT agent, count(*), count(*) FILTER (status = 'accepted') FROM (
    SELECT step, agent, status FROM outputs
    UNION ALL SELECT step, agent, 'lost' FROM failures
    WHERE step IS NOT NULL AND purpose NOT IN ('embedding', 'plan', 'reflect')
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

#: Of each two who spoke with each other.
_LATEST_LINES = """
    QUALIFY row_number() OVER (
        PARTITION BY least(sender, recipient), greatest(sender, recipient) ORDER BY message DESC
    ) <= $most
    ORDER BY message
"""
_CONTACTS = """
SELECT sender, recipient, max(step) FROM messages WHERE $player NOT IN (sender, recipient) GROUP BY ALL
"""
#: Of each agent: those of what happened, reflections, and plans, of which the newest is in no other's place.
_NEWEST_NOTES = """
    QUALIFY row_number() OVER (
        PARTITION BY agent, CASE WHEN kind IN ('reflection', 'plan') THEN kind END ORDER BY step DESC, ordinal DESC
    ) <= $capacity + 1
    ORDER BY step, agent, ordinal
"""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is said among some agents, all of whom hear all of it."""

    #: Ids; the first two have opened it.
    members: tuple[str, ...]
    #: The lines so far, of which the last is to be answered.
    lines: tuple[rows.MessageRow, ...]

    @property
    def speaker(self) -> str:
        """Who speaks next: whoever was spoken to, or the longest silent behind two lines between the same two."""
        *before, last = self.lines
        pair = {last.sender, last.recipient}
        silent = [one for one in self.members if one not in pair]
        if not silent or not before or {before[-1].sender, before[-1].recipient} != pair:
            return last.recipient
        spoken = {line.sender: place for place, line in enumerate(before)}
        return min(silent, key=lambda one: spoken.get(one, -1))


class SocietyState:
    """The people at their places, the world, and everything emitted so far."""

    def __init__(self, scenario: Scenario, *, seed: int, judges: Sequence[Judge] = ()) -> None:
        """Create an empty state. `judges` are the rules that personas must pass if they arrive during the run."""
        self.judges = judges
        self.scenario = scenario
        self.seed = seed
        #: Actions that were checked when the society was made.
        self.declared_actions = frozenset(scenario.actions)
        self.graph = PersonaGraph({}, ())
        #: All who live there or did, by id.
        self.residents: dict[str, Resident] = {}
        self._has_departures = False
        #: Who must not come again, once somebody comes.
        self.known_people: KnownPeople | None = None
        self.world, self.emitted = World(), Emitted(thresholds=_novelty_thresholds(scenario))
        #: The ties of a network that was drawn elsewhere, as those of the run that a replay repeats.
        self.known_ties: Sequence[society_rows.TieRow] = ()
        #: Whether anything was emitted in any step.
        self.has_emitted = False
        #: Texts of other files that outputs must not nearly repeat.
        self.against: EarlierTexts | None = None
        #: What is alike by vectors, where the outputs of a task are compared so.
        self.similar: SimilarOutputs | None = None
        #: Looks at what the answers of a task become; None elsewhere.
        self.yields: YieldWatch | None = None
        #: The outputs that hold a value alone, as the name of a tool, by their kind and that value.
        self.taken: dict[tuple[str, str], int] = {}
        #: Of the latest outputs, oldest first, whether each was new.
        self.newest = deque[bool](maxlen=_NEWEST)
        #: The times at which agents have their turns; None in lock-step.
        self.times: EventTime | None = None
        #: What is posted in channels; None in a scenario without any.
        self.posts: PostBoard | None = None
        #: What residents know of each other, each once however many know it.
        self.known_facts: dict[KnownFacts, KnownFacts] = {}
        #: The names that agents have; None where they have none, since they see nobody or decide by a rule.
        self.names: NameBook | None = None
        #: The latest lines between two agents, or an agent and the player, by their ids in order; kept with names.
        self.talks: dict[tuple[str, str], deque[rows.MessageRow]] = {}
        #: Conversations of more than two that are going on, by the id of the agent that speaks next.
        self.circles: Mapping[str, Conversation] = {}
        #: Each agent's state as it was last written, by field.
        self.written: dict[str, dict[str, Any]] = {}
        self.count_from(emissions=0, messages=0)

    def count_from(self, *, emissions: int, messages: int) -> None:
        """Number outputs and messages from after these numbers."""
        self.next_emission = count(emissions + 1).__next__
        self.next_message = count(messages + 1).__next__

    @property
    def present(self) -> Sequence[Resident]:
        """Those who live there, in the order in which they came."""
        everybody = self.residents.values()
        return tuple(one for one in everybody if not one.departed) if self._has_departures else tuple(everybody)

    def still_to_do(self, steps: int) -> str:
        """Return what remains after the current step of a run of `steps` steps, in words, or "" for nothing."""
        if (rows := self.scenario.rows_wanted) is not None:
            missing = rows - sum(one.accepted for one in self.residents.values())
            return f"{missing:,} of {rows:,} rows to be accepted yet" if missing > 0 else ""
        more = steps - self.world.step
        return f"{more:,} {'step' if more == 1 else 'steps'} to come" if more > 0 else ""

    def leave(self, agent: str) -> None:
        """Let an agent leave."""
        self._has_departures = True
        self.residents[agent].leave()

    def has_left(self, agent: str) -> bool:
        """Return whether this agent lived there and has left. The player never did."""
        return self._has_departures and agent in self.residents and self.residents[agent].departed

    def set_tie(self, change: society_rows.RelationChangeRow) -> None:
        """Change a tie of the graph as the row says."""
        self.graph.set_tie(change.source, change.target, RelationKind(change.kind), change.label, change.weight)

    def note_contact(self, one: str, other: str, step: int) -> None:
        """Record that two agents spoke with each other in this step.

        Nothing is recorded for an id that is not an agent.
        """
        for agent, with_whom in ((one, other), (other, one)):
            if (resident := self.residents.get(agent)) is not None:
                resident.contacts[with_whom] = max(step, resident.contacts.get(with_whom, 0))

    def note_line(self, line: rows.MessageRow) -> None:
        """Keep a line for the conversation that it is part of. Does nothing in a society without names."""
        if self.names is not None:
            settings = self.scenario.settings
            kept = deque[rows.MessageRow](maxlen=settings.lines_shown + settings.heard)
            self.talks.setdefault(_order_pair(line.sender, line.recipient), kept).append(line)

    def talk(self, agent: str, other: str) -> Sequence[rows.MessageRow]:
        """Return the latest lines between two agents, or an agent and the player, oldest first."""
        return self.talks.get(_order_pair(agent, other), ())

    def take_heard(self, step: int) -> list[rows.MessageRow]:
        """Remove the messages of this step from the inboxes, and return them in the order in which they were said."""
        found: list[rows.MessageRow] = []
        for resident in self.residents.values():
            found += (message for message in resident.inbox if message.step == step)
            resident.inbox = [message for message in resident.inbox if message.step != step]
        return sorted(found, key=lambda message: message.message)


def _order_pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def restore(state: SocietyState, view: SocietyView, log: RunLog) -> None:
    """Restore the society from the run file after its last complete step.

    Agents get their ties, notes, unheard lines and states. The world gets its state, and the index gets all outputs.
    """
    thresholds = _novelty_thresholds(state.scenario)
    state.emitted = Emitted(partial(_emitted_as, log), thresholds=thresholds, scratch=log.path.parent)
    last = log.last_complete(Unit.STEP)
    if last is not None:
        ((world,),) = log.query("SELECT world_state FROM steps WHERE step = $step", {"step": last})
        state.world = read_world(world, state.scenario)
        state.emitted.note_latest(partial(emitted_in, log, last, state.scenario))
        count_outputs(state, log, first=1, last=last)
    if log.may_hold(rows.EmissionRow):
        state.newest.extend(is_new for (is_new,) in reversed(log.query(_WERE_NEW, {"most": _NEWEST})))
    _restore_emitted(state, log)
    for (agent,) in log.query(_DEPARTED) if log.may_hold(society_rows.AgentChangeRow) else ():
        state.leave(agent)
    _begin_states(state, log)
    if state.scenario.keeps_time:
        state.times = EventTime(state.scenario, view, log)
    if state.scenario.channels:
        state.posts = PostBoard(state.scenario.channels, view, log, owner=state.scenario)


def count_outputs(state: SocietyState, log: RunLog, *, first: int, last: int) -> None:
    """Add the committed results of turns in these steps to the counts of each agent."""
    for agent, asked, accepted in log.query(_TURNS_TAKEN, {"first": first, "last": last}):
        state.residents[agent].asked += asked
        state.residents[agent].accepted += accepted


def told_time(state: SocietyState, step: int | None = None) -> str:
    """Return the current time, or that of a step, as agents are told it.

    Raises `HookError` if the scenario does not return a str.
    """
    when = state.world.step if step is None else step
    return text_from(state.scenario, "clock", lambda: state.scenario.clock(when))


def read_world(text: str, scenario: Scenario) -> World:
    """Read the world as a marker stores it, including the scenario's own state."""
    world = World.model_validate_json(text)
    if world.state is not None and scenario.world_state_type is not None:
        world.state = scenario.world_state_type.model_validate(world.state)
    return world


def _restore_emitted(state: SocietyState, log: RunLog) -> None:
    has_any = log.may_hold(rows.EmissionRow, rows.MessageRow)
    ((emissions, messages),) = log.query(_NUMBERED) if has_any else ((0, 0),)
    uncompared = {action.name for action in state.scenario.actions if novelty_of(action) == "none"}
    for first in range(0, emissions, _READ):
        some = log.rows(rows.EmissionRow, _NEXT_EMISSIONS, {"first": first, "last": first + _READ})
        state.emitted.add_all([emission for emission in some if emission.kind not in uncompared])
    for action in state.scenario.actions:
        if action.unique and emissions:
            for value, emission in log.query(_TAKEN, {"kind": action.name, "path": f"$.{action.unique}"}):
                state.taken.setdefault((action.name, str(value)), emission)
    state.has_emitted = emissions > 0
    state.count_from(emissions=emissions, messages=messages)
    for message in log.rows(rows.MessageRow, _UNHEARD, {"player": PLAYER, "kept": _restore_ties(state, log)}):
        state.residents[message.recipient].inbox.append(message)
    restore_notes(state, log)
    if state.names is not None and messages:
        settings = state.scenario.settings
        for line in log.rows(rows.MessageRow, _LATEST_LINES, {"most": settings.lines_shown + settings.heard}):
            state.note_line(line)
    if state.scenario.settings.neighbours_by == "strength":
        for sender, recipient, step in log.query(_CONTACTS, {"player": PLAYER}):
            state.note_contact(sender, recipient, step)


def restore_notes(state: SocietyState, file: StoredTables) -> None:
    """Give agents the notes that they still remember."""
    for note in file.rows(rows.MemoryRow, _NEWEST_NOTES, {"capacity": state.scenario.settings.memory}):
        memory = state.residents[note.agent].memory
        memory.note(note.text, kind=note.kind, step=note.step, importance=note.importance, time=note.time)


def emitted_in(log: RunLog, step: int, scenario: Scenario) -> tuple[Emission, ...]:
    """Return the outputs of a committed step that failed no check, in the order of agents.

    Raises `RunFileError` for what cannot be read as the scenario's actions.
    """
    found = log.rows(rows.EmissionRow, _VALID_IN_STEP, {"step": step})
    return read_emissions(found, scenario.actions)


def _emitted_as(log: RunLog, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    if len(numbers) == 1:
        found = log.query(_EMITTED_ONE, {"number": numbers[0]})
    else:
        found = log.query(_EMITTED_AS, {"numbers": list(numbers)})
    return {number: (agent, text) for number, agent, text in found}


def _novelty_thresholds(scenario: Scenario) -> dict[str, float]:
    with hook(scenario, "actions"):
        return {action.name: action.novelty_threshold for action in scenario.actions}


def _begin_states(state: SocietyState, log: RunLog) -> None:
    """Set the initial states of agents and world, or the states stored in the file.

    Write the states that are new to the file.
    """
    scenario = state.scenario
    if scenario.world_state_type is not None and state.world.state is None:
        with hook(scenario, "world_state"):
            state.world.state = checked_state(scenario.world_state(rng_for(state.seed, "world_state")))
    if scenario.agent_state_type is None:
        return
    stored: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for agent, name, value in log.query(_LATEST_STATES):
        stored[agent][name] = load_json(value)
    for resident in state.residents.values():
        begun = resident.state if resident.state is not None else begun_state(state, resident)
        known = begun.model_dump(mode="json") | stored[resident.id]
        resident.state = type(begun).model_validate(known)
    state.written = stored
    if changed := changed_states(state, step=state.world.step):
        log.commit(changed).result()


def begun_state(state: SocietyState, resident: Resident) -> BaseModel:
    """Return the initial state of an agent. Raises `HookError` if the scenario returns none."""
    with hook(state.scenario, "agent_state"):
        return checked_state(state.scenario.agent_state(resident, rng_for(state.seed, "agent_state", resident.id)))


def changed_states(state: SocietyState, *, step: int) -> list[society_rows.AgentStateRow]:
    """Return rows of the state fields that changed since they were last written, in the order of agents."""
    if state.scenario.agent_state_type is None:
        return []
    changed, residents = [], state.residents.values()
    dumped = _STATES.dump_python([resident.state for resident in residents], mode="json")
    for agent, values in zip(state.residents, dumped, strict=True):
        before = state.written.get(agent)
        if values != before:
            state.written[agent] = values
            for name, value in values.items():
                if before is None or name not in before or before[name] != value:
                    changed.append(society_rows.AgentStateRow(step, agent, name, dump_json(value)))
    return changed


def _restore_ties(state: SocietyState, log: RunLog) -> list[int]:
    """Apply the recorded changes by actions and interventions to the initial ties.

    Returns the lines that were kept from being heard in every turn their recipients had since.
    """
    if not log.may_hold(rows.MessageRow, society_rows.RelationChangeRow):
        return []
    changes = deque(log.rows(society_rows.RelationChangeRow, "ORDER BY step, ordinal"))
    worlds = {step: read_world(world, state.scenario) for step, world in log.query(_HELD_BACK)}
    found = log.query(_MAYBE_KEPT, {"player": PLAYER, "steps": list(worlds)}) if worlds else []
    heard: set[int] = set()
    for step, world in worlds.items():
        # What interventions do to ties precedes the turns of a step, what actions and `resolve` do follows them.
        while changes and (changes[0].step, changes[0].emission is not None or changes[0].resolved) < (step, True):
            state.set_tie(changes.popleft())
        for message, sender, recipient, steps in found:
            if step in steps and not is_cut(state.graph, sender, recipient, world):
                heard.add(message)
    for change in changes:
        state.set_tie(change)
    return [message for message, *_ in found if message not in heard]
