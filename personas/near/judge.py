"""First come is kept, by cosine: newcomers judged in their order against originals and each other."""

import numpy as np
from numpy.typing import NDArray

from ..dedup.columns import Column
from ..dedup.decision import Decision, decide
from ..dedup.pairs import Compared
from .cosine import Counts, Exact, Matrix, cosines, units
from .search import Search, may_be_near, slack

__all__ = ["BLOCK", "VectorJudge"]

type Flags = NDArray[np.bool_]

#: Newcomers that are judged together: it decides the speed and the memory, not the verdicts.
BLOCK = 1024


class VectorJudge:
    """Judges rows of matrices; originals are known by the number of their row."""

    def __init__(self, search: Search, threshold: float) -> None:
        self._search = search
        self._threshold = threshold
        self._rows = Column(np.int64)

    @property
    def rows(self) -> Counts:
        """The originals so far, in order."""
        return self._rows.values

    def judge(self, matrix: Matrix, rows: Counts, fixed: Flags) -> Decision:
        """Judge these rows of `matrix`, all originals being rows of it too; the `fixed` stay whatever they repeat.

        Says of each which original it repeats, by its place among `self.rows`, or -1 for an original.
        """
        scaled = units(matrix[rows])
        decision = self._decide(matrix, rows, fixed, scaled)
        held, kept = len(self._rows), decision.of < 0
        # What was numbered behind the originals held is numbered among them now.
        place = np.cumsum(kept) - 1 + held
        inside = decision.of >= held
        decision.of[inside] = place[decision.of[inside] - held]
        self._rows.append(rows[kept])
        self._search.hold(scaled[kept])
        return decision

    def _decide(self, matrix: Matrix, rows: Counts, fixed: Flags, scaled: Exact) -> Decision:
        across = self._across(matrix, rows, np.flatnonzero(~fixed), scaled)
        gone = np.zeros(len(rows), dtype=np.bool_)
        gone[across.right] = True
        within = self._within(matrix, rows, np.flatnonzero(~gone), scaled)
        return decide(len(self._rows), np.arange(len(rows)), fixed, across, within)

    def _across(self, matrix: Matrix, rows: Counts, judged: Counts, scaled: Exact) -> Compared:
        found = [_no_pairs()]
        for left, right in self._search.near(scaled[judged]):
            found.append(self._compared(matrix, self.rows[left], rows[judged[right]], left, judged[right]))
        return Compared(*(np.concatenate([getattr(part, name) for part in found]) for name in _FIELDS))

    def _within(self, matrix: Matrix, rows: Counts, left: Counts, scaled: Exact) -> Compared:
        """Pairs of which the earlier, one of `left`, may stay."""
        short = scaled.astype(np.float32)
        at, later = may_be_near(short[left] @ short.T, self._threshold - slack(short.shape[1]))
        earlier = left[at]
        behind = earlier < later
        earlier, later = earlier[behind], later[behind]
        return self._compared(matrix, rows[earlier], rows[later], earlier, later)

    def _compared(self, matrix: Matrix, one: Counts, other: Counts, left: Counts, right: Counts) -> Compared:
        similarity = cosines(matrix, one, other)
        near = similarity >= self._threshold
        return Compared(left[near], right[near], similarity[near])


_FIELDS = ("left", "right", "similarity")


def _no_pairs() -> Compared:
    nobody: Counts = np.empty(0, dtype=np.int64)
    return Compared(nobody, nobody, np.empty(0))
