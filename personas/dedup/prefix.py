"""Keys for low thresholds: each set's rarest words, of which near sets share at least one.

In one order of all words, two near sets share a word among the first `n - least overlap + 1` of each (prefix filtering:
Chaudhuri, Ganti and Kaushik, 2006). Rare words first keep what is compared small; any one order is correct.
"""

import numpy as np
from numpy.typing import NDArray

from .threshold import Threshold
from .wordset import WordSet
from .wordsets import WordSets, mix

__all__ = ["Prefixes"]

type Numbers = NDArray[np.uint64]
type Counts = NDArray[np.int64]

#: Words whose frequency is remembered; all others count as rare, in the order of their hashes.
_FREQUENT = 1 << 16
_EMPTY = np.uint64(0x5DEECE66D)


class Prefixes:
    """The keys of sets for one threshold, after the frequencies of words in a sample."""

    def __init__(self, threshold: Threshold, sample: Numbers) -> None:
        self._threshold = threshold
        words, counts = np.unique(sample, return_counts=True)
        common = np.argsort(counts, kind="stable")[-_FREQUENT:]
        # The rank among the frequent, from 1, beside the word, to be looked up by the word.
        order = np.argsort(words[common])
        self._words, self._ranks = words[common][order], (order + 1).astype(np.uint64)

    def keys(self, sets: WordSets) -> tuple[Numbers, Counts]:
        """Keys of 64 bits, and the number of the set that publishes each."""
        sizes = sets.sizes
        rows = np.repeat(np.arange(len(sets)), sizes)
        words = sets.words
        order = np.lexsort((words, self._rank(words), rows))
        taken = np.where(sizes > 0, sizes - self._threshold.overlap(sizes) + 1, 0)
        first = np.arange(len(rows)) - sets.starts[rows] < taken[rows]
        empty = np.flatnonzero(sizes == 0)
        keys = mix(np.concatenate([words[order][first], np.full(len(empty), _EMPTY << np.uint64(16))]))
        return keys, np.concatenate([rows[first], empty])

    def keys_of(self, one: WordSet) -> list[int]:
        """The keys of a single set."""
        keys: list[int] = self.keys(WordSets.of(np.array(one.hashes, dtype=np.uint64), 1))[0].tolist()
        return keys

    def _rank(self, words: Numbers) -> Numbers:
        if not len(self._words):
            return np.zeros(len(words), dtype=np.uint64)
        at = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
        return np.where(self._words[at] == words, self._ranks[at], np.uint64(0))
