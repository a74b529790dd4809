"""How often two neighbours of a person are tied to each other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate
from .network import Network
from .ties import Ints

__all__ = ["Clustering", "cluster", "triangles"]

#: Above so many paths of two ties to be looked at, clustering is estimated from drawn ones.
_PATHS = 200_000_000
_CHUNK = 4_000_000
_DRAWN = 200_000


@dataclass(frozen=True, slots=True)
class Clustering:
    """Both ways to say how closed a network is."""

    #: Mean over all people of the share of pairs of their neighbours that are tied; who has fewer than two
    #: neighbours counts as 0. Watts and Strogatz 1998, as networkx's `average_clustering`.
    average: Estimate
    #: Share of the paths of two ties that are closed by a third: three times the triangles over those paths.
    transitivity: Estimate


def cluster(network: Network, rng: np.random.Generator, *, most: int = _PATHS) -> Clustering:
    """The clustering of a network: exact where at most `most` paths must be looked at, else from drawn paths."""
    degrees = network.degrees.astype(np.float64)
    pairs = degrees * (degrees - 1) / 2
    if not pairs.any():
        return Clustering(Estimate(0.0 if network.people else None), Estimate(None))
    if _Oriented(network).paths > most:
        return Clustering(_drawn(network, pairs > 0, rng), _drawn(network, pairs, rng))
    closed = triangles(network)
    local = np.divide(closed, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    return Clustering(Estimate(float(local.mean())), Estimate(float(closed.sum() / pairs.sum())))


def triangles(network: Network) -> Ints:
    """In how many triangles each person is."""
    count = np.zeros(network.people, np.int64)
    for corners in _Oriented(network).triangles():
        for corner in corners:
            count += np.bincount(corner, minlength=network.people)
    return count


class _Oriented:
    """The ties directed from the less to the better connected: so every triangle is one path, and paths are few."""

    def __init__(self, network: Network) -> None:
        rank = np.empty(network.people, np.int64)
        rank[np.argsort(network.degrees, kind="stable")] = np.arange(network.people)
        self._person = np.argsort(rank)
        a, b = rank[network.first], rank[network.second]
        self._arcs = np.sort(np.minimum(a, b) * network.people + np.maximum(a, b))
        self._people = network.people
        self._low, self._high = self._arcs // max(1, self._people), self._arcs % max(1, self._people)
        self._starts = np.searchsorted(self._low, np.arange(network.people + 1))
        self._steps = np.diff(self._starts)[self._high]

    @property
    def paths(self) -> int:
        """Paths of two arcs."""
        return int(self._steps.sum())

    def triangles(self) -> Iterator[tuple[Ints, Ints, Ints]]:
        """All triangles, as three arrays of people at a time."""
        before = np.concatenate([[0], np.cumsum(self._steps)])
        start = 0
        while start < len(self._arcs):
            # At least one arc, so that a single long one cannot stop the walk.
            end = max(start + 1, int(np.searchsorted(before, before[start] + _CHUNK, side="right")) - 1)
            yield self._closed(start, end)
            start = end

    def _closed(self, start: int, end: int) -> tuple[Ints, Ints, Ints]:
        steps = self._steps[start:end]
        arc = np.repeat(np.arange(start, end), steps)
        nth = np.arange(len(arc)) - np.repeat(np.cumsum(steps) - steps, steps)
        u, v = self._low[arc], self._high[arc]
        w = self._high[self._starts[v] + nth]
        is_closed = _contains(self._arcs, u * self._people + w)
        return self._person[u[is_closed]], self._person[v[is_closed]], self._person[w[is_closed]]


def _contains(ordered: Ints, wanted: Ints) -> NDArray[np.bool_]:
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.asarray(ordered[place] == wanted)


def _drawn(network: Network, weights: NDArray[np.float64] | NDArray[np.bool_], rng: np.random.Generator) -> Estimate:
    """The weighted share of closed pairs of neighbours; people of weight 0 count as open when weights are equal."""
    share = 1.0 if weights.dtype != np.bool_ else float(weights.mean())
    middle = rng.choice(network.people, _DRAWN, p=weights / weights.sum())
    degrees, starts = network.degrees[middle], network.matrix.indptr[middle]
    one = rng.integers(0, degrees)
    other = (one + rng.integers(1, degrees)) % degrees
    a = network.matrix.indices[starts + one].astype(np.int64)
    b = network.matrix.indices[starts + other].astype(np.int64)
    ordered = network.first * network.people + network.second
    found = float(_contains(ordered, np.minimum(a, b) * network.people + np.maximum(a, b)).mean())
    return Estimate(share * found, share * float(np.sqrt(found * (1 - found) / _DRAWN)), _DRAWN)
