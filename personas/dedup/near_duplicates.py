"""Near-duplicates of texts, exactly: matched with earlier originals in order, one at a time or many at once."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.arrow import Flags, GrowingArray, Hashes, Ints
from ...core.errors import SetupError
from ...core.text import word_list
from .index import BatchBuilder, KeyScheme, PartKeys, PrefixKeys, WordSetBatch, WordSetIndex
from .pairs import (
    NearPairs,
    Sets,
    Threshold,
    are_in_order,
    are_unspaced,
    count_pairs,
    near_across,
    near_within,
    some_orders,
)
from .word_sets import HASH_BITS, WordSet, WordSets, iter_blocks, mix_bits, word_set, word_sets

_PORTION = 1 << 20
#: Originals and newcomers are fewer than this power of two.
_SHIFT = 32


@dataclass(frozen=True, slots=True)
class Matches:
    """For each text of a batch the original that it repeats, or -1: those of the batch come after those held."""

    of: Ints
    similarity: NDArray[np.float64]


def match_in_order(held: int, first: Ints, fixed: Flags, across: NearPairs, within: NearPairs) -> Matches:
    """Match the texts of a batch, in order, with `held` originals and with each other.

    `first` gives for each text the first one with an equal set. Pairs are given for these first ones only: `across`
    between originals and texts, `within` between two texts. `fixed` texts are originals whatever they repeat. A text
    repeats the most similar original before it, and the earliest of equally similar ones.
    """
    gone = _find_gone(first, fixed, across, within)
    of = np.where(gone[first] | (first == np.arange(len(first))) | fixed, -1, first + held)
    decision = Matches(of, np.where(of >= 0, 1.0, 0.0))
    repeats = np.flatnonzero(gone[first] & ~fixed)
    if len(repeats):
        _choose_originals(held, decision, repeats, first, _list_choices(held, gone, across, within))
    # Texts of the batch that are repeated are numbered as the originals that they become.
    number = np.cumsum(decision.of < 0) - 1 + held
    newer = decision.of >= held
    decision.of[newer] = number[decision.of[newer] - held]
    return decision


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The near-duplicates among texts or vectors, by place from 0: number `rows[i]` nearly repeats number `of[i]`."""

    #: Texts or vectors that were compared.
    compared: int
    rows: Ints
    #: The original that each repeats: the most similar before it, the earliest of equals.
    of: Ints
    #: Exact Jaccard similarity of two sets of words, or the cosine of two vectors to six decimals.
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def collect(matches: Iterable[Matches], progress: Callable[[int], None] | None = None) -> Duplicates:
    """Collect the near-duplicates in the matches of consecutive batches; `progress` gets the number compared."""
    compared = 0
    originals, rows, of = GrowingArray(np.int64), GrowingArray(np.int64), GrowingArray(np.int64)
    similarity = GrowingArray(np.float64)
    for some in matches:
        repeats = np.flatnonzero(some.of >= 0)
        originals.append(np.flatnonzero(some.of < 0) + compared)
        rows.append(repeats + compared)
        of.append(originals.values[some.of[repeats]])
        similarity.append(some.similarity[repeats])
        compared += len(some.of)
        if progress:
            progress(compared)
    return Duplicates(compared, rows.values, of.values, similarity.values)


def _find_gone(first: Ints, fixed: Flags, across: NearPairs, within: NearPairs) -> Flags:
    gone = np.zeros(len(first), dtype=np.bool_)
    gone[across.right] = True
    gone[fixed] = False
    judged = ~fixed[within.right]
    left, right = within.left[judged], within.right[judged]
    order = np.lexsort((left, right))
    # Pairs are sorted by their later text, so every earlier text is decided by then. Chains make this a loop.
    marks = bytearray(gone.tobytes())
    for at in range(0, len(order), _PORTION):
        part = order[at : at + _PORTION]
        for earlier, later in zip(left[part].tolist(), right[part].tolist(), strict=True):
            if not marks[earlier]:
                marks[later] = 1
    return np.frombuffer(bytes(marks), dtype=np.bool_)


def _list_choices(held: int, gone: Flags, across: NearPairs, within: NearPairs) -> NearPairs:
    """Return the pairs of an original and a text that repeats it, ordered by text and original."""
    left, right = within.left, within.right
    one, other = gone[right] & ~gone[left], gone[left] & ~gone[right]
    theirs = gone[across.right]
    original = np.concatenate([across.left[theirs], left[one] + held, right[other] + held])
    newcomer = np.concatenate([across.right[theirs], right[one], left[other]])
    similarity = np.concatenate([across.similarity[theirs], within.similarity[one], within.similarity[other]])
    order = np.lexsort((original, newcomer))
    return NearPairs(original[order], newcomer[order], similarity[order])


