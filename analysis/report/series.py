"""The charts over steps: what was emitted, how much of it was new, and what the scenario measured."""

from collections.abc import Mapping, Sequence
from math import isfinite

from ..queryable import Queryable
from .chart import Chart, bars, bars_legend, lines, lines_legend
from .limits import BARS, MEASURES
from .plot import Axes, Series

__all__ = [
    "Marks",
    "chart_emissions",
    "chart_measures",
    "chart_novelty",
    "kind_order",
    "marks_at",
    "read_marks",
    "spans_of",
]

_KNOWN = ("dialogue", "instruction", "tool")

#: Step and name of each intervention.
type Marks = Sequence[tuple[int, str]]


def kind_order(run: Queryable) -> list[str]:
    """The kinds that were emitted: the project's own first, then the scenario's by name."""
    kinds = {kind for (kind,) in run.query("SELECT DISTINCT kind FROM emissions").rows}
    return [k for k in _KNOWN if k in kinds] + sorted(kinds - set(_KNOWN))


def read_marks(run: Queryable) -> Marks:
    """The interventions, by step."""
    return [(s, n) for s, n in run.query("SELECT step, name FROM interventions ORDER BY step, name").rows]


def marks_at(steps: Sequence[int], marks: Marks) -> list[tuple[int, str]]:
    """The place, among these steps, before which each intervention came."""
    return [(place, name) for at, name in marks for place in [sum(step < at for step in steps)] if place < len(steps)]


def chart_emissions(run: Queryable, kinds: Sequence[str]) -> Chart | None:
    """Stacked bars of what was emitted in each step, by kind; None before the first step."""
    rows = run.query("SELECT step, kind, count(*) FROM emissions GROUP BY ALL ORDER BY step").rows
    if not rows:
        return None
    counts = {(step, kind): n for step, kind, n in rows}
    steps = sorted({step for step, _, _ in rows})
    spans = spans_of(steps)
    summed = {(span, kind): sum(counts.get((step, kind), 0) for step in span) for span in spans for kind in kinds}
    series = [
        Series(n, [summed[span, kind] for span in spans], [f"{_span(s)}: {summed[s, kind]:,} {kind}" for s in spans])
        for n, kind in enumerate(kinds)
    ]
    marks = marks_at([span[-1] for span in spans], read_marks(run))
    return bars(
        "emissions",
        "What was emitted in each step, by kind"
        if len(spans) == len(steps)
        else "What was emitted over steps, by kind",
        f"Stacked bars over {len(steps)} steps; a dashed line marks each intervention.",
        series,
        Axes([str(span[0]) for span in spans], "step", "emissions (number)", marks=marks),
    )(
        legend=bars_legend(kinds),
        legend_title="Kind",
        headings=("step", *kinds),
        rows=[(step, *(counts.get((step, kind), 0) for kind in kinds)) for step in steps],
    )


def chart_novelty(run: Queryable, kinds: Sequence[str]) -> Chart | None:
    """Lines of the share of emissions that repeat nothing, by kind over steps; None where nothing repeats anything."""
    rows = run.query("SELECT step, kind, emitted, near_duplicates, share_new FROM novelty ORDER BY step, kind").rows
    repeated = {row[1] for row in rows if row[3]}
    shown = [kind for kind in kinds if kind in repeated]
    if not shown:
        return None
    steps = sorted({row[0] for row in rows})
    return lines(
        "novelty",
        "How much of each step's emissions was new",
        "Lines by kind: the share of emissions that are no near-duplicate of any earlier one.",
        [_new(n, steps, {row[0]: row for row in rows if row[1] == kind}) for n, kind in enumerate(shown)],
        Axes(
            [str(s) for s in steps],
            "step",
            "new (% of emissions)",
            is_share=True,
            marks=marks_at(steps, read_marks(run)),
        ),
    )(
        legend=lines_legend(shown),
        legend_title="Kind",
        headings=("step", "kind", "emitted", "near-duplicates", "new"),
        rows=[(s, kind, emitted, near, f"{new:.1%}") for s, kind, emitted, near, new in rows],
    )


def _new(number: int, steps: Sequence[int], rows: Mapping[int, tuple[int, str, int, int, float]]) -> Series:
    told = [
        f"step {s}: {r[4]:.1%} of {r[2]:,} {r[1]} new, {r[3]:,} near-duplicates" if (r := rows.get(s)) else ""
        for s in steps
    ]
    return Series(number, [rows[s][4] if s in rows else None for s in steps], told)


def chart_measures(run: Queryable) -> list[Chart]:
    """One line over steps for each of the first few measures of the scenario that hold a number, by name.

    Measures that changed come before those that stayed as they were, which say less.
    """
    rows = run.query("SELECT name, step, value FROM measures ORDER BY name, step").rows
    found: dict[str, list[tuple[int, float]]] = {}
    for name, step, value in rows:
        found.setdefault(name, []).append((step, value))
    drawn = {name: values for name, values in found.items() if any(isfinite(value) for _, value in values)}
    marks, names = read_marks(run), sorted(drawn, key=lambda name: len({value for _, value in drawn[name]}) == 1)
    return [_measure(n, name, drawn[name], marks) for n, name in enumerate(names[:MEASURES])]


def _measure(place: int, name: str, rows: Sequence[tuple[int, float]], marks: Marks) -> Chart:
    steps, title = [step for step, _ in rows], name.replace("_", " ")
    values = [value if isfinite(value) else None for _, value in rows]
    return lines(
        f"measure-{place}",
        title,
        f"The measure {name} after each step, as a line.",
        [Series(0, values, [f"step {step}: {value:g}" for step, value in rows])],
        Axes([str(step) for step in steps], "step", title, marks=marks_at(steps, marks)),
        small=True,
    )(headings=("step", name), rows=[(step, f"{value:g}") for step, value in rows])


def spans_of(steps: Sequence[int]) -> list[tuple[int, ...]]:
    """The steps, in spans of as many as it takes to be at most `BARS` spans."""
    each = max(1, -(-len(steps) // BARS))
    return [tuple(steps[n : n + each]) for n in range(0, len(steps), each)]


def _span(steps: Sequence[int]) -> str:
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"
