import random

import pytest

from populace.agents.gateway.limits import Backoff


@pytest.mark.parametrize("attempt", [1, 3, 2000])
def test_a_wait_is_jittered_below_its_ceiling(attempt: int) -> None:
    backoff = Backoff(base=0.5, cap=4.0)
    delays = [backoff.delay(attempt, random.Random(seed)) for seed in range(200)]
    ceiling = min(4.0, 0.5 * 2 ** min(attempt - 1, 60))
    assert all(delay is not None and 0 <= delay <= ceiling for delay in delays)
    assert len(set(delays)) > 100


def test_a_wait_beyond_all_patience_gives_up() -> None:
    assert Backoff(patience=60).delay(1, random.Random(1), asked=86_400) is None
