"""How many ties lie between two people."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate
from .network import Network
from .ties import Ints

__all__ = ["Paths", "measure_paths"]

_WORD = 64
#: A part of up to so many people is walked from everybody.
_WHOLE = 1024
#: Visits of ties after which a network of very long paths is given up.
_VISITS = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Paths:
    """Shortest paths within the largest connected part, ties walked both ways."""

    #: Mean over pairs of people; None when nobody is tied, or the network is too long to be walked.
    mean: Estimate
    #: The longest that was met: the diameter when `mean` is exact, else a lower bound of it.
    longest: int | None
    #: Share of the pairs at distance 1, 2, ... (of the pairs looked at).
    shares: tuple[float, ...]


def measure_paths(network: Network, rng: np.random.Generator, *, sources: int = _WORD) -> Paths:
    """The paths from everybody in a small largest part, else from `sources` people drawn from it."""
    sizes = np.bincount(network.parts) if network.people else np.zeros(1, np.int64)
    everybody = np.flatnonzero(network.parts == sizes.argmax()) if sizes.max() > 1 else np.zeros(0, np.int64)
    size = len(everybody)
    if size < 2:
        return Paths(Estimate(None), None, ())
    is_whole = size <= max(_WHOLE, sources)
    start = everybody if is_whole else np.sort(rng.choice(everybody, sources, replace=False))
    walked = [_Walk(network, start[n : n + _WORD]).counts() for n in range(0, len(start), _WORD)]
    if any(counts is None for counts in walked):
        return Paths(Estimate(None), None, ())
    counts = _stacked([counts for counts in walked if counts is not None])
    means = counts @ np.arange(1, counts.shape[1] + 1) / (size - 1)
    shares = tuple(float(share) for share in counts.sum(axis=0) / (len(start) * (size - 1)))
    if is_whole:
        return Paths(Estimate(float(means.mean())), counts.shape[1], shares)
    error = means.std(ddof=1) / np.sqrt(len(start)) * np.sqrt(1 - len(start) / size)
    return Paths(Estimate(float(means.mean()), float(error), len(start)), counts.shape[1], shares)


def _stacked(counts: list[Ints]) -> Ints:
    longest = max(part.shape[1] for part in counts)
    return np.concatenate([np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in counts])


class _Walk:
    """A breadth-first walk from up to 64 people at once: one bit of a word for each."""

    def __init__(self, network: Network, sources: Ints) -> None:
        self._sources = len(sources)
        self._others = network.matrix.indices
        self._tied = np.flatnonzero(network.degrees)
        self._starts = network.matrix.indptr[self._tied]
        self._seen = np.zeros(network.people, np.uint64)
        self._seen[sources] = np.uint64(1) << np.arange(len(sources), dtype=np.uint64)

    def counts(self) -> Ints | None:
        """People reached at each distance, a row for each source; None when that would take too long."""
        levels = []
        for visits, reached in enumerate(self._levels(), start=1):
            if visits * len(self._others) > _VISITS:
                return None
            levels.append(_bits(reached, self._sources))
        return np.array(levels, dtype=np.int64).T

    def _levels(self) -> Iterator[NDArray[np.uint64]]:
        front = self._seen.copy()
        while True:
            arrived = np.bitwise_or.reduceat(front[self._others], self._starts)
            front[:] = 0
            front[self._tied] = arrived & ~self._seen[self._tied]
            reached = front[front != 0]
            if not len(reached):
                return
            self._seen |= front
            yield reached


def _bits(words: NDArray[np.uint64], many: int) -> list[int]:
    one = np.uint64(1)
    return [int(((words >> np.uint64(bit)) & one).sum()) for bit in range(many)]