def _choose_originals(held: int, decision: Matches, repeats: Ints, first: Ints, choices: NearPairs) -> None:
    # A later copy of a set may find a better original than the first did: at each place, the best so far.
    place = np.arange(len(choices.left))
    rising = np.lexsort((-place, choices.similarity, choices.right))
    rank = np.empty_like(place)
    rank[rising] = place
    best = rising[np.maximum.accumulate(rank)]
    asked = (first[repeats] << _SHIFT) + repeats + held
    chosen = best[np.searchsorted((choices.right << _SHIFT) + choices.left, asked) - 1]
    decision.of[repeats] = choices.left[chosen]
    decision.similarity[repeats] = choices.similarity[chosen]


#: Texts in blocks, with a mark for each that is kept whatever it repeats.
type Blocks = Iterable[tuple[list[str], NDArray[np.bool_]]]

#: Below this threshold parts are so small that many sets share one; prefix keys are better there.
_PARTS_FROM = (4, 5)
#: Pairs with a common key beyond which a batch is matched in smaller groups, down to the least: where many texts nearly
#: repeat one, there are many pairs, and earlier groups settle all but the first.
_MOST_PAIRS, _LEAST_GROUP = 1 << 23, 1 << 10
#: Words from which frequencies are taken, and the factor of growth after which they are taken again.
_SAMPLE, _AGAIN = 1 << 22, 4


