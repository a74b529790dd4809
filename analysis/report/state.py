"""Charts of what agents are over the steps: fields of their state, and numbers that the scenario takes of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..questions import quoted
from ..table import Queryable
from .chart import Chart, bars, bars_legend, lines, lines_legend
from .charts import BARS, CHOICES, Marks, marks_at, read_groups, read_marks
from .plot import Axes, Series
from .rendering import number

#: Fields of the state, and measures of agents, that are drawn.
STATE_FIELDS = 8
NODE_MEASURES = 6
#: Agents that are listed for each measure.
FOREMOST = 5

_FIELDS = """
SELECT name, bool_and(json_type(value) IN ('BIGINT', 'UBIGINT', 'DOUBLE')), bool_and(json_type(value) = 'BOOLEAN'),
       bool_and(json_type(value) = 'VARCHAR'), count(DISTINCT value), count(*) FILTER (step > 0)
FROM agent_state WHERE json_type(value) <> 'NULL' GROUP BY name ORDER BY count(*) FILTER (step > 0) = 0, name
"""
_LAST_STEP = "SELECT coalesce(max(step), 0) FROM steps"
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
    WHERE name = {name} AND n.step % {each} = 0
)"""
_SPREAD = """
WITH {held}, counted AS (
    SELECT "group", step, value, sum(weight) AS weight, count(*) AS agents FROM (
        SELECT NULL AS "group", step, value, weight FROM held WHERE value IS NOT NULL
        UNION ALL SELECT group_name, step, value, weight FROM held WHERE value IS NOT NULL AND group_name IS NOT NULL
    ) GROUP BY ALL
), summed AS (
    SELECT *, sum(weight) OVER (PARTITION BY "group", step ORDER BY value)
              / sum(weight) OVER (PARTITION BY "group", step) + 1e-9 AS below
    FROM counted
)
SELECT "group", step, sum(value * weight) / sum(weight) AS mean, min(value) FILTER (below >= 0.25) AS quartile_1,
       min(value) FILTER (below >= 0.5) AS median, min(value) FILTER (below >= 0.75) AS quartile_3,
       sum(agents)::BIGINT AS agents
FROM summed GROUP BY "group", step ORDER BY "group" NULLS FIRST, step
"""
_SHARES = """
WITH {held}, counted AS (
    SELECT {place} AS place, value, count(*) AS agents, sum(weight) AS weight
    FROM held WHERE value IS NOT NULL AND {place} IS NOT NULL {only} GROUP BY {place}, value
)
SELECT place AS "{by}", value, agents, weight / sum(weight) OVER (PARTITION BY place) AS share
FROM counted ORDER BY place, value
"""
_NODE_MEASURES = """
SELECT name FROM node_measures GROUP BY name ORDER BY name = 'community', min(value) = max(value), name
"""
_COMMUNITIES = """
SELECT NULL AS "group", step, count(DISTINCT value) AS communities, NULL, NULL, NULL, count(*) AS agents
FROM node_measures WHERE name = 'community' GROUP BY step ORDER BY step
"""
_FOREMOST = """
SELECT name, p.text, value FROM node_measures AS n JOIN personas AS p ON p.id = n.agent
WHERE step = (SELECT max(step) FROM node_measures) AND name <> 'community'
QUALIFY row_number() OVER (PARTITION BY name ORDER BY value DESC, agent) <= {most} ORDER BY name, value DESC, agent
"""

_ALL = "all"


@dataclass(frozen=True, slots=True)
class StateField:
    """A field of the agents' state, by what its values are."""

    name: str
    is_number: bool
    is_truth: bool
    is_word: bool
    #: How many different values there were.
    different: int
    #: Rows after the first step.
    changes: int

    @property
    def title(self) -> str:
        """The name in words."""
        return _words(self.name)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A number over the agents of a group after a step, by their weights; quartiles are None where there are none."""

    mean: float
    low: float | None
    median: float | None
    high: float | None
    agents: int


@dataclass(frozen=True, slots=True)
class StateCharts:
    """The charts of the state, and the fields of which none is drawn."""

    charts: Sequence[Chart]
    left_out: Sequence[str]


@dataclass(frozen=True, slots=True)
class MeasuredAgents:
    """The charts of measures of agents, and the agents with the highest values after the last step."""

    charts: Sequence[Chart]
    foremost: Sequence[tuple[str, str, float]]
    #: How many measures there are.
    measures: int


def read_state_fields(run: Queryable) -> list[StateField]:
    """Read the fields of the agents' state that hold values, those that changed first."""
    return [StateField(*row) for row in run.query(_FIELDS).rows]


