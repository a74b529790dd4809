import asyncio
from typing import Any

import pytest
from batch_asking import PATIENCE, OpenQueue, overpaid
from batch_server import BatchServer, Plan
from openai_server import OpenAIServer

from populace.core.model import Outcome


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "outcome", "status"),
    [
        ("rate_limit", Outcome.RATE_LIMITED, 429),
        ("server_error", Outcome.SERVER_ERROR, 500),
        ("bad_request", Outcome.BAD_REQUEST, 400),
        ("auth", Outcome.AUTH, 401),
        ("no_model", Outcome.NOT_FOUND, 404),
        ("no_choices", Outcome.SERVER_ERROR, 200),
    ],
)
async def test_a_line_fails_as_its_call_would(
    opened: OpenQueue, server: BatchServer, kind: Any, outcome: Outcome, status: int
) -> None:
    server.fault(kind, containing="person <3>")
    customer = opened()
    await customer.ask_all(*range(6))
    assert sorted(customer.answers) == [0, 1, 2, 4, 5]
    assert (customer.faults[3].outcome, customer.faults[3].status) == (outcome, status)


async def test_a_line_that_failed_can_be_asked_again(opened: OpenQueue, server: BatchServer) -> None:
    server.fault("server_error", attempts=1)
    customer = opened()
    await customer.ask_all(1)
    await customer.ask_all(1)
    assert customer.faults[1].outcome is Outcome.SERVER_ERROR
    assert (list(customer.answers), server.lines) == ([1], 2)


async def test_what_is_asked_again_in_the_same_breath_is_sent_again(opened: OpenQueue, server: BatchServer) -> None:
    server.fault("bad_request", attempts=1)
    customer = opened()

    async def insist() -> None:
        await customer.ask(1)
        await customer.ask(1)

    async with asyncio.timeout(PATIENCE):
        await insist()
    assert (list(customer.answers), server.lines) == ([1], 2)


async def test_an_endpoint_without_files_is_told_from_one_without_the_model(opened: OpenQueue) -> None:
    with OpenAIServer(procedural=False) as plain:
        customer = opened(base_url=plain.base_url)
        assert await customer.outcome() is Outcome.NOT_FOUND
    assert "takes no files" in customer.faults[0].detail


async def test_a_cut_line_is_fetched_again_and_then_asked_again(opened: OpenQueue, server: BatchServer) -> None:
    server.plans = [Plan(spoil=lambda lines: [*lines[:-1], lines[-1][:40]])]
    customer = opened()
    await customer.ask_all(*range(5))
    assert len(customer.answers) == 5
    assert (server.lines, len(overpaid(server))) == (6, 1)
    assert server.requests.count("GET /files/{id}/content") == 3


async def test_missing_lines_are_asked_again_and_no_others(opened: OpenQueue, server: BatchServer) -> None:
    server.plans = [Plan(spoil=lambda lines: lines[2:])]
    customer = opened()
    await customer.ask_all(*range(5))
    assert (len(customer.answers), server.lines) == (5, 7)


async def test_what_stays_missing_is_a_fault_after_so_many_rounds(opened: OpenQueue, server: BatchServer) -> None:
    server.plan = Plan(spoil=lambda lines: [])
    customer = opened(rounds=3)
    assert await customer.outcome() is Outcome.DROPPED
    assert len(server.batches) == 3


async def test_lines_of_others_and_second_lines_are_passed_over(opened: OpenQueue, server: BatchServer) -> None:
    other = b'{"custom_id":"other","response":{"status_code":200,"body":{}},"error":null}'
    server.plan = Plan(spoil=lambda lines: [other, lines[0], *lines, b"[]", b'{"custom_id":7}', b""])
    customer = opened()
    await customer.ask_all(1, 2)
    assert sorted(customer.answers) == [1, 2]
    await customer.queue.aclose()
