"""Changing a society by levers: interventions before a line of a step, `Scenario.resolve` at its end."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from ...core.errors import hook
from ...core.table import RowBuffer
from ...personas.persona import RelationKind
from ..emitted import Emission
from ..resident import Resident, SocietyView
from ..runfile.rows import InterventionEffectRow, InterventionRow
from ..scenario import Scenario
from ..seeds import rng_for
from ..state import SocietyState
from .arrivals import PeopleChanges, TieChanges, checked_tie
from .declared import RESOLVE, Arrival, Intervention, Levers, Targets
from .world import World


class EffectLog:
    """Makes the changes that levers ask for in a step, and adds a row of each."""

    def __init__(self, state: SocietyState, ties: TieChanges, people: PeopleChanges, buffer: RowBuffer) -> None:
        self._ties, self._people = ties, people
        self.rows = buffer.of(InterventionEffectRow)
        self.intervention = ""
        #: Whether those who act in the step have begun to.
        self.is_begun = False
        self.independent = state.scenario.independent
        self._step = state.world.step

    def tie(self, source: str, target: str, kind: RelationKind, label: str, weight: float) -> None:
        """Add a tie, or strengthen it. Raises `ValueError` for an invalid tie."""
        kind, label, weight = checked_tie(kind, label, weight)
        before, after = self._ties.add(source, target, kind, label, weight, resolved=self.is_begun)
        self.add("tie", source, target, label, before or None, after)

    def untie(self, one: str, other: str, kind: RelationKind | None) -> None:
        """Remove the ties between two agents, of one kind or all."""
        for row, before in self._ties.remove(one, other, kind, resolved=self.is_begun):
            self.add("tie", row.source, row.target, row.label, before, None)

    def depart(self, agent: str) -> None:
        """Let an agent leave."""
        self._people.depart(agent, "intervention", intervention=self.intervention, resolved=self.is_begun)
        self.add("agent", agent, None, None, True, False)

    def arrive(self, arrival: Arrival) -> None:
        """Register an arrival in this step. Raises `TypeError` once its turns have begun."""
        if self.is_begun:
            raise TypeError("nobody comes once a step has begun; give the arrival in the scenario's `arrivals`")
        self._people.want(arrival, self.intervention)

    def add(
        self, what: str, agent: str | None, other: str | None, field: str | None, before: object, after: object
    ) -> None:
        """Add a row for a change."""
        place = len(self.rows) + 1
        values = (None if one is None else orjson.dumps(one).decode() for one in (before, after))
        row = InterventionEffectRow(self._step, place, self.intervention, what, agent, other, field, *values)
        self.rows.append(row)

    def add_difference(self, what: str, agent: str | None, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Add a row for each field whose value differs."""
        for field in {**before, **after}:
            if before.get(field) != after.get(field):
                self.add(what, agent, None, field, before.get(field), after.get(field))


def intervene(
    state: SocietyState, view: SocietyView, log: EffectLog, is_reached: Callable[[int], bool]
) -> list[InterventionRow]:
    """Apply the interventions that are due, in the order of declaration, and return a row for each.

    `is_reached` tells of the line before which one is to come whether the step has just come that far.
    """
    made = []
    for one in state.scenario.declared_interventions():
        with hook(state.scenario, f"interventions: {one.name}"):
            if is_reached(one.line) and _is_due(one, state, view):
                log.intervention = one.name
                _make_intervention(one, state, view, log)
                made.append(InterventionRow(state.world.step, one.name, one.news))
    return made


def resolve(state: SocietyState, view: SocietyView, log: EffectLog, decisions: Sequence[Emission]) -> None:
    """Let the scenario settle the decisions of a step, if it overrides `resolve`."""
    scenario = state.scenario
    if type(scenario).resolve is Scenario.resolve:
        return
    log.intervention, log.is_begun = RESOLVE, True
    levers = Levers(view, view.residents, log, rng_for(state.seed, RESOLVE, state.world.step))
    with hook(scenario, RESOLVE):
        _record_change(state, view, log, lambda: scenario.resolve(view, decisions, levers))


