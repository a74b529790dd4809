"""Intervals of numbers, and confidence intervals of means and shares."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["Interval", "mean_interval", "share_interval"]

#: Both methods are two-sided with this quantile of the normal distribution: 95 of 100 hold the true value.
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float

    @classmethod
    def exactly(cls, number: float) -> Self:
        """The interval that holds one number."""
        return cls(number, number)

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.high + other.high)

    def __mul__(self, other: "Interval | float") -> "Interval":
        """The product of intervals of numbers that are not negative."""
        by = other if isinstance(other, Interval) else Interval(other, other)
        return Interval(self.low * by.low, self.high * by.high)

    def widened(self, number: float) -> "Interval":
        """The smallest interval that holds this one and the number."""
        return Interval(min(self.low, number), max(self.high, number))


def mean_interval(values: Sequence[float], of: float) -> Interval:
    """The confidence interval of the mean of `of` numbers, from three or more drawn ones: Student's t, 95 %.

    Both the sample's error and that of the numbers which are still to be drawn count.
    """
    n = len(values)
    mean = sum(values) / n
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    reach = _student(n - 1) * deviation * math.sqrt(1 / n + 1 / max(of, 1))
    return Interval(max(0.0, mean - reach), mean + reach)


def share_interval(hits: float, trials: float, of: float = math.inf) -> Interval:
    """The confidence interval of the share of hits in `of` trials, from those made: Wilson's score interval, 95 %.

    What is still to be drawn counts as in `mean_interval`: as so many trials fewer.
    """
    if not trials:
        return Interval(0.0, 1.0)
    if of < math.inf:
        hits, trials = (number / (1 + trials / max(of, 1)) for number in (hits, trials))
    share, square = min(1.0, hits / trials), _Z * _Z / trials
    middle = share + square / 2
    reach = _Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    # At the ends the formula is exact, and floating point is not.
    low = 0.0 if hits == 0 else (middle - reach) / (1 + square)
    return Interval(low, 1.0 if hits >= trials else (middle + reach) / (1 + square))


def _student(freedom: int) -> float:
    """The quantile of Student's distribution, by the Cornish-Fisher expansion; 3 % too small at two degrees."""
    z = _Z
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
