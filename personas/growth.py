"""What a step of growing a society is: whom to ask about, and what becomes of the answers, in their order."""

import math
import random
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .dedup import Verdict
from .errors import SetupError
from .judging import Judge, Ruling, judged
from .novelty import most_novel
from .persona import Persona, Relation
from .persona_to_persona import Relative
from .population import Arrival, Population

__all__ = [
    "MOST_HOPS",
    "Arrival",
    "Choice",
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

#: How those who are asked about are chosen, where not everybody is.
type Choice = Literal["chance", "novelty"]


@dataclass(frozen=True, slots=True)
class HopResult:
    """The rows that one hop added, each kind in order of arrival."""

    #: Everybody new, near-duplicates included.
    personas: tuple[Persona, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    relations: tuple[Relation, ...] = ()
    #: Of each newcomer, whether it was somebody new: not the same text as, nor a near-duplicate of, anybody earlier.
    newcomers: tuple[bool, ...] = ()
    #: What judges said of newcomers, each with the id of the description that they said it of.
    rulings: tuple[tuple[str, Ruling], ...] = ()

    def __add__(self, later: "HopResult") -> "HopResult":
        """The rows of both, these first."""
        return HopResult(
            self.personas + later.personas,
            self.verdicts + later.verdicts,
            self.relations + later.relations,
            self.newcomers + later.newcomers,
            self.rulings + later.rulings,
        )

    @property
    def duplicates(self) -> int:
        """How many of the new are near-duplicates."""
        return len(self.verdicts)

    @property
    def born(self) -> int:
        """How many of the new are alive."""
        return len(self.personas) - len(self.verdicts)

    @property
    def repeats(self) -> int:
        """How many newcomers had the very text of somebody who was there already."""
        return max(0, len(self.newcomers) - len(self.personas))

    @property
    def dropped(self) -> int:
        """How many newcomers judges did not let in."""
        return sum(not ruling.is_kept for _, ruling in self.rulings)


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
    choice: Choice = "chance",
) -> tuple[Persona, ...]:
    """The personas to ask about in `hop` of `hops`, in order of arrival.

    They are the people of the hop before; when it left nobody, all before it. With a `limit` on people, those
    still to come are spread evenly over the hops still to come, so that every hop gets some: a part of the
    people of the hop before is asked about and, where they are too few, of those whom no hop asked about yet.
    That part is a sample by `chance`, or those whose `novelty` is greatest: the share of words in their
    descriptions that are rare among all who are alive. Who was `asked` about in this hop already is left out.
    """
    check_growth(hops=hops, fan_out=fan_out, limit=limit)
    if not 1 <= hop <= hops:
        raise SetupError(f"Hop {hop} is not one of the hops 1 to {hops}.")
    frontier = [p for p in population.alive if p.hop == hop - 1 and p.id not in asked]
    earlier = [p for p in population.alive if p.hop < hop - 1 and p.id not in asked]
    if limit is None:
        return tuple(frontier or earlier)

    def part(people: list[Persona], most: int) -> list[Persona]:
        if choice == "novelty":
            return most_novel(people, most, known=population.alive, rng=rng)
        return rng.sample(people, min(len(people), most))

    share = max(0, limit - len(population)) / (hops - hop + 1)
    needed = math.ceil(_relations_for(share, population, last=hop == hops) / fan_out)
    passed_over = [p for p in earlier if not population.is_source(p.id)]
    chosen = part(frontier, needed)
    chosen += part(passed_over, needed - len(chosen))
    chosen_ids = {p.id for p in chosen or part(earlier, needed)}
    return tuple(p for p in population.alive if p.id in chosen_ids)


def _relations_for(newcomers: float, population: Population, *, last: bool) -> float:
    """How many relations to ask for so that `newcomers` of them lead to somebody new, going by those so far.

    In the last hop what is missing stays missing, so two standard deviations are added there.
    """
    found, led = population.ties, sum(p.hop > 0 for p in population.alive)
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
    population: Population,
    answers: Iterable[Iterable[Persona | Relative]],
    limit: int | None = None,
    *,
    judges: Sequence[Judge] = (),
) -> HopResult:
    """Apply the answers of a hop strictly in the order given, and return the rows that they added.

    An answer of Text-to-Persona holds personas, one of Persona-to-Persona relatives. Once `limit` people are
    alive nobody new is admitted; relations to people who are there already still count. Each newcomer is shown
    to the `judges` first, who may change the description or keep it out.
    """
    taken = _Taken(population, limit, judges)
    for found in (found for answer in answers for found in answer):
        taken.take(found)
    return taken.result


class _Taken:
    """What is taken into a population from some answers."""

    def __init__(self, population: Population, limit: int | None, judges: Sequence[Judge]) -> None:
        self._population = population
        self._limit = limit
        self._judges = judges
        self._personas: list[Persona] = []
        self._relations: list[Relation] = []
        self._newcomers: list[bool] = []
        self._rulings: list[tuple[str, Ruling]] = []

    @property
    def result(self) -> HopResult:
        """The rows so far."""
        verdicts = (self._population.verdict(p.id) for p in self._personas)
        return HopResult(
            tuple(self._personas),
            tuple(v for v in verdicts if v is not None),
            tuple(self._relations),
            tuple(self._newcomers),
            tuple(self._rulings),
        )

    def take(self, found: Persona | Relative) -> None:
        """Take one newcomer, or one relation, in."""
        if isinstance(found, Persona):
            self._admitted(found)
            return
        persona = self._admitted(found.persona, is_offered=found.is_offered)
        if persona is not None:
            relation = found.relation
            if relation.target != persona.id:
                relation = replace(relation, target=persona.id)
            if self._population.relate(relation):
                self._relations.append(relation)

    def _admitted(self, persona: Persona, *, is_offered: bool = False) -> Persona | None:
        """The persona as it stands in the population now; None when it was not let in."""
        if is_offered:
            return persona
        known = persona.id in self._population
        ruled, rulings = (persona, ()) if known else judged(persona, self._judges)
        self._rulings += ((persona.id, ruling) for ruling in rulings)
        if ruled is None:
            return None
        if ruled.id in self._population:
            self._newcomers.append(False)
            return ruled
        if self._limit is not None and len(self._population) >= self._limit:
            return None
        self._newcomers.append(self._population.admit(ruled) is Arrival.BORN)
        self._personas.append(ruled)
        return ruled
