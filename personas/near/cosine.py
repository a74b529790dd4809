"""The cosine of two vectors, computed in one way only, so that no order of work decides between equals."""

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import SetupError

__all__ = ["COSINE", "DIGITS", "check_cosine", "check_vectors", "cosines", "lengths", "units"]

type Matrix = NDArray[np.float32]
type Exact = NDArray[np.float64]
type Counts = NDArray[np.int64]

#: The paper's (section 2.3).
COSINE = 0.9
#: Decimals to which cosines are known and compared.
DIGITS = 6
#: Pairs that are computed at once.
_PAIRS = 4096


def check_cosine(threshold: float) -> float:
    """The threshold itself. Raises `SetupError` for one that is not above 0 and at most 1."""
    if not (math.isfinite(threshold) and 0 < threshold <= 1):
        raise SetupError(f"The least cosine of near-duplicates is {threshold}; give a number above 0, up to 1.")
    return threshold


def check_vectors(matrix: Matrix) -> None:
    """Raise `SetupError` for what is not one finite vector a row."""
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise SetupError(f"Vectors of shape {matrix.shape} cannot be compared; give one vector of numbers a row.")
    for first in range(0, len(matrix), _PAIRS):
        finite = np.isfinite(matrix[first : first + _PAIRS]).all(axis=1)
        if not finite.all():
            row = first + int(np.flatnonzero(~finite)[0])
            raise SetupError(f"Vector {row} holds a number that is not finite; leave it out.")


def lengths(matrix: Matrix) -> Exact:
    """The length of each row."""
    wide = matrix.astype(np.float64)
    return np.sqrt((wide * wide).sum(axis=1))


def units(matrix: Matrix) -> Exact:
    """The rows at length 1; one without length stays as it is."""
    length = lengths(matrix)[:, None]
    scaled: Exact = matrix / np.where(length > 0, length, 1.0)
    return scaled


def cosines(matrix: Matrix, left: Counts, right: Counts) -> Exact:
    """The cosine of each pair of rows to six decimals; 0 with a vector that has no length."""
    found = np.empty(len(left))
    for first in range(0, len(left), _PAIRS):
        some = slice(first, first + _PAIRS)
        one, other = units(matrix[left[some]]), units(matrix[right[some]])
        found[some] = (one * other).sum(axis=1)
    return np.round(found, DIGITS)
