"""People who are unlike each other: k-center by the distance of their words."""

from itertools import combinations

import numpy as np
from hypothesis import strategies as st
from properties import holds
from similarity import jaccard

from populace.core.text import words
from populace.personas.hub import HubFile
from populace.personas.selection import SelectionSpec, select
from populace.personas.selection.spec import WordSpace, farthest_first

# Deadlines are off: the first example pays for what pyarrow loads late.
TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6).map(" ".join), min_size=3, max_size=9)


def matrix(texts: list[str]) -> np.ndarray:
    return np.array([[1 - jaccard(words(a), words(b)) for b in texts] for a in texts])


@holds(st.lists(st.text(max_size=30), min_size=1, max_size=60))
def test_distances_are_those_of_the_sets_of_words(texts: list[str]) -> None:
    space = WordSpace(texts)
    found = np.array([space.measure_distances(position) for position in range(len(texts))])
    assert np.allclose(found, matrix(texts), atol=1e-6)


def test_frequent_and_rare_words_count_alike() -> None:
    texts = [f"the old baker w{i} of v{i % 5}" for i in range(200)]
    found = WordSpace(texts).measure_distances(3)
    assert np.allclose(found, matrix(texts)[3], atol=1e-6)


@holds(TEXTS, st.data(), few=40, many=200)
def test_the_choice_is_within_twice_the_best_there_is(texts: list[str], data: st.DataObject) -> None:
    n = data.draw(st.integers(2, len(texts)))
    distances = matrix(texts)
    choices = [list(choice) for choice in combinations(range(len(texts)), n)]
    _, found = farthest_first(WordSpace(texts), n)
    best_radius = min(distances[:, choice].min(axis=1).max() for choice in choices)
    best_pair = max(min(distances[a, b] for a, b in combinations(choice, 2)) for choice in choices)
    assert found.radius <= 2 * best_radius + 1e-6
    assert found.closest_pair is not None
    assert found.closest_pair >= best_pair / 2 - 1e-6


@holds(TEXTS, st.data())
def test_what_is_reported_of_a_choice_is_true_of_it(texts: list[str], data: st.DataObject) -> None:
    n = data.draw(st.integers(2, len(texts)))
    distances = matrix(texts)
    positions, found = farthest_first(WordSpace(texts), n)
    chosen = positions.tolist()
    assert len(set(chosen)) == n
    assert np.isclose(found.radius, distances[:, chosen].min(axis=1).max(), atol=1e-6)
    assert np.isclose(found.mean_distance, distances[:, chosen].min(axis=1).mean(), atol=1e-6)
    closest = min(distances[a, b] for a, b in combinations(chosen, 2))
    assert np.isclose(found.closest_pair or 0.0, closest, atol=1e-6)


@holds(TEXTS, st.data())
def test_strata_get_as_many_as_there_is_room_for(texts: list[str], data: st.DataObject) -> None:
    strata = np.arange(len(texts)) % 2
    capacity = np.array([data.draw(st.integers(0, int(count))) for count in np.bincount(strata)])
    capacity[0] = max(capacity[0], 1)
    positions, _ = farthest_first(WordSpace(texts), int(capacity.sum()), strata=strata, capacity=capacity)
    assert np.bincount(strata[positions], minlength=2).tolist() == capacity.tolist()


def test_a_diverse_choice_is_more_unlike_than_a_random_one(town: HubFile) -> None:
    texts = dict(town.con.execute("SELECT id, text FROM personas").fetchall())

    def closest(ids: list[str]) -> float:
        return min(1 - jaccard(words(texts[a]), words(texts[b])) for a, b in combinations(ids, 2))

    selection = select(town, SelectionSpec(n=7, diverse=True))
    assert closest(selection.ids) > closest(select(town, SelectionSpec(n=7)).ids)
    assert selection.report.diversity is not None
    assert abs((selection.report.diversity.closest_pair or 0.0) - closest(selection.ids)) < 1e-6


def test_a_diverse_choice_is_reproduced_by_its_seed_and_has_no_weights(town: HubFile) -> None:
    first, again, other = (select(town, SelectionSpec(n=12, diverse=True, seed=seed)) for seed in (1, 1, 2))
    assert first.ids == again.ids
    assert first.ids != other.ids
    assert first.people.column("weight").null_count == 12


def test_a_diverse_choice_keeps_to_its_balance(town: HubFile) -> None:
    report = select(town, SelectionSpec(n=9, diverse=True, balance=("region",))).report
    assert [share.got for share in report.breakdowns[0].shares] == [3, 3, 3]


def test_one_person_alone_has_no_closest_pair(town: HubFile) -> None:
    diversity = select(town, SelectionSpec(n=1, diverse=True)).report.diversity
    assert diversity is not None
    assert diversity.closest_pair is None


def test_more_words_than_16_bits_can_number_are_told_apart() -> None:
    texts = [" ".join(f"w{word}" for word in range(first, first + 600)) for first in range(0, 90_000, 300)]
    found = WordSpace(texts).measure_distances(250)
    expected = np.ones(len(texts))
    expected[250], expected[249], expected[251] = 0, 2 / 3, 2 / 3
    assert np.allclose(found, expected, atol=1e-6)
