"""Print how a run or growth ended, an estimate, and the notice on who wrote the text.

Imports are inside the functions, because what they show loads slowly.
"""

import shutil
import textwrap
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from populace.analysis.summary import Ask, DataSummary
    from populace.analysis.table import Queryable
    from populace.core.result import Result
    from populace.personas.hub import HubFile
    from populace.sim.estimate import JobEstimate
    from populace.sim.growth import Growth
    from populace.sim.runfile.reader import RunReader


#: The exit code of a job that ended with fewer personas or accepted rows than were asked for.
_SHORT = 4


def terminal_width(most: int = 140, *, unknown: int = 110) -> int:
    """Return the columns of the terminal, at most `most`; `unknown` if there is no terminal."""
    return min(shutil.get_terminal_size((unknown, 40)).columns, most)


def show_result(result: "Result", *, as_json: bool = False) -> None:
    """Print a result as JSON, or as its tables with its notes."""
    from populace.analysis.table import render_result

    click.echo(result.json() if as_json else render_result(result, terminal_width(10_000, unknown=120)).rstrip())


def show_facts(facts: "Iterable[tuple[str, object]]", title: str = "", *, err: bool = False) -> None:
    """Print a title, and a line for each fact but those that are empty or 0."""
    from populace.analysis.table import make_visible

    if title:
        click.echo(make_visible(title), err=err)
    told = [(name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in facts if value]
    wide = max(14, *(len(name) for name, _ in told))
    for name, value in told:
        click.echo(make_visible(f"  {name:<{wide}} {value}"), err=err)


def show_finished(path: Path, scenario: str, settings: "Mapping[str, object] | None" = None) -> int:
    """Print how the run of a scenario ended, and return the exit code of the command that ran it.

    `settings` are those that differ from the scenario's defaults.
    """
    from populace.analysis.hub_summary import describe_yield
    from populace.analysis.summary import describe_measures, summarise, summarise_data
    from populace.sim.runfile.reader import open_run
    from populace.sim.scenario import GrowthOnly

    with open_run(path) as run:
        if scenario == GrowthOnly.name:
            return _show_growth(run, path)
        summary = summarise(run)
        made = summarise_data(run, summary)
        if made is None:
            shortfall = _growth_of(run).shortfall(summary.agents) if summary.agents else ""
            counts = describe_yield(run) if shortfall else ""
            warnings = (*summary.warnings, shortfall, counts, summary.silence, authors_notice(run))
            following = (
                f"populace report {quote(str(path))}",
                f'populace sql {quote(str(path))} "FROM emissions LIMIT 5"',
            )
            measured = "; ".join(f"{name} {change}" for name, change in describe_measures(run, 2))
            lines = summary.lines(settings or {}) | ({"measured": measured} if measured else {}) | summary.spending
            _show_ending(path, lines, warnings, following)
            return _SHORT if shortfall else 0
        is_short = made.has_run_short and _growth_of(run).shortfall(summary.agents)
        counts = describe_yield(run) if is_short else ""
        warnings = (
            *summary.warnings,
            made.unread,
            made.shortfall,
            counts,
            authors_notice(run),
            own_graders_notice(run),
        )
        _show_ending(path, made.lines(settings or {}) | summary.spending, warnings, _next_for_data(path, made))
        return _SHORT if made.has_run_short else 0


def _show_ending(path: Path, lines: "Mapping[str, str]", warnings: "Iterable[str]", following: "Sequence[str]") -> None:
    """Print the file, what there is in it, what it cost, what to be warned of, and the commands that come next."""
    from rich.console import Console

    from populace.analysis.table import make_visible

    console = Console(width=terminal_width(), highlight=False)
    console.print(f"\n{make_visible(str(path))}", style="bold", markup=False)
    for name, value in lines.items():
        click.echo(_format_line(name, make_visible(value), console.width))
    for number, warning in enumerate(filter(None, warnings)):
        shown = _format_line("" if number else "warnings", make_visible(warning), console.width)
        console.print(shown, style="yellow", markup=False, soft_wrap=True)
    for number, command in enumerate(following):
        console.print(
            f"  {'' if number else 'next':<10} {make_visible(command)}", style="bold", markup=False, soft_wrap=True
        )


#: The export format that fits what a task makes; JSONL fits all.
_FORMATS = {"npc": "npc-json", "conversation": "openai", "tool-use": "tools"}


def _next_for_data(path: Path, made: "DataSummary") -> tuple[str, ...]:
    file, form = quote(str(path)), _FORMATS.get(made.task)
    if not made.accepted:
        return (f"populace data yield {file}", f"populace report {file}")
    target = quote(str(path.with_suffix(".json" if form == "npc-json" else ".jsonl")))
    return (f"populace report {file}", f"populace export {file} {target}{f' --format {form}' if form else ''}")


def _format_line(name: str, value: str, width: int) -> str:
    """Format a line of a summary; what is longer than the terminal continues below its beginning."""
    lead = f"  {name:<10} "
    if len(lead) + len(value) <= width or " " not in value:
        return lead + value
    return textwrap.fill(
        value, width, initial_indent=lead, subsequent_indent=" " * len(lead), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _show_growth(run: "RunReader", path: Path) -> int:
    from populace.analysis.hub_summary import describe_yield, read_grown, skipped_of
    from populace.analysis.summary import summarise

    summary, skipped = summarise(run), skipped_of(run)
    grown = read_grown(run, summary)
    shortfall = "" if grown.ending else _growth_of(run).shortfall(grown.people)
    hub = quote(str(path))
    warnings = (*summary.warnings, grown.ending, shortfall, *skipped, authors_notice(run))
    following = (f"populace make instruction --hub {hub} --n 10", f"populace run village --hub {hub} --agents 30")
    counts = describe_yield(run)
    _show_ending(path, grown.lines | ({"yield": counts} if counts else {}) | summary.spending, warnings, following)
    return _SHORT if shortfall else 0


def _growth_of(run: "RunReader") -> "Growth":
    from populace.sim.growth import Growth
    from populace.sim.runfile.reader import run_of

    return Growth.model_validate(run_of(run).run_spec.growth)


def show_estimate(result: "JobEstimate") -> None:
    """Print an estimate, and what it rests on."""
    from populace.analysis.table import render_table
    from populace.core.result import ShownTable
    from populace.sim.estimate.estimator import COLUMNS

    table = ShownTable("", COLUMNS, ["VARCHAR"] * len(COLUMNS), result.as_rows())
    click.echo(render_table(table, width=terminal_width(110)), nl=False)
    for sentence in result.notes:
        click.echo(sentence)


def authors_notice(file: "Queryable | HubFile") -> str:
    """Return one sentence on who wrote the text of a file; "" if one language model, or none, wrote all of it.

    Print it to standard error, so that it goes wherever the text goes, and into no file that machines read.
    """
    from populace.analysis.summary import describe_authors
    from populace.analysis.table import make_visible

    return make_visible(describe_authors(_ask_function(file)))


def own_graders_notice(file: "Queryable", job: int = 1) -> str:
    """Return one sentence on models that graded what they wrote in a job; "" if there are none."""
    from populace.analysis.summary import describe_own_graders
    from populace.analysis.table import make_visible

    return make_visible(describe_own_graders(_ask_function(file), job))


def _ask_function(file: "Queryable | HubFile") -> "Ask":
    con = getattr(file, "con", None)
    return lambda sql: file.query(sql).rows if con is None else con.execute(sql).fetchall()  # type: ignore[union-attr]
