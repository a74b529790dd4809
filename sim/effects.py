"""What the decisions of a step do to the world, gathered as rows in the fixed order of agents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

import orjson

from ..agents.action_check import novelty_of
from ..agents.actions import PLAYER, Action
from ..agents.checks import CheckOutcome, CheckResult
from ..agents.mind import Decision
from ..agents.observation import Observation, quoted
from ..personas.errors import hook
from ..personas.model import Outcome
from ..personas.persona import RelationKind
from .emitted import Emission
from .resident import Resident, SocietyView
from .runfile import job_rows, rows
from .scenario import Visit
from .state import SocietyState, changed_states
from .world import World, is_cut

if TYPE_CHECKING:
    from ..agents.embedding.vectors import Vector

#: What the event hash holds of a check.
_JUDGED = ("emission", "check", "outcome", "reason", "score", "version")


def _check_row(emission: rows.EmissionRow, said: CheckResult) -> rows.CheckRow:
    return rows.CheckRow(emission.emission, said.check, said.outcome, said.reason, said.score, said.version)


class Effects:
    """Applies visits and decisions one by one, and holds the rows they leave."""

    def __init__(self, state: SocietyState, view: SocietyView, *, model: str) -> None:
        """`view` is what the scenario is shown, `model` the name in the rows of emissions."""
        self._state = state
        self._view = view
        self._model = model
        self._step = state.world.step
        self.interventions: list[rows.InterventionRow] = []
        self.observations: list[rows.ObservationRow] = []
        self.emissions: list[rows.EmissionRow] = []
        self._emitted: list[Emission] = []
        self._compared: list[rows.EmissionRow] = []
        self.messages: list[rows.MessageRow] = []
        self.duplicates: list[rows.DuplicateRow] = []
        self.memories: list[rows.MemoryRow] = []
        self.failures: list[job_rows.FailureRow] = []
        #: Agents that had their turn, and recalled by words because their vectors were missing.
        self.unembedded: list[job_rows.FailureRow] = []
        #: Vectors of what is emitted, by its text, where outputs are compared by meaning.
        self.vectors: dict[str, Vector] = {}
        self.measures: list[rows.MeasureRow] = []
        self.checks: list[rows.CheckRow] = []
        self.states: list[rows.AgentStateRow] = []
        self.ties: list[rows.RelationChangeRow] = []
        self._wanted_ties: list[_WantedTie] = []

    def clear(self) -> None:
        """Drop rows that an earlier session has written."""
        self.interventions, self.messages = [], []

    def intervene(self) -> None:
        """Apply the interventions that are due, before anybody looks."""
        world = self._state.world
        for due in self._state.scenario.declared_interventions():
            if due.at == self._step:
                world.announce(due.news)
                if due.effect is not None:
                    with hook(self._state.scenario, f"interventions: {due.name}"):
                        due.effect(world)
                self.interventions.append(rows.InterventionRow(self._step, due.name, due.news))

    def visit(self, visit: Visit) -> None:
        """A player's line, heard in this very step. Raises `TypeError` or `ValueError` for what is no such line."""
        agent, text = getattr(visit, "agent", None), getattr(visit, "text", None)
        if not isinstance(agent, str) or not isinstance(text, str):
            raise TypeError(f"it must give visits, as Visit(resident.id, 'Good day.'), and gave {visit!r}")
        try:
            visited = self._state.residents[agent]
        except KeyError:
            raise ValueError(f"it gave a visit to {agent!r}, and nobody has that id; take `resident.id`") from None
        visited.inbox.append(self._message(PLAYER, agent, text))

    def take_turn(self, seen: Observation, decision: Decision) -> None:
        """What an agent saw, heard and did, or why its turn was lost."""
        resident = self._state.residents[seen.agent]
        resident.asked += 1
        self._keep_unheard(resident)
        if decision.action is None and decision.outcome is not Outcome.OK:
            self._lose(seen.agent, decision)
        elif decision.action is not None:
            self._act(seen, decision.action, decision)
        if not self._state.scenario.observes:
            return
        notes = [_heard(seen.called(h.key), h.text) for h in seen.heard]
        if decision.action is not None:
            notes.append(_note_of(decision.action, seen))
        self.observations.append(
            rows.ObservationRow(self._step, seen.agent, len(seen.neighbours), len(seen.heard), seen.text)
        )
        for place, note in enumerate(notes, start=1):
            resident.memory.note(note)
            self.memories.append(rows.MemoryRow(self._step, seen.agent, place, note))

    def compare(self) -> None:
        """Compare what was emitted with everything before it, in the order of agents."""
        self.duplicates += self._state.emitted.add_all(self._compared)
        repeated = {row.emission for row in self.duplicates}
        failed = {row.emission for row in self.checks if row.outcome == CheckOutcome.FAILED}
        for emission in self._compared:
            is_rejected = emission.emission in repeated or emission.emission in failed
            self._compare_further(emission, is_rejected=is_rejected)
        repeated = {row.emission for row in self.duplicates}
        failed = {row.emission for row in self.checks if row.outcome == CheckOutcome.FAILED}
        for emission, emitted in zip(self.emissions, self._emitted, strict=True):
            is_new = emission.emission not in repeated
            if emitted.action.unique and is_new and emission.emission not in failed:
                said = self._state.taken.check(emission, emitted.action.unique)
                self.checks.append(_check_row(emission, said))
                failed |= {emission.emission} if said.outcome is CheckOutcome.FAILED else set()
            self._state.newest.append(is_new)
            self._state.residents[emission.agent].accepted += is_new and emission.emission not in failed
        self._state.has_emitted |= bool(self.emissions)
        self._state.emitted.note_latest(self._emitted)

    def _compare_further(self, emission: rows.EmissionRow, *, is_rejected: bool) -> None:
        """Compare an emission with texts of other files and, unless it is rejected already, by its vector."""
        against, similar = self._state.against, self._state.similar
        said = against.check(emission.text) if against is not None else None
        vector = self.vectors.get(emission.text)
        is_rejected |= said is not None and said.outcome is CheckOutcome.FAILED
        if similar is not None and vector is not None and not is_rejected:
            found = similar.check(emission, vector)
            if isinstance(found, rows.DuplicateRow):
                self.duplicates.append(found)
            elif found is not None:
                said = found
        if said is not None:
            self.checks.append(_check_row(emission, replace(said, check="against")))

    def deliver(self, messages: Sequence[rows.MessageRow]) -> None:
        """Put what was said in the step where it will be heard in the next one."""
        for message in messages:
            if PLAYER not in (message.sender, message.recipient):
                self._state.residents[message.recipient].inbox.append(message)

    def measure(self) -> None:
        """Change the ties as actions asked, and take the scenario's measures of the society as it is then."""
        for wanted in self._wanted_ties:
            self._change_ties(wanted)
        self.states = changed_states(self._state, step=self._step)
        scenario = self._state.scenario
        with hook(scenario, "measures"):
            for name, value in _items(scenario.measures(self._view)):
                self.measures.append(rows.MeasureRow(self._step, name, float(value)))

    @property
    def all_rows(self) -> list[rows.Row]:
        """All rows, ready for the run file."""
        return [
            *self.interventions,
            *self.observations,
            *self.emissions,
            *self.checks,
            *self.states,
            *self.ties,
            *self.messages,
            *self.duplicates,
            *self.memories,
            *self.unembedded,
            *self.failures,
            *self.measures,
        ]

    @property
    def events(self) -> list[object]:
        """What the event hash is taken over: what happened, not how long it took or how often it was tried."""
        lost = [(f.agent, f.outcome) for f in [*self.unembedded, *self.failures]]
        events: list[object] = [self.interventions, self.emissions, self.messages, self.duplicates, lost, self.measures]
        # Where there are none, the hash is that of a scenario which knows no checks, no state and no changes of ties.
        checks = [{name: getattr(one, name) for name in _JUDGED} for one in self.checks]
        return [*events, *(kind for kind in (checks, self.states, self.ties) if kind)]

    def _keep_unheard(self, resident: Resident) -> None:
        # What a suspended tie keeps from being heard waits until it is restored; all else was heard, or is too old.
        if not resident.inbox:
            return
        graph, suspended = self._state.graph, self._state.world.suspended
        resident.inbox = [m for m in resident.inbox if is_cut(graph, m.sender, resident.id, suspended)]

    def _act(self, seen: Observation, action: Action, decision: Decision) -> None:
        emission = rows.EmissionRow(
            emission=self._state.next_emission(),
            step=self._step,
            agent=seen.agent,
            kind=action.name,
            text=_text_of(action),
            payload=_payload_of(action),
            revised=decision.revised,
            model=decision.model or self._model,
            prompt=decision.prompt,
        )
        self.emissions.append(emission)
        self._emitted.append(Emission(seen.agent, action, action.name, self._step))
        if novelty_of(type(action)) != "none":
            self._compared.append(emission)
        self.checks += [_check_row(emission, one) for one in decision.checks]
        with hook(action, "apply"):
            action.apply(_TurnEffects(self, seen, emission))

    def say(self, seen: Observation, emission: rows.EmissionRow, to: str, text: str) -> None:
        """Send a line to the agent with the key `to` in the speaker's observation."""
        answered = next((h.message for h in reversed(seen.heard) if h.key == to), None)
        self._message(seen.agent, seen.agent_behind(to), str.__str__(text), emission.emission, answered)

    def state_of(self, agent: str) -> Any:
        """The state of an agent; None where the scenario declares none. Raises `KeyError` for the player."""
        return self._state.residents[agent].state

    def want_tie(self, wanted: "_WantedTie") -> None:
        """Have a tie changed when the step ends, so that all turns of it are on one snapshot.

        Raises `ValueError` for the player, and `TypeError` in a scenario whose turns are independent.
        """
        if wanted.target == PLAYER:
            raise ValueError("nobody can be tied to the player, who is only visiting")
        if self._state.scenario.independent:
            raise TypeError("an independent scenario changes no ties; leave out `independent = True`")
        self._wanted_ties.append(wanted)

    def _change_ties(self, wanted: "_WantedTie") -> None:
        """Add or strengthen one tie, or remove those between two agents."""
        graph, kind = self._state.graph, wanted.kind
        there = [tie for tie in graph.neighbours(wanted.agent) if tie.id == wanted.target and kind in (None, tie.kind)]
        if wanted.label is None or kind is None:
            for tie in there:
                ends = (wanted.agent, wanted.target) if tie.outgoing else (wanted.target, wanted.agent)
                self._set_tie(*ends, tie.kind, tie.label, "removed", 0.0, wanted.emission)
            return
        weights = [tie.weight for tie in there if tie.outgoing and tie.label == wanted.label]
        weight, change = (weights[0] + wanted.weight, "strengthened") if weights else (wanted.weight, "added")
        self._set_tie(wanted.agent, wanted.target, kind, wanted.label, change, weight, wanted.emission)

    def _set_tie(
        self, source: str, target: str, kind: RelationKind, label: str, change: str, weight: float, emission: int
    ) -> None:
        place = len(self.ties) + 1
        row = rows.RelationChangeRow(self._step, place, source, target, kind, label, change, weight, emission)
        self._state.set_tie(row)
        self.ties.append(row)

    @property
    def world(self) -> World:
        """The world, as actions may change it."""
        return self._state.world

    def _message(
        self, sender: str, recipient: str, text: str, emission: int | None = None, reply_to: int | None = None
    ) -> rows.MessageRow:
        message = rows.MessageRow(self._state.next_message(), self._step, sender, recipient, text, emission, reply_to)
        self.messages.append(message)
        return message

    def _lose(self, agent: str, decision: Decision) -> None:
        self.failures.append(
            job_rows.FailureRow(
                phase="step",
                number=self._step,
                step=self._step,
                agent=agent,
                owner=agent,
                purpose=decision.prompt.partition("@")[0],
                outcome=decision.outcome,
                reason=decision.reason,
                attempts=decision.attempts,
            )
        )


