"""Which keys near-duplicates are found by."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .wordset import WordSet
from .wordsets import WordSets

__all__ = ["Scheme"]


class Scheme(Protocol):
    """A way to publish keys such that near-duplicates share at least one."""

    def keys(self, sets: WordSets) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Keys of 64 bits, and the number of the set that publishes each."""
        ...

    def keys_of(self, one: WordSet) -> list[int]:
        """The keys of a single set."""
        ...
