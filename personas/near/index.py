"""Near-duplicates of vectors that come one at a time."""

import numpy as np
from numpy.typing import NDArray

from ..dedup.verdict import Match
from ..errors import SetupError
from .axes import AXES, Axes
from .cosine import COSINE, Matrix, check_cosine, check_vectors, units
from .judge import VectorJudge
from .search import ExactSearch

__all__ = ["NearVectors"]

_LEAST_ROOM = 256
#: Originals from which axes are taken first, and how many times as many there are when they are taken anew.
_FIRST, _AGAIN = 16 * AXES, 4
_SAMPLE = 4096


class NearVectors[K: (str, int)]:
    """An index that tells of each vector which earlier one it is near to, exactly.

    Only originals are kept, as by `NearDuplicates` of words. `len()` is their number.
    """

    def __init__(self, threshold: float = COSINE, *, stage: str = "cosine") -> None:
        """`stage` is what matches say that found them. Raises `SetupError` for a threshold outside 0 to 1."""
        self._threshold = check_cosine(threshold)
        self._stage = stage
        self._keys: list[K] = []
        self._room: Matrix = np.empty((0, 0), dtype=np.float32)
        self._fitted = 0
        self._judge: VectorJudge | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, vector: Matrix) -> Match[K] | None:
        """The most similar original that `vector` is near to, the earliest of equals; nothing is added.

        Raises `SetupError` for a vector that is not finite, or not as long as those before it.
        """
        decision = self._ready(vector).find(self._room, len(self))
        return self._match(int(decision.of[0]), float(decision.similarity[0]))

    def add(self, key: K, vector: Matrix) -> Match[K] | None:
        """What `find` gives; when that is None, `vector` is an original from now on, under `key`."""
        decision = self._added(vector, fixed=np.zeros(1, dtype=np.bool_))
        if decision[0] < 0:
            self._keys.append(key)
        return self._match(*decision)

    def keep(self, key: K, vector: Matrix) -> None:
        """Make `vector` an original without comparing it."""
        self._added(vector, fixed=np.ones(1, dtype=np.bool_))
        self._keys.append(key)

    def _added(self, vector: Matrix, fixed: NDArray[np.bool_]) -> tuple[int, float]:
        decision = self._ready(vector).judge(self._room, np.array([len(self)]), fixed)
        return int(decision.of[0]), float(decision.similarity[0])

    def _ready(self, vector: Matrix) -> VectorJudge:
        """The judge, with the vector in the row behind the originals."""
        row = np.asarray(vector, dtype=np.float32).reshape(1, -1)
        check_vectors(row)
        if self._judge is None:
            self._room = np.empty((_LEAST_ROOM, row.shape[1]), dtype=np.float32)
            self._judge = VectorJudge(ExactSearch(Axes(row.shape[1]), self._threshold), self._threshold)
        if row.shape[1] != self._room.shape[1]:
            raise SetupError(f"A vector of {row.shape[1]} numbers came, and those before it had {self._room.shape[1]}.")
        if len(self) == len(self._room):
            self._room = np.concatenate([self._room, np.empty_like(self._room)])
        self._room[len(self)] = row
        if len(self) >= max(_FIRST, _AGAIN * self._fitted):
            self._judge = self._refitted()
        return self._judge

    def _refitted(self) -> VectorJudge:
        self._fitted = len(self)
        sample = np.unique(np.linspace(0, len(self) - 1, _SAMPLE).astype(np.int64))
        judge = VectorJudge(ExactSearch(Axes.of(units(self._room[sample])), self._threshold), self._threshold)
        judge.hold(self._room, np.arange(len(self)))
        return judge

    def _match(self, of: int, similarity: float) -> Match[K] | None:
        return None if of < 0 else Match(self._keys[of], similarity, self._stage)
