from dataclasses import replace
from typing import Any

from populace.analysis.report.facts import draw_society
from populace.analysis.summary import Tokens, summarise
from populace.analysis.table import Queryable


def test_a_summary_counts_what_the_run_file_holds(lived: Queryable) -> None:
    summary = summarise(lived)
    assert (summary.agents, summary.personas, summary.steps, summary.hops) == (60, 61, 5, 2)
    assert sum(summary.emissions.values()) == 59 * 5
    assert set(summary.emissions) == {"dialogue", "instruction", "tool"}


def test_failures_and_calls_are_counted_by_outcome(lived: Queryable) -> None:
    summary = summarise(lived)
    assert summary.failures == {"cut_json": 5}
    assert summary.calls_by_outcome == {"ok": 295, "cut_json": 15}
    assert summary.calls == 310


def test_an_undone_verdict_no_longer_counts(make_run: Any) -> None:
    run = make_run(people=20, steps=1)
    assert summarise(run).near_duplicates["persona"] == 1
    run.connection.execute("UPDATE duplicates SET undone = true WHERE kind = 'persona'")
    assert "persona" not in summarise(run).near_duplicates


def test_tokens_are_none_when_no_endpoint_counted_them(make_run: Any) -> None:
    run = make_run(people=20, steps=1)
    assert summarise(run).tokens == Tokens(19 * 210, 19 * 40, counted_calls=19)
    run.connection.execute("UPDATE calls SET input_tokens = NULL, output_tokens = NULL")
    assert summarise(run).tokens is None


def test_time_between_sessions_is_not_work(lived: Queryable) -> None:
    assert summarise(lived).seconds == 3 * 1.0 + 5 * 2.0


def test_a_run_found_running_by_nobody_was_interrupted(make_run: Any) -> None:
    assert summarise(make_run(upto="header", status="running")).status == "interrupted"
    assert summarise(make_run(upto="header", status="running", is_live=True)).status == "running"


def test_the_rows_say_that_the_stand_in_is_no_language_model(lived: Queryable, make_run: Any) -> None:
    assert dict(summarise(lived).as_rows())["model"] == "procedural (no language model)"
    named = make_run(upto="header", model="openai:small")
    assert dict(summarise(named).as_rows())["model"] == "openai:small"


def test_the_rows_steer_no_terminal(make_run: Any) -> None:
    rows = dict(summarise(make_run(upto="header", model="openai:\x1b[31m")).as_rows())
    assert rows["model"] == r"openai:\x1b[31m"


def test_the_lines_of_an_empty_run_say_nothing_was_counted(make_run: Any) -> None:
    lines = summarise(make_run(upto="header", status="running")).lines({})
    assert lines["size"] == "0 agents, 0 ties, 0 of 5 steps; interrupted"
    assert lines["outputs"] == "0"


def test_the_summary_and_the_graph_count_the_same_relations(make_run: Any) -> None:
    run = make_run(people=20, upto="growth")
    source, target, kind = run.query("SELECT source, target, kind FROM relations LIMIT 1").rows[0]
    run.fill("relations", [[900, source, target, kind, "again", 2]])
    assert summarise(run).relations == draw_society(run)[1] == 11


def test_who_came_and_left_is_told_beside_the_agents(make_run: Any) -> None:
    run = make_run()
    run.connection.execute(
        "INSERT INTO agent_changes (step, ordinal, agent, change, cause) "
        "SELECT 1, row_number() OVER (), agent, 'departed', 'scenario' FROM agents LIMIT 2"
    )
    assert "agents, departed 2, " in summarise(run).lines({})["size"]


def test_a_run_in_which_nothing_was_emitted_says_what_may_be_the_cause(lived: Queryable) -> None:
    told = summarise(lived)
    assert not told.silence
    assert "Nothing was emitted in any step" in replace(told, emissions={}, failures={}).silence
    assert not replace(told, emissions={}, failures={"cut_json": 2}).silence
    assert not replace(told, emissions={}, failures={}, steps=0).silence
