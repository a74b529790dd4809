"""Communities of a network by Louvain's method on whole arrays, and people drawn so that ties remain among them."""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from ...core.arrow import Floats, Ints
from ...core.errors import SourceError
from ..hub.file import HubFile
from ..hub.queries import registered
from .network import Network, read_ties

_LEVELS = 30
_SWEEPS = 60
#: A smaller gain of modularity ends a level.
_LEAST = 1e-4


def modularity(network: Network, labels: Ints) -> float | None:
    """Return Newman and Girvan's Q: the share of ties within communities, less that expected with the same degrees.

    It is the sum over communities of L/m - (K / 2m)^2, where L counts the ties within, K adds up the degrees and m is
    the number of ties (networkx's `modularity` at resolution 1). Return None without any tie.
    """
    if not len(network):
        return None
    within = float((labels[network.first] == labels[network.second]).mean())
    degrees = np.bincount(labels, network.degrees) / (2 * len(network))
    return within - float((degrees**2).sum())


def detect_communities(network: Network, rng: np.random.Generator) -> Ints:
    """Return the number of the community of each persona, 0 for the biggest; each community is connected.

    This is Louvain's method (Blondel and others 2008) with many moves at once. In a sweep a random share of all
    personas choose the neighbouring community that gains most modularity, and a sweep that loses any is undone.
    Communities are then merged in the same way. Single personas may move once more, and communities that fell apart are
    split.
    """
    labels = np.arange(network.people)
    if not len(network):
        return labels
    graph = _Level(network.matrix)
    for _ in range(_LEVELS):
        moved = graph.settle(np.arange(graph.size), rng)
        dense = _renumber_labels(moved)
        labels = dense[labels]
        if int(dense.max()) + 1 == graph.size:
            break
        graph = graph.merged(dense)
    labels = _Level(network.matrix).settle(labels, rng)
    return _by_size(_split_unconnected(network, labels))


class _Level:
    """One graph of Louvain's hierarchy: weights of ties between groups, and within them on the diagonal (twice)."""

    def __init__(self, weights: csr_array) -> None:
        self._weights = weights
        self.size = weights.shape[0]
        self._own = weights.diagonal()
        self._strength = np.asarray(weights.sum(axis=1)).reshape(-1)
        self._total = float(self._strength.sum())
        self._node = np.repeat(np.arange(self.size, dtype=np.int32), np.diff(weights.indptr))

    def settle(self, labels: Ints, rng: np.random.Generator) -> Ints:
        """Return labels (below the size) after sweeps of moves that each raised modularity."""
        quality, share = self._measure_quality(labels), 0.5
        looked_at = np.arange(self.size)
        for _ in range(_SWEEPS):
            wanted = self._best_moves(labels, looked_at)
            is_willing = wanted != labels[looked_at]
            moves = is_willing & (rng.random(len(wanted)) < share)
            willing, movers = looked_at[is_willing], looked_at[moves]
            moved = labels.copy()
            moved[movers] = wanted[moves]
            gain = self._measure_quality(moved) - quality
            if gain > 0:
                quality, labels = quality + gain, moved
                looked_at = np.flatnonzero(self._find_beside(movers) | _make_mask(willing, self.size))
            if not len(willing) or (gain < _LEAST and share < 0.1):
                break
            # Simultaneous moves may undo each other's gain, so fewer people move when little is gained.
            share = share if gain >= _LEAST else share / 2
        return labels

    def merged(self, labels: Ints) -> "_Level":
        """Return the graph whose nodes are the communities, numbered without gaps."""
        groups = self._member_matrix(labels, int(labels.max()) + 1)
        return _Level((groups.T @ self._weights @ groups).tocsr())

    def _member_matrix(self, labels: Ints, many: int) -> csr_array:
        return csr_array((np.ones(self.size), labels, np.arange(self.size + 1)), shape=(self.size, many))

    def _find_beside(self, movers: Ints) -> NDArray[np.bool_]:
        is_mover = _make_mask(movers, self.size)
        return _make_mask(self._node[is_mover[self._weights.indices]], self.size)

    def _measure_quality(self, labels: Ints) -> float:
        is_within = labels[self._node] == labels[self._weights.indices]
        within = float(self._weights.data[is_within].sum()) / self._total
        return within - float(((np.bincount(labels, self._strength) / self._total) ** 2).sum())

    def _best_moves(self, labels: Ints, nodes: Ints) -> Ints:
        """Return the neighbouring community that gains most for each of the nodes, or its own if none gains more."""
        reach = self._weights[nodes] @ self._member_matrix(labels, self.size)
        place = np.repeat(np.arange(len(nodes)), np.diff(reach.indptr))
        own, strength = labels[nodes], self._strength[nodes]
        is_own = reach.indices == own[place]
        sums = np.bincount(labels, self._strength, minlength=self.size)
        rest = sums[reach.indices] - np.where(is_own, strength[place], 0)
        gain = reach.data - np.where(is_own, self._own[nodes][place], 0) - strength[place] * rest / self._total
        stay = -strength * (sums[own] - strength) / self._total
        stay[place[is_own]] = gain[is_own]
        best = _row_maxima(gain, reach.indptr)
        hits = np.flatnonzero((gain == best[place]) & (gain > stay[place] + 1e-9))[::-1]
        wanted = own.copy()
        wanted[place[hits]] = reach.indices[hits]
        return wanted


