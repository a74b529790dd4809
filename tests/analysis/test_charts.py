"""The charts of a report: what is drawn, from zero, with texts beside every picture; and what is not drawn."""

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from populace.analysis.plot import COLOURS, Chart, Point
from populace.analysis.report.charts import (
    MEASURES,
    chart_emissions,
    chart_fields,
    chart_measures,
    kind_order,
)
from populace.analysis.report.report import render_report
from populace.analysis.table import Queryable


def all_charts(run: Queryable) -> list[Chart]:
    charts = [chart_emissions(run, kind_order(run)), *chart_measures(run), *chart_fields(run)]
    return [chart for chart in charts if chart is not None]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def told(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]


@pytest.fixture
def voted(make_run: Any) -> Any:
    """A run of two steps in which people vote; half of them are in the group `east`, the others in `west`."""
    run = make_run(people=12, upto="growth")
    agents = [agent for (agent,) in run.query("SELECT agent FROM agents ORDER BY ordinal").rows]
    run.connection.execute("UPDATE agents SET group_name = if(ordinal % 2 = 0, 'east', 'west')")
    fields = [["vote", "choice", ["yes", "no", "abstain"]], ["toll", "number", []], ["sure", "boolean", []]]
    run.fill("action_fields", [["ballot", name, n, kind, of, ""] for n, (name, kind, of) in enumerate(fields)])
    for step in (1, 2):
        at = ["2026-03-01 12:00:00"] * 2
        run.fill("markers", [[1, "step", step, 0, 12, 0, None, "{}", '{"acted":12}', *at, f"s{step}"]])
        for n, agent in enumerate(agents):
            ballot = {"vote": ("no", "yes")[n % 2 if step == 2 else 1], "toll": n + step, "sure": n < 3}
            number = 100 * step + n
            run.fill("emissions", [[number, step, agent, "ballot", "x", json.dumps(ballot), False, "m", "turn@1"]])
    return run


def test_every_chart_says_what_is_seen_and_what_its_axes_are(lived: Queryable) -> None:
    charts = all_charts(lived)
    assert [chart.name for chart in charts] == ["emissions", "measure-0"]
    for chart in charts:
        drawn = ET.fromstring(chart.narrow)
        assert drawn.attrib["role"] == "img"
        assert drawn.attrib["aria-label"] == f"{chart.title}. {chart.description}"
        assert "step" in texts(chart.narrow)


def test_the_bars_add_up_to_all_emissions(lived: Queryable) -> None:
    chart = chart_emissions(lived, kind_order(lived))
    assert chart is not None
    numbers = [re.fullmatch(r"\w+, step \d: (\d+)", words) for words in told(chart.wide)]
    assert sum(int(found[1]) for found in numbers if found) == 295
    assert sum(point.value or 0 for point in chart.points) == 295


def test_an_intervention_is_marked_before_its_step(lived: Queryable) -> None:
    chart = chart_emissions(lived, kind_order(lived))
    assert chart is not None
    (line,) = re.findall(r'd="M([\d.]+) [^"]*" stroke="currentColor" stroke-width="1.5" stroke-dash', chart.wide)
    places = dict(re.findall(r' x="([\d.]+)" y="[\d.]+" text-anchor="middle">(\d)</text>', chart.wide))
    at = {step: float(x) for x, step in places.items()}
    assert float(line) == pytest.approx((at["2"] + at["3"]) / 2, abs=0.2)
    assert "ferry_stops" in texts(chart.wide)


def test_no_two_kinds_differ_by_colour_alone(lived: Queryable, voted: Any) -> None:
    for chart in [*all_charts(lived), *all_charts(voted)]:
        colourless = [re.sub(r'class="[^"]*"|color="[^"]*"', "", entry.swatch) for entry in chart.legend]
        assert len(colourless) == len(set(colourless))


def test_colours_are_plain_and_follow_the_page_by_their_class(lived: Queryable) -> None:
    for chart in all_charts(lived):
        assert "var(" not in chart.narrow
        for element in ET.fromstring(chart.narrow).iter():
            if "color" in element.attrib:
                assert COLOURS[element.attrib["class"]] == element.attrib["color"]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=8))
