"""Charts of what the scenario's actions say of themselves: numbers and choices, over steps and by group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..queryable import Queryable
from ..questions import Field, read_fields
from .chart import Chart, bars, bars_legend, lines, lines_legend
from .limits import CHOICES, FIELDS, GROUPS
from .plot import Axes, Series
from .series import Marks, marks_at, read_marks, spans_of

__all__ = ["chart_fields"]

_ALL = "all"

_COUNTS = """
SELECT {place}, value, count(*) FROM (
    SELECT step, group_name, e.payload ->> ? AS value
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
) WHERE value IS NOT NULL AND {place} IS NOT NULL GROUP BY ALL ORDER BY ALL
"""

_MEANS = """
WITH said AS (
    SELECT step, group_name, TRY_CAST(e.payload ->> ? AS DOUBLE) AS value
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = ?
)
SELECT NULL, step, avg(value), min(value), max(value), count(value)
FROM said WHERE isfinite(value) GROUP BY step
UNION ALL
SELECT group_name, step, avg(value), min(value), max(value), count(value)
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
    """For each typed field of each action that holds values: its chart over steps, and of a choice one by group."""
    groups, marks = sorted(group for (group,) in run.query(_GROUPS, [GROUPS]).rows), read_marks(run)
    drawn: list[Chart] = []
    for field in read_fields(run)[:FIELDS]:
        if field.is_number:
            drawn += _numbers(run, field, groups, marks)
        else:
            drawn += _choices(run, field, "step", [], marks)
            drawn += _choices(run, field, "group_name", groups, ())
    return drawn


def _numbers(run: Queryable, field: Field, groups: Sequence[str], marks: Marks) -> Iterator[Chart]:
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
        f"The mean of {field.name} over the emissions of each step, as a line{' for each group' * bool(by_group)}.",
        series,
        Axes([str(s) for s in steps], "step", f"{field.name} (mean)", marks=marks_at(steps, marks)),
    )(
        legend=lines_legend(names) if by_group else (),
        legend_title="Group",
        headings=("step", "group", "mean", "least", "most", "emissions"),
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


def _choices(run: Queryable, field: Field, by: str, groups: Sequence[str], marks: Marks) -> Iterator[Chart]:
    sql = _COUNTS.format(place=by)
    counts: dict[tuple[str | int, str], int] = {}
    found = [row for row in run.query(sql, [field.name, field.kind]).rows if by == "step" or row[0] in groups]
    # Of a long run spans of steps, each by its first.
    spans = spans_of(sorted({place for place, *_ in found})) if by == "step" else []
    begins = {step: span[0] for span in spans for step in span}
    for place, value, count in found:
        at = begins.get(place, place)
        counts[at, value] = counts.get((at, value), 0) + count
    if not counts:
        return
    places: list[str | int] = [g for g in groups if any(g == p for p, _ in counts)] or sorted({p for p, _ in counts})
    values = _in_order(field, counts)
    totals = {place: sum(counts.get((place, value), 0) for value in values) for place in places}
    is_step = by == "step"
    series = [
        Series(
            n,
            [counts.get((place, value), 0) / totals[place] for place in places],
            [
                f"{'step ' * is_step}{place}: {value} in {n_of:,} of {totals[place]:,} ({n_of / totals[place]:.1%})"
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
        f"Stacked bars: the share of each value of {field.name} {what}.",
        series,
        Axes([str(place) for place in places], "step" if is_step else "group", "share", is_share=True, marks=at_marks),
    )(
        legend=bars_legend(values),
        legend_title=field.name,
        headings=("step" if is_step else "group", *values),
        rows=[(place, *(counts.get((place, value), 0) for value in values)) for place in places],
    )


def _in_order(field: Field, counts: Mapping[tuple[str | int, str], int]) -> list[str]:
    """The values as they are declared, then others; the rarest of too many are left out."""
    totals: dict[str, int] = {}
    for (_, value), count in counts.items():
        totals[value] = totals.get(value, 0) + count
    kept = sorted(totals, key=lambda value: -totals[value])[:CHOICES]
    declared = [value for value in field.choices if value in kept]
    return declared + sorted(value for value in kept if value not in declared)