def chart_states(run: Queryable) -> StateCharts:
    """Draw each field of the agents' state that changed and holds numbers, truth values or few words."""
    charts: list[Chart] = []
    left_out: list[str] = []
    marks, groups, ((last,),) = read_marks(run), read_groups(run), run.query(_LAST_STEP).rows
    span = {"last": last, "each": max(1, -(-(last + 1) // BARS))}
    for one in read_state_fields(run):
        drawn: list[Chart] = []
        name, title = f"state-{one.name}", one.title
        has_room = one.changes > 0 and len(charts) < STATE_FIELDS
        if has_room and (one.is_number or one.is_truth):
            value = "CAST(h.value AS DOUBLE)" if one.is_number else "CAST(CAST(h.value AS BOOLEAN) AS DOUBLE)"
            sql = _SPREAD.format(held=_HELD.format(value=value, name=quoted(one.name), **span)).strip()
            what = f"{title}: {'mean' if one.is_number else 'share for whom it is true'} after each step"
            drawn = _spread(run, name, what, title, sql, groups, marks, is_share=one.is_truth)
        elif has_room and one.is_word and one.different <= CHOICES:
            held = _HELD.format(value="h.value ->> '$'", name=quoted(one.name), **span)
            drawn = list(_shares(run, one.name, held, groups, marks, last - last % span["each"]))
        charts += drawn
        left_out += [] if drawn else [one.name]
    return StateCharts(charts, left_out)


def chart_node_measures(run: Queryable) -> MeasuredAgents:
    """Draw each measure of agents; for communities, the number of them."""
    names = [name for (name,) in run.query(_NODE_MEASURES).rows]
    marks, groups, ((last,),) = read_marks(run), read_groups(run), run.query(_LAST_STEP).rows
    charts: list[Chart] = []
    for name in names[:NODE_MEASURES]:
        if name == "community":
            title = "communities: how many there are after each step"
            charts += _spread(run, "node-community", title, "communities", _COMMUNITIES.strip(), (), marks)
        else:
            held = _MEASURED.format(name=quoted(name), each=max(1, -(-last // BARS)))
            title = f"{_words(name)}: mean over agents after each step"
            sql = _SPREAD.format(held=held).strip()
            charts += _spread(run, f"node-{name}", title, _words(name), sql, groups, marks)
    foremost = [(name, text, value) for name, text, value in run.query(_FOREMOST.format(most=FOREMOST)).rows]
    return MeasuredAgents(charts, foremost, len(names))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _spread(
    run: Queryable,
    name: str,
    title: str,
    y_title: str,
    sql: str,
    groups: Sequence[str],
    marks: Marks,
    *,
    is_share: bool = False,
) -> list[Chart]:
    """Draw means over steps, with quartiles of all agents, and a line for each group; none without rows."""
    found: dict[str | None, dict[int, Distribution]] = {}
    for group, step, *rest in run.query(sql).rows:
        found.setdefault(group, {})[step] = Distribution(*rest)
    if not found:
        return []
    steps = sorted(found[None])
    shown = [None, *(group for group in groups if group in found)]
    names = [_ALL if group is None else group for group in shown]
    has_quartiles = not is_share and any(one.low is not None for one in found[None].values())
    series = [
        Series(
            look,
            [found[group][step].mean if step in found[group] else None for step in steps],
            [_told(names[look], step, found[group].get(step), is_share) for step in steps],
            [_quartiles(found[group].get(step)) for step in steps] if group is None and has_quartiles else (),
        )
        for look, group in enumerate(shown)
    ]
    band = "; the band holds the middle half of all agents" if has_quartiles else ""
    at_marks = marks_at(steps, marks)
    axes = Axes([str(step) for step in steps], "step", y_title, is_share=is_share, marks=at_marks, has_bands=True)
    return [
        lines(name, title, f"A line over the steps{', one for each group' * (len(shown) > 1)}{band}.", series, axes)(
            legend=lines_legend(names) if len(names) > 1 else (),
            legend_title="Group",
            headings=("step", "group", "mean", "quartile 1", "median", "quartile 3", "agents"),
            rows=[
                (step, label, *(number(value) for value in (one.mean, one.low, one.median, one.high)), one.agents)
                for step in steps
                for label, group in zip(names, shown, strict=True)
                for one in [found[group].get(step)]
                if one is not None
            ],
            sql=sql,
        )
    ]


def _quartiles(one: Distribution | None) -> tuple[float, float] | None:
    return (one.low, one.high) if one and one.low is not None and one.high is not None else None


def _told(group: str, step: int, one: Distribution | None, is_share: bool) -> str:
    if one is None:
        return ""
    value = f"{one.mean:.1%}" if is_share else number(one.mean)
    quartiles = "" if is_share or one.low is None else f", quartiles {number(one.low)} and {number(one.high)}"
    return f"{group}, step {step}: {value}{quartiles} ({one.agents:,} agents)"


def _shares(run: Queryable, name: str, held: str, groups: Sequence[str], marks: Marks, last: int) -> Iterator[Chart]:
    for by, place, only in (("step", "step", ""), ("group", "group_name", f"AND step = {last}")):
        if by == "group" and not groups:
            continue
        sql = _SHARES.format(held=held, place=place, by=by, only=only).strip()
        found: dict[str | int, dict[str, tuple[int, float]]] = {}
        for at, value, agents, share in run.query(sql).rows:
            found.setdefault(at, {})[value] = agents, share
        places = [at for at in found if by == "step" or at in groups]
        if places:
            yield _stacked(name, by, places, found, marks if by == "step" else (), sql, last)


def _stacked(
    name: str,
    by: str,
    places: Sequence[str | int],
    found: Mapping[str | int, Mapping[str, tuple[int, float]]],
    marks: Marks,
    sql: str,
    last: int,
) -> Chart:
    values = sorted({value for at in places for value in found[at]})
    what = "after each step" if by == "step" else f"by group after step {last}"
    series = [
        Series(
            look,
            [found[at].get(value, (0, 0.0))[1] for at in places],
            [
                f"{'step ' * (by == 'step')}{at}: {value} {share:.1%} ({agents:,} agents)"
                for at in places
                for agents, share in [found[at].get(value, (0, 0.0))]
            ],
        )
        for look, value in enumerate(values)
    ]
    at_marks = marks_at([int(at) for at in places], marks) if by == "step" else ()
    return bars(
        f"state-{name}-{by}",
        f"{_words(name)}: shares {what}",
        f"Stacked bars: the share of agents with each value of {name} {what}.",
        series,
        Axes([str(at) for at in places], by, "share", is_share=True, marks=at_marks),
    )(
        legend=bars_legend(values),
        legend_title=name,
        headings=(by, "value", "agents", "share"),
        rows=[(at, value, agents, f"{share:.1%}") for at in places for value, (agents, share) in found[at].items()],
        sql=sql,
    )
