"""The charts of a report over steps: outputs, measures, fields of actions, the state of agents, and answers in SQL."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from ...core.database import quote_text
from ...core.errors import SetupError
from ..page import clip_text, write_picture_file
from ..plot import BARS, Chart, Marks, Point, draw_svg, draw_text, line_sign, paint_attributes, text_width
from ..table import Queryable, Rows

#: Measures, typed fields of actions, values of a choice, and groups that are drawn.
MEASURES, FIELDS, CHOICES, GROUPS = 6, 12, 10, 8
#: Fields of the state, and measures of agents, that are drawn.
STATE_FIELDS, NODE_MEASURES = 8, 6

_KNOWN = ("dialogue", "instruction", "tool")
_ALL = "all"
_LAST_STEP = "SELECT coalesce(max(step), 0) FROM steps"
_EMISSIONS = """
SELECT {span} AS step, kind, count(*) AS outputs FROM emissions GROUP BY ALL ORDER BY step, kind
"""
#: Measures that changed come before constant ones, which say less.
_MEASURES = """
SELECT name FROM measures GROUP BY name HAVING bool_or(isfinite(value))
ORDER BY count(DISTINCT value) = 1, name LIMIT ?
"""
_GROUPS = """
SELECT group_name FROM agents WHERE group_name IS NOT NULL
GROUP BY group_name ORDER BY count(*) DESC, group_name LIMIT ?
"""
_PRESENT = """
WITH came AS (
    SELECT arrived AS step, count(*) AS people FROM agents GROUP BY arrived
    UNION ALL
    SELECT step, -count(DISTINCT agent) FROM agent_changes WHERE change = 'departed' GROUP BY step
)
SELECT s.step, (SELECT sum(people) FROM came AS c WHERE c.step <= s.step)::BIGINT AS present
FROM steps AS s WHERE s.step % {each} = {last} % {each} ORDER BY s.step
"""
#: An emission counts by the weight of its agent, which is 1 where people were not selected to meet targets.
_SAID = """
held AS (
    SELECT {span} AS step, group_name, coalesce(weight, 1) AS weight, {value} AS value
    FROM emissions AS e LEFT JOIN agents USING (agent) WHERE kind = {kind}
)"""
_FIELDS = """
SELECT name, bool_and(json_type(value) IN ('BIGINT', 'UBIGINT', 'DOUBLE')), bool_and(json_type(value) = 'BOOLEAN'),
       bool_and(json_type(value) = 'VARCHAR'), count(DISTINCT value), count(*) FILTER (step > 0)
FROM agent_state WHERE json_type(value) <> 'NULL' GROUP BY name ORDER BY count(*) FILTER (step > 0) = 0, name
"""
#: What each agent held after each step, from the step at which it came to the one in which it left.
_HELD = """
held AS (
    SELECT g.agent, g.group_name, g.weight, s.step, {value} AS value
    FROM (SELECT g.*, d.step AS until FROM agents AS g LEFT JOIN (
        SELECT agent, min(step) AS step FROM agent_changes WHERE change = 'departed' GROUP BY agent
    ) AS d USING (agent)) AS g
    JOIN (SELECT unnest(range(0, {last} + 1, {each})) AS step) AS s
        ON s.step >= g.arrived AND s.step < coalesce(until, s.step + 1)
    ASOF JOIN (SELECT agent, step, value FROM agent_state WHERE name = {name}) AS h
        ON h.agent = g.agent AND h.step <= s.step
)"""
_MEASURED = """
held AS (
    SELECT agent, group_name, weight, n.step, value FROM node_measures AS n JOIN agents AS g USING (agent)
    WHERE n.name = {name} AND n.step % {each} = 0
)"""
_SPREAD = """
WITH {held}, counted AS (
    SELECT series, step, value, sum(weight) AS weight, count(*) AS number FROM (
        SELECT NULL AS series, step, value, weight FROM held
        UNION ALL SELECT group_name, step, value, weight FROM held WHERE group_name IS NOT NULL
    ) WHERE isfinite(value) GROUP BY ALL
), summed AS (
    SELECT *, sum(weight) OVER (PARTITION BY series, step ORDER BY value)
              / sum(weight) OVER (PARTITION BY series, step) + 1e-9 AS below
    FROM counted
)
SELECT step, series AS "group", sum(value * weight) / sum(weight) AS mean, sum(number)::BIGINT AS number,
       min(value) FILTER (below >= 0.25) AS quartile_1, min(value) FILTER (below >= 0.75) AS quartile_3
