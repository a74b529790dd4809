"""Near-duplicates of texts, exactly: an index for texts that come one at a time, and a function for many at once."""

import hashlib
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.arrow import Hashes, Ints
from ...core.errors import SetupError
from ...core.text import word_list
from .index import KeyScheme
from .matcher import Blocks, Duplicates, WordSetMatcher, collect
from .pairs import Threshold
from .word_sets import HASH_BITS, WordSets, iter_blocks, mix, word_set, word_sets

type Signatures = NDArray[np.uint32]

#: Slots of a signature (paper, section 2.3), and what else makes signatures comparable: scheme and seed of datasketch.
PERMUTATIONS = 128
_SCHEME, _SEED = "affine32", 1
#: The least chance that a pair exactly at the threshold becomes a candidate.
_RECALL = 0.995
_LONGEST_NGRAM = 20
_HASH_BYTES = HASH_BITS // 8


def choose_bands(threshold: float) -> tuple[int, int]:
    """The number of bands and the slots in each: the widest bands that still find 99.5 % of pairs at the threshold.

    A pair of similarity `s` becomes a candidate with the chance `1 - (1 - s ** rows) ** bands`.
    """
    for rows in range(PERMUTATIONS, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= _RECALL:
            return bands, rows
    return PERMUTATIONS, 1


def ngram_sets(texts: Sequence[str], ngram: int = 1) -> WordSets:
    """The sets of n-grams of at most 65,536 texts: runs of `ngram` words, joined by spaces.

    A text of fewer words is one n-gram. The lower 32 bits of a hash are `datasketch.hashfunc.sha1_hash32`. Raises
    `SetupError` for an n-gram of fewer than 1 or more than 20 words.
    """
    if not 1 <= ngram <= _LONGEST_NGRAM:
        raise SetupError(f"An n-gram has 1 to {_LONGEST_NGRAM} words, but {ngram} was given.")
    hashed = [set(map(_gram_hash, _ngrams(text, ngram))) for text in texts]
    words = np.fromiter((word for some in hashed for word in some), dtype=np.uint64, count=sum(map(len, hashed)))
    numbers = np.arange(len(texts), dtype=np.uint64) << np.uint64(HASH_BITS)
    words |= np.repeat(numbers, [len(some) for some in hashed])
    words.sort()
    return WordSets.of(words, len(texts))


def signatures(sets: WordSets) -> Signatures:
    """One signature of 128 slots a set of `ngram_sets`; of an empty set, each slot holds the greatest number."""
    found = np.full((len(sets), PERMUTATIONS), np.iinfo(np.uint32).max, dtype=np.uint32)
    filled = np.flatnonzero(sets.sizes)
    if len(filled):
        hashes = _finalised(sets.words.astype(np.uint32))
        for slot, (factor, offset) in enumerate(zip(*_permutations(), strict=True)):
            found[filled, slot] = np.minimum.reduceat(hashes * factor + offset, sets.starts[filled])
    return found


class BandKeys(KeyScheme):
    """Keys from the bands of signatures; nearly all sets as similar as the threshold share one."""

    def __init__(self, threshold: Threshold) -> None:
        self.bands, self.rows = choose_bands(threshold.least / threshold.whole)

    def keys(self, sets: WordSets) -> tuple[Hashes, Ints]:
        """Keys of 64 bits, and the number of the set that publishes each."""
        keys = band_keys(signatures(sets), self.bands, self.rows)
        return keys.ravel(), np.repeat(np.arange(len(sets)), self.bands)


def band_keys(made: Signatures, bands: int, rows: int) -> Hashes:
    """One key of 64 bits for each band of each signature: equal where all slots of the band are."""
    slots = made[:, : bands * rows].reshape(len(made), bands, rows).astype(np.uint64)
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), (len(made), bands)).copy()
    for row in range(rows):
        keys = mix((keys << np.uint64(8)) + keys + slots[:, :, row] + np.uint64(1))
    return keys


def _ngrams(text: str, ngram: int) -> Iterable[str]:
    found = word_list(text)
    if ngram == 1 or not found:
        return found
    return (" ".join(found[at : at + ngram]) for at in range(max(1, len(found) - ngram + 1)))


@lru_cache(maxsize=1 << 17)
def _gram_hash(gram: str) -> int:
    digest = hashlib.sha1(gram.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:_HASH_BYTES], "little")


def _finalised(hashes: Signatures) -> Signatures:
    # The last mixing step of MurmurHash3, which affine32 puts before its permutations.
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(0x85EBCA6B)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(0xC2B2AE35)
    hashes ^= hashes >> np.uint32(16)
    return hashes


@cache
def _permutations() -> tuple[Signatures, Signatures]:
    from datasketch import MinHash

    factors, offsets = MinHash(num_perm=PERMUTATIONS, seed=_SEED, scheme=_SCHEME).permutations
    return factors, offsets


#: The stage of verdicts by the default method: an exact join on the sets of words.
STAGE = "exact"


