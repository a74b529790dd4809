"""Near-duplicates among embedding vectors: exactly up to 100,000, with candidates from a faiss index above."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import SetupError, parameter
from .arrays import GrowingArray
from .cosine import COSINE, Counts, Exact, Matrix, PrincipalAxes, check_cosine, check_vectors, cosines, units
from .matcher import Matches, match_in_order
from .pairs import Compared

__all__ = [
    "BLOCK",
    "MOST_EXACT",
    "CandidatePairs",
    "CandidateSearch",
    "ExactSearch",
    "FaissSearch",
    "SimilarVectors",
    "VectorMatcher",
    "check_faiss",
    "find_similar_vectors",
    "is_compared_exactly",
    "may_be_near",
    "slack",
]


type CandidatePairs = tuple[Counts, Counts]

#: Originals that are compared with newcomers at once, so that the products stay in the processor's cache.
_TILE = 2048
#: From such a share of pairs on that the axes leave over, whole vectors are multiplied instead of pair by pair.
_MANY = 1 / 64


class CandidateSearch(Protocol):
    """Holds originals, numbered from 0, and says which of them may be near newcomers."""

    def hold(self, units: Exact) -> None:
        """Hold these rows of length 1 behind those held."""
        ...

    def near(self, units: Exact) -> Iterator[CandidatePairs]:
        """Numbers of originals and of newcomers, pair by pair."""
        ...


def slack(width: int) -> float:
    """What rounding may at most take from a product of two rows of so many 32-bit numbers and at most length 1.

    Each number is rounded once, and each of the sums; a cosine is rounded at its sixth decimal besides.
    """
    return 1e-6 + (width + 2) * 2.0**-23


def may_be_near(products: Matrix, least: float) -> CandidatePairs:
    """The rows and columns whose product reaches `least`."""
    width = products.shape[1]
    if not width:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows, columns = np.divmod(np.flatnonzero(products.ravel() >= np.float32(least)), width)
    return rows, columns


class ExactSearch:
    """Compares everybody along a few axes first, then whole. It overlooks nobody."""

    def __init__(self, axes: PrincipalAxes, threshold: float) -> None:
        self._axes = axes
        self._least, self._least_whole = threshold - slack(axes.width), threshold - slack(axes.dims)
        self._short, self._whole = GrowingArray(np.float32), GrowingArray(np.float32)

    def hold(self, units: Exact) -> None:
        """Hold these rows behind those held."""
        self._short.append(self._axes.shortened(units).ravel())
        if self._is_short:
            self._whole.append(units.astype(np.float32).ravel())

    def near(self, units: Exact) -> Iterator[CandidatePairs]:
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


#: Cells that are looked into for a newcomer.
_PROBED = 4
#: Vectors a cell that the cells are made from.
_EACH = 40


class FaissSearch:
    """An inverted file of the library faiss, with cells as many as twice the root of the number of vectors."""

    def __init__(self, matrix: Matrix, threshold: float) -> None:
        """The cells are made from vectors spread over `matrix`. Raises `SetupError` where faiss is missing."""
        faiss = check_faiss(len(matrix))
        dims = matrix.shape[1]
        cells = max(1, min(2 * math.isqrt(len(matrix)), len(matrix)))
        self._least = threshold - slack(dims)
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dims), dims, cells, faiss.METRIC_INNER_PRODUCT)
        self._index.nprobe = min(_PROBED, cells)
        # It would say on the terminal that there might be more.
        self._index.cp.min_points_per_centroid = 1
        sample = np.unique(np.linspace(0, max(len(matrix) - 1, 0), _EACH * cells).astype(np.int64))
        if len(matrix):
            self._index.train(units(matrix[sample]).astype(np.float32))

    def hold(self, units: Exact) -> None:
        """Hold these rows behind those held."""
        if len(units):
            self._index.add(units.astype(np.float32))

    def near(self, units: Exact) -> Iterator[CandidatePairs]:
        """Pairs of an original and a newcomer that may be near."""
        if not len(units) or not self._index.ntotal:
            return
        bounds, _, originals = self._index.range_search(units.astype(np.float32), self._least)
        counts = np.diff(bounds.astype(np.int64))
        yield originals.astype(np.int64), np.repeat(np.arange(len(units)), counts)


def check_faiss(number: int) -> Any:
    """The library faiss, which comparing `number` vectors takes. Raises `SetupError` where it is missing."""
    try:
        return import_module("faiss")
    except ImportError as error:
        raise SetupError(
            f"To compare {number:,} vectors, an index of the library faiss is needed, which is not installed; install "
            f"it with `pip install 'populace[faiss]'`, or compare exactly ({parameter('exact')}), which takes hours "
            "for a million."
        ) from error


type Flags = NDArray[np.bool_]

#: Newcomers that are judged together: it decides the speed and the memory, not the verdicts.
BLOCK = 1024


class VectorMatcher:
    """Judges rows of matrices; originals are known by the number of their row."""

    def __init__(self, search: CandidateSearch, threshold: float) -> None:
        self._search = search
        self._threshold = threshold
        self._rows = GrowingArray(np.int64)

    @property
    def rows(self) -> Counts:
        """The originals so far, in order."""
        return self._rows.values

    def judge(self, matrix: Matrix, rows: Counts, fixed: Flags) -> Matches:
        """Judge these rows of `matrix`, all originals being rows of it too; the `fixed` stay whatever they repeat.

        Says of each which original it repeats, by its place among `self.rows`, or -1 for an original.
        """
        scaled = units(matrix[rows])
        decision = self._decide(matrix, rows, fixed, scaled)
        held, kept = len(self._rows), decision.of < 0
        # What was numbered behind the originals held is numbered among them now.
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
        """Pairs of which the earlier, one of `left`, may stay."""
        short = scaled.astype(np.float32)
        at, later = may_be_near(short[left] @ short.T, self._threshold - slack(short.shape[1]))
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


#: Vectors up to which everybody is compared with everybody; the work grows with the square of their number.
MOST_EXACT = 100_000
#: Vectors that the axes are taken from.
_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class SimilarVectors:
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


def find_similar_vectors(
    matrix: Matrix,
    threshold: float = COSINE,
    *,
    fixed: NDArray[np.bool_] | None = None,
    exact: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> SimilarVectors:
    """The near-duplicates among the rows of `matrix`, by number.

    The `fixed` stay whatever they repeat. Up to `MOST_EXACT` rows, and with `exact=True` at any number, nobody is
    overlooked; above, candidates come from an index of the library faiss, which may overlook a few in a thousand, and
    are compared exactly. `progress` is told the rows judged so far. Raises `SetupError` for a threshold
    outside 0 to 1, for numbers that are not finite, and where faiss is missing.
    """
    check_vectors(matrix)
    fixed = np.zeros(len(matrix), dtype=np.bool_) if fixed is None else fixed
    judge = VectorMatcher(_search(matrix, check_cosine(threshold), exact), threshold)
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
    return SimilarVectors(len(matrix), np.concatenate(rows), np.concatenate(of), np.concatenate(similarity))


def is_compared_exactly(number: int, exact: bool | None = None) -> bool:
    """Whether so many vectors are compared everybody with everybody.

    Raises `SetupError` where they would not be, and the library that is needed then is missing.
    """
    if exact or (exact is None and number <= MOST_EXACT):
        return True
    check_faiss(number)
    return False


_NOBODY: Counts = np.empty(0, dtype=np.int64)


def _search(matrix: Matrix, threshold: float, exact: bool | None) -> CandidateSearch:
    if is_compared_exactly(len(matrix), exact):
        # Spread over all rows: those that come together are often alike.
        sample = matrix[np.unique(np.linspace(0, len(matrix) - 1, _SAMPLE).astype(np.int64))] if len(matrix) else matrix
        return ExactSearch(PrincipalAxes.of(units(sample)), threshold)
    return FaissSearch(matrix, threshold)
