"""What a step of growing a society is: whom to ask about, and what becomes of the answers, in their order."""

import math
import random
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum

from .dedup import NearDuplicates, Verdict
from .errors import SetupError
from .graph import PersonaGraph
from .persona import Persona, Relation
from .persona_to_persona import Relative

__all__ = [
    "MOST_HOPS",
    "Arrival",
    "HopResult",
    "Population",
    "absorb",
    "check_growth",
    "offer_known",
    "plan_hop",
]

#: The paper expands each persona in six iterations (section 2.2): six degrees of separation.
MOST_HOPS = 6
#: The share of relations that lead to somebody new: a guess before there are any, and the least assumed.
_GUESSED_YIELD = 0.75
_LEAST_YIELD = 0.5


class Arrival(StrEnum):
    """What became of a persona that arrived."""

    #: Somebody new.
    BORN = "born"
    #: Somebody who nearly repeats an earlier persona: kept as a row with a verdict, not alive.
    DUPLICATE = "duplicate"
    #: The same text as an earlier persona, and so the same person.
    KNOWN = "known"


class Population:
    """Everybody who has arrived so far, what relates them, and who is a near-duplicate of whom.

    What it is given is taken as decided: personas without a verdict are alive. So it can be made anew from
    the rows of a run that was killed. `len()` is the number of those alive.
    """

    def __init__(
        self,
        personas: Iterable[Persona] = (),
        relations: Iterable[Relation] = (),
        verdicts: Iterable[Verdict] = (),
    ) -> None:
        self._personas = {persona.id: persona for persona in personas}
        self._verdicts = {verdict.persona: verdict for verdict in verdicts}
        self._relations: dict[tuple[str, str, str, str], Relation] = {}
        self._related: dict[str, set[str]] = {}
        self._sources: set[str] = set()
        self._index = NearDuplicates[str]()
        self._alive = tuple(p for p in self._personas.values() if p.id not in self._verdicts)
        self._newborn: list[Persona] = []
        for persona in self._alive:
            self._index.keep(persona.id, persona.text)
        for relation in relations:
            self.relate(relation)

    def __len__(self) -> int:
        return len(self._alive) + len(self._newborn)

    def __contains__(self, persona_id: object) -> bool:
        return persona_id in self._personas

    @property
    def personas(self) -> tuple[Persona, ...]:
        """Everybody in order of arrival, near-duplicates included."""
        return tuple(self._personas.values())

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Every relation in order of arrival."""
        return tuple(self._relations.values())

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict in order of arrival."""
        return tuple(self._verdicts.values())

    @property
    def alive(self) -> tuple[Persona, ...]:
        """Those who are nobody's near-duplicate, in order of arrival."""
        if self._newborn:
            self._alive += tuple(self._newborn)
            self._newborn.clear()
        return self._alive

    def verdict(self, persona_id: str) -> Verdict | None:
        """The verdict on a persona; None for one who is alive."""
        return self._verdicts.get(persona_id)

    def admit(self, persona: Persona) -> Arrival:
        """Take a persona in, and say what became of it. The first of equals stays, with its lineage."""
        if persona.id in self._personas:
            return Arrival.KNOWN
        self._personas[persona.id] = persona
        match = self._index.add(persona.id, persona.text)
        if match is None:
            self._newborn.append(persona)
            return Arrival.BORN
        self._verdicts[persona.id] = Verdict(persona.id, match.key, match.stage, match.similarity)
        return Arrival.DUPLICATE

    def relate(self, relation: Relation) -> bool:
        """Take a relation in; False when it is there already, or leads from somebody to themselves."""
        tie = (relation.source, relation.target, relation.kind, relation.label)
        if relation.source == relation.target or tie in self._relations:
            return False
        self._relations[tie] = relation
        self._sources.add(relation.source)
        self._related.setdefault(relation.source, set()).add(relation.target)
        self._related.setdefault(relation.target, set()).add(relation.source)
        return True

    def is_source(self, persona_id: str) -> bool:
        """Whether any relation leads from this persona: then somebody has asked who is related to it."""
        return persona_id in self._sources

    def is_related(self, one: str, other: str) -> bool:
        """Whether two ids are one persona or joined by a relation, whichever way it leads."""
        return one == other or other in self._related.get(one, ())

    def graph(self) -> PersonaGraph:
        """The graph of those alive. Raises `SetupError` for a relation to somebody who never arrived."""
        return PersonaGraph.build(self._personas.values(), self._relations.values(), self._verdicts.values())


