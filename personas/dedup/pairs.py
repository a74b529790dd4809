"""Pairs of word sets that share a key, filtered by size and parity bits, then compared exactly."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..arrays import Flags, Hashes, Ints, iter_slices, ranges
from ..errors import SetupError
from .order import Orders, are_in_order, are_unspaced, some_orders

#: The least thresholds of the exact method and of MinHash, and the greatest denominator.
_LEAST, _LEAST_MINHASH, _FINEST = Fraction(1, 2), Fraction(1, 10), 1_000_000


class Threshold(NamedTuple):
    """The least Jaccard similarity of near-duplicates, as a ratio of integers: `least` to `whole`."""

    least: int
    whole: int

    @classmethod
    def parse(cls, value: float, *, minhash: bool = False) -> Self:
        """`value` as a ratio of integers: 0.9 is 9 to 10.

        Raises `SetupError` outside 0.5 to 1, or 0.1 to 1 for `minhash`.
        """
        ratio = Fraction(repr(float(value))).limit_denominator(_FINEST) if 0 <= value <= 1 else Fraction(0)
        if ratio < (_LEAST_MINHASH if minhash else _LEAST):
            least = "0.1 to 1" if minhash else "0.5 to 1, or from 0.1 with the method minhash"
            raise SetupError(f"The threshold of near-duplicates is {value}; give a Jaccard similarity from {least}.")
        return cls(ratio.numerator, ratio.denominator)

    @property
    def unspaced(self) -> "Threshold":
        """The threshold where each character is a word: an edit of one word in twenty reaches both.

        Such a word has some two characters, of as many as a text in words has times 1.6; so 5 of them may differ where
        4 words may.
        """
        sum_, difference = 4 * (self.whole + self.least), 5 * (self.whole - self.least)
        return Threshold(max(1, sum_ - difference), sum_ + difference)

    def apart(self, total: Ints) -> Ints:
        """The greatest number of words in which two near-duplicates of `total` words together may differ."""
        return total * (self.whole - self.least) // (self.whole + self.least)

    def overlap(self, size: Ints) -> Ints:
        """The least number of words that a set of `size` shares with any near-duplicate."""
        return -(-size * self.least // self.whole)

    def widest(self, size: Ints) -> Ints:
        """The greatest size of a near-duplicate of a set of `size`."""
        return size * self.whole // self.least

    def reached(self, shared: Ints, union: Ints) -> NDArray[np.bool_]:
        """Whether sets with so many words shared and in their union are near-duplicates."""
        return shared * self.whole >= union * self.least


#: The paper's threshold (section 2.3).
THRESHOLD = Threshold(9, 10)


#: The half of a packed number that holds the set; the other half holds the key, or the set of a pair that comes first.
#: Sorting packed numbers is faster than argsort.
ROW = np.uint64(0xFFFF_FFFF)
_KEY = np.uint64(0xFFFF_FFFF_0000_0000)
_HALF = np.uint64(32)
_HASH_BITS = np.uint64(48)
#: Words and pairs compared at once; the number of a pair and the hash of a word share 64 bits.
_WORDS, _PAIRS = 1 << 21, 1 << 15
#: Words in both sets of a pair from which on an upper bound of what they share is taken first.
_LONG = 256
#: Bits of a hash that this upper bound distinguishes.
_MARKS = np.uint64((1 << 16) - 1)


@dataclass(frozen=True, slots=True)
class Sets:
    """Sets of word hashes by number: the words of set `i` begin at `starts[i]` in `words`."""

    words: Hashes
    starts: Ints
    sizes: Ints
    parities: Hashes
    #: None where no order counts.
    orders: Orders


def _compare(pairs: Hashes, others: Sets, sets: Sets, threshold: Threshold) -> tuple[Hashes, NDArray[np.float64]]:
    """The near-duplicates among sorted pairs, with their Jaccard similarities.

    A pair is one number: a set of `others` in its upper half, one of `sets` in its lower half.
    """
    left, right = (pairs >> _HALF).view(np.int64), (pairs & ROW).view(np.int64)
    total = others.sizes[left] + sets.sizes[right]
    if len(total) and total.max() > _LONG:
        likely = _likely(left, right, others, sets, threshold)
        pairs, left, right, total = pairs[likely], left[likely], right[likely], total[likely]
    shared = np.zeros(len(pairs), dtype=np.int64)
    for part in iter_slices(total, _WORDS, _PAIRS):
        shared[part] = _shared(left[part], right[part], others, sets)
    union = total - shared
    near = threshold.reached(shared, union)
    if len(others.orders) and len(sets.orders):
        near = np.where(are_unspaced(sets.orders[right]), threshold.unspaced.reached(shared, union), near)
    return pairs[near], (np.where(union == 0, 1, shared) / np.maximum(union, 1))[near]


def _shared(left: Ints, right: Ints, others: Sets, sets: Sets) -> Ints:
    """The number of words that the sets of each pair share: equal neighbours when both are sorted together."""
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


def _likely(left: Ints, right: Ints, others: Sets, sets: Sets, threshold: Threshold) -> Flags:
    """The pairs that may share enough words, by a fast upper bound: of long texts few pairs with a common key do."""
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
            may[first:end][part] = threshold.unspaced.reached(shared, size + sets.sizes[some] - shared)
        marks[mine] = False
    return may


#: Pairs filtered at once.
_SLAB = 1 << 19


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of near-duplicates by number, with their similarity."""

    left: Ints
    right: Ints
    similarity: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """The pairs of all parts, in this order."""
        found = list(parts)
        nobody = np.empty(0, dtype=np.int64)
        return cls(
            np.concatenate([nobody, *(part.left for part in found)]),
            np.concatenate([nobody, *(part.right for part in found)]),
            np.concatenate([np.empty(0), *(part.similarity for part in found)]),
        )


