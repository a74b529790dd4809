from dataclasses import replace
from typing import Any

import pytest

from populace.analysis.report.facts import draw_society
from populace.analysis.summary import Tokens, summarise
from populace.analysis.table import Queryable


def test_a_summary_counts_what_the_run_file_holds(lived: Queryable) -> None:
    summary = summarise(lived)
    assert (summary.agents, summary.personas, summary.steps, summary.hops) == (60, 61, 5, 2)
    assert sum(summary.emissions.values()) == 59 * 5
    assert set(summary.emissions) == {"dialogue", "instruction", "tool"}
    assert (summary.calls, summary.failures) == (310, {"cut_json": 5})
    assert summary.calls_by_outcome == {"ok": 295, "cut_json": 15}
    assert summary.seconds == 3 * 1.0 + 5 * 2.0  # without the time between sessions


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


def test_a_run_found_running_by_nobody_was_interrupted(make_run: Any) -> None:
    assert summarise(make_run(upto="header", status="running")).status == "interrupted"
    assert summarise(make_run(upto="header", status="running", is_live=True)).status == "running"


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("procedural", "procedural (no language model)"),
        ("openai:small", "openai:small"),
    ],
)
def test_a_summary_names_the_model(make_run: Any, model: str, shown: str) -> None:
    assert summarise(make_run(upto="header", model=model)).written_by == shown


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
