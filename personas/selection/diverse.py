"""Choosing people who are unlike each other: k-center over the distance of their sets of words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..dedup.word_sets import iter_blocks, word_sets
from .sampling import Numbers

__all__ = ["DiverseSample", "WordSpace", "farthest_first"]

type Distances = NDArray[np.float32]
type Counts = NDArray[np.int32]

#: A word of at least one text in so many is kept as a column, because adding columns is fast.
_COMMON = 24


@dataclass(frozen=True, slots=True, eq=False)
class DiverseSample:
    """Who was chosen, in order, and how the choice lies among the candidates; distances are 0 to 1."""

    positions: Numbers
    #: The least distance between two of the chosen; None for one alone.
    closest_pair: float | None
    #: How far the worst-served candidate is from the nearest of the chosen: what k-center makes small.
    radius: float
    #: The mean of that over all candidates.
    mean_distance: float


class WordSpace:
    """Texts under the Jaccard distance of their sets of words (1 - shared / all), which is a metric.

    Words are told apart by 48 bits of their hash.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._words, self._sizes = _read(texts)
        self._ends = np.cumsum(self._sizes, dtype=np.int64)
        self._index()

    def __len__(self) -> int:
        return len(self._sizes)

    def distances(self, position: int) -> Distances:
        """From the text at a position to every text, itself included."""
        end, size = int(self._ends[position]), int(self._sizes[position])
        shared = np.zeros(len(self), dtype=self._column_type)
        for word in self._words[end - size : end].tolist():
            if (column := self._columns.get(word)) is not None:
                shared += column
            else:
                # A text is listed once for each of its words, so plain indexing counts right.
                shared[self._texts[self._starts[word] : self._starts[word + 1]]] += 1
        both = shared.astype(np.int32)
        either = self._sizes + size - both
        similarity = np.divide(
            both, either, out=np.ones(len(self), dtype=np.float32), where=either > 0, dtype=np.float32
        )
        distances: Distances = np.float32(1) - similarity
        return distances

    def _index(self) -> None:
        """For each word the texts that have it: a list of them, or a column of zeros and ones."""
        texts = np.repeat(np.arange(len(self), dtype=np.int32), self._sizes)
        counts = np.bincount(self._words)
        self._texts = texts[_order(self._words)]
        self._starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        self._column_type = np.min_scalar_type(int(self._sizes.max(initial=0)))
        self._columns = {int(word): self._column(int(word)) for word in np.flatnonzero(counts * _COMMON > len(self))}

    def _column(self, word: int) -> NDArray[np.unsignedinteger]:
        column = np.zeros(len(self), dtype=self._column_type)
        column[self._texts[self._starts[word] : self._starts[word + 1]]] = 1
        return column


def _read(texts: Iterable[str]) -> tuple[Counts, Counts]:
    """The words of each text by number, one text after the other, and how many words each has."""
    words, sizes = [], [np.empty(0, dtype=np.int32)]
    for block in iter_blocks(texts):
        sets = word_sets(block)
        words.append(sets.words)
        sizes.append(sets.sizes.astype(np.int32))
    return _numbered(words), np.concatenate(sizes)


def _numbered(words: Sequence[NDArray[np.uint64]]) -> Counts:
    """The words by number, from 0 in the order in which they come first."""
    arrays = [pa.Array.from_buffers(pa.uint64(), len(some), [None, pa.py_buffer(some)]) for some in words]
    chunks = pa.chunked_array(arrays, pa.uint64()).dictionary_encode().chunks
    # By way of `to_numpy` they would load pandas.
    parts = [np.frombuffer(c.indices.buffers()[1], np.int32, len(c), 4 * c.indices.offset) for c in chunks if len(c)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)


def _order(numbers: Counts) -> Numbers:
    """What sorts the numbers and keeps the order of equals: digit by digit, as 16 bits are sorted without comparing."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    if numbers.max(initial=0) >= 1 << 16:
        order = order[np.argsort((numbers >> 16).astype(np.uint16)[order], kind="stable")]
    return order


def farthest_first(
    space: WordSpace, n: int, *, strata: Numbers | None = None, capacity: Numbers | None = None
) -> DiverseSample:
    """`n` of the texts, beginning with the first, each next one the farthest from those chosen before.

    This is Gonzalez's greedy algorithm (1985): whichever text is first, the radius is at most twice the least
    possible, and the closest pair at least half as far apart as is possible. With `capacity`, the number wanted of each
    of the `strata`, the farthest is taken of those whose stratum has capacity left, and these bounds no longer hold.
    """
    left = np.array([n]) if capacity is None else capacity.copy()
    codes = np.zeros(len(space), dtype=np.int64) if strata is None else strata
    near: Distances = np.full(len(space), 2.0, dtype=np.float32)
    is_open = left[codes] > 0
    chosen: list[int] = []
    closest = 2.0
    while len(chosen) < n:
        position = int(np.argmax(np.where(is_open, near, np.float32(-1))))
        closest = min(closest, float(near[position]))
        chosen.append(position)
        np.minimum(near, space.distances(position), out=near)
        is_open[position] = False
        stratum = codes[position]
        left[stratum] -= 1
        if left[stratum] == 0:
            is_open &= codes != stratum
    pair = closest if len(chosen) > 1 else None
    return DiverseSample(np.array(chosen, dtype=np.int64), pair, float(near.max()), float(near.mean(dtype=np.float64)))
