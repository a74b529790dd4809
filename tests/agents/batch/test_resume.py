import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import batch_server
import orjson
import pytest
from batch_asking import PATIENCE, Customer, OpenQueue, key_of, overpaid, until
from batch_server import BatchServer, Plan
from memory_journal import MemoryJournal

from populace.agents.batch import BatchClient, OpenBatch, custom_id
from populace.agents.batch.client import write_line
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


@pytest.mark.slow
def test_a_session_that_is_killed_over_and_over_pays_once(server: BatchServer, tmp_path: Path) -> None:
    script, diary = Path(batch_server.__file__).with_name("batch_session.py"), tmp_path / "diary"
    # Announced; made; amid the answers; all answered and not closed; and one that is not killed.
    ends = [run_session(script, server.base_url, diary, die_at) for die_at in (1, 3, 3, 3, 0)]
    assert ends == [-signal.SIGKILL] * 4 + [0]
    entries = [orjson.loads(line) for line in diary.read_bytes().splitlines()]
    assert sorted(entry[1] for entry in entries if entry[0] == "answer") == list(range(6))
    assert [entry[2] for entry in entries if entry[0] == "closed"] == ["never_made", "read"]
    assert (server.lines, sorted(server.paid.values())) == (6, [1] * 6)


def run_session(script: Path, base_url: str, diary: Path, die_at: int) -> int:
    command = [sys.executable, str(script), base_url, str(diary), "6", str(die_at)]
    return subprocess.run(command, timeout=PATIENCE).returncode


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