def _is_due(one: Intervention, state: SocietyState, view: SocietyView) -> bool:
    if one.when is None:
        return one.at == state.world.step
    if (not one.again and one.name in state.world.fired) or not one.when(view):
        return False
    if one.name not in state.world.fired:
        state.world.fired.append(one.name)
    return True


def _make_intervention(one: Intervention, state: SocietyState, view: SocietyView, log: EffectLog) -> None:
    residents = view.residents if one.to is None else residents_meant(one.to, state, view)
    if one.to is not None:
        for resident in residents:
            log.add("assigned", resident.id, None, None, None, None)
    if one.news is not None:
        state.world.announce(one.news, to=None if one.to is None else [resident.id for resident in residents])
    if one.effect is not None:
        rng = rng_for(state.seed, "intervention", state.world.step, one.name)
        _record_change(state, view, log, partial(one.effect, Levers(view, residents, log, rng)))


def _record_change(state: SocietyState, view: SocietyView, log: EffectLog, change: Callable[[], object]) -> None:
    """Call `change`, and add a row for each difference it made to the world, to blocks and to states."""
    world, states, blocks = _flatten_world(state.world), _list_states(view), _list_blocks(state.world)
    change()
    after_blocks = _list_blocks(state.world)
    for agent, other in {**blocks, **after_blocks}:
        if (is_on := (agent, other) in after_blocks) != ((agent, other) in blocks):
            if strange := [end for end in (agent, other) if end is not None and end not in state.residents]:
                raise ValueError(f"it blocks {strange[0]!r}, and no agent has that id; take `resident.id`")
            log.add("block", agent, other, None, not is_on, is_on)
    log.add_difference("world", None, world, _flatten_world(state.world))
    for agent, after in _list_states(view).items():
        if after != states[agent]:
            log.add_difference("state", agent, states[agent], after)


def residents_meant(to: Targets, state: SocietyState, view: SocietyView) -> Sequence[Resident]:
    """Return the targeted agents that have not left, in their order.

    Raises `ValueError` for an unknown id, and for a group that never had a member.
    """
    if callable(to):
        return [resident for resident in view.residents if to(resident)]
    if isinstance(to, str):
        found = [resident for resident in view.residents if resident.group == to]
        if not any(resident.group == to for resident in state.residents.values()):
            groups = sorted({resident.group for resident in view.residents if resident.group is not None})
            raise ValueError(
                f"nobody is in the group {to!r}; there are: {', '.join(groups) or 'none'} (for one agent, give a list "
                f"with its id)"
            )
        return found
    for agent in to:
        if agent not in state.residents:
            raise ValueError(f"it is meant for {agent!r}, and no agent has that id; take `resident.id`")
    meant = set(to)
    return [resident for resident in view.residents if resident.id in meant]


def _flatten_world(world: World) -> dict[str, Any]:
    """Return, by name, what an effect can change of the world.

    Blocks are left out, since they have rows of their own.
    """
    written = world.model_dump(mode="json", exclude={"step", "blocked", "blocked_ties", "fired", "time"})
    for name in ("values", "state"):
        for field, value in (written.pop(name, None) or {}).items():
            written[f"{name}.{field}"] = value
    return written


def _list_blocks(world: World) -> dict[tuple[str, str | None], None]:
    """Return the blocked agents, and each blocked tie once with both of its ends."""
    blocks: dict[tuple[str, str | None], None] = {(agent, None): None for agent in world.blocked}
    for one, others in world.blocked_ties.items():
        blocks |= {(one, other): None for other in others if (other, one) not in blocks}
    return blocks


def _list_states(view: SocietyView) -> dict[str, dict[str, Any]]:
    """Return the states of all agents. Empty if the scenario declares no state type."""
    return {one.id: one.state.model_dump(mode="json") for one in view.residents if one.state is not None}
