"""The originals so far: their sets of words, and who publishes which key."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .columns import Column, FileColumn, stretches
from .comparison import Sets
from .pairs import ROW, Compared, near_across, pack
from .scheme import Scheme
from .threshold import Threshold
from .wordset import WordSet
from .wordsets import WordSets, numbered

__all__ = ["Originals"]

type Numbers = NDArray[np.uint64]
type Counts = NDArray[np.int64]
type Flags = NDArray[np.bool_]

#: Keys that are held in a dictionary before they are sorted into an array.
_RECENT = 1 << 15
_SHIFT = 32
_NOBODY: Counts = np.empty(0, dtype=np.int64)


class Originals:
    """Sets of words under numbers from 0, found again by the keys they publish.

    Keys stand in a few sorted arrays, each at least twice as long as the next, and the latest in a dictionary.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._words = Column(np.uint64) if scratch is None else FileColumn(scratch, np.uint64)
        self._starts, self._sizes = Column(np.int64), Column(np.int64)
        self._parities = Column(np.uint64)
        self._runs: list[Numbers] = []
        self._recent: dict[int, int | list[int]] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    def close(self) -> None:
        """Delete the file of words, if there is one."""
        if isinstance(self._words, FileColumn):
            self._words.close()

    @property
    def sets(self) -> Sets:
        """All of them, of use until the next one comes."""
        return Sets(self._words.values, self._starts.values, self._sizes.values, self._parities.values)

    def near(self, packed: Numbers, sets: Sets, threshold: Threshold) -> Compared:
        """Each pair of an original and one of `sets`, whose sorted keys are `packed`, that are near-duplicates."""
        self._flush()
        return near_across(self._runs, self.sets, packed, sets, threshold)

    def extend(self, sets: Sets, packed: Numbers, kept: Flags) -> None:
        """Hold those of `sets` that are `kept`; `packed` are the keys of all."""
        number = np.where(kept, np.cumsum(kept) - 1 + len(self), -1)
        rows = number[(packed & ROW).view(np.int64)]
        stays = rows >= 0
        self._add_run(pack(packed[stays], rows[stays]))
        words = sets.words[int(sets.starts[0]) : int(sets.starts[-1] + sets.sizes[-1])]
        self._hold(words[np.repeat(kept, sets.sizes)], sets.sizes[kept], sets.parities[kept])

    def hold(self, sets: Sets, packed: Numbers) -> None:
        """Hold all sets; `packed` are their keys."""
        self._add_run(pack(packed, (packed & ROW).view(np.int64) + len(self)))
        self._hold(sets.words, sets.sizes, sets.parities)

    def add(self, one: WordSet, keys: list[int]) -> None:
        """Hold a single set under its keys."""
        number = len(self)
        for key in keys:
            others = self._recent.setdefault(key >> _SHIFT, number)
            if isinstance(others, list):
                others.append(number)
            elif others != number:
                self._recent[key >> _SHIFT] = [others, number]
        self._starts.push(len(self._words))
        self._words.append(np.array(one.hashes, dtype=np.uint64))
        self._parities.push(one.parity)
        self._sizes.push(len(one))
        if len(self._recent) >= _RECENT:
            self._flush()

    def candidates(self, keys: list[int]) -> Counts:
        """The numbers of those that share one of some keys, some of them several times."""
        found: list[Counts] = []
        recent = [number for key in keys for number in self._lately(key >> _SHIFT)]
        if recent:
            found.append(np.array(recent, dtype=np.int64))
        wanted = np.array(keys, dtype=np.uint64) & ~ROW
        for run in self._runs:
            first, end = run.searchsorted(wanted).tolist(), run.searchsorted(wanted | ROW, side="right").tolist()
            if first != end:
                found += [(run[a:b] & ROW).view(np.int64) for a, b in zip(first, end, strict=True) if a < b]
        return np.concatenate(found) if found else _NOBODY

    def publish(self, scheme: Scheme) -> None:
        """Let all of them publish other keys."""
        self._recent.clear()
        self._runs.clear()
        for first in range(0, len(self), _RECENT):
            numbers = np.arange(first, min(first + _RECENT, len(self)))
            keys, rows = scheme.keys(self._some(numbers))
            self._add_run(pack(keys, numbers[rows]))

    def _some(self, numbers: Counts) -> WordSets:
        held = self.sets
        sizes = held.sizes[numbers].astype(np.int64)
        return numbered(held.words[stretches(held.starts[numbers], sizes)], sizes)

    def _lately(self, key: int) -> Sequence[int]:
        others = self._recent.get(key, ())
        return (others,) if isinstance(others, int) else others

    def _hold(self, words: Numbers, sizes: Counts, parities: Numbers) -> None:
        self._starts.append(len(self._words) + np.cumsum(sizes, dtype=np.int64) - sizes)
        self._words.append(words)
        self._sizes.append(sizes)
        self._parities.append(parities)

    def _flush(self) -> None:
        if self._recent:
            packed = [key << _SHIFT | number for key in self._recent for number in self._lately(key)]
            self._recent.clear()
            self._add_run(np.sort(np.array(packed, dtype=np.uint64)))

    def _add_run(self, run: Numbers) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort()
        self._runs.append(run)