@example([-1.450534090023763e-253])
def test_axes_hold_zero_and_every_value(values: list[float]) -> None:
    svg = Chart("c", "l", "", [Point(n, value) for n, value in enumerate(values)], "value").draw(400, 220)
    ticks = [float(text.replace(",", "")) for text in re.findall(r'text-anchor="end">([^<]*)<', svg)]
    assert 2 <= len(ticks) <= 8
    assert 0 in ticks
    # An axis tells no values apart that are within 1e-250.
    assert min(ticks) <= min(values) + max(1e-5 * (max(*values, 0.0) - min(values)), 1e-250)
    points = [
        float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", svg.partition("data-series")[2].partition("/>")[0])
    ]
    assert all(0 <= y <= 220 for y in points)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_bars_stand_on_one_another_and_are_as_high_as_their_values(values: list[tuple[int, int]]) -> None:
    points = [Point(place, pair[n], f"{n}") for n in (0, 1) for place, pair in enumerate(values)]
    svg = Chart("c", "l", "", points, "value", mark="bar").draw(960, 300)
    heights = [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', svg)]
    shown = [pair[n] for n in (0, 1) for pair in values if pair[n]]
    assert len(heights) == len(shown)
    assert all(h == pytest.approx(heights[0] / shown[0] * v, abs=0.5 * v) for h, v in zip(heights, shown, strict=True))


def test_a_measure_that_is_not_a_number_leaves_a_gap(make_run: Any) -> None:
    run = make_run(people=12, steps=3)
    run.fill("measures", [[1, "ratio", 0.5], [2, "ratio", float("nan")], [3, "ratio", 0.5]])
    (chart,) = [chart for chart in chart_measures(run) if chart.title == "ratio"]
    (line,) = re.findall(r'<path d="([^"]*)" fill="none"', chart.narrow)
    assert (line.count("M"), line.count("L")) == (2, 0)


def test_of_many_measures_those_that_change_are_drawn_and_the_page_says_how_many_there_are(make_run: Any) -> None:
    run = make_run(people=12, steps=2)
    run.fill("measures", [[step, f"a{n}", float(n)] for step in (1, 2) for n in range(MEASURES)])
    run.fill("measures", [[1, "share", 0.25], [2, "share", 0.5]])
    titles = [chart.title for chart in chart_measures(run)]
    assert "share" in titles
    assert len(titles) == MEASURES
    page = render_report(run)
    assert f"{MEASURES} of {MEASURES + 2} measures are drawn" in page
    assert "0.25 in step 1, 0.5 in step 2" in page


def test_a_measure_without_any_number_is_not_drawn(make_run: Any) -> None:
    run = make_run(people=12, steps=2)
    run.fill("measures", [[1, "ratio", float("nan")], [2, "ratio", float("inf")]])
    assert [chart.title for chart in chart_measures(run)] == ["lines spoken"]


@pytest.mark.parametrize("upto", ["header", "growth"])
def test_before_the_first_step_there_is_nothing_over_steps(upto: str, make_run: Any) -> None:
    run = make_run(people=12, upto=upto)
    assert chart_emissions(run, []) is None
    assert chart_measures(run) == []
    assert chart_fields(run) == []


def test_every_typed_field_has_its_chart_over_steps_and_by_group(voted: Any) -> None:
    charts = {chart.name: chart for chart in chart_fields(voted)}
    assert list(charts) == [
        "field-ballot-vote-step",
        "field-ballot-vote-group",
        "field-ballot-toll",
        "field-ballot-sure-step",
        "field-ballot-sure-group",
    ]
    assert charts["field-ballot-vote-step"].rows == [
        (1, "yes", "100.0%", 12),
        (2, "no", "50.0%", 6),
        (2, "yes", "50.0%", 6),
    ]
    assert [row[2:] for row in charts["field-ballot-vote-group"].rows] == [("100.0%", 12), ("50.0%", 6), ("50.0%", 6)]
    assert charts["field-ballot-toll"].rows[0] == (1, "all", "6.5", "3", "9", 12)
    assert [entry.label for entry in charts["field-ballot-toll"].legend] == ["all", "east", "west"]
    assert "yes, step 2: 50.0%, 6 emissions" in told(charts["field-ballot-vote-step"].wide)


def test_fields_of_people_who_stand_for_others_are_weighted(voted: Any) -> None:
    # Three of those in the east, who vote yes in both steps, count nine times as much as each of the others.
    voted.connection.execute("UPDATE agents SET weight = if(ordinal IN (2, 4, 6), 9, 1)")
    charts = {chart.name: chart for chart in chart_fields(voted)}
    by_step = charts["field-ballot-vote-step"]
    assert by_step.headings == ["step", "vote", "share by weight", "emissions"]
    assert by_step.rows == [(1, "yes", "100.0%", 12), (2, "no", "16.7%", 6), (2, "yes", "83.3%", 6)]
    assert charts["field-ballot-vote-group"].rows[1:] == [("west", "no", "50.0%", 6), ("west", "yes", "50.0%", 6)]
    # (78 + 8 * (2 + 4 + 6)) / 36, where the plain mean is 6.5.
    assert charts["field-ballot-toll"].rows[0][:3] == (1, "all", "4.833")
    assert set(texts(charts["field-ballot-toll"].wide)) >= {"toll (mean by weight)"}


def test_a_field_that_holds_nothing_is_not_drawn(voted: Any) -> None:
    voted.connection.execute('UPDATE emissions SET payload = \'{"toll": "dear", "vote": null}\'')
    assert chart_fields(voted) == []


def test_of_a_long_run_bars_are_spans_of_steps_and_the_table_says_how_much_it_leaves_out(make_run: Any) -> None:
    run = make_run(people=12, upto="growth")
    agent = run.query("SELECT agent FROM agents").rows[0][0]
    run.fill("emissions", [[n, n, agent, "omen", "A heron.", "{}", False, "m", "turn@1"] for n in range(1, 301)])
    chart = chart_emissions(run, ["omen"])
    assert chart is not None
    assert chart.wide.count("<rect") == 100
    assert "omen, steps 1 to 3: 3" in told(chart.wide)
    long = Chart("c", "t", "d", [Point(n, n) for n in range(300)], "value")
    assert (len(long.rows), long.rows_in_all) == (200, 300)
