import pytest
from batch_asking import OpenQueue, overpaid
from batch_server import BatchServer, Plan
from memory_journal import MemoryJournal

from populace.agents.batch.job import BatchLimits
from populace.agents.batch.queue import open_batch_queue
from populace.agents.endpoint.models import open_model
from populace.core.errors import SetupError
from populace.core.model import Outcome


@pytest.mark.parametrize("status", ["expired", "cancelled"])
async def test_what_was_done_is_used_and_the_rest_sent_again(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal, status: str
) -> None:
    server.plans = [Plan(status=status, share=0.4), Plan(status=status, share=0.5)]
    customer = opened()
    await customer.ask_all(*range(20))
    assert len(customer.answers) == 20
    assert (server.lines, overpaid(server)) == (20 + 12 + 6, [])
    await customer.queue.aclose()
    assert sorted(journal.ended.values()) == sorted([status, status, "completed"])


@pytest.mark.parametrize(("status", "outcome"), [("expired", Outcome.TIMEOUT), ("cancelled", Outcome.DROPPED)])
async def test_batches_that_never_do_anything_come_to_an_end(
    opened: OpenQueue, server: BatchServer, status: str, outcome: Outcome
) -> None:
    server.plan = Plan(status=status, share=0.0)
    assert await opened(rounds=2).outcome() is outcome
    assert len(server.batches) == 2


async def test_a_batch_that_fails_tells_everybody_why(
    opened: OpenQueue, server: BatchServer, journal: MemoryJournal
) -> None:
    errors = [{"code": "invalid_url", "message": "The URL is not served.", "param": "url", "line": 1}]
    server.plan = Plan(status="failed", errors=errors)
    customer = opened()
    await customer.ask_all(*range(3))
    assert [fault.outcome for fault in customer.faults.values()] == [Outcome.BAD_REQUEST] * 3
    assert "line 1: The URL is not served. (invalid_url)" in customer.faults[2].detail
    await customer.queue.aclose()
    assert list(journal.ended.values()) == ["failed"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("insufficient_quota", Outcome.AUTH),
        ("model_not_found", Outcome.NOT_FOUND),
        ("token_limit_exceeded", Outcome.RATE_LIMITED),
        ("server_error", Outcome.SERVER_ERROR),
        (None, Outcome.BAD_REQUEST),
    ],
)
async def test_why_a_batch_failed_has_its_outcome(
    opened: OpenQueue, server: BatchServer, code: str | None, outcome: Outcome
) -> None:
    server.plan = Plan(status="failed", errors=[{"code": code, "message": "No."}])
    assert await opened().outcome() is outcome


async def test_a_full_queue_is_waited_for_while_another_batch_is_in_it(opened: OpenQueue, server: BatchServer) -> None:
    full = Plan(looks=1, status="failed", errors=[{"code": "token_limit_exceeded", "message": "Queue is full."}])
    server.plans = [Plan(looks=30), full, full]
    customer = opened(limits=BatchLimits(requests=4))
    await customer.ask_all(*range(12))
    assert (len(customer.answers), len(customer.faults), overpaid(server)) == (12, 0, [])


async def test_a_queue_that_is_full_of_nothing_of_ours_is_a_fault(opened: OpenQueue, server: BatchServer) -> None:
    server.plan = Plan(looks=1, status="failed", errors=[{"code": "token_limit_exceeded", "message": "Full."}])
    customer = opened(limits=BatchLimits(requests=4))
    await customer.ask_all(*range(12))
    assert {fault.outcome for fault in customer.faults.values()} == {Outcome.RATE_LIMITED}
    assert len(customer.faults) == 12


def test_a_model_in_the_process_takes_no_batches() -> None:
    with pytest.raises(SetupError, match="procedural takes no batches"):
        open_batch_queue(open_model("procedural"), journal=MemoryJournal())
