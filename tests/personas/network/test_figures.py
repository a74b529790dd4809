"""Each figure of a graph against networkx, on small random graphs."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.arrow import Ints
from populace.personas.network.figures import (
    Degrees,
    DegreeShare,
    count_triangles,
    measure_clustering,
    measure_paths,
    numeric_assortativity,
    reciprocity,
)
from populace.personas.network.network import Network, component_sizes, detect_communities, modularity, random_network

PEOPLE = 14
PAIRS = st.lists(
    st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1)).filter(lambda pair: pair[0] != pair[1]),
    min_size=1,
    max_size=60,
)
LABELS = st.lists(st.integers(0, 4), min_size=PEOPLE, max_size=PEOPLE)


def ends(pairs: list[tuple[int, int]]) -> tuple[Ints, Ints]:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def network(pairs: list[tuple[int, int]], people: int = PEOPLE) -> Network:
    return Network.of_pairs(people, *ends(pairs))


def undirected(pairs: list[tuple[int, int]]) -> "nx.Graph[int]":
    graph: nx.Graph[int] = nx.Graph(pairs)
    graph.add_nodes_from(range(PEOPLE))
    return graph


def directed(pairs: list[tuple[int, int]]) -> "nx.DiGraph[int]":
    graph: nx.DiGraph[int] = nx.DiGraph(pairs)
    graph.add_nodes_from(range(PEOPLE))
    return graph


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@holds(PAIRS)
def test_components_are_those_of_networkx(pairs: list[tuple[int, int]]) -> None:
    graph = directed(pairs)
    weak = sorted(map(len, nx.weakly_connected_components(graph)), reverse=True)
    strong = sorted(map(len, nx.strongly_connected_components(graph)), reverse=True)
    assert component_sizes(PEOPLE, *ends(pairs)).tolist() == weak
    assert component_sizes(PEOPLE, *ends(pairs), strong=True).tolist() == strong


@holds(PAIRS)
def test_reciprocity_is_that_of_networkx(pairs: list[tuple[int, int]]) -> None:
    assert reciprocity(PEOPLE, *ends(pairs)) == pytest.approx(nx.overall_reciprocity(directed(pairs)), abs=1e-9)


def _same(mine: float | None, theirs: float) -> bool:
    # networkx divides by a variance of zero, or by what rounding made of it, when all ends are alike.
    return np.isnan(theirs) or abs(theirs) > 1 + 1e-9 if mine is None else mine == pytest.approx(theirs, abs=1e-9)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@holds(PAIRS, LABELS)
def test_assortativities_are_those_of_networkx(pairs: list[tuple[int, int]], labels: list[int]) -> None:
    graph, values = undirected(pairs), np.array(labels)
    nx.set_node_attributes(graph, dict(enumerate(labels)), "label")
    tied = {labels[n] for n in graph if graph.degree(n)}
    degrees = {degree for _, degree in graph.degree() if degree}
    if len(degrees) > 1:
        assert _same(
            numeric_assortativity(network(pairs), network(pairs).degrees), nx.degree_assortativity_coefficient(graph)
        )
    if len(tied) > 1:
        numeric = nx.numeric_assortativity_coefficient(graph, "label")
        assert _same(numeric_assortativity(network(pairs), values), numeric)


def test_assortativity_is_not_defined_where_all_are_alike() -> None:
    ring = network([(n, (n + 1) % PEOPLE) for n in range(PEOPLE)])
    alike = np.ones(PEOPLE, np.int64)
    assert numeric_assortativity(ring, ring.degrees) is None
    assert numeric_assortativity(ring, alike) is None


@holds(PAIRS)
def test_clustering_and_triangles_are_those_of_networkx(pairs: list[tuple[int, int]]) -> None:
    graph, found = undirected(pairs), measure_clustering(network(pairs), rng())
    assert count_triangles(network(pairs)).tolist() == [nx.triangles(graph)[n] for n in range(PEOPLE)]
    assert found.average.value == pytest.approx(nx.average_clustering(graph), abs=1e-9)
    if found.transitivity.value is not None:
        assert found.transitivity.value == pytest.approx(nx.transitivity(graph), abs=1e-9)


def test_drawn_clustering_is_near_the_exact_one() -> None:
    drawn, exact = (measure_clustering(random_network(60, 500, rng()), rng(), most=most) for most in (0, 10**9))
    for estimate, truth in ((drawn.average, exact.average), (drawn.transitivity, exact.transitivity)):
        assert estimate.value is not None
        assert estimate.error is not None
        assert abs(estimate.value - (truth.value or 0)) < 5 * estimate.error


@holds(PAIRS)
def test_paths_are_those_of_networkx(pairs: list[tuple[int, int]]) -> None:
    graph = undirected(pairs)
    biggest = max(len(part) for part in nx.connected_components(graph))
    parts = [graph.subgraph(part) for part in nx.connected_components(graph) if len(part) == biggest]
    found = measure_paths(network(pairs), rng())
    means = [nx.average_shortest_path_length(part) for part in parts]
    assert found.mean.value in [pytest.approx(mean, abs=1e-9) for mean in means]
    assert found.longest in [nx.diameter(part) for part in parts]
    assert sum(found.shares) == pytest.approx(1)


def test_paths_of_a_big_network_are_estimated_with_their_error() -> None:
    big = random_network(3000, 9000, rng())
    drawn, whole = measure_paths(big, rng()), measure_paths(big, rng(), sources=3000)
    assert whole.mean.value is not None
    assert drawn.mean.value is not None
    assert drawn.mean.error is not None
    assert (whole.mean.error, drawn.mean.sample) == (None, 64)
    assert 0 < abs(drawn.mean.value - whole.mean.value) < 5 * drawn.mean.error


@holds(PAIRS, LABELS)
def test_modularity_is_that_of_networkx(pairs: list[tuple[int, int]], labels: list[int]) -> None:
    groups = [{n for n in range(PEOPLE) if labels[n] == label} for label in set(labels)]
    theirs = nx.community.modularity(undirected(pairs), groups)
    assert modularity(network(pairs), np.array(labels)) == pytest.approx(theirs, abs=1e-9)


@holds(PAIRS)
def test_communities_are_connected_and_better_than_none(pairs: list[tuple[int, int]]) -> None:
    tied, graph = network(pairs), undirected(pairs)
    labels = detect_communities(tied, rng())
    for label in range(int(labels.max()) + 1):
        assert nx.is_connected(graph.subgraph(np.flatnonzero(labels == label).tolist()))
    alone = modularity(tied, np.arange(PEOPLE))
    assert (modularity(tied, labels) or 0) >= (alone or 0)


def test_planted_communities_are_found() -> None:
    planted = nx.planted_partition_graph(8, 40, 0.4, 0.005, seed=3)
    labels = detect_communities(network(list(planted.edges), 320), rng())
    assert [set(labels[n : n + 40].tolist()) for n in range(0, 320, 40)] == [{label} for label in labels[::40].tolist()]
    assert np.bincount(labels).tolist() == [40] * 8


def test_communities_are_about_as_good_as_networkx_finds_them() -> None:
    graph = nx.powerlaw_cluster_graph(600, 3, 0.3, seed=5)
    mine = modularity(network(list(graph.edges), 600), detect_communities(network(list(graph.edges), 600), rng()))
    theirs = nx.community.modularity(graph, nx.community.louvain_communities(graph, seed=1))
    assert mine is not None
    assert mine > theirs - 0.03


@holds(st.integers(2, 30), st.floats(0, 1), st.integers(0, 2**32))
def test_a_random_network_has_exactly_the_ties_asked_for(people: int, share: float, seed: int) -> None:
    ties = int(share * people * (people - 1) / 2)
    drawn = random_network(people, ties, np.random.default_rng(seed))
    assert (drawn.people, len(drawn)) == (people, ties)
    assert (drawn.first < drawn.second).all()


def test_every_pair_is_tied_equally_often_in_random_networks() -> None:
    source = rng()
    counts = np.zeros((6, 6))
    for _ in range(3000):
        drawn = random_network(6, 5, source)
        counts[drawn.first, drawn.second] += 1
    expected = 3000 * 5 / 15
    assert np.abs(counts[np.triu_indices(6, 1)] - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize(("people", "ties"), [(0, 0), (1, 0), (2, 1), (5, 0), (5, 2)])
def test_random_networks_of_next_to_nobody(people: int, ties: int) -> None:
    assert len(random_network(people, ties, rng())) == ties


def test_the_spread_of_degrees() -> None:
    degrees = np.array([0, 1, 1, 2, 3, 4, 9, 4])
    assert Degrees.of(degrees) == Degrees(3.0, 2, 9, 9, 9)
    shares = [(s.least, s.most, s.people) for s in DegreeShare.histogram(degrees)]
    assert shares == [(0, 0, 1), (1, 1, 2), (2, 3, 2), (4, 7, 2), (8, 15, 1)]
