"""All figures of a hub's graph in one result, beside those of a random graph and of preferential attachment."""

from dataclasses import dataclass

import numpy as np

from ...inputs import check_seed
from ..file import HubFile
from .directed import Directed
from .mixing import kind_assortativity, nominal_assortativity, numeric_assortativity
from .models import preferential_network, random_network
from .network import Network, components
from .people import Central, Community, read_central, read_communities
from .shape import Shape, describe
from .spread import Components, Degrees, Share
from .ties import KINDS, Ints, Ties, distinct

__all__ = ["GraphFigures", "KindsOfHop", "graph_figures", "measure_graph", "small_world"]

#: Above so many people communities are not looked for unless that is asked for.
COMMUNITY_PEOPLE = 200_000


@dataclass(frozen=True, slots=True)
class KindsOfHop:
    """How many relations of each kind one hop of Persona-to-Persona found."""

    hop: int
    relations: int
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class GraphFigures:
    """What a hub's graph looks like, once near-duplicates are folded into whom they repeat.

    Those whom rules turned away are left out before anything is counted, and so are their ties.
    """

    #: Survivors, near-duplicates folded into them, those turned away, and relations between survivors.
    people: int
    folded: int
    turned_away: int
    relations: int
    #: Rows left out: see `Ties`.
    loops: int
    repeated: int
    turned_away_ties: int
    unplaced: int
    #: Parts that are connected when ties are walked both ways.
    weak: Components
    directed: Directed
    #: People by how many others they are tied to, either way.
    neighbours: Degrees
    histogram: tuple[Share, ...]
    central: tuple[Central, ...]
    #: Newman's r by the hop and the language of the people tied, and by the kinds of relations that share a person.
    by_hop: float | None
    by_language: float | None
    by_kind: float | None
    kinds_by_hop: tuple[KindsOfHop, ...]
    shape: Shape
    #: G(n, m) with as many people and ties, and preferential attachment with nearly as many.
    random: Shape
    preferential: Shape
    #: See `small_world`.
    sigma: float | None
    #: The largest communities; empty where they were not looked for.
    communities: tuple[Community, ...]
    seed: int


def graph_figures(
    hub: HubFile, ties: Ties, network: Network, *, seed: int = 0, communities: bool | None = None, top: int = 10
) -> GraphFigures:
    """The figures of what `read_ties` read from `hub`, and `Network.of_pairs` made of it.

    The same seed gives the same figures. `communities` None looks for them among up to 200,000 people. What is
    estimated from a sample is an `Estimate` with its standard error.
    """
    return measure_graph(hub, ties, network, seed=seed, communities=communities, top=top)[0]


def measure_graph(
    hub: HubFile, ties: Ties, network: Network, *, seed: int = 0, communities: bool | None = None, top: int = 10
) -> tuple[GraphFigures, Ints | None]:
    """The figures as `graph_figures` has them, and the community of each person by number, where they were sought."""
    wanted = ties.people <= COMMUNITY_PEOPLE if communities is None else communities
    streams = np.random.default_rng(check_seed(seed)).spawn(5)
    shape, labels = describe(network, streams[0], communities=wanted)
    by_chance, _ = describe(random_network(ties.people, len(network), streams[1]), streams[2], communities=wanted)
    rich, _ = describe(preferential_network(ties.people, len(network), streams[3]), streams[4], communities=wanted)
    figures = GraphFigures(
        people=ties.people,
        folded=ties.folded,
        turned_away=ties.turned_away,
        relations=len(ties),
        loops=ties.loops,
        repeated=ties.repeated,
        turned_away_ties=ties.turned_away_ties,
        unplaced=ties.unplaced,
        weak=Components.of(components(ties.people, network.first, network.second)),
        directed=Directed.of(ties),
        neighbours=Degrees.of(network.degrees),
        histogram=Share.histogram(network.degrees),
        central=read_central(hub, network, ties, top),
        by_hop=numeric_assortativity(network, ties.person_hop),
        by_language=nominal_assortativity(network, ties.person_language),
        by_kind=kind_assortativity(ties.people, ties.source, ties.target, ties.kind),
        kinds_by_hop=_kinds_by_hop(ties.hop, ties.kind),
        shape=shape,
        random=by_chance,
        preferential=rich,
        sigma=small_world(shape, by_chance),
        communities=() if labels is None else read_communities(hub, network, labels, top),
        seed=seed,
    )
    return figures, labels


def small_world(shape: Shape, by_chance: Shape) -> float | None:
    """Sigma of Humphries and Gurney 2008: (C / C_random) / (L / L_random); well above 1 in a small world.

    C is the average clustering and L the mean path in the largest part. C_random is what G(n, m) has on average, its
    density; L_random is measured on one G(n, m). None where one of them is not defined.
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
