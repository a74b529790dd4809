"""What a report shows of a society that changes: states, answers, who came and left."""

import json
import re
from typing import Any

import pytest

from populace.analysis.report.charts import chart_node_measures, chart_present, chart_states
from populace.analysis.report.report import render_report
from populace.analysis.report.society import read_answers

AT = ["2026-03-01 12:00:00"] * 2


@pytest.fixture(scope="module")
def changing(make_run: Any) -> Any:
    """Twelve people over three steps, with opinions of a tenth of their place; the first counts for three."""
    run = make_run(people=12, upto="growth")
    ids = [agent for (agent,) in run.query("SELECT agent FROM agents ORDER BY ordinal").rows]
    run.connection.execute(
        "UPDATE agents SET weight = if(ordinal = 1, 3, 1), group_name = if(ordinal % 2 = 0, 'e', '<w>')"
    )
    blocked = json.dumps({"blocked_ties": {ids[0]: {ids[6]: 2}, ids[6]: {ids[0]: 2}}})
    for step in (1, 2, 3):
        world = blocked if step == 2 else "{}"
        run.fill("markers", [[1, "step", step, 0, 12, 0, None, world, '{"acted":12}', *AT, f"s{step}"]])
    state = [[0, agent, "opinion", str(n / 10)] for n, agent in enumerate(ids)]
    state += [[0, agent, "informed", "false"] for agent in ids]
    state += [[0, agent, "town", '"a"' if n < 8 else '"b"'] for n, agent in enumerate(ids)]
    state += [[0, agent, "diary", f'"of {n}"'] for n, agent in enumerate(ids)]
    # Towards the first, away from it, by itself, by an intervention, and after a line that was held back.
    state += [[2, ids[1], "opinion", "0.05"], [2, ids[2], "opinion", "0.4"], [3, ids[3], "opinion", "0.9"]]
    state += [[3, ids[8], "town", '"a"'], [0, ids[7], "age", "9"]]
    state += [[3, ids[4], "opinion", "0.0"], [2, ids[6], "opinion", "0.0"]]
    state += [[1, ids[0], "informed", "true"], [2, ids[1], "informed", "true"], [3, ids[3], "informed", "true"]]
    state += [[3, ids[9], "informed", "true"], [0, ids[9], "wage", "null"], [0, ids[10], "wage", "4"]]
    state += [[1, ids[10], "wage", "6"]]
    run.fill("agent_state", state)
    lines = [(1, "player", 0), (1, ids[0], 1), (2, ids[5], 1), (1, ids[0], 2), (2, ids[0], 4), (1, ids[0], 6)]
    run.fill("messages", [[n, step, who, ids[to], "...", None, None] for n, (step, who, to) in enumerate(lines)])
    run.fill("target_shares", [[1, "region", "<north>", 0.5]])
    run.fill("target_people", [[agent, "region", 1 if n < 3 else None] for n, agent in enumerate(ids)])
    run.fill("weights", [[agent, 5.0] for agent in ids[:3]])
    run.fill("interventions", [[3, "flood", "The ferry sank."]])
    run.fill("intervention_effects", [[3, 1, "flood", "state", ids[4], None, "opinion", "0.4", "0.0"]])
    run.fill("intervention_effects", [[3, 2, "flood", "state", ids[9], None, "informed", "false", "true"]])
    run.fill("agent_changes", [[2, 1, ids[11], "departed", "action", None, None, None, None, None]])
    run.fill("node_measures", [[s, agent, "degree", float(n)] for s in (1, 2) for n, agent in enumerate(ids)])
    run.fill("node_measures", [[s, agent, "community", n % 3 + 1.0] for s in (1, 2) for n, agent in enumerate(ids)])
    likert = ["likert", "Is it <i>good</i>?", "", [], 1, 5, False]
    choice = ["choice", "Who?", "", ["all", "none"], None, None, True]
    for step in (0, 2):
        run.fill("surveys", [[1, "poll", step, "good", 1, *likert], [1, "poll", step, "who", 2, *choice]])
        points = [3, 1 if step == 0 else 3, 2]
        run.fill("answers", [
            [1, "poll", step, ids[n], "good", 0, str(point), point, [], "ok", "", "rule", "rule"]
            for n, point in enumerate(points)
        ])  # fmt: skip
        run.fill("answers", [
            [1, "poll", step, ids[n], "who", 0, value, None, [], outcome, "", "rule", "rule"]
            for n, (value, outcome) in enumerate([('"all"', "ok"), ('"none"', "ok"), (None, "dont_know")])
        ])  # fmt: skip
    return run


