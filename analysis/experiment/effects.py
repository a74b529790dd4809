"""The effects of an experiment, from its merged file: differences between arms, with intervals and corrected p values.

The unit is the run. Agents of one run are tied to each other, so they are no independent observations; what varies by
chance is the run as a whole. Each outcome is therefore reduced to one mean a run (weighted, where weights are given),
and arms are compared by t tests over the means of their replicates: paired by replicate where replicates of one number
share a seed, Welch's otherwise (Donner and Klar, Design and Analysis of Cluster Randomization Trials, 2000, chapter 6).
Intervals are two-sided at 1 - alpha. p values are corrected within a family: the hypotheses, and everything else.

What the test generalises to depends on the people. If each replicate has new ones, their differences are part of what
varies between replicates. If all runs have the same people, that part is missing: the test says how the effect varies
between runs of *these* people (`fixed`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SetupError
from ...core.result import Estimate, Note, Result, make_result
from ..stats import estimate_share
from ..table import Reader

if TYPE_CHECKING:
    from ...sim.experiment.design import Experiment, Hypothesis, PeopleDesign

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
_EXPERIMENT = """
SELECT name, scenario, paired, alpha, correction, replicates, is_language_model,
       if(design ->> '$.people_design' = 'new', 'new', 'fixed') FROM experiment
