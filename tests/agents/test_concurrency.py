import asyncio
import random
from collections.abc import Sequence

import pytest
from quick_time import in_no_time, seconds

from populace.agents.endpoint.errors import RequestError
from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.concurrency import ConcurrencyLimiter, Slot
from populace.agents.gateway.limits import TokenEstimate
from populace.core.model import Outcome
from populace.sim.engine import bounded_map

NOTHING = TokenEstimate()
TEXT = ModelResponse("{}", "stop")


def too_many(wait: float | None = None, status: int = 429) -> RequestError:
    return RequestError(Outcome.RATE_LIMITED, "Too many.", status=status, retry_after=wait)


async def taken(limiter: ConcurrencyLimiter, count: int) -> list[Slot]:
    return [await limiter.acquire_slot(NOTHING) for _ in range(count)]


def end(limiter: ConcurrencyLimiter, slots: Sequence[Slot], fault: RequestError | None = None) -> None:
    for slot in slots:
        if fault:
            limiter.failed(slot, fault)
        else:
            limiter.answered(slot, TEXT)
        limiter.release(slot)


class Crowded:
    """An endpoint that takes so many calls at once, refuses one more, and refuses others by chance."""

    def __init__(self, allow: int, *, asked: float | None = None, by_chance: float = 0.0) -> None:
        self.allow = allow
        self.asked = asked
        self._by_chance = by_chance
        self._rng = random.Random(allow)
        self.under_way = self.answered = self.refused = self.peak = 0

    async def call(self, limiter: ConcurrencyLimiter, latency: float) -> bool:
        slot = await limiter.acquire_slot(NOTHING)
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        is_refused = self.under_way > self.allow or self._rng.random() < self._by_chance
        await asyncio.sleep(0.01 if is_refused else latency)
        self.under_way -= 1
        self.refused += is_refused
        self.answered += not is_refused
        end(limiter, [slot], too_many(self.asked) if is_refused else None)
        return not is_refused

    async def work(self, limiter: ConcurrencyLimiter, count: int) -> None:
        """Have so many calls answered, each sent until it is."""
        latencies = iter([random.Random(number).lognormvariate(0, 0.8) for number in range(count)])

        async def worker() -> None:
            for latency in latencies:
                for _ in range(50):
                    if await self.call(limiter, latency):
                        break
                    await asyncio.sleep(self.asked or 0.5)

        async with asyncio.TaskGroup() as group:
            for _ in range(2 * limiter.most):
                group.create_task(worker())


async def test_slots_are_given_in_the_order_they_were_asked_for() -> None:
    limiter, order = ConcurrencyLimiter(2), []

    async def work(number: int) -> None:
        (slot,) = await taken(limiter, 1)
        order.append(number)
        await asyncio.sleep(0)
        end(limiter, [slot])

    async with asyncio.TaskGroup() as group:
        for number in range(9):
            group.create_task(work(number))
    assert order == list(range(9))
    assert (limiter.peak, limiter.in_flight) == (2, 0)


async def test_one_who_stops_waiting_takes_no_slot() -> None:
    limiter = ConcurrencyLimiter(1)
    slots = await taken(limiter, 1)
    waiting = asyncio.create_task(limiter.acquire_slot(NOTHING))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    end(limiter, slots)
    assert limiter.in_flight == 0


async def test_one_who_is_cancelled_at_its_slot_hands_it_on() -> None:
    limiter = ConcurrencyLimiter(1)
    slots = await taken(limiter, 1)
    first, second = (
        asyncio.create_task(limiter.acquire_slot(NOTHING)),
        asyncio.create_task(limiter.acquire_slot(NOTHING)),
    )
    await asyncio.sleep(0)
    end(limiter, slots)
    first.cancel()
    await second
    assert first.cancelled()
    assert limiter.in_flight == 1


async def test_one_burst_shrinks_the_limit_once() -> None:
    limiter = ConcurrencyLimiter(64)
    end(limiter, await taken(limiter, 64), too_many())
    assert limiter.limit == 32
    end(limiter, await taken(limiter, 32), too_many(status=503))
    assert limiter.limit == 16


async def test_a_small_burst_brings_the_limit_just_below_what_was_taken() -> None:
    limiter = ConcurrencyLimiter(44)
    slots = await taken(limiter, 44)
    end(limiter, slots[:4], too_many())
    assert limiter.limit == 38
    for slot in slots[4:]:  # answers to calls from before it say nothing of what is taken now
        end(limiter, [slot])
        await taken(limiter, limiter.limit - limiter.in_flight)
    assert limiter.limit == 38


async def test_refusals_of_an_older_burst_change_nothing() -> None:
    limiter = ConcurrencyLimiter(100)
    old = await taken(limiter, 100)
    end(limiter, old[:80], too_many())
    young = await taken(limiter, 30)
    end(limiter, young[:4], too_many())
    limit = limiter.limit
    end(limiter, old[80:], too_many())
    assert limiter.limit == limit == 43


async def test_the_limit_never_falls_below_one() -> None:
    limiter = ConcurrencyLimiter(4)
    for _ in range(9):
        end(limiter, await taken(limiter, 1), too_many())
    assert limiter.limit == 1


async def test_other_faults_leave_the_limit_alone() -> None:
    limiter = ConcurrencyLimiter(8)
    end(limiter, await taken(limiter, 8), RequestError(Outcome.SERVER_ERROR, "Broken.", status=500))
    assert limiter.limit == 8


async def test_the_limit_grows_by_one_after_as_many_answers_as_it_allows() -> None:
    limiter = ConcurrencyLimiter(64)
    end(limiter, await taken(limiter, 64), too_many())
    under_way = await taken(limiter, 32)
    for limit in range(32, 64):
        assert limiter.limit == limit
        for _ in range(limit + 1):
            end(limiter, [under_way.pop()])
            under_way += await taken(limiter, limiter.limit - limiter.in_flight)
    assert limiter.limit == 64


