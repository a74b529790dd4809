"""How reliable answers are: two answers of one respondent to one item compared, of one wave or of two.

The two are the first two repeats of a wave (`Survey.repeats`), which is test and retest, or those of two waves that
follow each other, which holds what has changed too. The coefficient is Pearson's r of numbers and scales, Cohen's kappa
of choices, and Kendall's tau-b of ranks, averaged over respondents.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Literal

#: Pairs of answers from which a coefficient is computed.
_FEWEST_PAIRS = 3

type Coefficient = Literal["r", "kappa", "tau"]


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One answer, with what its agent counts for and the group that it is in."""

    agent: str
    replicate: int
    value: Any
    number: float | None
    outcome: str
    weight: float
    group: str | None


#: Job, survey, step and item.
type ItemKey = tuple[int, str, int, str]


@dataclass(frozen=True, slots=True)
class AskedItem:
    """An item as it was asked in one wave."""

    job: int
    survey: str
    step: int
    item: str
    ordinal: int
    type: str
    text: str
    options: Sequence[str]
    low: float | None
    high: float | None

    @property
    def key(self) -> ItemKey:
        """What its answers are found by."""
        return self.job, self.survey, self.step, self.item

    @property
    def named_options(self) -> list[str]:
        """What shares are given of: options, or the points of a scale."""
        if self.type == "likert" and self.low is not None and self.high is not None:
            return [str(point) for point in range(int(self.low), int(self.high) + 1)]
        return list(self.options) if self.type in ("choice", "rank") else []


@dataclass(frozen=True, slots=True)
class Reliability:
    """How alike two answers of the same respondents to one item are."""

    job: int
    survey: str
    item: str
    #: What is compared: repeats of the wave after a step, or the waves after two steps.
    compared: str
    respondents: int
    #: Share of respondents who gave the very same answer; None where nobody gave both.
    same: float | None
    coefficient: Coefficient | None
    value: float | None


def measure_reliability(
    items: Sequence[AskedItem], answers: Mapping[ItemKey, Sequence[GivenAnswer]]
) -> Iterable[Reliability]:
    """Each item of each wave with repeats, and each two waves that follow each other."""
    waves: defaultdict[tuple[int, str, str], list[AskedItem]] = defaultdict(list)
    for item in items:
        waves[item.job, item.survey, item.item].append(item)
        by_repeat = [_by_agent(answers[item.key], replicate) for replicate in (0, 1)]
        if by_repeat[1]:
            yield _compared(item, f"repeats after step {item.step}", *by_repeat)
    for of_one in waves.values():
        for before, after in pairwise(of_one):
            then, now = (_by_agent(answers[one.key], 0) for one in (before, after))
            if then.keys() & now.keys():
                yield _compared(before, f"steps {before.step} and {after.step}", then, now)


def _by_agent(answers: Sequence[GivenAnswer], replicate: int) -> dict[str, GivenAnswer]:
    return {one.agent: one for one in answers if one.replicate == replicate and one.outcome == "ok"}


def _compared(
    item: AskedItem, compared: str, first: Mapping[str, GivenAnswer], then: Mapping[str, GivenAnswer]
) -> Reliability:
    pairs = [(first[agent].value, then[agent].value) for agent in first if agent in then]
    same = sum(one == other for one, other in pairs) / len(pairs) if pairs else None
    coefficient, value = _coefficient(item, pairs)
    return Reliability(item.job, item.survey, item.item, compared, len(pairs), same, coefficient, value)


def _coefficient(item: AskedItem, pairs: Sequence[tuple[Any, Any]]) -> tuple[Coefficient | None, float | None]:
    if item.type == "text":
        return None, None
    if item.type == "choice":
        return "kappa", _kappa(pairs)
    if item.type == "rank":
        taus = [_tau(one, other, item.options) for one, other in pairs]
        return "tau", sum(taus) / len(taus) if taus else None
    return "r", _pearson(pairs)


def _pearson(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < _FEWEST_PAIRS:
        return None
    means = [math.fsum(pair[at] for pair in pairs) / len(pairs) for at in (0, 1)]
    apart = [(one - means[0], other - means[1]) for one, other in pairs]
    spread = math.fsum(one * one for one, _ in apart) * math.fsum(other * other for _, other in apart)
    return math.fsum(one * other for one, other in apart) / math.sqrt(spread) if spread else None


def _kappa(pairs: Sequence[tuple[Any, Any]]) -> float | None:
    if len(pairs) < _FEWEST_PAIRS:
        return None
    n = len(pairs)
    first, then = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    seen = sum(one == other for one, other in pairs) / n
    chance = sum(first[option] * then[option] for option in first) / n**2
    return None if chance == 1 else (seen - chance) / (1 - chance)


def _tau(one: Sequence[str], other: Sequence[str], options: Sequence[str]) -> float:
    """Kendall's tau-b of two orders, each of as many options; those that are not among them share the last place."""
    places = [{option: place for place, option in enumerate(order)} for order in (one, other)]
    agreeing = apart = 0
    for a, b in combinations(options, 2):
        first, then = (found.get(a, len(found)) - found.get(b, len(found)) for found in places)
        agreeing += (first * then > 0) - (first * then < 0)
        apart += first != 0
    return agreeing / apart
