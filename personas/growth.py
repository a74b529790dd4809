"""One step of growing a society: whom to ask about, and how the answers are applied, in order."""

import math
import random
from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .dedup import Verdict
from .errors import SetupError
from .judgement import Judge, Judgement, Ruling, judge_persona
from .persona import Persona, Relation
from .persona_to_persona import Relative
from .population import Admission, Population
from .text import words

__all__ = [
    "MOST_HOPS",
    "WINDOW",
    "Admission",
    "Choice",
    "HopResult",
    "NoveltyWindow",
    "Population",
    "WordRarity",
    "absorb",
    "check_growth",
    "offer_known",
    "plan_hop",
    "questions_between_checks",
]


#: Newcomers over whom novelty is taken.
WINDOW = 500


class WordRarity:
    """How new descriptions are beside those that are known.

    The novelty of a description is the mean rarity of its different words: 0 for a word that everybody has, 1 for
    one that nobody else has, on a logarithmic scale.
    """

    def __init__(self, known: Sequence[Persona]) -> None:
        self._holders: Counter[str] = Counter()
        for persona in known:
            self._holders.update(words(persona.text))
        self._scale = math.log(len(known) + 1)

    def most_novel(self, people: Sequence[Persona], most: int, *, rng: random.Random) -> list[Persona]:
        """The `most` of these people whose words are rarest; which of equals are among them is decided by chance."""
        drawn = sorted((-self._of(person), rng.random(), place) for place, person in enumerate(people))
        return [people[place] for _, _, place in drawn[:most]]

    def in_order(self, people: Iterable[Persona]) -> tuple[Persona, ...]:
        """All of these people, the most novel first; equals in the order in which they were given."""
        return tuple(sorted(people, key=lambda person: -self._of(person)))

    def _of(self, persona: Persona) -> float:
        # An exact sum: a set's order differs from process to process, and the rounding of a sum with it.
        rarities = [1 - math.log(max(1, self._holders[word])) / self._scale for word in words(persona.text)]
        return math.fsum(rarities) / len(rarities) if rarities else 0.0