def pack(keys: Hashes, rows: Ints) -> Hashes:
    """Keys and rows packed into single numbers (key in the upper half), sorted."""
    packed = (keys & _KEY) | rows.view(np.uint64)
    packed.sort()
    return packed


def count_pairs(packed: Hashes) -> int:
    """The number of pairs of entries with equal keys."""
    borders = np.flatnonzero((packed[1:] & _KEY) != (packed[:-1] & _KEY))
    sizes = np.diff(np.concatenate([[-1], borders, [len(packed) - 1]]))
    return int((sizes * (sizes - 1) // 2).sum())


def near_within(packed: Hashes, sets: Sets, threshold: Threshold) -> NearPairs:
    """The pairs of near-duplicates among `sets`, the smaller number first."""
    keys = packed & _KEY
    near = keys[1:] == keys[:-1]
    shared = np.flatnonzero(np.append(near, False) | np.append(False, near))
    keys, rows = keys[shared], (packed[shared] & ROW).view(np.int64)
    found = _PairFilter(sets, sets, threshold)
    for first in range(0, len(rows), _SLAB):
        index = np.arange(first, min(first + _SLAB, len(rows)))
        for apart in range(1, len(rows)):
            index = index[index + apart < len(rows)]
            index = index[keys[index + apart] == keys[index]]
            if not len(index):
                break
            found.add(rows[index], rows[index + apart])
    return found.compared()


def near_across(runs: Iterable[Hashes], others: Sets, packed: Hashes, sets: Sets, threshold: Threshold) -> NearPairs:
    """The pairs of near-duplicates between `others`, whose sorted keys are `runs`, and `sets`."""
    keys, rows = packed & _KEY, (packed & ROW).view(np.int64)
    found = _PairFilter(others, sets, threshold)
    for run in runs:
        first = np.searchsorted(run, keys)
        counts = np.searchsorted(run, keys | ROW, side="right") - first
        there = np.flatnonzero(counts)
        for part in iter_slices(counts[there], _SLAB):
            some = there[part]
            theirs = (run[ranges(first[some], counts[some])] & ROW).view(np.int64)
            found.add(theirs, np.repeat(rows[some], counts[some]))
    return found.compared()


class _PairFilter:
    """Filters pairs that share a key, and keeps those that are near-duplicates."""

    def __init__(self, others: Sets, sets: Sets, threshold: Threshold) -> None:
        self._others, self._sets, self._threshold = others, sets, threshold
        self._sifted: list[Hashes] = []
        self._waiting = 0
        self._near: list[Hashes] = [np.empty(0, dtype=np.uint64)]
        self._similarities: list[NDArray[np.float64]] = [np.empty(0)]

    def add(self, left: Ints, right: Ints) -> None:
        """Add pairs that share a key."""
        a, b = self._others.sizes[left], self._sets.sizes[right]
        # The sets differ in at least as many words as their parity bits do, and as their sizes do.
        bits = np.bitwise_count(self._others.parities[left] ^ self._sets.parities[right])
        differ = np.maximum(bits.astype(np.int64), np.abs(a - b))
        if len(self._others.orders) or len(self._sets.orders):
            one, other = some_orders(self._others.orders, left), some_orders(self._sets.orders, right)
            loose = are_unspaced(one) & (differ <= self._threshold.unspaced.apart(a + b))
            may = (loose | (differ <= self._threshold.apart(a + b))) & are_in_order(
                one, other, np.minimum(a, b), differ
            )
        else:
            may = differ <= self._threshold.apart(a + b)
        if self._others is self._sets:
            may &= left != right
        self._sifted.append(left[may].view(np.uint64) << _HALF | right[may].view(np.uint64))
        self._waiting += len(self._sifted[-1])
        if self._waiting > _SLAB:
            self._compare()

    def compared(self) -> NearPairs:
        """The near-duplicates, each pair once."""
        self._compare()
        pairs, at = np.unique(np.concatenate(self._near), return_index=True)
        return NearPairs(
            (pairs >> _HALF).view(np.int64), (pairs & ROW).view(np.int64), np.concatenate(self._similarities)[at]
        )

    def _compare(self) -> None:
        if not self._waiting:
            return
        pairs = np.unique(np.concatenate(self._sifted))
        near, similarity = _compare(pairs, self._others, self._sets, self._threshold)
        self._near.append(near)
        self._similarities.append(similarity)
        self._sifted, self._waiting = [], 0