"""
_HAS_AGENTS = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'agents'"
#: Places in populations, and how many people fill them; arms of a paired design share theirs.
_PLACES = """
SELECT count(*), count(DISTINCT agent)
FROM (SELECT DISTINCT CASE WHEN paired THEN '' ELSE arm END, replicate, agent FROM agents, experiment)
"""
_ARMS = "SELECT arm FROM arms ORDER BY ordinal"
_LEVELS = "SELECT arm, factor, level FROM levels ORDER BY factor, ordinal"
_HYPOTHESES = "SELECT outcome, arm, against, direction, is_registered FROM hypotheses ORDER BY ordinal"
_OUTCOMES = "SELECT outcome FROM outcomes ORDER BY ordinal"
_CHECKS = """
SELECT name, arm, count(*), count(*) FILTER (passed), min(value), max(value) FROM manipulation_checks
GROUP BY name, arm ORDER BY name, arm
"""

#: Means of runs by replicate.
type Means = Mapping[int, float]

_ALTERNATIVES = {"more": "greater", "less": "less", "differs": "two-sided"}
#: Share of the means compared below which a difference is one of rounding.
_NOTHING = 1e-12
#: Share of places that may be filled by people who live in other replicates too.
_OVERLAP = 0.05


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
    return RunDifference(estimate, float(interval.low), float(interval.high), float(p), number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect(RunDifference):
    """How an arm differs from another in an outcome."""

    kind: EffectKind
    outcome: str
    arm: str
    against: str
    #: Group of agents, level of another factor, or empty for all.
    group: str
    direction: str
    #: Corrected within its family.
    p_adjusted: float
    #: Of a hypothesis, whether it was stated before the first run.
    is_registered: bool = False
    #: Whether it was tested over runs of the same people, so that it concerns these people only.
    is_for_these_people: bool = False

    @property
    def comparison(self) -> str:
        """What is compared with what, and which direction was expected."""
        expected = {"more": " (more)", "less": " (less)"}.get(self.direction, "")
        return f"{self.arm}{expected} against {self.against}"

    def verdict(self, alpha: float) -> str:
        """Describe the result by the corrected p value; empty if it says nothing."""
        if math.isnan(self.p_adjusted):
            return ""
        these = ", for these people" * self.is_for_these_people
        if self.kind != "hypothesis":
            return f"differs{these}" if self.p_adjusted < alpha else ""
        found = ("found" if self.p_adjusted < alpha else "not found") + these
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
    #: Check, arm, runs, runs that passed, least and greatest value.
    checks: Sequence[tuple[Any, ...]]
    #: What the verdicts hold for, in a sentence.
    scope: str

    @property
    def unvaried(self) -> bool:
        """Whether some effect has no p value because its replicates do not vary."""
        return any(math.isnan(one.p) and one.replicates > 1 for one in self.effects)


def read_findings(reader: Reader) -> Findings:
    """Read the findings of a merged file."""
    ((name, scenario, paired, alpha, correction, replicates, is_model, design),) = reader.query(_EXPERIMENT).rows
    analysis = _Analysis(reader, paired=paired, alpha=alpha, design=design)
    stated = [replace(one, p_adjusted=one.p) for one in analysis.hypotheses()]
    others = [*analysis.arms_compared(), *analysis.groups(), *analysis.test_robustness()]
    effects = [*adjust_effects(stated, correction), *adjust_effects(others, correction)]
    checks = reader.query(_CHECKS).rows
    return Findings(
        name,
        scenario,
        paired,
        alpha,
        correction,
        replicates,
        is_model,
        list(analysis.arm_means()),
        effects,
        checks,
        scope=analysis.scope,
    )


def adjust_effects(effects: Sequence[Effect], correction: str) -> list[Effect]:
    """Return the effects of one family with corrected p values; effects without a p value are not counted."""
    tested = [one for one in effects if not math.isnan(one.p)]
    if correction == "none" or len(tested) < 2:
        return [replace(one, p_adjusted=one.p) for one in effects]
    corrected = iter(corrected_p([one.p for one in tested], correction).tolist())
    return [replace(one, p_adjusted=math.nan if math.isnan(one.p) else next(corrected)) for one in effects]


def corrected_p(values: Sequence[float] | NDArray[np.float64], correction: str) -> NDArray[np.float64]:
    """Correct p values for their number by `holm`, `bonferroni` or `fdr_bh`, along the last axis."""
    from scipy import stats

    given = np.asarray(values, float)
    number = given.shape[-1]
    if correction == "fdr_bh":
        return np.asarray(stats.false_discovery_control(given, axis=-1), float)
    if correction == "bonferroni":
        return np.asarray(np.minimum(given * number, 1), float)
    order = given.argsort(axis=-1)
    # Holm 1979: the k-th smallest counts for all that are not smaller, and is no less than those before it.
    stepped = np.take_along_axis(given, order, -1) * np.arange(number, 0, -1)
    found: NDArray[np.float64] = np.empty_like(given)
    np.put_along_axis(found, order, np.minimum(np.maximum.accumulate(stepped, axis=-1), 1), -1)
    return found


class _Analysis:
    """Means of runs, and the comparisons between them."""

    def __init__(self, reader: Reader, *, paired: bool, alpha: float, design: "PeopleDesign") -> None:
        self._paired, self._alpha, self._design = paired, alpha, design
        #: Places in all populations, and people who fill them.
        self._places, self._people = reader.query(_PLACES).rows[0] if reader.query(_HAS_AGENTS).rows else (0, 0)
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

    @property
    def scope(self) -> str:
        """What the verdicts hold for."""
        if self._design == "fixed":
            return (
                "All runs have the same people, and effects are tested over runs: verdicts concern these people "
                "only. Give people_design='new' to generalise to others."
            )
        if self._is_overlapping:
            return (
                f"There were too few people to give each replicate its own: {self._people:,} fill {self._places:,} "
                f"places. Verdicts concern these people only; give a larger hub, fewer agents or fewer replicates."
            )
        return "Each replicate has people of its own, so that effects are tested over people and runs."

    @property
    def _is_overlapping(self) -> bool:
        return bool(self._places - self._people > _OVERLAP * self._places)

    def arm_means(self) -> Iterator[ArmMean]:
        """Yield the mean of each arm in each outcome."""
        from scipy import stats

        for outcome in self._outcomes:
            for arm in self._arms:
                values = list(self._means.get((outcome, arm, ""), {}).values())
                low = high = math.nan
                if len(values) > 1 and max(values) > min(values):
                    interval = stats.ttest_1samp(values, 0.0).confidence_interval(1 - self._alpha)
                    low, high = float(interval.low), float(interval.high)
                yield ArmMean(outcome, arm, _mean_runs(dict(enumerate(values))), low, high, len(values))

    def hypotheses(self) -> Iterator[Effect]:
        """Yield the effect of each stated hypothesis."""
        for outcome, arm, against, direction, is_registered in self._hypotheses:
            found = self._test_arms("hypothesis", outcome, arm, against, direction=direction)
            yield replace(found, is_registered=is_registered)

    def arms_compared(self) -> Iterator[Effect]:
        """Yield the comparison of each arm with the first, unless a hypothesis already states it."""
        stated = {(outcome, *pair) for outcome, a, b, *_ in self._hypotheses for pair in ((a, b), (b, a))}
        for outcome in self._outcomes:
            for arm in self._arms[1:]:
                if (outcome, arm, self._arms[0]) not in stated:
                    yield self._test_arms("arm", outcome, arm, self._arms[0])

    def groups(self) -> Iterator[Effect]:
        """Yield the comparisons of hypotheses in each group of agents, or else those of arms with the first."""
        for outcome in self._outcomes:
            pairs = [(arm, against) for named, arm, against, *_ in self._hypotheses if named == outcome]
            pairs = pairs or [(arm, self._arms[0]) for arm in self._arms[1:]]
            groups = sorted({group for named, _, group in self._means if named == outcome and group})
            for arm, against in pairs:
                for group in groups:
                    yield self._test_arms("group", outcome, arm, against, group=group)

    def test_robustness(self) -> Iterator[Effect]:
        """Yield tests of whether each hypothesis about levels holds at every level of the other factors."""
        for outcome, arm, against, *_ in self._hypotheses:
            named = _levels_of(arm).keys() | _levels_of(against).keys()
            if not named & self._factors.keys() or arm in self._arms:
                continue
            for factor, levels in self._factors.items():
                if factor in named or len(levels) < 2:
                    continue
                within = {level: f"{factor}={level}" for level in levels}
                for words in within.values():
                    yield self._test_arms("within", outcome, arm, against, also=words)
                first = within[levels[0]]
                for level in levels[1:]:
                    yield self._test_interaction(outcome, arm, against, within[level], first)

    def _test_arms(
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
        names = [f"{name},{also}" if also else name for name in (arm, against)]
        one, other = (self._collect_means(outcome, name, group) for name in names)
        return self._make_effect(kind, outcome, (arm, against), group or also, direction, one, other)

    def _test_interaction(self, outcome: str, arm: str, against: str, here: str, there: str) -> Effect:
        first, second = (
            _subtract_means(
                self._collect_means(outcome, f"{arm},{level}", ""),
                self._collect_means(outcome, f"{against},{level}", ""),
            )
            for level in (here, there)
        )
        named = f"{here} against {there}"
        return self._make_effect("interaction", outcome, (arm, against), named, "differs", first, second)

    def _make_effect(
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
            **asdict(found),
            kind=kind,
            outcome=outcome,
            arm=arms[0],
            against=arms[1],
            group=group,
            direction=direction,
            p_adjusted=found.p,
            is_for_these_people=self._is_overlapping or self._design == "fixed",
        )

    def _collect_means(self, outcome: str, named: str, group: str) -> Means:
        """Return the means of runs by replicate, over all arms of a name or of levels."""
        arms = self._arms_of(named)
        found: dict[int, list[float]] = {}
        for arm in arms:
            for replicate, mean in self._means.get((outcome, arm, group), {}).items():
                found.setdefault(replicate, []).append(mean)
        return {replicate: sum(means) / len(means) for replicate, means in found.items() if len(means) == len(arms)}

    def _arms_of(self, named: str) -> list[str]:
        if named in self._arms:
            return [named]
        levels = _levels_of(named)
        return [arm for arm in self._arms if all(self._levels[arm].get(name) == one for name, one in levels.items())]


def _mean_runs(means: Means) -> float:
    return sum(means.values()) / len(means) if means else math.nan


def _subtract_means(one: Means, other: Means) -> dict[int, float]:
    return {replicate: one[replicate] - other[replicate] for replicate in sorted(one.keys() & other.keys())}


def _levels_of(named: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in named.split(",") if "=" in part)


_EFFECT = ("outcome", "arm", "against", "in", "difference", "p", "p_corrected", "runs", "verdict")


def describe_findings(found: Findings) -> Result:
    """Describe the means of arms, the effects, and the checks."""
    seeds = "paired by seed" if found.paired else "seeds of their own"
    notes = [Note("scope", found.scope)] + [Note("no_p", NO_P)] * found.unvaried
    return make_result(
        f"{found.name}: means of arms over {found.replicates} runs, {seeds}; intervals of {1 - found.alpha:.0%}",
        ("outcome", "arm", "mean", "runs"),
        [(one.outcome, one.arm, Estimate(one.mean, one.low, one.high), one.replicates) for one in found.means],
        notes=notes,
        parts=[
            *describe_effects(found),
            make_result("Manipulation checks", ("check", "arm", "runs", "passed", "least", "greatest"), found.checks),
        ],
    )


def describe_effects(found: Findings) -> list[Result]:
    """Describe the effects of each kind."""
    return [
        make_result(title, _EFFECT, [_describe_effect(one, found.alpha) for one in found.effects if one.kind in kinds])
        for title, kinds in SECTIONS.items()
    ]


def _describe_effect(one: Effect, alpha: float) -> tuple[object, ...]:
    expected = {"more": " (more)", "less": " (less)"}.get(one.direction, "")
    difference = Estimate(one.estimate, one.low, one.high)
    names = (one.outcome, f"{one.arm}{expected}", one.against, one.group)
    return (*names, difference, one.p, one.p_adjusted, one.replicates, one.verdict(alpha))


#: Numbers of replicates that are looked at beside the experiment's own.
_REPLICATES = (3, 5, 10, 20, 40)
_SIMULATIONS = 2_000


def simulate_power(experiment: "Experiment") -> Result:
    """Simulate the power of each hypothesis at the experiment's own numbers of replicates and at others.

    The replicates of each hypothesis are drawn from a normal distribution with the difference and the standard
    deviation that it states, and are tested and corrected exactly as those of runs. The analysis is simulated, not the
    society: a wrong expectation gives a wrong power.

    Raises `SetupError` for a hypothesis without an effect or a standard deviation.
    """
    hypotheses = experiment.hypotheses
    if not hypotheses:
        raise SetupError("The power is that of hypotheses, and the experiment states none; give some, with `effect`.")
    given = [(one, *_assume_effect(one)) for one in hypotheses]
    found: dict[tuple[str, str, str, int], tuple[float, float, Estimate]] = {}
    for runs in {experiment.replicates, *_REPLICATES} - {1}:
        shares = _count_hits(given, runs, experiment)
        for (one, effect, sd), hits in zip(given, shares, strict=True):
            found[one.outcome, one.arm, one.against, runs] = effect, sd, estimate_share(hits, _SIMULATIONS)
    rows = [(*names, effect, sd, f"{runs}", power) for (*names, runs), (effect, sd, power) in sorted(found.items())]
    said = (
        "Power is the share of 2,000 simulated experiments that find the effect, tested and corrected as the real one. "
        "It is as good as the effect and the standard deviation that were expected."
    )
    columns = ("outcome", "arm", "against", "effect", "sd", "replicates", "power")
    return make_result("Power", columns, rows, shares=("power",), notes=[Note("simulated", said)])


def _count_hits(
    given: "Sequence[tuple[Hypothesis, float, float]]",
    runs: int,
    experiment: "Experiment",
) -> list[int]:
    """Count the simulated experiments that find each hypothesis."""
    rng = np.random.default_rng([experiment.seed, *[runs] * len(given)])
    drawn = [_simulate_p_values(*one, runs, experiment.paired, rng) for one in given]
    values = np.stack(drawn, axis=1)
    if len(given) > 1 and experiment.correction != "none":
        values = corrected_p(values, experiment.correction)
    return [int(hits) for hits in (values < experiment.alpha).sum(axis=0)]


def _simulate_p_values(
    one: "Hypothesis", effect: float, sd: float, runs: int, paired: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the p values of simulated experiments."""
    from scipy import stats

    drawn = rng.normal(effect, sd, (_SIMULATIONS, runs))
    variance = drawn.var(axis=1, ddof=1) / runs
    freedom = np.full(_SIMULATIONS, runs - 1.0)
    estimate = drawn.mean(axis=1)
    if not paired:
        other = rng.normal(0.0, sd, (_SIMULATIONS, runs))
        added = other.var(axis=1, ddof=1) / runs
        freedom *= (variance + added) ** 2 / (variance**2 + added**2)
        variance, estimate = variance + added, estimate - other.mean(axis=1)
    t = estimate / np.sqrt(variance)
    tails = {"more": stats.t.sf(t, freedom), "less": stats.t.cdf(t, freedom)}
    return np.asarray(tails.get(one.direction, 2 * stats.t.sf(np.abs(t), freedom)))


def _assume_effect(one: "Hypothesis") -> tuple[float, float]:
    """Return the effect and the standard deviation between replicates that a hypothesis states."""
    said = f"The hypothesis that {one.arm} differs from {one.against} in {one.outcome}"
    if one.effect is None:
        raise SetupError(
            f"{said} states no effect; give the least difference that would matter, as Hypothesis(..., effect=0.1)."
        )
    if one.sd is None:
        raise SetupError(
            f"{said} states no standard deviation between replicates; give it, as Hypothesis(..., sd=0.05), from two "
            f"or three runs if it is not known."
        )
    return one.effect, one.sd