def questions_between_checks(newcomers: int) -> int:
    """How many questions, each of which brings so many newcomers, to ask between two looks at how new the latest are.

    At least one look falls into every 500 newcomers.
    """
    return max(1, WINDOW // max(1, newcomers))


class NoveltyWindow:
    """The latest newcomers: who of them was somebody new. `str()` gives what `Latest` can be made from again."""

    def __init__(self, written: str = "") -> None:
        """Raises `SetupError` for a text that no `Latest` has written."""
        if not set(written) <= {"0", "1"}:
            raise SetupError(f"{written!r} is no record of newcomers; it has a 1 for each who was new and a 0 else.")
        self._new = deque((mark == "1" for mark in written), maxlen=WINDOW)

    def __str__(self) -> str:
        return "".join("1" if is_new else "0" for is_new in self._new)

    def note(self, newcomers: Iterable[bool]) -> None:
        """Take in whether each of these was somebody new."""
        self._new.extend(newcomers)

    @property
    def share(self) -> float | None:
        """The share of the latest 500 who were somebody new; None while there were fewer."""
        return sum(self._new) / WINDOW if len(self._new) == WINDOW else None


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

    #: Everybody new, near-duplicates and those who were turned away included.
    personas: tuple[Persona, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    relations: tuple[Relation, ...] = ()
    #: Of each newcomer, whether it was somebody new: not the same text as, nor a near-duplicate of, anybody earlier.
    newcomers: tuple[bool, ...] = ()
    #: What judges said of newcomers, each with the id of the description that they said it of.
    rulings: tuple[tuple[str, Ruling], ...] = ()
    #: Ids of the personas among them whom judges did not let in.
    turned_away: tuple[str, ...] = ()
    #: How many newcomers judges did not let in, those of whom nothing may stay included.
    dropped: int = 0
    #: Relations that were of other kinds than were wanted, and were left out.
    unwanted: int = 0

    def __add__(self, later: "HopResult") -> "HopResult":
        """The rows of both, these first."""
        return HopResult(
            self.personas + later.personas,
            self.verdicts + later.verdicts,
            self.relations + later.relations,
            self.newcomers + later.newcomers,
            self.rulings + later.rulings,
            self.turned_away + later.turned_away,
            self.dropped + later.dropped,
            self.unwanted + later.unwanted,
        )

    @property
    def duplicates(self) -> int:
        """How many of the new are near-duplicates."""
        return len(self.verdicts)

    @property
    def born(self) -> int:
        """How many of the new are alive."""
        return len(self.personas) - len(self.verdicts) - len(self.turned_away)

    @property
    def repeats(self) -> int:
        """How many newcomers had the very text of somebody who was there already."""
        return max(0, len(self.newcomers) - self.born - self.duplicates - self.dropped)


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
    """The personas to ask about in `hop` of `hops`: by `chance` in order of arrival, by `novelty` the most novel first.

    They are the people of the hop before; when it left nobody, all before it. With a `limit` on people, those
    still to come are spread evenly over the hops still to come, so that every hop gets some: a part of the
    people of the hop before is asked about and, where they are too few, of those whom no hop asked about yet.
    That part is a sample by `chance`, or those whose `novelty` is greatest: the share of words in their
    descriptions that are rare among all who are alive. Who was `asked` about in this hop already is left out.
    """
    check_growth(hops=hops, fan_out=fan_out, limit=limit)
    if not 1 <= hop <= hops:
        raise SetupError(f"Hop {hop} is not one of the hops 1 to {hops}.")
    before = [p for p in population.alive if p.hop == hop - 1]
    frontier = [p for p in before if p.id not in asked]
    earlier = [p for p in population.alive if p.hop < hop - 1 and p.id not in asked]
    rarity = WordRarity(population.alive) if choice == "novelty" else None
    if limit is None:
        return _in_order(frontier if before else earlier, rarity)

    def part(people: list[Persona], most: int) -> list[Persona]:
        return rarity.most_novel(people, most, rng=rng) if rarity else rng.sample(people, min(len(people), most))

    share = max(0, limit - len(population)) / (hops - hop + 1)
    needed = math.ceil(_relations_for(share, population, last=hop == hops) / fan_out)
    passed_over = [p for p in earlier if not population.is_source(p.id)]
    chosen = part(frontier, needed)
    chosen += part(passed_over, needed - len(chosen))
    chosen_ids = {p.id for p in chosen or part(earlier, needed)}
    return _in_order([p for p in population.alive if p.id in chosen_ids], rarity)


def _in_order(people: Sequence[Persona], rarity: WordRarity | None) -> tuple[Persona, ...]:
    # A budget may end a hop at any question: whoever is worth most is asked about first.
    return rarity.in_order(people) if rarity else tuple(people)


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
    to the `judges` first, who may change the description or turn it away: then it is a row like a near-duplicate,
    unless nothing of it may stay.
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
        self._turned_away: list[str] = []
        self._dropped = 0
        self._unwanted = 0

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
            tuple(self._turned_away),
            self._dropped,
            self._unwanted,
        )

    def take(self, found: Persona | Relative) -> None:
        """Take one newcomer, or one relation, in."""
        if isinstance(found, Persona):
            self._admitted(found)
        elif not found.is_wanted:
            self._unwanted += 1
        elif (persona := found.persona if found.is_offered else self._admitted(found.persona)) is not None:
            relation = found.relation
            if relation.target != persona.id:
                relation = replace(relation, target=persona.id)
            if self._population.relate(relation):
                self._relations.append(relation)

    def _admitted(self, persona: Persona) -> Persona | None:
        """The persona as it stands in the population now; None when there is no row of it."""
        if persona.id in self._population:
            self._newcomers.append(False)
            return persona
        judgement = judge_persona(persona, self._judges)
        ruled = judgement.persona
        if self._is_full and ruled.id not in self._population:
            return None
        if not judgement.is_let_in:
            return self._away(judgement)
        self._rulings += judgement.rulings
        if ruled.id in self._population:
            self._newcomers.append(False)
            return ruled
        self._newcomers.append(self._population.admit(ruled) is Admission.BORN)
        self._personas.append(ruled)
        return ruled

    def _away(self, judgement: Judgement) -> Persona | None:
        """The newcomer as a row that is no person; None where nothing of it may stay."""
        self._newcomers.append(False)
        self._dropped += 1
        # What others have left of a description may be somebody's who lives: a ruling on that id would be on them.
        if not judgement.is_erased and judgement.persona.id in self._population:
            return None
        self._rulings += judgement.rulings
        if judgement.is_erased:
            return None
        self._population.turn_away(judgement.persona)
        self._personas.append(judgement.persona)
        self._turned_away.append(judgement.persona.id)
        return judgement.persona

    @property
    def _is_full(self) -> bool:
        return self._limit is not None and len(self._population) >= self._limit
