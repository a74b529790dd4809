import asyncio
from typing import TYPE_CHECKING, cast

import orjson
from batch_server import BatchServer, Plan
from langchain_core.messages import HumanMessage

from populace.agents.batch.client import custom_id, write_line
from populace.agents.batch.job import BatchLimits
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.call import CallKey
from populace.core.model import Outcome

if TYPE_CHECKING:
    from populace.agents.endpoint.chat_openai import LeanChatOpenAI

from batch_asking import OpenQueue, key_of, payload_of


async def test_requests_of_one_moment_go_as_one_batch(opened: OpenQueue, server: BatchServer) -> None:
    customer = opened()
    await customer.ask_all(*range(20))
    assert sorted(customer.answers) == list(range(20))
    assert (len(server.batches), server.lines, len(server.paid)) == (1, 20, 20)


async def test_a_line_holds_what_would_be_posted(opened: OpenQueue, server: BatchServer) -> None:
    await opened().ask_all(7)
    line = orjson.loads(server.asked_in(next(iter(server.batches.values())))[0])
    assert line == {
        "custom_id": custom_id(key_of(7)),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "m",
            "messages": [{"role": "user", "content": "I am person <7>."}],
            "seed": 7,
            "stream": False,
        },
    }


async def test_an_answer_by_batch_is_the_one_that_a_call_brings(opened: OpenQueue, server: BatchServer) -> None:
    customer = opened()
    await customer.ask_all(7)
    chat = open_model("openai:m", base_url=server.base_url).served
    result = await chat._agenerate([HumanMessage("I am person <7>.")], seed=7)
    await cast("LeanChatOpenAI", chat).aclose()
    assert customer.answers[7].raw == result.generations[0].message.content
    assert customer.answers[7].finish_reason == "stop"
    assert customer.answers[7].output_tokens == len(customer.answers[7].raw) // 4


async def test_lines_in_any_order_find_who_asked(opened: OpenQueue, server: BatchServer) -> None:
    customer = opened()
    server.plan = Plan(spoil=lambda lines: list(reversed(lines)))
    await customer.ask_all(*range(50))
    tokens = {number: delivery.input_tokens for number, delivery in customer.answers.items()}
    assert tokens == {number: len(f"I am person <{number}>.") // 4 for number in range(50)}


async def test_two_who_ask_the_same_pay_once(opened: OpenQueue, server: BatchServer) -> None:
    customer = opened()
    await customer.ask_all(3, 3, 3)
    assert (server.lines, sum(server.paid.values())) == (1, 1)


async def test_nothing_is_sent_for_who_has_left(opened: OpenQueue, server: BatchServer) -> None:
    customer = opened()
    task = asyncio.create_task(customer.ask(1))
    await asyncio.sleep(0)
    task.cancel()
    await customer.ask_all(2)
    assert server.lines == 1


async def test_a_request_too_large_for_any_batch_fails_alone(opened: OpenQueue, server: BatchServer) -> None:
    chat = cast("LeanChatOpenAI", open_model("openai:m", base_url=server.base_url).served)
    size = len(write_line(custom_id(key_of(1)), payload_of(chat, 1)))
    customer = opened(limits=BatchLimits(size=size))
    await customer.ask_all(1, 100)
    assert list(customer.answers) == [1]
    assert customer.faults[100].outcome is Outcome.BAD_REQUEST
    assert f"a batch takes {size}" in customer.faults[100].detail


def test_the_limits_are_those_of_the_protocol() -> None:
    assert BatchLimits() == BatchLimits(requests=50_000, size=190_000_000)


def test_a_custom_id_has_32_digits_and_tells_keys_apart() -> None:
    keys = [key_of(1), key_of(2), CallKey("growth", 2, "person-1", f"{1:032x}"), CallKey("a", 1, "b", "c", 1)]
    assert len({custom_id(key) for key in keys}) == 4
    assert {len(custom_id(key)) for key in keys} == {32}
