"""Societies over real HTTP, against the tests' own server."""

from collections.abc import Callable

import pytest
from openai_faults import FaultKind
from openai_server import OpenAIServer

from populace.core.errors import EndpointError, RunError
from populace.scenarios.village import Village
from populace.sim.runfile.reader import FinishedRun
from populace.sim.society import Society

pytestmark = pytest.mark.usefixtures("impatient")


type Live = Callable[..., FinishedRun]


def test_the_server_sees_as_many_calls_at_once_as_are_allowed(live: Live, openai_server: OpenAIServer) -> None:
    openai_server.hold(64)
    live(agents=70, hops=0, steps=1, model="openai:test", base_url=openai_server.base_url, max_in_flight=64)
    assert openai_server.peak_in_flight == 64


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
    openai_server.fail_forever(f">\\n{text}\\n</persona>", fault)
    resumed = Society.resume(grown.path, Village, steps=3).run()
    assert resumed.sql("SELECT active, acted, failed FROM steps WHERE step > 1").rows == [(20, 19, 1)] * 2
    failures = resumed.sql("SELECT DISTINCT agent, outcome, reason <> '' FROM failures").rows
    assert failures == [(unlucky, fault, True)]
    assert resumed.sql("SELECT status FROM runs").rows == [("finished",)]


def test_a_wrong_key_stops_the_run_with_one_sentence(live: Live) -> None:
    with OpenAIServer(key="right") as server, pytest.raises(EndpointError, match="OPENAI_API_KEY"):
        live(model="openai:test", base_url=server.base_url, agents=100, max_in_flight=4)
    # Those that were sent at once, and others in their places where several answers came at the same moment.
    assert server.calls <= 8


def test_a_step_in_which_nobody_is_answered_is_not_committed(live: Live, openai_server: OpenAIServer) -> None:
    run = live(steps=1, model="openai:test", base_url=openai_server.base_url)
    openai_server.fail_forever("Lindenford", "server_error")
    with pytest.raises(RunError, match=r"answered none of 24 requests in step 2; .* Nothing of step 2 was committed"):
        Society.resume(run.path, Village, limits={"max_error_rate": 1}, steps=2).run()
    assert run.sql("SELECT count(*) FROM steps").rows == [(1,)]
    openai_server.reset()
    assert Society.resume(run.path, Village, steps=2).run().sql("SELECT count(*) FROM steps").rows == [(2,)]
