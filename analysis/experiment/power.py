"""How likely an experiment is to find what it expects: its power, by simulating its analysis many times beforehand.

The replicates of each hypothesis are drawn from a normal distribution with the difference and the standard deviation
that it states, tested and corrected exactly as `effects` does. What is simulated is the analysis, not the society: a
wrong expectation gives a wrong power. A pilot's merged file can give the standard deviations.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SetupError, parameter
from ...core.result import Estimate, Note, Result, make_result
from ..stats import estimate_share
from .effects import Findings, corrected_p

if TYPE_CHECKING:
    from ...sim.experiment.design import Experiment, Hypothesis

#: Numbers of replicates that are looked at beside the experiment's own.
_REPLICATES = (3, 5, 10, 20, 40)
_SIMULATIONS = 2_000


def simulate_power(experiment: "Experiment", pilot: Findings | None = None) -> Result:
    """Simulate the power of each hypothesis at the experiment's own numbers of replicates and at others.

    `pilot` is a finished experiment whose replicates give the standard deviations that hypotheses leave open. Raises
    `SetupError` for a hypothesis without an effect or a standard deviation.
    """
    hypotheses = experiment.hypotheses
    if not hypotheses:
        raise SetupError("The power is that of hypotheses, and the experiment states none; give some, with `effect`.")
    given = [(one, *_assume_effect(one, experiment, pilot)) for one in hypotheses]
    own = [(experiment.replicates_of(one.arm), experiment.replicates_of(one.against)) for one in hypotheses]
    found: dict[tuple[str, str, str, int, int], tuple[float, float, Estimate]] = {}
    for pairs in (own, *([(number, number)] * len(own) for number in _REPLICATES)):
        shares = _count_hits(given, pairs, experiment)
        for (one, effect, sd), (runs, others), hits in zip(given, pairs, shares, strict=True):
            if min(runs, others) >= 2:
                found[one.outcome, one.arm, one.against, runs, others] = effect, sd, estimate_share(hits, _SIMULATIONS)
    rows = [
        (*names, effect, sd, f"{runs}" if runs == others else f"{runs} and {others}", power)
        for (*names, runs, others), (effect, sd, power) in sorted(found.items())
    ]
    said = (
        "Power is the share of 2,000 simulated experiments that find the effect, tested and corrected as the real one. "
        "It is as good as the effect and the standard deviation that were expected."
    )
    columns = ("outcome", "arm", "against", "effect", "sd", "replicates", "power")
    return make_result("Power", columns, rows, shares=("power",), notes=[Note("simulated", said)])


def _count_hits(
    given: "Sequence[tuple[Hypothesis, float, float]]", pairs: Sequence[tuple[int, int]], experiment: "Experiment"
) -> list[int]:
    """Count the simulated experiments that find each hypothesis."""
    rng = np.random.default_rng([experiment.seed, *map(max, pairs)])
    drawn = [_simulate_p_values(*one, *pair, experiment.paired, rng) for one, pair in zip(given, pairs, strict=True)]
    values = np.stack(drawn, axis=1)
    if len(given) > 1 and experiment.correction != "none":
        values = corrected_p(values, experiment.correction)
    return [int(hits) for hits in (values < experiment.alpha).sum(axis=0)]


def _simulate_p_values(
    one: "Hypothesis", effect: float, sd: float, runs: int, others: int, paired: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the p values of simulated experiments; 1 where there are too few replicates for any."""
    from scipy import stats

    runs = min(runs, others) if paired else runs
    if min(runs, others) < 2:
        return np.ones(_SIMULATIONS)
    drawn = rng.normal(effect, sd, (_SIMULATIONS, runs))
    variance = drawn.var(axis=1, ddof=1) / runs
    freedom = np.full(_SIMULATIONS, runs - 1.0)
    estimate = drawn.mean(axis=1)
    if not paired:
        other = rng.normal(0.0, sd, (_SIMULATIONS, others))
        added = other.var(axis=1, ddof=1) / others
        freedom = (variance + added) ** 2 / (variance**2 / (runs - 1) + added**2 / (others - 1))
        variance, estimate = variance + added, estimate - other.mean(axis=1)
    t = estimate / np.sqrt(variance)
    tails = {"more": stats.t.sf(t, freedom), "less": stats.t.cdf(t, freedom)}
    return np.asarray(tails.get(one.direction, 2 * stats.t.sf(np.abs(t), freedom)))


def _assume_effect(one: "Hypothesis", experiment: "Experiment", pilot: Findings | None) -> tuple[float, float]:
    """Return the effect and the standard deviation between replicates that a hypothesis states, or a pilot shows."""
    said = f"The hypothesis that {one.arm} differs from {one.against} in {one.outcome}"
    if one.effect is None:
        raise SetupError(
            f"{said} states no effect; give the least difference that would matter, as Hypothesis(..., effect=0.1)."
        )
    if one.sd is not None:
        return one.effect, one.sd
    if pilot is None:
        raise SetupError(
            f"{said} states no standard deviation between replicates; give it, as Hypothesis(..., sd=0.05), or a "
            f"finished experiment of a few replicates to take it from ({parameter('pilot')})."
        )
    paired, design = experiment.paired, experiment.people_design
    if (pilot.paired, pilot.people_design) != (paired, design):
        raise SetupError(
            f"The pilot has paired={pilot.paired} and people_design={pilot.people_design!r}, and this experiment "
            f"paired={paired} and people_design={design!r}; give a pilot of the same kind, or state `sd`."
        )
    wanted = (one.outcome, one.arm, one.against)
    found = (x for x in pilot.effects if (x.outcome, x.arm, x.against) == wanted and not x.group)
    same = next(found, None)
    if same is None or math.isnan(same.error):
        raise SetupError(
            f"The pilot has no interval for {one.arm} against {one.against} in {one.outcome}; let it state the same "
            f"hypothesis, with two replicates or more."
        )
    return one.effect, same.error * math.sqrt(same.replicates if paired else same.replicates / 2)
