"""Who comes to a society and who leaves it while it lives, and how its ties change.

    class Town(Scenario):
        def arrivals(self, society, rng):
            return [Arrival(of=rng.choice(society.residents), kind=RelationKind.KINSHIP)]

Arrivals come at the beginning of a step, after its interventions: those who are asked for, by Persona-to-Persona, all
at the same time. As in growth, a newcomer passes the rules for people (`Growth.judges`), which may refuse or change the
description, and is refused who nearly repeats somebody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from ...agents.observation import PLAYER
from ...core.errors import hook
from ...core.model import Answer, PersonaModel, RequestContext
from ...core.table import RowBuffer
from ...personas.hub.tables import PersonaRow
from ...personas.judgement import judge_persona
from ...personas.persona import Persona, RelationKind
from ...personas.text_to_persona import Relative, persona_to_persona
from ..details import KnownPeople
from ..engine import AsyncioExecutor, Engine, Executor
from ..growth.stored import persona_row
from ..jobs.loop import worked
from ..resident import Resident, SocietyView
from ..runfile import rows
from ..runfile.job_rows import FailureRow, Unit
from ..runfile.rows import AgentChangeRow, RelationChangeRow
from ..seeds import derive_seed, rng_for
from ..settling import name_residents, settle_one
from ..state import SocietyState, begun_state
from .declared import Arrival


class TieChanges:
    """Changes ties, and adds a row for each change.

    Interventions change ties before the turns of a step, actions when all of its turns are done.
    """

    def __init__(self, state: SocietyState, buffer: RowBuffer) -> None:
        """Begin a step in which no tie has changed yet."""
        self._state = state
        self._rows = buffer.of(RelationChangeRow)
        self._step = state.world.step
        self._wanted: list[Callable[[], object]] = []

    def want(self, target: str, change: Callable[[], object]) -> None:
        """Queue a change of ties with `target` for the end of the step, so that all its turns see the same snapshot.

        Raises `ValueError` for the player, and `TypeError` in a scenario whose turns are independent.
        """
        if target == PLAYER:
            raise ValueError("nobody can be tied to the player, who is only visiting")
        if self._state.scenario.independent:
            raise TypeError("an independent scenario changes no ties; leave out `independent = True`")
        self._wanted.append(change)

    def make_wanted(self) -> None:
        """Apply the queued tie changes in order."""
        for change in self._wanted:
            change()
        self._wanted = []

    def add(
        self,
        source: str,
        target: str,
        kind: RelationKind,
        label: str,
        weight: float,
        emission: int | None = None,
        *,
        resolved: bool = False,
    ) -> tuple[float, float]:
        """Add a tie, or strengthen the existing one of this kind and label by `weight`.

        Returns the weights before and after.
        """
        there = (tie for tie in self._state.graph.neighbours(source) if tie.id == target and tie.outgoing)
        before = next((tie.weight for tie in there if (tie.kind, tie.label) == (kind, label)), 0.0)
        change = "strengthened" if before else "added"
        self._set_weight(source, target, kind, label, change, before + weight, emission, resolved)
        return before, before + weight

    def remove(
        self,
        one: str,
        other: str,
        kind: RelationKind | None = None,
        emission: int | None = None,
        *,
        resolved: bool = False,
    ) -> list[tuple[RelationChangeRow, float]]:
        """Remove the ties between two agents, of one kind or all, and return each row with the former weight."""
        removed = []
        for tie in [t for t in self._state.graph.neighbours(one) if t.id == other and kind in (None, t.kind)]:
            ends = (one, other) if tie.outgoing else (other, one)
            row = self._set_weight(*ends, tie.kind, tie.label, "removed", 0.0, emission, resolved)
            removed.append((row, tie.weight))
        return removed

    def _set_weight(
        self,
        source: str,
        target: str,
        kind: RelationKind,
        label: str,
        change: str,
        weight: float,
        emission: int | None,
        resolved: bool,
    ) -> RelationChangeRow:
        place = len(self._rows) + 1
        row = RelationChangeRow(self._step, place, source, target, kind, label, change, weight, emission, resolved)
        self._state.set_tie(row)
        self._rows.append(row)
        return row


def checked_tie(kind: RelationKind, label: str, weight: float) -> tuple[RelationKind, str, float]:
    """Check and normalise the kind, label and weight of a new tie. Raises `ValueError` for invalid ones."""
    if not label.strip() or not 0 < weight < inf:
        raise ValueError(f"a tie needs a label and a weight above 0, and {label!r} and {weight!r} were given")
    return RelationKind(kind), label.strip(), float(weight)


@dataclass(frozen=True, slots=True)
class ArrivalRequest:
    """Whom a model is asked about, as plain data."""

    persona: Persona
    kind: RelationKind | None
    context: RequestContext


async def ask_for_relative(item: ArrivalRequest, model: PersonaModel) -> Answer[tuple[Relative, ...]]:
    """Ask for someone in a close relationship with a persona."""
    return await persona_to_persona(
        model,
        item.persona,
        count=1,
        language=item.persona.language,
        kinds=() if item.kind is None else (item.kind,),
        context=item.context,
    )


class PeopleChanges:
    """Lets people come and leave, and adds the rows of that."""

    def __init__(self, state: SocietyState, view: SocietyView, ties: TieChanges, buffer: RowBuffer) -> None:
        """Begin a step in which nobody has come or left yet."""
        self._state, self._view, self._ties = state, view, ties
        self._step = state.world.step
        #: Arrivals, each with the intervention that wants it; None where the scenario does.
        self._wanted: list[tuple[Arrival, str | None]] = []
        self._leaving: list[tuple[str, int]] = []
        self.newcomers: list[Resident] = []
        self._rows = buffer

    def want(self, arrival: Arrival, intervention: str) -> None:
        """Register an arrival in this step that an intervention asks for."""
        self._wanted.append((arrival, intervention))

    def want_to_leave(self, agent: str, emission: int) -> None:
        """Register that an agent leaves when the step ends, as its action asks.

        Raises `TypeError` in an independent scenario.
        """
        if self._state.scenario.independent:
            raise TypeError("nobody leaves an independent scenario; leave out `independent = True`")
        self._leaving.append((agent, emission))

    def leave_wanted(self) -> None:
        """Let the agents leave that asked to in their turns."""
        for agent, emission in self._leaving:
            if not self._state.residents[agent].departed:
                self.depart(agent, "action", emission=emission)
        self._leaving = []

    def depart(
        self,
        agent: str,
        cause: str,
        *,
        intervention: str | None = None,
        emission: int | None = None,
        resolved: bool = False,
    ) -> None:
        """Let an agent leave. Its ties end, and nothing it said or was told is heard any more."""
        for other in dict.fromkeys(tie.id for tie in self._state.graph.neighbours(agent)):
            self._ties.remove(agent, other, emission=emission, resolved=resolved)
        self._state.leave(agent)
        self._note_change(agent, "departed", cause, intervention=intervention, emission=emission)

    def depart_declared(self) -> None:
        """Let the agents leave that the scenario names."""
        scenario = self._state.scenario
        with hook(scenario, "departures"):
            rng = rng_for(self._state.seed, "departures", self._step)
            for one in scenario.departures(self._view, rng):
                agent = getattr(one, "id", one)
                resident = self._state.residents.get(agent) if isinstance(agent, str) else None
                if resident is None or resident.departed:
                    why = "who has left already" if resident else "and no agent has that id; take `resident.id`"
                    raise ValueError(f"it gave {agent!r}, {why}")
                self.depart(resident.id, "scenario")

    async def arrive(self, engine: Engine, executor: Executor | None) -> None:
        """Add the arrivals that interventions ask for, then those the scenario asks for."""
        scenario = self._state.scenario
        with hook(scenario, "arrivals"):
            for one in scenario.arrivals(self._view, rng_for(self._state.seed, "arrivals", self._step)):
                if not isinstance(one, Arrival):
                    raise TypeError(f"it must give arrivals, as Arrival(of=resident), and gave {one!r:.80}")
                self._wanted.append((one, None))
            parents = [None if one.of is None else self._find_present(one.of) for one, _ in self._wanted]
        asked = [
            self._make_request(place, of.persona, one.kind)
            for place, ((one, _), of) in enumerate(zip(self._wanted, parents, strict=True))
            if one.persona is None and of is not None
        ]
        answers = iter(await self._ask_relatives(asked, engine, executor) if asked else ())
        if self._wanted and self._state.known_people is None:
            self._state.known_people = KnownPeople([one.persona for one in self._state.residents.values()], engine.log)
        for (arrival, intervention), resident in zip(self._wanted, parents, strict=True):
            of, given = resident and resident.id, arrival.persona
            if given is not None:
                persona = given if isinstance(given, Persona) else Persona(given)
                self._admit_person(intervention, persona, of, arrival.kind, arrival.label)
            elif (answer := next(answers)).value is not None:
                (relative,) = answer.value
                self._admit_person(intervention, relative.persona, of, relative.relation.kind, relative.relation.label)
            else:
                lost = FailureRow.of(answer, "step", self._step, str(of), "persona_to_persona")
                self._rows.of(FailureRow).append(lost)
        self._wanted = []

    async def _ask_relatives(
        self, asked: list[ArrivalRequest], engine: Engine, executor: Executor | None
    ) -> list[Answer[tuple[Relative, ...]]]:
        await engine.declare("step", Unit.STEP)
        engine.recall("step", self._step, [request.persona.id for request in asked])
        executor = executor or AsyncioExecutor(engine.gateway, workers=engine.workers("step"))
        engine.progress.began(f"Arrivals of step {self._step}", len(asked))
        return await worked(ask_for_relative, asked, executor, engine)

    def _make_request(self, place: int, of: Persona, kind: RelationKind | None) -> ArrivalRequest:
        drawn = derive_seed(self._state.seed, "arrival", self._step, place) >> 32
        return ArrivalRequest(of, kind, RequestContext("step", self._step, of.id, drawn))

    def _admit_person(
        self, intervention: str | None, persona: Persona, of: str | None, kind: RelationKind | None, label: str
    ) -> None:
        state, cause = self._state, "scenario" if intervention is None else "intervention"
        known = state.known_people
        assert known is not None  # noqa: S101 - made before anybody is taken in
        judged = judge_persona(persona, state.judges)
        persona = judged.persona
        alike = known.find_resembled(persona) if judged.is_let_in else None
        if alike is not None or not judged.is_let_in:
            text = None if judged.is_erased else persona.text
            self._note_change(
                persona.id, "refused", cause, parent=of, resembles=alike, text=text, intervention=intervention
            )
            return
        resident = settle_one(state, persona)
        if state.scenario.agent_state_type is not None:
            resident.state = begun_state(state, resident)
        with hook(state.scenario, "group"):
            group = state.scenario.group(resident)
        resident.group = None if group is None else str(group)
        resident.arrived = self._step
        name_residents(state, [resident])
        self._rows.of(PersonaRow).append(persona_row(persona, known.next_place()))
        counted = (resident.group, resident.weight, resident.arrived)
        agent = rows.AgentRow(persona.id, len(state.residents), *counted, name=resident.name or None)
        self._rows.of(rows.AgentRow).append(agent)
        self._note_change(persona.id, "arrived", cause, parent=of, intervention=intervention)
        if of is not None and kind is not None:
            self._ties.add(of, persona.id, kind, label, 1.0)
        self.newcomers.append(resident)

    def _find_present(self, one: Resident | str) -> Resident:
        resident = self._state.residents.get(one if isinstance(one, str) else one.id)
        if resident is None or resident.departed:
            raise ValueError(f"somebody is to come to {one!r}, who does not live there; take `resident.id`")
        return resident

    def _note_change(self, agent: str, change: str, cause: str, **told: Any) -> None:
        changes = self._rows.of(AgentChangeRow)
        changes.append(AgentChangeRow(self._step, len(changes) + 1, agent, change, cause, **told))
