"""The charts over steps: what was emitted, how much of it was new, and what the scenario measured."""

from collections.abc import Sequence
from typing import Any

from ..queryable import Queryable
from ..wording import chart_text, clip
from .chart import INK, SURFACE, Chart, LegendEntry, axis, base_layout
from .limits import MEASURES

__all__ = ["chart_emissions", "chart_measures", "chart_novelty", "kind_order"]

_KNOWN = ("dialogue", "instruction", "tool")
_FILLS = ("", "/", ".", "x", "-", "\\", "|", "+")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "pentagon", "star")

type Marks = Sequence[tuple[int, str]]


def kind_order(run: Queryable) -> list[str]:
    """The kinds that were emitted: the project's own first, then the scenario's by name."""
    kinds = {kind for (kind,) in run.query("SELECT DISTINCT kind FROM emissions").rows}
    return [k for k in _KNOWN if k in kinds] + sorted(kinds - set(_KNOWN))


def _interventions(run: Queryable) -> Marks:
    return [(s, n) for s, n in run.query("SELECT step, name FROM interventions ORDER BY step, name").rows]


def _step_axis(steps: Sequence[int]) -> dict[str, Any]:
    few = len(steps) <= 20
    return axis("step", tickformat="d", showgrid=False, **({"dtick": 1} if few else {"nticks": 12}))


def _marked(marks: Marks) -> dict[str, Any]:
    """A dashed line where each intervention came into force, and its name above."""
    line = {"color": INK, "width": 1.5, "dash": "dash"}
    return {
        "shapes": [
            {"type": "line", "x0": s - 0.5, "x1": s - 0.5, "y0": 0, "y1": 1, "yref": "paper", "line": line}
            for s, _ in marks
        ],
        "annotations": [
            {
                "text": chart_text(clip(name, 28)), "x": s - 0.5, "y": 1, "yref": "paper", "xanchor": "left",
                "yanchor": "bottom", "showarrow": False, "font": {"size": 12, "color": INK},
            }
            for s, name in marks
        ],
    }  # fmt: skip


def chart_emissions(run: Queryable, kinds: Sequence[str]) -> Chart | None:
    """Stacked bars of what was emitted in each step, by kind; None before the first step."""
    rows = run.query("SELECT step, kind, count(*) FROM emissions GROUP BY ALL ORDER BY step").rows
    if not rows:
        return None
    counts = {(step, kind): n for step, kind, n in rows}
    steps = sorted({step for step, _, _ in rows})
    return Chart(
        name="emissions",
        title="What was emitted in each step, by kind",
        description=f"Stacked bars over {len(steps)} steps; a dashed line marks each intervention.",
        data=[_bars(n, kind, steps, counts) for n, kind in enumerate(kinds)],
        layout=base_layout(
            barmode="stack",
            bargap=0.25,
            hovermode="closest",
            xaxis=_step_axis(steps),
            yaxis=axis("emissions (number)", rangemode="tozero"),
            **_marked(_interventions(run)),
        ),
        legend=[LegendEntry(k, f"var(--c{n % 10})", _FILLS[n % 8] or "solid", (n,)) for n, k in enumerate(kinds)],
        legend_title="Kind",
        headings=("step", *kinds),
        rows=[(step, *(counts.get((step, kind), 0) for kind in kinds)) for step in steps],
    )


def _bars(n: int, kind: str, steps: Sequence[int], counts: dict[tuple[int, str], int]) -> dict[str, Any]:
    values = [counts.get((step, kind), 0) for step in steps]
    pattern = {"shape": _FILLS[n % 8], "fgcolor": SURFACE, "size": 7, "solidity": 0.28, "fillmode": "overlay"}
    return {
        "type": "bar",
        "name": chart_text(kind),
        "x": list(steps),
        "y": values,
        "hovertext": [f"step {s}: {v:,} {chart_text(kind)}" for s, v in zip(steps, values, strict=True)],
        "hoverinfo": "text",
        "marker": {"color": f"var(--c{n % 10})", "pattern": pattern},
    }


def chart_novelty(run: Queryable, kinds: Sequence[str]) -> Chart | None:
    """Lines of the share of emissions that repeat nothing, by kind over steps; None before the first step."""
    rows = run.query("SELECT step, kind, emitted, near_duplicates, share_new FROM novelty ORDER BY step, kind").rows
    if not rows:
        return None
    return Chart(
        name="novelty",
        title="How much of each step's emissions was new",
        description="Lines by kind: the share of emissions that are no near-duplicate of any earlier one.",
        data=[_line(n, kind, [row for row in rows if row[1] == kind]) for n, kind in enumerate(kinds)],
        layout=base_layout(
            hovermode="closest",
            xaxis=_step_axis(sorted({row[0] for row in rows})),
            yaxis=axis("new (% of emissions)", tickformat=".0%", range=[-0.02, 1.04]),
            **_marked(_interventions(run)),
        ),
        legend=[LegendEntry(k, f"var(--c{n % 10})", _SYMBOLS[n % 8], (n,), "symbol") for n, k in enumerate(kinds)],
        legend_title="Kind",
        headings=("step", "kind", "emitted", "near-duplicates", "new"),
        rows=[(s, kind, emitted, near, f"{new:.1%}") for s, kind, emitted, near, new in rows],
    )


def _line(n: int, kind: str, rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": chart_text(kind),
        "x": [row[0] for row in rows],
        "y": [round(row[4], 4) for row in rows],
        "hovertext": [
            f"step {s}: {new:.1%} of {emitted:,} {chart_text(kind)} new, {near:,} near-duplicates"
            for s, _, emitted, near, new in rows
        ],
        "hoverinfo": "text",
        # Later lines are thinner, so that one on top of another leaves it to be seen.
        "line": {"color": f"var(--c{n % 10})", "width": max(4 - n, 1.5)},
        "marker": {"symbol": _SYMBOLS[n % 8], "size": max(14 - 3 * n, 6)},
    }


def chart_measures(run: Queryable) -> list[Chart]:
    """One line over steps for each of the first few measures of the scenario, by name."""
    names = [n for (n,) in run.query("SELECT DISTINCT name FROM measures ORDER BY name LIMIT ?", [MEASURES]).rows]
    marks = _interventions(run)
    return [_measure(place, name, run, marks) for place, name in enumerate(names)]


def _measure(place: int, name: str, run: Queryable, marks: Marks) -> Chart:
    rows = run.query("SELECT step, value FROM measures WHERE name = ? ORDER BY step", [name]).rows
    finite = [value if abs(value) < float("inf") else None for _, value in rows]
    steps = [step for step, _ in rows]
    line = {
        "type": "scatter", "mode": "lines+markers", "x": steps, "y": finite, "name": chart_text(name),
        "hovertext": [f"step {s}: {v:g}" for s, v in rows], "hoverinfo": "text",
        "line": {"color": "var(--c0)", "width": 2}, "marker": {"size": 6},
    }  # fmt: skip
    return Chart(
        name=f"measure-{place}",
        title=name.replace("_", " "),
        description=f"The measure {name} after each step, as a line.",
        data=[line],
        layout=base_layout(
            hovermode="closest",
            xaxis=_step_axis(steps),
            yaxis=axis(chart_text(clip(name.replace("_", " "), 30))),
            **_marked(marks),
        ),
        headings=("step", name),
        rows=[(s, f"{v:g}") for s, v in rows],
        height=240,
    )
