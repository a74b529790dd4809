import asyncio
import random
from collections.abc import Sequence

from quick_time import in_no_time, seconds

from populace.agents.endpoint.errors import RequestError
from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.allowance import Weight
from populace.agents.gateway.pace import Pace, Turn
from populace.personas.model import Outcome

NOTHING = Weight()
TEXT = ModelResponse("{}", "stop")


def too_many(wait: float | None = None, status: int = 429) -> RequestError:
    return RequestError(Outcome.RATE_LIMITED, "Too many.", status=status, retry_after=wait)


async def taken(pace: Pace, count: int) -> list[Turn]:
    return [await pace.take(NOTHING) for _ in range(count)]


def end(pace: Pace, turns: Sequence[Turn], fault: RequestError | None = None) -> None:
    for turn in turns:
        if fault:
            pace.failed(turn, fault)
        else:
            pace.answered(turn, TEXT)
        pace.give(turn)


class Crowded:
    """An endpoint that takes so many calls at once and refuses one more."""

    def __init__(self, allow: int) -> None:
        self.allow = allow
        self.under_way = self.answered = self.refused = self.peak = 0

    async def call(self, pace: Pace, latency: float) -> bool:
        turn = await pace.take(NOTHING)
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        is_refused = self.under_way > self.allow
        await asyncio.sleep(0.01 if is_refused else latency)
        self.under_way -= 1
        self.refused += is_refused
        self.answered += not is_refused
        end(pace, [turn], too_many() if is_refused else None)
        return not is_refused

    async def work(self, pace: Pace, count: int) -> None:
        """Have so many calls answered, each sent until it is."""
        latencies = iter([random.Random(number).lognormvariate(0, 0.8) for number in range(count)])

        async def worker() -> None:
            for latency in latencies:
                for _ in range(50):
                    if await self.call(pace, latency):
                        break
                    await asyncio.sleep(0.5)

        async with asyncio.TaskGroup() as group:
            for _ in range(2 * pace.most):
                group.create_task(worker())


async def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    pace, order = Pace(2), []

    async def work(number: int) -> None:
        (turn,) = await taken(pace, 1)
        order.append(number)
        await asyncio.sleep(0)
        end(pace, [turn])

    async with asyncio.TaskGroup() as group:
        for number in range(9):
            group.create_task(work(number))
    assert order == list(range(9))
    assert (pace.peak, pace.in_flight) == (2, 0)


async def test_one_who_stops_waiting_takes_no_turn() -> None:
    pace = Pace(1)
    turns = await taken(pace, 1)
    waiting = asyncio.create_task(pace.take(NOTHING))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    end(pace, turns)
    assert pace.in_flight == 0


async def test_one_who_is_cancelled_at_its_turn_hands_it_on() -> None:
    pace = Pace(1)
    turns = await taken(pace, 1)
    first, second = asyncio.create_task(pace.take(NOTHING)), asyncio.create_task(pace.take(NOTHING))
    await asyncio.sleep(0)
    end(pace, turns)
    first.cancel()
    await second
    assert first.cancelled()
    assert pace.in_flight == 1


async def test_one_burst_shrinks_the_limit_once() -> None:
    pace = Pace(64)
    end(pace, await taken(pace, 64), too_many())
    assert pace.limit == 32
    end(pace, await taken(pace, 32), too_many(status=503))
    assert pace.limit == 16


async def test_a_small_burst_brings_the_limit_just_below_what_was_taken() -> None:
    pace = Pace(44)
    turns = await taken(pace, 44)
    end(pace, turns[:4], too_many())
    assert pace.limit == 38
    for turn in turns[4:]:  # answers to calls from before it say nothing of what is taken now
        end(pace, [turn])
        await taken(pace, pace.limit - pace.in_flight)
    assert pace.limit == 38


async def test_refusals_of_an_older_burst_change_nothing() -> None:
    pace = Pace(100)
    old = await taken(pace, 100)
    end(pace, old[:80], too_many())
    young = await taken(pace, 30)
    end(pace, young[:1], too_many())
    limit = pace.limit
    end(pace, old[80:], too_many())
    assert pace.limit == limit == 46


async def test_the_limit_never_falls_below_one() -> None:
    pace = Pace(4)
    for _ in range(9):
        end(pace, await taken(pace, 1), too_many())
    assert pace.limit == 1


async def test_other_faults_leave_the_limit_alone() -> None:
    pace = Pace(8)
    end(pace, await taken(pace, 8), RequestError(Outcome.SERVER_ERROR, "Broken.", status=500))
    assert pace.limit == 8


async def test_the_limit_grows_by_one_after_as_many_answers_as_it_allows() -> None:
    pace = Pace(64)
    end(pace, await taken(pace, 64), too_many())
    under_way = await taken(pace, 32)
    for limit in range(32, 64):
        assert pace.limit == limit
        for _ in range(limit + 1):
            end(pace, [under_way.pop()])
            under_way += await taken(pace, pace.limit - pace.in_flight)
    assert pace.limit == 64


async def test_answers_while_turns_are_to_spare_do_not_raise_the_limit() -> None:
    pace = Pace(64)
    end(pace, await taken(pace, 64), too_many())
    for _ in range(500):
        end(pace, await taken(pace, 1))
    assert pace.limit == 32


def test_the_pace_settles_at_what_the_endpoint_takes_and_wastes_little() -> None:
    async def lived() -> tuple[Crowded, float]:
        endpoint, pace = Crowded(40), Pace(256)
        await endpoint.work(pace, 2_000)
        endpoint.answered = endpoint.refused = endpoint.peak = 0
        begun = seconds()
        await endpoint.work(pace, 10_000)
        return endpoint, seconds() - begun

    endpoint, took = in_no_time(lived())
    assert endpoint.answered == 10_000
    assert endpoint.refused < 100
    assert 40 <= endpoint.peak <= 42
    ideal = sum(random.Random(number).lognormvariate(0, 0.8) for number in range(10_000)) / 40
    assert ideal / took > 0.95


def test_the_limit_finds_its_way_back_when_the_endpoint_takes_more() -> None:
    async def lived() -> Pace:
        endpoint, pace = Crowded(8), Pace(32)
        await endpoint.work(pace, 500)
        endpoint.allow = 100
        await endpoint.work(pace, 2_000)
        return pace

    assert in_no_time(lived()).limit == 32


def test_a_pause_that_is_asked_for_holds_for_all_new_turns() -> None:
    async def lived() -> tuple[float, float]:
        pace = Pace(8, patience=600)
        end(pace, await taken(pace, 1), too_many(30))
        await taken(pace, 1)
        return 30.0, seconds()

    asked, waited = in_no_time(lived())
    assert waited == asked


def test_a_pause_beyond_all_patience_is_not_waited_for() -> None:
    async def lived() -> float:
        pace = Pace(8, patience=600)
        end(pace, await taken(pace, 1), too_many(86_400))
        await taken(pace, 1)
        return seconds()

    assert in_no_time(lived()) == 0
