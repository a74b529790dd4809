"""How alike two sets of words must be to be near-duplicates: a ratio of integers, so no rounding at the edge."""

from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import SetupError

__all__ = ["THRESHOLD", "Threshold"]

type _Counts = NDArray[np.int64]

_LEAST, _FINEST = Fraction(1, 2), 1_000_000


class Threshold(NamedTuple):
    """A least Jaccard similarity, `least` of `whole`."""

    least: int
    whole: int

    @classmethod
    def parse(cls, value: float) -> Self:
        """The ratio that `value` is written as: 0.9 is 9 of 10. Raises `SetupError` outside 0.5 to 1."""
        ratio = Fraction(repr(float(value))).limit_denominator(_FINEST) if 0 <= value <= 1 else Fraction(0)
        if ratio < _LEAST:
            raise SetupError(f"The threshold of near-duplicates is {value}; give a Jaccard similarity from 0.5 to 1.")
        return cls(ratio.numerator, ratio.denominator)

    def apart(self, total: _Counts) -> _Counts:
        """The most words in one set alone when both sets are `total` words long together."""
        return total * (self.whole - self.least) // (self.whole + self.least)

    def overlap(self, size: _Counts) -> _Counts:
        """The least number of words that a set of `size` shares with any set that is near it."""
        return -(-size * self.least // self.whole)

    def widest(self, size: _Counts) -> _Counts:
        """The greatest size of a set that is near one of `size`."""
        return size * self.whole // self.least

    def reached(self, shared: _Counts, union: _Counts) -> NDArray[np.bool_]:
        """Whether sets with so many words in both and in either are near-duplicates."""
        return shared * self.whole >= union * self.least


#: The paper's (section 2.3).
THRESHOLD = Threshold(9, 10)
