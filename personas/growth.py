"""One step of growing a society: whom to ask about, and how the answers are applied, in order."""

import math
import random
from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from ..core.errors import SetupError
from ..core.text import words
from .dedup import Verdict
from .judgement import Judge, Judgement, RuleResult, judge_persona
from .persona import Persona, Relation
from .population import Admission, Population
from .text_to_persona import Relative

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

    def in_order(self, people: Iterable[Persona]) -> tuple[Persona, ...]:
        """Return all these personas, the most novel first; ties keep their order."""
        return tuple(sorted(people, key=lambda person: -self._persona_rarity(person)))

    def _persona_rarity(self, persona: Persona) -> float:
        # An exact sum, as the order of a set, and so the rounding, differs from process to process.
        rarities = [1 - math.log(max(1, self._holders[word])) / self._scale for word in words(persona.text)]
        return math.fsum(rarities) / len(rarities) if rarities else 0.0


def questions_between_checks(newcomers: int) -> int:
    """Return how many questions to ask between two checks of novelty, if each brings `newcomers` personas.

    There is at least one check in 500 newcomers.
    """
    return max(1, WINDOW // max(1, newcomers))


class NoveltyWindow:
    """Which of the latest 500 newcomers were new. `str()` gives the text from which it is restored."""

    def __init__(self, written: str = "") -> None:
        """Read the record that `str()` has written. Raises `SetupError` for any other text."""
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
LEAST_YIELD = 0.5
#: The most people of one origin, as a multiple of its fair share.
_FAIR_SHARES = 3

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
        """Return the rows of both, in this order."""
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
    """Choose the personas to ask about in `hop` of `hops`.

    By `chance` they come in order of arrival, by `novelty` the most novel come first. Without a `limit` they are the
    personas of the previous hop, or all earlier ones if it has none. A `limit` on personas is met breadth first: it
    asks about no more personas than it takes, or than know nobody and can each bring one persona. Personas about whom
    nobody asked yet come first, and among them those whose origin has the fewest personas. Then chance or novelty
    decides. Personas already `asked` about in this hop are left out.
    """
    check_growth(hops=hops, fan_out=fan_out, limit=limit)
    if not 1 <= hop <= hops:
        raise SetupError(f"Hop {hop} is not one of the hops 1 to {hops}.")
    rarity = WordRarity(population.alive) if choice == "novelty" else None

    def order_people(people: Iterable[Persona]) -> tuple[Persona, ...]:
        # A budget may end a hop at any question, so the most novel people come first.
        return rarity.in_order(people) if rarity else tuple(people)

    before = [p for p in population.alive if p.hop < hop]
    people = [p for p in before if p.id not in asked]
    has_frontier = any(p.hop == hop - 1 for p in before)
    if limit is None:
        return order_people(p for p in people if p.hop == hop - 1 or not has_frontier)
    missing = max(0, limit - len(population))
    alone = sum(not population.is_tied(p.id) for p in people)
    # Whoever knows nobody is asked about too, as long as each can bring one person: societies need ties.
    needed = max(math.ceil(_relations_for(missing, population) / fan_out), min(alone, missing))
    drawn = order_people(rng.sample(people, len(people)))
    fresh = tuple(p for p in drawn if p.hop == hop - 1 or not population.is_source(p.id))
    if not fresh and (hop == hops or not has_frontier):
        fresh = drawn
    chosen = {p.id for p in _spread_choice(fresh, needed, population, limit=limit, fan_out=fan_out)}
    return order_people(p for p in people if p.id in chosen)


def most_per_origin(population: Population, limit: int) -> int:
    """Return the most people of one origin: three fair shares of the limit."""
    return max(1, _FAIR_SHARES * limit // max(1, len(population.origins)))


def _spread_choice(
    people: Sequence[Persona], most: int, population: Population, *, limit: int, fan_out: int
) -> Sequence[Persona]:
    """Choose `most` people one by one, each of the origin that then has the fewest; the first of equals wins."""
    expected = Counter(population.origins)
    cap = most_per_origin(population, limit)
    places: list[tuple[int, int]] = []
    for place, person in enumerate(people):
        origin = population.origin_of(person)
        if expected[origin] < cap:
            places.append((expected[origin], place))
            expected[origin] += fan_out
    return [people[place] for _, place in sorted(places)[:most]]


def _relations_for(newcomers: float, population: Population) -> float:
    """Estimate how many relations to ask for so that `newcomers` of them lead to new personas, judging by those so far.

    The result has a margin of two standard deviations, because asking again costs a round of waiting.
    """
    found, led = population.ties, sum(p.hop > 0 for p in population.alive)
    share = min(1.0, max(LEAST_YIELD, led / found)) if found else _GUESSED_YIELD
    relations = newcomers / share
    return relations + 2 * math.sqrt(relations * (1 - share) / share)


def offer_known(population: Population, persona: Persona, *, count: int, rng: random.Random) -> tuple[Persona, ...]:
    """Sample up to `count` living personas not yet related to `persona`: the `known` of Persona-to-Persona.

    The sample is random and in order of arrival. Call it for a whole hop before any of its answers is absorbed.
    """
    alive = population.alive
    # Draws a few more than needed: filtering everybody for each persona would be quadratic.
    drawn = rng.sample(range(len(alive)), min(len(alive), 4 * count))
    strangers = [n for n in drawn if not population.is_related(persona.id, alive[n].id)]
    return tuple(alive[n] for n in sorted(strangers[:count]))


def absorb_answers(
    population: Population,
    answers: Iterable[Iterable[Persona | Relative]],
    limit: int | None = None,
    *,
    judges: Sequence[Judge] = (),
    most_per_origin: int | None = None,
) -> HopResult:
    """Apply the answers of a hop strictly in the order given, and return the rows that they added.

    An answer of Text-to-Persona holds personas. An answer of Persona-to-Persona holds relatives. A newcomer is not
    admitted if `limit` personas are alive, or `most_per_origin` of the newcomer's origin. Relations to known personas
    still count. The `judges` see each newcomer first. They may change the description or turn the newcomer away. A
    newcomer turned away is kept as a row like a near-duplicate, unless nothing of the description may be kept.
    """
    taken = _Taken(population, limit, judges, most_per_origin)
    for found in (found for answer in answers for found in answer):
        taken.take(found)
    return taken.result


class _Taken:
    """Adds the answers of a hop to a population, and collects the rows."""

    def __init__(
        self, population: Population, limit: int | None, judges: Sequence[Judge], most_per_origin: int | None
    ) -> None:
        self._population = population
        self._limit = limit
        self._most_per_origin = most_per_origin
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
            self._admit_person(found)
        elif not found.is_wanted:
            self._unwanted += 1
        elif (persona := found.persona if found.is_offered else self._admit_person(found.persona)) is not None:
            relation = found.relation
            if relation.target != persona.id:
                relation = replace(relation, target=persona.id)
            if self._population.add_relation(relation):
                self._relations.append(relation)

    def _admit_person(self, persona: Persona) -> Persona | None:
        """Return the persona as the population keeps it; None if it is not kept."""
        if persona.id in self._population:
            self._newcomers.append(False)
            return persona
        judgement = judge_persona(persona, self._judges)
        judged = judgement.persona
        if self._is_full_for(judged) and judged.id not in self._population:
            return None
        if not judgement.is_let_in:
            return self._record_rejected(judgement)
        self._rule_results += judgement.rule_results
        if judged.id in self._population:
            self._newcomers.append(False)
            return judged
        self._newcomers.append(self._population.admit_persona(judged) is Admission.BORN)
        self._personas.append(judged)
        return judged

    def _record_rejected(self, judgement: Judgement) -> Persona | None:
        """Record a rejected newcomer as a row that is not alive; return None if no row is kept.

        No row is kept if nothing of the description may be, or if it now equals that of a known persona.
        """
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

    def _is_full_for(self, persona: Persona) -> bool:
        population, most = self._population, self._most_per_origin
        if self._limit is not None and len(population) >= self._limit:
            return True
        return most is not None and population.origins[population.origin_of(persona)] >= most
