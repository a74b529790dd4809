"""Measures of diversity by embedding vectors; numbers of different embedding models cannot be compared."""

import numpy as np
from numpy.typing import NDArray

from ...personas.arrays import Matrix
from ...personas.dedup.vectors import find_similar_vectors, units

#: Rows of the matrix of cosines held at once.
_ROWS = 256
#: Eigenvalues below are what floating point leaves of none.
_NONE = 1e-12


def vendi_score(matrix: Matrix) -> float | None:
    """The effective number of different texts, from 1 (all alike) to the number of texts (nothing in common).

    The Vendi score of Friedman and Dieng (2023): the exponential of the entropy of the eigenvalues of K / n, where K
    holds the cosines. It is at most the number of dimensions, and is computed from the smaller of the two Gram
    matrices, which have the same eigenvalues. None without any vector.
    """
    if not len(matrix):
        return None
    scaled = units(matrix)
    gram = scaled.T @ scaled if scaled.shape[0] > scaled.shape[1] else scaled @ scaled.T
    values = np.linalg.eigvalsh(gram / len(scaled))
    values = values[values > _NONE]
    return float(np.exp(-(values * np.log(values)).sum()))


def nearest_by_vectors(matrix: Matrix) -> NDArray[np.float64]:
    """For each vector the cosine to the one most like it, from -1 to 1; every pair is compared."""
    scaled = units(matrix).astype(np.float32)
    nearest = np.zeros(len(scaled))
    for first in range(0, len(scaled), _ROWS):
        cosines = scaled[first : first + _ROWS] @ scaled.T
        places = np.arange(len(cosines))
        cosines[places, first + places] = -1
        nearest[first : first + _ROWS] = cosines.max(axis=1, initial=-1)
    return nearest


def cluster_share(matrix: Matrix, threshold: float = 0.5) -> float | None:
    """The number of clusters of vectors as a share of the vectors, from nearly 0 to 1: 1 where no two are alike.

    A cluster is an original with all whose cosine to it is at least `threshold`, found as near-duplicates are; 0.5 is
    the paper's threshold where few and very different texts are wanted (section 2.3). None without any vector.
    """
    return 1 - len(find_similar_vectors(matrix, threshold, exact=True)) / len(matrix) if len(matrix) else None
