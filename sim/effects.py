"""What the decisions of a step do to the world, gathered as rows in the order in which the decisions are applied."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..agents.action_schema import novelty_of
from ..agents.actions import Action, dump_json
from ..agents.checks import CheckOutcome, CheckResult
from ..agents.memory import NoteKind
from ..agents.mind import Decision, MissedStage
from ..agents.observation import PLAYER, Observation, heard_note, quote_line
from ..core.errors import hook, text_from
from ..core.model import Outcome
from ..core.table import RowBuffer
from ..personas.hub.tables import DuplicateRow
from ..personas.persona import RelationKind
from .dynamics.arrivals import PeopleChanges, TieChanges, checked_tie
from .dynamics.interventions import EffectLog, intervene, resolve
from .dynamics.network import node_measure_rows
from .dynamics.world import World, is_cut
from .emitted import Emission, check_unique
from .resident import Resident, SocietyView
from .runfile import rows
from .runfile.job_rows import FailureRow
from .scenario import Visit
from .state import SocietyState, changed_states, told_time

if TYPE_CHECKING:
    from ..agents.embedding.vectors import Vector


class TurnEffects:
    """What an action can change, with the turn in which it is done: the `ActionEffects` of `Action.apply`."""

    __slots__ = ("_effects", "_emission", "_seen")

    def __init__(self, effects: "Effects", seen: Observation, emission: rows.EmissionRow) -> None:
        self._effects, self._seen, self._emission = effects, seen, emission

    @property
    def agent(self) -> str:
        """Id of the agent that acts."""
        return self._seen.agent

    @property
    def state(self) -> Any:
        """The agent's state."""
        return self._effects.state_of(self._seen.agent)

    @property
    def world(self) -> World:
        """The world."""
        return self._effects.world

    def state_of(self, key: str) -> Any:
        """Return the state of the agent with this key."""
        return self._effects.state_of(self._seen.agent_behind(key))

    def tie(self, to: str, kind: RelationKind, label: str, *, weight: float = 1.0) -> None:
        """Add or strengthen a tie to the agent with this key when the step ends."""
        target, ties = self._seen.agent_behind(to), self._effects.ties
        tie = checked_tie(kind, label, weight)
        ties.want(target, partial(ties.add, self.agent, target, *tie, self._emission.emission))

    def untie(self, to: str, kind: RelationKind | None = None) -> None:
        """Remove the ties with the agent with this key when the step ends."""
        target, ties = self._seen.agent_behind(to), self._effects.ties
        kind = None if kind is None else RelationKind(kind)
        ties.want(target, partial(ties.remove, self.agent, target, kind, self._emission.emission))

    def say(self, to: str, text: str) -> None:
        """Send a line to the agent with this key."""
        self._effects.say(self._seen, self._emission, to, text)

    def show(self, text: str) -> None:
        """Make what the agent does news for those whom it sees."""
        seen = {neighbour.agent for neighbour in self._seen.neighbours}
        if seen:
            told = f"{self._seen.name} did this: {quote_line(' '.join(text.split()))}" if self._seen.name else text
            self._effects.world.announce(told, to=seen)

    def post(self, channel: str, text: str, *, reply_to: str | None = None) -> None:
        """Post a text in a channel."""
        self._effects.post(self._seen, self._emission, channel, text, reply_to)

    def depart(self) -> None:
        """Let the agent leave when the step ends."""
        self._effects.people.want_to_leave(self._seen.agent, self._emission.emission)


#: The importance of a plan or reflection in a memory that weighs no notes.
_UNWEIGHED = 5

#: What the event hash holds of a check.
_JUDGED = ("emission", "check", "outcome", "reason", "score", "version")


def _check_row(emission: rows.EmissionRow, said: CheckResult) -> rows.CheckRow:
    judged = (said.outcome, said.reason, said.score, said.version)
    return rows.CheckRow(emission.emission, said.check, *judged, field=said.field)


