"""The figures of a hub's graph (degrees, clustering, paths, assortativity), beside those of a random graph."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from ...core.arrow import Ints, iter_slices
from ...core.inputs import check_seed
from ..hub.file import HubFile
from ..hub.queries import registered
from .network import Network, Ties, component_sizes, detect_communities, distinct, modularity, random_network


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure that is exact, or was estimated from a sample of the given size."""

    #: None when the figure is not defined, as the mean path of a network without ties.
    value: float | None
    #: Standard error; None for an exact figure.
    error: float | None = None
    #: How many were drawn; None for an exact figure.
    sample: int | None = None


_LISTED = 10


@dataclass(frozen=True, slots=True)
class Components:
    """The parts into which a graph falls."""

    count: int
    #: Parts of one person.
    single: int
    #: Sizes of the largest, largest first.
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Ints) -> Self:
        """Summarise all sizes, given largest first."""
        return cls(len(sizes), int((sizes == 1).sum()), tuple(sizes[:_LISTED].tolist()))


@dataclass(frozen=True, slots=True)
class Degrees:
    """How many ties people have: mean, quantiles (the smallest number that so many do not exceed) and the most."""

    mean: float
    median: int
    p90: int
    p99: int
    most: int

    @classmethod
    def of(cls, degrees: Ints) -> Self:
        """Summarise one number per persona; all 0 without personas."""
        found = degrees if len(degrees) else np.zeros(1, np.int64)
        quantiles = np.quantile(found, (0.5, 0.9, 0.99, 1.0), method="inverted_cdf")
        return cls(float(found.mean()), *map(int, quantiles))


