"""Societies over real HTTP, against the tests' own server."""

import time
from collections.abc import Callable
from functools import partial
from threading import Thread

import pytest
from openai_faults import FaultKind, Latency
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Backoff
from populace.personas.errors import EndpointError, RunError
from populace.scenarios.village import Village
from populace.sim.runfile.reader import FinishedRun
from populace.sim.society import Society


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once: what is tested is that, not when."""
    monkeypatch.setattr("populace.agents.gateway.gateway.Backoff", partial(Backoff, base=0.001, cap=0.05))


type Live = Callable[..., FinishedRun]


def test_the_server_sees_as_many_calls_at_once_as_are_allowed(live: Live, openai_server: OpenAIServer) -> None:
    openai_server.latency = Latency(0.5)  # long enough for all slots to fill
    live(agents=70, hops=0, steps=1, model="openai:test", base_url=openai_server.base_url, max_in_flight=64)
    assert openai_server.peak_in_flight == 64


@pytest.mark.slow
def test_the_number_in_flight_does_not_change_what_happens(live: Live, openai_server: OpenAIServer) -> None:
    hashes = {
        live(str(n), model="openai:test", base_url=openai_server.base_url, max_in_flight=n).event_hash for n in (1, 64)
    }
    assert len(hashes) == 1


@pytest.mark.slow
def test_the_pace_does_not_change_what_happens(live: Live, openai_server: OpenAIServer) -> None:
    free = live("free", model="openai:test", base_url=openai_server.base_url)
    openai_server.allow, openai_server.latency = 3, Latency(0.01)
    paced = live("paced", model="openai:test", base_url=openai_server.base_url, rpm=100_000, tpm=10**9)
    assert paced.event_hash == free.event_hash
    assert openai_server.by_fault["too_many"] > 0


@pytest.mark.parametrize(
    ("agents", "steps", "rate_limits", "cuts"),
    [(30, 4, 0.25, 0.06), pytest.param(140, 8, 0.05, 0.01, marks=pytest.mark.slow)],
)
def test_nothing_is_lost_over_many_turns_with_rate_limits_and_cut_replies(
    live: Live, openai_server: OpenAIServer, agents: int, steps: int, rate_limits: float, cuts: float
) -> None:
    openai_server.fault("rate_limit", rate_limits).fault("cut_json", cuts)
    run = live(agents=agents, hops=1, steps=steps, model="openai:test", base_url=openai_server.base_url)
    ((turns, acted, failed),) = run.sql("SELECT sum(active), sum(acted), sum(failed) FROM steps").rows
    outcomes = dict(run.sql("SELECT outcome, count(*) FROM calls GROUP BY outcome").rows)
    assert turns == agents * steps
    assert (acted, failed) == (turns, 0)
    assert outcomes["rate_limited"] > 20
    assert outcomes["cut_json"] > 2


@pytest.mark.parametrize("fault", ["bad_request", pytest.param("server_error", marks=pytest.mark.slow)])
def test_one_agent_whose_calls_fail_for_ever_loses_its_own_turns_alone(
    live: Live, openai_server: OpenAIServer, fault: FaultKind
) -> None:
    grown = live("grown", agents=20, hops=1, steps=1, model="openai:test", base_url=openai_server.base_url)
    ((unlucky, text),) = grown.sql(
        "SELECT id, text FROM personas JOIN agents ON agent = id WHERE agents.ordinal = 7"
    ).rows
    openai_server.fail_forever(f"<persona>\\n{text}\\n</persona>", fault)
    resumed = Society.resume(grown.path, Village, steps=3).run()
    assert resumed.sql("SELECT active, acted, failed FROM steps WHERE step > 1").rows == [(20, 19, 1)] * 2
    failures = resumed.sql("SELECT DISTINCT agent, outcome, reason <> '' FROM failures").rows
    assert failures == [(unlucky, fault, True)]
    assert resumed.sql("SELECT status FROM runs").rows == [("finished",)]


def test_a_wrong_key_stops_the_run_with_one_sentence(live: Live) -> None:
    with OpenAIServer(key="right") as server, pytest.raises(EndpointError, match="OPENAI_API_KEY"):
        live(model="openai:test", base_url=server.base_url, agents=100)
    assert server.calls <= 5


@pytest.mark.slow
def test_an_outage_is_waited_for_and_changes_nothing(live: Live, openai_server: OpenAIServer) -> None:
    where = {"model": "openai:test", "base_url": openai_server.base_url, "embeddings": "openai:e"}
    whole = live("whole", **where)
    openai_server.reset()
    openai_server.latency = Latency(0.01)
    outage = Thread(target=be_gone, args=(openai_server, 0.3))
    outage.start()
    waited = live("waited", **where, max_error_rate=0.3)
    outage.join()
    assert openai_server.by_fault["drop"] >= 5
    assert waited.event_hash == whole.event_hash
    assert not waited.sql("SELECT 1 FROM failures").rows
    calls = "SELECT count(raw), count(DISTINCT request_hash) FROM calls WHERE raw IS NOT NULL"
    assert waited.sql(calls).rows == whole.sql(calls).rows


def be_gone(server: OpenAIServer, seconds: float) -> None:
    """After the first answers, break every connection for so long, while several are open: one alone is no outage."""
    while server.by_fault[""] < 20 or server.in_flight < 4:
        time.sleep(0.005)
    server.fault("drop", attempts=None)
    time.sleep(seconds)
    server.faults.clear()


def test_a_step_in_which_nobody_is_answered_is_not_committed(live: Live, openai_server: OpenAIServer) -> None:
    run = live(steps=1, model="openai:test", base_url=openai_server.base_url)
    openai_server.fail_forever("Lindenford", "server_error")
    with pytest.raises(RunError, match=r"answered none of 24 requests in step 2; .* Nothing of step 2 was committed"):
        Society.resume(run.path, Village, limits={"max_error_rate": 1}, steps=2).run()
    assert run.sql("SELECT count(*) FROM steps").rows == [(1,)]
    openai_server.reset()
    assert Society.resume(run.path, Village, steps=2).run().sql("SELECT count(*) FROM steps").rows == [(2,)]
