"""Pairs of sets that share a key, sifted by size and parity, then compared exactly."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import portions, stretches
from .comparison import Sets, compare
from .threshold import Threshold

__all__ = ["ROW", "Compared", "count_pairs", "near_across", "near_within", "pack"]

type Numbers = NDArray[np.uint64]
type Counts = NDArray[np.int64]

#: A key and the set that publishes it, in one number: to sort these is many times faster than to sort by an index.
ROW = np.uint64(0xFFFF_FFFF)
_KEY = np.uint64(0xFFFF_FFFF_0000_0000)
_SHIFT = np.uint64(32)
#: Pairs that are sifted at once.
_SLAB = 1 << 19


@dataclass(frozen=True, slots=True)
class Compared:
    """Pairs of near-duplicates, by number, with their Jaccard similarity."""

    left: Counts
    right: Counts
    similarity: NDArray[np.float64]


def pack(keys: Numbers, rows: Counts) -> Numbers:
    """Keys and rows in single numbers, sorted."""
    packed = (keys & _KEY) | rows.view(np.uint64)
    packed.sort()
    return packed


def count_pairs(packed: Numbers) -> int:
    """How many pairs of entries have the same key."""
    borders = np.flatnonzero((packed[1:] & _KEY) != (packed[:-1] & _KEY))
    sizes = np.diff(np.concatenate([[-1], borders, [len(packed) - 1]]))
    return int((sizes * (sizes - 1) // 2).sum())


def near_within(packed: Numbers, sets: Sets, threshold: Threshold) -> Compared:
    """The pairs of near-duplicates among `sets`, lesser number first."""
    keys = packed & _KEY
    near = keys[1:] == keys[:-1]
    shared = np.flatnonzero(np.append(near, False) | np.append(False, near))
    keys, rows = keys[shared], (packed[shared] & ROW).view(np.int64)
    found = _Found(sets, sets, threshold)
    for first in range(0, len(rows), _SLAB):
        index = np.arange(first, min(first + _SLAB, len(rows)))
        for apart in range(1, len(rows)):
            index = index[index + apart < len(rows)]
            index = index[keys[index + apart] == keys[index]]
            if not len(index):
                break
            found.add(rows[index], rows[index + apart])
    return found.compared()


def near_across(runs: Iterable[Numbers], others: Sets, packed: Numbers, sets: Sets, threshold: Threshold) -> Compared:
    """The pairs of near-duplicates of one of `others`, whose sorted keys are the `runs`, and one of `sets`."""
    keys, rows = packed & _KEY, (packed & ROW).view(np.int64)
    found = _Found(others, sets, threshold)
    for run in runs:
        first = np.searchsorted(run, keys)
        counts = np.searchsorted(run, keys | ROW, side="right") - first
        there = np.flatnonzero(counts)
        for part in portions(counts[there], _SLAB):
            some = there[part]
            theirs = (run[stretches(first[some], counts[some])] & ROW).view(np.int64)
            found.add(theirs, np.repeat(rows[some], counts[some]))
    return found.compared()


class _Found:
    """Pairs that share a key, of which only the near are kept."""

    def __init__(self, others: Sets, sets: Sets, threshold: Threshold) -> None:
        self._others, self._sets, self._threshold = others, sets, threshold
        self._sifted: list[Numbers] = []
        self._waiting = 0
        self._near: list[Numbers] = [np.empty(0, dtype=np.uint64)]
        self._similarities: list[NDArray[np.float64]] = [np.empty(0)]

    def add(self, left: Counts, right: Counts) -> None:
        """Take pairs in."""
        a, b = self._others.sizes[left], self._sets.sizes[right]
        # As many words differ at least as bits do, and as many as the sizes do.
        bits = np.bitwise_count(self._others.parities[left] ^ self._sets.parities[right])
        differ = np.maximum(bits.astype(np.int64), np.abs(a - b))
        may = differ * (self._threshold.whole + self._threshold.least) <= (a + b) * (
            self._threshold.whole - self._threshold.least
        )
        if self._others is self._sets:
            may &= left != right
        self._sifted.append(left[may].view(np.uint64) << _SHIFT | right[may].view(np.uint64))
        self._waiting += len(self._sifted[-1])
        if self._waiting > _SLAB:
            self._compare()

    def compared(self) -> Compared:
        """The near pairs, each once."""
        self._compare()
        pairs, at = np.unique(np.concatenate(self._near), return_index=True)
        return Compared(
            (pairs >> _SHIFT).view(np.int64), (pairs & ROW).view(np.int64), np.concatenate(self._similarities)[at]
        )

    def _compare(self) -> None:
        if not self._waiting:
            return
        pairs = np.unique(np.concatenate(self._sifted))
        near, similarity = compare(pairs, self._others, self._sets, self._threshold)
        self._near.append(near)
        self._similarities.append(similarity)
        self._sifted, self._waiting = [], 0
