"""One set of words as numbers: what `wordsets` makes of many, number by number, for texts that come alone."""

from dataclasses import dataclass
from functools import lru_cache

from ..words import words
from .wordsets import BASE, HASH_BITS

__all__ = ["WordSet", "mix_one", "word_set"]

_ALL = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class WordSet:
    """The hashes of a set of words, ascending, each with its mixed form for sums."""

    words: list[tuple[int, int]]
    parity: int

    def __len__(self) -> int:
        return len(self.words)

    @property
    def hashes(self) -> list[int]:
        """The hashes alone."""
        return [word for word, _ in self.words]


def word_set(text: str) -> WordSet:
    """The set of words of one text."""
    hashes = sorted(map(_word_hash, words(text)))
    parity = 0
    for word, _ in hashes:
        parity ^= 1 << (word & 63)
    return WordSet(hashes, parity)


def mix_one(number: int) -> int:
    """What `wordsets.mix` makes of a number."""
    for _ in range(2):
        number ^= number >> 32
        number = number * 0xD6E8FEB86659FD93 & _ALL
    return number ^ number >> 32


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> tuple[int, int]:
    total, power = 0, 1
    for byte in word.encode("utf-8", "surrogatepass"):
        total += byte * power
        power = power * BASE & _ALL
    hashed = mix_one(total & _ALL) >> (64 - HASH_BITS)
    return hashed, mix_one(hashed + BASE & _ALL)
