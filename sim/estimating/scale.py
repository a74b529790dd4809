"""How large a society will be, and a smaller one that is like it."""

import random
from collections.abc import Container, Sequence
from dataclasses import dataclass

from ...personas.hub import Hub
from ...personas.passage import Passage
from ...personas.persona import Persona, Relation
from ..growth import Growth
from ..seeds import rng_for

__all__ = ["Scale"]

#: Relations that are asked for where nothing bounds the people, and the share of them that leads to somebody new.
_FAN_OUT = 3
_NEW = 0.7


@dataclass(frozen=True, slots=True)
class Scale:
    """A society as it is asked for: how its people come about, and from whom or what."""

    growth: Growth
    source: Hub | Sequence[Passage]
    seed: int

    @property
    def people(self) -> int:
        """How many people there are to be; reckoned from the hops, where nothing bounds them."""
        growth = self.growth
        first = len(self.source.personas) if isinstance(self.source, Hub) else len(self.source) * growth.per_passage
        if growth.agents is not None:
            return growth.agents if growth.hops else min(growth.agents, first)
        people, newest = float(first), float(first)
        for hop in range(1, growth.hops + 1):
            newest *= _NEW * (growth.fan_out_at(hop) or _FAN_OUT)
            people += newest
        return round(people)

    def smaller(self, people: int) -> "Scale":
        """A society of about so many people in which everything keeps its proportion; this one, if it is no larger.

        Of a hub whole circles are taken, so that those who are taken know as many others as before.
        """
        share = people / max(1, self.people)
        if share >= 1:
            return self
        rng = rng_for(self.seed, "smaller")
        source: Hub | Sequence[Passage]
        if isinstance(self.source, Hub):
            source = _circles(self.source, max(1, round(share * len(self.source.personas))), rng)
        else:
            most = max(1, round(share * len(self.source)))
            source = [self.source[n] for n in sorted(rng.sample(range(len(self.source)), most))]
        agents = None if self.growth.agents is None else people
        return Scale(self.growth.model_copy(update={"agents": agents}), source, self.seed)


def _circles(hub: Hub, most: int, rng: random.Random) -> Hub:
    around: dict[str, list[str]] = {}
    for relation in hub.relations:
        around.setdefault(relation.source, []).append(relation.target)
        around.setdefault(relation.target, []).append(relation.source)
    taken: dict[str, None] = {}
    for begun in rng.sample(hub.personas, len(hub.personas)):
        _walk(begun, around, taken, most)
        if len(taken) >= most:
            break
    return _among(hub, taken)


def _walk(begun: Persona, around: dict[str, list[str]], taken: dict[str, None], most: int) -> None:
    ring: Sequence[str] = (begun.id,)
    while ring and len(taken) < most:
        fresh = [one for one in dict.fromkeys(ring) if one not in taken][: most - len(taken)]
        taken.update(dict.fromkeys(fresh))
        ring = [other for one in fresh for other in around.get(one, ())]


def _among(hub: Hub, ids: Container[str]) -> Hub:
    def is_between(relation: Relation) -> bool:
        return relation.source in ids and relation.target in ids

    return Hub(tuple(p for p in hub.personas if p.id in ids), tuple(r for r in hub.relations if is_between(r)))
