import asyncio
from collections.abc import Iterable
from itertools import accumulate

import pytest
from asking import VALID, ask_all, scripted
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from memory_ledger import MemoryLedger
from quick_time import in_no_time, seconds

from populace.agents.endpoint.errors import RequestError
from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.concurrency import ConcurrencyLimiter
from populace.agents.gateway.limits import RateLimiter, TokenEstimate
from populace.core.model import Outcome

#: When a call is asked for after the one before, how long it takes, what is held for it, and the shares of that
#: which it uses and of its time after which the endpoint writes that down.
CALLS = st.lists(
    st.tuples(
        st.floats(0, 90), st.floats(0.01, 100), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1), st.booleans()
    ),
    max_size=40,
)
type Uses = list[tuple[float, int]]


def most_in_a_minute(uses: Iterable[tuple[float, int]]) -> int:
    kept = sorted(uses)
    return max((sum(n for at, n in kept if begin <= at < begin + 60) for begin, _ in kept), default=0)


async def lived(
    limiter: ConcurrencyLimiter, calls: list[tuple[float, float, int, float, float, bool]]
) -> tuple[Uses, Uses]:
    starts: Uses = []
    tokens: Uses = []

    async def call(begin: float, takes: float, held: int, share: float, written: float, *, fails: bool) -> None:
        await asyncio.sleep(begin)
        slot = await limiter.acquire_slot(TokenEstimate(0, held))
        used = int(held * share)
        starts.append((seconds(), 1))
        tokens.append((seconds() + takes * written, used))
        await asyncio.sleep(takes)
        if fails:
            limiter.failed(slot, RequestError(Outcome.DROPPED, "The connection broke."))
        else:
            limiter.answered(slot, ModelResponse("", "stop", 0, used))
        limiter.release(slot)

    async with asyncio.TaskGroup() as group:
        for begin, (_, takes, held, share, written, fails) in zip(accumulate(c[0] for c in calls), calls, strict=True):
            group.create_task(call(begin, takes, held, share, written, fails=fails))
    return starts, tokens


def said(asked: int, written: int) -> AIMessage:
    usage = {"input_tokens": asked, "output_tokens": written, "total_tokens": asked + written}
    return AIMessage(VALID, usage_metadata=usage)


@given(CALLS, st.integers(1, 12), st.integers(400, 1_500), st.integers(1, 16))
def test_no_minute_sees_more_than_its_requests_and_tokens_and_no_call_is_lost(
    calls: list[tuple[float, float, int, float, float, bool]], rpm: int, tpm: int, most: int
) -> None:
    starts, tokens = in_no_time(lived(ConcurrencyLimiter(most, rate_limiter=RateLimiter(rpm=rpm, tpm=tpm)), calls))
    assert len(starts) == len(calls)
    assert most_in_a_minute(starts) <= rpm
    assert most_in_a_minute(tokens) <= tpm


def test_a_cap_of_requests_is_used_in_full(memory_ledger: MemoryLedger) -> None:
    gateway, chat = scripted([VALID] * 95, memory_ledger, rpm=30)
    in_no_time(ask_all(gateway, 95))
    assert [int(call["at"]) for call in chat.seen] == [0] * 30 + [61] * 30 + [122] * 30 + [183] * 5


@pytest.mark.parametrize("per_call", [(30, 10), (90, 100), (250, 5)])
@pytest.mark.parametrize("max_tokens", [0, 100])
@pytest.mark.parametrize("latency", [0.0, 7.0])
def test_a_cap_of_tokens_holds_whatever_a_token_is_to_the_endpoint(
    memory_ledger: MemoryLedger, per_call: tuple[int, int], max_tokens: int, latency: float
) -> None:
    gateway, chat = scripted([said(*per_call)] * 200, memory_ledger, tpm=5_000, answer_tokens=max_tokens)
    chat.latency = latency
    in_no_time(ask_all(gateway, 200))
    uses = [(call["at"], sum(per_call)) for call in chat.seen]
    assert len(uses) == 200
    assert 2_500 < most_in_a_minute(uses) <= 5_000


def test_answers_without_a_limit_are_held_at_the_longest_seen(memory_ledger: MemoryLedger) -> None:
    gateway, chat = scripted([said(30, 3_000)] * 20, memory_ledger, tpm=11_000, answer_tokens=0)
    in_no_time(ask_all(gateway, 20))
    assert most_in_a_minute((call["at"], 3_030) for call in chat.seen) == 9_090


def test_one_who_is_cancelled_at_its_turn_has_used_no_tokens() -> None:
    async def lived() -> float:
        limiter = ConcurrencyLimiter(1, rate_limiter=RateLimiter(tpm=10))
        slot = await limiter.acquire_slot(TokenEstimate(0, 1))
        first = asyncio.create_task(limiter.acquire_slot(TokenEstimate(0, 9)))
        await asyncio.sleep(0)
        limiter.release(slot)
        first.cancel()
        await limiter.acquire_slot(TokenEstimate(0, 9))
        return seconds()

    assert in_no_time(lived()) == 0


def test_a_request_beyond_the_whole_cap_is_sent_alone(memory_ledger: MemoryLedger) -> None:
    gateway, chat = scripted([VALID] * 3, memory_ledger, tpm=10)
    in_no_time(ask_all(gateway, 3))
    assert [int(call["at"]) for call in chat.seen] == [0, 61, 122]


def test_a_refused_call_has_used_no_tokens(memory_ledger: MemoryLedger) -> None:
    refusal = RequestError(Outcome.RATE_LIMITED, "Too many.", status=429)
    gateway, chat = scripted([refusal, refusal, VALID], memory_ledger, tpm=10)
    in_no_time(ask_all(gateway, 1))
    assert chat.seen[-1]["at"] < 1