class WordSetMatcher:
    """Finds for each set the earlier original that it nearly repeats; originals are numbered from 0.

    The first of near-duplicates is kept: a set is compared with earlier originals only, and becomes an original when it
    repeats none. Otherwise it repeats the most similar one, and of equally similar ones the earliest.
    """

    def __init__(
        self,
        threshold: Threshold,
        scratch: Path | None = None,
        *,
        keys: KeyScheme | None = None,
        sets: Callable[[Sequence[str]], WordSets] = word_sets,
    ) -> None:
        """Create a matcher; `keys` finds the candidates (default: all), and `sets` makes the sets of some texts."""
        self.threshold = threshold
        self.originals = WordSetIndex(scratch)
        self._sets = sets
        if keys is None and threshold.least * _PARTS_FROM[1] >= threshold.whole * _PARTS_FROM[0]:
            keys = PartKeys(threshold)
        #: Prefix keys depend on the frequencies of words, which are not known before the first texts.
        self._is_adaptive = keys is None
        self._scheme = keys or PrefixKeys(threshold, np.empty(0, dtype=np.uint64))
        self._ordered = 0

    def find(self, one: WordSet) -> tuple[int, float] | None:
        """Return the number of the original that a set repeats, and the similarity. Adds nothing."""
        return self._find_best(one, self._scheme.keys_of(one))

    def add(self, one: WordSet) -> tuple[int, float] | None:
        """Return what `find` gives. If that is None, the set becomes an original."""
        keys = self._scheme.keys_of(one)
        match = self._find_best(one, keys)
        if match is None:
            self.originals.add(one, keys)
            self._reorder_words()
        return match

    def match(self, blocks: Blocks) -> Iterator[Matches]:
        """Match texts in batches; texts marked in a block become originals whatever they repeat."""
        for batch in self._iter_batches(blocks):
            first, group = 0, len(batch)
            while first < len(batch):
                part = batch.part(first, first + group)
                if group > _LEAST_GROUP and _is_crowded(part):
                    group = max(group // 4, _LEAST_GROUP)
                    continue
                yield self._match_group(part)
                first += group

    def hold(self, blocks: Blocks) -> None:
        """Make all texts originals without comparing them."""
        for batch in self._iter_batches(blocks):
            self.originals.hold(batch.sets, batch.keys_of(np.ones(len(batch), dtype=np.bool_)))

    def near(self, blocks: Blocks) -> Iterator[Ints]:
        """Yield the places, from 0, of the texts that are near-duplicates of any original. Adds nothing."""
        before = 0
        for batch in self._iter_batches(blocks):
            keys = batch.keys_of(np.ones(len(batch), dtype=np.bool_))
            yield np.unique(self.originals.near(keys, batch.sets, self.threshold).right) + before
            before += len(batch)

    def _iter_batches(self, blocks: Blocks) -> Iterator[WordSetBatch]:
        """Yield the texts in batches that fit into memory, with their keys."""
        builder = BatchBuilder()
        for texts, fixed in blocks:
            builder.add(self._sets(texts), fixed, None if self._is_adaptive else self._scheme)
            if builder.is_full:
                yield self._build_batch(builder)
                builder = BatchBuilder()
        yield self._build_batch(builder)

    def _build_batch(self, builder: BatchBuilder) -> WordSetBatch:
        if self._is_adaptive:
            self._reorder_words(builder.words)
            builder.publish(self._scheme)
        return builder.build()

    def _match_group(self, batch: WordSetBatch) -> Matches:
        """Match some texts of a batch, and add their originals."""
        held, sets, alike = len(self.originals), batch.sets, batch.first_alike()
        own = alike == np.arange(len(alike))
        keys = batch.keys_of(own)
        across = self.originals.near(keys, sets, self.threshold)
        matches = match_in_order(held, alike, batch.fixed, across, self._match_within(batch, own, across))
        self.originals.extend(sets, keys, matches.of < 0)
        return matches

    def _match_within(self, batch: WordSetBatch, own: Flags, across: NearPairs) -> NearPairs:
        """Find the near-duplicate pairs within a batch in which one text may be an original."""
        settled = np.zeros(len(batch), dtype=np.bool_)
        settled[across.right] = True
        settled &= ~batch.fixed
        sets, keys = batch.sets, batch.keys_of(own & ~settled)
        open_pairs = near_within(keys, sets, self.threshold)
        if not settled.any():
            return open_pairs
        mixed = near_across([keys], sets, batch.keys_of(own & settled), sets, self.threshold)
        ordered = NearPairs(np.minimum(mixed.left, mixed.right), np.maximum(mixed.left, mixed.right), mixed.similarity)
        return NearPairs.joined([open_pairs, ordered])

    def _find_best(self, one: WordSet, keys: list[int]) -> tuple[int, float] | None:
        """Return the most similar original, the earliest of equals."""
        numbers = self.originals.candidates(keys)
        if not len(numbers):
            return None
        held, size, mine = self.originals.sets, len(one), set(one.hashes)
        best, best_shared, best_union = None, 0, 1
        near, threshold = self._sift_candidates(one, held, numbers)
        for number in near:
            start, others = held.starts[number], int(held.sizes[number])
            shared = len(mine.intersection(held.words[start : start + others].tolist()))
            # Two texts without words are equal.
            union, shared = size + others - shared or 1, shared if size or others else 1
            if shared * threshold.whole >= union * threshold.least and shared * best_union > best_shared * union:
                best, best_shared, best_union = number, shared, union
        return None if best is None else (best, best_shared / best_union)

    def _sift_candidates(self, one: WordSet, held: Sets, numbers: Ints) -> tuple[list[int], Threshold]:
        """Return the candidates that pass the filters of parity bits and order, and the threshold of this text.

        Candidates are ascending.
        """
        sizes, size = held.sizes[numbers], np.int64(len(one))
        bits = np.bitwise_count(held.parities[numbers] ^ np.uint64(one.parity))
        if not (len(one.order) or len(held.orders)):
            return sorted(set(numbers[bits <= self.threshold.apart(sizes + size)].tolist())), self.threshold
        differ = np.maximum(bits.astype(np.int64), np.abs(sizes - size))
        threshold = self.threshold.unspaced if are_unspaced(one.order).any() else self.threshold
        mine = some_orders(one.order, np.zeros(1, dtype=np.int64))
        fits = are_in_order(mine, some_orders(held.orders, numbers), np.minimum(sizes, size), differ)
        return sorted(set(numbers[fits & (differ <= threshold.apart(sizes + size))].tolist())), threshold

    def _reorder_words(self, more: Hashes | None = None) -> None:
        """Recompute word frequencies once there are several times as many texts as last time."""
        if not self._is_adaptive or (more is None and len(self.originals) < _AGAIN * max(self._ordered, 64)):
            return
        if more is not None and self._ordered:
            return
        sample = self.originals.sets.words[-_SAMPLE:] if more is None else more[:_SAMPLE]
        self._scheme, self._ordered = PrefixKeys(self.threshold, sample), max(len(self.originals), 1)
        self.originals.publish(self._scheme)


def _is_crowded(batch: WordSetBatch) -> bool:
    alike = batch.first_alike()
    return count_pairs(batch.keys_of(alike == np.arange(len(alike)))) > _MOST_PAIRS


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
    hashed = [set(map(_gram_hash, _iter_ngrams(text, ngram))) for text in texts]
    words = np.fromiter((word for some in hashed for word in some), dtype=np.uint64, count=sum(map(len, hashed)))
    numbers = np.arange(len(texts), dtype=np.uint64) << np.uint64(HASH_BITS)
    words |= np.repeat(numbers, [len(some) for some in hashed])
    words.sort()
    return WordSets.of(words, len(texts))


def make_signatures(sets: WordSets) -> Signatures:
    """One signature of 128 slots a set of `ngram_sets`; of an empty set, each slot holds the greatest number."""
    found = np.full((len(sets), PERMUTATIONS), np.iinfo(np.uint32).max, dtype=np.uint32)
    filled = np.flatnonzero(sets.sizes)
    if len(filled):
        hashes = _finalise_hashes(sets.words.astype(np.uint32))
        for slot, (factor, offset) in enumerate(zip(*_read_permutations(), strict=True)):
            found[filled, slot] = np.minimum.reduceat(hashes * factor + offset, sets.starts[filled])
    return found


class BandKeys(KeyScheme):
    """Keys from the bands of signatures; nearly all sets as similar as the threshold share one."""

    def __init__(self, threshold: Threshold) -> None:
        self.bands, self.rows = choose_bands(threshold.least / threshold.whole)

    def keys(self, sets: WordSets) -> tuple[Hashes, Ints]:
        """Keys of 64 bits, and the number of the set that publishes each."""
        keys = band_keys(make_signatures(sets), self.bands, self.rows)
        return keys.ravel(), np.repeat(np.arange(len(sets)), self.bands)


def band_keys(made: Signatures, bands: int, rows: int) -> Hashes:
    """One key of 64 bits for each band of each signature: equal where all slots of the band are."""
    slots = made[:, : bands * rows].reshape(len(made), bands, rows).astype(np.uint64)
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), (len(made), bands)).copy()
    for row in range(rows):
        keys = mix_bits((keys << np.uint64(8)) + keys + slots[:, :, row] + np.uint64(1))
    return keys


