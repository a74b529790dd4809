from typing import Any

import plotly.graph_objects as go
import pytest

from populace.analysis.queryable import Queryable
from populace.analysis.report.chart import Chart
from populace.analysis.report.graph import chart_society, read_society
from populace.analysis.report.series import chart_emissions, chart_measures, chart_novelty, kind_order


def all_charts(run: Queryable) -> list[Chart]:
    kinds = kind_order(run)
    charts = [chart_society(read_society(run)), chart_emissions(run, kinds), chart_novelty(run, kinds)]
    return [chart for chart in (*charts, *chart_measures(run)) if chart is not None]


def test_plotly_knows_every_property_that_is_set(lived: Queryable) -> None:
    charts = all_charts(lived)
    assert len(charts) == 4
    for chart in charts:
        go.Figure({"data": chart.data, "layout": chart.layout})


def test_every_chart_says_what_is_seen_and_what_its_axes_are(lived: Queryable) -> None:
    for chart in all_charts(lived):
        assert chart.title
        assert chart.description
        if chart.name != "society":
            assert chart.layout["xaxis"]["title"]["text"] == "step"
            assert chart.layout["yaxis"]["title"]["text"]


def test_the_bars_add_up_to_all_emissions(lived: Queryable) -> None:
    chart = chart_emissions(lived, kind_order(lived))
    assert chart is not None
    assert sum(sum(trace["y"]) for trace in chart.data) == 295


def test_an_intervention_is_marked_before_its_step(lived: Queryable) -> None:
    chart = chart_emissions(lived, kind_order(lived))
    assert chart is not None
    assert [
        (line["x0"], note["text"])
        for line, note in zip(chart.layout["shapes"], chart.layout["annotations"], strict=True)
    ] == [(2.5, "ferry_stops")]


def test_no_two_kinds_differ_by_colour_alone(lived: Queryable) -> None:
    for chart in all_charts(lived):
        looks = [(entry.shape, entry.look) for entry in chart.legend if entry.shape != "line"]
        assert len(looks) == len(set(looks))


def test_a_measure_that_is_not_a_number_leaves_a_gap(make_run: Any) -> None:
    run = make_run(people=12, steps=2)
    run.fill("measures", [[1, "ratio", float("nan")], [2, "ratio", 0.5]])
    (chart,) = [chart for chart in chart_measures(run) if chart.title == "ratio"]
    assert chart.data[0]["y"] == [None, 0.5]


@pytest.mark.parametrize("upto", ["header", "growth"])
def test_before_the_first_step_there_is_nothing_over_steps(upto: str, make_run: Any) -> None:
    run = make_run(people=12, upto=upto)
    assert chart_emissions(run, []) is None
    assert chart_novelty(run, []) is None
    assert chart_measures(run) == []
