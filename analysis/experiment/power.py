"""How likely an experiment is to find what it expects: its power, by simulating its analysis many times beforehand.

The replicates of each hypothesis are drawn from a normal distribution with the difference and the standard deviation
that it states, tested and corrected exactly as `effects` does. In a crossed design, what the drawing of the people adds
is drawn once for all replicates. What is simulated is the analysis, not the society: a wrong expectation gives a wrong
power. A pilot's merged file can give the standard deviations, also for another design than its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...core.errors import SetupError, parameter
from ..stats import wilson_interval
from .differences import Floats, mixed_p
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
    @property
    def sd_people(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Power:
    """The share of simulated experiments that find what a hypothesis expects."""

    outcome: str
    arm: str
    against: str
    effect: float
    sd: float
    #: Standard error of the effect from the drawing of the people, in a crossed design; 0 in others, where it is a part
    #: of `sd` or left out.
    error_people: float
    #: Runs of the arm, and of what it is compared with.
    replicates: int
    replicates_against: int
    power: float
    #: 95 % interval of the share, for the number of simulations.
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Assumed:
    """What is assumed of a hypothesis."""

    hypothesis: Expected
    effect: float
    sd: float
    error_people: float
    people: float


def simulated_power(
    hypotheses: Sequence[Expected],
    *,
    replicates: int | Mapping[str, int],
    paired: bool,
    alpha: float,
    correction: str,
    design: PeopleDesign = "new",
    people: int | None = None,
    pilot: Findings | None = None,
    seed: int = 0,
) -> list[Power]:
    """The power of each hypothesis at the experiment's own numbers of replicates and at others.

    `replicates` are those of all arms, or of each arm or levels that hypotheses name. `people` is how many live in a
    run. `pilot` is a finished experiment whose replicates give the standard deviations that hypotheses leave open.
    Raises `SetupError` for a hypothesis without an effect or a standard deviation.
    """
    if not hypotheses:
        raise SetupError("The power is that of hypotheses, and the experiment states none; give some, with `effect`.")
    given = [_assumed(one, paired, design, people, pilot) for one in hypotheses]
    own = [
        (replicates, replicates) if isinstance(replicates, int) else (replicates[one.arm], replicates[one.against])
        for one in hypotheses
    ]
    found: dict[tuple[str, str, str, int, int], Power] = {}
    for pairs in (own, *([(number, number)] * len(own) for number in _REPLICATES)):
        shares = _shares(given, pairs, paired, alpha, correction, seed)
        for one, (runs, others), hits in zip(given, pairs, shares, strict=True):
            if min(runs, others) < 2:
                continue
            key = one.hypothesis.outcome, one.hypothesis.arm, one.hypothesis.against, runs, others
            low, high = wilson_interval(hits, _SIMULATIONS)
            share = hits / _SIMULATIONS
            found[key] = Power(*key[:3], one.effect, one.sd, one.error_people, *key[3:], share, low, high)
    return [found[key] for key in sorted(found)]


def _shares(
    given: Sequence[_Assumed],
    pairs: Sequence[tuple[int, int]],
    paired: bool,
    alpha: float,
    correction: str,
    seed: int,
) -> list[int]:
    """How many of the simulated experiments find each hypothesis."""
    rng = np.random.default_rng([seed, *map(max, pairs)])
    values = np.stack([_p_values(one, *pair, paired, rng) for one, pair in zip(given, pairs, strict=True)], axis=1)
    if len(given) > 1 and correction != "none":
        values = corrected_p(values, correction)
    return [int(hits) for hits in (values < alpha).sum(axis=0)]


def _p_values(one: _Assumed, runs: int, others: int, paired: bool, rng: np.random.Generator) -> Floats:
    """The p values of simulated experiments; 1 where there are too few replicates for any."""
    from scipy import stats

    runs = min(runs, others) if paired else runs
    if min(runs, others) < 2:
        return np.ones(_SIMULATIONS)
    drawn = rng.normal(one.effect, one.sd, (_SIMULATIONS, runs))
    drawn += rng.normal(0.0, one.error_people, (_SIMULATIONS, 1))
    variance = drawn.var(axis=1, ddof=1) / runs
    freedom = np.full(_SIMULATIONS, runs - 1.0)
    estimate = drawn.mean(axis=1)
    if not paired:
        other = rng.normal(0.0, one.sd, (_SIMULATIONS, others))
        added = other.var(axis=1, ddof=1) / others
        freedom = (variance + added) ** 2 / (variance**2 / (runs - 1) + added**2 / (others - 1))
        variance, estimate = variance + added, estimate - other.mean(axis=1)
    if one.error_people:
        spread = one.error_people**2 * rng.chisquare(one.people - 1, _SIMULATIONS) / (one.people - 1)
        return mixed_p(estimate, variance, freedom, spread, one.people - 1, one.hypothesis.direction)
    t = estimate / np.sqrt(variance)
    tails = {"more": stats.t.sf(t, freedom), "less": stats.t.cdf(t, freedom)}
    return np.asarray(tails.get(one.hypothesis.direction, 2 * stats.t.sf(np.abs(t), freedom)))


def _assumed(one: Expected, paired: bool, design: PeopleDesign, people: int | None, pilot: Findings | None) -> _Assumed:
    """What is assumed of a hypothesis, as it says itself or as a pilot shows."""
    said = f"The hypothesis that {one.arm} differs from {one.against} in {one.outcome}"
    if one.effect is None:
        raise SetupError(
            f"{said} states no effect; give the least difference that would matter, as Hypothesis(..., effect=0.1)."
        )
    is_crossed = design == "crossed"
    if one.sd is not None and (not is_crossed or (one.sd_people is not None and people)):
        error = one.sd_people / math.sqrt(people) if is_crossed and one.sd_people is not None and people else 0.0
        return _Assumed(one, one.effect, one.sd, error, people or 0)
    if pilot is None:
        between = "replicates and between people" if is_crossed else "replicates"
        example = "sd=0.05, sd_people=0.5) and its people a number, as Growth(agents=100)" if is_crossed else "sd=0.05)"
        raise SetupError(
            f"{said} states no standard deviation between {between}; give it, as Hypothesis(..., {example}, or a "
            f"finished experiment of a few replicates to take it from ({parameter('pilot')})."
        )
    sd, error, compared = _deviations(one, pilot, paired=paired, design=design, people=people)
    return _Assumed(one, one.effect, sd if one.sd is None else one.sd, error, people or compared)


def _deviations(
    one: Expected, pilot: Findings, *, paired: bool, design: PeopleDesign, people: int | None
) -> tuple[float, float, float]:
    """The standard deviation of replicates that a pilot implies, and for a crossed design the error from people.

    Of differences where pairs are compared. In runs of the same people the part of people is known beside that of
    runs; with new people for each replicate, both are in one number.
    """
    wanted = (one.outcome, one.arm, one.against)
    same = (found for found in pilot.effects if (found.outcome, found.arm, found.against) == wanted and not found.group)
    found = next(same, None)
    if found is None or math.isnan(found.error):
        raise SetupError(
            f"The pilot has no interval for {one.arm} against {one.against} in {one.outcome}; let it state the same "
            f"hypothesis, with two replicates or more."
        )
    if pilot.paired != paired:
        raise SetupError(
            f"The pilot has paired={pilot.paired}, and this experiment has paired={paired}; give a pilot of the same "
            "kind, or state `sd`."
        )
    of_people = 0.0 if math.isnan(found.error_people) else found.error_people**2
    runs = found.error**2 - (of_people if pilot.people_design == "crossed" else 0.0)
    sd = math.sqrt(max(runs, 0.0) * (found.replicates if paired else found.replicates / 2))
    if pilot.people_design == design == "new" or (design == "fixed" and pilot.people_design != "new"):
        return sd, 0.0, 0.0
    # Runs that each have their own people also differ in what is the same in both arms.
    if math.isnan(found.error_people) or (design == "new" and not paired):
        raise SetupError(
            f"The pilot, with people_design={pilot.people_design!r}, does not show how much {one.outcome} varies with "
            f"the people; give a pilot with people_design={design!r}, or state the standard deviations."
        )
    of_people *= found.people / people if people else 1.0
    if design == "new":
        return math.sqrt(sd**2 + of_people), 0.0, 0.0
    return sd, math.sqrt(of_people), found.people
