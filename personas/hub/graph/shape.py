"""What a network looks like as a whole: the figures in which a society and a random graph can be compared."""

from dataclasses import dataclass

import numpy as np

from .clustering import Clustering, cluster
from .communities import detect_communities, modularity
from .mixing import degree_assortativity
from .network import Network
from .paths import Paths, measure_paths
from .ties import Ints

__all__ = ["Shape", "describe"]


@dataclass(frozen=True, slots=True)
class Shape:
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
    #: See `degree_assortativity`.
    assortativity: float | None
    #: Communities of two and more; both None where they were not looked for.
    communities: int | None
    modularity: float | None


def describe(network: Network, rng: np.random.Generator, *, communities: bool = True) -> tuple[Shape, Ints | None]:
    """The shape of a network, and the community of each person when they are looked for."""
    labels = detect_communities(network, rng) if communities else None
    degrees = network.degrees if network.people else np.zeros(1, np.int64)
    sizes = np.bincount(network.parts) if network.people else np.zeros(1, np.int64)
    shape = Shape(
        people=network.people,
        ties=len(network),
        mean_degree=float(degrees.mean()),
        most_degree=int(degrees.max()),
        isolated=int((network.degrees == 0).sum()),
        parts=int((sizes > 0).sum()),
        largest=int(sizes.max()),
        clustering=cluster(network, rng),
        paths=measure_paths(network, rng),
        assortativity=degree_assortativity(network),
        communities=None if labels is None else int((np.bincount(labels) > 1).sum()) if len(labels) else 0,
        modularity=None if labels is None else modularity(network, labels),
    )
    return shape, labels
