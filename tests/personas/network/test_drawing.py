"""Networks that are drawn by a seed: how many ties they have, between whom, and what they keep."""

import random
from collections import Counter

import networkx as nx
import numpy as np
import pytest

from populace.core.errors import SetupError
from populace.personas.network import drawing
from populace.personas.network.spec import MOST_TIES, parse_network

PEOPLE = 400


def degrees(pairs: list[tuple[int, int]]) -> Counter[int]:
    return Counter(end for pair in pairs for end in pair)


@pytest.mark.parametrize("text", ["ring:4", "watts-strogatz:6,0.2", "barabasi-albert:3"])
def test_regular_networks_are_those_of_networkx_with_people_in_an_order_of_chance(text: str) -> None:
    spec = parse_network(text)
    first, again = (drawing.draw_regular(spec, PEOPLE, random.Random(5)) for _ in range(2))
    assert first == again != drawing.draw_regular(spec, PEOPLE, random.Random(6))
    rng = random.Random(5)
    order = rng.sample(range(PEOPLE), PEOPLE)
    if spec.kind == "barabasi-albert":
        known = nx.barabasi_albert_graph(PEOPLE, spec.degree, seed=rng)
    else:
        known = nx.watts_strogatz_graph(PEOPLE, spec.degree, spec.probability, seed=rng)
    assert nx.is_isomorphic(nx.Graph(first), nx.relabel_nodes(known, dict(enumerate(order))))


def test_the_configuration_model_keeps_degrees_and_moves_ties() -> None:
    grown = list(nx.barabasi_albert_graph(PEOPLE, 3, seed=1).edges)
    drawn = drawing.draw_configuration(PEOPLE, grown, random.Random(1))
    assert degrees(drawn) == degrees(grown)
    assert len({frozenset(pair) for pair in drawn}) == len(grown)
    assert all(a != b for a, b in drawn)
    assert len({frozenset(pair) for pair in drawn} & {frozenset(pair) for pair in grown}) < len(grown) / 3


def test_a_star_is_the_only_network_with_its_degrees() -> None:
    star = [(0, n) for n in range(1, 9)]
    assert sorted(drawing.draw_configuration(9, star, random.Random(1))) == star
    assert drawing.draw_configuration(2, [(0, 1)], random.Random(1)) == [(0, 1)]


@pytest.mark.parametrize(("within", "between"), [(1.0, 0.6), (0.1, 0.05), (0.0, 0.2)])
def test_blocks_are_tied_as_often_as_their_probabilities_say(within: float, between: float) -> None:
    blocks = ["abc"[n % 3] for n in range(3 * PEOPLE)]
    spec = parse_network(f"stochastic-block:{within},{between}")
    pairs = drawing.draw_blocks(blocks, spec, np.random.default_rng(3))
    found = Counter(blocks[a] == blocks[b] for a, b in pairs)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    for is_same, of, share in ((True, 3 * PEOPLE * (PEOPLE - 1) // 2, within), (False, 3 * PEOPLE**2, between)):
        # Within five standard deviations of the binomial distribution.
        assert abs(found[is_same] - of * share) <= 5 * (of * share * (1 - share)) ** 0.5


def test_blocks_that_would_make_too_many_ties_are_refused() -> None:
    with pytest.raises(SetupError, match="make some 199,990,000 ties among 20,000 people"):
        drawing.draw_blocks(["a"] * 20_000, parse_network("stochastic-block:1,0"), np.random.default_rng(1))
    assert MOST_TIES < 199_990_000


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_ties_between_people_who_are_alike_is_the_one_asked_for(share: float) -> None:
    values = [None if n % 5 == 4 else str(n % 5) for n in range(PEOPLE)]
    pairs = drawing.draw_alike(parse_network(f"homophily:x,10,{share}"), values, np.random.default_rng(1))
    assert len(set(pairs)) == len(pairs) == PEOPLE * 5
    known = [(values[a], values[b]) for a, b in pairs if values[a] is not None and values[b] is not None]
    alike = sum(a == b for a, b in known) / len(known)
    # Of four values of one size, a quarter of the other ties are between people who are alike, too.
    by_chance = 0.25
    assert alike == pytest.approx(share + (1 - share) * by_chance, abs=0.06)


def test_a_group_that_is_full_is_tied_to_others() -> None:
    values = ["few"] * 3 + ["many"] * 27
    pairs = drawing.draw_alike(parse_network("homophily:x,29,1"), values, np.random.default_rng(1))
    assert len(set(pairs)) == len(pairs) == 30 * 29 // 2


def test_people_are_tied_to_those_whose_vectors_are_nearest() -> None:
    vectors = np.eye(8, dtype=np.float32)[np.arange(80) % 8]
    noise = np.random.default_rng(2).normal(0, 0.01, vectors.shape)
    near = drawing.unit((vectors + noise).astype(np.float32))
    pairs = drawing.draw_near(parse_network("homophily:embedding,4,1"), near, np.random.default_rng(1))
    assert len(pairs) == 160
    assert all(a % 8 == b % 8 for a, b in pairs)


@pytest.mark.parametrize(
    ("text", "people", "like"),
    [
        ("grown", 10, "grown"),
        ("ring:40", 24, "ring:22"),
        ("watts-strogatz:6,0.1", 24, "watts-strogatz:6,0.1"),
        ("barabasi-albert:30", 24, "barabasi-albert:23"),
        ("stochastic-block:0.25,0.125", 24, "stochastic-block:1.0,0.625"),
        ("homophily:region,8", 24, "homophily:region,8,0.8"),
        ("homophily:embedding,8", 24, "ring:8"),
        ("file:/ties.csv", 24, "ring:6"),
        ("complete", 2, "complete"),
    ],
)
def test_a_smaller_society_has_about_as_many_ties_a_person(text: str, people: int, like: str) -> None:
    assert str(parse_network(text).scale_to(people, 120)) == like


@pytest.mark.parametrize(
    "text", ["grown", "ring:4", "stochastic-block:0.25,0.1,region", "homophily:x,6,0.8", "file:/a,b"]
)
def test_a_network_is_read_as_it_is_written(text: str) -> None:
    assert str(parse_network(text)) == text


def test_a_woven_network_keeps_what_grew_and_closes_as_many_triples_as_wanted() -> None:
    grown = [(0, n) for n in range(1, 7)] + [(n, n + 100) for n in range(1, 90)]
    values = ["en" if n % 3 else "de" for n in range(PEOPLE)]
    drawn = drawing.draw_woven(parse_network("woven:6,0.35"), grown, values, random.Random(4))
    assert drawn == drawing.draw_woven(parse_network("woven:6,0.35"), grown, values, random.Random(4))
    assert {tuple(sorted(pair)) for pair in grown} <= set(drawn)
    graph = nx.Graph(drawn)
    assert len(drawn) == 3 * PEOPLE
    assert nx.transitivity(graph) == pytest.approx(0.35, abs=0.01)
    assert max(dict(graph.degree).values()) < 25
    assert sum(values[a] == values[b] for a, b in drawn) / len(drawn) > 0.65  # of pairs at random, 5 of 9


def test_a_woven_network_of_few_people_ends_and_one_that_grew_dense_stays() -> None:
    assert drawing.draw_woven(parse_network("woven:2,1"), [], ["en"] * 3, random.Random(1))
    grown = [(one, other) for one in range(6) for other in range(one)]
    drawn = drawing.draw_woven(parse_network("woven:2,0"), grown, ["en"] * 6, random.Random(1))
    assert drawn == sorted((b, a) for a, b in grown)
