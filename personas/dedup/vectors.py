"""Near-duplicates among embedding vectors: exactly up to 100,000, with candidates from a faiss index above.

Cosines are computed in one way only, so that ties are resolved alike; a cheap upper bound of them sifts the pairs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...core.arrow import Flags, Floats, GrowingArray, Ints, Matrix
from ...core.errors import SetupError, install_extra, parameter
from .near_duplicates import Duplicates, Matches, collect, match_in_order
from .pairs import NearPairs

#: The paper's threshold (section 2.3).
COSINE = 0.9
#: Decimals to which cosines are rounded before they are compared.
_DIGITS = 6
#: Pairs computed at once.
_PAIRS = 4096


def check_cosine(threshold: float) -> float:
    """Return the threshold if it is above 0 and at most 1. Raises `SetupError` otherwise."""
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


def units(matrix: Matrix) -> Floats:
    """Return the rows scaled to length 1; rows of length 0 stay as they are."""
    wide = matrix.astype(np.float64)
    length = np.sqrt((wide * wide).sum(axis=1))[:, None]
    scaled: Floats = matrix / np.where(length > 0, length, 1.0)
    return scaled


def measure_cosines(matrix: Matrix, left: Ints, right: Ints) -> Floats:
    """Return the cosine of each pair of rows to six decimals; 0 with a vector of length 0."""
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
    def of(cls, sample: Floats) -> Self:
        """Find the first principal axes of a sample of unit rows, by randomised iteration.

        The upper bound holds for any orthonormal directions. Their quality affects the speed, not the result.
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

    def shorten_rows(self, units: Floats) -> Matrix:
        """Return unit rows along the axes, with the length of the remainder as the last number.

        By the Cauchy-Schwarz inequality the product of two such rows is an upper bound of the cosine.
        """
        if self.directions is None:
            return units.astype(np.float32)
        along = units @ self.directions
        rest = (units * units).sum(axis=1) - (along * along).sum(axis=1)
        return np.column_stack([along, np.sqrt(np.maximum(rest, 0.0))]).astype(np.float32)


type _CandidatePairs = tuple[Ints, Ints]

#: Originals compared at once, so that the products stay in the processor's cache.
_TILE = 2048
#: The share of pairs left by the axes from which on whole vectors are multiplied, instead of pair by pair.
_MANY = 1 / 64


def _rounding_slack(width: int) -> float:
    """Return the greatest rounding error in the product of two rows of length 1 with `width` 32-bit numbers.

    Each number and each sum is rounded once. Cosines are also rounded to six decimals.
    """
    return 1e-6 + (width + 2) * 2.0**-23


def _may_be_near(products: Matrix, least: float) -> _CandidatePairs:
    """Return the rows and columns of the products that reach `least`."""
    width = products.shape[1]
    if not width:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows, columns = np.divmod(np.flatnonzero(products.ravel() >= np.float32(least)), width)
    return rows, columns


