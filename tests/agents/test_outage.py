"""An endpoint that is gone for a while: nothing is lost, nothing is paid twice, and a wrong key is found at once."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from asking import Open, ask, ask_all, scripted
from memory_ledger import MemoryLedger
from openai_faults import FaultKind, Latency
from openai_server import OpenAIServer
from quick_time import in_no_time, seconds

from populace.agents.endpoint.errors import RequestError
from populace.agents.gateway import concurrency
from populace.agents.gateway.health import Health, Missed
from populace.agents.gateway.limits import Backoff, Limits
from populace.core.errors import EndpointError, PausedError
from populace.core.model import Outcome

REFUSED = RequestError(Outcome.UNREACHABLE, "No connection could be made.")
DROPPED = RequestError(Outcome.DROPPED, "The connection broke.")
TOO_MANY = RequestError(Outcome.RATE_LIMITED, "Too many.", status=429)
BAD_GATEWAY = RequestError(Outcome.SERVER_ERROR, "HTTP status 502", status=502, retry_after=7.0)
VALID = '{"text":"hello","loud":false}'


async def fails_for(server: OpenAIServer, kind: FaultKind, seconds: float, *, ledger: MemoryLedger) -> None:
    async with asyncio.timeout(60):
        while len(ledger.calls) < 20:  # noqa: ASYNC110 - the ledger is a list
            await asyncio.sleep(0.01)
    server.fault(kind, attempts=None)
    await asyncio.sleep(seconds)
    async with asyncio.timeout(60):
        while sum(call.raw is None for call in ledger.calls) < 5:  # noqa: ASYNC110 - the ledger is a list
            await asyncio.sleep(0.01)
    server.faults.clear()


@pytest.mark.parametrize("kind", ["drop", "bad_gateway"])
async def test_an_outage_loses_nothing_and_one_call_at_a_time_tries(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger, kind: FaultKind
) -> None:
    openai_server.latency = Latency(0.02)
    gateway = opened(max_in_flight=16, max_error_rate=0.2, backoff=Backoff(base=0.02, cap=0.05))
    asked = asyncio.create_task(ask_all(gateway, 200))
    await fails_for(openai_server, kind, 0.5, ledger=memory_ledger)
    answers = await asked
    assert [a for a in answers if a.value is None] == []
    missed = [call for call in memory_ledger.calls if call.raw is None]
    assert 5 <= len(missed) < 100
    assert len([call for call in memory_ledger.calls if call.raw is not None]) == 200
    assert not gateway.meter.outage


def test_after_the_wait_the_run_pauses_and_says_how_long_it_waited(memory_ledger: MemoryLedger) -> None:
    async def work() -> float:
        gateway, chat = scripted([VALID, *[REFUSED] * 200], memory_ledger, wait=60, backoff=Backoff())
        await ask(gateway, 1)
        with pytest.raises(PausedError, match=r"no answer for 60 s \(`wait` waits longer\): No connection"):
            await ask(gateway, 2)
        assert 8 < len(chat.seen) < 80
        with pytest.raises(PausedError):
            await ask(gateway, 3)
        return seconds()

    assert 60 <= in_no_time(work()) < 61


def test_what_the_endpoint_asks_to_wait_is_waited(memory_ledger: MemoryLedger) -> None:
    async def work() -> None:
        script = [VALID, *[BAD_GATEWAY] * 8, VALID]
        gateway, chat = scripted(script, memory_ledger, backoff=Backoff(base=0.001, cap=0.002))
        await ask(gateway, 1)
        assert (await ask(gateway, 2)).value is not None
        times = [seen["at"] for seen in chat.seen]
        assert all(later - earlier >= 7 for earlier, later in pairwise(times[1:]))

    in_no_time(work())


def test_without_a_wait_it_ends_as_before(memory_ledger: MemoryLedger) -> None:
    async def work() -> None:
        gateway, chat = scripted([VALID, *[REFUSED] * 9], memory_ledger, wait=0)
        await ask(gateway, 1)
        assert (await ask(gateway, 2)).outcome is Outcome.UNREACHABLE
        assert len(chat.seen) == 7

    in_no_time(work())


def test_a_request_that_alone_is_dropped_is_lost_alone(memory_ledger: MemoryLedger) -> None:
    async def work() -> None:
        gateway, chat = scripted([VALID, *[DROPPED] * 9], memory_ledger)
        await ask(gateway, 1)
        assert (await ask(gateway, 2)).outcome is Outcome.DROPPED
        assert len(chat.seen) == 7

    in_no_time(work())


def outage(endpoints: int = 1) -> Health:
    found = Health(Limits(wait=100), endpoints=[None] * endpoints)
    found.was_answered = True
    return found


def test_some_requests_that_are_dropped_while_others_are_answered_are_to_blame_themselves() -> None:
    one, missed = outage(), Missed()
    assert not one.is_to_blame(DROPPED, missed)
    one.answered()
    for number in range(5):
        one.failed(0, DROPPED, str(number % 2), 0.0)
    assert one.is_on
    assert not one.is_to_blame(DROPPED, missed)
    assert one.is_to_blame(REFUSED, missed)
    assert one.is_to_blame(DROPPED, Missed())


def test_an_answer_to_a_call_from_before_the_first_fault_ends_no_outage() -> None:
    one, stands = outage(), []
    for number in range(5):
        one.answered(started=0.5)
        one.failed(0, BAD_GATEWAY, str(number), now=1.0)
    for started in (0.5, 1.5):
        one.answered(started)
        stands.append(one.is_on)
    assert stands == [True, False]


def test_a_rate_limit_shows_that_somebody_is_there() -> None:
    one, stands = outage(), []
    for fault in (REFUSED, TOO_MANY):
        one.failed(0, fault, "a", 0.0)
        stands.append(one.is_on)
    assert stands == [True, False]


def test_of_several_endpoints_all_must_be_gone() -> None:
    one, stands = outage(endpoints=2), []
    for number in (0, 1, 1):
        one.failed(number, REFUSED, "a", 0.0)
        stands.append(one.is_on)
        if one.is_on:
            one.answered()
    assert stands == [False, True, False]


@pytest.fixture
def strict_server() -> Iterator[OpenAIServer]:
    with OpenAIServer(key="right", latency=Latency(0.02)) as server:
        yield server


async def test_a_wrong_key_is_found_with_the_first_calls(
    opened: Open, strict_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-key-of-mine")
    monkeypatch.setattr(concurrency, "_DOUBLED_AFTER", 60.0)  # on a busy machine a refusal takes longer than that
    gateway = opened(base_url=strict_server.base_url, max_in_flight=64)
    ends = await asyncio.gather(*(ask(gateway, n) for n in range(100)), return_exceptions=True)
    said = {str(end) for end in ends if isinstance(end, EndpointError)}
    assert strict_server.calls <= 5
    (sentence,) = said
    assert "OPENAI_API_KEY" in sentence
    assert strict_server.base_url in sentence
    assert "wrong-key" not in sentence
