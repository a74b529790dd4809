"""A run with a budget pauses, and comes to the same end in as many sessions as it takes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from openai_faults import Latency
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Prices
from populace.core.errors import PausedError
from populace.scenarios.village import Village
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.society import Society

type Live = Callable[..., FinishedRun]

IN_FLIGHT = 8


def test_a_paused_run_stays_paused_until_it_is_given_more(
    live: Live, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    with pytest.raises(PausedError):
        live(model="openai:test", base_url=openai_server.base_url, max_calls=30)
    with pytest.raises(PausedError, match="30 calls"):
        Society.resume(tmp_path / "run.duckdb", Village).run()
    assert openai_server.calls == 30


def test_a_budget_of_money_is_not_passed_by_calls_in_flight(
    live: Live, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.latency = Latency(0.005)
    options = {"model": "openai:test", "base_url": openai_server.base_url, "max_in_flight": IN_FLIGHT}
    with pytest.raises(
        PausedError, match=r"0\.03 dollars is spent .* Spent: \d+ calls, [\d,]+ tokens, \$0\.0[12]\d+\. "
    ):
        live(**options, prices=Prices(1.0, 5.0), max_cost=0.03)
    with open_run(tmp_path / "run.duckdb") as run:
        ((cost, dearest, told),) = run.query(
            "SELECT sum(cost), max(cost), any_value(prices ->> 'source') FROM calls, runs"
        ).rows
    assert 0.03 - 6 * dearest <= cost <= 0.03
    assert told == "given"


def test_a_budget_that_covers_no_call_sends_nothing(live: Live, openai_server: OpenAIServer) -> None:
    with pytest.raises(PausedError, match=r"0\.005 dollars does not cover one call, which may take 0\.\d+ dollars \("):
        live(model="openai:test", base_url=openai_server.base_url, prices=Prices(1.0, 5.0), max_cost=0.005)
    assert openai_server.calls == 0
