"""Finding which originals may be near newcomers: all of them, for certain."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..dedup.columns import Column
from .axes import Axes
from .cosine import Counts, Exact, Matrix

__all__ = ["ExactSearch", "Pairs", "Search", "may_be_near", "slack"]

type Pairs = tuple[Counts, Counts]

#: Originals that are compared with newcomers at once, so that the products stay in the processor's cache.
_TILE = 2048
#: From such a share of pairs on that the axes leave over, whole vectors are multiplied instead of pair by pair.
_MANY = 1 / 64


class Search(Protocol):
    """Holds originals, numbered from 0, and says which of them may be near newcomers."""

    def hold(self, units: Exact) -> None:
        """Hold these rows of length 1 behind those held."""
        ...

    def near(self, units: Exact) -> Iterator[Pairs]:
        """Numbers of originals and of newcomers, pair by pair."""
        ...


def slack(width: int) -> float:
    """What rounding may at most take from a product of two rows of so many 32-bit numbers and at most length 1.

    Each number is rounded once, and each of the sums; a cosine is rounded at its sixth decimal besides.
    """
    return 1e-6 + (width + 2) * 2.0**-23


def may_be_near(products: Matrix, least: float) -> Pairs:
    """The rows and columns whose product reaches `least`."""
    width = products.shape[1]
    if not width:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows, columns = np.divmod(np.flatnonzero(products.ravel() >= np.float32(least)), width)
    return rows, columns


class ExactSearch:
    """Compares everybody along a few axes first, then whole. It overlooks nobody."""

    def __init__(self, axes: Axes, threshold: float) -> None:
        self._axes = axes
        self._least, self._least_whole = threshold - slack(axes.width), threshold - slack(axes.dims)
        self._short, self._whole = Column(np.float32), Column(np.float32)

    def hold(self, units: Exact) -> None:
        """Hold these rows behind those held."""
        self._short.append(self._axes.shortened(units).ravel())
        if self._is_short:
            self._whole.append(units.astype(np.float32).ravel())

    def near(self, units: Exact) -> Iterator[Pairs]:
        """All pairs of an original and a newcomer that may be near, and few others."""
        short = np.ascontiguousarray(self._axes.shortened(units).T)
        whole = np.ascontiguousarray(units.T.astype(np.float32)) if self._is_short else short
        held = self._short.values.reshape(-1, self._axes.width)
        for first in range(0, len(held), _TILE):
            tile = slice(first, first + _TILE)
            products = held[tile] @ short
            rows, columns = may_be_near(products, self._least)
            if self._is_short and len(rows) > _MANY * products.size:
                rows, columns = may_be_near(self._vectors(tile) @ whole, self._least_whole)
            if len(rows):
                yield rows + first, columns

    @property
    def _is_short(self) -> bool:
        return self._axes.directions is not None

    def _vectors(self, some: slice) -> NDArray[np.float32]:
        return self._whole.values.reshape(-1, self._axes.dims)[some]