@dataclass(frozen=True, slots=True)
class DedupMethod:
    """How candidates are found, and what is compared. Either method verifies every candidate exactly."""

    #: `exact` finds all near-duplicates; `minhash`, the paper's method, nearly all, also of thresholds below 0.5.
    name: Literal["exact", "minhash"] = "exact"
    #: Words in each n-gram; the paper compares single words.
    ngram: int = 1

    @property
    def stage(self) -> str:
        """The stage of verdicts by this method: `exact`, `minhash`, `minhash:3-gram`."""
        return self.name if self.ngram == 1 else f"{self.name}:{self.ngram}-gram"

    @classmethod
    def of_stage(cls, stage: str) -> "DedupMethod":
        """The method whose verdicts have this stage."""
        name, _, ngram = stage.partition(":")
        return cls("minhash" if name == "minhash" else "exact", int(ngram.removesuffix("-gram")) if ngram else 1)

    def parse_threshold(self, value: float) -> Threshold:
        """The threshold. Raises `SetupError` outside 0.5 to 1, or 0.1 to 1 for `minhash`."""
        return Threshold.parse(value, minhash=self.name == "minhash")

    def matcher(self, threshold: Threshold, scratch: Path | None = None) -> WordSetMatcher:
        """Make a matcher by this method."""
        is_plain = self == DedupMethod()
        keys = BandKeys(threshold) if self.name == "minhash" else None
        return WordSetMatcher(
            threshold, scratch, keys=keys, sets=word_sets if is_plain else partial(ngram_sets, ngram=self.ngram)
        )


@dataclass(frozen=True, slots=True)
class Match[K: (str, int)]:
    """The earlier text that a text nearly repeats."""

    key: K
    #: Exact Jaccard similarity of the two sets of words.
    similarity: float
    #: The stage that found it.
    stage: str = STAGE


@dataclass(frozen=True, slots=True)
class Verdict:
    """Persona `persona` is a near-duplicate of the earlier persona `of`: marked, never deleted."""

    persona: str
    of: str
    stage: str
    similarity: float


class NearDuplicates[K: (str, int)]:
    """An index that finds for each text the earlier text that it nearly repeats, exactly.

    Only originals are indexed. So every later copy is matched with an original and never with another copy, matches
    form no chains, and a text that occurs a thousand times takes the memory of one. `len()` is the number of originals.
    """

    def __init__(
        self,
        threshold: float = 0.9,
        *,
        scratch: Path | None = None,
        keys: MutableSequence[K] | None = None,
        ordered: bool = False,
    ) -> None:
        """If `ordered`, no text repeats one with other numbers, or with words in other places, as `order` defines it.

        That always holds where each character is a word. With a folder `scratch`, the words of many originals are held
        in a temporary file there, not in memory.
        `keys` receives the keys of originals, in a list unless given: an array of numbers takes a fifth of its memory.
        """
        self._ordered = ordered
        self._matcher = WordSetMatcher(Threshold.parse(threshold), scratch, sets=partial(word_sets, ordered=ordered))
        self._keys: MutableSequence[K] = [] if keys is None else keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Match[K] | None:
        """The most similar original that `text` nearly repeats, the earliest of equals. Adds nothing."""
        return self._match(self._matcher.find(word_set(text, ordered=self._ordered)))

    def add(self, key: K, text: str) -> Match[K] | None:
        """What `find` gives. If that is None, `text` becomes an original under `key`."""
        found = self._matcher.add(word_set(text, ordered=self._ordered))
        if found is None:
            self._keys.append(key)
        return self._match(found)

    def keep_all(self, keys: Iterable[K], texts: Iterable[str]) -> None:
        """Make texts originals without comparing them, for those that an earlier session decided on."""
        self._matcher.hold(_blocks(texts))
        self._keys.extend(keys)

    def add_all(self, keys: Sequence[K], texts: Iterable[str]) -> list[Match[K] | None]:
        """What `add` gives for each text in turn, a hundred times as fast for many texts."""
        matches: list[Match[K] | None] = []
        for decision in self._matcher.match(_blocks(texts)):
            kept = np.flatnonzero(decision.of < 0) + len(matches)
            self._keys.extend(keys[place] for place in kept.tolist())
            for of, similarity in zip(decision.of.tolist(), decision.similarity.tolist(), strict=True):
                matches.append(None if of < 0 else Match(self._keys[of], similarity))
        return matches

    def _match(self, found: tuple[int, float] | None) -> Match[K] | None:
        return None if found is None else Match(self._keys[found[0]], found[1])


def _blocks(texts: Iterable[str]) -> Blocks:
    return ((block, np.zeros(len(block), dtype=np.bool_)) for block in iter_blocks(texts))


def find_duplicates(
    texts: Iterable[str],
    *,
    threshold: float = 0.9,
    method: DedupMethod = DedupMethod(),
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """The near-duplicates among `texts`; by default exactly those that `NearDuplicates.add` finds in the same order.

    The first of near-duplicates is kept, and so is a text whose only near-duplicates are duplicates themselves. Texts
    are read once. With a folder `scratch`, the words of many originals are held in a temporary file there.
    `progress` is called with the number of texts done.
    """
    least = method.parse_threshold(threshold)
    return find_in_blocks(_blocks(texts), least, method=method, scratch=scratch, progress=progress)


def find_in_blocks(
    blocks: Blocks,
    threshold: Threshold,
    *,
    method: DedupMethod = DedupMethod(),
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """`find_duplicates` for blocks of texts, each with flags: a flagged text is kept whatever it repeats."""
    return collect(method.matcher(threshold, scratch).match(blocks), progress)


def near_any(
    few: Iterable[str], texts: Iterable[str], threshold: Threshold, *, method: DedupMethod = DedupMethod()
) -> NDArray[np.int64]:
    """The places, from 0, of the `texts` that are near-duplicates of any of a `few`, in whatever order they came."""
    matcher = method.matcher(threshold)
    matcher.hold(_blocks(few))
    return np.concatenate([np.empty(0, dtype=np.int64), *matcher.near(_blocks(texts))])
