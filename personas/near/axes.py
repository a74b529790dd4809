"""The few axes along which most of all vectors lies: they bound a cosine at a fraction of its cost."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .cosine import Exact, Matrix

__all__ = ["AXES", "Axes"]

#: Axes that are compared before whole vectors are.
AXES = 64
#: From so few dimensions on it is not worth it.
_NARROW = 96
#: Rounds that bring random directions to the axes, and how many directions more are carried along.
_ROUNDS, _MORE = 5, 16


@dataclass(frozen=True, slots=True)
class Axes:
    """Orthonormal directions; without any, vectors are taken whole."""

    dims: int
    directions: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, sample: Exact) -> Self:
        """The axes of these rows of length 1: their first principal axes, by randomised iteration.

        The bound holds for any orthonormal directions, so how near they come decides the speed and nothing else.
        """
        dims = sample.shape[1]
        if dims <= _NARROW or len(sample) < AXES + _MORE:
            return cls(dims)
        basis = np.random.default_rng(0).normal(size=(dims, AXES + _MORE))
        for _ in range(_ROUNDS):
            basis, _ = np.linalg.qr(sample.T @ (sample @ basis))
        _, _, turned = np.linalg.svd(sample @ basis, full_matrices=False)
        directions, _ = np.linalg.qr(basis @ turned[:AXES].T)
        return cls(dims, directions)

    @property
    def width(self) -> int:
        """Numbers that stand for a vector."""
        return self.dims if self.directions is None else self.directions.shape[1] + 1

    def shortened(self, units: Exact) -> Matrix:
        """Rows of length 1 along the axes, and behind that the length of what is left of them.

        By Cauchy and Schwarz the product of two such rows is no less than the cosine.
        """
        if self.directions is None:
            return units.astype(np.float32)
        along = units @ self.directions
        rest = (units * units).sum(axis=1) - (along * along).sum(axis=1)
        return np.column_stack([along, np.sqrt(np.maximum(rest, 0.0))]).astype(np.float32)
