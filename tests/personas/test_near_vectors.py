"""Near-duplicates by cosine: the same as comparing everybody with everybody, in order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_vectors import brute, planted

from populace.personas.errors import SetupError
from populace.personas.near import NearVectors, near_vectors
from populace.personas.near.axes import Axes
from populace.personas.near.cosine import units
from populace.personas.near.many import near_rows


@given(st.integers(0, 10**6), st.integers(0, 300), st.integers(2, 64), st.sampled_from([0.5, 0.8, 0.9, 0.99, 1.0]))
@settings(max_examples=40, deadline=None)
def test_verdicts_are_those_of_brute_force(seed: int, n: int, dims: int, threshold: float) -> None:
    matrix = planted(seed, n, dims, threshold)
    assert near_vectors(range(n), matrix, threshold) == brute(matrix, threshold)


@given(st.integers(0, 10**6), st.integers(1, 200), st.sampled_from([2, 16, 64]))
@settings(max_examples=25, deadline=None)
def test_one_at_a_time_is_the_same(seed: int, n: int, dims: int) -> None:
    matrix = planted(seed, n, dims)
    index = NearVectors[int]()
    matches = [(row, index.add(row, vector)) for row, vector in enumerate(matrix)]
    assert [(row, m.key, m.similarity) for row, m in matches if m] == near_vectors(range(n), matrix)


@pytest.mark.parametrize("seed", range(2))
def test_axes_overlook_nobody_over_several_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = planted(seed, 2500, 128) @ np.diag(rng.exponential(size=128)).astype(np.float32)
    assert Axes.of(units(matrix)).width < 128
    assert near_vectors(range(len(matrix)), matrix) == brute(matrix, 0.9)


def test_axes_that_are_taken_anew_change_no_verdict() -> None:
    matrix = planted(5, 2200, 128)
    index = NearVectors[int]()
    found = [(row, match.key) for row, vector in enumerate(matrix) if (match := index.add(row, vector))]
    assert len(index) > 1100
    assert found == [(row, of) for row, of, _ in near_vectors(range(len(matrix)), matrix)]


def test_vectors_that_are_all_alike_are_compared_whole() -> None:
    rng = np.random.default_rng(1)
    matrix = (rng.normal(size=(1500, 128)) + 2.0).astype(np.float32)
    assert near_vectors(range(1500), matrix, 0.85) == brute(matrix, 0.85)


def test_a_product_along_axes_is_no_less_than_the_cosine() -> None:
    rows = units(planted(3, 400, 200))
    short = Axes.of(rows).shortened(rows).astype(np.float64)
    assert (short @ short.T >= rows @ rows.T - 1e-6).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_length_is_too_small_or_too_great(scale: float) -> None:
    matrix = planted(7, 120, 8)
    scaled = (matrix.astype(np.float64) * scale).astype(np.float32)
    assert [v[:2] for v in near_vectors(range(120), scaled)] == [v[:2] for v in near_vectors(range(120), matrix)]


def test_who_is_fixed_stays_and_is_compared_with() -> None:
    matrix = np.array([[1, 0], [1, 0], [1, 0.1], [1, 0.1]], dtype=np.float32)
    found = near_rows(matrix, fixed=np.array([False, True, True, False]))
    assert list(zip(found.rows.tolist(), found.of.tolist(), strict=True)) == [(3, 2)]


def test_of_equally_similar_originals_the_earliest_is_named() -> None:
    matrix = np.array([[1, 0.2], [1, -0.2], [1, 0]], dtype=np.float32)
    assert near_vectors("abc", matrix, 0.95) == [("c", "a", 0.980581)]


def test_a_duplicate_is_nobodys_original() -> None:
    angles = np.deg2rad([0, 20, 40])
    matrix = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    assert near_vectors("abc", matrix) == [("b", "a", 0.939693)]


def test_a_vector_without_length_is_near_nobody() -> None:
    assert near_vectors("abc", np.zeros((3, 4), dtype=np.float32), 0.1) == []


def test_finding_adds_nothing() -> None:
    index = NearVectors[str](stage="cosine:m")
    index.keep("a", np.array([1, 0], dtype=np.float32))
    index.keep("b", np.array([1, 0], dtype=np.float32))
    match = index.find(np.array([1, 0.1], dtype=np.float32))
    assert (match and (match.key, match.stage), len(index)) == (("a", "cosine:m"), 2)
    assert index.find(np.array([0, 1], dtype=np.float32)) is None


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, float("nan")])
def test_a_threshold_outside_its_range_is_refused(threshold: float) -> None:
    with pytest.raises(SetupError, match="least cosine"):
        near_vectors("ab", np.eye(2, dtype=np.float32), threshold)


def test_what_is_no_vector_is_refused() -> None:
    with pytest.raises(SetupError, match="Vector 1 holds a number that is not finite"):
        near_vectors("ab", np.array([[1, 0], [np.nan, 0]], dtype=np.float32))
    with pytest.raises(SetupError, match="2 ids and 3 vectors"):
        near_vectors("ab", np.eye(3, dtype=np.float32))
    index = NearVectors[str]()
    index.add("a", np.array([1, 0], dtype=np.float32))
    with pytest.raises(SetupError, match="A vector of 3 numbers came"):
        index.add("b", np.array([1, 0, 0], dtype=np.float32))
