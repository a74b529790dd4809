"""The report of an experiment: its design, how its arms differ with intervals, and how that came over the steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from math import isfinite
from typing import Any

import orjson

from ..evaluation import Reader
from ..experiment.effects import NO_P, RUN_MEANS, SECTIONS, ArmMean, Effect, Findings, read_findings
from ..experiment.models import table_of_models, told_of_models
from ..findings import Headline
from ..page import clip, mark_of
from .chart import Chart
from .experiment_curves import curves
from .intervals import PlottedEstimate, intervals
from .rendering import number, probability, render

#: Curves over steps that are drawn of each kind, and sentences on what was found.
CURVES = 8
HEADLINES = 6

_EXPERIMENT = "SELECT name, md5(CAST(design AS VARCHAR)), design FROM experiment"
_ARMS = "SELECT arm, levels FROM arms ORDER BY ordinal"
_OUTCOMES = "SELECT outcome, description, sql FROM outcomes ORDER BY ordinal"
_RUNS = """
SELECT r.arm, replicate, seed, model, agents, steps, calls, input_tokens + output_tokens, cost, failures, event_hash
FROM runs AS r JOIN arms AS a USING (arm) ORDER BY a.ordinal, replicate
"""


@dataclass(frozen=True, slots=True)
class EffectSection:
    """Effects of some kinds, as rows, and as a chart for each outcome."""

    title: str
    effects: Sequence[Effect]
    charts: Sequence[Chart]


def render_experiment(merged: Reader, *, merged_file: str = "experiment.duckdb") -> str:
    """The report as HTML: opens offline, loads nothing, and runs no script but its own."""
    found = read_findings(merged)
    arms = [(arm, orjson.loads(levels)) for arm, levels in merged.query(_ARMS).rows]
    ((_, _, design),) = merged.query(_EXPERIMENT).rows
    names = [arm for arm, _ in arms]
    outcomes = merged.query(_OUTCOMES).rows
    drawn = list(curves(merged, found, names))
    sections = [
        _section(found, title, kinds, [outcome for outcome, *_ in outcomes]) for title, kinds in SECTIONS.items()
    ]
    runs = merged.query(_RUNS).rows
    return render(
        "experiment.html.j2",
        mark=mark_of_experiment(merged),
        found=found,
        headlines=[_headline(one, found) for one in _foremost(found)],
        arms=arms,
        design=_given(orjson.loads(design)),
        models=sorted({row[3] for row in runs}),
        outcomes=outcomes,
        runs=runs,
        means=[chart for outcome, about, _ in outcomes if (chart := _arm_means(found, outcome, about, names, merged))],
        sections=[one for one in sections if one.effects],
        curves=[one for _, some in groupby(drawn, key=_kind) for one in list(some)[:CURVES]],
        curves_in_all=len(drawn),
        run_means=RUN_MEANS.strip(),
        no_p=NO_P if found.unvaried else "",
        model_table=table_of_models(found.model_checks),
        model_sentences=told_of_models(found.model_checks),
        merged_file=merged_file,
    )


def _kind(curve: Chart) -> str:
    return curve.name.partition("-")[0]


def mark_of_experiment(merged: Reader) -> str:
    """What the page says in its head: of which experiment it is, by name and design."""
    ((name, design, _),) = merged.query(_EXPERIMENT).rows
    # Marks keep letters and digits alone, so names are told apart by their hash.
    return mark_of("experiment", f"{sha256(name.encode()).hexdigest()[:12]}-{design}")


def _given(design: dict[str, Any]) -> list[tuple[str, Any]]:
    """What the runs depend on besides their arms: names and those values that say something."""
    people = {f"people: {name}": value for name, value in design.pop("people", {}).items()}
    flat = {"steps": design.get("steps"), "seed": design.get("seed"), **people}
    flat |= {f"setting: {name}": value for name, value in design.get("settings", {}).items()}
    flat |= {f"option: {name}": value for name, value in design.get("options", {}).items()}
    return [(name, value) for name, value in flat.items() if value not in (None, "", [], {}, False)]


def _foremost(found: Findings) -> Sequence[Effect]:
    """The hypotheses; where there are none, the arms against the first."""
    stated = [one for one in found.effects if one.kind == "hypothesis"]
    return (stated or [one for one in found.effects if one.kind == "arm"])[:HEADLINES]


def _headline(one: Effect, found: Findings) -> Headline:
    verdict = one.verdict(found.alpha) or ("no p value" if not isfinite(one.p) else "no difference found")
    said = f"{one.comparison}: {_estimate(one)}{_p(one.p_adjusted)}: {verdict}"
    return Headline(clip(one.outcome, 40), clip(said, 160))


def _estimate(one: Effect) -> str:
    interval = f" ({number(one.low)} to {number(one.high)})" if isfinite(one.low) else ""
    return f"{one.estimate:+.4g}{interval}"


def _p(p: float) -> str:
    told = probability(p)
    return f", p {told if told.startswith('<') else f'= {told}'}" if isfinite(p) else ""


def _arm_means(found: Findings, outcome: str, about: str, arms: Sequence[str], merged: Reader) -> Chart | None:
    runs: dict[str, list[float]] = {}
    for named, arm, _, group, mean in merged.query(RUN_MEANS).rows:
        if named == outcome and group is None and mean is not None:
            runs.setdefault(arm, []).append(mean)
    shown = [one for one in found.means if one.outcome == outcome]
    return intervals(
        f"means-{outcome}",
        f"{outcome}: mean of each arm, with its runs",
        f"{about}. A symbol for the mean over runs, a line for its interval, and a small dot for each run.",
        [
            PlottedEstimate(
                one.arm, one.mean, one.low, one.high, _told(one), arms.index(one.arm), sorted(runs.get(one.arm, ()))
            )
            for one in shown
        ],
        f"{outcome} (mean of a run)",
        headings=("arm", "mean", "from", "to", "runs"),
        rows=[(one.arm, number(one.mean), number(one.low), number(one.high), one.replicates) for one in shown],
        sql=RUN_MEANS.strip(),
    )


def _told(one: ArmMean) -> str:
    interval = f", {number(one.low)} to {number(one.high)}" if isfinite(one.low) else ""
    return f"{one.arm}: {number(one.mean)}{interval} ({one.replicates} runs)"


def _section(found: Findings, title: str, kinds: Sequence[str], outcomes: Sequence[str]) -> EffectSection:
    effects = [one for one in found.effects if one.kind in kinds]
    charts = []
    for place, outcome in enumerate(outcomes):
        shown = [one for one in effects if one.outcome == outcome]
        if not any(isfinite(one.low) for one in shown):
            continue
        looks = list(dict.fromkeys(one.comparison for one in shown))
        chart = intervals(
            f"effects-{kinds[0]}-{place}",
            f"{outcome}: differences between arms",
            "A symbol for each difference, a line for its interval; the dashed line is no difference.",
            [
                PlottedEstimate(
                    _label(one), one.estimate, one.low, one.high, _told_of(one, found), looks.index(one.comparison)
                )
                for one in shown
            ],
            f"difference in {outcome}",
            zero=True,
        )
        charts += [chart] if chart else []
    return EffectSection(title, effects, charts)


def _label(one: Effect) -> str:
    return f"{one.arm} \u2212 {one.against}{f', {one.group}' * bool(one.group)}"


def _told_of(one: Effect, found: Findings) -> str:
    verdict = one.verdict(found.alpha)
    return f"{one.comparison}{f', {one.group}' * bool(one.group)}: {_estimate(one)}{_p(one.p_adjusted)}" + (
        f": {verdict}" * bool(verdict)
    )
