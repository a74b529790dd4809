import asyncio

import pytest
from asking import Open, ask, ask_all
from memory_ledger import MemoryLedger
from openai_faults import Latency
from openai_server import OpenAIServer
from paid_answers import call

from populace.agents.endpoint.errors import RequestError
from populace.agents.gateway.budget import Budget, CallKind, Reservation, Spent
from populace.agents.gateway.health import Health
from populace.agents.gateway.limits import Limits, Prices
from populace.core.errors import PausedError, SetupError
from populace.core.model import Outcome

PRICES = Prices(2.0, 10.0)


#: Estimated at 100 tokens asked, and answered with 50 at most: .0007 dollars.
TURN = CallKind("m", "turn", 50, PRICES)
PROMPT = 75  # estimated tokens: a third more are counted on while none was counted


def budget(spent: Spent | None = None, **limits: float) -> Budget:
    return Budget(Limits.given(**limits), spent)


def settle(held: Budget, reservation: Reservation, asked: int = 100, answered: int = 50) -> None:
    """The call of a reservation ends as that many tokens."""
    ended = call(input_tokens=asked, output_tokens=answered, cost=PRICES.of(asked, answered))
    held.count(ended)
    held.settle(reservation, ended, was_sent=True)


async def test_a_budget_of_calls_is_kept_to_the_call(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.latency = Latency(0.02)
    gateway = opened(max_calls=25, max_in_flight=8)
    answers = await asyncio.gather(*(ask(gateway, number) for number in range(60)), return_exceptions=True)
    stopped = [answer for answer in answers if isinstance(answer, PausedError)]
    assert len(stopped) == 35
    assert {str(error) for error in stopped} == {"The budget of 25 calls is spent; a higher `max_calls` goes on."}
    assert openai_server.calls == gateway.meter.total.calls == 25
    assert gateway.meter.outcomes[Outcome.BUDGET] >= 1


async def test_what_earlier_sessions_spent_counts() -> None:
    spent = Spent(calls=500, answers=500, input_tokens=900, output_tokens=100, cost=0.25)
    with pytest.raises(PausedError, match="500 calls"):
        await budget(spent, max_calls=500).reserve_call(TURN)
    with pytest.raises(PausedError, match=r"1,000 tokens is spent \(1,000 were counted\)"):
        await budget(spent, max_tokens=1000).reserve_call(TURN)
    with pytest.raises(PausedError, match=r"0\.2 dollars is spent \(0\.2500"):
        await budget(spent, max_cost=0.2).reserve_call(TURN)
    await budget(spent, max_calls=501, max_tokens=1150, max_cost=0.26).reserve_call(TURN, PROMPT)


async def test_calls_under_way_count_as_calls() -> None:
    two = budget(max_calls=2)
    await two.reserve_call(TURN)
    await two.reserve_call(TURN)
    with pytest.raises(PausedError):
        await two.reserve_call(TURN)


async def test_a_call_waits_for_others_to_take_less_than_was_kept_free_for_them() -> None:
    small = budget(max_tokens=320)
    first = await small.reserve_call(TURN, PROMPT)
    second = asyncio.create_task(small.reserve_call(TURN, PROMPT))
    await asyncio.sleep(0)
    assert not second.done()  # a prompt may have a token for each byte as long as none was counted
    settle(small, first, asked=100, answered=50)
    await second
    third = asyncio.create_task(small.reserve_call(TURN, PROMPT))
    await asyncio.sleep(0)
    settle(small, second.result(), asked=100, answered=50)
    with pytest.raises(PausedError, match=r"320 tokens is spent \(300 were counted, and the next call may take 150 \("):
        await third


async def test_a_budget_below_one_call_sends_nothing_and_says_what_a_call_may_take() -> None:
    with pytest.raises(
        PausedError, match=r"0\.0005 dollars does not cover one call, which may take 0\.0007 dollars \(100 "
    ):
        await budget(max_cost=0.0005).reserve_call(TURN, PROMPT)


async def test_what_answers_took_is_expected_of_the_next() -> None:
    held = budget(max_tokens=1_000)
    for answered in (10, 10, 10, 10, 20):
        settle(held, await held.reserve_call(TURN, PROMPT), asked=80, answered=answered)
    for _ in range(5):  # 100 tokens each, as the longest of five took, and not 150
        await held.reserve_call(TURN, PROMPT)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(held.reserve_call(TURN, PROMPT), 0.01)


async def test_an_answer_without_a_limit_is_awaited_before_a_second_is_asked_for() -> None:
    held, endless = budget(max_tokens=100_000), CallKind("m", "turn", 0, PRICES)
    first = await held.reserve_call(endless, PROMPT)
    second = asyncio.create_task(held.reserve_call(endless, PROMPT))
    await asyncio.sleep(0)
    assert not second.done()
    settle(held, first)
    await second


async def test_a_call_whose_end_was_not_seen_counts_as_spent() -> None:
    held = budget(max_calls=2, max_tokens=1000)
    held.settle(await held.reserve_call(TURN, PROMPT), None, was_sent=True)
    assert held.text == "Spent: 0 calls, 0 tokens; and up to 150 tokens, $0.0007 by calls whose use is not known."
    held.settle(await held.reserve_call(TURN, PROMPT), None, was_sent=False)
    await held.reserve_call(TURN, PROMPT)
    with pytest.raises(PausedError, match="2 calls"):
        await held.reserve_call(TURN, PROMPT)


async def test_a_caller_who_gives_up_waiting_keeps_nothing_reserved() -> None:
    held = budget(max_tokens=400)
    first = await held.reserve_call(TURN, PROMPT)
    waiting = asyncio.create_task(held.reserve_call(TURN, PROMPT))
    await asyncio.sleep(0)
    waiting.cancel()
    settle(held, first, asked=80, answered=50)
    await asyncio.gather(waiting, return_exceptions=True)
    for _ in range(2):
        await asyncio.wait_for(held.reserve_call(TURN, PROMPT), 1)


def test_a_cap_on_money_needs_prices() -> None:
    with pytest.raises(SetupError, match="give `prices`"):
        Budget(Limits(max_cost=3)).check_priced(None)
    with pytest.raises(SetupError, match="give `prices`"):
        Budget(parent=Budget(Limits(max_cost=3))).check_priced(None)


async def test_tokens_that_nobody_counts_cannot_be_capped() -> None:
    with pytest.raises(PausedError, match="does not count tokens"):
        await budget(Spent(calls=3, answers=3, uncounted=3), max_tokens=100).reserve_call(TURN)


@pytest.mark.parametrize(("cap", "most"), [("max_cost", 0.05), ("max_cost", 0.01), ("max_tokens", 5_000)])
async def test_calls_in_flight_do_not_pass_a_cap(
    opened: Open, openai_server: OpenAIServer, cap: str, most: float
) -> None:
    openai_server.latency = Latency(0.02)
    gateway = opened(prices=PRICES, max_in_flight=32, answer_tokens=200, **{cap: most})
    ends = await asyncio.gather(*(ask(gateway, number) for number in range(400)), return_exceptions=True)
    assert any(isinstance(end, PausedError) for end in ends)
    total = gateway.meter.total
    spent = total.cost if cap == "max_cost" else total.tokens
    assert spent <= most
    assert most - spent < most / total.calls * 6  # and what is left is that of a few calls
    assert openai_server.calls == total.calls


async def test_a_tight_budget_that_suffices_keeps_calls_in_flight(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.latency = Latency(0.02)
    free = opened(prices=PRICES, max_in_flight=32, answer_tokens=2_000)
    await ask_all(free, 200)
    tight = opened(prices=PRICES, max_in_flight=32, answer_tokens=2_000, max_cost=1.2 * free.meter.total.cost)
    openai_server.reset()
    await ask_all(tight, 200)
    assert tight.limiter.peak == openai_server.peak_in_flight == 32


async def test_money_is_what_the_prices_say(opened: Open, memory_ledger: MemoryLedger) -> None:
    gateway = opened(prices=PRICES)
    await ask(gateway)
    (call,) = memory_ledger.calls
    assert call.input_tokens is not None
    assert call.output_tokens is not None
    assert call.cost == pytest.approx((2 * call.input_tokens + 10 * call.output_tokens) / 1e6)
    assert gateway.meter.total.cost == call.cost


def test_cached_tokens_have_their_own_price() -> None:
    assert Prices(2.0, 10.0, cached=1.0).of(1_000_000, 0, 500_000) == pytest.approx(1.5)
    assert Prices(2.0, 10.0).of(1_000_000, 0, 500_000) == pytest.approx(2.0)


async def test_a_run_most_of_whose_calls_fail_is_paused_with_the_reason(
    opened: Open, openai_server: OpenAIServer
) -> None:
    openai_server.fault("server_error", attempts=None)
    gateway = opened(attempts=2, max_in_flight=4)
    with pytest.raises(ExceptionGroup) as caught:
        await ask_all(gateway, 400)
    assert "of the latest 100 calls failed" in str(caught.value.exceptions[0])
    assert 100 <= openai_server.calls <= 100 + 4


def test_the_breaker_looks_at_the_latest_calls_alone() -> None:
    breaker = Health(Limits(max_error_rate=0.5))
    for outcome in [Outcome.OK] * 101 + [Outcome.EMPTY] * 99:
        breaker.note(outcome, "")
    breaker.check()
    for _ in range(101):
        breaker.note(Outcome.TIMEOUT, "No answer came.")
    with pytest.raises(PausedError, match="No answer came"):
        breaker.check()


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.REFUSAL, Outcome.RATE_LIMITED])
def test_what_is_no_error_does_not_trip_the_breaker(outcome: Outcome) -> None:
    breaker = Health(Limits(max_error_rate=0.1))
    for _ in range(300):
        breaker.note(outcome, "")
    breaker.check()


