"""The order of the words of a text, and its numbers, in a few bytes: what sets of words leave out.

"The doctor's teacher" and "the teacher's doctor" are one set of words, and where each character is a word so are
"forty-one" and "fourteen". Of two texts whose sets are alike, their orders tell how many pairs of neighbours differ, at
least, and whether they hold the same numbers in the same sequence.
"""

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..arrays import Flags, GrowingArray, Hashes, Ints
from ..persona import UNSPACED

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
_PAIRS = np.uint64(192)
_NUMERALS = "〇零一二三四五六七八九十百千万萬亿億两兩"
#: Pairs of neighbours that may differ where each word occurs as often (where two words changed places 4 do, or 8), and
#: more for each word that does not: an edit of a word differs in 2 words and 4 pairs, one of two characters in 4 and 6.
_MOVED, _PER_WORD = 3, 3
#: Of texts of more words neither order nor numbers count: a word is little of them.
_LONG = 150


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
    unspaced = 2 * _sums(_table("unspaced")[leads].astype(np.int64), starts, ends) > ends - starts
    if not (always or unspaced.any()):
        return NO_ORDERS
    numeral, digit = _table("numeral")[leads], _table("digit")[leads]
    found = np.zeros(len(ends), dtype=ORDER)
    found["numbers"] = _sequences(words, _are_numbers(leads, numeral, digit, ends), starts, ends) & ~np.uint64(3)
    found["numbers"] |= _COUNTS | np.where(unspaced, _UNSPACED_TEXT, np.uint64(0))
    closed, begins = np.insert(words, ends, _END), starts + np.arange(len(starts))
    before = np.concatenate([[_BEGIN], closed[:-1]])
    before[begins] = _BEGIN
    pairs = (before * _FIRST + closed * _SECOND >> np.uint64(32)) * _PAIRS >> np.uint64(32)
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


def _sequences(words: Hashes, wanted: Flags, starts: Ints, ends: Ints) -> Hashes:
    """A number for the sequence of the wanted words of each text."""
    before = np.concatenate([[0], np.cumsum(wanted)])
    some = words[wanted]
    # From the end of its text, so that each place has a power of its own.
    place = np.repeat(before[ends], ends - starts)[wanted] - np.arange(len(some))
    powers = np.cumprod(np.full(int(place.max(initial=0)) + 1, _FIRST), dtype=np.uint64)
    terms: Hashes = (some * _SECOND + np.uint64(1)) * powers[place]
    return _sums(terms, before[starts], before[ends])


def _sums[T: np.generic](values: NDArray[T], starts: Ints, ends: Ints) -> NDArray[T]:
    sums = np.concatenate([np.zeros(1, dtype=values.dtype), np.cumsum(values, dtype=values.dtype)])
    found: NDArray[T] = sums[ends] - sums[starts]
    return found


#: The last code point of a table; none above it is in one.
_LARGEST = 0x3FFFF


@cache
def _table(kind: str) -> Flags:
    """By code point whether a character stands alone as a word (`unspaced`), is a Chinese numeral, or is a digit."""
    pattern = {"unspaced": f"[{UNSPACED}]+", "numeral": f"[{_NUMERALS}]+", "digit": r"\d+"}[kind]
    found = np.zeros(_LARGEST + 1, dtype=np.bool_)
    for match in re.finditer(pattern, _everything()):
        found[match.start() : match.end()] = True
    return found


@cache
def _everything() -> str:
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
    fits |= ~counts | (sizes > _LONG)
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
