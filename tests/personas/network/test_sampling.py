"""People are drawn from a hub so that they know each other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_people import make_hub, reject
from hypothesis import strategies as st
from properties import holds

from populace.personas.hub.file import open_hub
from populace.personas.hub.read import DrawSpec, Hub, draw_from, read_hub
from populace.personas.network.network import Network, draw_people
from populace.personas.persona import Persona

WAYS = ("snowball", "random")


def ring(people: int, reach: int = 3) -> Network:
    """Everybody is tied to the next few."""
    first = np.repeat(np.arange(people), reach)
    return Network.of_pairs(people, first, (first + np.tile(np.arange(1, reach + 1), people)) % people)


def remaining(network: Network, chosen: Any) -> int:
    is_in = np.isin(np.arange(network.people), chosen)
    return int((is_in[network.first] & is_in[network.second]).sum())


pairs = st.integers(1, 40).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=120))
)


@holds(network=pairs, most=st.integers(1, 45), seed=st.integers(0, 9), how=st.sampled_from(WAYS), few=40, many=150)
def test_a_draw_is_as_large_as_can_be_in_order_and_the_same_again(network: Any, most: int, seed: int, how: Any) -> None:
    people, ties = network
    a, b = np.array(ties, np.int64).reshape(-1, 2).T
    drawn = draw_people(Network.of_pairs(people, a, b), most, how=how, seed=seed)
    assert len(drawn) == min(people, most)
    assert (np.diff(drawn) > 0).all()
    assert (drawn == draw_people(Network.of_pairs(people, a, b), most, how=how, seed=seed)).all()


@holds(most=st.integers(2, 60), seed=st.integers(0, 99), few=20, many=60)
def test_people_who_were_drawn_along_ties_are_connected(most: int, seed: int) -> None:
    network = ring(300)
    drawn = draw_people(network, most, how="snowball", seed=seed)
    is_in = np.isin(network.first, drawn) & np.isin(network.second, drawn)
    place = {person: n for n, person in enumerate(drawn.tolist())}
    ends = [[place[int(p)] for p in side[is_in]] for side in (network.first, network.second)]
    assert len(set(Network.of_pairs(len(drawn), np.array(ends[0]), np.array(ends[1])).parts)) == 1


def test_of_twenty_thousand_sixty_keep_their_ties_which_chance_leaves_none_of() -> None:
    network = ring(20_000)
    assert remaining(network, draw_people(network, 60, how="snowball", seed=1)) >= 59
    assert remaining(network, draw_people(network, 60, how="random", seed=1)) < 5


def test_whoever_has_no_tie_is_drawn_last() -> None:
    network = Network.of_pairs(100, np.array([3, 50]), np.array([4, 51]))
    assert {3, 4, 50, 51} < set(draw_people(network, 6, how="snowball", seed=2).tolist())


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub of 60 in a circle; 20 to 22 nearly repeat 19, and 40 is rejected."""
    people = [Persona(f"Person {n} of the circle.") for n in range(60)]
    ties = [(people[n], people[(n + 1) % 60], "friendship", "friend") for n in range(60)]
    path = make_hub(tmp_path_factory.mktemp("hub") / "circle.duckdb", people, ties)
    with open_hub(path, write=True) as hub:
        for n in (20, 21, 22):
            verdict = ["persona", people[n].id, people[19].id, "minhash", 0.95]
            hub.con.execute(
                'INSERT INTO duplicates BY NAME SELECT ? AS kind, ? AS persona, ? AS "of", ? AS stage, '
                "? AS similarity, false AS undone",
                verdict,
            )
        reject(hub, people[40].id)
    return path


def test_a_draw_of_a_hub_says_how_many_ties_remained(circle: Path) -> None:
    hub = read_hub(circle, draw=DrawSpec(10, "snowball", 1))
    assert hub.drawn is not None
    assert (hub.drawn.people, hub.drawn.of_people, hub.drawn.ties, hub.drawn.of_ties) == (10, 56, 9, 55)
    assert hub.drawn.sentence() == "10 of the hub's 56 people were drawn by snowball; 9 of 55 ties remain."
    assert (len(hub.personas), len(hub.relations)) == (10, 9)


def test_only_those_who_stand_are_drawn_and_what_led_to_a_near_duplicate_leads_to_its_survivor(circle: Path) -> None:
    names = {f"Person {n} of the circle." for n in (20, 21, 22, 40)}
    for seed in range(8):
        hub = read_hub(circle, draw=DrawSpec(50, "snowball", seed))
        ids = {p.text: p.id for p in hub.personas}
        assert not names & set(ids)
        if {"Person 19 of the circle.", "Person 23 of the circle."} <= set(ids):
            ends = {(r.source, r.target) for r in hub.relations}
            assert (ids["Person 19 of the circle."], ids["Person 23 of the circle."]) in ends


def test_a_hub_that_is_no_larger_is_taken_as_it_is(circle: Path) -> None:
    assert read_hub(circle, draw=DrawSpec(56, "snowball", 1)) == read_hub(circle)


@pytest.mark.parametrize("how", WAYS)
def test_what_is_read_in_part_is_what_the_whole_would_give(circle: Path, how: Any) -> None:
    wish = DrawSpec(13, how, 5)
    assert read_hub(circle, draw=wish) == draw_from(read_hub(circle), wish)


def test_people_without_ties_are_drawn_at_random_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text("".join(f'{{"text": "Somebody with {n} hens."}}\n' for n in range(30)))
    hub = read_hub(path, draw=DrawSpec(5, "snowball", 1))
    assert isinstance(hub, Hub)
    assert hub.drawn is not None
    assert "5 of the hub's 30 people were drawn at random, for the hub has no ties" in hub.drawn.sentence()


def test_a_snowball_names_the_many_neighbours_of_one_person_once_each() -> None:
    star = Network.of_pairs(3_001, np.zeros(3_000, np.int64), np.arange(1, 3_001))
    drawn = draw_people(star, 2_500, how="snowball", seed=1)
    assert len(np.unique(drawn)) == 2_500
    assert drawn[0] == 0
    other = draw_people(star, 2_500, how="snowball", seed=2)
    assert len(np.setdiff1d(drawn, other)) > 200
