"""Choosing people who are unlike each other: k-center over the distance of their sets of words."""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from ...words import words
from .candidates import Numbers

__all__ = ["Spread", "WordSpace", "farthest_first"]

type Distances = NDArray[np.float32]

#: A word that at least one text in so many has stands as a column, because adding up columns is fast.
_COMMON = 24


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Who was chosen, in order, and how the choice lies among the candidates; distances are 0 to 1."""

    positions: Numbers
    #: The least distance between two of the chosen; None for one alone.
    closest_pair: float | None
    #: How far the worst-served candidate is from the nearest of the chosen: what k-center makes small.
    radius: float
    #: The mean of that over all candidates.
    mean_distance: float


class WordSpace:
    """Texts under the Jaccard distance of their sets of words (1 - shared / all), which is a metric."""

    def __init__(self, texts: Iterable[str]) -> None:
        numbers: defaultdict[str, int] = defaultdict(count().__next__)
        flat, sizes = array("i"), array("i")
        for text in texts:
            found = words(text)
            flat.extend(map(numbers.__getitem__, found))
            sizes.append(len(found))
        self._words = np.frombuffer(flat, dtype=np.int32) if flat else np.empty(0, dtype=np.int32)
        self._sizes = np.array(sizes, dtype=np.int32)
        self._ends = np.cumsum(self._sizes, dtype=np.int64)
        self._index(len(numbers))

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
                # Nobody stands twice among those who have a word, so that none is counted once for twice.
                shared[self._texts[self._starts[word] : self._starts[word + 1]]] += 1
        both = shared.astype(np.int32)
        either = self._sizes + size - both
        similarity = np.divide(
            both, either, out=np.ones(len(self), dtype=np.float32), where=either > 0, dtype=np.float32
        )
        distances: Distances = np.float32(1) - similarity
        return distances

    def _index(self, vocabulary: int) -> None:
        """For each word the texts that have it: a list of them, or a column of zeros and ones."""
        texts = np.repeat(np.arange(len(self), dtype=np.int32), self._sizes)
        counts = np.bincount(self._words, minlength=vocabulary)
        self._texts = texts[np.argsort(self._words, kind="stable")]
        self._starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        self._column_type = np.min_scalar_type(int(self._sizes.max(initial=0)))
        self._columns = {int(word): self._column(int(word)) for word in np.flatnonzero(counts * _COMMON > len(self))}

    def _column(self, word: int) -> NDArray[np.unsignedinteger]:
        column = np.zeros(len(self), dtype=self._column_type)
        column[self._texts[self._starts[word] : self._starts[word + 1]]] = 1
        return column


def farthest_first(space: WordSpace, n: int, *, strata: Numbers | None = None, room: Numbers | None = None) -> Spread:
    """`n` of the texts, beginning with the first, each next one the farthest from those chosen before.

    This is Gonzalez's greedy algorithm (1985): whichever text is first, the radius is at most twice the least
    possible, and the closest pair at least half as far apart as is possible. With `room`, the number wanted of each of
    the `strata`, the farthest is taken of those whose stratum has room left, and these bounds no longer hold.
    """
    left = np.array([n]) if room is None else room.copy()
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
    return Spread(np.array(chosen, dtype=np.int64), pair, float(near.max()), float(near.mean(dtype=np.float64)))
