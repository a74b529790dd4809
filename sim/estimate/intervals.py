"""Intervals, and the arithmetic of a sample: what a whole job will take, from what a few of its units took.

A total is a sum of ratio estimators, one for each kind of request: what the sample took for a unit (a request, an
output, a person) times the units there will be. Its error is that of the sample's mean and of the units still to come
(Cochran, *Sampling Techniques*, 3rd ed., sections 6.3 and 9.3), by Student's t on the logarithm. Where the number of
units follows from the share that is accepted, Wilson's interval of that share is combined with it (Zou and Donner 2008,
*Statistics in Medicine* 27, 1693-1702).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

#: The confidence of all intervals of a sample: 90 of 100 hold the true value.
CONFIDENCE = 0.9
#: Units that a sample must hold to say anything.
ENOUGH = 3
#: Two-sided quantile of the normal distribution for `CONFIDENCE`.
_Z = 1.6448536269514722

type Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included; a prediction has a most likely number in between."""

    low: float
    high: float
    mid: float | None = None

    @classmethod
    def exactly(cls, number: float) -> Self:
        """Return the interval that holds one number."""
        return cls(number, number, number)

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __add__(self, other: "Interval") -> "Interval":
        """Return the sum. Errors of two predictions are independent, while plain bounds are added."""
        if self.mid is None or other.mid is None:
            return Interval(self.low + other.low, self.high + other.high)
        mid = self.mid + other.mid
        low = mid - math.hypot(self.mid - self.low, other.mid - other.low)
        return Interval(low, mid + math.hypot(self.high - self.mid, other.high - other.mid), mid)

    def __mul__(self, other: "Interval | float") -> "Interval":
        """Return the product of two intervals of non-negative numbers."""
        by = other if isinstance(other, Interval) else Interval.exactly(other)
        mid = None if self.mid is None or by.mid is None else self.mid * by.mid
        return Interval(self.low * by.low, self.high * by.high, mid)

    def widened(self, number: float) -> "Interval":
        """Return the smallest interval that holds this one and the number."""
        return Interval(min(self.low, number), max(self.high, number))


def add_all(intervals: Sequence[Interval]) -> Interval:
    """Return the sum of intervals, or 0 for none."""
    return sum(intervals, start=Interval.exactly(0.0))


@dataclass(frozen=True, slots=True)
class Part:
    """The requests of one kind in a sample."""

    #: Units that there will be in the whole job.
    whole: float
    #: Units, and what they took, by cluster of the sample: what one person or output was asked is not independent.
    units: Numbers
    took: Numbers


@dataclass(frozen=True, slots=True)
class AcceptedShare:
    """How many of those tried in the sample count; the whole job tries until `wanted` do."""

    hits: int
    tried: int
    wanted: float
    #: By cluster, which of them count; None where clusters are none of those tried.
    counting: Numbers | None = None


def predict_total(
    parts: Sequence[Part], clusters: int, share: AcceptedShare | None = None, *, wider: float = 0.0, at_once: int = 0
) -> Interval:
    """Return what the whole job will take, as a 90 % interval. The sample has at least `ENOUGH` `clusters`.

    With a `share`, the units of the parts are tried until enough of them count. `wider` is a relative error that the
    sample cannot show, added on both sides. The sample is not part of the job. If its answers are reused, the interval
    is too wide by that.
    """
    factors = [part.whole / part.units.sum() for part in parts if part.took.sum()]
    parts = [part for part in parts if part.took.sum()]
    if not parts:
        return Interval(0.0, 0.0, 0.0)
    each = sum((by * part.took for by, part in zip(factors, parts, strict=True)), start=np.zeros(clusters))
    mid = float(each.sum())
    off = np.zeros(clusters)
    for by, part in zip(factors, parts, strict=True):
        off += by * (part.took - part.units * (part.took.sum() / part.units.sum()))
    times = mid / sum(float(part.took.sum()) for part in parts)
    variance = clusters / (clusters - 1) * float(off @ off) * _tail(each) * (1 + 1 / times) / mid**2
    reach = _student(clusters - 1) * math.sqrt(variance)
    up, down = reach**2, reach**2
    if share is not None:
        up, down = _with_share(reach, share, off)
    up += math.log1p(share_interval(0, at_once).high) ** 2 if at_once else 0.0
    return Interval(mid / math.exp(math.sqrt(down)) * (1 - wider), mid * math.exp(math.sqrt(up)) * (1 + wider), mid)


def _with_share(reach: float, share: AcceptedShare, off: Numbers) -> tuple[float, float]:
    """Return the squared reach of the total's logarithm, up and down, with the error of the share included."""
    found, known = share.hits / share.tried, share_interval(share.hits, share.tried)
    least, most = math.log(found / known.low), math.log(known.high / found)
    drawn = _Z**2 * (1 - found) / share.wanted
    both = 0.0
    if share.counting is not None and off.std() > 0 and share.counting.std() > 0:
        both = 2 * reach * float(np.corrcoef(off, share.counting)[0, 1])
    up, down = (reach**2 + error**2 - both * error + drawn for error in (least, most))
    return max(0.0, up), max(0.0, down)


def _tail(each: Numbers) -> float:
    """Return the variance of a lognormal distribution with this spread, relative to that of the few numbers drawn.

    A small sample rarely holds the long answers that make up much of a total.
    """
    if (each <= 0).any() or not each.std():
        return 1.0
    spread = float(np.log(each).var(ddof=1))
    return max(1.0, math.expm1(spread) / float(each.var(ddof=1) / each.mean() ** 2))


def mean_interval(values: Sequence[float], of: float) -> Interval:
    """Return the 90 % interval (Student's t) for the mean of `of` future numbers, from three or more drawn ones."""
    drawn = np.asarray(values, dtype=np.float64)
    error = float(drawn.std(ddof=1)) * math.sqrt(1 / len(drawn) + 1 / max(of, 1))
    mean, reach = float(drawn.mean()), _student(len(drawn) - 1) * error
    return Interval(max(0.0, mean - reach), mean + reach)


def share_interval(hits: int, trials: int) -> Interval:
    """Return the confidence interval of a share: Wilson's score interval, 90 %."""
    from scipy.stats import binomtest

    if not trials:
        return Interval(0.0, 1.0)
    found = binomtest(min(hits, trials), trials).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(found.low), float(found.high))


def _student(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