def _renumber_labels(labels: Ints) -> Ints:
    is_used = np.bincount(labels) > 0
    return (np.cumsum(is_used) - 1)[labels]


def _make_mask(places: NDArray[np.integer], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    mask[places] = True
    return mask


def _row_maxima(values: Floats, starts: Ints) -> Floats:
    maxima = np.full(len(starts) - 1, -np.inf)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        maxima[filled] = np.maximum.reduceat(values, starts[filled])
    return maxima


def _split_unconnected(network: Network, labels: Ints) -> Ints:
    """Split every community that is not connected into its parts, which only raises modularity."""
    within = labels[network.first] == labels[network.second]
    ends = (network.first[within], network.second[within])
    ties = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(network.people, network.people))
    return np.asarray(connected_components(ties.tocsr(), directed=False)[1], np.int64)


def _by_size(labels: Ints) -> Ints:
    place = np.empty(int(labels.max()) + 1, np.int64)
    place[np.argsort(-np.bincount(labels), kind="stable")] = np.arange(len(place))
    return place[labels]


#: Neighbours that a person names at a time (snowball sampling).
_NAMED = 3


def draw_people(network: Network, people: int, *, how: str, seed: int) -> Ints:
    """Draw personas, and return their numbers, ascending; all personas if there are no more than asked for.

    Personas without ties are drawn last, at random. If a part of the network is exhausted, the draw goes on in another.
    """
    if network.people <= people:
        return np.arange(network.people)
    if how == "random" or not len(network):
        chosen = random.Random(seed).sample(range(network.people), people)  # noqa: S311 - no secret
        return np.sort(np.array(chosen, np.int64))
    rng = np.random.default_rng(seed)
    tied = network.degrees > 0
    starts = np.concatenate([rng.permutation(np.flatnonzero(tied)), rng.permutation(np.flatnonzero(~tied))])
    is_taken = np.zeros(network.people, np.bool_)
    walks = (_walk_snowball(network, int(start), rng, is_taken) for start in starts)
    deque(islice(chain.from_iterable(walks), people), maxlen=0)
    return np.flatnonzero(is_taken)


def _walk_snowball(
    network: Network, start: int, rng: np.random.Generator, is_taken: NDArray[np.bool_]
) -> Iterator[int]:
    """Take everybody who can be reached from `start`, of whom each names three at a time; nobody if it is taken."""
    starts, others = network.matrix.indptr, network.matrix.indices
    waiting: deque[Iterator[int]] = deque([iter((start,))])
    while waiting:
        known = waiting.popleft()
        named = list(islice((person for person in known if not is_taken[person]), _NAMED))
        for person in named:
            is_taken[person] = True
            yield person
            waiting.append(iter(rng.permutation(others[starts[person] : starts[person + 1]]).tolist()))
        if len(named) == _NAMED:
            waiting.append(known)


@dataclass(frozen=True, slots=True)
class DrawnIds:
    """The people drawn from a hub, and how many people and ties it has; `ties` are those between the people drawn."""

    ids: list[str]
    of_people: int
    ties: int
    of_ties: int


def draw_ids(hub: HubFile, people: int, *, how: str, seed: int) -> DrawnIds | None:
    """Draw personas from a hub, reading only ids and ties; return None if everybody is drawn.

    Raises `SourceError` for a file whose tables are not those of a hub that Populace wrote.
    """
    ties = read_ties(hub)
    if ties.people <= people:
        return None
    chosen = draw_people(Network.of_pairs(ties.people, ties.source, ties.target), people, how=how, seed=seed)
    with registered(hub.con, {"code": chosen}) as codes:
        query = f"SELECT id FROM graph_people SEMI JOIN {codes} USING (code) ORDER BY code"  # noqa: S608 - our own name
        ids = [str(persona) for (persona,) in hub.con.execute(query).fetchall()]
    if len(ids) != len(chosen):
        raise SourceError(f"{str(hub.path)!r} has people with one id; import it into a new hub.")
    is_in = np.zeros(ties.people, np.bool_)
    is_in[chosen] = True
    remain = int((is_in[ties.source] & is_in[ties.target]).sum())
    return DrawnIds(ids, ties.people, remain, len(ties))