async def test_runs_that_share_a_budget_send_as_many_calls_in_all_as_it_has_left() -> None:
    shared = Budget(Limits(max_calls=7), Spent(calls=2))  # of an earlier session
    runs = [Budget(Limits(max_calls=4), parent=shared) for _ in range(2)]
    for place in (0, 1, 0, 1):
        reservation = await runs[place].reserve_call(TURN)
        if place:
            settle(shared, reservation.shared or reservation)
    await runs[0].reserve_call(TURN)
    for run in runs:
        with pytest.raises(PausedError, match="budget of 7 calls"):
            await run.reserve_call(TURN)


async def test_a_divisible_call_is_told_that_it_is_too_large_before_the_budget_is_spent() -> None:
    held = budget(max_tokens=200)
    with pytest.raises(RequestError) as told:
        await held.reserve_call(TURN, 4 * PROMPT, is_divisible=True)
    assert (told.value.outcome, held.is_over) == (Outcome.TOO_LARGE, False)
    await held.reserve_call(TURN, PROMPT, is_divisible=True)


async def test_a_budget_is_shared_between_threads() -> None:
    shared = Budget(Limits(max_tokens=15 * 150))

    async def spend() -> int:
        mine, sent = Budget(parent=shared), 0
        try:
            while True:
                reservation = await mine.reserve_call(TURN, PROMPT)
                await asyncio.sleep(0.001)
                ended = call(input_tokens=100, output_tokens=50)
                shared.count(ended)
                mine.settle(reservation, ended, was_sent=True)
                sent += 1
        except PausedError:
            return sent

    sent = await asyncio.gather(*(asyncio.to_thread(asyncio.run, spend()) for _ in range(4)))
    assert (sum(sent), shared.spent.tokens) == (15, 15 * 150)


async def test_a_stopped_budget_refuses_calls_that_wait_and_lets_those_in_flight_end() -> None:
    shared = budget(max_tokens=400)
    first = await shared.reserve_call(TURN, PROMPT)
    waiting = asyncio.create_task(shared.reserve_call(TURN, PROMPT))
    await asyncio.sleep(0)
    shared.stop("Another run failed.")
    with pytest.raises(PausedError, match="Another run failed"):
        await waiting
    settle(shared, first)
