"""Keys that near-duplicates share: sets are compared only with sets that publish a common key.

Two schemes. `PartKeys`, for high thresholds, uses the pigeonhole principle (PartEnum: Arasu, Ganti and Kaushik, 2006):
all words are divided into `k + 1` parts by their hash, and two sets that differ in at most `k` words are equal in at
least one part, so each set publishes one key per part. The distance `k` depends on the sizes of the two sets; a set
publishes for every distance that a near-duplicate of some size may have. `PrefixKeys`, for low thresholds, uses prefix
filtering (Chaudhuri, Ganti and Kaushik, 2006): with all words in one order, two near-duplicates share a word among the
first `n - least overlap + 1` of each. Rare words come first, so that few sets share one; any fixed order is correct.
"""

from abc import ABC, abstractmethod

import numpy as np

from .arrays import Counts, Numbers
from .pairs import Threshold
from .word_sets import HASH_BITS, WordSet, WordSets, mix, mix_one

__all__ = ["KeyScheme", "PartKeys", "PrefixKeys"]


class KeyScheme(ABC):
    """A way to publish keys so that near-duplicates share at least one."""

    @abstractmethod
    def keys(self, sets: WordSets) -> tuple[Numbers, Counts]:
        """Keys of 64 bits, and for each the number of the set that publishes it."""

    def keys_of(self, one: WordSet) -> list[int]:
        """The keys of a single set."""
        keys: list[int] = self.keys(WordSets.of(np.array(one.hashes, dtype=np.uint64), 1))[0].tolist()
        return keys


#: Distances are rounded up, more coarsely as they grow, so that a set of 1,000 words publishes at one or two.
_EXACT, _STEP = 8, 1.2
_ALL = (1 << 64) - 1
_HASH_BITS = np.uint64(HASH_BITS)


class PartKeys(KeyScheme):
    """Keys for one threshold by the pigeonhole principle; the higher the threshold, the larger and rarer the parts."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._grow(256)

    def keys(self, sets: WordSets) -> tuple[Numbers, Counts]:
        """Keys of 64 bits, and for each the number of the set that publishes it."""
        sizes = sets.sizes
        if not len(sizes):
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
        if sizes.max() >= len(self._low):
            self._grow(2 * int(sizes.max()))
        low, high = self._low[sizes], self._high[sizes]
        published = [
            self._level(sets, np.flatnonzero((low <= level) & (level <= high)), level)
            for level in range(low.min(), high.max() + 1)
        ]
        return np.concatenate([keys for keys, _ in published]), np.concatenate([rows for _, rows in published])

    def keys_of(self, one: WordSet) -> list[int]:
        """The keys of a single set."""
        size = len(one)
        if size >= len(self._low):
            self._grow(2 * size)
        keys = []
        for level in self._levels[self._low[size] : self._high[size] + 1].tolist():
            parts = level + 1
            sums = [part + (parts << 32) for part in range(parts)]
            for word, mixed in one.words:
                sums[(word >> 16) * parts >> 32] += mixed
            keys += [mix_one(total & _ALL) for total in sums]
        return keys

    def _grow(self, size: int) -> None:
        sizes = np.arange(size + 1, dtype=np.int64)
        nearest = self._threshold.apart(sizes + self._threshold.overlap(sizes))
        farthest = self._threshold.apart(sizes + self._threshold.widest(sizes))
        self._levels = _levels(int(farthest[-1]))
        self._low = np.searchsorted(self._levels, nearest)
        self._high = np.searchsorted(self._levels, farthest)

    def _level(self, sets: WordSets, rows: Counts, level: int) -> tuple[Numbers, Counts]:
        """The keys of some sets at one distance: the sum of the words of each part."""
        parts = int(self._levels[level]) + 1
        first, end = sets.starts[rows], sets.starts[rows + 1]
        bounds = np.empty((len(rows), parts + 1), dtype=np.int64)
        bounds[:, 0], bounds[:, -1] = first, end
        if parts > 1:
            bounds[:, 1:-1] = self._borders(sets, rows, parts)
        sums = sets.sums[bounds]
        keys = sums[:, 1:] - sums[:, :-1]
        keys += np.arange(parts, dtype=np.uint64) + np.uint64(parts << 32)
        return mix(keys.ravel()), np.repeat(rows, parts)

    @staticmethod
    def _borders(sets: WordSets, rows: Counts, parts: int) -> Counts:
        # A word's part is given by the upper bits of its hash, so in a sorted set the parts are consecutive.
        first = np.array([-(-(part << 32) // parts) << 16 for part in range(1, parts)], dtype=np.uint64)
        return np.searchsorted(sets.packed, (rows.view(np.uint64) << _HASH_BITS)[:, None] | first)


def _levels(most: int) -> Counts:
    levels = list(range(_EXACT + 1))
    while levels[-1] < most:
        levels.append(int(levels[-1] * _STEP) + 1)
    return np.array(levels, dtype=np.int64)


#: Words whose frequency is used; all others count as rare, ordered by hash.
_FREQUENT = 1 << 16
_EMPTY = np.uint64(0x5DEECE66D)


class PrefixKeys(KeyScheme):
    """Keys for one threshold by prefix filtering, with word frequencies taken from a sample."""

    def __init__(self, threshold: Threshold, sample: Numbers) -> None:
        self._threshold = threshold
        words, counts = np.unique(sample, return_counts=True)
        common = np.argsort(counts, kind="stable")[-_FREQUENT:]
        # Sorted by word, each with its rank among the frequent words, from 1.
        order = np.argsort(words[common])
        self._words, self._ranks = words[common][order], (order + 1).astype(np.uint64)

    def keys(self, sets: WordSets) -> tuple[Numbers, Counts]:
        """Keys of 64 bits, and for each the number of the set that publishes it."""
        sizes = sets.sizes
        rows = np.repeat(np.arange(len(sets)), sizes)
        words = sets.words
        order = np.lexsort((words, self._rank(words), rows))
        taken = np.where(sizes > 0, sizes - self._threshold.overlap(sizes) + 1, 0)
        first = np.arange(len(rows)) - sets.starts[rows] < taken[rows]
        empty = np.flatnonzero(sizes == 0)
        keys = mix(np.concatenate([words[order][first], np.full(len(empty), _EMPTY << np.uint64(16))]))
        return keys, np.concatenate([rows[first], empty])

    def _rank(self, words: Numbers) -> Numbers:
        if not len(self._words):
            return np.zeros(len(words), dtype=np.uint64)
        at = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
        return np.where(self._words[at] == words, self._ranks[at], np.uint64(0))
