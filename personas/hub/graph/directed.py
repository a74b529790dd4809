"""Which way ties lead, and whether they are returned."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from .mixing import reciprocity
from .network import components
from .spread import Components, Degrees
from .ties import Ties, distinct

__all__ = ["Directed"]


@dataclass(frozen=True, slots=True)
class Directed:
    """The figures that heed the direction of ties: the target of one is the source's label."""

    #: Distinct ordered pairs that are related.
    ties: int
    #: Parts within which everybody is reached from everybody along the ties.
    strong: Components
    #: People by how many others they have relations to, and from how many.
    outgoing: Degrees
    incoming: Degrees
    #: See `mixing.reciprocity`; and what it would be on average if as many ties ran at random.
    reciprocity: float | None
    reciprocity_at_random: float | None

    @classmethod
    def of(cls, ties: Ties) -> Self:
        """The figures of the relations of a hub."""
        arcs = distinct(ties.source * ties.people + ties.target)
        source, target = arcs // max(1, ties.people), arcs % max(1, ties.people)
        return cls(
            ties=len(arcs),
            strong=Components.of(components(ties.people, source, target, strong=True)),
            outgoing=Degrees.of(np.bincount(source, minlength=ties.people)),
            incoming=Degrees.of(np.bincount(target, minlength=ties.people)),
            reciprocity=reciprocity(ties.people, source, target),
            reciprocity_at_random=len(arcs) / (ties.people * (ties.people - 1)) if len(arcs) else None,
        )