def _iter_ngrams(text: str, ngram: int) -> Iterable[str]:
    found = word_list(text)
    if ngram == 1 or not found:
        return found
    return (" ".join(found[at : at + ngram]) for at in range(max(1, len(found) - ngram + 1)))


@lru_cache(maxsize=1 << 17)
def _gram_hash(gram: str) -> int:
    digest = hashlib.sha1(gram.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:_HASH_BYTES], "little")


def _finalise_hashes(hashes: Signatures) -> Signatures:
    # The last mixing step of MurmurHash3, which affine32 puts before its permutations.
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(0x85EBCA6B)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(0xC2B2AE35)
    hashes ^= hashes >> np.uint32(16)
    return hashes


@cache
def _read_permutations() -> tuple[Signatures, Signatures]:
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

    def make_matcher(self, threshold: Threshold, scratch: Path | None = None) -> WordSetMatcher:
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
        return self._make_match(self._matcher.find(word_set(text, ordered=self._ordered)))

    def add(self, key: K, text: str) -> Match[K] | None:
        """What `find` gives. If that is None, `text` becomes an original under `key`."""
        found = self._matcher.add(word_set(text, ordered=self._ordered))
        if found is None:
            self._keys.append(key)
        return self._make_match(found)

    def keep_all(self, keys: Iterable[K], texts: Iterable[str]) -> None:
        """Make texts originals without comparing them, for those that an earlier session decided on."""
        self._matcher.hold(_make_blocks(texts))
        self._keys.extend(keys)

    def add_all(self, keys: Sequence[K], texts: Iterable[str]) -> list[Match[K] | None]:
        """What `add` gives for each text in turn, a hundred times as fast for many texts."""
        matches: list[Match[K] | None] = []
        for decision in self._matcher.match(_make_blocks(texts)):
            kept = np.flatnonzero(decision.of < 0) + len(matches)
            self._keys.extend(keys[place] for place in kept.tolist())
            for of, similarity in zip(decision.of.tolist(), decision.similarity.tolist(), strict=True):
                matches.append(None if of < 0 else Match(self._keys[of], similarity))
        return matches

    def _make_match(self, found: tuple[int, float] | None) -> Match[K] | None:
        return None if found is None else Match(self._keys[found[0]], found[1])


def _make_blocks(texts: Iterable[str]) -> Blocks:
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
    return find_in_blocks(_make_blocks(texts), least, method=method, scratch=scratch, progress=progress)


def find_in_blocks(
    blocks: Blocks,
    threshold: Threshold,
    *,
    method: DedupMethod = DedupMethod(),
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """`find_duplicates` for blocks of texts, each with flags: a flagged text is kept whatever it repeats."""
    return collect(method.make_matcher(threshold, scratch).match(blocks), progress)


def near_any(
    few: Iterable[str], texts: Iterable[str], threshold: Threshold, *, method: DedupMethod = DedupMethod()
) -> NDArray[np.int64]:
    """The places, from 0, of the `texts` that are near-duplicates of any of a `few`, in whatever order they came."""
    matcher = method.make_matcher(threshold)
    matcher.hold(_make_blocks(few))
    return np.concatenate([np.empty(0, dtype=np.int64), *matcher.near(_make_blocks(texts))])
