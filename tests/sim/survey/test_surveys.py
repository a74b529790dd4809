"""Agents are asked in a run, leave rows, and are as they were."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.core.errors import RunError, SetupError
from populace.scenarios.village import Village
from populace.sim.estimate import estimate
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.scenario import Scenario
from populace.sim.society import Society
from populace.sim.survey.items import Choice, FreeText, Likert, Number, Rank
from populace.sim.survey.survey import Panel, Sample, Survey

ITEMS = (
    Likert("The council listens to people like me.", 5, dont_know=True),
    Choice("Who should decide about the bridge?", ("the council", "all residents", "the ferrymen")),
    Rank("What is most urgent?", ("roads", "the clinic", "the school")),
    Number("How many hours a week would you give to it?", 0, 40),
    FreeText("What would you tell the council?"),
)
POLL = Survey("poll", ITEMS, at=(0, 1))
#: All that agents have, make and are told.
TRACES = [
    "emissions", "messages", "memories", "observations", "duplicates", "measures", "checks", "agent_state",
]  # fmt: skip
ANSWERS = "SELECT * EXCLUDE (job) FROM answers ORDER BY survey, step, agent, item, replicate"


class Polled(Village):
    """The village, with a poll before its first step and after it."""

    surveys = (POLL,)


def society(scenario: Scenario, out: Path, *, agents: int = 12, steps: int = 2, **options: Any) -> Society:
    return Society(scenario, growth=Growth(agents=agents, hops=1), out=out, steps=steps, **options)


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Sixty people who lived one step and were polled twice; never to be written to."""
    return society(Polled(), tmp_path_factory.mktemp("polled") / "run.duckdb", agents=60, steps=1).run()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FinishedRun, OpenAIServer]]:
    """A polled village that asked a server, and that server."""
    with OpenAIServer() as server:
        out = tmp_path_factory.mktemp("served") / "run.duckdb"
        yield society(Polled(), out, model="openai:test", base_url=server.base_url).run(), server


def test_everybody_answers_every_item_each_time(polled: FinishedRun) -> None:
    asked = polled.sql("SELECT step, item, count(*), count(DISTINCT agent) FROM answers GROUP BY ALL ORDER BY ALL").rows
    assert asked == [(step, f"q{place}", 60, 60) for step in (0, 1) for place in range(1, 6)]
    assert polled.sql("SELECT count(*) FROM answers WHERE outcome = 'ok' AND value IS NULL").rows == [(0,)]
    assert polled.sql("SELECT DISTINCT model, prompt FROM answers").rows == [("procedural", "survey@2")]
    kinds = polled.sql("SELECT DISTINCT ordinal, type FROM surveys ORDER BY 1").rows
    assert kinds == [(1, "likert"), (2, "choice"), (3, "rank"), (4, "number"), (5, "text")]


def test_a_poll_leaves_no_trace_in_the_agents(polled: FinishedRun, tmp_path: Path) -> None:
    unasked = society(Village(), tmp_path / "unasked.duckdb", agents=60, steps=1).run()
    for table in TRACES:
        assert polled.sql(f"FROM {table}").rows == unasked.sql(f"FROM {table}").rows, table
    for calls in (polled, unasked):
        assert (
            calls.sql("SELECT count(*) FROM calls WHERE phase NOT LIKE 'survey %'").rows
            == unasked.sql("SELECT count(*) FROM calls").rows
        )
    assert polled.sql("SELECT DISTINCT purpose FROM calls WHERE phase = 'survey poll'").rows == [("survey",)]


def test_options_are_shown_in_many_orders_which_are_stored(polled: FinishedRun) -> None:
    ((orders,),) = polled.sql("SELECT count(DISTINCT shown) FROM answers WHERE item = 'q2'").rows
    assert orders == 6
    by_place = polled.sql("SELECT value = to_json(shown[1])::VARCHAR FROM answers WHERE item = 'q2'").rows
    assert {is_first for (is_first,) in by_place} == {True, False}


def test_people_differ_and_stay_near_what_they_said(polled: FinishedRun) -> None:
    ((points, likeness),) = polled.sql("""
        SELECT count(DISTINCT a.number), corr(a.number, b.number)
        FROM answers AS a JOIN answers AS b USING (agent, item)
        WHERE item = 'q1' AND a.step = 0 AND b.step = 1
    """).rows
    assert points >= 4
    assert likeness > 0.5


def test_a_replay_has_the_same_answers_and_asks_nobody(polled: FinishedRun, tmp_path: Path) -> None:
    again = replay(polled.path, Polled, out=tmp_path / "again.duckdb")
    assert (again.event_hash, again.calls, again.difference) == (polled.event_hash, 0, "")
    assert rows(tmp_path / "again.duckdb", ANSWERS) == polled.sql(ANSWERS).rows


