"""Pairs of word sets that share a key, filtered by size and parity bits, then compared exactly."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import SetupError
from .arrays import iter_slices, ranges

__all__ = [
    "ROW",
    "THRESHOLD",
    "Compared",
    "Sets",
    "Threshold",
    "compare",
    "count_pairs",
    "near_across",
    "near_within",
    "pack",
]


type _Counts = NDArray[np.int64]

#: Least thresholds of the exact join and of MinHash, and the finest step of a threshold.
_LEAST, _LEAST_MINHASH, _FINEST = Fraction(1, 2), Fraction(1, 10), 1_000_000


class Threshold(NamedTuple):
    """A least Jaccard similarity, `least` of `whole`."""

    least: int
    whole: int

    @classmethod
    def parse(cls, value: float, *, minhash: bool = False) -> Self:
        """The ratio that `value` is written as: 0.9 is 9 of 10.

        Raises `SetupError` outside 0.5 to 1, for `minhash` outside 0.1 to 1.
        """
        ratio = Fraction(repr(float(value))).limit_denominator(_FINEST) if 0 <= value <= 1 else Fraction(0)
        if ratio < (_LEAST_MINHASH if minhash else _LEAST):
            least = "0.1 to 1" if minhash else "0.5 to 1, or from 0.1 with the method minhash"
            raise SetupError(f"The threshold of near-duplicates is {value}; give a Jaccard similarity from {least}.")
        return cls(ratio.numerator, ratio.denominator)

    def apart(self, total: _Counts) -> _Counts:
        """The most words in one set alone when both sets are `total` words long together."""
        return total * (self.whole - self.least) // (self.whole + self.least)

    def overlap(self, size: _Counts) -> _Counts:
        """The least number of words that a set of `size` shares with any set that is near it."""
        return -(-size * self.least // self.whole)

    def widest(self, size: _Counts) -> _Counts:
        """The greatest size of a set that is near one of `size`."""
        return size * self.whole // self.least

    def reached(self, shared: _Counts, union: _Counts) -> NDArray[np.bool_]:
        """Whether sets with so many words in both and in either are near-duplicates."""
        return shared * self.whole >= union * self.least


#: The paper's (section 2.3).
THRESHOLD = Threshold(9, 10)


type Numbers = NDArray[np.uint64]
type Counts = NDArray[np.int64]
type Flags = NDArray[np.bool_]

_HALF, _LOWER = np.uint64(32), np.uint64(0xFFFF_FFFF)
_HASH_BITS = np.uint64(48)
#: Words and pairs that are compared at once; a pair's number and a word's hash share 64 bits.
_WORDS, _PAIRS = 1 << 21, 1 << 15
#: Words in both sets of a pair from which it is worth a look whether they can be near at all.
_LONG = 256
#: Places in which a set of words is marked for that look.
_MARKS = np.uint64((1 << 16) - 1)


@dataclass(frozen=True, slots=True)
class Sets:
    """What is known of numbered sets: their words stand at `starts` in `words`."""

    words: Numbers
    starts: Counts
    sizes: Counts
    parities: Numbers


def compare(pairs: Numbers, others: Sets, sets: Sets, threshold: Threshold) -> tuple[Numbers, NDArray[np.float64]]:
    """Those of the sorted pairs that are near-duplicates, and their Jaccard similarities.

    The upper half of a pair's number is a set of `others`, the lower half one of `sets`.
    """
    left, right = (pairs >> _HALF).view(np.int64), (pairs & _LOWER).view(np.int64)
    total = others.sizes[left] + sets.sizes[right]
    if len(total) and total.max() > _LONG:
        likely = _likely(left, right, others, sets, threshold)
        pairs, left, right, total = pairs[likely], left[likely], right[likely], total[likely]
    shared = np.zeros(len(pairs), dtype=np.int64)
    for part in iter_slices(total, _WORDS, _PAIRS):
        shared[part] = _shared(left[part], right[part], others, sets)
    union = total - shared
    near = threshold.reached(shared, union)
    return pairs[near], (np.where(union == 0, 1, shared) / np.maximum(union, 1))[near]


def _shared(left: Counts, right: Counts, others: Sets, sets: Sets) -> Counts:
    """How many words the two sets of each pair have in common: equal neighbours when both are sorted together."""
    numbers = np.arange(len(left), dtype=np.uint64) << _HASH_BITS
    words = np.concatenate(
        [
            others.words[ranges(others.starts[left], others.sizes[left])] | np.repeat(numbers, others.sizes[left]),
            sets.words[ranges(sets.starts[right], sets.sizes[right])] | np.repeat(numbers, sets.sizes[right]),
        ]
    )
    words.sort()
    twice = words[1:][words[1:] == words[:-1]] >> _HASH_BITS
    return np.bincount(twice.view(np.int64), minlength=len(left))


def _likely(left: Counts, right: Counts, others: Sets, sets: Sets, threshold: Threshold) -> Flags:
    """The pairs that may have enough words in common: among long texts few of those that share a key do."""
    may = np.ones(len(left), dtype=np.bool_)
    marks = np.zeros(int(_MARKS) + 1, dtype=np.bool_)
    runs = np.flatnonzero(np.diff(left, prepend=-1))
    for first, end in zip(runs.tolist(), [*runs[1:].tolist(), len(left)], strict=True):
        one, size = int(others.starts[left[first]]), int(others.sizes[left[first]])
        mine = others.words[one : one + size] & _MARKS
        marks[mine] = True
        for part in iter_slices(sets.sizes[right[first:end]] + 1, _WORDS):
            some = right[first:end][part]
            ends = np.cumsum(sets.sizes[some])
            met = np.append(0, np.cumsum(marks[sets.words[ranges(sets.starts[some], sets.sizes[some])] & _MARKS]))
            shared = met[ends] - met[ends - sets.sizes[some]]
            may[first:end][part] = threshold.reached(shared, size + sets.sizes[some] - shared)
        marks[mine] = False
    return may


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
        for part in iter_slices(counts[there], _SLAB):
            some = there[part]
            theirs = (run[ranges(first[some], counts[some])] & ROW).view(np.int64)
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