class ExactSearch:
    """Compares all vectors, first along a few axes and then whole; finds every pair."""

    def __init__(self, axes: PrincipalAxes, threshold: float) -> None:
        self._axes = axes
        self._least, self._least_whole = threshold - _rounding_slack(axes.width), threshold - _rounding_slack(axes.dims)
        self._short, self._whole = GrowingArray(np.float32), GrowingArray(np.float32)

    def hold(self, units: Floats) -> None:
        """Add unit rows to those held."""
        self._short.append(self._axes.shorten_rows(units).ravel())
        if self._is_short:
            self._whole.append(units.astype(np.float32).ravel())

    def near(self, units: Floats) -> Iterator[_CandidatePairs]:
        """Yield pairs of an original and a new vector that may be near: all near pairs, and few others."""
        short = np.ascontiguousarray(self._axes.shorten_rows(units).T)
        whole = np.ascontiguousarray(units.T.astype(np.float32)) if self._is_short else short
        held = self._short.values.reshape(-1, self._axes.width)
        for first in range(0, len(held), _TILE):
            tile = slice(first, first + _TILE)
            products = held[tile] @ short
            rows, columns = _may_be_near(products, self._least)
            if self._is_short and len(rows) > _MANY * products.size:
                rows, columns = _may_be_near(self._slice_vectors(tile) @ whole, self._least_whole)
            if len(rows):
                yield rows + first, columns

    @property
    def _is_short(self) -> bool:
        return self._axes.directions is not None

    def _slice_vectors(self, some: slice) -> NDArray[np.float32]:
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
        self._least = threshold - _rounding_slack(dims)
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dims), dims, cells, faiss.METRIC_INNER_PRODUCT)
        self._index.nprobe = min(_PROBED, cells)
        # Otherwise faiss prints a warning about few training vectors.
        self._index.cp.min_points_per_centroid = 1
        sample = np.unique(np.linspace(0, max(len(matrix) - 1, 0), _EACH * cells).astype(np.int64))
        if len(matrix):
            self._index.train(units(matrix[sample]).astype(np.float32))

    def hold(self, units: Floats) -> None:
        """Add unit rows to those held."""
        if len(units):
            self._index.add(units.astype(np.float32))

    def near(self, units: Floats) -> Iterator[_CandidatePairs]:
        """Yield pairs of an original and a new vector that may be near."""
        if not len(units) or not self._index.ntotal:
            return
        bounds, _, originals = self._index.range_search(units.astype(np.float32), self._least)
        counts = np.diff(bounds.astype(np.int64))
        yield originals.astype(np.int64), np.repeat(np.arange(len(units)), counts)


def _check_faiss(number: int) -> Any:
    """Return the library faiss, needed to compare `number` vectors. Raises `SetupError` if it is not installed."""
    try:
        return import_module("faiss")
    except ImportError as error:
        raise SetupError(
            f"To compare {number:,} vectors, an index of the library faiss is needed, which is not installed; install "
            f"it with {install_extra('faiss')}, or compare exactly ({parameter('exact')}), which takes hours "
            "for a million."
        ) from error


#: Rows matched at once: it decides speed and memory, not the result.
BLOCK = 1024


class _VectorMatcher:
    """Matches the rows of a matrix, in order, with earlier originals; `fixed` rows are kept whatever they repeat."""

    def __init__(self, matrix: Matrix, fixed: Flags, search: ExactSearch | FaissSearch, threshold: float) -> None:
        self._matrix, self._fixed = matrix, fixed
        self._search, self._threshold = search, threshold
        self._originals = GrowingArray(np.int64)

    def match(self) -> Iterator[Matches]:
        """Yield the matches of all rows, a block at a time."""
        for first in range(0, len(self._matrix), BLOCK):
            rows = np.arange(first, min(first + BLOCK, len(self._matrix)))
            fixed, scaled = self._fixed[rows], units(self._matrix[rows])
            across = self._match_across(rows, np.flatnonzero(~fixed), scaled)
            gone = np.zeros(len(rows), dtype=np.bool_)
            gone[across.right] = True
            within = self._match_within(rows, np.flatnonzero(~gone), scaled)
            matches = match_in_order(len(self._originals), np.arange(len(rows)), fixed, across, within)
            kept = matches.of < 0
            self._originals.append(rows[kept])
            self._search.hold(scaled[kept])
            yield matches

    def _match_across(self, rows: Ints, judged: Ints, scaled: Floats) -> NearPairs:
        return NearPairs.joined(
            self._compare_rows(self._originals.values[left], rows[judged[right]], left, judged[right])
            for left, right in self._search.near(scaled[judged])
        )

    def _match_within(self, rows: Ints, left: Ints, scaled: Floats) -> NearPairs:
        """Find near pairs within the block whose earlier row, one of `left`, may be an original."""
        short = scaled.astype(np.float32)
        at, later = _may_be_near(short[left] @ short.T, self._threshold - _rounding_slack(short.shape[1]))
        earlier = left[at]
        behind = earlier < later
        earlier, later = earlier[behind], later[behind]
        return self._compare_rows(rows[earlier], rows[later], earlier, later)

    def _compare_rows(self, one: Ints, other: Ints, left: Ints, right: Ints) -> NearPairs:
        similarity = measure_cosines(self._matrix, one, other)
        near = similarity >= self._threshold
        return NearPairs(left[near], right[near], similarity[near])


