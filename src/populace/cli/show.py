"""What the terminal shows: a run or growth that has ended, an estimate, and the notice on who wrote the text.

What they show loads slowly, so each function imports what it needs.
"""

import shutil
import textwrap
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from populace.analysis.provenance import Ask
    from populace.analysis.table import Queryable
    from populace.personas.hub import HubFile
    from populace.sim.estimate import Estimate
    from populace.sim.runfile.reader import RunReader


#: The exit code of a task whose people have run out before all its rows were accepted.
_SHORT = 4


def terminal_width(most: int = 140, *, unknown: int = 110) -> int:
    """Columns of the terminal, at most so many; `unknown` where there is none."""
    return min(shutil.get_terminal_size((unknown, 40)).columns, most)


def show_finished(path: Path, scenario: str) -> int:
    """Print what came of the run of a scenario: people that were grown, data that was made, or a society.

    Gives the exit code of the command that ran it.
    """
    from populace.sim.scenario import GrowthOnly

    if scenario == GrowthOnly.name:
        show_growth(path)
        return 0
    code = show_made(path)
    if code is None:
        show_run(path)
    return code or 0


def show_run(path: Path) -> None:
    """Print the summary of a run, the answers to three questions that fit it, and how to ask on."""
    from rich.console import Console

    from populace.analysis.questions import answers_of
    from populace.analysis.summary import summarise
    from populace.analysis.table import render_table, visible
    from populace.sim.runfile.reader import open_run

    console = Console(width=terminal_width(), highlight=False)
    with open_run(path) as run:
        summary, notice = summarise(run), stand_in_notice(run)
        if mixture := mixture_note(run):
            click.echo(f"\n{mixture}")
        console.print(f"\n{visible(str(path))}", style="bold", markup=False)
        for name, value in summary.as_rows():
            click.echo(_line(name, value, console.width))
        for note in filter(None, (_shortfall(run), summary.silence)):
            console.print(f"\n{note}", markup=False, soft_wrap=True)
        if notice:
            console.print(f"\n{notice}", style="italic", markup=False)
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


def show_made(path: Path) -> int | None:
    """Print what came of a task, and what can be done with it; nothing, and None, where the run is of no task.

    Gives the exit code: 0, or 4 when people ran out before all rows were accepted.
    """
    from populace.analysis.data_summary import summarise_data
    from populace.analysis.table import visible
    from populace.sim.runfile.reader import open_run

    with open_run(path) as run:
        made = summarise_data(run)
        if made is None:
            return None
        notice, mixture = stand_in_notice(run), mixture_note(run)
    if mixture:
        click.echo(f"\n{mixture}")
    click.echo(f"\n{visible(str(path))}")
    for name, value in made.as_rows():
        click.echo(_line(name, visible(value), terminal_width()))
    if made.shortfall:
        click.echo(f"\n{visible(made.shortfall)}")
    if notice:
        click.echo(f"\n{notice}")
    file = quote(str(path))
    click.echo(
        f"\nNext: `populace report {file}` shows the rows and the yield by stage, "
        f"`populace export {file} FILE --format jsonl` writes the accepted rows."
    )
    return _SHORT if made.has_run_short else 0


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
    from populace.analysis.hub_summary import distances_of, read_grown, read_hops, skipped_of
    from populace.analysis.table import render_table, visible
    from populace.sim.growth import Growth
    from populace.sim.runfile.reader import open_run
    from populace.sim.runfile.recording import run_of

    with open_run(path) as run:
        grown, hops, distances, skipped = read_grown(run), read_hops(run), distances_of(run), skipped_of(run)
        growth, notice = Growth.model_validate_json(run_of(run).growth_settings), stand_in_notice(run)
    click.echo(f"\n{visible(str(path))}")
    for name, value in grown.as_rows():
        click.echo(f"  {name:<12} {visible(value)}")
    click.echo(render_table(hops, width=terminal_width()), nl=False)
    for sentence in (distances, grown.ending, growth.shortfall(grown.people), *skipped):
        if sentence:
            click.echo(visible(sentence))
    if notice:
        click.echo(notice)
    hub = quote(str(path))
    click.echo(
        f"Next: `populace run village --hub {hub}` runs a society of them, `populace hub info {hub}` says who they are."
    )


def _shortfall(run: "RunReader") -> str:
    """What is to be said when there are fewer people than were asked for."""
    from populace.sim.growth import Growth

    ((growth, people),) = run.query("SELECT growth_settings, (SELECT count(*) FROM agents) FROM runs").rows
    return Growth.model_validate_json(growth).shortfall(people) if people else ""


def show_estimate(result: "Estimate") -> None:
    """Print an estimate, and what it rests on."""
    from populace.analysis.table import render_table
    from populace.sim.estimate.report import sentences, table

    click.echo(render_table(table(result), width=terminal_width(110)), nl=False)
    for sentence in sentences(result):
        click.echo(sentence)


def stand_in_notice(file: "Queryable | HubFile") -> str:
    """The sentence that goes with the text of a run, hub or experiment; empty where the stand-in wrote nothing of it.

    It belongs on standard error: so it goes wherever the text goes, and into no file that is read by machines.
    """
    from populace.agents.procedural import PROCEDURAL_NOTICE
    from populace.analysis.provenance import has_stand_in

    return PROCEDURAL_NOTICE if has_stand_in(_ask(file)) else ""


def mixture_note(run: "Queryable", answered: "Sequence[str]" = ()) -> str:
    """The sentence that comes first where several models wrote the run, or others `answered`; else empty."""
    from populace.analysis.provenance import name_mixture
    from populace.analysis.table import visible

    return visible(name_mixture(_ask(run), answered))


def _ask(file: "Queryable | HubFile") -> "Ask":
    con = getattr(file, "con", None)
    return lambda sql: file.query(sql).rows if con is None else con.execute(sql).fetchall()  # type: ignore[union-attr]
