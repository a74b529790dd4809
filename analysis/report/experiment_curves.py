"""Curves of an experiment: what measures, answers to surveys and the state of agents came to over the steps, by arm.

A curve is the mean over the runs of an arm, with an interval over runs. Of answers and states the value of a run is the
mean over its agents, by their weights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

from ..evaluation import Reader
from ..experiment.effects import Findings
from .chart import Chart, lines, lines_legend
from .charts import BARS, marks_at, spans_of
from .plot import Axes, Series
from .rendering import number

#: Fields of the agents' state that are drawn.
STATE_FIELDS = 8

_TABLES = "SELECT DISTINCT table_name FROM duckdb_tables()"
#: What came before which step; named with its arms where it did not come in all.
_MARKS = """
SELECT step, name || CASE WHEN count(DISTINCT arm) < (SELECT count(*) FROM arms)
                          THEN ' (' || string_agg(DISTINCT arm, ', ' ORDER BY arm) || ')' ELSE '' END
FROM interventions GROUP BY step, name ORDER BY step, name
"""
_MEASURES = """
SELECT name, arm, step, avg(value) AS mean, stddev_samp(value) AS sd, count(*) AS runs
FROM measures WHERE isfinite(value) GROUP BY ALL ORDER BY ALL
"""
#: The mean answer of each run, weighted by agents, then over runs; of a choice the share of each option.
_ANSWERS = """
WITH given AS (
    SELECT s.item AS name, a.arm, a.replicate, a.step, a.number AS value, g.weight
    FROM answers AS a JOIN surveys AS s USING (arm, replicate, job, survey, step, item)
    JOIN agents AS g USING (arm, replicate, agent)
    WHERE a.outcome = 'ok' AND a.number IS NOT NULL AND a.repetition = 0
    UNION ALL
    SELECT s.item || ': ' || o.option, a.arm, a.replicate, a.step, CAST(a.value ->> '$' = o.option AS INTEGER), g.weight
    FROM answers AS a JOIN surveys AS s USING (arm, replicate, job, survey, step, item)
    JOIN agents AS g USING (arm, replicate, agent), unnest(s.options) AS o(option)
    WHERE a.outcome = 'ok' AND s.type = 'choice' AND a.repetition = 0
), means AS (
    SELECT name, arm, replicate, step, sum(value * weight) / sum(weight) AS value FROM given GROUP BY ALL
)
SELECT name, arm, step, avg(value) AS mean, stddev_samp(value) AS sd, count(*) AS runs
FROM means GROUP BY ALL ORDER BY ALL
"""
_SCALES = "SELECT item, min(low), max(high) FROM surveys WHERE type = 'likert' GROUP BY item"
_LAST_STEP = "SELECT coalesce(max(step), 0) FROM steps"
#: What agents held after each step, from the one in which they came to the one before they left; truth values are 0, 1.
_STATES = """
WITH fields AS (
    SELECT name FROM agent_state WHERE json_type(value) <> 'NULL' GROUP BY name
    HAVING count(*) FILTER (step > 0) > 0
       AND (bool_and(json_type(value) IN ('BIGINT', 'UBIGINT', 'DOUBLE')) OR bool_and(json_type(value) = 'BOOLEAN'))
    ORDER BY count(*) FILTER (step > 0) DESC, name LIMIT {most}
), places AS (
    SELECT g.arm, g.replicate, g.agent, g.weight, f.name, s.step
    FROM agents AS g
    JOIN (SELECT arm, replicate, max(step) AS last FROM steps GROUP BY ALL) AS r USING (arm, replicate)
    LEFT JOIN (
        SELECT arm, replicate, agent, min(step) AS left_at FROM agent_changes WHERE change = 'departed' GROUP BY ALL
    ) AS d USING (arm, replicate, agent)
    CROSS JOIN fields AS f
    JOIN (SELECT unnest(range(0, {last} + 1, {each})) AS step) AS s
        ON s.step >= g.arrived AND s.step <= r.last AND s.step < coalesce(left_at, s.step + 1)
), held AS (
    SELECT p.*, CASE json_type(h.value) WHEN 'BOOLEAN' THEN CAST(CAST(h.value AS BOOLEAN) AS DOUBLE)
                WHEN 'NULL' THEN NULL ELSE CAST(h.value AS DOUBLE) END AS value
    FROM places AS p ASOF JOIN agent_state AS h
        ON h.arm = p.arm AND h.replicate = p.replicate AND h.agent = p.agent AND h.name = p.name AND h.step <= p.step
), means AS (
    SELECT name, arm, replicate, step, sum(value * weight) / nullif(sum(weight), 0) AS value
    FROM held WHERE value IS NOT NULL GROUP BY ALL
)
SELECT name, arm, step, avg(value) AS mean, stddev_samp(value) AS sd, count(*) AS runs
FROM means WHERE value IS NOT NULL GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class _Point:
    """The mean of the runs of an arm after a step."""

    mean: float
    #: Standard deviation between the runs; None of one run.
    sd: float | None
    runs: int

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """Student's interval of the mean; None where there is one run."""
        if self.sd is None or self.runs < 2:
            return None
        from scipy.stats import t

        reach = float(t.ppf(1 - alpha / 2, self.runs - 1)) * self.sd / sqrt(self.runs)
        return self.mean - reach, self.mean + reach