FROM summed GROUP BY series, step ORDER BY series NULLS FIRST, step
"""
_SHARES = """
WITH {held}
SELECT {place}, value, sum(weight) / sum(sum(weight)) OVER (PARTITION BY {place}) AS share, count(*) AS number
FROM held WHERE value IS NOT NULL AND {place} IS NOT NULL {only} GROUP BY {place}, value ORDER BY {place}, value
"""


_NODE_MEASURES = """
SELECT name FROM node_measures WHERE name <> 'community' GROUP BY name ORDER BY min(value) = max(value), name LIMIT ?
"""


_ACTION_FIELDS = """
SELECT kind, field, type, choices FROM action_fields
WHERE kind IN (SELECT DISTINCT kind FROM emissions) ORDER BY ordinal
"""


@dataclass(frozen=True, slots=True)
class RecordedField:
    """A field of the scenario's actions that can be counted or averaged."""

    kind: str
    name: str
    #: integer, number, boolean or choice.
    type: str
    #: The values of a choice, as declared.
    choices: Sequence[str]

    @property
    def is_number(self) -> bool:
        """Whether it is averaged; else its values are counted."""
        return self.type in ("integer", "number")

    @property
    def title(self) -> str:
        """Kind and name."""
        return f"{self.kind}: {self.name.replace('_', ' ')}"


def read_fields(run: Queryable) -> list[RecordedField]:
    """Read the typed fields of what was emitted, in the order of their declaration."""
    fields = (RecordedField(*row) for row in run.query(_ACTION_FIELDS).rows)
    return [RecordedField(f.kind, f.name, f.type, ("true", "false")) if f.type == "boolean" else f for f in fields]


def has_weights(run: Queryable) -> bool:
    """Whether agents stand for different numbers of people, by a selection that was to meet targets."""
    return bool(run.query("SELECT 1 FROM agents WHERE weight <> 1 LIMIT 1").rows)


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


