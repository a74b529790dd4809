"""How ties change in a step: on the graph, between the agents' cells, and as rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from ...agents.observation import PLAYER
from ...core.table import RowBuffer
from ...personas.persona import RelationKind
from ..runfile.rows import RelationChangeRow
from ..state import SocietyState


@dataclass(frozen=True, slots=True)
class WantedTie:
    """A tie that an action wants stronger by a weight; without a label, the ties that it wants removed."""

    agent: str
    target: str
    #: None for ties of all kinds.
    kind: RelationKind | None
    label: str | None
    weight: float
    emission: int


class TieChanges:
    """Changes ties, and adds a row for each change.

    Interventions change ties before the turns of a step, actions when all of its turns are done.
    """

    def __init__(self, state: SocietyState, buffer: RowBuffer) -> None:
        """Begin a step in which no tie has changed yet."""
        self._state = state
        self._rows = buffer.of(RelationChangeRow)
        self._step = state.world.step
        self._wanted: list[WantedTie] = []

    def want(self, wanted: WantedTie) -> None:
        """Queue a tie change for the end of the step, so that all turns of the step see the same snapshot.

        Raises `ValueError` for the player, and `TypeError` in a scenario whose turns are independent.
        """
        if wanted.target == PLAYER:
            raise ValueError("nobody can be tied to the player, who is only visiting")
        if self._state.scenario.independent:
            raise TypeError("an independent scenario changes no ties; leave out `independent = True`")
        self._wanted.append(wanted)

    def make_wanted(self) -> None:
        """Apply the queued tie changes in order."""
        for wanted in self._wanted:
            if wanted.label is None or wanted.kind is None:
                for _ in self.remove(wanted.agent, wanted.target, wanted.kind, wanted.emission):
                    pass
            else:
                self.add(wanted.agent, wanted.target, wanted.kind, wanted.label, wanted.weight, wanted.emission)
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
        self._set(source, target, kind, label, change, before + weight, emission, resolved)
        return before, before + weight

    def remove(
        self,
        one: str,
        other: str,
        kind: RelationKind | None = None,
        emission: int | None = None,
        *,
        resolved: bool = False,
    ) -> Iterator[tuple[RelationChangeRow, float]]:
        """Remove the ties between two agents, of one kind or all, and yield each row with the former weight."""
        for tie in [t for t in self._state.graph.neighbours(one) if t.id == other and kind in (None, t.kind)]:
            ends = (one, other) if tie.outgoing else (other, one)
            yield self._set(*ends, tie.kind, tie.label, "removed", 0.0, emission, resolved), tie.weight

    def _set(
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