class Effects:
    """Applies visits and decisions one by one, and holds the rows they leave."""

    def __init__(self, state: SocietyState, view: SocietyView, *, model: str) -> None:
        """Prepare the rows of a step.

        `view` is what the scenario sees, and `model` is the model name in the rows of outputs.
        """
        self._state = state
        self._view = view
        self._model = model
        self._step = state.world.step
        #: The time that notes of this step bear.
        self._time = told_time(state)
        #: All that the step leaves for the run file.
        self.rows = RowBuffer()
        self._emitted: list[Emission] = []
        #: How many of the outputs were compared, and how many notes and thoughts each agent had.
        self._judged = 0
        self._noted, self._thought = Counter[str](), Counter[str]()
        #: Lines that were delivered.
        self._heard: set[int] = set()
        #: Those that failed no check: only they are heard, remembered, resolved and measured.
        self._valid: list[Emission] = []
        #: Who emitted each.
        self._actors: list[Resident] = []
        self._compared: list[rows.EmissionRow] = []
        #: Notes that a model wrote or weighed.
        self._weighed: list[rows.MemoryRow] = []
        #: Turns that were lost.
        self.lost = 0
        #: Vectors of what is emitted, by its text, where outputs are compared by meaning.
        self.vectors: dict[str, Vector] = {}
        self.ties = TieChanges(state, self.rows)
        self.people = PeopleChanges(state, view, self.ties, self.rows)
        self._levers = EffectLog(state, self.ties, self.people, self.rows)

    @property
    def emissions(self) -> list[rows.EmissionRow]:
        """The outputs, in their order."""
        return self.rows.of(rows.EmissionRow)

    @property
    def messages(self) -> list[rows.MessageRow]:
        """The lines that were said, in their order."""
        return self.rows.of(rows.MessageRow)

    def clear(self) -> None:
        """Drop rows that an earlier session has written."""
        for written in (rows.InterventionRow, rows.InterventionEffectRow, rows.MessageRow):
            self.rows.of(written).clear()

    def intervene(self, is_reached: Callable[[int], bool]) -> None:
        """Apply the interventions that are due, of those whose line is reached."""
        self._levers.is_begun = not is_reached(1)
        made = intervene(self._state, self._view, self._levers, is_reached)
        self.rows.of(rows.InterventionRow).extend(made)

    def visit(self, visit: Visit) -> None:
        """Deliver a player's line in this step. Raises `TypeError` or `ValueError` if it is not a valid line."""
        agent, text = getattr(visit, "agent", None), getattr(visit, "text", None)
        if not isinstance(agent, str) or not isinstance(text, str):
            raise TypeError(f"it must give visits, as Visit(resident.id, 'Good day.'), and gave {visit!r}")
        visited = self._state.residents.get(agent)
        if visited is None or visited.departed:
            raise ValueError(f"it gave a visit to {agent!r}, and no agent has that id; take `resident.id`")
        visited.inbox.append(self._add_message(PLAYER, agent, text))

    def take_turn(self, seen: Observation, decision: Decision) -> None:
        """Record what an agent saw, heard and did, or why its turn failed."""
        resident, seen = self._state.residents[seen.agent], decision.shown or seen
        resident.asked += 1
        self._keep_unheard(resident)
        for one in decision.deliberations:
            self._thought[seen.agent] += 1
            told = (self._thought[seen.agent], one.kind, one.text, one.tool, one.arguments, one.is_error)
            self.rows.of(rows.DeliberationRow).append(rows.DeliberationRow(self._step, seen.agent, *told))
        if decision.action is None and decision.outcome is not Outcome.OK:
            self._add_lost(seen.agent, decision)
        elif decision.action is not None:
            self._apply_action(resident, seen, decision.action, decision)
        elif decision.state is not None:
            for name, value in decision.state:
                setattr(resident.state, name, value)
        if not self._state.scenario.observes:
            return
        counts, text = (len(seen.neighbours), len(seen.heard)), self._text_of(seen, decision)
        lines = [line.message for line in seen.heard]
        observed = rows.ObservationRow(self._step, seen.agent, *counts, text, seen.unseen, lines)
        self.rows.of(rows.ObservationRow).append(observed)
        if self._state.posts is not None:
            self.rows.of(rows.ExposureRow).extend(self._state.posts.record_exposures(seen.agent, seen.posts))
        self._take_notes(resident, seen, decision)

    def _text_of(self, seen: Observation, decision: Decision) -> str:
        """Return what the agent saw as prompt text. For a rule, return no more than a prompt would hold."""
        if decision.model != "rule":
            return seen.text
        settings = self._state.scenario.settings
        return (
            seen.drop_neighbours(len(seen.neighbours) - settings.neighbours)
            .cap_tokens(settings.observation_tokens)
            .text
        )

    def _take_notes(self, resident: Resident, seen: Observation, decision: Decision) -> None:
        memory, notes = resident.memory, self.rows.of(rows.MemoryRow)

        def take(text: str, kind: NoteKind, importance: int | None = None, *, keys: Sequence[str] = ()) -> None:
            close = bool(keys) and any(map(seen.knows_well, keys))
            weight = memory.weigh(text, kind, is_close=close) if importance is None else importance
            memory.note(text, kind=kind, step=self._step, importance=weight, time=self._time)
            self._noted[seen.agent] += 1
            place = self._noted[seen.agent]
            notes.append(rows.MemoryRow(self._step, seen.agent, place, text, kind, weight, self._time))
            if importance is not None:
                self._weighed.append(notes[-1])

        for line in seen.heard:
            take(heard_note(seen.called(line.key), line.text), "heard", keys=(line.key,))
        for item in seen.news if memory.keeps_news else ():
            if not memory.holds(news := f"You learnt: {item}"):
                take(news, "seen")
        for post in seen.posts if memory.keeps_news else ():
            take(f"You read: {quote_line(' '.join(post.text.split()))}", "seen")
        action = decision.action
        if action is not None and not _is_rejected(decision):
            keys = action.addressees if action.addressed else ()
            told = {"to": _join_names(keys, seen)} if action.addressed else {}
            if said := text_from(action, "note", lambda: action.note(**told)):
                take(said, "said", decision.importance, keys=keys)
        self.add_failures(self._make_failure(seen.agent, missed) for missed in decision.missed)
        for note in decision.notes:
            take(note.text, note.kind, note.importance or memory.weigh(note.text, note.kind) or _UNWEIGHED)

    def compare(self) -> None:
        """Compare the outputs since the last call with all earlier ones, in the order of agents."""
        compared, self._compared = self._compared, []
        duplicates, checks = self.rows.of(DuplicateRow), self.rows.of(rows.CheckRow)
        duplicates += self._state.emitted.add_all(compared)
        repeated = {row.emission for row in duplicates}
        failed = {row.emission for row in checks if row.outcome == CheckOutcome.FAILED}
        for emission in compared:
            is_rejected = emission.emission in repeated or emission.emission in failed
            self._compare_further(emission, is_rejected=is_rejected)
        repeated = {row.emission for row in duplicates}
        failed = {row.emission for row in checks if row.outcome == CheckOutcome.FAILED}
        first, self._judged = self._judged, len(self.emissions)
        made = (self.emissions[first:], self._emitted[first:], self._actors[first:])
        for emission, emitted, resident in zip(*made, strict=True):
            is_new = emission.emission not in repeated
            if emitted.action.unique and is_new and emission.emission not in failed:
                said = check_unique(emission, emitted.action.unique, self._state.taken)
                checks.append(_check_row(emission, said))
                failed |= {emission.emission} if said.outcome is CheckOutcome.FAILED else set()
            self._state.newest.append(is_new)
            is_valid = emission.emission not in failed
            resident.accepted += is_new and is_valid
            if is_valid:
                self._valid.append(emitted)
        self._state.has_emitted |= bool(self.emissions)
        self._state.emitted.note_latest(self._valid)

    def _compare_further(self, emission: rows.EmissionRow, *, is_rejected: bool) -> None:
        """Compare an output with texts of other files. Unless it is rejected already, compare it by its vector too."""
        against, similar = self._state.against, self._state.similar
        said = against.check(emission.text) if against is not None else None
        vector = self.vectors.get(emission.text)
        is_rejected |= said is not None and said.outcome is CheckOutcome.FAILED
        if similar is not None and vector is not None and not is_rejected:
            found = similar.check(emission, vector)
            if isinstance(found, DuplicateRow):
                self.rows.of(DuplicateRow).append(found)
            elif found is not None:
                said = found
        if said is not None:
            self.rows.of(rows.CheckRow).append(_check_row(emission, replace(said, check="against")))

    def deliver(self, messages: Sequence[rows.MessageRow]) -> None:
        """Deliver what was said in this step, to be heard in the next one."""
        by_strength = self._state.scenario.settings.neighbours_by == "strength"
        heard = set(self._heard)
        for message in messages:
            if message.message not in heard:
                self.deliver_line(message)
            if by_strength and PLAYER not in (message.sender, message.recipient):
                self._state.note_contact(message.sender, message.recipient, self._step)

    def deliver_line(self, message: rows.MessageRow) -> None:
        """Deliver a line: a step's when it ends, and one of a conversation at once, so that it can be answered."""
        self._heard.add(message.message)
        self._state.note_line(message)
        if PLAYER not in (message.sender, message.recipient):
            self._state.residents[message.recipient].inbox.append(message)

    def settle(self) -> None:
        """Apply the tie changes of actions, let the scenario resolve the step, and let agents leave.

        Only agents that asked to leave in their turns do so.
        """
        self.ties.make_wanted()
        resolve(self._state, self._view, self._levers, self._valid)
        self.people.leave_wanted()

    def measure(self) -> None:
        """Write the states at the end of the step, and take the scenario's measures."""
        if self._state.times is not None:
            self.rows.of(rows.TurnTimeRow).extend(self._state.times.end(self.people.newcomers))
        self.rows.of(rows.AgentStateRow).extend(changed_states(self._state, step=self._step))
        scenario = self._state.scenario
        with hook(scenario, "measures"):
            for name, value in _check_measures(scenario.measures(self._view)):
                self.rows.of(rows.MeasureRow).append(rows.MeasureRow(self._step, name, float(value)))
        with hook(scenario, "node_measures"):
            measured = node_measure_rows(scenario.node_measures(self._view), self._view)
            self.rows.of(rows.NodeMeasureRow).extend(measured)

    @property
    def events(self) -> list[object]:
        """What the event hash is taken over: what happened, not how long it took or how often it was tried."""
        found = self.rows.of
        lost = [(one.agent, one.outcome) for one in found(FailureRow)]
        said = [found(kind) for kind in (rows.InterventionRow, rows.EmissionRow, rows.MessageRow, DuplicateRow)]
        # Where there are none, the hash is that of a scenario which knows no checks, states, changes of ties or plans.
        checks = [{name: getattr(one, name) for name in _JUDGED} for one in found(rows.CheckRow)]
        # The world's own values after the step are an event already.
        levered = [one for one in self._levers.rows if one.what != "world"]
        kinds = (
            checks,
            found(rows.AgentStateRow),
            found(rows.RelationChangeRow),
            levered,
            self._weighed,
            found(rows.TurnTimeRow),
            found(rows.NodeMeasureRow),
            found(rows.PostRow),
            found(rows.ExposureRow),
            found(rows.DeliberationRow),
        )
        return [*said, lost, found(rows.MeasureRow), *(kind for kind in kinds if kind)]

    def _keep_unheard(self, resident: Resident) -> None:
        # What a suspended tie keeps from being heard waits until it is restored; all else was heard, or is too old.
        if not resident.inbox:
            return
        graph, world = self._state.graph, self._state.world
        resident.inbox = [m for m in resident.inbox if is_cut(graph, m.sender, resident.id, world)]

    def _apply_action(self, resident: Resident, seen: Observation, action: Action, decision: Decision) -> None:
        # Of an enumeration's member that is a str too, the plain value.
        text = str.__str__(text_from(action, "emitted_text", lambda: action.emitted_text))
        with hook(action, "payload"):
            payload = dump_json(action.payload)
        made_by = (decision.revised, decision.model or self._model, decision.prompt)
        number = self._state.next_emission()
        emission = rows.EmissionRow(number, self._step, seen.agent, action.name, text, payload, *made_by)
        if decision.archetype is not None:
            emission = rows.ArchetypeEmissionRow(**asdict(emission), archetype=decision.archetype)
        self.emissions.append(emission)
        self._actors.append(resident)
        self._emitted.append(Emission(seen.agent, action, action.name, self._step))
        if novelty_of(type(action)) != "none":
            self._compared.append(emission)
        checks = [_check_row(emission, one) for one in decision.checks]
        self.rows.of(rows.CheckRow).extend(checks)
        self.rows.of(rows.DrawRow).extend(rows.DrawRow(number, *drawn) for drawn in decision.drawn.items())
        if self._state.yields is not None:
            self._state.yields.note(number, checks)
        if _is_rejected(decision):
            return
        with hook(action, "apply"):
            action.apply(TurnEffects(self, seen, emission))

    def say(self, seen: Observation, emission: rows.EmissionRow, to: str, text: str) -> None:
        """Send a line to the agent with the key `to` in the speaker's observation."""
        answered = next((h.message for h in reversed(seen.heard) if h.key == to), None)
        self._add_message(seen.agent, seen.agent_behind(to), str.__str__(text), emission.emission, answered)

    def post(
        self, seen: Observation, emission: rows.EmissionRow, channel: str, text: str, reply_to: str | None
    ) -> None:
        """Post a text in a channel, as a reply to the post with the key `reply_to` if one is given."""
        board = self._state.posts
        if board is None:
            raise ValueError(f"there is no channel {channel!r}; list some in the scenario's `channels`")
        answered = None if reply_to is None else seen.post_behind(reply_to).post
        number = board.next_post(channel)
        row = rows.PostRow(number, self._step, seen.agent, channel, str.__str__(text), emission.emission, answered)
        board.post(row)
        self.rows.of(rows.PostRow).append(row)

    def state_of(self, agent: str) -> Any:
        """Return the state of an agent, or None if the scenario declares none. Raises `KeyError` for the player."""
        return self._state.residents[agent].state

    @property
    def world(self) -> World:
        """The world, as actions may change it."""
        return self._state.world

    def _add_message(
        self, sender: str, recipient: str, text: str, emission: int | None = None, reply_to: int | None = None
    ) -> rows.MessageRow:
        message = rows.MessageRow(self._state.next_message(), self._step, sender, recipient, text, emission, reply_to)
        self.messages.append(message)
        return message

    def _add_lost(self, agent: str, decision: Decision) -> None:
        purpose = decision.prompt.partition("@")[0]
        lost = MissedStage(purpose, decision.outcome, decision.reason, decision.attempts)
        self.add_failures([self._make_failure(agent, lost)])
        self.lost += 1

    def add_failures(self, failures: Iterable[FailureRow]) -> None:
        """Record what agents went without: a turn, a plan, an answer, vectors."""
        self.rows.of(FailureRow).extend(failures)

    def _make_failure(self, agent: str, missed: MissedStage) -> FailureRow:
        return FailureRow.of(missed, "step", self._step, agent, missed.purpose, agent=agent)


def _is_rejected(decision: Decision) -> bool:
    return any(one.outcome is CheckOutcome.FAILED for one in decision.checks)


def _check_measures(measured: object) -> list[tuple[str, Any]]:
    if not isinstance(measured, Mapping) or not all(isinstance(name, str) for name in measured):
        raise TypeError(f"it must give a mapping of names to numbers, and gave {measured!r:.80}")
    return list(measured.items())


def _join_names(keys: Sequence[str], seen: Observation) -> str:
    """Join the names of the agents with these keys into a phrase for a sentence."""
    *others, last = [seen.called(key) for key in keys] or ["nobody"]
    return f"{', '.join(others)} and {last}" if others else last
