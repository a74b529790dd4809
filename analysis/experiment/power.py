"""How likely an experiment is to find what it expects: its power, by simulating its analysis many times beforehand.

The replicates of each hypothesis are drawn from a normal distribution with the difference and the standard deviation
that it states, tested and corrected exactly as `effects` does. What is simulated is the analysis, not the society: a
wrong expectation gives a wrong power. A pilot's merged file can give the standard deviations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SetupError, parameter
from ..stats import wilson_interval
from .effects import Findings, PeopleDesign, corrected_p

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
    #: Runs of the arm, and of what it is compared with.
    replicates: int
    replicates_against: int
    power: float
    #: 95 % interval of the share, for the number of simulations.
    low: float
    high: float


def simulated_power(
    hypotheses: Sequence[Expected],
    *,
    replicates: int | Mapping[str, int],
    paired: bool,
    alpha: float,
    correction: str,
    design: PeopleDesign = "new",
    pilot: Findings | None = None,
    seed: int = 0,
) -> list[Power]:
    """Simulate the power of each hypothesis at the experiment's own numbers of replicates and at others.

    `replicates` are those of all arms, or of each arm or levels that hypotheses name. `pilot` is a finished experiment
    whose replicates give the standard deviations that hypotheses leave open. Raises `SetupError` for a hypothesis
    without an effect or a standard deviation.
    """
    if not hypotheses:
        raise SetupError("The power is that of hypotheses, and the experiment states none; give some, with `effect`.")
    given = [(one, *_assume_effect(one, paired, design, pilot)) for one in hypotheses]
    own = [
        (replicates, replicates) if isinstance(replicates, int) else (replicates[one.arm], replicates[one.against])
        for one in hypotheses
    ]
    found: dict[tuple[str, str, str, int, int], Power] = {}
    for pairs in (own, *([(number, number)] * len(own) for number in _REPLICATES)):
        shares = _count_hits(given, pairs, paired, alpha, correction, seed)
        for (one, effect, sd), (runs, others), hits in zip(given, pairs, shares, strict=True):
            if min(runs, others) < 2:
                continue
            key = one.outcome, one.arm, one.against, runs, others
            low, high = wilson_interval(hits, _SIMULATIONS)
            share = hits / _SIMULATIONS
            found[key] = Power(*key[:3], effect, sd, *key[3:], share, low, high)
    return [found[key] for key in sorted(found)]


def _count_hits(
    given: Sequence[tuple[Expected, float, float]],
    pairs: Sequence[tuple[int, int]],
    paired: bool,
    alpha: float,
    correction: str,
    seed: int,
) -> list[int]:
    """Count the simulated experiments that find each hypothesis."""
    rng = np.random.default_rng([seed, *map(max, pairs)])
    values = np.stack([_p_values(*one, *pair, paired, rng) for one, pair in zip(given, pairs, strict=True)], axis=1)
    if len(given) > 1 and correction != "none":
        values = corrected_p(values, correction)
    return [int(hits) for hits in (values < alpha).sum(axis=0)]


def _p_values(
    one: Expected, effect: float, sd: float, runs: int, others: int, paired: bool, rng: np.random.Generator
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


def _assume_effect(one: Expected, paired: bool, design: PeopleDesign, pilot: Findings | None) -> tuple[float, float]:
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
