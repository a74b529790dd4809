"""One step of growing a society: whom to ask about, and how the answers are applied, in order."""

import math
import random
from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from .dedup import Verdict
from .errors import SetupError
from .judgement import Judge, Judgement, RuleResult, judge_persona
from .persona import Persona, Relation, words
from .persona_to_persona import Relative
from .population import Admission, Population

#: Newcomers over which novelty is measured.
WINDOW = 500


class WordRarity:
    """How rare the words of a description are among those of all known people.

    The novelty of a description is the mean rarity of its distinct words, on a logarithmic scale: 0 for a word that
    everybody has, 1 for one that nobody else has.
    """

    def __init__(self, known: Sequence[Persona]) -> None:
        self._holders: Counter[str] = Counter()
        for persona in known:
            self._holders.update(words(persona.text))
        self._scale = math.log(len(known) + 1)

    def most_novel(self, people: Sequence[Persona], most: int, *, rng: random.Random) -> list[Persona]:
        """The `most` people with the rarest words; ties are broken at random."""
        drawn = sorted((-self._of(person), rng.random(), place) for place, person in enumerate(people))
        return [people[place] for _, _, place in drawn[:most]]

    def in_order(self, people: Iterable[Persona]) -> tuple[Persona, ...]:
        """All these people, the most novel first; ties keep their order."""
        return tuple(sorted(people, key=lambda person: -self._of(person)))

    def _of(self, persona: Persona) -> float:
        # An exact sum, as the order of a set, and so the rounding, differs from process to process.
        rarities = [1 - math.log(max(1, self._holders[word])) / self._scale for word in words(persona.text)]
        return math.fsum(rarities) / len(rarities) if rarities else 0.0


