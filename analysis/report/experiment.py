"""The report of an experiment: its design, how its arms differ with intervals, and how that came over the steps."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from math import isfinite, nan, sqrt
from typing import Any

import orjson

from ..experiment.effects import NO_P, RUN_MEANS, SECTIONS, Effect, Findings, describe_findings, read_findings
from ..page import clip_text, mark_of
from ..plot import Chart, Point, format_number
from ..table import Reader
from .rendering import probability, render

#: Curves over steps that are drawn of each kind, and headlines.
CURVES, HEADLINES = 8, 6

_EXPERIMENT = "SELECT name, md5(CAST(design AS VARCHAR)), design FROM experiment"
_ARMS = "SELECT arm, levels FROM arms ORDER BY ordinal"
_OUTCOMES = "SELECT outcome, description, sql FROM outcomes ORDER BY ordinal"
_RUNS = """
SELECT r.arm, replicate, seed, model, agents, steps, calls, input_tokens + output_tokens, cost, failures, event_hash
FROM runs AS r JOIN arms AS a USING (arm) ORDER BY a.ordinal, replicate
"""


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


def render_experiment(merged: Reader, *, merged_file: str = "experiment.duckdb") -> str:
    """The report as HTML: opens offline, loads nothing, and runs no script but its own."""
    found = read_findings(merged)
    arms = [(arm, orjson.loads(levels)) for arm, levels in merged.query(_ARMS).rows]
    ((_, _, design),) = merged.query(_EXPERIMENT).rows
    names = [arm for arm, _ in arms]
    outcomes = merged.query(_OUTCOMES).rows
    drawn = list(read_curves(merged, found.alpha, names))
    runs = merged.query(_RUNS).rows
    return render(
        "experiment.html.j2",
        mark=mark_of_experiment(merged),
        found=found,
        headlines=[_describe_headline(one, found) for one in _pick_effects(found)],
        arms=arms,
        design=_list_design(orjson.loads(design)),
        models=sorted({row[3] for row in runs}),
        outcomes=outcomes,
        runs=runs,
        means=[chart for outcome, about, _ in outcomes if (chart := _arm_means(found, outcome, about, names, merged))],
        findings=describe_findings(found),
        effect_charts=[chart for outcome, *_ in outcomes for chart in _draw_effects(found, outcome)],
        curves=[one for _, some in groupby(drawn, key=_curve_kind) for one in list(some)[:CURVES]],
        curves_in_all=len(drawn),
        run_means=RUN_MEANS.strip(),
        no_p=NO_P if found.unvaried else "",
        merged_file=merged_file,
    )


def _curve_kind(curve: Chart) -> str:
    return curve.name.partition("-")[0]


def mark_of_experiment(merged: Reader) -> str:
    """What the page says in its head: of which experiment it is, by name and design."""
    ((name, design, _),) = merged.query(_EXPERIMENT).rows
    # Marks keep letters and digits alone, so names are told apart by their hash.
    return mark_of("experiment", f"{sha256(name.encode()).hexdigest()[:12]}-{design}")


def _list_design(design: dict[str, Any]) -> list[tuple[str, Any]]:
    """What the runs depend on besides their arms: names and those values that say something."""
    people = {f"people: {name}": value for name, value in design.pop("people", {}).items()}
    flat = {"steps": design.get("steps"), "seed": design.get("seed"), **people}
    flat |= {f"setting: {name}": value for name, value in design.get("settings", {}).items()}
    flat |= {f"option: {name}": value for name, value in design.get("options", {}).items()}
    return [(name, value) for name, value in flat.items() if value not in (None, "", [], {}, False)]


def _pick_effects(found: Findings) -> Sequence[Effect]:
    """The hypotheses; where there are none, the arms against the first."""
    stated = [one for one in found.effects if one.kind == "hypothesis"]
    return (stated or [one for one in found.effects if one.kind == "arm"])[:HEADLINES]


def _describe_headline(one: Effect, found: Findings) -> tuple[str, str]:
    verdict = one.verdict(found.alpha) or ("no p value" if not isfinite(one.p) else "no difference found")
    said = f"{one.comparison}: {_format_estimate(one)}{_format_p(one.p_adjusted)}: {verdict}"
    return clip_text(one.outcome, 40), clip_text(said, 160)


def _format_estimate(one: Effect) -> str:
    interval = f" ({format_number(one.low)} to {format_number(one.high)})" if isfinite(one.low) else ""
    return f"{one.estimate:+.4g}{interval}"


def _format_p(p: float) -> str:
    told = probability(p)
    return f", p {told if told.startswith('<') else f'= {told}'}" if isfinite(p) else ""


def read_curves(merged: Reader, alpha: float, arms: Sequence[str]) -> Iterator[Chart]:
    """Yield a chart over steps, by arm, for each measure, and item of a survey asked more than once."""
    present = {name for (name,) in merged.query(_TABLES).rows}
    marks = merged.query(_MARKS).rows if "interventions" in present else []
    scales = {item: (low, high) for item, low, high in merged.query(_SCALES).rows} if "surveys" in present else {}
    for table, sql, what in (("measures", _MEASURES, "measured"), ("answers", _ANSWERS, "answered")):
        read: dict[str, list[Point]] = {}
        for name, arm, step, mean, sd, runs in merged.query(sql).rows if table in present else ():
            reach = reach_of_mean(sd, runs, alpha)
            read.setdefault(name, []).append(Point(step, mean, arm, mean - reach, mean + reach, runs))
        for place, (name, points) in enumerate(read.items()):
            if len({point.place for point in points}) > 1:
                title = name.replace("_", " ")
                yield Chart(
                    f"{table}-{place}",
                    f"{title}: {what} after each step, by arm",
                    f"A line for each arm: the mean over its runs, with an interval of {1 - alpha:.0%}.",
                    points,
                    title,
                    series=arms,
                    legend_title="Arm",
                    unit="runs",
                    marks=marks,
                    ends=scales.get(name) if table == "answers" else None,
                    sql=sql.strip(),
                )


def reach_of_mean(sd: float | None, runs: int, alpha: float) -> float:
    """Return how far Student's interval of a mean reaches from it; nan for one run."""
    if sd is None or runs < 2:
        return nan
    from scipy.stats import t

    return float(t.ppf(1 - alpha / 2, runs - 1)) * sd / sqrt(runs)