@dataclass(frozen=True, slots=True)
class HopResult:
    """The rows that one hop added, each kind in order of arrival."""

    #: Everybody new, near-duplicates included.
    personas: tuple[Persona, ...]
    verdicts: tuple[Verdict, ...]
    relations: tuple[Relation, ...]

    def __add__(self, later: "HopResult") -> "HopResult":
        """The rows of both, these first."""
        return HopResult(
            self.personas + later.personas, self.verdicts + later.verdicts, self.relations + later.relations
        )

    @property
    def duplicates(self) -> int:
        """How many of the new are near-duplicates."""
        return len(self.verdicts)

    @property
    def born(self) -> int:
        """How many of the new are alive."""
        return len(self.personas) - len(self.verdicts)


def check_growth(*, hops: int, fan_out: int, limit: int | None) -> None:
    """Raise `SetupError` when a society cannot be grown like this."""
    if not 0 <= hops <= MOST_HOPS:
        raise SetupError(f"Hops must be 0 to {MOST_HOPS} (the paper grows six), but {hops} was given.")
    if fan_out < 1:
        raise SetupError(f"Fan-out (relations asked for per persona) must be 1 or more, but {fan_out} was given.")
    if limit is not None and limit < 1:
        raise SetupError(f"The number of people must be 1 or more, but {limit} was given.")


def plan_hop(
    population: Population,
    *,
    hop: int,
    hops: int,
    limit: int | None,
    fan_out: int,
    rng: random.Random,
    asked: Container[str] = (),
) -> tuple[Persona, ...]:
    """The personas to ask about in `hop` of `hops`, in order of arrival.

    They are the people of the hop before; when it left nobody, all before it. With a `limit` on people, those
    still to come are spread evenly over the hops still to come, so that every hop gets some: a sample of the
    people of the hop before is asked about and, where they are too few, of those whom no hop asked about yet.
    Who was `asked` about in this hop already is left out.
    """
    check_growth(hops=hops, fan_out=fan_out, limit=limit)
    if not 1 <= hop <= hops:
        raise SetupError(f"Hop {hop} is not one of the hops 1 to {hops}.")
    frontier = [p for p in population.alive if p.hop == hop - 1 and p.id not in asked]
    earlier = [p for p in population.alive if p.hop < hop - 1 and p.id not in asked]
    if limit is None:
        return tuple(frontier or earlier)
    share = max(0, limit - len(population)) / (hops - hop + 1)
    needed = math.ceil(_relations_for(share, population, last=hop == hops) / fan_out)
    passed_over = [p for p in earlier if not population.is_source(p.id)]
    chosen = _sample(frontier, needed, rng)
    chosen += _sample(passed_over, needed - len(chosen), rng)
    chosen_ids = {p.id for p in chosen or _sample(earlier, needed, rng)}
    return tuple(p for p in population.alive if p.id in chosen_ids)


def _sample(people: list[Persona], most: int, rng: random.Random) -> list[Persona]:
    return rng.sample(people, min(len(people), most))


def _relations_for(newcomers: float, population: Population, *, last: bool) -> float:
    """How many relations to ask for so that `newcomers` of them lead to somebody new, going by those so far.

    In the last hop what is missing stays missing, so two standard deviations are added there.
    """
    found, led = len(population.relations), sum(p.hop > 0 for p in population.alive)
    unknown = _GUESSED_YIELD if last else 1.0
    share = min(1.0, max(_LEAST_YIELD, led / found)) if found else unknown
    relations = newcomers / share
    return relations + 2 * math.sqrt(relations * (1 - share) / share) if last else relations


def offer_known(population: Population, persona: Persona, *, count: int, rng: random.Random) -> tuple[Persona, ...]:
    """Up to `count` of the living whom `persona` is not related to yet: `known` of Persona-to-Persona.

    A random sample, in order of arrival. Call it for a whole hop before any of its answers is absorbed.
    """
    alive = population.alive
    # Drawn from a few more than are wanted: sifting everybody for each persona would be quadratic.
    drawn = rng.sample(range(len(alive)), min(len(alive), 4 * count))
    strangers = [n for n in drawn if not population.is_related(persona.id, alive[n].id)]
    return tuple(alive[n] for n in sorted(strangers[:count]))


def absorb(
    population: Population, answers: Iterable[Iterable[Persona | Relative]], limit: int | None = None
) -> HopResult:
    """Apply the answers of a hop strictly in the order given, and return the rows that they added.

    An answer of Text-to-Persona holds personas, one of Persona-to-Persona relatives. Once `limit` people are
    alive nobody new is admitted; relations to people who are there already still count.
    """
    personas: list[Persona] = []
    relations: list[Relation] = []
    for found in (found for answer in answers for found in answer):
        persona, relation = (found, None) if isinstance(found, Persona) else (found.persona, found.relation)
        if persona.id not in population:
            if limit is not None and len(population) >= limit:
                continue
            population.admit(persona)
            personas.append(persona)
        if relation is not None and population.relate(relation):
            relations.append(relation)
    verdicts = tuple(v for v in (population.verdict(p.id) for p in personas) if v is not None)
    return HopResult(tuple(personas), verdicts, tuple(relations))