def read_span(run: Queryable) -> tuple[int, int]:
    """Return the last step, and how many steps a bar stands for."""
    ((last,),) = run.query(_LAST_STEP).rows
    return last, max(1, -(-last // BARS))


def span_of(step: str, each: int) -> str:
    """Return an SQL expression for the first step of the span of `each` steps that a step is in."""
    return step if each == 1 else f"(({step} - 1) // {each} * {each} + 1)"


def chart_emissions(run: Queryable, kinds: Sequence[str]) -> Chart | None:
    """Draw stacked bars of what was emitted in each step, by kind; None before the first step."""
    each = max(1, -(-run.query("SELECT coalesce(max(step), 0) FROM emissions").rows[0][0] // BARS))
    sql = _EMISSIONS.format(span=span_of("step", each)).strip()
    points = [Point(step, number, kind) for step, kind, number in run.query(sql).rows]
    if not points:
        return None
    return Chart(
        "emissions",
        "Outputs by step and kind" if each == 1 else "Outputs by span of steps and kind",
        "Stacked bars over the steps; a dashed line marks each intervention.",
        points,
        "outputs",
        mark="bar",
        series=kinds,
        legend_title="Kind",
        marks=read_marks(run),
        span=each,
    )


def chart_measures(run: Queryable) -> list[Chart]:
    """Draw a line over steps for each of the first few measures of the scenario that hold a number."""
    marks = read_marks(run)
    charts: list[Chart] = []
    for (name,) in run.query(_MEASURES, [MEASURES]).rows:
        rows = run.query("SELECT step, value FROM measures WHERE name = ? ORDER BY step", [name]).rows
        title, points = name.replace("_", " "), [Point(step, value) for step, value in rows]
        words = f"The measure {name} after each step, as a line."
        charts.append(Chart(f"measure-{len(charts)}", title, words, points, title, marks=marks, is_small=True))
    return charts


def chart_present(run: Queryable) -> Chart | None:
    """Draw how many agents live there after each step; None before the first."""
    last, each = read_span(run)
    sql = _PRESENT.format(last=last, each=each).strip()
    points = [Point(*row) for row in run.query(sql).rows]
    title = "Agents who live there after each step"
    words = "A line over the steps: those who were there or came, less those who left."
    return Chart("present", title, words, points, "agents", marks=read_marks(run), sql=sql) if points else None


class _Charts:
    """Charts of what agents hold or say, over the steps and by group."""

    def __init__(self, run: Queryable, unit: str, by_weight: str = "") -> None:
        self.run, self.unit, self.by_weight = run, unit, by_weight
        self.groups, self.marks = read_groups(run), read_marks(run)
        self.last, self.each = read_span(run)

    def chart_number(self, name: str, title: str, y: str, held: str, *, is_share: bool = False) -> list[Chart]:
        """Draw means over steps, with the middle half of all as a band, and a line for each group."""
        sql = _SPREAD.format(held=held).strip()
        rows = [row for row in self.run.query(sql).rows if row[1] is None or row[1] in self.groups]
        points = [
            Point(
                step,
                mean,
                group or _ALL,
                None if group or is_share else low,
                None if group or is_share else high,
                count=number,
            )
            for step, group, mean, number, low, high in rows
        ]
        names = list(dict.fromkeys(point.series for point in points))
        by_group = ", by group" if len(names) > 1 else ""
        band = "" if is_share else "; the band holds the middle half"
        chart = Chart(
            name,
            f"{title}{by_group}",
            f"A line over the steps{self.by_weight}{', one for each group' * bool(by_group)}{band}.",
            points,
            y,
            legend_title="Group" * bool(by_group),
            unit=self.unit,
            interval=("quartile 1", "quartile 3"),
            marks=self.marks,
            is_share=is_share,
            has_bands=True,
            sql=sql,
        )
        return [chart] if points else []

    def chart_shares(
        self, name: str, title: str, label: str, held: str, *, only: str, order: Sequence[str]
    ) -> list[Chart]:
        """Draw the shares of the commonest values in each step, then by group; `only` is a condition on the latter."""
        drawn = []
        whens = {"step": "in each step", "group": f"by group after step {self.last}" if only else "by group"}
        for by, when in whens.items():
            place = "step" if by == "step" else "group_name"
            sql = _SHARES.format(held=held, place=place, only=only * (by == "group")).strip()
            rows = [row for row in self.run.query(sql).rows if by == "step" or row[0] in self.groups]
            values = _in_order(order, rows)
            points = [Point(at, share, value, count=number) for at, value, share, number in rows if value in values]
            chart = Chart(
                f"{name}-{by}",
                f"{title}: shares {when}",
                f"Stacked bars: the share of each value of {label} {when}{self.by_weight}.",
                points,
                f"share{self.by_weight}",
                x=by,
                mark="bar",
                series=values,
                legend_title=label,
                unit=self.unit,
                marks=self.marks,
                is_share=True,
                span=self.each if self.unit == "emissions" and by == "step" else 1,
                sql=sql,
            )
            drawn += [chart] if points else []
        return drawn


def _in_order(declared: Sequence[str], rows: Sequence[tuple[object, str, float, int]]) -> list[str]:
    """Return the declared values first, then others; the rarest are left out if there are too many."""
    totals = Counter[str]()
    for _, value, _, number in rows:
        totals[value] += number
    kept = sorted(totals, key=lambda value: -totals[value])[:CHOICES]
    return [value for value in declared if value in kept] + sorted(value for value in kept if value not in declared)


def chart_fields(run: Queryable) -> list[Chart]:
    """Draw the charts of each typed field of each action that holds values, over steps; choices also by group.

    Means and shares are weighted if agents have weights.
    """
    drawn: list[Chart] = []
    charts = _Charts(run, "emissions", " by weight" if has_weights(run) else "")
    for field in read_fields(run)[:FIELDS]:
        name, held = f"field-{field.kind}-{field.name}", _emissions_sql(field, charts.each)
        if field.is_number:
            y = f"{field.name} (mean{charts.by_weight})"
            drawn += charts.chart_number(name, f"{field.title}: mean in each step", y, held)
        else:
            drawn += charts.chart_shares(name, field.title, field.name, held, only="", order=field.choices)
    return drawn


def _emissions_sql(field: RecordedField, each: int) -> str:
    value = f"e.payload ->> {quote_text(field.name)}"
    value = f"TRY_CAST({value} AS DOUBLE)" if field.is_number else value
    return _SAID.format(span=span_of("step", each), value=value, kind=quote_text(field.kind))


def chart_states(run: Queryable) -> tuple[list[Chart], list[str]]:
    """Draw each field of the agents' state that changed and holds numbers, truth values or few words.

    Return the charts, and the fields of which none is drawn.
    """
    charts: list[Chart] = []
    left_out: list[str] = []
    each = _Charts(run, "agents")
    for name, is_number, is_truth, is_word, different, changes in run.query(_FIELDS).rows:
        title, drawn = name.replace("_", " "), list[Chart]()
        has_room = changes > 0 and len(charts) < STATE_FIELDS
        value = (
            "h.value ->> '$'"
            if is_word
            else f"CAST({'h.value' if is_number else 'CAST(h.value AS BOOLEAN)'} AS DOUBLE)"
        )
        held = _HELD.format(value=value, name=quote_text(name), last=each.last, each=each.each)
        if has_room and (is_number or is_truth):
            what = f"{title}: {'mean' if is_number else 'share for whom it is true'} after each step"
            drawn = each.chart_number(f"state-{name}", what, title, held, is_share=is_truth)
        elif has_room and is_word and different <= CHOICES:
            only = f"AND step = {each.last - each.last % each.each}"
            drawn = each.chart_shares(f"state-{name}", title, name, held, only=only, order=())
        charts += drawn
        left_out += [] if drawn else [name]
    return charts, left_out


def chart_node_measures(run: Queryable) -> list[Chart]:
    """Draw the mean of each measure of agents; communities are numbers of groups and have none."""
    each = _Charts(run, "agents")
    charts: list[Chart] = []
    for (name,) in run.query(_NODE_MEASURES, [NODE_MEASURES]).rows:
        title = name.replace("_", " ")
        held = _MEASURED.format(name=quote_text(name), each=each.each)
        charts += each.chart_number(f"node-{name}", f"{title}: mean over agents after each step", title, held)
    return charts


#: What the picture shows, as in the mark by which it is known again.
WHAT = "chart"

_WIDTH, _HEIGHT, _ROW, _TYPE = 720.0, 320.0, 20.0, 12.0
#: Lines that can be told apart, and places from left to right.
_MOST_LINES, _MOST_PLACES = 10, 2_000
_BOUNDS = ("low", "high")


def write_result_picture(result: Rows, path: Path, *, of: str, note: str = "") -> Path:
    """Draw an answer into a file that ends in .svg, over nothing but an earlier one `of` the same run file.

    The first column stands from left to right. Each further column of numbers is a line; with a column of texts among
    them, a line for each text. Columns whose names end in `low` and `high` are the interval of the one before them.
    Raises `SetupError` for an answer that cannot be drawn so, as `check_picture` does, and when the file cannot be
    written.
    """
    points = _read_points(result)
    title = f"{', '.join(_name_values(result))} by {result.columns[0]}"
    svg = draw_result(points, title=title, x=result.columns[0], note=note)
    return write_picture_file(svg, path, what=WHAT, of=of)


def draw_result(points: Sequence[Point], *, title: str, x: str, note: str = "") -> str:
    """Draw the lines with their legend above and a note below, as SVG that needs no script."""
    numbers = [point.value for point in points if point.value is not None]
    is_share = all(0 <= value <= 1 for value in numbers) and any(value != int(value) for value in numbers)
    names = list(dict.fromkeys(point.series for point in points))
    y = names[0] if len(names) == 1 else title.partition(" by ")[0]
    plot = Chart("result", title, "", points, y, x, is_share=is_share).draw(_WIDTH, _HEIGHT)
    legend = list(_draw_legend(names)) if len(names) > 1 else []
    top = _ROW * (1 + max((row for row, _ in legend), default=-1)) + 4
    height = top + _HEIGHT + (_ROW if note else 0)
    parts = [
        f'<rect {paint_attributes("surface")} fill="currentColor" width="100%" height="100%"/>',
        *(part for _, part in legend),
        plot.replace("<svg ", f'<svg y="{top:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" ', 1),
        *([draw_text("muted", 8, height - 6, note)] if note else []),
    ]
    return draw_svg(_WIDTH, height, title, parts)


def _draw_legend(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the row, the sign and the name of each line."""
    x, row = 12.0, 0
    for look, name in enumerate(clip_text(name, 60) for name in names):
        wide = text_width(name, _TYPE) + 40
        if x + wide > _WIDTH and x > 12:
            x, row = 12.0, row + 1
        y = _ROW * row + 14
        yield row, line_sign(look, x, y - 4) + draw_text("ink", x + 28, y, name)
        x += wide


def _read_points(result: Rows) -> list[Point]:
    """Return the points of an answer; the places in its order. Raises `SetupError` when there are none."""
    values, rows = _name_values(result), result.rows
    if not rows or not values:
        raise SetupError(
            "The answer has nothing to draw: a picture needs rows, with a column of numbers behind the first column, "
            "as in SELECT step, value FROM measures ORDER BY step."
        )
    names = [place for place in range(1, len(result.columns)) if result.types[place] == "VARCHAR"]
    if len(names) > 1:
        raise SetupError(f"The answer has {len(names)} columns of texts behind the first; a picture takes one at most.")
    found: dict[tuple[str, str], Point] = {}
    for row in rows:
        for value in values:
            line = ", ".join(([str(row[names[0]])] if names else []) + ([value] * (len(values) > 1 or not names)))
            at = str(row[0])
            if (line, at) in found:
                raise SetupError(
                    f"The answer has two values of {line} where {result.columns[0]} is {at}; give one a row, or "
                    f"a column of texts that tells the lines apart."
                )
            found[line, at] = Point(at, *_read_value(result, row, value, line))
    lines, places = ({key[n] for key in found} for n in (0, 1))
    for what, number, most in (("lines", len(lines), _MOST_LINES), ("places", len(places), _MOST_PLACES)):
        if number > most:
            raise SetupError(f"The answer has {number:,} {what}, and a picture takes {most:,} at most; ask for fewer.")
    return list(found.values())


def _name_values(result: Rows) -> list[str]:
    """The columns whose numbers are drawn as lines."""
    numbers = [
        name
        for place, name in enumerate(result.columns)
        if place and any(_to_number(row[place]) is not None for row in result.rows) and result.types[place] != "VARCHAR"
    ]
    return [name for name in numbers if not name.endswith(_BOUNDS)]


def _read_value(
    result: Rows, row: Sequence[Any], value: str, line: str
) -> tuple[float | None, str, float | None, float | None]:
    """Return a value of a row, its line, and the interval that stands in the columns behind it."""
    place = list(result.columns).index(value)
    behind = result.columns[place + 1 : place + 3]
    ends = [_to_number(row[place + 1 + n]) for n, end in enumerate(_BOUNDS[: len(behind)]) if behind[n].endswith(end)]
    low, high = ends if len(ends) == len(_BOUNDS) else (None, None)
    return _to_number(row[place]), line, low, high


def _to_number(value: object) -> float | None:
    """The value as a number; None for what is none, and for what no picture can show."""
    if isinstance(value, bool) or not (isinstance(value, Real) or type(value).__name__ == "Decimal"):
        return None
    number = float(value)  # type: ignore[arg-type]  # a Decimal is one
    return number if isfinite(number) else None
