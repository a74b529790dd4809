import asyncio
import random

import pytest

from populace.agents.backoff import Backoff
from populace.agents.slots import Slots


async def spin(turns: int = 3) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_slots_are_given_in_the_order_they_were_asked_for() -> None:
    slots, order = Slots(2), []

    async def work(number: int) -> None:
        await slots.take()
        order.append(number)
        await spin()
        slots.give()

    async with asyncio.TaskGroup() as group:
        for number in range(9):
            group.create_task(work(number))
    assert order == list(range(9))
    assert (slots.peak, slots.in_flight) == (2, 0)


async def test_one_who_stops_waiting_takes_no_slot() -> None:
    slots = Slots(1)
    await slots.take()
    waiting = asyncio.create_task(slots.take())
    await spin()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    slots.give()
    assert slots.in_flight == 0


async def test_one_who_is_cancelled_at_its_turn_hands_the_slot_on() -> None:
    slots = Slots(1)
    await slots.take()
    first, second = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
    await spin()
    slots.give()
    first.cancel()
    await second
    assert first.cancelled()
    assert slots.in_flight == 1


@pytest.mark.parametrize("attempt", [1, 3, 2000])
def test_a_wait_is_jittered_below_its_ceiling(attempt: int) -> None:
    backoff = Backoff(base=0.5, cap=4.0)
    delays = [backoff.delay(attempt, random.Random(seed)) for seed in range(200)]
    ceiling = min(4.0, 0.5 * 2 ** min(attempt - 1, 60))
    assert all(delay is not None and 0 <= delay <= ceiling for delay in delays)
    assert len(set(delays)) > 100


def test_a_wait_that_is_asked_for_is_kept_in_full() -> None:
    delay = Backoff(base=0.5).delay(1, random.Random(1), asked=20.0)
    assert delay is not None
    assert delay >= 20.0


def test_a_wait_beyond_all_patience_gives_up() -> None:
    assert Backoff(patience=60).delay(1, random.Random(1), asked=86_400) is None
