"""The benchmark of societies measures what it says."""

import pytest
from benchmarks.society import measure_mesa, measure_society, pairs_of


def test_each_pair_of_neighbours_is_drawn_once_and_nobody_with_themselves() -> None:
    pairs = pairs_of(200, seed=0)
    assert len(set(pairs)) == len(pairs) > 900
    assert all(one < other for one, other in pairs)


@pytest.mark.slow
def test_the_same_society_is_measured_again() -> None:
    first, again = (measure_society(30, 2, 0) for _ in range(2))
    assert first["hash"] == again["hash"]
    assert first["cpu"] > measure_mesa(30, 2, 0)["cpu"] > 0
