"""Near-duplicates among very many vectors: an index finds candidates, and each of them is compared exactly."""

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray
from planted_vectors import Verdicts, brute, found, planted
from properties import holds

from populace.core.errors import SetupError
from populace.personas.dedup.vectors import FaissSearch, find_similar_vectors, units

EVERY = 10**6


def by_index(matrix: NDArray[np.float32], threshold: float = 0.9, *, probed: int = EVERY) -> Verdicts:
    """Verdicts by the index, which is asked for every 32 newcomers: within a block it is not needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("populace.personas.dedup.vectors.BLOCK", 32)
        patch.setattr("populace.personas.dedup.vectors._PROBED", probed)
        return found(matrix, threshold, exact=False)


def test_very_many_vectors_need_an_index_that_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.personas.dedup.vectors.MOST_EXACT", 10)

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("populace.personas.dedup.vectors.import_module", missing)
    matrix = planted(2, 11, 8)
    with pytest.raises(SetupError, match=r"'\.\[faiss\]'"):
        found(matrix)
    assert found(matrix, exact=True) == brute(matrix, 0.9)


@holds(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 200),
    dims=st.sampled_from([8, 32, 128, 384]),
    threshold=st.sampled_from([0.5, 0.8, 0.9, 0.99, 1.0]),
    few=6,
    many=25,
)
def test_with_every_cell_looked_into_verdicts_are_those_of_brute_force(
    seed: int, n: int, dims: int, threshold: float
) -> None:
    matrix = planted(seed, n, dims, threshold)
    assert by_index(matrix, threshold) == brute(matrix, threshold)


@pytest.mark.parametrize("dims", [8, *(pytest.param(dims, marks=pytest.mark.slow) for dims in (32, 128, 384))])
@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9, 0.99])
def test_whoever_is_found_in_a_few_cells_is_as_near_as_is_said(dims: int, threshold: float) -> None:
    matrix = planted(dims, 400, dims, threshold)
    near, wide = by_index(matrix, threshold, probed=4), units(matrix)
    gone = {row for row, _, _ in near}
    assert len(gone) > 50
    assert all(of < row and of not in gone for row, of, _ in near)
    assert all(similarity == round(float(wide[row] @ wide[of]), 6) >= threshold for row, of, similarity in near)


@pytest.mark.slow
@pytest.mark.parametrize("dims", [8, pytest.param(128, marks=pytest.mark.slow)])
def test_few_are_overlooked_in_a_few_cells(dims: int) -> None:
    matrix = planted(4, 900, dims)
    right = set(brute(matrix, 0.9))
    assert len(set(by_index(matrix, probed=4)) & right) >= 0.95 * len(right)


@pytest.mark.parametrize("n", range(6))
def test_an_index_of_nobody_or_of_a_few_is_exact(n: int) -> None:
    matrix = np.repeat(planted(n, n, 16), 2, axis=0)
    assert by_index(matrix, probed=4) == brute(matrix, 0.9)
    assert len(brute(matrix, 0.9)) >= n - 1


def test_vectors_without_length_are_near_nobody_and_equal_ones_repeat_the_first() -> None:
    assert by_index(np.zeros((40, 8), dtype=np.float32), 0.1) == []
    assert by_index(np.ones((40, 8), dtype=np.float32), 1.0) == [(row, 0, 1.0) for row in range(1, 40)]


def test_who_is_fixed_stays_and_is_found_in_the_index() -> None:
    matrix = np.tile(planted(1, 20, 16), (100, 1))
    fixed = np.arange(2000) < 1500
    near = find_similar_vectors(matrix, fixed=fixed, exact=False)
    right = find_similar_vectors(matrix, fixed=fixed, exact=True)
    assert set(near.rows.tolist()) == set(right.rows.tolist())
    assert len(near) == 500


def test_an_index_that_holds_nobody_and_one_that_is_asked_for_nobody_give_no_pairs() -> None:
    rows = units(planted(2, 30, 8))
    index = FaissSearch(rows.astype(np.float32), 0.9)
    index.hold(rows[:0])
    assert list(index.near(rows)) == []
    index.hold(rows)
    assert list(index.near(rows[:0])) == []


def test_everybody_is_a_candidate_for_themselves() -> None:
    rows = units(planted(3, 200, 32))
    rows = rows[np.linalg.norm(rows, axis=1) > 0]
    index = FaissSearch(rows.astype(np.float32), 1.0)
    for first in range(0, len(rows), 50):
        index.hold(rows[first : first + 50])
    pairs = {(int(one), int(other)) for left, right in index.near(rows) for one, other in zip(left, right, strict=True)}
    assert pairs >= {(row, row) for row in range(len(rows))}
