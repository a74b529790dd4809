"""Societies over real HTTP, against the tests' own server."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from openai_faults import FaultKind, Latency
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.core.errors import EndpointError, RunError
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.runfile.reader import FinishedRun
from populace.sim.society import Society
from populace.sim.survey.items import Likert
from populace.sim.survey.survey import Survey

pytestmark = pytest.mark.usefixtures("impatient")


type Live = Callable[..., FinishedRun]


def test_the_server_sees_as_many_calls_at_once_as_are_allowed(live: Live, openai_server: OpenAIServer) -> None:
    openai_server.hold(64)
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
    openai_server.hold(4)  # the first three are answered when a fourth has come
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


class PolledVillage(Village):
    """A village whose people are asked how they are."""

    name = "polled"
    surveys = (Survey("mood", [Likert("Life in Lindenford is good.")], every=2),)


@pytest.mark.slow
def test_plans_reflections_and_surveys_survive_faults_with_the_same_hash(
    tmp_path: Path, openai_server: OpenAIServer
) -> None:
    openai_server.latency = Latency(0.02)
    settings = {"memory_kind": "stream", "reflect_at": 20, "plan_every": 3}

    def lived(name: str) -> FinishedRun:
        growth, limits = Growth(agents=50, hops=2), Limits(max_in_flight=64)
        made = {"model": "openai:test", "base_url": openai_server.base_url, "out": tmp_path / f"{name}.duckdb"}
        return Society(PolledVillage(settings), growth=growth, limits=limits, steps=6, **made).run()  # type: ignore[arg-type]

    openai_server.hold(41, containing="step 1")
    calm = lived("calm")
    assert openai_server.peak_in_flight > 40
    purposes = "SELECT purpose, count(DISTINCT request_hash) FROM calls GROUP BY purpose ORDER BY purpose"
    asked = dict(calm.sql(purposes).rows)
    assert asked["survey"] == 150
    assert min(asked["plan"], asked["reflect"]) > 40
    openai_server.reset()
    openai_server.fault("rate_limit", 0.05)
    for fault in ("drop", "html", "cut_body"):
        openai_server.fault(fault, 0.01)
    stormy = lived("stormy")
    assert sum(openai_server.by_fault[fault] for fault in ("rate_limit", "drop", "html", "cut_body")) > 30
    assert stormy.event_hash == calm.event_hash
    assert dict(stormy.sql(purposes).rows) == asked
    assert not stormy.sql("SELECT 1 FROM failures").rows
    assert stormy.sql("SELECT outcome, count(*) FROM answers GROUP BY outcome").rows == [("ok", 150)]


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
        live(model="openai:test", base_url=server.base_url, agents=100, max_in_flight=4)
    # Those that were sent at once, and others in their places where several answers came at the same moment.
    assert server.calls <= 8


@pytest.mark.slow
def test_an_outage_is_waited_for_and_changes_nothing(live: Live, openai_server: OpenAIServer) -> None:
    where = {"model": "openai:test", "base_url": openai_server.base_url, "embeddings": "openai:e"}
    whole = live("whole", **where)
    openai_server.reset()
    openai_server.latency = Latency(0.01)
    outage = Thread(target=be_gone, args=(openai_server.stall(20), 0.3), daemon=True)
    outage.start()
    waited = live("waited", **where, max_error_rate=0.3)
    outage.join()
    assert openai_server.by_fault["drop"] >= 5
    assert waited.event_hash == whole.event_hash
    assert not waited.sql("SELECT 1 FROM failures").rows
    calls = "SELECT count(raw), count(DISTINCT request_hash) FROM calls WHERE raw IS NOT NULL"
    assert waited.sql(calls).rows == whole.sql(calls).rows


def be_gone(server: OpenAIServer, seconds: float) -> None:
    """After 20 answers, break every connection for so long, while several are open: one alone is no outage."""
    answered = 20
    while not became(lambda: server.in_flight >= 4, within=0.5):
        answered += 1  # there are no four at this place
        server.stall(answered)
    server.fault("drop", attempts=None).stall(None)
    time.sleep(seconds)
    while not became(lambda: server.by_fault["drop"] >= 5, within=1):
        pass
    server.faults.clear()


def became(true: Callable[[], bool], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    return true()


def test_a_step_in_which_nobody_is_answered_is_not_committed(live: Live, openai_server: OpenAIServer) -> None:
    run = live(steps=1, model="openai:test", base_url=openai_server.base_url)
    openai_server.fail_forever("Lindenford", "server_error")
    with pytest.raises(RunError, match=r"answered none of 24 requests in step 2; .* Nothing of step 2 was committed"):
        Society.resume(run.path, Village, limits={"max_error_rate": 1}, steps=2).run()
    assert run.sql("SELECT count(*) FROM steps").rows == [(1,)]
    openai_server.reset()
    assert Society.resume(run.path, Village, steps=2).run().sql("SELECT count(*) FROM steps").rows == [(2,)]