def test_a_number_of_the_state_has_its_weighted_mean_and_quartiles_after_each_step(changing: Any) -> None:
    drawn, left_out = chart_states(changing)
    charts = {chart.name: chart for chart in drawn}
    assert list(charts) == ["state-informed", "state-opinion", "state-town-step", "state-town-group", "state-wage"]
    # Who holds null is no part of the mean, as in reports of experiments.
    assert chart_node_measures(changing)[0].rows[0][:3] == (1, "all", f"{66 / 14:.4g}")
    assert [(row[2], row[5]) for row in charts["state-wage"].rows if row[1] == "all"][:2] == [("4", 1), ("6", 1)]
    assert left_out == ["age", "diary"]
    rows = charts["state-opinion"].rows
    # Of a weight of 14: a quarter is reached by 0.1, three quarters by 0.8; one leaves in step 2.
    assert rows[0] == (0, "all", f"{6.6 / 14:.4g}", "0.1", "0.8", 12)
    assert [row[5] for row in rows if row[1] == "all"] == [12, 12, 11, 11]
    assert {row[1] for row in rows} == {"all", "<w>", "e"}
    assert charts["state-town-group"].rows == [
        ("<w>", "a", "87.5%", 5),
        ("<w>", "b", "12.5%", 1),
        ("e", "a", "80.0%", 4),
        ("e", "b", "20.0%", 1),
    ]


def test_the_sql_of_a_chart_gives_its_numbers(changing: Any) -> None:
    charts = [*chart_states(changing)[0], *chart_node_measures(changing)]
    for chart in filter(None, [*charts, chart_present(changing)]):
        answer = changing.query(chart.sql).rows
        assert len(answer) == chart.rows_in_all
    opinion = next(chart for chart in charts if chart.name == "state-opinion")
    means = [f"{row[2]:.4g}" for row in changing.query(opinion.sql).rows if row[1] is None]
    assert means == [row[2] for row in opinion.rows if row[1] == "all"]


def test_answers_have_a_mean_with_its_interval_in_each_wave_and_shares_of_options(changing: Any) -> None:
    answers = read_answers(changing)
    assert answers is not None
    good, who = answers["questions"]
    assert [chart.title for chart in good["charts"]] == [
        "good: mean in each wave", "good: shares in each wave", "good: shares by group after step 2",
    ]  # fmt: skip
    # Weights 3, 1, 1: (9 + 1 + 2) / 5, with Student's interval.
    assert "all, step 0: 2.4 (" in good["charts"][0].wide
    assert "3 of 3 answered" in good["charts"][0].wide
    # The interval begins below 1; the scale, and so the drawing, does not.
    (from_y, *_) = re.findall(r"M[\d.]+ ([\d.]+)V", good["charts"][0].wide)
    assert from_y in re.findall(r"M[\d.]+ ([\d.]+)H", good["charts"][0].wide)
    assert who["charts"][0].rows[0][:3] == (0, "all", "75.0%")
    assert (who["tables"][0].asked, who["tables"][0].answered, who["tables"][0].unsure) == (3, 2, 1)
    assert (answers["found"].is_weighted, answers["found"].has_stand_in) == (True, False)


def test_the_page_shows_all_of_it_escaped(changing: Any) -> None:
    page = render_report(changing)
    for section in ("changes", "state", "answers"):
        assert f'<section id="{section}"' in page
    assert "Is it &lt;i&gt;good&lt;/i&gt;?" in page
    assert "&lt;w&gt;" in page
    assert "<w>" not in page
    assert "1 departed (by an action)" in page


def test_a_run_without_any_of_it_has_none_of_these_sections(lived: Any) -> None:
    page = render_report(lived)
    for section in ("changes", "state", "answers"):
        assert f'id="{section}"' not in page
