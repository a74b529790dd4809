"""Making the interventions of a step: what is due is changed at its start, before anybody observes."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ...personas.errors import hook
from ...personas.persona import RelationKind
from ..resident import Resident, SocietyView
from ..runfile.society_rows import InterventionEffectRow, InterventionRow
from ..state import SocietyState
from .arrivals import PeopleChanges
from .declared import Arrival, Intervention, Levers, Targets
from .ties import TieChanges, checked_tie
from .world import World


class _EffectLog:
    """What the levers of a step change, and the rows of that and of all else that interventions change."""

    def __init__(self, state: SocietyState, ties: TieChanges, people: PeopleChanges) -> None:
        self._ties, self._people = ties, people
        self.rows: list[InterventionEffectRow] = []
        self.intervention = ""
        self.independent = state.scenario.independent
        self._step = state.world.step

    def tie(self, source: str, target: str, kind: RelationKind, label: str, weight: float) -> None:
        kind, label, weight = checked_tie(kind, label, weight)
        before, after = self._ties.add(source, target, kind, label, weight)
        self.add("tie", source, target, label, before or None, after)

    def untie(self, one: str, other: str, kind: RelationKind | None) -> None:
        for row, before in self._ties.remove(one, other, kind):
            self.add("tie", row.source, row.target, row.label, before, None)

    def depart(self, agent: str) -> None:
        self._people.depart(agent, "intervention", intervention=self.intervention)
        self.add("agent", agent, None, None, True, False)

    def arrive(self, arrival: Arrival) -> None:
        self._people.want(arrival, self.intervention)

    def add(
        self, what: str, agent: str | None, other: str | None, field: str | None, before: object, after: object
    ) -> None:
        place = len(self.rows) + 1
        values = (None if one is None else orjson.dumps(one).decode() for one in (before, after))
        row = InterventionEffectRow(self._step, place, self.intervention, what, agent, other, field, *values)
        self.rows.append(row)

    def add_difference(self, what: str, agent: str | None, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """A row for each field whose value is another one."""
        for field in {**before, **after}:
            if before.get(field) != after.get(field):
                self.add(what, agent, None, field, before.get(field), after.get(field))


def intervene(
    state: SocietyState, view: SocietyView, ties: TieChanges, people: PeopleChanges
) -> tuple[list[InterventionRow], list[InterventionEffectRow]]:
    """Make the changes that are due, in the order in which they are declared; gives rows of them and their effects."""
    log = _EffectLog(state, ties, people)
    made = []
    for one in state.scenario.declared_interventions():
        with hook(state.scenario, f"interventions: {one.name}"):
            if _is_due(one, state, view):
                log.intervention = one.name
                _make(one, state, view, log)
                made.append(InterventionRow(state.world.step, one.name, one.news))
    return made, log.rows


def _is_due(one: Intervention, state: SocietyState, view: SocietyView) -> bool:
    if one.when is None:
        return one.at == state.world.step
    if (not one.again and one.name in state.world.fired) or not one.when(view):
        return False
    if one.name not in state.world.fired:
        state.world.fired.append(one.name)
    return True


def _make(one: Intervention, state: SocietyState, view: SocietyView, log: _EffectLog) -> None:
    residents = view.residents if one.to is None else residents_meant(one.to, state, view)
    if one.to is not None:
        for resident in residents:
            log.add("assigned", resident.id, None, None, None, None)
    if one.news is not None:
        state.world.announce(one.news, to=None if one.to is None else [resident.id for resident in residents])
    if one.effect is None:
        return
    world, states, blocks = _flat(state.world), _states(view), _blocks(state.world)
    one.effect(Levers(view, residents, log))
    after_blocks = _blocks(state.world)
    for agent, other in {**blocks, **after_blocks}:
        if (is_on := (agent, other) in after_blocks) != ((agent, other) in blocks):
            if strange := [end for end in (agent, other) if end is not None and end not in state.residents]:
                raise ValueError(f"it blocks {strange[0]!r}, and no agent has that id; take `resident.id`")
            log.add("block", agent, other, None, not is_on, is_on)
    log.add_difference("world", None, world, _flat(state.world))
    for agent, after in _states(view).items():
        log.add_difference("state", agent, states[agent], after)


def residents_meant(to: Targets, state: SocietyState, view: SocietyView) -> Sequence[Resident]:
    """The agents that are meant and have not left, in their order.

    Raises `ValueError` for an unknown id, and for a group in which nobody has ever been.
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


def _flat(world: World) -> dict[str, Any]:
    """What an effect can change of the world, by name; blocks have rows of their own."""
    written = world.model_dump(mode="json", exclude={"step", "blocked", "blocked_ties", "fired", "woken", "time"})
    for name in ("values", "state"):
        for field, value in (written.pop(name, None) or {}).items():
            written[f"{name}.{field}"] = value
    return written


def _blocks(world: World) -> dict[tuple[str, str | None], None]:
    """The agents that are blocked, and the ties, each once by both ends."""
    blocks: dict[tuple[str, str | None], None] = {(agent, None): None for agent in world.blocked}
    for one, others in world.blocked_ties.items():
        blocks |= {(one, other): None for other in others if (other, one) not in blocks}
    return blocks


def _states(view: SocietyView) -> dict[str, dict[str, Any]]:
    """The states of all agents; none where the scenario declares no type of them."""
    return {one.id: one.state.model_dump(mode="json") for one in view.residents if one.state is not None}
