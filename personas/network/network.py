"""The relations of a hub as arrays, the simple network they make, a random one beside it, and communities (Louvain).

A million people take no Python object each.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from ...core.arrow import Floats, Ints
from ..hub.file import HubFile, fold_duplicates
from ..hub.queries import count

_AWAY = -2

_PEOPLE = """
CREATE OR REPLACE TEMP TABLE graph_people AS
SELECT id, (row_number() OVER (ORDER BY ordinal, id) - 1)::BIGINT AS code, hop::BIGINT AS hop
FROM personas ANTI JOIN graph_folds AS f ON f.persona = id ANTI JOIN graph_away AS a ON a.persona = id
"""

#: The number of an id's survivor: -2 for people rejected.
_CODES = """
CREATE OR REPLACE TEMP TABLE graph_ids AS
SELECT coalesce(p.id, f.persona) AS id,
       CASE WHEN a.persona IS NOT NULL THEN -2 ELSE coalesce(g.code, -1) END AS code,
       p.id IS NOT NULL AS is_there, f.persona IS NOT NULL AS is_folded
FROM personas AS p FULL JOIN graph_folds AS f ON f.persona = p.id
LEFT JOIN graph_people AS g ON g.id = coalesce(f.survivor, p.id)
LEFT JOIN graph_away AS a ON a.persona = coalesce(p.id, f.persona)
"""
_LEFT_OUT = """
SELECT count(*) FILTER (is_folded AND code <> -2), count(*) FILTER (code = -2) FROM graph_ids WHERE is_there
"""

#: Relations of the same ends, kind and label count once.
_TIES = """
SELECT coalesce(s.code, -1) AS source, coalesce(t.code, -1) AS target, count(*) AS times
FROM relations AS r LEFT JOIN graph_ids AS s ON s.id = r.source LEFT JOIN graph_ids AS t ON t.id = r.target
GROUP BY 1, 2, lower(r.kind), r.label
"""


@dataclass(frozen=True, slots=True)
class Ties:
    """The survivors of a hub by number (0 is the first to arrive) and the relations between them, one entry each."""

    #: Survivors, near-duplicates folded into them, and people whom rules rejected.
    people: int
    folded: int
    rejected: int
    #: Of each relation, the numbers of its two people.
    source: Ints
    target: Ints
    #: Rows left out: loops, repetitions of another row, relations of people who were rejected, and relations with an
    #: end that is not in the hub.
    loops: int
    repeated: int
    rejected_ties: int
    unplaced: int

    def __len__(self) -> int:
        return len(self.source)


def read_ties(hub: HubFile) -> Ties:
    """Read all relations of a hub between survivors; leave the temporary table `graph_people` (id, code) behind.

    Near-duplicates are replaced by the persona they repeat, as in `PersonaGraph`. Rejected personas are left out with
    all ties. Raises `SourceError`.
    """
    fold_duplicates(hub)
    hub.con.execute(_PEOPLE)
    hub.con.execute(_CODES)
    ((folded, rejected),) = hub.con.execute(_LEFT_OUT).fetchall()
    rows = hub.con.execute(_TIES).fetchnumpy()
    hub.con.execute("DROP TABLE graph_ids")
    placed = (rows["source"] >= 0) & (rows["target"] >= 0)
    is_away = (rows["source"] == _AWAY) | (rows["target"] == _AWAY)
    is_loop = placed & (rows["source"] == rows["target"])
    kept = np.flatnonzero(placed & ~is_loop)
    # DuckDB groups in no fixed order, and seeded figures depend on it.
    kept = kept[np.lexsort([rows[name][kept] for name in ("target", "source")])]
    return Ties(
        people=count(hub.con, "SELECT count(*) FROM graph_people"),
        folded=int(folded),
        rejected=int(rejected),
        source=rows["source"][kept],
        target=rows["target"][kept],
        loops=int(rows["times"][is_loop].sum()),
        repeated=int((rows["times"][kept] - 1).sum()),
        rejected_ties=int(rows["times"][is_away].sum()),
        unplaced=int(rows["times"][~placed & ~is_away].sum()),
    )


def distinct(values: Ints) -> Ints:
    """Return the different values in rising order; for millions, several times faster than numpy's `unique`."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


@dataclass(frozen=True)
class Network:
    """An undirected graph without loops in which a pair is tied or not: `first[i] < second[i]` are tie i's ends."""

    people: int
    first: Ints
    second: Ints

    @classmethod
    def of_pairs(cls, people: int, a: Ints, b: Ints) -> Self:
        """Build the network of personas 0 to `people` - 1 in which each of these pairs is tied, however often named."""
        apart = a != b
        low, high = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
        pairs = distinct(low * people + high)
        return cls(people, pairs // max(1, people), pairs % max(1, people))

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def matrix(self) -> csr_array:
        """The symmetric adjacency matrix of ones, its columns sorted within each row."""
        ends = (np.concatenate([self.first, self.second]), np.concatenate([self.second, self.first]))
        matrix = coo_array((np.ones(2 * len(self)), ends), shape=(self.people, self.people)).tocsr()
        matrix.sort_indices()
        return matrix

    @cached_property
    def degrees(self) -> Ints:
        """How many others each person is tied to."""
        return np.bincount(self.first, minlength=self.people) + np.bincount(self.second, minlength=self.people)

    @cached_property
    def parts(self) -> NDArray[np.int32]:
        """The number of the connected component of each person."""
        _, labels = connected_components(self.matrix, directed=False)
        return np.asarray(labels)


def component_sizes(people: int, source: Ints, target: Ints, *, strong: bool = False) -> Ints:
    """Return the sizes of the components, largest first.

    Weak components are reached if every tie may be walked both ways. Strong components are reached along the direction
    of the ties, there and back.
    """
    arcs = coo_array((np.ones(len(source), np.int8), (source, target)), shape=(people, people)).tocsr()
    _, labels = connected_components(arcs, directed=True, connection="strong" if strong else "weak")
    return np.sort(np.bincount(labels))[::-1]


def random_network(people: int, ties: int, rng: np.random.Generator) -> Network:
    """Draw exactly `ties` of all pairs of personas, every choice equally likely: G(n, m) of Erdos and Renyi 1959.

    `ties` is at most people * (people - 1) / 2.
    """
    pairs = people * (people - 1) // 2
    if 2 * ties > pairs:
        low, high = np.triu_indices(people, 1)
        kept = rng.choice(pairs, ties, replace=False)
        return Network.of_pairs(people, low[kept].astype(np.int64), high[kept].astype(np.int64))
    drawn = np.zeros(0, np.int64)
    # Fewer than half of all pairs are taken, so each round yields at least half of the missing ones.
    while len(drawn) < ties:
        a, b = rng.integers(0, people, (2, ties - len(drawn) + 16))
        fresh = (np.minimum(a, b) * people + np.maximum(a, b))[a != b]
        drawn = distinct(np.concatenate([drawn, fresh]))
    kept = rng.permutation(drawn)[:ties]
    return Network.of_pairs(people, kept // max(1, people), kept % max(1, people))


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
        graph = graph.merge_communities(dense)
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

    def merge_communities(self, labels: Ints) -> "_Level":
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
