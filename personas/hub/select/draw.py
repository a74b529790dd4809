"""Drawing by seed: a random order that depends on nothing but the seed and each one's number."""

import numpy as np
from numpy.typing import NDArray

from .arrays import Numbers

__all__ = ["draw_strata", "draw_systematic", "lots", "unit_lot"]

type Lots = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15


def lots(numbers: Numbers, seed: int) -> Lots:
    """A lot for each number: uniform over 64 bits, the same on every machine and for any version of NumPy.

    The mixing is SplitMix64's (Steele, Lea and Flood, 2014). Someone keeps a lot when others come or go.
    """
    with np.errstate(over="ignore"):
        start = np.uint64(int(_mixed(np.array([seed + 1], dtype=np.uint64))[0]))
        return _mixed(numbers.astype(np.uint64) * np.uint64(_GOLDEN) + start)


def unit_lot(seed: int) -> float:
    """One of 2^24 numbers in [0, 1) by the seed, so that its difference from any whole number below 2^29 is exact."""
    return float(lots(np.array([-1], dtype=np.int64), seed)[0] >> np.uint64(40)) / 2**24


def draw_strata(codes: Numbers, wanted: Numbers, order: Lots) -> Numbers:
    """Positions of those with the least lots in each stratum, as many as wanted of it, by increasing lot."""
    counts = np.bincount(codes, minlength=len(wanted))
    few = np.flatnonzero(order <= _bounds(wanted, counts)[codes])
    if (np.bincount(codes[few], minlength=len(wanted)) < wanted).any():
        few = np.arange(len(codes))
    by_stratum = few[np.lexsort((order[few], codes[few]))]
    held = np.bincount(codes[by_stratum], minlength=len(wanted))
    places = np.arange(len(by_stratum)) - np.repeat(np.cumsum(held) - held, held)
    taken = by_stratum[places < np.repeat(wanted, held)]
    return taken[np.argsort(order[taken])]


def _bounds(wanted: Numbers, counts: Numbers) -> Lots:
    """For each stratum a lot below which there are almost surely as many as wanted: sorting the rest is for nothing."""
    reach = (wanted + 6 * np.sqrt(wanted) + 12) / np.maximum(counts, 1)
    return np.where(reach < 1, reach * 2.0**64, 0).astype(np.uint64) - np.where(reach < 1, 0, 1).astype(np.uint64)


def draw_systematic(expected: NDArray[np.float64], start: float) -> Numbers:
    """How often each in a row is hit by equal steps of 1 from `start`, in a row that is as long as what is expected.

    Systematic sampling with probability proportional to size (Madow, 1949): each is hit as often as expected, up or
    down to a whole number, and so is every stretch of the row.
    """
    ends = np.cumsum(expected)
    # The row ends at a whole number, which sums of floats miss by a hair.
    ends[-1] = round(float(ends[-1]))
    passed = np.maximum(np.ceil(ends - start), 0).astype(np.int64)
    hits: Numbers = np.diff(passed, prepend=np.int64(0))
    return hits


def _mixed(values: Lots) -> Lots:
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
