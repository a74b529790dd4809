"""The report of a run or an experiment: everything gathered, rendered into one HTML file that loads nothing."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import orjson

from ...core.query import QueryError
from ..page import check_own, mark_of, write_whole
from ..summary import Summary, describe_measures, summarise, summarise_data
from ..table import Queryable, Rows
from .charts import (
    chart_emissions,
    chart_fields,
    chart_measures,
    chart_node_measures,
    chart_states,
    has_weights,
    kind_order,
)
from .experiment import mark_of_experiment, render_experiment
from .facts import FAILURES, HOPS, draw_society, pick_excerpts, read_provenance, read_purposes, read_steps
from .rendering import render
from .society import read_answers, read_changes, render_data_report

_IS_EXPERIMENT = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'outcome_values'"
_QUESTIONS = "SELECT title, sql FROM questions ORDER BY ordinal"
_NO_STEP = "No step is complete in this run, so nothing was said."
#: Measures whose change is named at the top of the page.
FINDINGS = 4


def write_report(run: Queryable, path: Path, *, run_file: Path | str = "RUN.duckdb") -> Path:
    """Write the report of a run, in whatever state it is, or of an experiment to `path`, and return the path.

    `run_file` is the run file, or the merged file of the experiment: the commands that the report suggests have its
    name, and the card of a data job is read from it. Raises `SetupError` when the file cannot be written, and when the
    file there is not a report of the same run or experiment; it is left as it was.
    """
    if run.query(_IS_EXPERIMENT).rows:
        check_own(path, mark_of_experiment(run), what="report", of="experiment")
        return write_whole(render_experiment(run, merged_file=Path(run_file).name), path, what="report")
    ((run_id,),) = run.query("SELECT run FROM runs").rows
    check_own(path, mark_of("report", run_id), what="report")
    return write_whole(render_report(run, run_file=run_file), path, what="report")


def render_report(run: Queryable, *, run_file: Path | str = "RUN.duckdb") -> str:
    """The report as HTML: opens offline, loads nothing, and runs no script but its own."""
    summary, header, path = summarise(run), _read_header(run), Path(run_file)
    mark = mark_of("report", header["run"])
    if (made := summarise_data(run, summary)) is not None:
        done = f"{made.accepted:,} of {made.wanted:,} rows are accepted"
        notice = _describe_state(summary, path.name, done) or made.shortfall
        return render_data_report(run, made, run_file=path, header=header, mark=mark, notice=notice)
    done = f"{summary.steps} of {summary.steps_wanted} steps are complete"
    notice = _describe_state(summary, path.name, done) or ("" if summary.steps else _NO_STEP)
    network, ties = draw_society(run)
    states, undrawn_states = chart_states(run)
    steps = read_steps(run)
    talks, excerpts = pick_excerpts(steps)
    return render(
        "report.html.j2",
        answered=read_answers(run),
        states=states,
        undrawn_states=undrawn_states,
        node_charts=chart_node_measures(run),
        changes=read_changes(run),
        summary=summary,
        unit=summary.unit,
        header=header,
        mark=mark,
        settings=summary.settings,
        findings=describe_measures(run, FINDINGS),
        notice=notice,
        honesty=read_provenance(run, summary),
        network=network,
        ties=ties,
        emissions_chart=chart_emissions(run, kind_order(run)),
        measures=chart_measures(run),
        measured=run.query("SELECT count(DISTINCT name) FROM measures").rows[0][0],
        fields=chart_fields(run),
        is_weighted=has_weights(run),
        steps=steps,
        talks=talks,
        excerpts=excerpts,
        failures=run.query(FAILURES),
        purposes=read_purposes(run, summary),
        hops=run.query(HOPS),
        answers=answer_questions(run),
        run_file=path.name,
    )


def answer_questions(run: Queryable) -> list[tuple[str, str, Rows | None, str]]:
    """Return title, SQL and rows of each question that the scenario declares and that has an answer.

    A failing question has a sentence instead of rows.
    """
    answers: list[tuple[str, str, Rows | None, str]] = []
    for title, declared in run.query(_QUESTIONS).rows:
        sql = dedent(declared).strip()
        try:
            rows = run.query(sql)
        except QueryError as error:
            answers.append((title, sql, None, f"The run file cannot answer this: {error}"))
        else:
            answers += [(title, sql, rows, "")] if rows.rows else []
    return answers


def _read_header(run: Queryable) -> dict[str, Any]:
    names = ("run", "world", "started_at", "ended_at", "base_url", "growth_settings")
    header = dict(zip(names, run.query(f"SELECT {', '.join(names)} FROM runs").rows[0], strict=True))  # noqa: S608
    header["growth_settings"] = _list_settings(orjson.loads(header["growth_settings"]))
    return header


def _list_settings(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names and values of those settings that say something."""
    return [(name, value) for name, value in settings.items() if value not in (None, "", [], {})]


def _describe_state(summary: Summary, run_file: str, done: str) -> str:
    """What is to be said of a run that is not whole, with what is `done` of it; empty for one that is."""
    if summary.status == "running":
        return f"This run is still going: {done}. Sections were read one by one and may be a step apart."
    if summary.status == "interrupted":
        return f"This run was interrupted: {done}. To go on: populace resume {run_file}"
    if summary.status in ("failed", "paused"):
        reason = (summary.reason or "no reason was recorded").rstrip(".")
        became = "failed" if summary.status == "failed" else "is paused"
        return f"This run {became} ({reason}): {done}. What was done stays; to go on: populace resume {run_file}"
    return ""
