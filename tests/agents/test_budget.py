import asyncio

import pytest
from asking import Open, ask, ask_all
from memory_ledger import MemoryLedger
from openai_faults import Latency
from openai_server import OpenAIServer
from paid_answers import call

from populace.agents.gateway.budget import Breaker, Budget, Meter, Prices, SharedBudget, Spent
from populace.agents.gateway.limits import Limits
from populace.personas.errors import PausedError, SetupError
from populace.personas.model import Outcome

PRICES = Prices(2.0, 10.0)


def budget(spent: Spent, **limits: float) -> Budget:
    return Budget(Limits.given(**limits), Meter(spent), PRICES)


async def test_a_budget_of_calls_is_kept_to_the_call(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.latency = Latency(0.02)
    gateway = opened(max_calls=25, max_in_flight=8)
    answers = await asyncio.gather(*(ask(gateway, number) for number in range(60)), return_exceptions=True)
    stopped = [answer for answer in answers if isinstance(answer, PausedError)]
    assert len(stopped) == 35
    assert {str(error) for error in stopped} == {"The budget of 25 calls is spent; a higher `max_calls` goes on."}
    assert openai_server.calls == gateway.meter.total.calls == 25
    assert gateway.meter.outcomes[Outcome.BUDGET] >= 1


def test_what_earlier_sessions_spent_counts() -> None:
    spent = Spent(calls=500, answers=500, input_tokens=900, output_tokens=100, cost=0.25)
    with pytest.raises(PausedError, match="500 calls"):
        budget(spent, max_calls=500).begin()
    with pytest.raises(PausedError, match=r"1,000 tokens is spent \(1,000 were counted\)"):
        budget(spent, max_tokens=1000).begin()
    with pytest.raises(PausedError, match=r"0\.2 dollars is spent \(0\.2500"):
        budget(spent, max_cost=0.2).begin()
    budget(spent, max_calls=501, max_tokens=1001, max_cost=0.26).begin()


def test_calls_under_way_count_as_calls() -> None:
    two = budget(Spent(), max_calls=2)
    two.begin()
    two.begin()
    with pytest.raises(PausedError):
        two.begin()


def test_a_cap_on_money_needs_prices() -> None:
    with pytest.raises(SetupError, match="give `prices`"):
        Budget(Limits(max_cost=3), Meter(), None)


def test_tokens_that_nobody_counts_cannot_be_capped() -> None:
    with pytest.raises(PausedError, match="does not count tokens"):
        budget(Spent(calls=3, answers=3, uncounted=3), max_tokens=100).begin()


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
    breaker = Breaker(0.5)
    for outcome in [Outcome.OK] * 101 + [Outcome.EMPTY] * 99:
        breaker.note(outcome, "")
    breaker.check()
    for _ in range(101):
        breaker.note(Outcome.TIMEOUT, "No answer came.")
    with pytest.raises(PausedError, match="No answer came"):
        breaker.check()


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.REFUSAL, Outcome.RATE_LIMITED])
def test_what_is_no_error_does_not_trip_the_breaker(outcome: Outcome) -> None:
    breaker = Breaker(0.1)
    for _ in range(300):
        breaker.note(outcome, "")
    breaker.check()


def test_runs_that_share_a_budget_begin_as_many_calls_in_all_as_it_has_left() -> None:
    shared = SharedBudget(Limits(max_calls=7), spent=Spent(calls=2))  # of an earlier session
    meters = [Meter(shared=shared) for _ in range(2)]
    runs = [Budget(Limits(max_calls=4), meter, None) for meter in meters]
    for place in (0, 1, 0, 1):
        runs[place].begin()
    for place in (0, 1):  # what has ended stays spent
        meters[place].add(call())
        runs[place].end()
    runs[0].begin()
    for run in runs:
        with pytest.raises(PausedError, match="budget of 7 calls"):
            run.begin()
    assert [meter.total.calls for meter in meters] == [1, 1]
