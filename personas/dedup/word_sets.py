"""Sets of words as sorted 48-bit hashes: many texts at once in NumPy, or one text at a time.

A word's hash is a polynomial of its bytes, which running sums give for all words of a block of texts in a few array
operations, mixed and cut to 48 bits. It is the same on every machine and in every session.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Self

import numpy as np

from ...core.arrow import Hashes, Ints
from ...core.text import word_list
from .pairs import NO_ORDERS, Orders, mark_signs, read_orders

#: The largest block of texts, and of characters: its sums stay in the cache of a core.
_TEXTS, _CHARACTERS = 512, 1 << 19
#: Bytes hashed at once: longer blocks are cut between words.
_PIECE = 1 << 20
#: Powers of the base are made for few bytes or for a piece, in bits; for a piece they take 16 MB and 20 ms.
_FEW, _MANY = 18, _PIECE.bit_length() - 1
#: Bits of a word's hash.
HASH_BITS = 48
_HASH_BITS = np.uint64(HASH_BITS)
_HASH = np.uint64((1 << HASH_BITS) - 1)
#: The base of the polynomial; odd, and so invertible modulo 2 ** 64.
_BASE = 0x9E3779B97F4A7C15
_LANES = np.array([3, 5, 7, 11], dtype=np.uint64)
#: Separators become 0 and capitals small letters; bytes beyond ASCII stay, as such texts are cut into words before.
_BYTES = bytes(
    code if code >= 128 else ord(chr(code).lower()) if chr(code).isalnum() or chr(code) == "_" else 0
    for code in range(256)
)


@dataclass(frozen=True, slots=True)
class WordSets:
    """Sets of word hashes, one after the other, each sorted; `starts` has one more entry than there are sets."""

    #: The hashes with the number of their set in the upper 16 bits, sorted.
    packed: Hashes
    starts: Ints
    #: 64 parity bits per set, one for each 64th of all words: sets differ in at least as many words as bits.
    parities: Hashes
    #: Running sums of mixed hashes, from 0: the sum over any range of words is one subtraction.
    sums: Hashes
    #: The orders of the texts; none where no order counts.
    orders: Orders = field(default_factory=lambda: NO_ORDERS)

    @classmethod
    def of(cls, packed: Hashes, count: int, orders: Orders = NO_ORDERS) -> Self:
        """Build the sets of `count` texts, from sorted hashes packed with the number of their set."""
        starts = np.empty(count + 1, dtype=np.int64)
        starts[:-1] = np.searchsorted(packed, np.arange(count, dtype=np.uint64) << _HASH_BITS)
        starts[-1] = len(packed)
        words = packed & _HASH
        bits = np.zeros(len(words) + 1, dtype=np.uint64)
        np.bitwise_xor.accumulate(np.uint64(1) << (words & np.uint64(63)), out=bits[1:])
        words += np.uint64(_BASE)
        sums = np.zeros(len(words) + 1, dtype=np.uint64)
        np.cumsum(mix_bits(words), out=sums[1:])
        return cls(packed, starts, bits[starts[1:]] ^ bits[starts[:-1]], sums, orders)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def words(self) -> Hashes:
        """The hashes alone."""
        return self.packed & _HASH

    @property
    def sizes(self) -> Ints:
        """The number of words in each set."""
        return self.starts[1:] - self.starts[:-1]

    @property
    def identities(self) -> Hashes:
        """64 bits per set that are equal for equal sets of words in the same order, as far as it counts."""
        found = self.sums[self.starts[1:]] - self.sums[self.starts[:-1]]
        if len(self.orders):
            grams: Hashes = (self.orders["grams"] * _LANES).sum(axis=1, dtype=np.uint64)
            found += mix_bits(grams + self.orders["numbers"])
        return found


def number_sets(words: Hashes, sizes: Ints, orders: Orders = NO_ORDERS) -> WordSets:
    """Build sets from the words of all sets, ascending within each, and their sizes."""
    numbers = np.arange(len(sizes), dtype=np.uint64) << _HASH_BITS
    return WordSets.of(words | np.repeat(numbers, sizes), len(sizes), orders)


def iter_blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the texts in lists of a size that is fast to hash at once."""
    remaining = iter(texts)
    while block := list(islice(remaining, _TEXTS)):
        if sum(map(len, block)) <= _CHARACTERS:
            yield block
        else:
            yield from ([text] for text in block)


def word_sets(texts: Sequence[str], *, ordered: bool = False) -> WordSets:
    """Build the sets of words of at most 65,536 texts, as `populace.personas.persona.words` defines them.

    The order of words counts in scripts without spaces, and in all scripts if `ordered`. Signs of numbers count if
    `ordered`.
    """
    texts = [*map(mark_signs, texts)] if ordered else texts
    joined, lengths = "\n".join(texts), [*map(len, texts)]
    is_plain = joined.isascii()
    if not is_plain:
        cut = [text if text.isascii() else " ".join(word_list(text)) for text in texts]
        joined, lengths = "\n".join(cut), [len(text.encode("utf-8", "surrogatepass")) for text in cut]
    data, bounds = joined.encode("utf-8", "surrogatepass"), np.cumsum(np.array(lengths, dtype=np.int64) + 1)
    hashes, places = _word_hashes(data)
    ends = np.searchsorted(places, bounds)
    orders = NO_ORDERS
    if texts and (ordered or not is_plain):
        orders = read_orders(hashes, _code_points(data, places), ends, always=ordered)
    return _distinct_sets(hashes, ends, orders)


