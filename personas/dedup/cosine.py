"""Cosine similarity, computed in one way only so that ties are resolved alike, and a cheap upper bound of it."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import SetupError

__all__ = ["COSINE", "PrincipalAxes", "check_cosine", "check_vectors", "cosines", "units"]


type Matrix = NDArray[np.float32]
type Exact = NDArray[np.float64]
type Counts = NDArray[np.int64]

#: The paper's threshold (section 2.3).
COSINE = 0.9
#: Decimals to which cosines are rounded before they are compared.
_DIGITS = 6
#: Pairs computed at once.
_PAIRS = 4096


def check_cosine(threshold: float) -> float:
    """The threshold, if it is above 0 and at most 1. Raises `SetupError` otherwise."""
    if not (math.isfinite(threshold) and 0 < threshold <= 1):
        raise SetupError(f"The least cosine of near-duplicates is {threshold}; give a number above 0, up to 1.")
    return threshold


def check_vectors(matrix: Matrix) -> None:
    """Raise `SetupError` unless `matrix` holds one finite vector per row."""
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise SetupError(f"Vectors of shape {matrix.shape} cannot be compared; give one vector of numbers a row.")
    for first in range(0, len(matrix), _PAIRS):
        finite = np.isfinite(matrix[first : first + _PAIRS]).all(axis=1)
        if not finite.all():
            row = first + int(np.flatnonzero(~finite)[0])
            raise SetupError(f"Vector {row} holds a number that is not finite; leave it out.")


def _lengths(matrix: Matrix) -> Exact:
    """The length of each row."""
    wide = matrix.astype(np.float64)
    return np.sqrt((wide * wide).sum(axis=1))


def units(matrix: Matrix) -> Exact:
    """The rows scaled to length 1; rows of length 0 stay as they are."""
    length = _lengths(matrix)[:, None]
    scaled: Exact = matrix / np.where(length > 0, length, 1.0)
    return scaled


def cosines(matrix: Matrix, left: Counts, right: Counts) -> Exact:
    """The cosine of each pair of rows to six decimals; 0 with a vector that has no length."""
    found = np.empty(len(left))
    for first in range(0, len(left), _PAIRS):
        some = slice(first, first + _PAIRS)
        one, other = units(matrix[left[some]]), units(matrix[right[some]])
        found[some] = (one * other).sum(axis=1)
    return np.round(found, _DIGITS)


#: Axes compared before whole vectors.
_AXES = 64
#: Vectors of so few dimensions are compared whole.
_NARROW = 96
#: Rounds of the randomised iteration, and additional directions carried along.
_ROUNDS, _MORE = 5, 16


@dataclass(frozen=True, slots=True)
class PrincipalAxes:
    """Orthonormal directions that hold most of the vectors; with `directions` None, vectors are used whole."""

    dims: int
    directions: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, sample: Exact) -> Self:
        """The first principal axes of a sample of unit rows, by randomised iteration.

        The upper bound holds for any orthonormal directions: their quality decides the speed, not the result.
        """
        dims = sample.shape[1]
        if dims <= _NARROW or len(sample) < _AXES + _MORE:
            return cls(dims)
        basis = np.random.default_rng(0).normal(size=(dims, _AXES + _MORE))
        for _ in range(_ROUNDS):
            basis, _ = np.linalg.qr(sample.T @ (sample @ basis))
        _, _, turned = np.linalg.svd(sample @ basis, full_matrices=False)
        directions, _ = np.linalg.qr(basis @ turned[:_AXES].T)
        return cls(dims, directions)

    @property
    def width(self) -> int:
        """Numbers per shortened vector."""
        return self.dims if self.directions is None else self.directions.shape[1] + 1

    def shortened(self, units: Exact) -> Matrix:
        """Unit rows along the axes, with the length of the remainder as last number.

        By the Cauchy-Schwarz inequality the product of two such rows is an upper bound of the cosine.
        """
        if self.directions is None:
            return units.astype(np.float32)
        along = units @ self.directions
        rest = (units * units).sum(axis=1) - (along * along).sum(axis=1)
        return np.column_stack([along, np.sqrt(np.maximum(rest, 0.0))]).astype(np.float32)
