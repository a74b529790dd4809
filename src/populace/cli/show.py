"""What the terminal shows of a run, or of growth, that has ended."""

import shutil
import textwrap
from pathlib import Path
from shlex import quote

import click
from rich.console import Console

from populace.agents.procedural import PROCEDURAL_NOTICE
from populace.analysis.hub_summary import distances_of, hops_of, read_grown, skipped_of
from populace.analysis.questions import answers_of
from populace.analysis.summary import summarise
from populace.analysis.table import render_table, visible
from populace.sim.growth import Growth
from populace.sim.runfile.reader import RunReader, open_run
from populace.sim.runfile.recording import run_of

__all__ = ["show_growth", "show_run"]


def show_run(path: Path) -> None:
    """Print the summary of a run, the answers to three questions that fit it, and how to ask on."""
    console = Console(width=min(shutil.get_terminal_size((110, 40)).columns, 140), highlight=False)
    with open_run(path) as run:
        summary = summarise(run)
        console.print(f"\n{visible(str(path))}", style="bold", markup=False)
        for name, value in summary.as_rows():
            click.echo(_line(name, value, console.width))
        if shortfall := _shortfall(run):
            console.print(f"\n{shortfall}", markup=False, soft_wrap=True)
        if not summary.is_language_model:
            console.print(f"\n{PROCEDURAL_NOTICE}", style="italic", markup=False)
        for answer in answers_of(run, 3):
            console.print(f"\n{visible(answer.question.title)}", style="bold", markup=False)
            console.print(visible(answer.question.sql), style="dim", markup=False, soft_wrap=True)
            rows = None if answer.sentence else answer.rows
            shown = f"{visible(answer.sentence)}\n" if rows is None else render_table(rows, width=console.width)
            console.out(shown, highlight=False, end="")
    file = quote(str(path))
    click.echo(
        f'\nAsk on with `populace sql {file} "SELECT ..."` (`populace schema` lists what there is), or read '
        f"`populace report {file}`."
    )


def _line(name: str, value: str, width: int) -> str:
    """A line of the summary, what is longer than the terminal below its beginning."""
    lead = f"  {name:<18} "
    if len(lead) + len(value) <= width or " " not in value:
        return lead + value
    return textwrap.fill(
        value, width, initial_indent=lead, subsequent_indent=" " * len(lead), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def show_growth(path: Path) -> None:
    """Print what came of growing a hub, and what can be done with it."""
    with open_run(path) as run:
        grown, hops, distances, skipped = read_grown(run), hops_of(run), distances_of(run), skipped_of(run)
        growth = Growth.model_validate_json(run_of(run).growth_settings)
    click.echo(f"\n{visible(str(path))}")
    for name, value in grown.as_rows():
        click.echo(f"  {name:<12} {visible(value)}")
    click.echo(render_table(hops, width=min(shutil.get_terminal_size((110, 40)).columns, 140)), nl=False)
    for sentence in (distances, grown.ending, growth.shortfall(grown.people), *skipped):
        if sentence:
            click.echo(visible(sentence))
    if not grown.is_language_model:
        click.echo(PROCEDURAL_NOTICE)
    hub = quote(str(path))
    click.echo(f"Next: `populace run village --hub {hub}` lets them live, `populace hub info {hub}` says who they are.")


def _shortfall(run: RunReader) -> str:
    """What is to be said when there are fewer people than were asked for."""
    ((growth, people),) = run.query("SELECT growth_settings, (SELECT count(*) FROM agents) FROM runs").rows
    return Growth.model_validate_json(growth).shortfall(people) if people else ""