def mix_bits(numbers: Hashes) -> Hashes:
    """Mix the bits of the numbers. Works in place."""
    for _ in range(2):
        numbers ^= numbers >> np.uint64(32)
        numbers *= np.uint64(0xD6E8FEB86659FD93)
    numbers ^= numbers >> np.uint64(32)
    return numbers


def _code_points(data: bytes, places: Ints) -> Ints:
    """Return the code point at each place of a text in UTF-8."""
    four = np.frombuffer(data + bytes(3), dtype=np.uint8).astype(np.int64)
    one, two, three, last = (four[places + n] for n in range(4))
    tail = (two & 63) << 6 | (three & 63)
    long = np.where(one < 0xF0, (one & 15) << 12 | tail, (one & 7) << 18 | tail << 6 | (last & 63))
    return np.where(one < 0x80, one, np.where(one < 0xE0, (one & 31) << 6 | (two & 63), long))


def _word_hashes(data: bytes) -> tuple[Hashes, Ints]:
    """Return the hash of each word in order, and the place of its first byte."""
    letters = data.translate(_BYTES)
    if len(letters) <= _PIECE:
        return _piece_hashes(letters)
    hashes, places, start = [], [], 0
    while start < len(letters):
        end = letters.rfind(b"\0", start, start + _PIECE)
        if end < 0:
            end = letters.find(b"\0", start)
        end = len(letters) if end < 0 else end + 1
        some, first = _piece_hashes(letters[start:end])
        hashes.append(some)
        places.append(first + start)
        start = end
    return np.concatenate(hashes), np.concatenate(places)


def _piece_hashes(piece: bytes) -> tuple[Hashes, Ints]:
    letters = np.frombuffer(piece, dtype=np.uint8)
    inside = np.zeros(len(letters) + 2, dtype=np.bool_)
    np.not_equal(letters, 0, out=inside[1:-1])
    borders = np.flatnonzero(inside[1:] != inside[:-1])
    first, end = borders[0::2], borders[1::2]
    bits = len(letters).bit_length()
    powers, inverses = _hash_powers(1 << (_FEW if bits <= _FEW else max(_MANY, bits)))
    sums = np.zeros(len(letters) + 1, dtype=np.uint64)
    np.cumsum(powers[: len(letters)] * letters, out=sums[1:])
    return mix_bits((sums[end] - sums[first]) * inverses[first]) >> (np.uint64(64) - _HASH_BITS), first


def _distinct_sets(hashes: Hashes, ends: Ints, orders: Orders) -> WordSets:
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    packed = np.repeat(np.arange(len(ends), dtype=np.uint64) << _HASH_BITS, counts)
    packed |= hashes
    packed.sort()
    kept = np.ones(len(packed), dtype=np.bool_)
    np.not_equal(packed[1:], packed[:-1], out=kept[1:])
    return WordSets.of(packed[kept], len(ends), orders)


@lru_cache(maxsize=3)
def _hash_powers(count: int) -> tuple[Hashes, Hashes]:
    """Return the powers of the base, and those of its inverse modulo 2 ** 64."""
    return _power_series(_BASE, count), _power_series(pow(_BASE, -1, 1 << 64), count)


def _power_series(base: int, count: int) -> Hashes:
    powers = np.ones(count, dtype=np.uint64)
    done = 1
    while done < count:
        more = min(done, count - done)
        powers[done : done + more] = powers[:more] * np.uint64(pow(base, done, 1 << 64))
        done += more
    return powers


_ALL = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class WordSet:
    """The set of words of one text: ascending hashes, each with its mixed form for sums."""

    words: list[tuple[int, int]]
    parity: int
    #: One record, or none where the order does not count.
    order: Orders

    def __len__(self) -> int:
        return len(self.words)

    @property
    def hashes(self) -> list[int]:
        """The hashes alone."""
        return [word for word, _ in self.words]


def word_set(text: str, *, ordered: bool = False) -> WordSet:
    """Build the set of words of one text, as `word_sets` makes it."""
    text = mark_signs(text) if ordered else text
    words = word_list(text)
    hashes = sorted(map(_word_hash, set(words)))
    parity = 0
    for word, _ in hashes:
        parity ^= 1 << (word & 63)
    order = NO_ORDERS
    if ordered or not text.isascii():
        found = np.array([_word_hash(word)[0] for word in words], dtype=np.uint64)
        leads = np.array([ord(word[0]) for word in words], dtype=np.int64)
        order = read_orders(found, leads, np.array([len(words)]), always=ordered)
    return WordSet(hashes, parity, order)


def mix_one(number: int) -> int:
    """Return what `mix_bits` makes of one number."""
    for _ in range(2):
        number ^= number >> 32
        number = number * 0xD6E8FEB86659FD93 & _ALL
    return number ^ number >> 32


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> tuple[int, int]:
    total, power = 0, 1
    for byte in word.encode("utf-8", "surrogatepass"):
        total += byte * power
        power = power * _BASE & _ALL
    hashed = mix_one(total & _ALL) >> (64 - HASH_BITS)
    return hashed, mix_one(hashed + _BASE & _ALL)
