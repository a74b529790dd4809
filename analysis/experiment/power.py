"""How likely an experiment is to find what it expects: its power, by simulating its analysis many times beforehand.

The replicates of each hypothesis are drawn from a normal distribution with the difference and the standard deviation
that it states, tested and corrected exactly as `effects` does. What is simulated is the analysis, not the society: a
wrong expectation gives a wrong power. A pilot's merged file can give the standard deviations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...personas.errors import SetupError, parameter
from ..evaluation import wilson_interval
from .effects import Findings, corrected_p

#: Numbers of replicates that are looked at beside the experiment's own.
_REPLICATES = (3, 5, 10, 20, 40)
_SIMULATIONS = 2_000


class Expected(Protocol):
    """A hypothesis: what it expects, and how far replicates differ."""

    @property
    def outcome(self) -> str: ...  # noqa: D102 - the fields of a hypothesis
    @property
    def arm(self) -> str: ...  # noqa: D102
    @property
    def against(self) -> str: ...  # noqa: D102
    @property
    def direction(self) -> str: ...  # noqa: D102
    @property
    def effect(self) -> float | None: ...  # noqa: D102
    @property
    def sd(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Power:
    """The share of simulated experiments that find what a hypothesis expects."""

    outcome: str
    arm: str
    against: str
    effect: float
    sd: float
    replicates: int
    power: float
    #: 95 % interval of the share, for the number of simulations.
    low: float
    high: float


def simulated_power(
    hypotheses: Sequence[Expected],
    *,
    replicates: int,
    paired: bool,
    alpha: float,
    correction: str,
    pilot: Findings | None = None,
    seed: int = 0,
) -> list[Power]:
    """The power of each hypothesis at the experiment's own number of replicates and at others.

    `pilot` is an experiment of the same design, whose replicates give the standard deviations that hypotheses leave
    open. Raises `SetupError` for a hypothesis without an effect or a standard deviation.
    """
    if not hypotheses:
        raise SetupError("The power is that of hypotheses, and the experiment states none; give some, with `effect`.")
    expected = [_expected(one, pilot) for one in hypotheses]
    found = []
    for number in sorted({replicates, *_REPLICATES} - {1}):
        shares = _shares(hypotheses, expected, number, paired, alpha, correction, seed)
        for one, (effect, sd), hits in zip(hypotheses, expected, shares, strict=True):
            low, high = wilson_interval(hits, _SIMULATIONS)
            found.append(Power(one.outcome, one.arm, one.against, effect, sd, number, hits / _SIMULATIONS, low, high))
    return sorted(found, key=lambda one: (one.outcome, one.arm, one.against, one.replicates))


def _shares(
    hypotheses: Sequence[Expected],
    expected: Sequence[tuple[float, float]],
    replicates: int,
    paired: bool,
    alpha: float,
    correction: str,
    seed: int,
) -> list[int]:
    """How many of the simulated experiments find each hypothesis."""
    import numpy as np
    from scipy import stats

    rng = np.random.default_rng([seed, replicates])
    columns = []
    for one, (effect, sd) in zip(hypotheses, expected, strict=True):
        alternative = {"more": "greater", "less": "less"}.get(one.direction, "two-sided")
        drawn = rng.normal(effect, sd, (_SIMULATIONS, replicates))
        if paired:
            found = stats.ttest_1samp(drawn, 0.0, axis=1, alternative=alternative)
        else:
            other = rng.normal(0.0, sd, (_SIMULATIONS, replicates))
            found = stats.ttest_ind(drawn, other, axis=1, equal_var=False, alternative=alternative)
        columns.append(found.pvalue)
    values = np.stack(columns, axis=1)
    if len(hypotheses) > 1 and correction != "none":
        values = np.array([corrected_p(row, correction) for row in values.tolist()])
    return [int(hits) for hits in (values < alpha).sum(axis=0)]


def _expected(one: Expected, pilot: Findings | None) -> tuple[float, float]:
    """The difference and the standard deviation of a hypothesis."""
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
    return one.effect, _deviation(one, pilot)


def _deviation(one: Expected, pilot: Findings) -> float:
    """The standard deviation of replicates that a pilot's standard error implies; of differences where paired."""
    wanted = (one.outcome, one.arm, one.against)
    same = (found for found in pilot.effects if (found.outcome, found.arm, found.against) == wanted and not found.group)
    found = next(same, None)
    if found is None or math.isnan(found.error):
        raise SetupError(
            f"The pilot has no interval for {one.arm} against {one.against} in {one.outcome}; let it state the same "
            f"hypothesis, with two replicates or more."
        )
    number = found.replicates
    return found.error * math.sqrt(number if pilot.paired else number / 2)