async def test_answers_while_slots_are_to_spare_do_not_raise_the_limit() -> None:
    limiter = ConcurrencyLimiter(64)
    end(limiter, await taken(limiter, 64), too_many())
    for _ in range(500):
        end(limiter, await taken(limiter, 1))
    assert limiter.limit == 32


@pytest.mark.parametrize("asked", [None, 1.0])
def test_the_limit_settles_at_what_the_endpoint_takes_and_wastes_little(asked: float | None) -> None:
    async def lived() -> tuple[Crowded, float]:
        endpoint, limiter = Crowded(40, asked=asked), ConcurrencyLimiter(256, patience=600)
        await endpoint.work(limiter, 2_000)
        endpoint.answered = endpoint.refused = endpoint.peak = 0
        begun = seconds()
        await endpoint.work(limiter, 10_000)
        return endpoint, seconds() - begun

    endpoint, took = in_no_time(lived())
    assert endpoint.answered == 10_000
    assert endpoint.refused < 100
    assert 40 <= endpoint.peak <= 42
    ideal = sum(random.Random(number).lognormvariate(0, 0.8) for number in range(10_000)) / 40
    assert ideal / took > 0.95


def test_refusals_by_chance_slow_down_nobody_else() -> None:
    async def lived(by_chance: float) -> float:
        endpoint, limiter = Crowded(1_000, asked=1.0, by_chance=by_chance), ConcurrencyLimiter(64, patience=600)
        await endpoint.work(limiter, 4_000)
        assert limiter.limit >= 55
        return seconds()

    assert in_no_time(lived(0.05)) < 1.1 * in_no_time(lived(0.0))


def test_the_limit_finds_its_way_back_when_the_endpoint_takes_more() -> None:
    async def lived() -> ConcurrencyLimiter:
        endpoint, limiter = Crowded(8), ConcurrencyLimiter(32)
        await endpoint.work(limiter, 500)
        endpoint.allow = 100
        await endpoint.work(limiter, 2_000)
        return limiter

    assert in_no_time(lived()).limit == 32


async def waited(*ends: RequestError | None) -> float:
    """Seconds until a slot is free after calls that ended so, one after the other."""
    limiter = ConcurrencyLimiter(8, patience=600)
    for fault in ends:
        end(limiter, await taken(limiter, 1), fault)
    await taken(limiter, 1)
    return seconds()


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([too_many(30)] * 4, 30),  # several in a row hold for all new slots
        ([None, too_many(30)], 0),  # one pauses nobody else
        ([too_many(30), None] * 3, 0),
        ([too_many(30), None] * 4, 30),  # a share beyond chance
        ([too_many(86_400)] * 4, 0),  # beyond all patience
    ],
)
def test_a_pause_that_more_than_chance_asks_for_holds_for_all_new_slots(
    ends: list[RequestError | None], seconds: float
) -> None:
    assert in_no_time(waited(*ends)) == seconds


def test_at_first_few_calls_start_and_twice_as_many_after_each_moment_without_a_fault() -> None:
    async def in_flight() -> list[int]:
        limiter, seen = ConcurrencyLimiter(64, first=4), []
        waiting = [asyncio.create_task(limiter.acquire_slot(NOTHING)) for _ in range(100)]
        for _ in range(6):
            await asyncio.sleep(0.024)
            seen.append(limiter.in_flight)
            await asyncio.sleep(0.001)
        for task in waiting:
            task.cancel()
        return seen

    assert in_no_time(in_flight()) == [4, 8, 16, 32, 64, 64]


def test_a_fault_that_concerns_all_calls_lets_no_more_than_the_first_ones_start() -> None:
    async def in_flight() -> tuple[int, int]:
        limiter = ConcurrencyLimiter(64, first=4)
        waiting = [asyncio.create_task(limiter.acquire_slot(NOTHING)) for _ in range(100)]
        await asyncio.sleep(0.01)
        end(limiter, [await waiting[0]], RequestError(Outcome.AUTH, "No such key.", status=401))
        await asyncio.sleep(10)
        refused = limiter.in_flight
        end(limiter, [await waiting[1]])
        await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        return refused, limiter.peak

    assert in_no_time(in_flight()) == (4, 64)


async def test_further_requests_start_when_no_first_request_waits() -> None:
    limiter = ConcurrencyLimiter(1)
    slot = await limiter.acquire_slot(NOTHING)
    started: list[str] = []

    async def request(name: str, *, defer: bool) -> None:
        held = await limiter.acquire_slot(NOTHING, defer=defer)
        started.append(name)
        limiter.release(held)

    async with asyncio.TaskGroup() as group:
        for name in ("revision", "first", "second"):
            group.create_task(request(name, defer=name == "revision"))
        await asyncio.sleep(0)
        assert limiter.waiting == 3
        limiter.release(slot)
    assert started == ["first", "second", "revision"]


def test_the_revisions_of_a_step_end_with_its_last_calls() -> None:
    limiter = ConcurrencyLimiter(8)
    revised = {3, 17, 39}

    async def call(*, defer: bool = False) -> None:
        slot = await limiter.acquire_slot(NOTHING, defer=defer)
        await asyncio.sleep(1)
        end(limiter, [slot])

    async def turn(number: int) -> None:
        await call()
        if number in revised:
            await call(defer=True)

    async def step() -> float:
        await bounded_map(turn, range(40), workers=24, done=lambda *_: None)
        return seconds()

    # Five waves of first calls and one of revisions; in the order asked for it would be seven.
    assert in_no_time(step()) == 6.0