#: The greatest number of vectors compared exactly by default; the work grows with its square.
MOST_EXACT = 100_000
#: Vectors from which the axes are taken.
_SAMPLE = 4096


def find_similar_vectors(
    matrix: Matrix,
    threshold: float = COSINE,
    *,
    fixed: NDArray[np.bool_] | None = None,
    exact: bool | None = None,
) -> Duplicates:
    """Find the near-duplicates among the rows of `matrix`.

    `fixed` rows are kept whatever they repeat. All near-duplicates are found up to `MOST_EXACT` rows, and with
    `exact=True` for any number. Above that, candidates come from a faiss index, which may miss a few in a thousand, and
    are compared exactly. Raises `SetupError` for a threshold outside
    0 to 1, for numbers that are not finite, and if faiss is needed but not installed.
    """
    check_vectors(matrix)
    kept = np.zeros(len(matrix), dtype=np.bool_) if fixed is None else fixed
    matcher = _VectorMatcher(matrix, kept, _open_search(matrix, check_cosine(threshold), exact), threshold)
    return collect(matcher.match())


class SimilarVectors:
    """An index of vectors that grows: the first of those that are alike stay, and are found again, all of them."""

    def __init__(self, threshold: float = COSINE) -> None:
        """Raise `SetupError` for a threshold outside 0 to 1."""
        self._threshold = check_cosine(threshold)
        self._search: ExactSearch | None = None
        self._rows = GrowingArray(np.float32)

    def find(self, vector: Matrix) -> tuple[int, float] | None:
        """Find the most similar vector held, and return its number, from 0, and cosine; None if none is near.

        The earliest of equally similar vectors wins.
        """
        if self._search is None:
            return None
        scaled = units(vector[None, :])
        found = [left for left, _ in self._search.near(scaled)]
        if not found:
            return None
        rows = np.sort(np.concatenate(found))
        dims = vector.shape[0]
        both = np.concatenate([vector[None, :], self._rows.values.reshape(-1, dims)[rows]])
        similarity = measure_cosines(both, np.zeros(len(rows), dtype=np.int64), np.arange(1, len(rows) + 1))
        best = int(similarity.argmax())
        return (int(rows[best]), float(similarity[best])) if similarity[best] >= self._threshold else None

    def add(self, vector: Matrix) -> None:
        """Hold one more vector."""
        check_vectors(vector[None, :])
        if self._search is None:
            self._search = ExactSearch(PrincipalAxes(vector.shape[0]), self._threshold)
        self._search.hold(units(vector[None, :]))
        self._rows.append(vector.astype(np.float32))


def is_compared_exactly(number: int, exact: bool | None = None) -> bool:
    """Return whether `number` vectors are compared exactly.

    Raises `SetupError` if they would not be and faiss is not installed.
    """
    if exact or (exact is None and number <= MOST_EXACT):
        return True
    _check_faiss(number)
    return False


def _open_search(matrix: Matrix, threshold: float, exact: bool | None) -> ExactSearch | FaissSearch:
    if is_compared_exactly(len(matrix), exact):
        # Spread over all rows, as neighbours are often alike.
        sample = matrix[np.unique(np.linspace(0, len(matrix) - 1, _SAMPLE).astype(np.int64))] if len(matrix) else matrix
        return ExactSearch(PrincipalAxes.of(units(sample)), threshold)
    return FaissSearch(matrix, threshold)
