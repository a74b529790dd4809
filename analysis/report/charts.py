"""The charts of a report: what was emitted, how much of it was new, measures, and typed fields of actions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from ..findings import has_weights
from ..questions import RecordedField, read_fields
from ..table import Queryable
from .chart import Chart, bars, bars_legend, lines, lines_legend
from .plot import Axes, Series

#: Measures drawn.
MEASURES = 6
#: Bars over steps; of a longer run, spans of steps.
BARS = 120
#: Typed fields of actions that are drawn, values of a choice, and groups.
FIELDS = 12
CHOICES = 10
GROUPS = 8

_KNOWN = ("dialogue", "instruction", "tool")

#: Step and name of each intervention.
type Marks = Sequence[tuple[int, str]]


def kind_order(run: Queryable) -> list[str]:
    """Return the kinds that were emitted: the project's own first, then the scenario's by name."""
    kinds = {kind for (kind,) in run.query("SELECT DISTINCT kind FROM emissions").rows}
    return [k for k in _KNOWN if k in kinds] + sorted(kinds - set(_KNOWN))


def read_marks(run: Queryable) -> Marks:
    """Read the interventions, by step."""
    return [(s, n) for s, n in run.query("SELECT step, name FROM interventions ORDER BY step, name").rows]


def read_groups(run: Queryable) -> list[str]:
    """Return the largest groups of agents, by name."""
    return sorted(group for (group,) in run.query(_GROUPS, [GROUPS]).rows)


def marks_at(steps: Sequence[int], marks: Marks) -> list[tuple[int, str]]:
    """Return the place, among these steps, before which each intervention came."""
    return [(place, name) for at, name in marks for place in [sum(step < at for step in steps)] if place < len(steps)]


def chart_emissions(run: Queryable, kinds: Sequence[str]) -> Chart | None:
    """Draw stacked bars of what was emitted in each step, by kind; None before the first step."""
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
        "Outputs by step and kind" if len(spans) == len(steps) else "Outputs by span of steps and kind",
        f"Stacked bars over {len(steps)} steps; a dashed line marks each intervention.",
        series,
        Axes([str(span[0]) for span in spans], "step", "outputs", marks=marks),
    )(
        legend=bars_legend(kinds),
        legend_title="Kind",
        headings=("step", *kinds),
        rows=[(step, *(counts.get((step, kind), 0) for kind in kinds)) for step in steps],
    )


def chart_novelty(run: Queryable, kinds: Sequence[str]) -> Chart | None:
    """Draw the share of emissions that repeat nothing, as a line for each kind over steps; None if nothing repeats."""
    rows = run.query("SELECT step, kind, emitted, near_duplicates, share_new FROM novelty ORDER BY step, kind").rows
    repeated = {row[1] for row in rows if row[3]}
    shown = [kind for kind in kinds if kind in repeated]
    if not shown:
        return None
    steps = sorted({row[0] for row in rows})
    return lines(
        "novelty",
        "Share of new outputs by step",
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
    """Draw a line over steps for each of the first few measures of the scenario that hold a number.

    Measures that changed come before constant ones, which say less. Within each group they are sorted by name.
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
    """Group the steps into at most `BARS` spans of equal length; the last may be shorter."""
    each = max(1, -(-len(steps) // BARS))
    return [tuple(steps[n : n + each]) for n in range(0, len(steps), each)]


def _span(steps: Sequence[int]) -> str:
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


_ALL = "all"
#: What is added to what is weighted, where weights differ.
_BY_WEIGHT = " by weight"

#: An emission counts by the weight of its agent, which is 1 where people were not selected to meet targets.
_COUNTS = """
SELECT {place}, value, count(*), sum(weight) FROM (
    SELECT step, group_name, coalesce(weight, 1) AS weight, e.payload ->> ? AS value
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
) WHERE value IS NOT NULL AND {place} IS NOT NULL GROUP BY ALL ORDER BY ALL
"""

_MEANS = """
WITH said AS (
    SELECT step, group_name, coalesce(weight, 1) AS weight, TRY_CAST(e.payload ->> ? AS DOUBLE) AS value
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
)
SELECT NULL, step, sum(value * weight) / sum(weight), min(value), max(value), count(value)
FROM said WHERE isfinite(value) GROUP BY step
UNION ALL
SELECT group_name, step, sum(value * weight) / sum(weight), min(value), max(value), count(value)
FROM said WHERE isfinite(value) AND group_name IS NOT NULL GROUP BY group_name, step
ORDER BY ALL
"""

_GROUPS = """
SELECT group_name FROM agents WHERE group_name IS NOT NULL
GROUP BY group_name ORDER BY count(*) DESC, group_name LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class _Mean:
    mean: float
    least: float
    most: float
    count: int


def chart_fields(run: Queryable) -> list[Chart]:
    """Draw the charts of each typed field of each action that holds values, over steps; choices also by group.

    Means and shares are weighted if agents have weights.
    """
    groups, marks = read_groups(run), read_marks(run)
    by_weight = _BY_WEIGHT if has_weights(run) else ""
    drawn: list[Chart] = []
    for field in read_fields(run)[:FIELDS]:
        if field.is_number:
            drawn += _numbers(run, field, groups, marks, by_weight)
        else:
            drawn += _choices(run, field, "step", [], marks, by_weight)
            drawn += _choices(run, field, "group_name", groups, (), by_weight)
    return drawn


def _numbers(
    run: Queryable, field: RecordedField, groups: Sequence[str], marks: Marks, by_weight: str
) -> Iterator[Chart]:
    found: dict[str, dict[int, _Mean]] = {}
    for group, step, *rest in run.query(_MEANS, [field.name, field.kind]).rows:
        found.setdefault(_ALL if group is None else group, {})[step] = _Mean(*rest)
    if not found:
        return
    steps = sorted(found[_ALL])
    names = [_ALL, *(group for group in groups if group in found and group != _ALL)]
    series = [
        Series(n, [found[name][s].mean if s in found[name] else None for s in steps], _means(name, found[name], steps))
        for n, name in enumerate(names)
    ]
    by_group = ", by group" if len(names) > 1 else ""
    yield lines(
        f"field-{field.kind}-{field.name}",
        f"{field.title}: mean in each step{by_group}",
        f"The mean of {field.name} over the emissions of each step{by_weight}, "
        f"as a line{' for each group' * bool(by_group)}.",
        series,
        Axes([str(s) for s in steps], "step", f"{field.name} (mean{by_weight})", marks=marks_at(steps, marks)),
    )(
        legend=lines_legend(names) if by_group else (),
        legend_title="Group",
        headings=("step", "group", f"mean{by_weight}", "least", "most", "emissions"),
        rows=[
            (s, name, f"{m.mean:.4g}", f"{m.least:.4g}", f"{m.most:.4g}", m.count)
            for s in steps
            for name in names
            for m in [found[name].get(s)]
            if m is not None
        ],
    )


def _means(name: str, found: Mapping[int, _Mean], steps: Sequence[int]) -> list[str]:
    who = "" if name == _ALL else f"{name}, "
    return [
        f"{who}step {s}: {m.mean:.4g} on average of {m.count:,}, from {m.least:.4g} to {m.most:.4g}"
        if (m := found.get(s))
        else ""
        for s in steps
    ]


def _choices(
    run: Queryable, field: RecordedField, by: str, groups: Sequence[str], marks: Marks, by_weight: str
) -> Iterator[Chart]:
    sql = _COUNTS.format(place=by)
    counts: dict[tuple[str | int, str], int] = {}
    weights: dict[tuple[str | int, str], float] = {}
    found = [row for row in run.query(sql, [field.name, field.kind]).rows if by == "step" or row[0] in groups]
    # Of a long run spans of steps, each by its first.
    spans = spans_of(sorted({place for place, *_ in found})) if by == "step" else []
    begins = {step: span[0] for span in spans for step in span}
    for place, value, count, weight in found:
        at = begins.get(place, place)
        counts[at, value] = counts.get((at, value), 0) + count
        weights[at, value] = weights.get((at, value), 0.0) + weight
    if not counts:
        return
    places: list[str | int] = [g for g in groups if any(g == p for p, _ in counts)] or sorted({p for p, _ in counts})
    values = _in_order(field, counts)
    totals = {place: sum(counts.get((place, value), 0) for value in values) for place in places}
    whole = {place: sum(weights.get((place, value), 0.0) for value in values) for place in places}
    shares = {(place, v): weights.get((place, v), 0.0) / whole[place] for place in places for v in values}
    is_step = by == "step"
    series = [
        Series(
            n,
            [shares[place, value] for place in places],
            [
                f"{'step ' * is_step}{place}: {value} in {n_of:,} of {totals[place]:,} "
                f"({shares[place, value]:.1%}{by_weight})"
                for place in places
                for n_of in [counts.get((place, value), 0)]
            ],
        )
        for n, value in enumerate(values)
    ]
    at_marks = marks_at([span[-1] for span in spans], marks)
    what = "in each step" if is_step else "by group"
    yield bars(
        f"field-{field.kind}-{field.name}-{by}",
        f"{field.title}: shares {what}",
        f"Stacked bars: the share of each value of {field.name} {what}{by_weight}.",
        series,
        Axes(
            [str(place) for place in places],
            "step" if is_step else "group",
            f"share{by_weight}",
            is_share=True,
            marks=at_marks,
        ),
    )(
        legend=bars_legend(values),
        legend_title=field.name,
        headings=("step" if is_step else "group", *values, *(f"{v}{by_weight}" for v in values if by_weight)),
        rows=[
            (
                place,
                *(counts.get((place, value), 0) for value in values),
                *(f"{shares[place, value]:.1%}" for value in values if by_weight),
            )
            for place in places
        ],
    )


def _in_order(field: RecordedField, counts: Mapping[tuple[str | int, str], int]) -> list[str]:
    """Return the declared values first, then others; the rarest are left out if there are too many."""
    totals: dict[str, int] = {}
    for (_, value), count in counts.items():
        totals[value] = totals.get(value, 0) + count
    kept = sorted(totals, key=lambda value: -totals[value])[:CHOICES]
    declared = [value for value in field.choices if value in kept]
    return declared + sorted(value for value in kept if value not in declared)
