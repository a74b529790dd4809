"""The report of a run: everything gathered, rendered into one HTML file that loads nothing."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ...personas.persona import legible
from ..page import check_own, clip, mark_of, short_label, write_whole
from ..questions import answers_of
from ..summary import Summary, summarise
from ..table import Queryable
from .charts import chart_emissions, chart_fields, chart_measures, chart_novelty, kind_order
from .facts import read_failures, read_findings, read_hops, read_provenance, read_purposes
from .graph import DrawnSociety, chart_society, read_society
from .plot import COLOURS, PATTERNS
from .samples import read_duplicates, read_steps

#: Questions that are answered.
QUESTIONS = 6

_TEMPLATES = files(__package__).joinpath("templates")


def write_report(run: Queryable, path: Path, *, run_file: str = "RUN.duckdb") -> Path:
    """Write the report of a run, in whatever state it is, to `path`, and return the path.

    `run_file` is the run file's name in the commands that the report suggests.
    Raises `SetupError` when the file cannot be written, and when the file there is not a report of the same run;
    it is left as it was.
    """
    ((run_id,),) = run.query("SELECT run FROM runs").rows
    check_own(path, mark_of("report", run_id), what="report")
    return write_whole(render_report(run, run_file=run_file), path, what="report")


def render_report(run: Queryable, *, run_file: str = "RUN.duckdb") -> str:
    """The report as HTML: opens offline, loads nothing, and runs no script but its own."""
    summary = summarise(run)
    society = read_society(run)
    kinds = kind_order(run)
    script = Markup(_template("report.js"))  # noqa: S704 - our own file, no text of the run
    header = _header(run)
    return _environment().get_template("report.html.j2").render(
        summary=summary,
        unit="tokens" if summary.is_language_model else "words",
        header=header,
        mark=mark_of("report", header["run"]),
        findings=read_findings(run, summary),
        notice=_notice(summary, run_file),
        honesty=read_provenance(run, summary),
        society=society,
        society_note=_society_note(society),
        charts={
            "society": chart_society(society),
            "emissions": chart_emissions(run, kinds),
            "novelty": chart_novelty(run, kinds),
        },
        measures=chart_measures(run),
        measured=run.query("SELECT count(DISTINCT name) FROM measures").rows[0][0],
        fields=chart_fields(run),
        steps=read_steps(run),
        duplicates=read_duplicates(run),
        failures=read_failures(run),
        purposes=read_purposes(run),
        hops=read_hops(run),
        answers=answers_of(run, QUESTIONS),
        run_file=run_file,
        style=Markup(_template("style.css")),  # noqa: S704 - our own file, no text of the run
        patterns=PATTERNS,
        surface=COLOURS["surface"],
        script=script,
        script_hash=_csp_hash(script),
    )  # fmt: skip


def _header(run: Queryable) -> dict[str, Any]:
    names = ("run", "world", "started_at", "ended_at", "base_url", "growth_settings")
    header = dict(zip(names, run.query(f"SELECT {', '.join(names)} FROM runs").rows[0], strict=True))  # noqa: S608
    header["growth_settings"] = _given(orjson.loads(header["growth_settings"]))
    return header


def _given(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names and values of those settings that say something."""
    return [(name, value) for name, value in settings.items() if value not in (None, "", [], {})]


def _notice(summary: Summary, run_file: str) -> str:
    """What is to be said of a run that is not whole; empty for one that is."""
    done = f"{summary.steps} of {summary.steps_wanted} steps are complete"
    if summary.status == "running":
        return f"This run is still going: {done}. Sections were read one by one and may be a step apart."
    if summary.status == "interrupted":
        return f"This run was interrupted: {done}. To go on: populace resume {run_file}"
    if summary.status in ("failed", "paused"):
        reason = (summary.reason or "no reason was recorded").rstrip(".")
        became = "failed" if summary.status == "failed" else "is paused"
        return f"This run {became} ({reason}): {done}. What was done stays; to go on: populace resume {run_file}"
    return "" if summary.steps else "No step is complete in this run, so nothing was said."


def _society_note(society: DrawnSociety) -> str:
    if not society.is_sample:
        return ""
    return (
        f"Drawn: {len(society.residents):,} of {society.people:,} people and {len(society.ties):,} of "
        f"{society.relations:,} relations, breadth first around the best connected."
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clip=clip,
        count=_count,
        dollars=_dollars,
        latency=_latency,
        share=_share,
        short=short_label,
    )
    return environment


def _shown(value: Any) -> Any:
    """The text of a value in the page: no text of the run brings a character that HTML forbids."""
    if isinstance(value, Markup):
        return value
    return legible(value) if isinstance(value, str) else legible(str(value))


def _template(name: str) -> str:
    return _TEMPLATES.joinpath(name).read_text(encoding="utf-8")


def _csp_hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _count(number: object) -> str:
    return "\u2013" if number is None else f"{number:,}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "\u2013"


def _dollars(amount: float | None) -> str:
    return "\u2013" if amount is None else f"{amount:,.4f}"


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "\u2013"
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{1000 * seconds:,.1f} ms"
