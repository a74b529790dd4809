"""The yield of a run by stage, and what it took."""

import json
from typing import Any

import pytest

from populace.analysis.funnel import read_funnel
from populace.analysis.table import Queryable, render_result
from populace.core.result import Result


def stages(found: Result) -> dict[str, tuple[int, int]]:
    return {stage["stage"]: (stage["rows"], stage["lost"]) for stage in found}


def test_turns_answers_and_outputs_are_counted(lived: Queryable) -> None:
    found = read_funnel(lived)
    ((repeated,),) = lived.query("SELECT count(DISTINCT emission) FROM duplicates WHERE emission IS NOT NULL").rows
    assert stages(found) == {
        "turns": (300, 0),
        "answers": (295, 5),
        "outputs": (295, 0),
        "near_duplicate": (295 - repeated, repeated),
        "accepted": (295 - repeated, 0),
    }
    assert found.rows[1][-1] == "5 cut_json"
    assert "60 asked, 59 with an output, 59 with an accepted output" in dict(found.notes)["people"]


def test_each_check_is_a_stage_and_an_output_is_lost_once(make_run: Any) -> None:
    run = make_run(people=12, steps=1)
    run.fill("checks", [
        [1, "schema", "failed", "It has no title.", None, 1],
        [1, "leak", "failed", "It names the persona.", None, 1],
        [2, "leak", "failed", "It names the persona.", None, 1],
        [3, "leak", "undecided", "No grader answered.", None, 1],
        [4, "leak", "passed", "", None, 1],
    ])  # fmt: skip
    found = read_funnel(run)
    assert stages(found)["outputs"] == (11, 0)
    assert stages(found)["leak"] == (9, 2)
    assert "schema" not in stages(found)
    repeated = stages(found).get("near_duplicate", (0, 0))[1]
    assert stages(found)["accepted"][0] == 9 - repeated
    assert "leak on 1" in dict(found.notes)["undecided"]
    assert "such as: It names the persona." in [stage["why"] for stage in found]


def test_turns_in_which_nothing_was_made_are_a_stage(make_run: Any) -> None:
    run = make_run(people=12, steps=1)
    run.query("UPDATE markers SET counts = '{\"acted\": 7}' WHERE phase = 'step'")
    assert stages(read_funnel(run))["silence"] == (7, 4)


def test_accepted_outputs_are_told_for_a_dollar_and_for_tokens_by_role(make_run: Any) -> None:
    run = make_run(people=12, steps=1, model="openai:m")
    run.query("UPDATE calls SET cost = 0.01 WHERE outcome = 'ok'")
    run.query("UPDATE calls SET role = 'grader' WHERE rowid IN (SELECT rowid FROM calls WHERE outcome = 'ok' LIMIT 1)")
    run.query("DELETE FROM calls WHERE outcome <> 'ok'")
    found = read_funnel(run)
    spent = {one["purpose"]: one for one in found["Cost"]}
    assert {name: one["calls"] for name, one in spent.items()} == {"turns": 10, "turns: grader": 1, "total": 11}
    accepted, _ = stages(found)["accepted"]
    assert spent["total"]["dollars"] == pytest.approx(0.11)
    assert spent["total"]["accepted_per_dollar"] == pytest.approx(accepted / 0.11)
    assert spent["total"]["accepted_per_1000_tokens"] == pytest.approx(accepted / (11 * 250) * 1000)


def test_unknown_prices_and_tokens_count_as_unknown(make_run: Any) -> None:
    run = make_run(people=12, steps=1, model="openai:m")
    run.query("UPDATE calls SET cost = 0.01 WHERE outcome = 'ok'")
    found = read_funnel(run)
    only = found["Cost"].value
    # What was cut off was answered, and neither counted nor priced.
    assert (only["unpriced"], only["uncounted"]) == (3, 3)
    assert only["accepted_per_dollar"] is None
    assert only["accepted_per_1000_tokens"] is None
    assert "rows per dollar are left out" in dict(found.notes)["unpriced"]


def test_calls_of_jobs_on_the_outputs_go_by_their_kind(make_run: Any) -> None:
    run = make_run(people=12, steps=1)
    run.query("INSERT INTO jobs SELECT * REPLACE (2 AS job, 'solving' AS kind) FROM jobs")
    run.query("UPDATE calls SET job = 2, role = 'solver' WHERE rowid IN (SELECT rowid FROM calls LIMIT 2)")
    assert {one["purpose"] for one in read_funnel(run)["Cost"]} == {"turns", "solving: solver", "total"}


def test_a_run_without_a_step_has_a_funnel_of_nothing(make_run: Any) -> None:
    found = read_funnel(make_run(upto="header"))
    assert stages(found) == {"turns": (0, 0), "answers": (0, 0), "outputs": (0, 0), "accepted": (0, 0)}
    assert render_result(found)


def test_a_funnel_is_json_html_and_arrow(lived: Queryable) -> None:
    import duckdb

    found = read_funnel(lived)
    assert json.loads(found.json())["rows"][0]["rows"] == 300
    assert "<td>turns asked for</td>" in found._repr_html_()
    with duckdb.connect() as con:
        assert con.execute("SELECT max(rows) FROM found").fetchall() == [(300,)]


def test_accepted_outputs_with_solutions_are_a_stage(make_run: Any) -> None:
    run = make_run(people=12, steps=1)
    run.fill("solutions", [
        [2, emission, n, "openai:m", n, "text", "x = 1", "1", 1, "ok", "", None] for emission in (1, 2) for n in (1, 2)
    ])  # fmt: skip
    run.query("INSERT INTO jobs SELECT * REPLACE (3 AS job, 'evaluation' AS kind) FROM jobs")
    run.fill("solutions", [[3, 5, 1, "openai:m", 1, "text", "x = 1", "1", 1, "ok", "", None]])
    run.fill("checks", [[2, "solvable", "failed", "No two agree.", None, 1]])
    assert stages(read_funnel(run))["solutions"] == (1, 0)
