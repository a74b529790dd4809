"""Near-duplicates among many vectors at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SetupError
from .axes import Axes
from .cosine import COSINE, Counts, Matrix, check_cosine, check_vectors, units
from .faiss_search import FaissSearch, check_faiss
from .judge import BLOCK, VectorJudge
from .search import ExactSearch, Search

__all__ = ["MOST_EXACT", "NearRows", "is_exact", "near_rows"]

#: Vectors up to which everybody is compared with everybody; the work grows with the square of their number.
MOST_EXACT = 100_000
#: Vectors that the axes are taken from.
_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class NearRows:
    """Which vectors are near-duplicates, by their rows from 0: row `rows[i]` repeats row `of[i]`."""

    #: Vectors that were compared.
    vectors: int
    rows: NDArray[np.int64]
    #: The original that each repeats: the most similar before it, the earliest of equals.
    of: NDArray[np.int64]
    #: The cosine of the two, to six decimals.
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def near_rows(
    matrix: Matrix,
    threshold: float = COSINE,
    *,
    fixed: NDArray[np.bool_] | None = None,
    exact: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> NearRows:
    """The near-duplicates among the rows of `matrix`, by number.

    The `fixed` stay whatever they repeat. Up to `MOST_EXACT` rows, and with `exact=True` at any number, nobody is
    overlooked; above, candidates come from an index of the library faiss, which may overlook a few in a thousand, and
    are compared exactly. `progress` is told the rows judged so far. Raises `SetupError` for a threshold
    outside 0 to 1, for numbers that are not finite, and where faiss is missing.
    """
    check_vectors(matrix)
    fixed = np.zeros(len(matrix), dtype=np.bool_) if fixed is None else fixed
    judge = VectorJudge(_search(matrix, check_cosine(threshold), exact), threshold)
    rows, of, similarity = [_NOBODY], [_NOBODY], [np.empty(0)]
    for first in range(0, len(matrix), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(matrix)))
        decision = judge.judge(matrix, block, fixed[block])
        near = np.flatnonzero(decision.of >= 0)
        rows.append(block[near])
        of.append(judge.rows[decision.of[near]])
        similarity.append(decision.similarity[near])
        if progress is not None:
            progress(int(block[-1]) + 1)
    return NearRows(len(matrix), np.concatenate(rows), np.concatenate(of), np.concatenate(similarity))


def is_exact(number: int, exact: bool | None = None) -> bool:
    """Whether so many vectors are compared everybody with everybody.

    Raises `SetupError` where they would not be, and the library that is needed then is missing.
    """
    if exact or (exact is None and number <= MOST_EXACT):
        return True
    check_faiss(number)
    return False


_NOBODY: Counts = np.empty(0, dtype=np.int64)


def _search(matrix: Matrix, threshold: float, exact: bool | None) -> Search:
    if is_exact(len(matrix), exact):
        # Spread over all rows: those that come together are often alike.
        sample = matrix[np.unique(np.linspace(0, len(matrix) - 1, _SAMPLE).astype(np.int64))] if len(matrix) else matrix
        return ExactSearch(Axes.of(units(sample)), threshold)
    return FaissSearch(matrix, threshold)
