"""Pairs of word sets that share a key, filtered by size and parity bits, then compared exactly."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...core.arrow import Flags, GrowingArray, Hashes, Ints, expand_ranges, iter_slices
from ...core.errors import SetupError
from ...core.text import UNSPACED

#: One record a text: its numbers, with what it is in the lowest bits; and parity bits, of how often each 192th of all
#: pairs of neighbouring words occurs, and each 64th of all words. All are 0 where the order does not count.
ORDER = np.dtype([("numbers", np.uint64), ("grams", np.uint64, (4,))])
type Orders = NDArray[np.void]
#: Of texts whose order does not count.
NO_ORDERS: Orders = np.empty(0, dtype=ORDER)

_COUNTS, _UNSPACED_TEXT = np.uint64(1), np.uint64(2)
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
#: What stands before the first word and after the last.
_BEGIN, _END = np.uint64(0x1F123BB5), np.uint64(0x6A09E667)
#: Bits for pairs of neighbours; the other 64 are for words.
_PAIR_BITS = np.uint64(192)
_NUMERALS = "〇零一二三四五六七八九十百千万萬亿億两兩"
#: Pairs of neighbours that may differ where each word occurs as often (where two words changed places 4 do, or 8), and
#: more for each word that does not: an edit of a word differs in 2 words and 4 pairs, one of two characters in 4 and 6.
_MOVED, _PER_WORD = 3, 3
#: Of texts of more words neither order nor numbers count: a word is little of them.
_LONG_TEXT = 150


#: A minus sign that belongs to a number: a hyphen behind a word, a number or another hyphen is none.
_NEGATIVE = re.compile(rf"(?<![^\W{UNSPACED}])(?<![-)\]%°])[-−–－﹣]([$€£¥]?\.?\d+)")


def mark_signs(text: str) -> str:
    """Return the text with an underscore behind each negative number, which makes `-3` another word than `3`."""
    return _NEGATIVE.sub(r" \1_", text)


def read_orders(words: Hashes, leads: Ints, ends: Ints, *, always: bool) -> Orders:
    """The orders of some texts, from their words one after the other; none where no order counts.

    `leads` are the first code points of the words, and `ends` where the words of each text end. In scripts with spaces
    the order counts only if `always`.
    """
    starts = ends - np.diff(ends, prepend=0)
    leads = np.minimum(leads, _LARGEST)
    unspaced = 2 * _sum_spans(_character_table("unspaced")[leads].astype(np.int64), starts, ends) > ends - starts
    if not (always or unspaced.any()):
        return NO_ORDERS
    numeral, digit = _character_table("numeral")[leads], _character_table("digit")[leads]
    found = np.zeros(len(ends), dtype=ORDER)
    found["numbers"] = _hash_sequences(words, _are_numbers(leads, numeral, digit, ends), starts, ends) & ~np.uint64(3)
    found["numbers"] |= _COUNTS | np.where(unspaced, _UNSPACED_TEXT, np.uint64(0))
    closed, begins = np.insert(words, ends, _END), starts + np.arange(len(starts))
    before = np.concatenate([[_BEGIN], closed[:-1]])
    before[begins] = _BEGIN
    pairs = (before * _FIRST + closed * _SECOND >> np.uint64(32)) * _PAIR_BITS >> np.uint64(32)
    bits = np.uint64(1) << (pairs & np.uint64(63))
    for lane in range(3):
        found["grams"][:, lane] = np.bitwise_xor.reduceat(np.where(pairs >> np.uint64(6) == lane, bits, 0), begins)
    found["grams"][:, 3] = np.bitwise_xor.reduceat(np.uint64(1) << (closed * _FIRST >> np.uint64(58)), begins)
    if not always:
        found[~unspaced] = 0
    return found


def _are_numbers(leads: Ints, numeral: Flags, digit: Flags, ends: Ints) -> Flags:
    """Words that begin with a digit, and Chinese numerals; "one" only beside another, as it is an article too."""
    first, last = np.zeros(len(leads) + 1, dtype=np.bool_), np.zeros(len(leads) + 1, dtype=np.bool_)
    first[np.concatenate([[0], ends])], last[ends] = True, True
    beside = np.zeros(len(leads), dtype=np.bool_)
    beside[1:] = numeral[:-1] & ~first[1 : len(leads)]
    beside[:-1] |= numeral[1:] & ~last[1 : len(leads)]
    found: Flags = digit | (numeral & ((leads != ord("一")) | beside))
    return found


def _hash_sequences(words: Hashes, wanted: Flags, starts: Ints, ends: Ints) -> Hashes:
    """A number for the sequence of the wanted words of each text."""
    before = np.concatenate([[0], np.cumsum(wanted)])
    some = words[wanted]
    # From the end of its text, so that each place has a power of its own.
    place = np.repeat(before[ends], ends - starts)[wanted] - np.arange(len(some))
    powers = np.cumprod(np.full(int(place.max(initial=0)) + 1, _FIRST), dtype=np.uint64)
    terms: Hashes = (some * _SECOND + np.uint64(1)) * powers[place]
    return _sum_spans(terms, before[starts], before[ends])


def _sum_spans[T: np.generic](values: NDArray[T], starts: Ints, ends: Ints) -> NDArray[T]:
    sums = np.concatenate([np.zeros(1, dtype=values.dtype), np.cumsum(values, dtype=values.dtype)])
    found: NDArray[T] = sums[ends] - sums[starts]
    return found


#: The last code point of a table; none above it is in one.
_LARGEST = 0x3FFFF


@cache
def _character_table(kind: str) -> Flags:
    """By code point whether a character stands alone as a word (`unspaced`), is a Chinese numeral, or is a digit."""
    pattern = {"unspaced": f"[{UNSPACED}]+", "numeral": f"[{_NUMERALS}]+", "digit": r"\d+"}[kind]
    found = np.zeros(_LARGEST + 1, dtype=np.bool_)
    for match in re.finditer(pattern, _all_characters()):
        found[match.start() : match.end()] = True
    return found


@cache
def _all_characters() -> str:
    """All characters of the tables, each at its code point."""
    return np.arange(_LARGEST, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")


def are_unspaced(orders: Orders) -> Flags:
    """Which of these texts are in a script without spaces."""
    flags: Flags = (orders["numbers"] & _UNSPACED_TEXT) > 0
    return flags


def are_in_order(one: Orders, other: Orders, sizes: Ints, words: Ints) -> Flags:
    """Whether the order of pairs of texts lets them be near-duplicates, and their numbers.

    `sizes` are the words of the smaller text of each pair; in as many as `words` they differ at least. Between scripts
    with and without spaces, no text repeats another.
    """
    counts = (one["numbers"] & other["numbers"] & _COUNTS) > 0
    differ = np.bitwise_count(one["grams"] ^ other["grams"]).astype(np.int64)
    pairs, words = differ[:, :3].sum(axis=1), np.maximum(words, differ[:, 3])
    bits = one["numbers"] ^ other["numbers"]
    fits: Flags = (pairs <= _MOVED + _PER_WORD * words) & (bits >> np.uint64(2) == 0)
    fits |= ~counts | (sizes > _LONG_TEXT)
    fits &= bits & _UNSPACED_TEXT == 0
    return fits


def some_orders(orders: Orders, places: Ints) -> Orders:
    """The orders of texts at these places; records of 0 where no order counts."""
    return orders[places] if len(orders) else np.zeros(len(places), dtype=ORDER)


class OrderArray:
    """The orders of texts one after the other: none as long as no order counts, which costs no memory."""

    def __init__(self) -> None:
        self._orders: GrowingArray[np.void] = GrowingArray(ORDER)  # type: ignore[arg-type]  # a type of records

    @property
    def values(self) -> Orders:
        """The orders of all texts, or none."""
        return self._orders.values

    def append(self, orders: Orders, held: int, count: int) -> None:
        """Append the orders of `count` texts, none where none counts, to those of the `held` ones."""
        if len(orders) and not len(self._orders):
            self._orders.append(np.zeros(held, dtype=ORDER))
        if len(orders) or len(self._orders):
            self._orders.append(orders if len(orders) else np.zeros(count, dtype=ORDER))


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

    def least_overlap(self, size: Ints) -> Ints:
        """The least number of words that a set of `size` shares with any near-duplicate."""
        return -(-size * self.least // self.whole)

    def greatest_size(self, size: Ints) -> Ints:
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


def _compare_pairs(pairs: Hashes, others: Sets, sets: Sets, threshold: Threshold) -> tuple[Hashes, NDArray[np.float64]]:
    """The near-duplicates among sorted pairs, with their Jaccard similarities.

    A pair is one number: a set of `others` in its upper half, one of `sets` in its lower half.
    """
    left, right = (pairs >> _HALF).view(np.int64), (pairs & ROW).view(np.int64)
    total = others.sizes[left] + sets.sizes[right]
    if len(total) and total.max() > _LONG:
        likely = _find_likely(left, right, others, sets, threshold)
        pairs, left, right, total = pairs[likely], left[likely], right[likely], total[likely]
    shared = np.zeros(len(pairs), dtype=np.int64)
    for part in iter_slices(total, _WORDS, _PAIRS):
        shared[part] = _count_shared(left[part], right[part], others, sets)
    union = total - shared
    near = threshold.reached(shared, union)
    if len(others.orders) and len(sets.orders):
        near = np.where(are_unspaced(sets.orders[right]), threshold.unspaced.reached(shared, union), near)
    return pairs[near], (np.where(union == 0, 1, shared) / np.maximum(union, 1))[near]


def _count_shared(left: Ints, right: Ints, others: Sets, sets: Sets) -> Ints:
    """The number of words that the sets of each pair share: equal neighbours when both are sorted together."""
    numbers = np.arange(len(left), dtype=np.uint64) << _HASH_BITS
    words = np.concatenate(
        [
            others.words[expand_ranges(others.starts[left], others.sizes[left])]
            | np.repeat(numbers, others.sizes[left]),
            sets.words[expand_ranges(sets.starts[right], sets.sizes[right])] | np.repeat(numbers, sets.sizes[right]),
        ]
    )
    words.sort()
    twice = words[1:][words[1:] == words[:-1]] >> _HASH_BITS
    return np.bincount(twice.view(np.int64), minlength=len(left))


def _find_likely(left: Ints, right: Ints, others: Sets, sets: Sets, threshold: Threshold) -> Flags:
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
            met = np.append(
                0, np.cumsum(marks[sets.words[expand_ranges(sets.starts[some], sets.sizes[some])] & _MARKS])
            )
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


def pack_keys(keys: Hashes, rows: Ints) -> Hashes:
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
            theirs = (run[expand_ranges(first[some], counts[some])] & ROW).view(np.int64)
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
            self._compare_waiting()

    def compared(self) -> NearPairs:
        """The near-duplicates, each pair once."""
        self._compare_waiting()
        pairs, at = np.unique(np.concatenate(self._near), return_index=True)
        return NearPairs(
            (pairs >> _HALF).view(np.int64), (pairs & ROW).view(np.int64), np.concatenate(self._similarities)[at]
        )

    def _compare_waiting(self) -> None:
        if not self._waiting:
            return
        pairs = np.unique(np.concatenate(self._sifted))
        near, similarity = _compare_pairs(pairs, self._others, self._sets, self._threshold)
        self._near.append(near)
        self._similarities.append(similarity)
        self._sifted, self._waiting = [], 0
