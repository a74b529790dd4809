"""Near-duplicates by the paper's first stage (section 2.3): 1-gram MinHash, 128 permutations, Jaccard >= 0.9.

MinHash only nominates candidates; exact Jaccard decides. The bands are 16 of 8 slots, which nominate a pair
at Jaccard 0.9 with probability 0.9999 (the 5 of 25 that datasketch chooses by itself: 0.31). The index keeps
its own table of band keys: at 100,000 texts of 20 words datasketch's takes six times the time and four times
the memory.
"""

from array import array
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING

import numpy as np

from .minhash import PERMUTATIONS, signature
from .words import jaccard, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["THRESHOLD", "Match", "NearDuplicates", "Verdict"]

#: The least Jaccard similarity of near-duplicates, as a ratio of integers: no rounding at the edge.
THRESHOLD = (9, 10)

_BANDS, _ROWS = 16, 8
_BAND_BYTES = 4 * PERMUTATIONS // _BANDS
#: Keeps a band's key within two digits of a Python integer: a third of the memory of the bytes themselves.
_KEY_BITS = (1 << 60) - 1
#: From this many texts in a band on, they are sifted as arrays before they are compared one by one.
_CROWD = 16


@dataclass(frozen=True, slots=True)
class Match[K: (str, int)]:
    """The earlier text that a text is a near-duplicate of."""

    key: K
    #: Exact Jaccard similarity of the two sets of words.
    similarity: float
    #: The stage that found it.
    stage: str = "minhash"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Persona `persona` is a near-duplicate of the earlier persona `of`: marked, never deleted."""

    persona: str
    of: str
    stage: str
    similarity: float


class _Sketch:
    """What is compared of a text; the signature is only made when it is asked for."""

    __slots__ = ("_band_keys", "words")

    def __init__(self, text: str) -> None:
        self.words = words(text)
        self._band_keys: list[int] | None = None

    @property
    def band_keys(self) -> list[int]:
        """One number a band, equal in two texts when the band's slots are."""
        # Python's salted hash will do: no key leaves the process, and a collision only costs a comparison.
        if self._band_keys is None:
            slots = signature(self.words).tobytes()
            starts = range(0, len(slots), _BAND_BYTES)
            self._band_keys = [hash(slots[at : at + _BAND_BYTES]) & _KEY_BITS for at in starts]
        return self._band_keys

    @property
    def parity(self) -> int:
        """64 bits, each flipped by a 64th of all words: two sets differ in at least as many words as bits."""
        bits = 0
        for word in self.words:
            bits ^= 1 << (hash(word) & 63)
        return bits

    @property
    def most_apart(self) -> int:
        """The most words by which a set that reaches the threshold can differ from this one."""
        least, whole = THRESHOLD
        return len(self.words) * (whole - least) // least


class NearDuplicates[K: (str, int)]:
    """An index that tells of each text which earlier text it nearly repeats.

    Only originals are kept: a text that is a near-duplicate is reported and not indexed. So every later copy
    is reported against an original and never against a copy of it, matches form no chains, and a text that is
    said a thousand times costs as much memory as one said once. `len()` is the number of originals.
    """

    def __init__(self) -> None:
        self._keys: list[K] = []
        self._words: list[tuple[str, ...]] = []
        self._parities = array("Q")
        self._by_set: dict[int, int] = {}
        self._bands: tuple[dict[int, int | array[int]], ...] = tuple({} for _ in range(_BANDS))

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Match[K] | None:
        """The most similar original that `text` nearly repeats, the earliest of equals; nothing is added."""
        sketch = _Sketch(text)
        return self._twin(sketch) or self._best(sketch)

    def add(self, key: K, text: str) -> Match[K] | None:
        """What `find` gives; when that is None, `text` is an original from now on, under `key`."""
        sketch = _Sketch(text)
        match = self._twin(sketch) or self._best(sketch)
        if match is None:
            self._insert(key, sketch)
        return match

    def keep(self, key: K, text: str) -> None:
        """Make `text` an original without comparing it: for those that an earlier session decided on."""
        self._insert(key, _Sketch(text))

    def _insert(self, key: K, sketch: _Sketch) -> None:
        number = len(self._keys)
        self._keys.append(key)
        self._words.append(tuple(map(intern, sketch.words)))
        self._parities.append(sketch.parity)
        self._by_set.setdefault(hash(sketch.words), number)
        for band, band_key in zip(self._bands, sketch.band_keys, strict=True):
            others = band.setdefault(band_key, number)
            if isinstance(others, array):
                others.append(number)
            elif others != number:
                band[band_key] = array("I", (others, number))

    def _twin(self, sketch: _Sketch) -> Match[K] | None:
        # The same words exactly need no signature. Of two sets with one hash the bands find the second.
        number = self._by_set.get(hash(sketch.words))
        if number is None or sketch.words != frozenset(self._words[number]):
            return None
        return Match(self._keys[number], 1.0)

    def _best(self, sketch: _Sketch) -> Match[K] | None:
        best, best_shared, best_union = None, *THRESHOLD
        for number in self._candidates(sketch):
            theirs = self._words[number]
            shared = len(sketch.words.intersection(theirs))
            union = len(sketch.words) + len(theirs) - shared
            better = shared * best_union - best_shared * union
            if better > 0 or (better == 0 and best is None):
                best, best_shared, best_union = number, shared, union
        return None if best is None else Match(self._keys[best], jaccard(sketch.words, frozenset(self._words[best])))

    def _candidates(self, sketch: _Sketch) -> list[int]:
        """The originals that share a band, earliest first; of crowded bands only those that may be near."""
        found: set[int] = set()
        crowds: list[NDArray[np.uint32]] = []
        for band, band_key in zip(self._bands, sketch.band_keys, strict=True):
            others = band.get(band_key)
            if isinstance(others, int):
                found.add(others)
            elif others is not None and len(others) < _CROWD:
                found.update(others)
            elif others is not None:
                # A copy: a view that a debugger or a traceback keeps would forbid the band to grow.
                crowds.append(np.array(others, dtype=np.uint32))
        if crowds:
            crowd = np.concatenate(crowds)
            parities = np.frombuffer(self._parities, dtype=np.uint64)[crowd]
            apart = np.bitwise_count(parities ^ np.uint64(sketch.parity))
            found.update(crowd[apart <= sketch.most_apart].tolist())
        return sorted(found)