def test_a_replay_names_the_survey_in_which_it_differs(polled: FinishedRun, tmp_path: Path) -> None:
    class Other(Village):
        surveys = (Survey("poll", ITEMS[:1], at=0),)

    with pytest.raises(RunError, match=r"In survey poll after step 0 the replay asks for .* never asked"):
        replay(polled.path, Other)


@pytest.mark.parametrize("at", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_fork_has_the_answers_up_to_its_step_and_pays_for_none_again(
    polled: FinishedRun, tmp_path: Path, at: int
) -> None:
    out = tmp_path / "fork.duckdb"
    changed = fork(polled.path, Polled, at=at, out=out, steps=None if at == 0 else 2)
    copied = rows(out, "SELECT DISTINCT step FROM answers ORDER BY 1")
    assert copied == [(step,) for step in (0, 1) if step <= at]
    if at == 0:
        assert changed.run().event_hash == polled.event_hash
        assert changed.engine.gateway.calls == 0
        assert rows(out, ANSWERS) == polled.sql(ANSWERS).rows


@pytest.mark.slow
def test_a_survey_that_a_fork_adds_is_asked_where_it_begins(
    served: tuple[FinishedRun, OpenAIServer], tmp_path: Path
) -> None:
    class More(Village):
        surveys = (POLL, Survey("more", ITEMS[:1], at=0))

    run = fork(served[0].path, More, at=0, out=tmp_path / "fork.duckdb").run()
    assert run.sql("SELECT step, count(*) FROM answers WHERE survey = 'more' GROUP BY ALL").rows == [(0, 12)]
    with pytest.raises(SetupError, match="to be asked after step 0, and the fork begins after step 1; fork at step 0"):
        fork(served[0].path, More, at=1, out=tmp_path / "late.duckdb", steps=3)


@pytest.mark.usefixtures("impatient")
def test_nothing_is_lost_over_http_with_faults_and_the_hash_is_the_same(
    served: tuple[FinishedRun, OpenAIServer], tmp_path: Path
) -> None:
    with OpenAIServer() as server:
        server.fault("rate_limit", 0.3).fault("server_error", 0.2)
        run = society(Polled(), tmp_path / "run.duckdb", model="openai:test", base_url=server.base_url).run()
        assert server.by_fault["rate_limit"] > 5
    assert run.event_hash == served[0].event_hash
    assert run.sql("SELECT count(*), count_if(outcome IN ('ok', 'dont_know')) FROM answers").rows == [(120, 120)]


@pytest.mark.usefixtures("impatient")
def test_who_gets_no_answer_is_a_row_for_each_item_and_one_failure(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        where: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url}
        grown = society(Village(), tmp_path / "grown.duckdb", steps=1, **where).run()
        ((unlucky, text),) = grown.sql("SELECT id, text FROM personas ORDER BY ordinal LIMIT 1").rows
        server.fault("bad_request", containing=f"</questions>\\n\\n<persona>\\n{text}", attempts=None)
        run = society(Polled(), tmp_path / "run.duckdb", **where).run()
    lost = run.sql("SELECT agent, outcome, count(*), min(reason) <> '' FROM answers WHERE value IS NULL AND "
                   "outcome <> 'dont_know' AND step = 0 GROUP BY ALL").rows  # fmt: skip
    assert lost == [(unlucky, "bad_request", 5, True)]
    failed = run.sql("SELECT phase, agent, outcome FROM failures WHERE number = 0 AND phase <> 'growth'").rows
    assert failed == [("survey poll", unlucky, "bad_request")]
    assert run.sql("SELECT sum(failed) FROM steps").rows == [(0,)]


def test_an_estimate_counts_the_calls_of_surveys() -> None:
    found = estimate(Polled(), growth=Growth(agents=12, hops=1), steps=2, model="procedural")
    calls = {one.name: one.calls.high for one in found.purposes}
    assert calls["survey"] == 24


def test_samples_are_drawn_anew_and_panels_are_not(tmp_path: Path) -> None:
    class Sampled(Village):
        surveys = (
            Survey("sample", ITEMS[:1], every=1, of=Sample(5)),
            Survey("panel", ITEMS[:1], every=1, of=Panel(5)),
            Survey("retest", ITEMS[:2], at=1, of=Panel(4), repeats=2, one_by_one=True),
        )

    run = society(Sampled(), tmp_path / "run.duckdb").run()
    people = dict(run.sql("SELECT survey, count(DISTINCT agent) FROM answers GROUP BY ALL").rows)
    assert people["panel"] == 5 < people["sample"]
    assert run.sql("SELECT survey, step, count(*) FROM answers GROUP BY ALL ORDER BY ALL").rows == [
        ("panel", 1, 5), ("panel", 2, 5), ("retest", 1, 16), ("sample", 1, 5), ("sample", 2, 5)
    ]  # fmt: skip
    calls = "SELECT count(*), count(DISTINCT replicate) FROM calls WHERE phase = 'survey retest'"
    assert run.sql(calls).rows == [(16, 2)]
