"""The difference between two sets of runs, tested over runs alone or over people and runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
#: Means of runs by replicate.
type Means = Mapping[int, float]
#: Means of agents with their weights, by agent, by replicate.
type AgentMeans = Mapping[int, Mapping[str, tuple[float, float]]]

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
    #: Degrees of freedom of the test over runs.
    freedom: float = math.nan


@dataclass(frozen=True, slots=True)
class PeopleVariance:
    """How much the mean effect varies with the people who are drawn."""

    #: Variance of the mean over so many people, without what varies between runs.
    variance: float
    #: People who were compared; of weighted ones as many as tell as much.
    people: float


def compare(one: Means, other: Means, *, paired: bool, alpha: float, direction: str = "differs") -> RunDifference:
    """The difference of two sets of runs, `one` minus `other`, by a t test over their replicates."""
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
    return RunDifference(estimate, float(interval.low), float(interval.high), float(p), number, error, float(found.df))


def people_variance(one: AgentMeans, other: AgentMeans, *, paired: bool) -> PeopleVariance | None:
    """How much the mean difference varies with the people who are drawn; None where too few are in all runs.

    From the two-way table of agents and runs: the variance of the agents' means, less what of it comes from single
    answers, which vary between runs too (residuals of agents and runs). Not less than 0. Weights are linearised.
    """
    runs = [sorted(one.keys() & other.keys())] * 2 if paired else [sorted(one), sorted(other)]
    if min(map(len, runs)) < 2:
        return None
    agents = sorted(set.intersection(*(set(part[n]) for part, ns in zip((one, other), runs, strict=True) for n in ns)))
    if len(agents) < 2:
        return None
    tables = [
        np.array([[part[n][agent][0] for n in ns] for agent in agents])
        for part, ns in zip((one, other), runs, strict=True)
    ]
    weight = np.array([one[runs[0][0]][agent][1] for agent in agents])
    share = weight / weight.sum()
    if paired:
        tables = [tables[0] - tables[1]]
    effect = tables[0].mean(axis=1) - (0 if paired else tables[1].mean(axis=1))
    spread = (share**2 * (effect - share @ effect) ** 2).sum()
    for table in tables:
        of_runs = share @ table
        rest = table - table.mean(axis=1, keepdims=True) - of_runs + of_runs.mean()
        number = table.shape[1]
        spread -= (share**2 @ (rest**2).sum(axis=1)) / (number * (number - 1))
    return PeopleVariance(max(0.0, float(spread * len(agents) / (len(agents) - 1))), float(1 / (share**2).sum()))


def add_people(found: RunDifference, people: PeopleVariance, *, alpha: float, direction: str) -> RunDifference:
    """The same difference, tested over both people and runs, as if both were drawn anew.

    The variance is the sum of those of runs and of people; `_mixed_quantile` gives the critical value.
    """
    runs = 0.0 if math.isnan(found.error) else found.error**2
    error = math.sqrt(runs + people.variance)
    if found.replicates < 2 or not error:
        return found
    freedom = 1.0 if math.isnan(found.freedom) else found.freedom
    p = float(mixed_p(found.estimate, runs, freedom, people.variance, people.people - 1, direction))
    reach = error * float(_mixed_quantile(np.array(alpha / 2), runs, freedom, people.variance, people.people - 1))
    ends = found.estimate - reach, found.estimate + reach
    return replace(found, low=ends[0], high=ends[1], p=p, error=error)


def mixed_p(
    estimate: Floats | float,
    runs: Floats | float,
    freedom: Floats | float,
    people: Floats | float,
    others: float,
    direction: str,
) -> Floats:
    """The p values of estimates with a variance of runs and one of people, and the degrees of freedom of each."""
    t = np.asarray(estimate) / np.sqrt(np.asarray(runs) + people)
    low, high = np.full(t.shape, -40.0), np.full(t.shape, math.log(0.5))
    for _ in range(60):  # the tail is found by halves, on a logarithmic scale
        middle = (low + high) / 2
        is_beyond = _mixed_quantile(np.exp(middle), runs, freedom, people, others) > np.abs(t)
        low, high = np.where(is_beyond, middle, low), np.where(is_beyond, high, middle)
    tail = np.exp((low + high) / 2)
    if direction == "differs":
        return np.asarray(2 * tail)
    return np.asarray(np.where((t > 0) == (direction == "more"), tail, 1 - tail))


def _mixed_quantile(
    tail: Floats, runs: Floats | float, freedom: Floats | float, people: Floats | float, others: float
) -> Floats:
    """The critical value of a sum of two variances with `freedom` and `others` degrees of freedom.

    The mean of two known approximations, of which one finds too little with few replicates (Cochran and Cox,
    Experimental Designs, 1957, section 4.14), and one too much (Satterthwaite, Biometrics Bulletin 2, 1946, 110-114).
    """
    from scipy.special import stdtrit

    share = np.asarray(runs) / (np.asarray(runs) + people)
    cautious = -share * stdtrit(freedom, tail) - (1 - share) * stdtrit(others, tail)
    joint = 1 / (share**2 / freedom + (1 - share) ** 2 / others)
    return np.asarray((cautious - stdtrit(joint, tail)) / 2)
