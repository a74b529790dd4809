"""The originals found so far, indexed by their keys, and batches of texts that are compared with them.

Near-duplicates share a key: sets are compared only with sets that publish a common one. `PartKeys`, for high
thresholds, uses the pigeonhole principle (PartEnum: Arasu, Ganti and Kaushik, 2006): all words are divided into `k + 1`
parts by their hash, and two sets that differ in at most `k` words are equal in at least one part, so each set publishes
one key per part. The distance `k` depends on the sizes of the two sets; a set publishes for every distance that a
near-duplicate of some size may have. `PrefixKeys`, for low thresholds, uses prefix filtering (Chaudhuri, Ganti and
Kaushik, 2006): with all words in one order, two near-duplicates share a word among the first `n - least overlap + 1` of
each. Rare words come first, so that few sets share one; any fixed order is correct.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ...core.arrow import FileArray, Flags, GrowingArray, Hashes, Ints, expand_ranges
from .pairs import NO_ORDERS, ROW, NearPairs, OrderArray, Orders, Sets, Threshold, are_unspaced, near_across, pack_keys
from .word_sets import HASH_BITS, WordSet, WordSets, mix_bits, mix_one, number_sets


class KeyScheme(ABC):
    """A way to publish keys so that near-duplicates share at least one."""

    @abstractmethod
    def keys(self, sets: WordSets) -> tuple[Hashes, Ints]:
        """Return keys of 64 bits, and for each the number of the set that publishes it."""

    def keys_of(self, one: WordSet) -> list[int]:
        """Return the keys of a single set."""
        sets = WordSets.of(np.array(one.hashes, dtype=np.uint64), 1, one.order)
        keys: list[int] = self.keys(sets)[0].tolist()
        return keys


#: Distances are rounded up, more coarsely as they grow, so that a set of 1,000 words publishes at one or two.
_EXACT, _STEP = 8, 1.2
_ALL = (1 << 64) - 1
_HASH_BITS = np.uint64(HASH_BITS)


class PartKeys(KeyScheme):
    """Keys for one threshold by the pigeonhole principle; the higher the threshold, the larger and rarer the parts."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._grow_levels(256)

    def keys(self, sets: WordSets) -> tuple[Hashes, Ints]:
        """Return keys of 64 bits, and for each the number of the set that publishes it."""
        sizes = sets.sizes
        if not len(sizes):
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
        if sizes.max() >= self._low.shape[1]:
            self._grow_levels(2 * int(sizes.max()))
        kind = are_unspaced(sets.orders).astype(np.int64) if len(sets.orders) else 0
        low, high = self._low[kind, sizes], self._high[kind, sizes]
        published = [
            self._level_keys(sets, np.flatnonzero((low <= level) & (level <= high)), level)
            for level in range(low.min(), high.max() + 1)
        ]
        return np.concatenate([keys for keys, _ in published]), np.concatenate([rows for _, rows in published])

    def keys_of(self, one: WordSet) -> list[int]:
        """Return the keys of a single set."""
        size, kind = len(one), int(are_unspaced(one.order).any())
        if size >= self._low.shape[1]:
            self._grow_levels(2 * size)
        keys = []
        for level in self._levels[self._low[kind, size] : self._high[kind, size] + 1].tolist():
            parts = level + 1
            sums = [part + (parts << 32) for part in range(parts)]
            for word, mixed in one.words:
                sums[(word >> 16) * parts >> 32] += mixed
            keys += [mix_one(total & _ALL) for total in sums]
        return keys

    def _grow_levels(self, size: int) -> None:
        sizes = np.arange(size + 1, dtype=np.int64)
        both = self._threshold, self._threshold.unspaced
        nearest = np.stack([one.apart(sizes + one.least_overlap(sizes)) for one in both])
        farthest = np.stack([one.apart(sizes + one.greatest_size(sizes)) for one in both])
        self._levels = _list_levels(int(farthest.max()))
        #: The first and the last level of a set, by whether each character is a word, and by size.
        self._low = np.searchsorted(self._levels, nearest)
        self._high = np.searchsorted(self._levels, farthest)

    def _level_keys(self, sets: WordSets, rows: Ints, level: int) -> tuple[Hashes, Ints]:
        """Return the keys of some sets at one distance: the sum of the words of each part."""
        parts = int(self._levels[level]) + 1
        first, end = sets.starts[rows], sets.starts[rows + 1]
        bounds = np.empty((len(rows), parts + 1), dtype=np.int64)
        bounds[:, 0], bounds[:, -1] = first, end
        if parts > 1:
            bounds[:, 1:-1] = self._part_borders(sets, rows, parts)
        sums = sets.sums[bounds]
        keys = sums[:, 1:] - sums[:, :-1]
        keys += np.arange(parts, dtype=np.uint64) + np.uint64(parts << 32)
        return mix_bits(keys.ravel()), np.repeat(rows, parts)

    @staticmethod
    def _part_borders(sets: WordSets, rows: Ints, parts: int) -> Ints:
        # A word's part is given by the upper bits of its hash, so in a sorted set the parts are consecutive.
        first = np.array([-(-(part << 32) // parts) << 16 for part in range(1, parts)], dtype=np.uint64)
        return np.searchsorted(sets.packed, (rows.view(np.uint64) << _HASH_BITS)[:, None] | first)


def _list_levels(most: int) -> Ints:
    levels = list(range(_EXACT + 1))
    while levels[-1] < most:
        levels.append(int(levels[-1] * _STEP) + 1)
    return np.array(levels, dtype=np.int64)


#: Words whose frequency is used; all others count as rare, ordered by hash.
_FREQUENT = 1 << 16
_EMPTY = np.uint64(0x5DEECE66D)


class PrefixKeys(KeyScheme):
    """Keys for one threshold by prefix filtering, with word frequencies taken from a sample."""

    def __init__(self, threshold: Threshold, sample: Hashes) -> None:
        self._threshold = threshold
        words, counts = np.unique(sample, return_counts=True)
        common = np.argsort(counts, kind="stable")[-_FREQUENT:]
        # Sorted by word, each with its rank among the frequent words, from 1.
        order = np.argsort(words[common])
        self._words, self._ranks = words[common][order], (order + 1).astype(np.uint64)

    def keys(self, sets: WordSets) -> tuple[Hashes, Ints]:
        """Return keys of 64 bits, and for each the number of the set that publishes it."""
        sizes = sets.sizes
        rows = np.repeat(np.arange(len(sets)), sizes)
        words = sets.words
        order = np.lexsort((words, self._rank_words(words), rows))
        overlap = self._threshold.least_overlap(sizes)
        if len(sets.orders):
            overlap = np.where(are_unspaced(sets.orders), self._threshold.unspaced.least_overlap(sizes), overlap)
        taken = np.where(sizes > 0, sizes - overlap + 1, 0)
        first = np.arange(len(rows)) - sets.starts[rows] < taken[rows]
        empty = np.flatnonzero(sizes == 0)
        keys = mix_bits(np.concatenate([words[order][first], np.full(len(empty), _EMPTY << np.uint64(16))]))
        return keys, np.concatenate([rows[first], empty])

    def _rank_words(self, words: Hashes) -> Hashes:
        if not len(self._words):
            return np.zeros(len(words), dtype=np.uint64)
        at = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
        return np.where(self._words[at] == words, self._ranks[at], np.uint64(0))


#: The largest batch: it decides the memory needed, not the result.
_MOST_TEXTS, _MOST_WORDS = 1 << 19, 1 << 24
_BLOCK = 1 << 12
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class WordSetBatch:
    """A batch of sets in order of arrival, with `published` keys: set in the upper half, key in the lower."""

    sets: Sets
    identities: Hashes
    fixed: Flags
    published: Hashes

    def __len__(self) -> int:
        return len(self.fixed)

    def part(self, first: int, end: int) -> Self:
        """Return the sets from `first` up to, but not including, `end`."""
        some = slice(first, end)
        held = self.sets
        sets = Sets(held.words, held.starts[some], held.sizes[some], held.parities[some], held.orders[some])
        bounds = np.array([first, min(end, len(self))], dtype=np.uint64) << _HALF
        at, stop = self.published.searchsorted(bounds).tolist()
        return type(self)(sets, self.identities[some], self.fixed[some], self.published[at:stop] - bounds[0])

    def first_alike(self) -> Ints:
        """Return the first equal set for each set; fixed sets are compared with fixed ones only."""
        _, first, same = np.unique(
            self.identities ^ self.fixed.astype(np.uint64), return_index=True, return_inverse=True
        )
        alike: Ints = first[same]
        return alike

    def keys_of(self, wanted: Flags) -> Hashes:
        """Return the keys of the wanted sets, packed (key in the upper half) and sorted."""
        some = self.published[wanted[(self.published >> _HALF).view(np.int64)]]
        packed = some << _HALF | some >> _HALF
        packed.sort()
        return packed


class BatchBuilder:
    """Collects blocks of sets, and their keys, until they make a batch."""

    def __init__(self) -> None:
        # Room that is not touched costs no memory, and an array with room need not be copied.
        self._words, self._sizes = GrowingArray(np.uint64, room=_MOST_WORDS + _MOST_WORDS // 8), GrowingArray(np.int64)
        self._parities, self._identities = GrowingArray(np.uint64), GrowingArray(np.uint64)
        self._fixed, self._published = GrowingArray(np.bool_), GrowingArray(np.uint64)
        self._orders = OrderArray()

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def is_full(self) -> bool:
        """Whether the batch has reached the largest size that is matched at once."""
        return len(self._sizes) >= _MOST_TEXTS or len(self._words) >= _MOST_WORDS

    @property
    def words(self) -> Hashes:
        """The words of all sets so far."""
        return self._words.values

    def add(self, sets: WordSets, fixed: Flags, scheme: KeyScheme | None) -> None:
        """Add a block of sets, with their keys if the scheme is already known."""
        if scheme:
            self._publish_keys(sets, len(self), scheme)
        self._orders.append(sets.orders, len(self), len(sets))
        self._words.append(sets.words)
        self._sizes.append(sets.sizes)
        self._parities.append(sets.parities)
        self._identities.append(sets.identities)
        self._fixed.append(fixed)

    def publish(self, scheme: KeyScheme) -> None:
        """Make the keys of all sets, for a scheme that depends on them."""
        ends = np.cumsum(self._sizes.values)
        for first in range(0, len(self), _BLOCK):
            sizes = self._sizes.values[first : first + _BLOCK]
            end = int(ends[first + len(sizes) - 1])
            words = self._words.values[end - int(sizes.sum()) : end]
            orders = self._orders.values[first : first + _BLOCK]
            self._publish_keys(number_sets(words, sizes, orders), first, scheme)

    def build(self) -> WordSetBatch:
        """Return the finished batch."""
        sizes = self._sizes.values
        orders = self._orders.values
        sets = Sets(self._words.values, np.cumsum(sizes) - sizes, sizes, self._parities.values, orders)
        published = self._published.values
        published.sort()
        return WordSetBatch(sets, self._identities.values, self._fixed.values, published)

    def _publish_keys(self, sets: WordSets, first: int, scheme: KeyScheme) -> None:
        keys, rows = scheme.keys(sets)
        self._published.append(keys >> _HALF | (rows + first).view(np.uint64) << _HALF)


#: Keys held in a dictionary before they are sorted into an array.
_RECENT = 1 << 15
_SHIFT = 32
_NOBODY: Ints = np.empty(0, dtype=np.int64)


class WordSetIndex:
    """The sets of the originals, numbered from 0, and an index from keys to these numbers.

    Keys are held in a few sorted arrays, each at least twice as long as the next, and the latest in a dictionary.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        """Create an empty index. With a folder `scratch`, it holds the words in a temporary file there."""
        self._words = GrowingArray(np.uint64) if scratch is None else FileArray(scratch, np.uint64)
        self._starts, self._sizes = GrowingArray(np.int64), GrowingArray(np.int64)
        self._parities, self._orders = GrowingArray(np.uint64), OrderArray()
        self._runs: list[Hashes] = []
        self._recent: dict[int, int | list[int]] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def sets(self) -> Sets:
        """All sets: views that are valid until the next set is added."""
        held = (self._words.values, self._starts.values, self._sizes.values, self._parities.values)
        return Sets(*held, self._orders.values)

    def near(self, packed: Hashes, sets: Sets, threshold: Threshold) -> NearPairs:
        """Find the near-duplicate pairs of an original and one of `sets`, whose packed keys are `packed`."""
        self._flush_recent()
        return near_across(self._runs, self.sets, packed, sets, threshold)

    def extend(self, sets: Sets, packed: Hashes, kept: Flags) -> None:
        """Add those of `sets` that are `kept`; `packed` holds the keys of all sets."""
        number = np.where(kept, np.cumsum(kept) - 1 + len(self), -1)
        rows = number[(packed & ROW).view(np.int64)]
        stays = rows >= 0
        self._add_run(pack_keys(packed[stays], rows[stays]))
        words = sets.words[int(sets.starts[0]) : int(sets.starts[-1] + sets.sizes[-1])]
        orders = sets.orders[kept] if len(sets.orders) else NO_ORDERS
        self._hold_sets(words[np.repeat(kept, sets.sizes)], sets.sizes[kept], sets.parities[kept], orders)

    def hold(self, sets: Sets, packed: Hashes) -> None:
        """Add all sets; `packed` holds their keys."""
        self._add_run(pack_keys(packed, (packed & ROW).view(np.int64) + len(self)))
        self._hold_sets(sets.words, sets.sizes, sets.parities, sets.orders)

    def add(self, one: WordSet, keys: list[int]) -> None:
        """Add a single set under its keys."""
        number = len(self)
        for key in keys:
            others = self._recent.setdefault(key >> _SHIFT, number)
            if isinstance(others, list):
                others.append(number)
            elif others != number:
                self._recent[key >> _SHIFT] = [others, number]
        self._orders.append(one.order, len(self), 1)
        self._starts.append_number(len(self._words))
        self._words.append(np.array(one.hashes, dtype=np.uint64))
        self._parities.append_number(one.parity)
        self._sizes.append_number(len(one))
        if len(self._recent) >= _RECENT:
            self._flush_recent()

    def candidates(self, keys: list[int]) -> Ints:
        """Return the numbers of the originals that share one of these keys; a number may occur several times."""
        found: list[Ints] = []
        recent = [number for key in keys for number in self._recent_numbers(key >> _SHIFT)]
        if recent:
            found.append(np.array(recent, dtype=np.int64))
        wanted = np.array(keys, dtype=np.uint64) & ~ROW
        for run in self._runs:
            first, end = run.searchsorted(wanted).tolist(), run.searchsorted(wanted | ROW, side="right").tolist()
            if first != end:
                found += [(run[a:b] & ROW).view(np.int64) for a, b in zip(first, end, strict=True) if a < b]
        return np.concatenate(found) if found else _NOBODY

    def publish(self, scheme: KeyScheme) -> None:
        """Rebuild the index under the keys of another scheme."""
        self._recent.clear()
        self._runs.clear()
        for first in range(0, len(self), _RECENT):
            numbers = np.arange(first, min(first + _RECENT, len(self)))
            keys, rows = scheme.keys(self._take_sets(numbers))
            self._add_run(pack_keys(keys, numbers[rows]))

    def _take_sets(self, numbers: Ints) -> WordSets:
        held = self.sets
        sizes = held.sizes[numbers].astype(np.int64)
        orders = held.orders[numbers] if len(held.orders) else held.orders
        return number_sets(held.words[expand_ranges(held.starts[numbers], sizes)], sizes, orders)

    def _recent_numbers(self, key: int) -> Sequence[int]:
        others = self._recent.get(key, ())
        return (others,) if isinstance(others, int) else others

    def _hold_sets(self, words: Hashes, sizes: Ints, parities: Hashes, orders: Orders) -> None:
        self._orders.append(orders, len(self), len(sizes))
        self._starts.append(len(self._words) + np.cumsum(sizes, dtype=np.int64) - sizes)
        self._words.append(words)
        self._sizes.append(sizes)
        self._parities.append(parities)

    def _flush_recent(self) -> None:
        if self._recent:
            packed = [key << _SHIFT | number for key in self._recent for number in self._recent_numbers(key)]
            self._recent.clear()
            self._add_run(np.sort(np.array(packed, dtype=np.uint64)))

    def _add_run(self, run: Hashes) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort()
        self._runs.append(run)