@dataclass(frozen=True, slots=True)
class _WantedTie:
    """A tie that an action wants stronger by a weight; without a label, the ties that it wants removed."""

    agent: str
    target: str
    #: None for ties of all kinds.
    kind: RelationKind | None
    label: str | None
    weight: float
    emission: int


class _TurnEffects:
    """What an action can change, with the turn in which it is done: the `ActionEffects` of `Action.apply`."""

    __slots__ = ("_effects", "_emission", "_seen")

    def __init__(self, effects: Effects, seen: Observation, emission: rows.EmissionRow) -> None:
        self._effects, self._seen, self._emission = effects, seen, emission

    @property
    def agent(self) -> str:
        return self._seen.agent

    @property
    def state(self) -> Any:
        return self._effects.state_of(self._seen.agent)

    @property
    def world(self) -> World:
        return self._effects.world

    def state_of(self, key: str) -> Any:
        return self._effects.state_of(self._seen.agent_behind(key))

    def tie(self, to: str, kind: RelationKind, label: str, *, weight: float = 1.0) -> None:
        if not label.strip() or not 0 < weight < inf:
            raise ValueError(f"a tie needs a label and a weight above 0, and {label!r} and {weight!r} were given")
        self._want(to, RelationKind(kind), label.strip(), float(weight))

    def untie(self, to: str, kind: RelationKind | None = None) -> None:
        self._want(to, None if kind is None else RelationKind(kind), None, 0.0)

    def _want(self, to: str, kind: RelationKind | None, label: str | None, weight: float) -> None:
        target = self._seen.agent_behind(to)
        self._effects.want_tie(_WantedTie(self._seen.agent, target, kind, label, weight, self._emission.emission))

    def say(self, to: str, text: str) -> None:
        self._effects.say(self._seen, self._emission, to, text)


def _items(measured: object) -> list[tuple[str, Any]]:
    if not isinstance(measured, Mapping) or not all(isinstance(name, str) for name in measured):
        raise TypeError(f"it must give a mapping of names to numbers, and gave {measured!r:.80}")
    return list(measured.items())


def _text_of(action: Action) -> str:
    with hook(action, "emitted_text"):
        text = action.emitted_text
        if not isinstance(text, str):
            raise TypeError(f"it must give a str, and gave {text!r}")
        # Of an enumeration's member that is a str too, the plain value.
        return str.__str__(text)


def _note_of(action: Action, seen: Observation) -> str:
    with hook(action, "note"):
        note: object = action.note(to=seen.called(action.addressee)) if action.addressed else action.note()
        if not isinstance(note, str):
            raise TypeError(f"it must give a str, and gave {note!r}")
        return note


def _payload_of(action: Action) -> str:
    with hook(action, "payload"):
        return orjson.dumps(action.payload).decode()


def _heard(speaker: str, text: str) -> str:
    return f"{speaker[0].upper()}{speaker[1:]} told you: {quoted(' '.join(text.split()))}"
