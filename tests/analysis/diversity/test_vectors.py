"""Measures of diversity by vectors, against values computed by hand."""

import math

import numpy as np
import pytest

from populace.analysis.diversity.similarity import (
    cluster_share,
    compare_levels,
    nearest_by_vectors,
    paper_facts,
    vendi_score,
)


def test_equal_vectors_count_as_one_and_orthogonal_ones_each() -> None:
    assert vendi_score(np.ones((7, 3), dtype=np.float32)) == pytest.approx(1.0)
    assert vendi_score(np.eye(6, dtype=np.float32) * 4) == pytest.approx(6.0)
    assert vendi_score(np.empty((0, 3), dtype=np.float32)) is None


def test_the_score_of_two_vectors_is_that_of_their_two_eigenvalues() -> None:
    cosine = 0.6
    matrix = np.array([[1, 0], [cosine, math.sqrt(1 - cosine**2)]], dtype=np.float32)
    eigenvalues = ((1 + cosine) / 2, (1 - cosine) / 2)
    assert vendi_score(matrix) == pytest.approx(math.exp(-sum(v * math.log(v) for v in eigenvalues)), rel=1e-6)


def test_many_short_vectors_have_the_score_of_the_package_vendi_score() -> None:
    # vendi_score 0.0.3: score_dual of the rows scaled to length 1.
    matrix = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    assert vendi_score(matrix) == pytest.approx(6.935982, abs=1e-5)


def test_the_nearest_vector_is_another_one() -> None:
    matrix = np.array([[1, 0], [3, 4], [0, -2]], dtype=np.float32)
    assert nearest_by_vectors(matrix) == pytest.approx([0.6, 0.6, 0.0], abs=1e-6)


def test_clusters_hold_what_is_near_their_first() -> None:
    matrix = np.array([[1, 0], [1, 0.1], [0, 1]], dtype=np.float32)
    assert cluster_share(matrix) == pytest.approx(2 / 3)
    assert cluster_share(matrix, 0.999) == 1.0


def at_angles(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees], dtype=np.float32)


def test_pairs_of_outputs_are_taken_by_the_similarity_of_their_personas() -> None:
    # Cosines of the personas: 0.8 between the first two, about 0.4 and -0.23 with the third.
    apart = math.degrees(math.acos(0.8))
    personas = at_angles(0, apart, -math.degrees(math.acos(0.4)))
    levels = {level: found for level, *found in compare_levels(personas, at_angles(0, 60, 90))}
    assert [(s, found, pairs) for s, (pairs, found, *_) in levels.items()] == [
        (0.4, 1, 1),
        (0.6, 0, 0),
        (0.8, 1, 1),
        (0.9, 0, 0),
    ]
    assert levels[0.8][2:] == pytest.approx([0.5] * 5)
    assert levels[0.4][4] == pytest.approx(0.0, abs=1e-6)
    assert levels[0.6][2:] == [None] * 5


def test_of_many_pairs_a_random_hundred_is_drawn_that_depends_on_the_seed_alone() -> None:
    rng = np.random.default_rng(3)
    personas, outputs = rng.normal(size=(2, 700, 6)).astype(np.float32)
    one, again, other = (compare_levels(personas, outputs, seed=seed) for seed in (0, 0, 1))
    assert [pairs for _, pairs, *_ in one] == [100, 100, 100, 100]
    assert all(found > 100 for _, _, found, *_ in one)
    assert one == again != other


def test_outputs_that_take_half_of_their_persona_are_half_as_alike() -> None:
    rng, dims = np.random.default_rng(5), 64
    # Circles of people who are about as alike as each level says.
    circles = []
    for alike in (0.4, 0.6, 0.8, 0.9):
        centre, own = rng.normal(size=dims) / 8, rng.normal(size=(150, dims)) / 8
        circles.append(math.sqrt(alike) * centre + math.sqrt(1 - alike) * own)
    personas = np.concatenate(circles)
    personas /= np.linalg.norm(personas, axis=1)[:, None]
    outputs = math.sqrt(0.5) * personas + math.sqrt(0.5) * rng.normal(size=personas.shape) / 8
    levels = compare_levels(personas.astype(np.float32), outputs.astype(np.float32))
    assert [pairs for _, pairs, *_ in levels] == [100] * 4
    for level, _, _, _, _, median, *_ in levels:
        assert median == pytest.approx(level / 2, abs=0.06)


def test_pairs_are_found_wherever_they_stand() -> None:
    rng = np.random.default_rng(4)
    personas = rng.normal(size=(600, 4)).astype(np.float32)
    scaled = personas / np.linalg.norm(personas, axis=1)[:, None]
    cosines = (scaled.astype(np.float64) @ scaled.astype(np.float64).T)[np.triu_indices(600, 1)]
    found = [number for _, _, number, *_ in compare_levels(personas, personas)]
    assert found == pytest.approx([int((np.abs(cosines - s) <= 0.01).sum()) for s in (0.4, 0.6, 0.8, 0.9)], abs=2)


def test_the_papers_boxes_are_in_order_and_name_their_source() -> None:
    boxes = paper_facts()["boxes"]
    assert len(boxes) == 8
    assert all(one["box"] == sorted(one["box"]) for one in boxes)
    assert {one["level"]: one["box"][2] for one in boxes if one["label"] == "paper: a math problem"} == {
        0.4: 0.28,
        0.6: 0.45,
        0.8: 0.59,
    }
    assert paper_facts()["temperature"] == 0
