"""Texts that are judged together, as numbers."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .columns import Column
from .comparison import Sets
from .scheme import Scheme
from .wordsets import WordSets, numbered

__all__ = ["Gathering", "Newcomers"]

type Numbers = NDArray[np.uint64]
type Counts = NDArray[np.int64]
type Flags = NDArray[np.bool_]

#: What is judged together at most: it decides the memory needed, not the verdicts.
_MOST_TEXTS, _MOST_WORDS = 1 << 19, 1 << 24
_BLOCK = 1 << 12
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Sets of words in order of arrival, with their keys: upper half of each number the set, lower half the key."""

    sets: Sets
    identities: Numbers
    fixed: Flags
    published: Numbers

    def __len__(self) -> int:
        return len(self.fixed)

    def part(self, first: int, end: int) -> Self:
        """Those from `first` up to before `end`."""
        some = slice(first, end)
        sets = Sets(self.sets.words, self.sets.starts[some], self.sets.sizes[some], self.sets.parities[some])
        bounds = np.array([first, min(end, len(self))], dtype=np.uint64) << _HALF
        at, stop = self.published.searchsorted(bounds).tolist()
        return type(self)(sets, self.identities[some], self.fixed[some], self.published[at:stop] - bounds[0])

    def first_alike(self) -> Counts:
        """For each the first with its very set, the fixed ones being a world of their own."""
        _, first, same = np.unique(
            self.identities ^ self.fixed.astype(np.uint64), return_index=True, return_inverse=True
        )
        alike: Counts = first[same]
        return alike

    def keys_of(self, wanted: Flags) -> Numbers:
        """The keys of those wanted, packed and sorted."""
        some = self.published[wanted[(self.published >> _HALF).view(np.int64)]]
        packed = some << _HALF | some >> _HALF
        packed.sort()
        return packed


class Gathering:
    """Newcomers while they come in, block by block."""

    def __init__(self) -> None:
        # Room that is not used costs nothing, and what has room need not be copied.
        self._words, self._sizes = Column(np.uint64, room=_MOST_WORDS + _MOST_WORDS // 8), Column(np.int64)
        self._parities, self._identities = Column(np.uint64), Column(np.uint64)
        self._fixed, self._published = Column(np.bool_), Column(np.uint64)

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def is_full(self) -> bool:
        """Whether it is time to judge them."""
        return len(self._sizes) >= _MOST_TEXTS or len(self._words) >= _MOST_WORDS

    @property
    def words(self) -> Numbers:
        """The words of all of them."""
        return self._words.values

    def add(self, sets: WordSets, fixed: Flags, scheme: Scheme | None) -> None:
        """Take a block in, and its keys if the scheme is known already."""
        if scheme:
            self._publish(sets, len(self), scheme)
        self._words.append(sets.words)
        self._sizes.append(sets.sizes)
        self._parities.append(sets.parities)
        self._identities.append(sets.identities)
        self._fixed.append(fixed)

    def publish(self, scheme: Scheme) -> None:
        """The keys of all of them, when the scheme depends on them."""
        ends = np.cumsum(self._sizes.values)
        for first in range(0, len(self), _BLOCK):
            sizes = self._sizes.values[first : first + _BLOCK]
            end = int(ends[first + len(sizes) - 1])
            words = self._words.values[end - int(sizes.sum()) : end]
            self._publish(numbered(words, sizes), first, scheme)

    def newcomers(self) -> Newcomers:
        """All of them, ready to be judged."""
        sizes = self._sizes.values
        sets = Sets(self._words.values, np.cumsum(sizes) - sizes, sizes, self._parities.values)
        published = self._published.values
        published.sort()
        return Newcomers(sets, self._identities.values, self._fixed.values, published)

    def _publish(self, sets: WordSets, first: int, scheme: Scheme) -> None:
        keys, rows = scheme.keys(sets)
        self._published.append(keys >> _HALF | (rows + first).view(np.uint64) << _HALF)