@dataclass(frozen=True, slots=True)
class DegreeShare:
    """People who have from `least` to `most` neighbours."""

    least: int
    most: int
    people: int

    @classmethod
    def histogram(cls, degrees: Ints) -> "tuple[DegreeShare, ...]":
        """Count personas by their number of neighbours: 0, 1, 2-3, 4-7, and so on by powers of two."""
        places = np.frexp(degrees.astype(np.float64))[1]
        counts = np.bincount(places).tolist()
        return tuple(cls((1 << n) // 2, max(0, (1 << n) - 1), people) for n, people in enumerate(counts))


#: Above so many paths of two ties to be looked at, clustering is estimated from drawn ones.
_PATHS = 200_000_000
_CHUNK = 4_000_000
_DRAWN = 200_000


@dataclass(frozen=True, slots=True)
class Clustering:
    """Both ways to say how closed a network is."""

    #: Mean over all people of the share of pairs of their neighbours that are tied; who has fewer than two
    #: neighbours counts as 0. Watts and Strogatz 1998, as networkx's `average_clustering`.
    average: Measurement
    #: Share of the paths of two ties that are closed by a third: three times the triangles over those paths.
    transitivity: Measurement


def measure_clustering(network: Network, rng: np.random.Generator, *, most: int = _PATHS) -> Clustering:
    """Measure the clustering of a network: exactly if at most `most` paths must be examined, else from a sample."""
    degrees = network.degrees.astype(np.float64)
    pairs = degrees * (degrees - 1) / 2
    if not pairs.any():
        return Clustering(Measurement(0.0 if network.people else None), Measurement(None))
    up, _ = _orient_ties(network)
    if up.sum(axis=0) @ up.sum(axis=1) > most:
        return Clustering(_estimate_closed(network, pairs > 0, rng), _estimate_closed(network, pairs, rng))
    closed = count_triangles(network)
    local = np.divide(closed, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    return Clustering(Measurement(float(local.mean())), Measurement(float(closed.sum() / pairs.sum())))


def count_triangles(network: Network) -> Ints:
    """Count the triangles that each persona is in."""
    up, rank = _orient_ties(network)
    down, outgoing = up.T.tocsr(), up.sum(axis=1)
    count = np.zeros(network.people, np.int64)
    for rows in iter_slices(up @ outgoing + down @ outgoing, _CHUNK):
        # Triangles by their lowest corner, and by the two above it.
        lowest = (up[rows] @ up).multiply(up[rows])
        above = (down[rows] @ up).multiply(up[rows])
        count[rows] += lowest.sum(axis=1) + above.sum(axis=1)
        count += above.sum(axis=0)
    return count[rank]


def _orient_ties(network: Network) -> tuple[csr_array, Ints]:
    """Direct ties from the less to the better connected, so that each triangle is one path and paths are few.

    Return the ties between ranks, and the rank of each persona.
    """
    rank = np.argsort(np.argsort(network.degrees, kind="stable"))
    one, other = rank[network.first], rank[network.second]
    ends = (np.minimum(one, other), np.maximum(one, other))
    arcs = coo_array((np.ones(len(network), np.int64), ends), shape=(network.people, network.people))
    return arcs.tocsr(), rank


def _find_members(ordered: Ints, wanted: Ints) -> NDArray[np.bool_]:
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.asarray(ordered[place] == wanted)


def _estimate_closed(
    network: Network, weights: NDArray[np.float64] | NDArray[np.bool_], rng: np.random.Generator
) -> Measurement:
    """Estimate the weighted share of closed pairs of neighbours from a sample.

    Personas of weight 0 count as open if the weights are equal.
    """
    share = 1.0 if weights.dtype != np.bool_ else float(weights.mean())
    middle = rng.choice(network.people, _DRAWN, p=weights / weights.sum())
    degrees, starts = network.degrees[middle], network.matrix.indptr[middle]
    one = rng.integers(0, degrees)
    other = (one + rng.integers(1, degrees)) % degrees
    a = network.matrix.indices[starts + one].astype(np.int64)
    b = network.matrix.indices[starts + other].astype(np.int64)
    ordered = network.first * network.people + network.second
    found = float(_find_members(ordered, np.minimum(a, b) * network.people + np.maximum(a, b)).mean())
    return Measurement(share * found, share * float(np.sqrt(found * (1 - found) / _DRAWN)), _DRAWN)


_WORD = 64
#: A part of up to so many people is walked from each of them.
_WHOLE = 1024
#: Visits of ties after which a network of very long paths is given up.
_VISITS = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Paths:
    """Shortest paths within the largest connected part, ties walked both ways."""

    #: Mean over pairs of people; None without ties, or when the network is too long to be walked.
    mean: Measurement
    #: The longest that was met: the diameter when `mean` is exact, else a lower bound of it.
    longest: int | None
    #: Share of the pairs at distance 1, 2, ... (of the pairs looked at).
    shares: tuple[float, ...]


def measure_paths(network: Network, rng: np.random.Generator, *, sources: int = _WORD) -> Paths:
    """Measure paths in the largest part: from each persona if it is small, else from a sample of `sources` personas."""
    sizes = np.bincount(network.parts) if network.people else np.zeros(1, np.int64)
    everybody = np.flatnonzero(network.parts == sizes.argmax()) if sizes.max() > 1 else np.zeros(0, np.int64)
    size = len(everybody)
    if size < 2:
        return Paths(Measurement(None), None, ())
    is_whole = size <= max(_WHOLE, sources)
    start = everybody if is_whole else np.sort(rng.choice(everybody, sources, replace=False))
    walked = [_BreadthFirstWalk(network, start[n : n + _WORD]).counts() for n in range(0, len(start), _WORD)]
    if any(counts is None for counts in walked):
        return Paths(Measurement(None), None, ())
    parts = [counts for counts in walked if counts is not None]
    longest = max(part.shape[1] for part in parts)
    counts = np.concatenate([np.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in parts])
    means = counts @ np.arange(1, counts.shape[1] + 1) / (size - 1)
    shares = tuple(float(share) for share in counts.sum(axis=0) / (len(start) * (size - 1)))
    if is_whole:
        return Paths(Measurement(float(means.mean())), counts.shape[1], shares)
    error = means.std(ddof=1) / np.sqrt(len(start)) * np.sqrt(1 - len(start) / size)
    return Paths(Measurement(float(means.mean()), float(error), len(start)), counts.shape[1], shares)


class _BreadthFirstWalk:
    """A breadth-first walk from up to 64 people at once: one bit of a word for each."""

    def __init__(self, network: Network, sources: Ints) -> None:
        self._sources = len(sources)
        self._others = network.matrix.indices
        self._tied = np.flatnonzero(network.degrees)
        self._starts = network.matrix.indptr[self._tied]
        self._seen = np.zeros(network.people, np.uint64)
        self._seen[sources] = np.uint64(1) << np.arange(len(sources), dtype=np.uint64)

    def counts(self) -> Ints | None:
        """Return the personas reached at each distance, a row for each source; None if that would take too long."""
        levels = []
        for visits, reached in enumerate(self._walk_levels(), start=1):
            if visits * len(self._others) > _VISITS:
                return None
            levels.append(_count_bits(reached, self._sources))
        return np.array(levels, dtype=np.int64).T

    def _walk_levels(self) -> Iterator[NDArray[np.uint64]]:
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


def _count_bits(words: NDArray[np.uint64], many: int) -> list[int]:
    one = np.uint64(1)
    return [int(((words >> np.uint64(bit)) & one).sum()) for bit in range(many)]


def reciprocity(people: int, source: Ints, target: Ints) -> float | None:
    """Return the share of directed ties (distinct ordered pairs) that also lead back, 0 to 1; None without any tie.

    networkx calls it `overall_reciprocity`. See Wasserman and Faust 1994, section 13.
    """
    arcs = coo_array((np.ones(len(source), np.int64), (source, target)), shape=(people, people)).tocsr()
    return float(arcs.multiply(arcs.T).nnz / arcs.nnz) if arcs.nnz else None


def numeric_assortativity(network: Network, values: Ints) -> float | None:
    """Return Pearson's correlation of a number over the two ends of a tie; None without variance.

    Each tie is taken both ways. See Newman 2003, Physical Review E 67, 026126, equation 21.
    """
    a, b = values[network.first], values[network.second]
    one, other = np.concatenate([a, b]), np.concatenate([b, a])
    return float(np.corrcoef(one, other)[0, 1]) if len(one) and np.ptp(one) else None


@dataclass(frozen=True, slots=True)
class Directed:
    """The figures of the directed graph: the target of a tie is the source's label."""

    #: Distinct ordered pairs that are related.
    ties: int
    #: Parts within which everybody is reached from everybody along the ties.
    strong: Components
    #: People by how many others they have relations to, and from how many.
    outgoing: Degrees
    incoming: Degrees
    #: See `reciprocity`.
    reciprocity: float | None

    @classmethod
    def of(cls, ties: Ties) -> Self:
        """Compute the figures of the relations of a hub."""
        arcs = distinct(ties.source * ties.people + ties.target)
        source, target = arcs // max(1, ties.people), arcs % max(1, ties.people)
        return cls(
            ties=len(arcs),
            strong=Components.of(component_sizes(ties.people, source, target, strong=True)),
            outgoing=Degrees.of(np.bincount(source, minlength=ties.people)),
            incoming=Degrees.of(np.bincount(target, minlength=ties.people)),
            reciprocity=reciprocity(ties.people, source, target),
        )


#: Best connected people, and largest communities, that are listed.
_TOP = 10
#: The ids are those that exports show.
_TEXTS = """
SELECT g.code, coalesce(w.text_hash, p.id), p.text, g.hop
FROM graph_codes AS c JOIN graph_people AS g USING (code) JOIN personas AS p ON p.id = g.id
LEFT JOIN rewritten_people AS w ON w.persona = p.id
"""


@dataclass(frozen=True, slots=True)
class Central:
    """One of the best connected people."""

    id: str
    text: str
    hop: int
    neighbours: int
    #: People at the other end of outgoing and of incoming relations.
    outgoing: int
    incoming: int


@dataclass(frozen=True, slots=True)
class Community:
    """One of the largest communities, and its member with the most neighbours."""

    people: int
    #: Ties between its members.
    ties: int
    id: str
    text: str


def _read_central(hub: HubFile, network: Network, ties: Ties) -> tuple[Central, ...]:
    """Read the ten personas with the most neighbours, the oldest first among equals.

    Personas without ties are left out.
    """
    best = np.argsort(-network.degrees, kind="stable")[:_TOP].tolist()
    codes = [code for code in best if network.degrees[code]]
    people = _read_people(hub, codes)
    outgoing = {code: len(distinct(ties.target[ties.source == code])) for code in codes}
    incoming = {code: len(distinct(ties.source[ties.target == code])) for code in codes}
    return tuple(Central(*people[code], int(network.degrees[code]), outgoing[code], incoming[code]) for code in codes)


def _read_communities(hub: HubFile, network: Network, labels: Ints) -> tuple[Community, ...]:
    """Read the ten largest communities of two or more; labels are numbered by size, the largest 0."""
    if not len(labels):
        return ()
    sizes = np.bincount(labels)
    within = labels[network.first][labels[network.first] == labels[network.second]]
    ties = np.bincount(within, minlength=len(sizes))
    shown = np.flatnonzero(sizes[:_TOP] > 1).tolist()
    members = [np.flatnonzero(labels == label) for label in shown]
    centres = [int(found[network.degrees[found].argmax()]) for found in members]
    people = _read_people(hub, centres)
    return tuple(
        Community(int(sizes[label]), int(ties[label]), *people[code][:2])
        for label, code in zip(shown, centres, strict=True)
    )


def _read_people(hub: HubFile, codes: list[int]) -> dict[int, tuple[str, str, int]]:
    """Read the id, description and hop of each of the personas with these numbers."""
    with registered(hub.con, {"code": codes}, "graph_codes", {"code": "BIGINT"}):
        rows = hub.con.execute(_TEXTS).fetchall()
    return {code: (str(i), str(text), hop or 0) for code, i, text, hop in rows}


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The figures of one undirected network."""

    people: int
    #: Pairs that are tied.
    ties: int
    mean_degree: float
    most_degree: int
    #: People without any tie.
    isolated: int
    #: Connected parts, those of one person included, and people in the largest.
    parts: int
    largest: int
    clustering: Clustering
    paths: Paths
    #: Newman's r by degree (2002): above 0 the well connected are tied to each other, below 0 to the poorly connected.
    #: None when everybody has equally many neighbours.
    assortativity: float | None
    #: Communities of two and more; both None where communities were not sought.
    communities: int | None
    modularity: float | None


def describe(
    network: Network, rng: np.random.Generator, *, communities: bool = True
) -> tuple[NetworkShape, Ints | None]:
    """Describe the shape of a network, and the community of each persona if `communities` is true."""
    labels = detect_communities(network, rng) if communities else None
    degrees = network.degrees if network.people else np.zeros(1, np.int64)
    sizes = np.bincount(network.parts) if network.people else np.zeros(1, np.int64)
    shape = NetworkShape(
        people=network.people,
        ties=len(network),
        mean_degree=float(degrees.mean()),
        most_degree=int(degrees.max()),
        isolated=int((network.degrees == 0).sum()),
        parts=int((sizes > 0).sum()),
        largest=int(sizes.max()),
        clustering=measure_clustering(network, rng),
        paths=measure_paths(network, rng),
        assortativity=numeric_assortativity(network, network.degrees),
        communities=None if labels is None else int((np.bincount(labels) > 1).sum()) if len(labels) else 0,
        modularity=None if labels is None else modularity(network, labels),
    )
    return shape, labels


#: Above so many people, communities are sought only on request.
COMMUNITY_PEOPLE = 200_000


@dataclass(frozen=True, slots=True)
class GraphFigures:
    """The figures of a hub's graph, with near-duplicates folded into their survivors.

    People whom rules rejected are left out with their ties before anything is counted.
    """

    #: Survivors, near-duplicates folded into them, those rejected, and relations between survivors.
    people: int
    folded: int
    rejected: int
    relations: int
    #: Rows left out: see `Ties`.
    loops: int
    repeated: int
    rejected_ties: int
    unplaced: int
    #: Parts that are connected when ties are walked both ways.
    weak: Components
    directed: Directed
    #: People by how many others they are tied to, either way.
    neighbours: Degrees
    histogram: tuple[DegreeShare, ...]
    central: tuple[Central, ...]
    shape: NetworkShape
    #: G(n, m) with as many people and ties.
    random: NetworkShape
    #: See `small_world`.
    sigma: float | None
    #: The largest communities; empty where they were not looked for.
    communities: tuple[Community, ...]
    seed: int


def graph_figures(
    hub: HubFile, ties: Ties, network: Network, *, seed: int = 0, communities: bool | None = None
) -> tuple[GraphFigures, Ints | None]:
    """Compute the figures of what `read_ties` read from `hub`, and each persona's community number if sought.

    `network` is what `Network.of_pairs` makes of the ties. The same seed gives the same figures. If `communities` is
    None, they are sought among up to 200,000 personas. Each estimate from a sample is a `Measurement` with its standard
    error.
    """
    wanted = ties.people <= COMMUNITY_PEOPLE if communities is None else communities
    streams = np.random.default_rng(check_seed(seed)).spawn(3)
    shape, labels = describe(network, streams[0], communities=wanted)
    by_chance, _ = describe(random_network(ties.people, len(network), streams[1]), streams[2], communities=wanted)
    figures = GraphFigures(
        people=ties.people,
        folded=ties.folded,
        rejected=ties.rejected,
        relations=len(ties),
        loops=ties.loops,
        repeated=ties.repeated,
        rejected_ties=ties.rejected_ties,
        unplaced=ties.unplaced,
        weak=Components.of(component_sizes(ties.people, network.first, network.second)),
        directed=Directed.of(ties),
        neighbours=Degrees.of(network.degrees),
        histogram=DegreeShare.histogram(network.degrees),
        central=_read_central(hub, network, ties),
        shape=shape,
        random=by_chance,
        sigma=small_world(shape, by_chance),
        communities=() if labels is None else _read_communities(hub, network, labels),
        seed=seed,
    )
    return figures, labels


def small_world(shape: NetworkShape, by_chance: NetworkShape) -> float | None:
    """Return sigma of Humphries and Gurney 2008: (C / C_random) / (L / L_random), well above 1 in a small world.

    C is the average clustering and L the mean path in the largest part. C_random is the average of G(n, m), its
    density. L_random is measured on one G(n, m). Return None if one of them is not defined.
    """
    closed, mean, random_mean = shape.clustering.average.value, shape.paths.mean.value, by_chance.paths.mean.value
    if closed is None or not mean or not random_mean or shape.people < 2:
        return None
    return (closed / (shape.mean_degree / (shape.people - 1))) / (mean / random_mean)
