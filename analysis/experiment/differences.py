"""The difference between two sets of runs, by a t test over runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Means of runs by replicate.
type Means = Mapping[int, float]

_ALTERNATIVES = {"more": "greater", "less": "less", "differs": "two-sided"}
#: Share of the means compared below which a difference is one of rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class RunDifference:
    """The difference between the means of two sets of runs."""

    estimate: float
    #: Two-sided interval at 1 - alpha; nan where there are too few replicates, or they do not vary.
    low: float
    high: float
    p: float
    #: Replicates that both have, or the fewer of the two where they are not paired.
    replicates: int
    #: Standard error of the estimate; nan as the interval is.
    error: float = math.nan


def compare(one: Means, other: Means, *, paired: bool, alpha: float, direction: str = "differs") -> RunDifference:
    """Compare two sets of runs, `one` minus `other`, by a t test over their replicates."""
    from scipy import stats

    alternative = _ALTERNATIVES[direction]
    if paired:
        both = sorted(one.keys() & other.keys())
        differences = np.array([one[n] - other[n] for n in both])
        estimate = float(differences.mean()) if len(both) else math.nan
        if abs(estimate) < _NOTHING * max(map(abs, (*one.values(), *other.values())), default=0.0):
            estimate = 0.0  # a sum of numbers that cancel is nothing but rounding
        if len(both) < 2 or np.ptp(differences) <= 1e-12 * max(1.0, abs(estimate)):
            return RunDifference(estimate, math.nan, math.nan, math.nan, len(both))
        found = stats.ttest_1samp(differences, 0.0)
        p = stats.ttest_1samp(differences, 0.0, alternative=alternative).pvalue
        number = len(both)
    else:
        first, second = np.array(list(one.values())), np.array(list(other.values()))
        number = min(len(first), len(second))
        estimate = float(first.mean() - second.mean()) if number else math.nan
        if number < 2 or max(np.ptp(first), np.ptp(second)) == 0:
            return RunDifference(estimate, math.nan, math.nan, math.nan, number)
        found = stats.ttest_ind(first, second, equal_var=False)
        p = stats.ttest_ind(first, second, equal_var=False, alternative=alternative).pvalue
    interval = found.confidence_interval(1 - alpha)
    error = float((interval.high - interval.low) / 2 / stats.t.ppf(1 - alpha / 2, found.df))
    return RunDifference(estimate, float(interval.low), float(interval.high), float(p), number, error)
