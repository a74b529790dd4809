import asyncio

import pytest
from asking import Open, ask
from openai_server import OpenAIServer
from quick_time import in_no_time, seconds

from populace.agents.endpoint.response import ModelResponse, rate_limit_wait
from populace.agents.gateway.concurrency import ConcurrencyLimiter
from populace.agents.gateway.limits import TokenEstimate


@pytest.mark.parametrize(
    ("span", "wait"), [("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("7.5", 7.5), ("soon", 0.0)]
)
def test_the_wait_is_read_however_it_is_written(span: str, wait: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": span}
    assert rate_limit_wait(headers) == wait


def test_the_longer_of_two_waits_counts() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "2s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "5s",
    }
    assert rate_limit_wait(headers) == 5.0


def test_what_is_left_asks_for_no_wait() -> None:
    assert rate_limit_wait({"x-ratelimit-remaining-tokens": "17", "x-ratelimit-reset-tokens": "5s"}) == 0.0


def test_no_headers_say_nothing() -> None:
    assert rate_limit_wait({"Content-Type": "application/json"}) == 0.0


def test_a_rate_limit_that_is_used_up_is_waited_for() -> None:
    async def second_start() -> float:
        limiter = ConcurrencyLimiter(8)
        slot = await limiter.acquire_slot(TokenEstimate())
        limiter.answered(slot, ModelResponse("{}", "stop", rate_limit_wait=7.0))
        limiter.release(slot)
        await limiter.acquire_slot(TokenEstimate())
        return seconds()

    assert in_no_time(second_start()) == pytest.approx(7.0)


async def test_the_headers_of_an_answer_reach_the_pace(opened: Open, openai_server: OpenAIServer) -> None:
    reply = {"choices": [{"message": {"content": '{"text":"hello","loud":false}'}, "finish_reason": "stop"}]}
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "5m0s"}
    openai_server.script(reply, headers=spent)
    gateway = opened()
    assert (await ask(gateway, 1)).value is not None
    waiting = asyncio.create_task(ask(gateway, 2))
    async with asyncio.timeout(60):
        while not gateway.waiting:  # noqa: ASYNC110 - a number
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert (gateway.waiting, openai_server.calls) == (1, 1)
    waiting.cancel()
