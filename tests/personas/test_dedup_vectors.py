"""Near-duplicates by cosine: the same as comparing everybody with everybody, in order."""

import numpy as np
import pytest
from hypothesis import strategies as st
from planted_vectors import brute, found, planted
from properties import holds

from populace.core.errors import SetupError
from populace.personas.dedup.vectors import PrincipalAxes, find_similar_vectors, units


@holds(
    st.integers(0, 10**6),
    st.integers(0, 300),
    st.integers(2, 64),
    st.sampled_from([0.5, 0.8, 0.9, 0.99, 1.0]),
    few=12,
    many=40,
)
def test_verdicts_are_those_of_brute_force(seed: int, n: int, dims: int, threshold: float) -> None:
    matrix = planted(seed, n, dims, threshold)
    assert found(matrix, threshold) == brute(matrix, threshold)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_axes_overlook_nobody_over_several_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = planted(seed, 1500, 128) @ np.diag(rng.exponential(size=128)).astype(np.float32)
    assert PrincipalAxes.of(units(matrix)).width < 128
    assert found(matrix) == brute(matrix, 0.9)


def test_vectors_that_are_all_alike_are_compared_whole() -> None:
    rng = np.random.default_rng(1)
    matrix = (rng.normal(size=(1100, 128)) + 2.0).astype(np.float32)
    assert found(matrix, 0.85) == brute(matrix, 0.85)


@pytest.mark.slow
def test_a_product_along_axes_is_no_less_than_the_cosine() -> None:
    rows = units(planted(3, 400, 200))
    short = PrincipalAxes.of(rows).shorten_rows(rows).astype(np.float64)
    assert (short @ short.T >= rows @ rows.T - 1e-6).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_length_is_too_small_or_too_great(scale: float) -> None:
    matrix = planted(7, 120, 8)
    scaled = (matrix.astype(np.float64) * scale).astype(np.float32)
    assert [v[:2] for v in found(scaled)] == [v[:2] for v in found(matrix)]


def test_who_is_fixed_stays_and_is_compared_with() -> None:
    matrix = np.array([[1, 0], [1, 0], [1, 0.1], [1, 0.1]], dtype=np.float32)
    near = find_similar_vectors(matrix, fixed=np.array([False, True, True, False]))
    assert list(zip(near.rows.tolist(), near.of.tolist(), strict=True)) == [(3, 2)]


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.01, float("nan")])
def test_a_threshold_outside_its_range_is_refused(threshold: float) -> None:
    with pytest.raises(SetupError, match="least cosine"):
        found(np.eye(2, dtype=np.float32), threshold)


def test_what_is_no_vector_is_refused() -> None:
    with pytest.raises(SetupError, match="Vector 1 holds a number that is not finite"):
        found(np.array([[1, 0], [np.nan, 0]], dtype=np.float32))
