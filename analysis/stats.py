"""Statistics that several analyses share: intervals of shares and of resampled units, rank correlation, and kappa."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrow import Ints
from ..core.result import Estimate

#: Samples of the units that an interval is drawn from, and its ends.
_SAMPLES = 1_000
_ENDS = (2.5, 97.5)
_FEWEST_UNITS = 3


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of the share of hits: Wilson's score interval; 0 to 1 for no trials."""
    from scipy.stats import binomtest

    if not trials:
        return 0.0, 1.0
    low, high = binomtest(hits, trials).proportion_ci(method="wilson")
    return float(low), float(high)


def estimate_share(hits: int, trials: int) -> Estimate:
    """Return the share of hits with Wilson's interval; undefined for no trials."""
    return Estimate(hits / trials, *wilson_interval(hits, trials)) if trials else Estimate(None)


def bootstrap_interval(units: int, measure: Callable[[Ints], float | None], *, seed: int) -> Estimate:
    """Measure all units, given by their places, and the percentiles over samples of them with replacement.

    Of fewer than three units there is no interval. Samples whose measure is undefined are left out.
    """
    value = measure(np.arange(units))
    if value is None or units < _FEWEST_UNITS:
        return Estimate(value)
    rng = np.random.default_rng(seed)
    drawn = [measure(rng.integers(0, units, units)) for _ in range(_SAMPLES)]
    known = [one for one in drawn if one is not None and np.isfinite(one)]
    return Estimate(value, *map(float, np.percentile(known, _ENDS))) if known else Estimate(value)


def rank_correlation(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Return Spearman's rank correlation, with mean ranks for ties; None if one of the two never changes."""
    from scipy.stats import rankdata

    return pearson_correlation(rankdata(one), rankdata(other))


def pearson_correlation(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Return the correlation of two rows of numbers; None if one of them never changes."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def weighted_kappa(one: Ints, other: Ints, size: int, *, is_nominal: bool = False) -> float | None:
    """Return Cohen's kappa of two raters' scale places, with quadratic weights unless labels have no order.

    Return None if both raters always give the same single label.
    """
    table = np.zeros((size, size))
    np.add.at(table, (one, other), 1)
    table /= max(1, len(one))
    apart = np.subtract.outer(np.arange(size), np.arange(size))
    weights = (apart != 0).astype(float) if is_nominal else apart.astype(float) ** 2
    chance = float((np.outer(table.sum(axis=1), table.sum(axis=0)) * weights).sum())
    return None if chance == 0 else 1.0 - float((table * weights).sum()) / chance
