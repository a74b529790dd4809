"""The effects of an experiment, from its merged file: differences between arms, with intervals and corrected p values.

The unit is the run. Agents of one run are tied to each other, so they are no independent observations; what varies by
chance is the run as a whole. Each outcome is therefore reduced to one mean a run (weighted, where weights are given),
and arms are compared by t tests over the means of their replicates: paired by replicate where replicates of one number
share a seed, Welch's otherwise (Donner and Klar, Design and Analysis of Cluster Randomization Trials, 2000, chapter 6).
Intervals are two-sided at 1 - alpha. p values are corrected within a family: the hypotheses, and everything else.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from ...personas.errors import SetupError
from ..evaluation import Reader
from .models import ModelProperty, read_model_checks

type EffectKind = Literal["hypothesis", "arm", "group", "within", "interaction"]

#: In which order effects are shown, and under which titles.
SECTIONS: Mapping[str, tuple[EffectKind, ...]] = MappingProxyType(
    {
        "Hypotheses": ("hypothesis",),
        "Other arms, against the first (explored, not expected)": ("arm",),
        "By group (explored)": ("group",),
        "At each level of the other factors, and whether the difference differs (explored)": ("within", "interaction"),
    }
)
NO_P = "Where no p value stands, the replicates do not vary, so that chance cannot be told from effect."

#: The mean of each run and of each group in it, on which all tests rest.
RUN_MEANS = """
SELECT outcome, arm, replicate, CASE WHEN grouping(group_name) = 0 THEN group_name END AS group_name,
       sum(value * weight) / nullif(sum(weight), 0)
