import asyncio

import pytest

from populace.personas.errors import EndpointError
from populace.sim.bounded import bounded_map


async def test_results_come_in_the_order_of_the_items_and_never_too_many_at_once() -> None:
    under_way = peak = done = 0

    async def work(item: int) -> int:
        nonlocal under_way, peak
        under_way += 1
        peak = max(peak, under_way)
        await asyncio.sleep(0.001 * (item % 3))
        under_way -= 1
        return item * item

    def count() -> None:
        nonlocal done
        done += 1

    assert await bounded_map(work, list(range(40)), workers=7, done=count) == [i * i for i in range(40)]
    assert peak == 7
    assert done == 40


async def test_what_is_under_way_when_an_error_comes_is_ended_and_not_lost() -> None:
    ended = []

    async def work(item: int) -> int:
        if item == 0:
            await asyncio.sleep(0.001)
            raise EndpointError("The key is wrong.")
        await asyncio.sleep(0.02)
        ended.append(item)
        return item

    with pytest.raises(EndpointError):
        await bounded_map(work, list(range(100)), workers=4, done=lambda: None)
    assert ended == [1, 2, 3]


async def test_the_first_error_is_raised_as_it_is_and_stops_the_rest() -> None:
    worked = []

    async def work(item: int) -> int:
        worked.append(item)
        await asyncio.sleep(0)
        if item == 3:
            raise EndpointError("The key is wrong.")
        return item

    with pytest.raises(EndpointError, match="The key is wrong"):
        await bounded_map(work, list(range(1_000)), workers=2, done=lambda: None)
    assert len(worked) < 10


async def test_no_work_gives_no_results() -> None:
    assert await bounded_map(asyncio.sleep, [], workers=4, done=lambda: None) == []
