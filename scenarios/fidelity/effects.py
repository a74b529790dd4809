"""Effect sizes with intervals: shares against a reference, and means over people by bootstrap."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from populace.analysis.evaluation import wilson_interval

_DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class EffectSize:
    """One number that was found, with its 95 % interval, beside what is to be expected."""

    test: str
    what: str
    #: What people gave, or what there would be without the effect.
    reference: float
    got: float
    low: float
    high: float
    #: Cohen's h for a share, d for a mean: 0.2 is small, 0.5 medium, 0.8 large.
    size: float
    #: Answers that it rests on.
    answers: int
    source: str

    @property
    def differs(self) -> bool:
        """Whether the interval leaves the reference out; where there is none, it does not."""
        return self.reference < self.low or self.reference > self.high


def share_effect(test: str, what: str, hits: int, answers: int, *, reference: float, source: str) -> EffectSize:
    """A share with Wilson's interval and Cohen's h: the difference of arcsines of square roots, times 2."""
    got = hits / answers if answers else math.nan
    low, high = wilson_interval(hits, answers) if answers else (math.nan, math.nan)
    size = 2 * (math.asin(math.sqrt(got)) - math.asin(math.sqrt(reference))) if answers else math.nan
    return EffectSize(test, what, reference, got, low, high, size, answers, source)


def difference_effect(test: str, what: str, one: tuple[int, int], other: tuple[int, int], *, source: str) -> EffectSize:
    """What the first share, as hits of answers, is above the other: with Newcombe's interval, and Cohen's h."""
    if not (one[1] and other[1]):
        return EffectSize(test, what, 0.0, *(math.nan,) * 4, one[1] + other[1], source)
    shares = [hits / answers for hits, answers in (one, other)]
    (low, high), (other_low, other_high) = wilson_interval(*one), wilson_interval(*other)
    got = shares[0] - shares[1]
    below = math.hypot(shares[0] - low, other_high - shares[1])
    above = math.hypot(high - shares[0], shares[1] - other_low)
    angles = [2 * math.asin(math.sqrt(share)) for share in shares]
    return EffectSize(test, what, 0.0, got, got - below, got + above, angles[0] - angles[1], one[1] + other[1], source)


def mean_effect[T](
    test: str,
    what: str,
    people: Sequence[T],
    estimate: Callable[[Sequence[T]], float],
    *,
    reference: float,
    answers: int,
    source: str,
    seed: int,
) -> EffectSize:
    """An estimate over people, with a percentile interval of draws of people; d is its distance in deviations of one.

    A standard error of n people is a deviation of one of them by the root of n.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    drawn = [estimate([rng.choice(people) for _ in people]) for _ in range(_DRAWS)] if people else []
    known = [one for one in drawn if math.isfinite(one)]
    if len(known) < _DRAWS / 2:
        return EffectSize(test, what, reference, math.nan, math.nan, math.nan, math.nan, answers, source)
    got, mean = estimate(people), fmean(known)
    cuts = quantiles(known, n=40)
    deviation = math.sqrt(fmean((one - mean) ** 2 for one in known) * len(people))
    size = (got - reference) / deviation if deviation else math.nan
    return EffectSize(test, what, reference, got, cuts[0], cuts[-1], size, answers, source)