FROM outcome_values
WHERE value IS NOT NULL
GROUP BY GROUPING SETS ((outcome, arm, replicate), (outcome, arm, replicate, group_name))
HAVING grouping(group_name) = 1 OR group_name IS NOT NULL
"""
_EXPERIMENT = "SELECT name, scenario, paired, alpha, correction, replicates, is_language_model FROM experiment"
_ARMS = "SELECT arm FROM arms ORDER BY ordinal"
_LEVELS = "SELECT arm, factor, level FROM levels ORDER BY factor, ordinal"
_HYPOTHESES = "SELECT outcome, arm, against, direction, is_registered FROM hypotheses ORDER BY ordinal"
_OUTCOMES = "SELECT outcome FROM outcomes ORDER BY ordinal"
_CHECKS = """
SELECT name, arm, count(*), count(*) FILTER (passed), min(value), max(value) FROM manipulation_checks
GROUP BY name, arm ORDER BY name, arm
"""

#: Share of the means compared below which a difference is one of rounding.
_NOTHING = 1e-12
#: Means of runs by replicate.
type Means = Mapping[int, float]


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


@dataclass(frozen=True, slots=True)
class Effect:
    """How an arm differs from another in an outcome."""

    kind: EffectKind
    outcome: str
    arm: str
    against: str
    #: Group of agents, level of another factor, or empty for all.
    group: str
    direction: str
    mean: float
    mean_against: float
    estimate: float
    low: float
    high: float
    p: float
    #: Corrected within its family.
    p_adjusted: float
    replicates: int
    #: Of a hypothesis, whether it was stated before the first run.
    is_registered: bool = False
    #: Standard error of the difference.
    error: float = math.nan

    @property
    def comparison(self) -> str:
        """What is compared with what, and which direction was expected."""
        expected = {"more": " (more)", "less": " (less)"}.get(self.direction, "")
        return f"{self.arm}{expected} against {self.against}"

    def verdict(self, alpha: float) -> str:
        """What its corrected p value says; empty where it says nothing."""
        if math.isnan(self.p_adjusted):
            return ""
        if self.kind != "hypothesis":
            return "differs" if self.p_adjusted < alpha else ""
        found = "found" if self.p_adjusted < alpha else "not found"
        return found if self.is_registered else f"{found}, stated after the first run"


@dataclass(frozen=True, slots=True)
class ArmMean:
    """The mean of an outcome in an arm, over its runs, with its interval."""

    outcome: str
    arm: str
    mean: float
    low: float
    high: float
    replicates: int


@dataclass(frozen=True, slots=True)
class CheckedArm:
    """How many runs of an arm did what the arm was to do."""

    name: str
    arm: str
    runs: int
    passed: int
    least: float | None
    greatest: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """All that an experiment found."""

    name: str
    scenario: str
    paired: bool
    alpha: float
    correction: str
    replicates: int
    is_language_model: bool
    means: Sequence[ArmMean]
    effects: Sequence[Effect]
    checks: Sequence[CheckedArm]
    #: What checks of the models found, where the experiment has any.
    model_checks: Sequence[ModelProperty] = ()

    @property
    def unvaried(self) -> bool:
        """Whether some effect has no p value because its replicates do not vary."""
        return any(math.isnan(one.p) and one.replicates > 1 for one in self.effects)


def read_findings(reader: Reader) -> Findings:
    """The findings of a merged file. Raises `SetupError` where a library is missing that corrects p values."""
    ((name, scenario, paired, alpha, correction, replicates, is_model),) = reader.query(_EXPERIMENT).rows
    analysis = _Analysis(reader, paired=paired, alpha=alpha)
    stated = [replace(one, p_adjusted=one.p) for one in analysis.hypotheses()]
    others = [*analysis.arms_compared(), *analysis.groups(), *analysis.robustness()]
    effects = [*adjusted(stated, correction), *adjusted(others, correction)]
    checks = [CheckedArm(*row) for row in reader.query(_CHECKS).rows]
    means, models = list(analysis.arm_means()), read_model_checks(reader)
    return Findings(name, scenario, paired, alpha, correction, replicates, is_model, means, effects, checks, models)


def compare(one: Means, other: Means, *, paired: bool, alpha: float, direction: str = "differs") -> RunDifference:
    """The difference of two sets of runs, `one` minus `other`, by a t test over their replicates."""
    import numpy as np
    from scipy import stats

    alternative = {"more": "greater", "less": "less"}.get(direction, "two-sided")
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


def adjusted(effects: Sequence[Effect], correction: str) -> list[Effect]:
    """The effects of one family with corrected p values; those without a p value take no part."""
    tested = [one for one in effects if not math.isnan(one.p)]
    if correction == "none" or len(tested) < 2:
        return [replace(one, p_adjusted=one.p) for one in effects]
    corrected = iter(corrected_p([one.p for one in tested], correction))
    return [replace(one, p_adjusted=math.nan if math.isnan(one.p) else next(corrected)) for one in effects]


def corrected_p(values: Sequence[float], correction: str) -> list[float]:
    """P values corrected for their number by `holm`, `bonferroni` or `fdr_bh`. Raises `SetupError`."""
    check_statistics()
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(values, method=correction)[1]]


def check_statistics() -> None:
    """Raise `SetupError` when the library that corrects p values is not installed."""
    try:
        import statsmodels.stats.multitest  # noqa: F401
    except ImportError as error:
        raise SetupError(
            "p values of several comparisons are corrected by statsmodels, which is not installed; "
            "`pip install \"populace[stats]\"`, or give the experiment correction='none'."
        ) from error


class _Analysis:
    """Means of runs, and the comparisons between them."""

    def __init__(self, reader: Reader, *, paired: bool, alpha: float) -> None:
        self._paired, self._alpha = paired, alpha
        self._arms = [arm for (arm,) in reader.query(_ARMS).rows]
        self._outcomes = [outcome for (outcome,) in reader.query(_OUTCOMES).rows]
        self._hypotheses = reader.query(_HYPOTHESES).rows
        self._levels: dict[str, dict[str, str]] = {arm: {} for arm in self._arms}
        #: Levels of each factor, in their order.
        self._factors: dict[str, list[str]] = {}
        for arm, factor, level in reader.query(_LEVELS).rows:
            self._levels[arm][factor] = level
            known = self._factors.setdefault(factor, [])
            if level not in known:
                known.append(level)
        self._means: dict[tuple[str, str, str], dict[int, float]] = {}
        for outcome, arm, replicate, group, mean in reader.query(RUN_MEANS).rows:
            if mean is not None:
                self._means.setdefault((outcome, arm, group or ""), {})[replicate] = mean

    def arm_means(self) -> Iterator[ArmMean]:
        """The mean of each arm in each outcome."""
        from scipy import stats

        for outcome in self._outcomes:
            for arm in self._arms:
                values = list(self._means.get((outcome, arm, ""), {}).values())
                low = high = math.nan
                if len(values) > 1 and max(values) > min(values):
                    interval = stats.ttest_1samp(values, 0.0).confidence_interval(1 - self._alpha)
                    low, high = float(interval.low), float(interval.high)
                yield ArmMean(outcome, arm, _mean(dict(enumerate(values))), low, high, len(values))

    def hypotheses(self) -> Iterator[Effect]:
        """What was expected."""
        for outcome, arm, against, direction, is_registered in self._hypotheses:
            found = self._effect("hypothesis", outcome, arm, against, direction=direction)
            yield replace(found, is_registered=is_registered)

    def arms_compared(self) -> Iterator[Effect]:
        """Each arm against the first, where no hypothesis says so already."""
        stated = {(outcome, *pair) for outcome, a, b, *_ in self._hypotheses for pair in ((a, b), (b, a))}
        for outcome in self._outcomes:
            for arm in self._arms[1:]:
                if (outcome, arm, self._arms[0]) not in stated:
                    yield self._effect("arm", outcome, arm, self._arms[0])

    def groups(self) -> Iterator[Effect]:
        """The comparisons of hypotheses, or of arms with the first, in each group of agents."""
        for outcome in self._outcomes:
            pairs = [(arm, against) for named, arm, against, *_ in self._hypotheses if named == outcome]
            pairs = pairs or [(arm, self._arms[0]) for arm in self._arms[1:]]
            groups = sorted({group for named, _, group in self._means if named == outcome and group})
            for arm, against in pairs:
                for group in groups:
                    yield self._effect("group", outcome, arm, against, group=group)

    def robustness(self) -> Iterator[Effect]:
        """Of each hypothesis about levels: whether it holds at every level of the other factors."""
        for outcome, arm, against, *_ in self._hypotheses:
            named = _levels_of(arm).keys() | _levels_of(against).keys()
            if not named & self._factors.keys() or arm in self._arms:
                continue
            for factor, levels in self._factors.items():
                if factor in named or len(levels) < 2:
                    continue
                within = {level: f"{factor}={level}" for level in levels}
                for words in within.values():
                    yield self._effect("within", outcome, arm, against, also=words)
                first = within[levels[0]]
                for level in levels[1:]:
                    yield self._interaction(outcome, arm, against, within[level], first)

    def _effect(
        self,
        kind: EffectKind,
        outcome: str,
        arm: str,
        against: str,
        *,
        group: str = "",
        also: str = "",
        direction: str = "differs",
    ) -> Effect:
        one, other = (self._of(outcome, f"{name},{also}" if also else name, group) for name in (arm, against))
        return self._made(kind, outcome, (arm, against), group or also, direction, one, other)

    def _interaction(self, outcome: str, arm: str, against: str, here: str, there: str) -> Effect:
        first, second = (
            _difference(self._of(outcome, f"{arm},{level}", ""), self._of(outcome, f"{against},{level}", ""))
            for level in (here, there)
        )
        return self._made("interaction", outcome, (arm, against), f"{here} against {there}", "differs", first, second)

    def _made(
        self,
        kind: EffectKind,
        outcome: str,
        arms: tuple[str, str],
        group: str,
        direction: str,
        one: Means,
        other: Means,
    ) -> Effect:
        found = compare(one, other, paired=self._paired, alpha=self._alpha, direction=direction)
        return Effect(
            kind=kind,
            outcome=outcome,
            arm=arms[0],
            against=arms[1],
            group=group,
            direction=direction,
            mean=_mean(one),
            mean_against=_mean(other),
            estimate=found.estimate,
            low=found.low,
            high=found.high,
            p=found.p,
            p_adjusted=found.p,
            replicates=found.replicates,
            error=found.error,
        )

    def _of(self, outcome: str, named: str, group: str) -> Means:
        """The means of runs by replicate, over all arms of a name or of levels."""
        arms = [named] if named in self._arms else self._with(_levels_of(named))
        found: dict[int, list[float]] = {}
        for arm in arms:
            for replicate, mean in self._means.get((outcome, arm, group), {}).items():
                found.setdefault(replicate, []).append(mean)
        return {replicate: sum(means) / len(means) for replicate, means in found.items() if len(means) == len(arms)}

    def _with(self, levels: Mapping[str, str]) -> list[str]:
        return [arm for arm in self._arms if all(self._levels[arm].get(name) == one for name, one in levels.items())]


def _mean(means: Means) -> float:
    return sum(means.values()) / len(means) if means else math.nan


def _difference(one: Means, other: Means) -> dict[int, float]:
    return {replicate: one[replicate] - other[replicate] for replicate in sorted(one.keys() & other.keys())}


def _levels_of(named: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in named.split(",") if "=" in part)
