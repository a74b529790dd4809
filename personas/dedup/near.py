"""Near-duplicates of texts that come one at a time, or many at once."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .judge import Judge
from .threshold import Threshold
from .verdict import Match
from .wordset import word_set
from .wordsets import iter_blocks

__all__ = ["NearDuplicates"]


class NearDuplicates[K: (str, int)]:
    """An index that tells of each text which earlier text it nearly repeats.

    Only originals are kept: a text that is a near-duplicate is reported and not indexed. So every later copy
    is reported against an original and never against a copy of it, matches form no chains, and a text that is
    said a thousand times costs as much memory as one said once. `len()` is the number of originals.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        self._judge = Judge(Threshold.parse(threshold))
        self._keys: list[K] = []

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Match[K] | None:
        """The most similar original that `text` nearly repeats, the earliest of equals; nothing is added."""
        return self._match(self._judge.find(word_set(text)))

    def add(self, key: K, text: str) -> Match[K] | None:
        """What `find` gives; when that is None, `text` is an original from now on, under `key`."""
        found = self._judge.add(word_set(text))
        if found is None:
            self._keys.append(key)
        return self._match(found)

    def keep(self, key: K, text: str) -> None:
        """Make `text` an original without comparing it: for those that an earlier session decided on."""
        self._judge.add(word_set(text), fixed=True)
        self._keys.append(key)

    def keep_all(self, keys: Iterable[K], texts: Iterable[str]) -> None:
        """What `keep` does for each text: a million in seconds."""
        self._judge.hold(_blocks(texts))
        self._keys += keys

    def add_all(self, keys: Sequence[K], texts: Iterable[str]) -> list[Match[K] | None]:
        """What `add` gives for each text in turn, a hundred times as fast when there are many."""
        matches: list[Match[K] | None] = []
        for decision in self._judge.judge(_blocks(texts)):
            kept = np.flatnonzero(decision.of < 0) + len(matches)
            self._keys += [keys[place] for place in kept.tolist()]
            for of, similarity in zip(decision.of.tolist(), decision.similarity.tolist(), strict=True):
                matches.append(None if of < 0 else Match(self._keys[of], similarity))
        return matches

    def _match(self, found: tuple[int, float] | None) -> Match[K] | None:
        return None if found is None else Match(self._keys[found[0]], found[1])


def _blocks(texts: Iterable[str]) -> Iterator[tuple[list[str], NDArray[np.bool_]]]:
    return ((block, np.zeros(len(block), dtype=np.bool_)) for block in iter_blocks(texts))