def questions_between_checks(newcomers: int) -> int:
    """How many questions to ask between two checks of novelty, when each brings so many newcomers.

    There is at least one check in 500 newcomers.
    """
    return max(1, WINDOW // max(1, newcomers))


class NoveltyWindow:
    """Which of the latest 500 newcomers were new. `str()` gives the text from which it is restored."""

    def __init__(self, written: str = "") -> None:
        """Raises `SetupError` for a text that `str()` has not written."""
        if not set(written) <= {"0", "1"}:
            raise SetupError(f"{written!r} is no record of newcomers; it has a 1 for each who was new and a 0 else.")
        self._new = deque((mark == "1" for mark in written), maxlen=WINDOW)

    def __str__(self) -> str:
        return "".join("1" if is_new else "0" for is_new in self._new)

    def note(self, newcomers: Iterable[bool]) -> None:
        """Record for each newcomer whether it was new."""
        self._new.extend(newcomers)

    @property
    def share(self) -> float | None:
        """The share of the latest 500 newcomers that were new; None while there are fewer."""
        return sum(self._new) / WINDOW if len(self._new) == WINDOW else None


#: The paper expands each persona in six iterations (section 2.2): six degrees of separation.
MOST_HOPS = 6
#: The share of relations that lead to a new person: the first assumption, and the least.
_GUESSED_YIELD = 0.75
_LEAST_YIELD = 0.5

#: How the people to ask about are chosen, where not all are.
type FrontierChoice = Literal["chance", "novelty"]


@dataclass(frozen=True, slots=True)
class HopResult:
    """The rows added by one hop, each kind in order of arrival."""

    #: All new personas, including near-duplicates and people who were rejected.
    personas: tuple[Persona, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    relations: tuple[Relation, ...] = ()
    #: For each newcomer whether it was new: no equal text and no near-duplicate of an earlier persona.
    newcomers: tuple[bool, ...] = ()
    #: Rule results on newcomers, each with the id of the description.
    rule_results: tuple[tuple[str, RuleResult], ...] = ()
    #: Ids of the personas that were rejected.
    rejected: tuple[str, ...] = ()
    #: The number of newcomers rejected, including those of which nothing may be kept.
    dropped: int = 0
    #: The number of relations left out because their kind was not wanted.
    unwanted: int = 0

    def __add__(self, later: "HopResult") -> "HopResult":
        """The rows of both, in this order."""
        both = (getattr(self, field.name) + getattr(later, field.name) for field in fields(self))
        return HopResult(*both)

    @property
    def duplicates(self) -> int:
        """The number of near-duplicates."""
        return len(self.verdicts)

    @property
    def born(self) -> int:
        """The number of new people who were admitted."""
        return len(self.personas) - len(self.verdicts) - len(self.rejected)

    @property
    def repeats(self) -> int:
        """The number of newcomers whose text is that of a known person."""
        return max(0, len(self.newcomers) - self.born - self.duplicates - self.dropped)


def check_growth(*, hops: int, fan_out: int, limit: int | None) -> None:
    """Raise `SetupError` for a number of hops, a fan-out or a limit outside its range."""
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
    choice: FrontierChoice = "chance",
) -> tuple[Persona, ...]:
    """The personas to ask about in `hop` of `hops`: by `chance` in order of arrival, by `novelty` the most novel first.

    They are the people of the previous hop, or all earlier ones when it has none. With a `limit` on people, those still
    to come are spread evenly over the remaining hops: only a part of the previous hop is asked about and, where it is
    too small, people of earlier hops about whom nobody asked yet. That part is a random sample, or the most novel
    people: those with the greatest share of words that are rare among all who are alive. Personas already `asked` about
    in this hop are left out.
    """
    check_growth(hops=hops, fan_out=fan_out, limit=limit)
    if not 1 <= hop <= hops:
        raise SetupError(f"Hop {hop} is not one of the hops 1 to {hops}.")
    before = [p for p in population.alive if p.hop == hop - 1]
    frontier = [p for p in before if p.id not in asked]
    earlier = [p for p in population.alive if p.hop < hop - 1 and p.id not in asked]
    rarity = WordRarity(population.alive) if choice == "novelty" else None

    def ordered(people: list[Persona]) -> tuple[Persona, ...]:
        # A budget may end a hop at any question, so the most novel people come first.
        return rarity.in_order(people) if rarity else tuple(people)

    if limit is None:
        return ordered(frontier if before else earlier)

    def part(people: list[Persona], most: int) -> list[Persona]:
        return rarity.most_novel(people, most, rng=rng) if rarity else rng.sample(people, min(len(people), most))

    share = max(0, limit - len(population)) / (hops - hop + 1)
    needed = math.ceil(_relations_for(share, population, last=hop == hops) / fan_out)
    passed_over = [p for p in earlier if not population.is_source(p.id)]
    chosen = part(frontier, needed)
    chosen += part(passed_over, needed - len(chosen))
    chosen_ids = {p.id for p in chosen or part(earlier, needed)}
    return ordered([p for p in population.alive if p.id in chosen_ids])


def _relations_for(newcomers: float, population: Population, *, last: bool) -> float:
    """How many relations to ask for so that `newcomers` of them lead to new people, judging by those so far.

    The last hop asks for two standard deviations more, as no later hop can make up for missing people.
    """
    found, led = population.ties, sum(p.hop > 0 for p in population.alive)
    unknown = _GUESSED_YIELD if last else 1.0
    share = min(1.0, max(_LEAST_YIELD, led / found)) if found else unknown
    relations = newcomers / share
    return relations + 2 * math.sqrt(relations * (1 - share) / share) if last else relations


def offer_known(population: Population, persona: Persona, *, count: int, rng: random.Random) -> tuple[Persona, ...]:
    """Up to `count` living people not yet related to `persona`: the `known` of Persona-to-Persona.

    A random sample, in order of arrival. Call it for a whole hop before any of its answers is absorbed.
    """
    alive = population.alive
    # Draws a few more than needed: filtering everybody for each persona would be quadratic.
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

    An answer of Text-to-Persona holds personas, one of Persona-to-Persona relatives. When `limit` people are alive,
    nobody new is admitted; relations to known people still count. The `judges` see each newcomer first. They may change
    the description or turn the newcomer away, who is then kept as a row like a near-duplicate, unless nothing of the
    description may be kept.
    """
    taken = _Taken(population, limit, judges)
    for found in (found for answer in answers for found in answer):
        taken.take(found)
    return taken.result


class _Taken:
    """Adds the answers of a hop to a population, and collects the rows."""

    def __init__(self, population: Population, limit: int | None, judges: Sequence[Judge]) -> None:
        self._population = population
        self._limit = limit
        self._judges = judges
        self._personas: list[Persona] = []
        self._relations: list[Relation] = []
        self._newcomers: list[bool] = []
        self._rule_results: list[tuple[str, RuleResult]] = []
        self._rejected: list[str] = []
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
            tuple(self._rule_results),
            tuple(self._rejected),
            self._dropped,
            self._unwanted,
        )

    def take(self, found: Persona | Relative) -> None:
        """Add one persona or relative."""
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
        """The persona as it is kept in the population; None when it is not kept."""
        if persona.id in self._population:
            self._newcomers.append(False)
            return persona
        judgement = judge_persona(persona, self._judges)
        judged = judgement.persona
        if self._is_full and judged.id not in self._population:
            return None
        if not judgement.is_let_in:
            return self._away(judgement)
        self._rule_results += judgement.rule_results
        if judged.id in self._population:
            self._newcomers.append(False)
            return judged
        self._newcomers.append(self._population.admit(judged) is Admission.BORN)
        self._personas.append(judged)
        return judged

    def _away(self, judgement: Judgement) -> Persona | None:
        """The newcomer as a row that is not alive; None when nothing of it may be kept."""
        self._newcomers.append(False)
        self._dropped += 1
        # The redacted description may equal that of a living person; a rule result on its id would concern them.
        if not judgement.is_erased and judgement.persona.id in self._population:
            return None
        self._rule_results += judgement.rule_results
        if judgement.is_erased:
            return None
        self._population.reject(judgement.persona)
        self._personas.append(judgement.persona)
        self._rejected.append(judgement.persona.id)
        return judgement.persona

    @property
    def _is_full(self) -> bool:
        return self._limit is not None and len(self._population) >= self._limit
