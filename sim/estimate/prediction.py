"""Prediction of a total from a sample, as an interval that holds the true value in 90 of 100 cases.

A total is a sum of ratios, one for each purpose: what the sample took for a unit (an item, an accepted output, a turn)
times the units of the whole job. Its error is that of the jackknife over the items of the sample (Efron and Stein 1981,
*Annals of Statistics* 9, 586-596), with Student's t. It holds the chance of the units to come too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

#: The confidence of all intervals of a sample.
CONFIDENCE = 0.9
#: Items that a sample must hold to say anything.
ENOUGH = 3
#: What is counted of calls.
MEASURES = ("calls", "input", "output", "cost")


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

    def __mul__(self, by: float) -> "Interval":
        """Return the interval multiplied by a number that is not negative."""
        return Interval(self.low * by, self.high * by, None if self.mid is None else self.mid * by)


@dataclass(frozen=True, slots=True)
class Purpose:
    """The calls for one purpose, or for several, in a whole job."""

    name: str
    calls: Interval
    #: Tokens asked, and tokens answered, reasoning included.
    input: Interval
    output: Interval
    #: Dollars; None where the price is not known.
    cost: Interval | None
    #: The role whose model is asked.
    role: str = "default"

    def times(self, number: float) -> "Purpose":
        """Return the purpose multiplied by `number`."""
        return replace(self, **{name: span and span * number for name, span in self.spans.items()})

    @property
    def spans(self) -> dict[str, Any]:
        """The interval of each measure."""
        return {name: getattr(self, name) for name in MEASURES}


def add_purposes(name: str, purposes: Sequence[Purpose]) -> Purpose:
    """Add these purposes. What is unknown for one is unknown for the sum."""
    added: dict[str, Any] = {}
    for measure in MEASURES:
        known = [span for one in purposes if (span := one.spans[measure]) is not None]
        is_known = len(known) == len(purposes)
        added[measure] = sum(known, start=Interval.exactly(0.0)) if is_known else None
    return Purpose(name, **added)


@dataclass(frozen=True, slots=True)
class Part:
    """What a sample took for one purpose."""

    #: Units of the whole job, and of each item of the sample.
    whole: float
    units: Mapping[str, float]
    #: By measure, what each item took; None where that is not known.
    took: Mapping[str, Mapping[str, float] | None] = field(default_factory=dict)
    #: Calls, and the requests that they answer.
    calls: int = 0
    requests: int = 0
    #: Outputs of which none was rejected; 0 where some were, whose share shows in the ratio.
    all_accepted: int = 0
    #: A relative error that the sample cannot show, added on both sides.
    wider: float = 0.0


def predict_purpose(purpose: Purpose, parts: Sequence[Part]) -> Purpose:
    """Return the purpose with what these parts predict in place of what was computed."""
    found = {measure: predict_total(parts, measure) for measure in MEASURES}
    known: dict[str, Any] = {name: span for name, span in found.items() if span is not None}
    return replace(purpose, **known)


def predict_total(parts: Sequence[Part], measure: str) -> Interval | None:
    """Return what the whole job will take for these purposes, as a 90 % interval, or None if it is not known."""
    items = list(dict.fromkeys(item for part in parts for item in part.units))
    mid = sampled = wider = 0.0
    each, without = np.zeros((2, len(items)))
    for part in parts:
        known = part.took[measure]
        if known is None:
            return None
        units, took = (np.array([by.get(item, 0.0) for item in items]) for by in (part.units, known))
        one = part.whole * float(took.sum() / units.sum())
        mid, sampled, wider = mid + one, sampled + float(took.sum()), wider + one * part.wider
        each += part.whole / units.sum() * took
        # A unit that is left with one item is half known.
        without += part.whole * (took.sum() - took) / np.maximum(units.sum() - units, 0.5)
    if not mid:
        return Interval.exactly(0.0)
    shown = float(np.square(without - without.mean()).sum()) * (1 - 1 / len(items)) / mid**2
    down = _find_student_quantile(len(items) - 1) ** 2 * shown * (1 + sampled / mid)
    calls, requests = (sum(getattr(part, name) for part in parts) for name in ("calls", "requests"))
    # What the sample did not show at all: answers asked for again, and rejected outputs.
    again = math.log1p(share_interval(0, requests).high) if calls == requests > 0 else 0.0
    accepted = max(part.all_accepted for part in parts)
    rejected = math.log1p(-share_interval(0, accepted).high) if accepted else 0.0
    up = down * _measure_tail(each) + again**2 + rejected**2
    low, high = math.exp(-math.sqrt(down)), math.exp(math.sqrt(up))
    return Interval(mid * low * (1 - wider / mid), mid * high * (1 + wider / mid), mid)


def _measure_tail(each: "np.ndarray[Any, Any]") -> float:
    """Return the variance of a lognormal distribution with this spread, relative to that of the few numbers drawn.

    A small sample rarely holds the long answers that make up much of a total.
    """
    if (each <= 0).any() or not each.std():
        return 1.0
    spread = float(np.log(each).var(ddof=1))
    return max(1.0, math.expm1(spread) * float(each.mean() ** 2 / each.var(ddof=1)))


def share_interval(hits: int, trials: int) -> Interval:
    """Return the confidence interval of a share: Wilson's score interval, 90 %."""
    from scipy.stats import binomtest

    if not trials:
        return Interval(0.0, 1.0)
    found = binomtest(min(hits, trials), trials).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(found.low), float(found.high))


def _find_student_quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
