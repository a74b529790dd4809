"""Near-duplicates among embedding vectors: exactly up to 100,000, with candidates from a faiss index above."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import SetupError, parameter
from .arrays import Flags, GrowingArray
from .cosine import COSINE, Counts, Exact, Matrix, PrincipalAxes, check_cosine, check_vectors, cosines, units
from .matcher import Matches, match_in_order
from .pairs import Compared

__all__ = [
    "BLOCK",
    "MOST_EXACT",
    "CandidateSearch",
    "ExactSearch",
    "FaissSearch",
    "SimilarVectors",
    "VectorMatcher",
    "find_similar_vectors",
    "is_compared_exactly",
]


type _CandidatePairs = tuple[Counts, Counts]

#: Originals compared at once, so that the products stay in the processor's cache.
_TILE = 2048
#: The share of pairs left by the axes from which on whole vectors are multiplied, instead of pair by pair.
_MANY = 1 / 64


class CandidateSearch(Protocol):
    """Holds originals, numbered from 0, and finds those that may be near new vectors."""

    def hold(self, units: Exact) -> None:
        """Add unit rows to those held."""
        ...

    def near(self, units: Exact) -> Iterator[_CandidatePairs]:
        """Pairs of an original and a new vector that may be near."""
        ...


def _slack(width: int) -> float:
    """The greatest error of rounding in the product of two rows of length 1 with so many 32-bit numbers.

    Each number and each sum is rounded once; cosines are rounded to six decimals besides.
    """
    return 1e-6 + (width + 2) * 2.0**-23


def _may_be_near(products: Matrix, least: float) -> _CandidatePairs:
    """The rows and columns of products that reach `least`."""
    width = products.shape[1]
    if not width:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows, columns = np.divmod(np.flatnonzero(products.ravel() >= np.float32(least)), width)
    return rows, columns


class ExactSearch:
    """Compares all vectors, first along a few axes and then whole; finds every pair."""

    def __init__(self, axes: PrincipalAxes, threshold: float) -> None:
        self._axes = axes
        self._least, self._least_whole = threshold - _slack(axes.width), threshold - _slack(axes.dims)
        self._short, self._whole = GrowingArray(np.float32), GrowingArray(np.float32)

    def hold(self, units: Exact) -> None:
        """Add unit rows to those held."""
        self._short.append(self._axes.shortened(units).ravel())
        if self._is_short:
            self._whole.append(units.astype(np.float32).ravel())

    def near(self, units: Exact) -> Iterator[_CandidatePairs]:
        """Pairs of an original and a new vector that may be near: all of them, and few others."""
        short = np.ascontiguousarray(self._axes.shortened(units).T)
        whole = np.ascontiguousarray(units.T.astype(np.float32)) if self._is_short else short
        held = self._short.values.reshape(-1, self._axes.width)
        for first in range(0, len(held), _TILE):
            tile = slice(first, first + _TILE)
            products = held[tile] @ short
            rows, columns = _may_be_near(products, self._least)
            if self._is_short and len(rows) > _MANY * products.size:
                rows, columns = _may_be_near(self._vectors(tile) @ whole, self._least_whole)
            if len(rows):
                yield rows + first, columns

    @property
    def _is_short(self) -> bool:
        return self._axes.directions is not None

    def _vectors(self, some: slice) -> NDArray[np.float32]:
        return self._whole.values.reshape(-1, self._axes.dims)[some]


#: Cells searched for each vector.
_PROBED = 4
#: Training vectors per cell.
_EACH = 40


class FaissSearch:
    """Candidates from an inverted file (IVF) of the library faiss with `2 * sqrt(n)` cells."""

    def __init__(self, matrix: Matrix, threshold: float) -> None:
        """Train the cells on a sample of `matrix`. Raises `SetupError` when faiss is not installed."""
        faiss = _check_faiss(len(matrix))
        dims = matrix.shape[1]
        cells = max(1, min(2 * math.isqrt(len(matrix)), len(matrix)))
        self._least = threshold - _slack(dims)
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dims), dims, cells, faiss.METRIC_INNER_PRODUCT)
        self._index.nprobe = min(_PROBED, cells)
        # Otherwise faiss prints a warning about few training vectors.
        self._index.cp.min_points_per_centroid = 1
        sample = np.unique(np.linspace(0, max(len(matrix) - 1, 0), _EACH * cells).astype(np.int64))
        if len(matrix):
            self._index.train(units(matrix[sample]).astype(np.float32))

    def hold(self, units: Exact) -> None:
        """Add unit rows to those held."""
        if len(units):
            self._index.add(units.astype(np.float32))

    def near(self, units: Exact) -> Iterator[_CandidatePairs]:
        """Pairs of an original and a new vector that may be near."""
        if not len(units) or not self._index.ntotal:
            return
        bounds, _, originals = self._index.range_search(units.astype(np.float32), self._least)
        counts = np.diff(bounds.astype(np.int64))
        yield originals.astype(np.int64), np.repeat(np.arange(len(units)), counts)


def _check_faiss(number: int) -> Any:
    """The library faiss, needed to compare `number` vectors. Raises `SetupError` when it is not installed."""
    try:
        return import_module("faiss")
    except ImportError as error:
        raise SetupError(
            f"To compare {number:,} vectors, an index of the library faiss is needed, which is not installed; install "
            f"it with `pip install 'populace[faiss]'`, or compare exactly ({parameter('exact')}), which takes hours "
            "for a million."
        ) from error


#: Rows matched at once: it decides speed and memory, not the result.
BLOCK = 1024


class VectorMatcher:
    """Matches the rows of a matrix with earlier originals; originals are known by their row."""

    def __init__(self, search: CandidateSearch, threshold: float) -> None:
        self._search = search
        self._threshold = threshold
        self._rows = GrowingArray(np.int64)

    @property
    def rows(self) -> Counts:
        """The rows of the originals so far, in order."""
        return self._rows.values

    def match(self, matrix: Matrix, rows: Counts, fixed: Flags) -> Matches:
        """Match rows of `matrix` with originals, which are rows of it too; `fixed` rows are kept whatever they repeat.

        Gives for each the place of its original in `self.rows`, or -1 for a new original.
        """
        scaled = units(matrix[rows])
        decision = self._decide(matrix, rows, fixed, scaled)
        held, kept = len(self._rows), decision.of < 0
        # Matches within the block are numbered among the originals now.
        place = np.cumsum(kept) - 1 + held
        inside = decision.of >= held
        decision.of[inside] = place[decision.of[inside] - held]
        self._rows.append(rows[kept])
        self._search.hold(scaled[kept])
        return decision

    def _decide(self, matrix: Matrix, rows: Counts, fixed: Flags, scaled: Exact) -> Matches:
        across = self._across(matrix, rows, np.flatnonzero(~fixed), scaled)
        gone = np.zeros(len(rows), dtype=np.bool_)
        gone[across.right] = True
        within = self._within(matrix, rows, np.flatnonzero(~gone), scaled)
        return match_in_order(len(self._rows), np.arange(len(rows)), fixed, across, within)

    def _across(self, matrix: Matrix, rows: Counts, judged: Counts, scaled: Exact) -> Compared:
        found = [_no_pairs()]
        for left, right in self._search.near(scaled[judged]):
            found.append(self._compared(matrix, self.rows[left], rows[judged[right]], left, judged[right]))
        return Compared(*(np.concatenate([getattr(part, name) for part in found]) for name in _FIELDS))

    def _within(self, matrix: Matrix, rows: Counts, left: Counts, scaled: Exact) -> Compared:
        """Near pairs within the block whose earlier row, one of `left`, may be an original."""
        short = scaled.astype(np.float32)
        at, later = _may_be_near(short[left] @ short.T, self._threshold - _slack(short.shape[1]))
        earlier = left[at]
        behind = earlier < later
        earlier, later = earlier[behind], later[behind]
        return self._compared(matrix, rows[earlier], rows[later], earlier, later)

    def _compared(self, matrix: Matrix, one: Counts, other: Counts, left: Counts, right: Counts) -> Compared:
        similarity = cosines(matrix, one, other)
        near = similarity >= self._threshold
        return Compared(left[near], right[near], similarity[near])


_FIELDS = ("left", "right", "similarity")


def _no_pairs() -> Compared:
    nobody: Counts = np.empty(0, dtype=np.int64)
    return Compared(nobody, nobody, np.empty(0))


#: The greatest number of vectors compared exactly by default; the work grows with its square.
MOST_EXACT = 100_000
#: Vectors from which the axes are taken.
_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class SimilarVectors:
    """The near-duplicates among vectors, by row from 0: row `rows[i]` repeats row `of[i]`."""

    #: Vectors that were compared.
    vectors: int
    rows: NDArray[np.int64]
    #: The original that each repeats: the most similar before it, the earliest of equals.
    of: NDArray[np.int64]
    #: The cosine of the two, to six decimals.
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def find_similar_vectors(
    matrix: Matrix,
    threshold: float = COSINE,
    *,
    fixed: NDArray[np.bool_] | None = None,
    exact: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> SimilarVectors:
    """The near-duplicates among the rows of `matrix`.

    `fixed` rows are kept whatever they repeat. Up to `MOST_EXACT` rows, and with `exact=True` for any number, all are
    found. Above, candidates come from a faiss index, which may miss a few in a thousand, and are compared exactly.
    `progress` is called with the number of rows done. Raises `SetupError` for a threshold outside 0 to 1, for numbers
    that are not finite, and when faiss is needed and not installed.
    """
    check_vectors(matrix)
    fixed = np.zeros(len(matrix), dtype=np.bool_) if fixed is None else fixed
    matcher = VectorMatcher(_search(matrix, check_cosine(threshold), exact), threshold)
    rows, of, similarity = [_NOBODY], [_NOBODY], [np.empty(0)]
    for first in range(0, len(matrix), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(matrix)))
        decision = matcher.match(matrix, block, fixed[block])
        near = np.flatnonzero(decision.of >= 0)
        rows.append(block[near])
        of.append(matcher.rows[decision.of[near]])
        similarity.append(decision.similarity[near])
        if progress is not None:
            progress(int(block[-1]) + 1)
    return SimilarVectors(len(matrix), np.concatenate(rows), np.concatenate(of), np.concatenate(similarity))


def is_compared_exactly(number: int, exact: bool | None = None) -> bool:
    """Whether so many vectors are compared exactly.

    Raises `SetupError` when they would not be and faiss is not installed.
    """
    if exact or (exact is None and number <= MOST_EXACT):
        return True
    _check_faiss(number)
    return False


_NOBODY: Counts = np.empty(0, dtype=np.int64)


def _search(matrix: Matrix, threshold: float, exact: bool | None) -> CandidateSearch:
    if is_compared_exactly(len(matrix), exact):
        # Spread over all rows, as neighbours are often alike.
        sample = matrix[np.unique(np.linspace(0, len(matrix) - 1, _SAMPLE).astype(np.int64))] if len(matrix) else matrix
        return ExactSearch(PrincipalAxes.of(units(sample)), threshold)
    return FaissSearch(matrix, threshold)
