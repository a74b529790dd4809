from collections.abc import Iterator

import pytest
from asking import Open, ask_all
from memory_ledger import MemoryLedger
from openai_faults import Latency
from openai_server import OpenAIServer

from populace.agents.endpoint.models import open_model
from populace.core.model import Outcome


@pytest.fixture
def second_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def both(first: OpenAIServer, second: OpenAIServer) -> list[str]:
    return [first.base_url, second.base_url]


async def test_endpoints_share_the_load(opened: Open, openai_server: OpenAIServer, second_server: OpenAIServer) -> None:
    openai_server.latency = second_server.latency = Latency(0.02)
    gateway = opened(base_url=both(openai_server, second_server), max_in_flight=16)
    answers = await ask_all(gateway, 200)
    assert all(answer.value is not None for answer in answers)
    assert openai_server.calls + second_server.calls == 200
    assert min(openai_server.calls, second_server.calls) > 60
    assert openai_server.peak_in_flight + second_server.peak_in_flight <= 16 + 2


async def test_an_endpoint_that_takes_less_gets_less(
    opened: Open, openai_server: OpenAIServer, second_server: OpenAIServer
) -> None:
    openai_server.latency = second_server.latency = Latency(0.1)
    openai_server.allow = 4
    openai_server.hold(5)  # the first four are answered when a fifth has been refused
    gateway = opened(base_url=both(openai_server, second_server), max_in_flight=32)
    answers = await ask_all(gateway, 200)
    assert all(answer.value is not None for answer in answers)
    assert openai_server.by_fault[""] < second_server.by_fault[""]


async def test_a_dead_endpoint_is_left_out_and_costs_nobody_an_answer(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger, nowhere: str
) -> None:
    gateway = opened(base_url=[nowhere, openai_server.base_url], max_in_flight=8)
    answers = await ask_all(gateway, 200)
    assert all(answer.value is not None for answer in answers)
    missed = [call for call in memory_ledger.calls if call.outcome is Outcome.UNREACHABLE]
    assert 1 <= len(missed) <= 8
    assert {call.endpoint for call in missed} == {nowhere}


async def test_an_endpoint_that_comes_back_is_used_again(
    opened: Open, openai_server: OpenAIServer, second_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.agents.gateway.concurrency._OUT", 0.05)
    openai_server.latency = second_server.latency = Latency(0.01)
    second_server.fault("server_error", attempts=None)
    gateway = opened(base_url=both(openai_server, second_server), max_in_flight=8)
    await ask_all(gateway, 100)
    failed = second_server.calls
    second_server.reset()
    answers = await ask_all(gateway, 400)
    assert all(answer.value is not None for answer in answers)
    assert failed < 60 < second_server.calls


def test_addresses_come_one_by_one_or_in_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1  http://127.0.0.1:2/v1")
    assert open_model("openai:m").endpoints == "http://127.0.0.1:1/v1 http://127.0.0.1:2/v1"
    twice = ["http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1"]
    assert open_model("openai:m", base_url=twice).endpoints == twice[0]
