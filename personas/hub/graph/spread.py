"""How a number is spread over many: components by size, people by their neighbours."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from .ties import Ints

__all__ = ["Components", "Degrees", "Share"]

_LISTED = 10


@dataclass(frozen=True, slots=True)
class Components:
    """The parts into which a graph falls."""

    count: int
    #: Parts of one person.
    single: int
    #: Sizes of the largest, largest first.
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Ints) -> Self:
        """The summary of all sizes, largest first."""
        return cls(len(sizes), int((sizes == 1).sum()), tuple(sizes[:_LISTED].tolist()))


@dataclass(frozen=True, slots=True)
class Degrees:
    """How many ties people have: mean, quantiles (the smallest number that so many do not exceed) and the most."""

    mean: float
    median: int
    p90: int
    p99: int
    most: int

    @classmethod
    def of(cls, degrees: Ints) -> Self:
        """The summary of one number a person; all 0 for nobody."""
        found = degrees if len(degrees) else np.zeros(1, np.int64)
        quantiles = np.quantile(found, (0.5, 0.9, 0.99, 1.0), method="inverted_cdf")
        return cls(float(found.mean()), *map(int, quantiles))


@dataclass(frozen=True, slots=True)
class Share:
    """People who have from `least` to `most` neighbours."""

    least: int
    most: int
    people: int

    @classmethod
    def histogram(cls, degrees: Ints) -> "tuple[Share, ...]":
        """People by their number of neighbours: 0, 1, 2-3, 4-7, and so on by powers of two."""
        places = np.frexp(degrees.astype(np.float64))[1]
        counts = np.bincount(places).tolist()
        return tuple(cls((1 << n) // 2, max(0, (1 << n) - 1), people) for n, people in enumerate(counts))