def _arm_means(found: Findings, outcome: str, about: str, arms: Sequence[str], merged: Reader) -> Chart | None:
    runs: dict[str, list[float]] = {}
    for named, arm, _, group, mean in merged.query(RUN_MEANS).rows:
        if named == outcome and group is None and mean is not None:
            runs.setdefault(arm, []).append(mean)
    points = [
        Point(one.arm, one.mean, one.arm, one.low, one.high, one.replicates, parts=sorted(runs.get(one.arm, ())))
        for one in found.means
        if one.outcome == outcome and isfinite(one.mean)
    ]
    if not points:
        return None
    return Chart(
        f"means-{outcome}",
        f"{outcome}: mean of each arm, with its runs",
        f"{about}. A symbol for the mean over runs, a line for its interval, and a small dot for each run.",
        points,
        f"{outcome} (mean of a run)",
        x="arm",
        mark="dot",
        series=arms,
        unit="runs",
        sql=RUN_MEANS.strip(),
    )


def _draw_effects(found: Findings, outcome: str) -> Iterator[Chart]:
    for title, kinds in SECTIONS.items():
        shown = [o for o in found.effects if o.kind in kinds and o.outcome == outcome and isfinite(o.estimate)]
        if any(isfinite(one.low) for one in shown):
            yield Chart(
                f"effects-{kinds[0]}-{outcome}",
                f"{outcome}: {title[0].lower()}{title[1:]}",
                "A symbol for each difference, a line for its interval; the dashed line is no difference.",
                [_effect_point(one, found) for one in shown],
                f"difference in {outcome}",
                mark="dot",
                ends=(0.0, 0.0),
                has_numbers=False,
            )


def _effect_point(one: Effect, found: Findings) -> Point:
    group, verdict = f", {one.group}" * bool(one.group), one.verdict(found.alpha)
    note = f"{group}{_format_p(one.p_adjusted)}{f': {verdict}' * bool(verdict)}"
    return Point(f"{one.arm} \u2212 {one.against}{group}", one.estimate, one.comparison, one.low, one.high, note=note)
