from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from asking import QUICK
from batch_asking import FAST, PATIENCE, Customer, OpenQueue
from batch_server import BatchServer
from memory_journal import MemoryJournal

from populace.agents.batch.queue import open_batch_queue
from populace.agents.endpoint.models import open_model

if TYPE_CHECKING:
    from populace.agents.endpoint.chat_openai import LeanChatOpenAI


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(procedural=False) as server:
        yield server


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
async def opened(server: BatchServer, journal: MemoryJournal) -> AsyncIterator[OpenQueue]:
    customers: list[Customer] = []

    def open_customer(**options: Any) -> Customer:
        handle = open_model("openai:m", base_url=options.pop("base_url", server.base_url), timeout=PATIENCE)
        given = {"journal": journal, "quiet": 0.02, "interval": FAST, "backoff": QUICK, **options}
        customers.append(Customer(open_batch_queue(handle, **given), cast("LeanChatOpenAI", handle.served)))
        return customers[-1]

    yield open_customer
    for customer in customers:
        await customer.queue.aclose()
