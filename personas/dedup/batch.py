"""Near-duplicates of many texts at once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from .columns import Column
from .decision import Decision
from .judge import Judge
from .threshold import Threshold
from .wordsets import iter_blocks

__all__ = ["Duplicates", "find_duplicates", "judged", "near_any"]

type Blocks = Iterable[tuple[list[str], NDArray[np.bool_]]]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Which texts are near-duplicates, by their places from 0: text `rows[i]` repeats text `of[i]`."""

    #: Texts that were compared.
    texts: int
    rows: NDArray[np.int64]
    #: The original that each repeats: the most similar before it, the earliest of equals.
    of: NDArray[np.int64]
    #: Exact Jaccard similarity of the two sets of words.
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def find_duplicates(
    texts: Iterable[str],
    *,
    threshold: float = 0.9,
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """The near-duplicates among `texts`, exactly: those that `NearDuplicates.add` finds in the same order.

    The first of near-duplicates stays. A text whose only near-duplicates are themselves duplicates stays too. The
    texts are read once. With a folder `scratch`, the words of the originals are kept in a file
    there for the time being, not in memory. `progress` is told the number of texts judged so far.
    """
    return judged(_plain(texts), Threshold.parse(threshold), scratch=scratch, progress=progress)


def judged(
    blocks: Blocks,
    threshold: Threshold,
    *,
    scratch: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """What `find_duplicates` gives of texts in blocks; those marked in a block are originals whatever they repeat."""
    if scratch is None:
        return _collected(Judge(threshold).judge(blocks), progress)
    with TemporaryDirectory(dir=scratch, prefix="near-duplicates-") as folder:
        judge = Judge(threshold, Path(folder) / "words")
        try:
            return _collected(judge.judge(blocks), progress)
        finally:
            judge.originals.close()


def near_any(few: Iterable[str], texts: Iterable[str], threshold: Threshold) -> NDArray[np.int64]:
    """The places, from 0, of those `texts` that are near-duplicates of any of a `few`, whichever came first."""
    judge = Judge(threshold)
    judge.hold(_plain(few))
    return np.concatenate([np.empty(0, dtype=np.int64), *judge.near(_plain(texts))])


def _plain(texts: Iterable[str]) -> Blocks:
    return ((block, np.zeros(len(block), dtype=np.bool_)) for block in iter_blocks(texts))


def _collected(decisions: Iterator[Decision], progress: Callable[[int], None] | None) -> Duplicates:
    texts = 0
    originals, rows, of, similarity = Column(np.int64), Column(np.int64), Column(np.int64), Column(np.float64)
    for decision in decisions:
        repeats = np.flatnonzero(decision.of >= 0)
        originals.append(np.flatnonzero(decision.of < 0) + texts)
        rows.append(repeats + texts)
        of.append(originals.values[decision.of[repeats]])
        similarity.append(decision.similarity[repeats])
        texts += len(decision.of)
        if progress:
            progress(texts)
    return Duplicates(texts, rows.values, of.values, similarity.values)
