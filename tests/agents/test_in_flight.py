"""Equal requests in flight: sent once by all that share a cache, in this process and in others."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from asking import Open, ask, ask_all
from memory_ledger import MemoryLedger
from openai_faults import Latency
from openai_server import OpenAIServer
from paid_answers import rows

from populace.agents.gateway.cache import AnswerCache, RequestsInFlight, _key_place
from populace.core.model import Outcome

LOCKING = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def caches(path: Path) -> Iterator[list[AnswerCache]]:
    """The cache of a file, opened by two runs."""
    opened = [AnswerCache.shared(path) for _ in range(2)]
    yield opened
    for one in opened:
        one.close()


async def test_what_two_runs_ask_alike_at_once_is_sent_once(
    opened: Open, caches: list[AnswerCache], openai_server: OpenAIServer
) -> None:
    openai_server.latency = Latency(0.05)
    ledgers = [MemoryLedger(), MemoryLedger()]
    runs = [opened(stores=[cache], ledger=ledger) for cache, ledger in zip(caches, ledgers, strict=True)]
    one, other = await asyncio.gather(*(ask_all(run, 30) for run in runs))
    assert [answer.value for answer in one] == [answer.value for answer in other]
    assert openai_server.calls == 30
    assert sorted(call.source for ledger in ledgers for call in ledger.calls) == ["cache"] * 30 + ["endpoint"] * 30


async def test_a_request_that_failed_is_sent_by_the_next_who_waits_for_it(
    opened: Open, caches: list[AnswerCache], openai_server: OpenAIServer
) -> None:
    openai_server.latency = Latency(0.02)
    openai_server.fault("server_error", attempts=1)
    runs = [opened(stores=[cache], attempts=1) for cache in caches]
    answers = await asyncio.gather(*(ask(run) for run in runs))
    assert sorted(answer.outcome for answer in answers) == sorted([Outcome.SERVER_ERROR, Outcome.OK])
    assert openai_server.calls == 2


async def test_a_damaged_row_is_ignored_counted_and_paid_again(
    opened: Open, path: Path, openai_server: OpenAIServer
) -> None:
    with AnswerCache(path) as cache:
        await ask_all(opened(stores=[cache]), 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        con.execute("UPDATE answers SET raw = replace(raw, 'a', 'o') WHERE id = 2")
    for damaged, paid in ((1, 4), (0, 4)):
        with AnswerCache(path) as cache:
            gateway = opened(stores=[cache])
            await ask_all(gateway, 3)
            assert (gateway.meter.damaged, openai_server.calls) == (damaged, paid)


def test_rows_without_a_checksum_are_taken_from_a_cache_of_an_earlier_version(path: Path) -> None:
    AnswerCache(path).close()
    rows(path, "ALTER TABLE answers DROP COLUMN checksum")
    rows(path, "PRAGMA user_version = 2")
    AnswerCache(path).close()
    assert "checksum" in {name for _, name, *_ in rows(path, "PRAGMA table_info(answers)")}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks of bytes that a kill gives up")
async def test_what_another_process_sends_is_waited_for_until_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "locks"
    with subprocess.Popen(  # noqa: ASYNC220 - it begins at once
        [sys.executable, "-c", LOCKING, file, str(_key_place("k"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        requests = RequestsInFlight(file)
        assert not await requests.claim("k", patience=0.05)
        assert await requests.claim("another", patience=60)
        waiting = asyncio.create_task(requests.claim("k", patience=60))
        await asyncio.sleep(0.05)
        other.kill()
        assert await waiting
        requests.close()
