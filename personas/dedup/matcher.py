"""Matching texts with earlier originals in order of arrival, one at a time or in batches, with equal results."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .index import BatchBuilder, WordSetBatch, WordSetIndex
from .keys import KeyScheme, PartKeys, PrefixKeys
from .pairs import Compared, Sets, Threshold, count_pairs, near_across, near_within
from .word_sets import WordSet, WordSets, word_sets

__all__ = ["Matches", "WordSetMatcher", "match_in_order"]


type Counts = NDArray[np.int64]
type Flags = NDArray[np.bool_]

_PORTION = 1 << 20
#: Originals and newcomers are fewer than this power of two.
_SHIFT = 32


@dataclass(frozen=True, slots=True)
class Matches:
    """For each newcomer the original that it repeats, or -1. Newcomers are numbered behind the originals held."""

    of: Counts
    similarity: NDArray[np.float64]


def match_in_order(held: int, first: Counts, fixed: Flags, across: Compared, within: Compared) -> Matches:
    """Judge newcomers in their order against `held` originals and each other.

    `first` has for each newcomer the first with its very set; pairs are given of such first ones alone, `across` of
    held and newcomer, `within` of two newcomers. The `fixed` are originals whatever they repeat. A
    newcomer repeats the most similar original before it, the earliest of equals.
    """
    gone = _gone(first, fixed, across, within)
    of = np.where(gone[first] | (first == np.arange(len(first))) | fixed, -1, first + held)
    decision = Matches(of, np.where(of >= 0, 1.0, 0.0))
    repeats = np.flatnonzero(gone[first] & ~fixed)
    if len(repeats):
        _choose(held, decision, repeats, first, _choices(held, gone, across, within))
    return decision


def _gone(first: Counts, fixed: Flags, across: Compared, within: Compared) -> Flags:
    gone = np.zeros(len(first), dtype=np.bool_)
    gone[across.right] = True
    gone[fixed] = False
    judged = ~fixed[within.right]
    left, right = within.left[judged], within.right[judged]
    order = np.lexsort((left, right))
    # By the time a newcomer's pairs come, everybody before it is decided. Chains make this a loop.
    marks = bytearray(gone.tobytes())
    for at in range(0, len(order), _PORTION):
        part = order[at : at + _PORTION]
        for earlier, later in zip(left[part].tolist(), right[part].tolist(), strict=True):
            if not marks[earlier]:
                marks[later] = 1
    return np.frombuffer(bytes(marks), dtype=np.bool_)


def _choices(held: int, gone: Flags, across: Compared, within: Compared) -> Compared:
    """Each pair of an original and a newcomer that is none, in the order of newcomers and originals."""
    left, right = within.left, within.right
    one, other = gone[right] & ~gone[left], gone[left] & ~gone[right]
    theirs = gone[across.right]
    original = np.concatenate([across.left[theirs], left[one] + held, right[other] + held])
    newcomer = np.concatenate([across.right[theirs], right[one], left[other]])
    similarity = np.concatenate([across.similarity[theirs], within.similarity[one], within.similarity[other]])
    order = np.lexsort((original, newcomer))
    return Compared(original[order], newcomer[order], similarity[order])


def _choose(held: int, decision: Matches, repeats: Counts, first: Counts, choices: Compared) -> None:
    # A later copy of a set may find a better original than its first did: the best so far, at each place.
    place = np.arange(len(choices.left))
    rising = np.lexsort((-place, choices.similarity, choices.right))
    rank = np.empty_like(place)
    rank[rising] = place
    best = rising[np.maximum.accumulate(rank)]
    asked = (first[repeats] << _SHIFT) + repeats + held
    chosen = best[np.searchsorted((choices.right << _SHIFT) + choices.left, asked) - 1]
    decision.of[repeats] = choices.left[chosen]
    decision.similarity[repeats] = choices.similarity[chosen]


type Numbers = NDArray[np.uint64]
type Blocks = Iterable[tuple[list[str], NDArray[np.bool_]]]

#: Below, parts get so small that many sets share one, and rare words tell sets apart better.
_PARTS_FROM = (4, 5)
#: Pairs with a key in common beyond which newcomers are judged in smaller groups, down to the least: among those that
#: nearly repeat one text, pairs are many, and all but the first are settled by the groups before.
_MOST_PAIRS, _LEAST_GROUP = 1 << 23, 1 << 10
#: Words after which frequencies are taken, and how much there must be more to take them again.
_SAMPLE, _AGAIN = 1 << 22, 4


class WordSetMatcher:
    """Tells of sets of words which earlier original each repeats; originals are numbered from 0.

    First come is kept: a newcomer is compared with the originals before it alone, and becomes one when it
    repeats none. Otherwise it repeats the most similar, the earliest of equals.
    """

    def __init__(
        self,
        threshold: Threshold,
        scratch: Path | None = None,
        *,
        keys: KeyScheme | None = None,
        sets: Callable[[Sequence[str]], WordSets] = word_sets,
    ) -> None:
        """`keys` finds candidates, exactly where none is given; `sets` says what is compared of some texts."""
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
        """The number of the original that a single set repeats, and the similarity; nothing is added."""
        return self._best(one, self._scheme.keys_of(one))

    def add(self, one: WordSet, *, fixed: bool = False) -> tuple[int, float] | None:
        """What `find` gives; when that is None, or it is `fixed`, the set is an original from now on."""
        keys = self._scheme.keys_of(one)
        match = None if fixed else self._best(one, keys)
        if match is None:
            self.originals.add(one, keys)
            self._reorder()
        return match

    def judge(self, blocks: Blocks) -> Iterator[Matches]:
        """The decisions on texts, some hundred thousand at a time; those marked in a block are originals anyway."""
        for gathered in self._gathered(blocks):
            yield from self._judged(gathered)

    def hold(self, blocks: Blocks) -> None:
        """Make all texts originals without comparing them."""
        for gathered in self._gathered(blocks):
            newcomers = gathered.newcomers()
            everybody = np.ones(len(newcomers), dtype=np.bool_)
            self.originals.hold(newcomers.sets, newcomers.keys_of(everybody))

    def near(self, blocks: Blocks) -> Iterator[Counts]:
        """The places of the texts, from 0, that are near any original; nothing is added."""
        before = 0
        for gathered in self._gathered(blocks):
            newcomers = gathered.newcomers()
            everybody = np.ones(len(newcomers), dtype=np.bool_)
            found = self.originals.near(newcomers.keys_of(everybody), newcomers.sets, self.threshold)
            yield np.unique(found.right) + before
            before += len(newcomers)

    def _gathered(self, blocks: Blocks) -> Iterator[BatchBuilder]:
        """The texts in groups that fit into memory, with their keys."""
        gathered = BatchBuilder()
        for texts, fixed in blocks:
            gathered.add(self._sets(texts), fixed, None if self._is_adaptive else self._scheme)
            if gathered.is_full:
                yield self._published(gathered)
                gathered = BatchBuilder()
        yield self._published(gathered)

    def _published(self, gathered: BatchBuilder) -> BatchBuilder:
        if self._is_adaptive:
            self._reorder(gathered.words)
            gathered.publish(self._scheme)
        return gathered

    def _judged(self, gathered: BatchBuilder) -> Iterator[Matches]:
        newcomers = gathered.newcomers()
        first, group = 0, len(newcomers)
        while first < len(newcomers):
            part = newcomers.part(first, first + group)
            if group > _LEAST_GROUP and _is_crowded(part):
                group = max(group // 4, _LEAST_GROUP)
                continue
            yield self._decided(part)
            first += group

    def _decided(self, newcomers: WordSetBatch) -> Matches:
        """Judge a group, and hold its originals."""
        held, sets, alike = len(self.originals), newcomers.sets, newcomers.first_alike()
        own = alike == np.arange(len(alike))
        keys = newcomers.keys_of(own)
        across = self.originals.near(keys, sets, self.threshold)
        within = self._within(newcomers, own, across)
        decision = match_in_order(held, alike, newcomers.fixed, across, within)
        kept = decision.of < 0
        self.originals.extend(sets, keys, kept)
        number = np.cumsum(kept) - 1 + held
        newer = decision.of >= held
        decision.of[newer] = number[decision.of[newer] - held]
        return decision

    def _within(self, newcomers: WordSetBatch, own: Flags, across: Compared) -> Compared:
        """The near pairs of newcomers of which one may be an original: most repeat one that is held already."""
        settled = np.zeros(len(newcomers), dtype=np.bool_)
        settled[across.right] = True
        settled &= ~newcomers.fixed
        sets, keys = newcomers.sets, newcomers.keys_of(own & ~settled)
        open_pairs = near_within(keys, sets, self.threshold)
        if not settled.any():
            return open_pairs
        mixed = near_across([keys], sets, newcomers.keys_of(own & settled), sets, self.threshold)
        return Compared(
            np.concatenate([open_pairs.left, np.minimum(mixed.left, mixed.right)]),
            np.concatenate([open_pairs.right, np.maximum(mixed.left, mixed.right)]),
            np.concatenate([open_pairs.similarity, mixed.similarity]),
        )

    def _best(self, one: WordSet, keys: list[int]) -> tuple[int, float] | None:
        """The most similar original, the earliest of equals."""
        numbers = self.originals.candidates(keys)
        if not len(numbers):
            return None
        held, size, mine = self.originals.sets, len(one), set(one.hashes)
        best, best_shared, best_union = None, self.threshold.least, self.threshold.whole
        for number in self._sifted(one, held, numbers):
            start, others = held.starts[number], int(held.sizes[number])
            shared = len(mine.intersection(held.words[start : start + others].tolist()))
            # Two texts without words are equal.
            union = size + others - shared or 1
            better = (shared if size or others else 1) * best_union - best_shared * union
            if better > 0 or (better == 0 and best is None):
                best, best_shared, best_union = number, shared if size or others else 1, union
        return None if best is None else (best, best_shared / best_union)

    def _sifted(self, one: WordSet, held: Sets, numbers: Counts) -> list[int]:
        """Those that may be near, by the bits in which they differ."""
        bits = np.bitwise_count(held.parities[numbers] ^ np.uint64(one.parity))
        near = numbers[bits <= self.threshold.apart(held.sizes[numbers] + np.int64(len(one)))]
        return sorted(set(near.tolist()))

    def _reorder(self, more: Numbers | None = None) -> None:
        """Take the frequencies of words anew when there are many times as many texts as last time."""
        if not self._is_adaptive or (more is None and len(self.originals) < _AGAIN * max(self._ordered, 64)):
            return
        if more is not None and self._ordered:
            return
        sample = self.originals.sets.words[-_SAMPLE:] if more is None else more[:_SAMPLE]
        self._scheme, self._ordered = PrefixKeys(self.threshold, sample), max(len(self.originals), 1)
        self.originals.publish(self._scheme)


def _is_crowded(newcomers: WordSetBatch) -> bool:
    alike = newcomers.first_alike()
    return count_pairs(newcomers.keys_of(alike == np.arange(len(alike)))) > _MOST_PAIRS
