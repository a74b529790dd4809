import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from batch_asking import Customer, OpenQueue, key_of, overpaid, until
from batch_server import BatchServer, Plan
from memory_journal import MemoryJournal

from populace.agents.batch.client import BatchClient, OpenBatch, custom_id, write_line
from populace.agents.endpoint.http_client import HttpConnection


async def abandoned(customer: Customer, server: BatchServer, *numbers: int, at: Callable[[], bool]) -> None:
    """Ask, and be killed as soon as `at` holds."""
    tasks = [asyncio.create_task(customer.ask(number)) for number in numbers]
    await until(at)
    for task in (*customer.queue._jobs.values(), *tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_next_session_waits_for_the_batch_of_the_last(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    server.plan = Plan(looks=15)
    await abandoned(opened(), server, *range(10), at=lambda: any(b.looks > 3 for b in server.batches.values()))
    second = opened()
    await second.ask_all(*range(12))
    assert len(second.answers) == 12
    assert (server.lines, overpaid(server)) == (12, [])
    await second.queue.aclose()
    assert not journal.open_batches()


@pytest.mark.parametrize("moment", [pytest.param(n, marks=() if n % 3 == 0 else pytest.mark.slow) for n in range(8)])
@pytest.mark.parametrize("kind", ["hang", "hang_after"])
async def test_killed_at_any_request_nothing_is_paid_twice(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal, moment: int, kind: str
) -> None:
    server.mishap(moment, kind)
    server.plan = Plan(looks=4)
    server.fault("server_error", containing="person <2>", attempts=1)
    customer = opened()
    await abandoned(customer, server, *range(6), at=lambda: server.hung.is_set() or len(customer.answers) == 5)
    second = opened()
    await second.ask_all(*(number for number in range(6) if number not in customer.answers))
    await second.ask_all(*second.faults)
    assert sorted([*customer.answers, *second.answers]) == list(range(6))
    # Person 2 is asked twice, and nobody else.
    assert (server.lines, overpaid(server)) == (7, [])


async def test_what_was_read_and_not_asked_stays_open(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    await abandoned(opened(), server, *range(4), at=lambda: bool(server.batches))
    second = opened()
    await second.ask_all(1)
    await second.queue.aclose()
    assert len(journal.open_batches()) == 1
    third = opened()
    third.queue.recalled(key_of(1))
    await third.ask_all(0, 2, 3)
    await third.queue.aclose()
    assert not journal.open_batches()
    assert (server.lines, overpaid(server)) == (4, [])


async def test_a_batch_whose_answers_are_all_recalled_is_closed(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    await abandoned(opened(), server, 1, 2, at=lambda: any(b.batch_id for b in journal.batches.values()))
    second = opened()
    sent = len(server.requests)
    for number in (1, 2):
        second.queue.recalled(key_of(number))
    await second.queue.aclose()
    assert list(journal.ended.values()) == ["read"]
    assert len(server.requests) == sent


async def test_a_batch_is_closed_only_after_its_answers_were_taken(
    opened: OpenQueue, journal: MemoryJournal, server: BatchServer
) -> None:
    customer = opened()
    taken: list[int] = []

    async def closed(nonce: str, status: str) -> None:
        taken.append(len(customer.answers))

    journal.closed = closed  # type: ignore[method-assign]
    await customer.ask_all(*range(30))
    await customer.queue.aclose()
    assert taken == [30]


async def test_of_two_batches_with_one_request_the_newer_has_its_answer(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    server.fault("bad_request", attempts=1)
    name = custom_id(key_of(1))
    line = write_line(name, {"model": "m", "messages": [{"role": "user", "content": "Hm?"}]})
    client = BatchClient(HttpConnection(server.base_url))
    for day in (1, 2):
        file_id = await client.upload([line])
        made = await client.create(file_id, {"populace": str(day)})
        for _ in range(3):
            await client.state(made.id)
        at = datetime(2026, 1, day, tzinfo=UTC)
        await journal.opened(OpenBatch(str(day), client.endpoint, file_id, (name,), at, made.id))
    await client.aclose()
    customer = opened()
    await customer.ask_all(1)
    await customer.queue.aclose()
    assert (list(customer.answers), server.lines) == ([1], 2)
    assert not journal.open_batches()


async def test_the_next_session_looks_for_nothing_that_it_does_not_need(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    await journal.opened(OpenBatch("n", server.base_url, "file-9", ("a" * 32,), datetime.now(UTC), "batch_9"))
    await opened().ask_all(1)
    assert (len(server.batches), server.requests.count("GET /batches")) == (1, 0)
    assert [batch.nonce for batch in journal.open_batches()] == ["n"]


async def test_a_batch_of_another_endpoint_is_not_asked_for_here(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    ids = (custom_id(key_of(1)),)
    await journal.opened(OpenBatch("n", "http://127.0.0.1:9/v1", "file-9", ids, datetime.now(UTC), "batch_9"))
    customer = opened()
    await customer.ask_all(1)
    assert (list(customer.answers), server.lines) == ([1], 1)


async def test_a_batch_that_expired_while_nobody_looked_is_used_and_completed(
    opened: OpenQueue, server: BatchServer
) -> None:
    server.plans = [Plan(looks=3, status="expired", share=0.5)]
    await abandoned(opened(), server, *range(10), at=lambda: bool(server.batches))
    second = opened()
    await second.ask_all(*range(10))
    assert (len(second.answers), server.lines, overpaid(server)) == (10, 15, [])