def curves(merged: Reader, found: Findings, arms: Sequence[str]) -> Iterator[Chart]:
    """A chart over steps, by arm, for each measure, item of a survey that was asked more than once, and field of state.

    Fields are those that hold numbers or truth values and have changed, `STATE_FIELDS` of them at most.
    """
    there = {name for (name,) in merged.query(_TABLES).rows}
    marks = merged.query(_MARKS).rows if "interventions" in there else []
    scales = {item: (low, high) for item, low, high in merged.query(_SCALES).rows} if "surveys" in there else {}
    kinds = (("measures", _MEASURES, "measured"), ("answers", _ANSWERS, "answered"), ("agent_state", "", "held"))
    for table, asked, what in kinds:
        if table not in there:
            continue
        sql = asked or _states(merged)
        read: dict[str, dict[str, dict[int, _Point]]] = {}
        for name, arm, step, *rest in merged.query(sql).rows:
            read.setdefault(name, {}).setdefault(arm, {})[step] = _Point(*rest)
        for place, (name, by_arm) in enumerate(read.items()):
            steps = sorted({step for points in by_arm.values() for step in points})
            if len(steps) > 1:
                said = "mean over agents" if what == "held" else what
                told = f"{name.replace('_', ' ')}: {said} after each step, by arm"
                yield _curve(f"{what}-{place}", told, name, by_arm, arms, found, marks, scales.get(name), sql.strip())


def _curve(
    name: str,
    title: str,
    y_title: str,
    by_arm: dict[str, dict[int, _Point]],
    arms: Sequence[str],
    found: Findings,
    marks: Sequence[tuple[int, str]],
    ends: tuple[float, float] | None,
    sql: str,
) -> Chart:
    every = sorted({step for points in by_arm.values() for step in points})
    # Of a long run the last of each span of steps.
    steps = [span[-1] for span in spans_of(every)]
    shown = [arm for arm in arms if arm in by_arm]
    series = [
        Series(
            arms.index(arm),
            [points[step].mean if step in points else None for step in steps],
            [_told_at(arm, step, points.get(step), found.alpha) for step in steps],
            [points[step].interval(found.alpha) if step in points else None for step in steps],
        )
        for arm in shown
        for points in [by_arm[arm]]
    ]
    axes = Axes(
        [str(step) for step in steps], "step", y_title.replace("_", " "), marks=marks_at(steps, marks), ends=ends
    )
    return lines(
        name,
        title,
        f"A line for each arm: the mean over its runs, with an interval of {1 - found.alpha:.0%}.",
        series,
        axes,
    )(
        legend=[entry for arm, entry in zip(arms, lines_legend(arms), strict=True) if arm in by_arm],
        legend_title="Arm",
        headings=("step", "arm", "mean", "sd between runs", "runs"),
        rows=[
            (step, arm, number(point.mean), number(point.sd), point.runs)
            for step in every
            for arm in shown
            for point in [by_arm[arm].get(step)]
            if point is not None
        ],
        sql=sql,
    )


def _told_at(arm: str, step: int, point: _Point | None, alpha: float) -> str:
    if point is None:
        return ""
    both = point.interval(alpha)
    interval = f", {number(both[0])} to {number(both[1])}" if both else ""
    return f"{arm}, step {step}: {number(point.mean)}{interval} ({point.runs} runs)"


def _states(merged: Reader) -> str:
    ((last,),) = merged.query(_LAST_STEP).rows
    return _STATES.format(most=STATE_FIELDS, last=last, each=max(1, -(-(last + 1) // BARS)))
