"""All figures of a hub's graph in one result, with those of a random graph."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ...core.arrow import Ints
from ...core.inputs import check_seed
from ..hub.file import HubFile, fetch
from ..hub.queries import registered
from .communities import detect_communities, modularity
from .measures import (
    Clustering,
    Components,
    Degrees,
    DegreeShare,
    Paths,
    cluster,
    measure_paths,
    nominal_assortativity,
    numeric_assortativity,
    reciprocity,
)
from .network import KINDS, Network, Ties, components, distinct, random_network


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
    #: See `mixing.reciprocity`; and what it would be on average if as many ties ran at random.
    reciprocity: float | None
    reciprocity_at_random: float | None

    @classmethod
    def of(cls, ties: Ties) -> Self:
        """Compute the figures of the relations of a hub."""
        arcs = distinct(ties.source * ties.people + ties.target)
        source, target = arcs // max(1, ties.people), arcs % max(1, ties.people)
        return cls(
            ties=len(arcs),
            strong=Components.of(components(ties.people, source, target, strong=True)),
            outgoing=Degrees.of(np.bincount(source, minlength=ties.people)),
            incoming=Degrees.of(np.bincount(target, minlength=ties.people)),
            reciprocity=reciprocity(ties.people, source, target),
            reciprocity_at_random=len(arcs) / (ties.people * (ties.people - 1)) if len(arcs) else None,
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
        rows = fetch(hub, _TEXTS)
    return {int(str(code)): (str(i), str(text), int(str(hop or 0))) for code, i, text, hop in rows}


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
        clustering=cluster(network, rng),
        paths=measure_paths(network, rng),
        assortativity=numeric_assortativity(network, network.degrees),
        communities=None if labels is None else int((np.bincount(labels) > 1).sum()) if len(labels) else 0,
        modularity=None if labels is None else modularity(network, labels),
    )
    return shape, labels


#: Above so many people, communities are sought only on request.
COMMUNITY_PEOPLE = 200_000


@dataclass(frozen=True, slots=True)
class KindsOfHop:
    """How many relations of each kind one hop of Persona-to-Persona found."""

    hop: int
    relations: int
    kinds: dict[str, int]


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
    #: Newman's r by the hop and the language of the people tied.
    by_hop: float | None
    by_language: float | None
    kinds_by_hop: tuple[KindsOfHop, ...]
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
        weak=Components.of(components(ties.people, network.first, network.second)),
        directed=Directed.of(ties),
        neighbours=Degrees.of(network.degrees),
        histogram=DegreeShare.histogram(network.degrees),
        central=_read_central(hub, network, ties),
        by_hop=numeric_assortativity(network, ties.person_hop),
        by_language=nominal_assortativity(network, ties.person_language),
        kinds_by_hop=_kinds_by_hop(ties.hop, ties.kind),
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


def _kinds_by_hop(hop: Ints, kind: Ints) -> tuple[KindsOfHop, ...]:
    rows = []
    for value in distinct(hop).tolist():
        counts = np.bincount(kind[hop == value], minlength=len(KINDS)).tolist()
        rows.append(KindsOfHop(value, sum(counts), {k: n for k, n in zip(KINDS, counts, strict=True) if n}))
    return tuple(rows)
