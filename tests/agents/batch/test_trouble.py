import asyncio

import pytest
from batch_asking import OpenQueue, overpaid, until
from batch_server import BatchServer, Plan
from memory_journal import MemoryJournal

from populace.agents.batch.client import BatchClient, OpenBatch
from populace.agents.endpoint.http_client import HttpConnection
from populace.core.errors import StorageError
from populace.core.model import Outcome


@pytest.mark.parametrize("kind", ["drop", "drop_after", "500", "429"])
@pytest.mark.parametrize("name", ["POST /files", "POST /batches", "GET /batches/{id}", "GET /files/{id}/content"])
async def test_what_passes_is_tried_again_and_paid_once(
    opened: OpenQueue, server: BatchServer, name: str, kind: str
) -> None:
    server.mishap(name, kind, kind)
    customer = opened()
    await customer.ask_all(*range(5))
    assert len(customer.answers) == 5
    assert (server.lines, len(server.batches)) == (5, 1)


@pytest.mark.parametrize("lists", [True, False])
async def test_a_batch_whose_making_was_not_heard_of_is_found_by_its_file(
    opened: OpenQueue, server: BatchServer, *, lists: bool
) -> None:
    server.keeps_metadata, server.lists = False, lists
    server.mishap("POST /batches", "drop_after")
    customer = opened()
    await customer.ask_all(1)
    assert list(customer.answers) == [1]
    # Without a list nobody can know, and the answer is more than the price of asking twice.
    assert len(server.batches) == (1 if lists else 2)


async def test_a_batch_is_found_behind_many_others(server: BatchServer) -> None:
    client = BatchClient(HttpConnection(server.base_url))
    file_id = await client.upload([b"{}\n"])
    mine = await client.create(file_id, {"populace": "mine"})
    for _ in range(230):
        await client.create(file_id, {"populace": "another"})
    found = await client.find(file_id, {"populace": "mine"}, 0.0)
    await client.aclose()
    assert found == mine
    assert server.requests.count("GET /batches") == 3


@pytest.mark.parametrize("name", ["POST /files", "POST /batches", "GET /batches/{id}", "GET /files/{id}/content"])
async def test_a_wrong_key_is_told_at_once(opened: OpenQueue, server: BatchServer, name: str) -> None:
    server.mishap(name, *["401"] * 9)
    assert await opened().outcome() is Outcome.AUTH
    assert len(server.mishaps[name]) == 8


async def test_a_batch_that_can_no_longer_be_followed_is_waited_for_again(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    server.mishap("GET /batches/{id}", *["503"] * 4)
    customer = opened(looks=4)
    assert await customer.outcome() is Outcome.SERVER_ERROR
    assert not journal.ended
    await customer.ask_all(0)
    assert (list(customer.answers), server.lines) == ([0], 1)


async def test_a_batch_that_its_server_has_forgotten_is_sent_again(opened: OpenQueue, server: BatchServer) -> None:
    server.plans = [Plan(looks=10**6)]
    customer = opened()
    asking = asyncio.create_task(customer.ask_all(1))
    await until(lambda: "GET /batches/{id}" in server.requests)
    server.batches.clear()
    await asking
    assert (list(customer.answers), server.lines) == ([1], 2)


async def test_a_server_may_restart_meanwhile(opened: OpenQueue) -> None:
    with BatchServer(procedural=False) as first:
        first.plan = Plan(looks=20)
        customer = opened(base_url=first.base_url)
        asking = asyncio.create_task(customer.ask_all(*range(5)))
        await until(lambda: "GET /batches/{id}" in first.requests)
    with first.restarted() as second:
        await asking
    assert (len(customer.answers), second.lines, overpaid(second)) == (5, 5, [])


async def test_whatever_fails_here_is_heard_by_those_who_wait(opened: OpenQueue, journal: MemoryJournal) -> None:
    async def full(batch: OpenBatch) -> None:
        raise StorageError("The disk is full.")

    journal.opened = full  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup) as caught:
        await opened().ask_all(1, 2)
    assert [type(error) for error in caught.value.exceptions] == [StorageError] * len(caught.value.exceptions)


async def test_a_batch_that_cannot_be_closed_in_the_journal_is_heard_of(
    opened: OpenQueue, journal: MemoryJournal
) -> None:
    async def full(nonce: str, status: str) -> None:
        raise StorageError("The disk is full.")

    journal.closed = full  # type: ignore[method-assign]
    customer = opened()
    await customer.ask_all(1)
    await until(lambda: not customer.queue._jobs)
    with pytest.raises(ExceptionGroup) as caught:
        await customer.ask_all(2)
    assert isinstance(caught.value.exceptions[0], StorageError)
