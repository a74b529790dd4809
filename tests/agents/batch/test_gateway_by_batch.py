from typing import Any

from asking import QUICK, ask_all
from batch_asking import FAST
from batch_server import BatchServer, Plan
from memory_journal import MemoryJournal
from memory_ledger import MemoryLedger

from populace.agents.batch.queue import open_batch_queue
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.client import Gateway
from populace.core.model import Answer, Outcome


async def answered(
    server: BatchServer, ledger: MemoryLedger, count: int, **options: Any
) -> tuple[list[Answer[Any]], MemoryJournal]:
    handle, journal = open_model("openai:m", base_url=server.base_url), MemoryJournal()
    queue = open_batch_queue(handle, journal=journal, quiet=0.05, interval=FAST, backoff=QUICK, **options)
    gateway = Gateway(handle, ledger=ledger, backoff=QUICK, queue=queue)
    answers = await ask_all(gateway, count)
    await queue.aclose()
    await gateway.aclose()
    return list(answers), journal


async def test_a_gateway_with_a_queue_makes_no_call(server: BatchServer, memory_ledger: MemoryLedger) -> None:
    answers, journal = await answered(server, memory_ledger, 40)
    assert {answer.outcome for answer in answers} == {Outcome.OK}
    assert (server.calls, len(server.batches), server.lines) == (0, 1, 40)
    assert {call.source for call in memory_ledger.calls} == {"batch"}
    assert list(journal.ended.values()) == ["completed"]


async def test_what_fails_or_cannot_be_used_goes_into_the_next_batch(
    server: BatchServer, memory_ledger: MemoryLedger
) -> None:
    server.fault("rate_limit", 0.1).fault("mismatch", 0.1).fault("no_json_schema")
    server.plans = [Plan(), Plan(status="expired", share=0.5)]
    answers, journal = await answered(server, memory_ledger, 60)
    assert len(answers) == 60
    assert {answer.outcome for answer in answers} <= {Outcome.OK, Outcome.SCHEMA_MISMATCH}
    assert not journal.open_batches()
    assert server.calls == 0


async def test_only_what_the_queue_takes_goes_by_batch(server: BatchServer, memory_ledger: MemoryLedger) -> None:
    await answered(server, memory_ledger, 10, takes=lambda context: context.owner < "person-4")
    assert (server.calls, server.lines) == (6, 4)
    assert sorted({call.source for call in memory_ledger.calls}) == ["batch", "endpoint"]
