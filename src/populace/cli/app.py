"""The command line: all commands, by section."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from populace import __version__

from . import check, diversity, experiment, export, grade, grow, hub, make, read, resume, survey
from .guard import run_guarded


@click.group()
def data() -> None:
    """Solve, grade, translate, clean, split and measure outputs."""


for command in (
    *(grade.solve, grade.evaluate, grade.translate, grade.grade, grade.agreement, grade.pairs),
    *(diversity.yield_, diversity.diversity, diversity.coverage, diversity.decontaminate, export.split),
):
    data.add_command(command)

#: The commands in the order of `populace --help`, by what they are for.
SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Create": (make.run, make.make, grow.grow, experiment.experiment),
    "Continue": (resume.resume, resume.fork),
    "Ask": (read.report, read.sql, survey.survey, survey.ask, resume.diff),
    "Data": (data, export.export),
    "People": (hub.hub,),
    "Look up": (read.list_, check.check),
}


#: The new names of commands by their old ones.
MOVED = {
    "doctor": "check endpoint",
    "validate": "check engine",
    "replay": "check replay",
    "drift": "check drift",
    "estimate": "run --estimate",
    "compare": "diff",
    "scenarios": "list scenarios",
    "prompts": "list prompts",
    "schema": "list tables",
    "prefer": "data pairs",
    "funnel": "data yield",
    **{str(name): f"data {name}" for name in data.commands},
}


class _Sections(click.Group):
    """A group whose help lists the commands by section, each with its whole summary."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises `UsageError` for one that has moved, with its new name."""
        if args[0] in MOVED:
            ctx.fail(f"{ctx.command_path} {args[0]} is now populace {MOVED[args[0]]}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(str(command.name), command.get_short_help_str(60)) for command in commands])


@click.group(cls=_Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="populace")
def cli() -> None:
    """Turn texts into personas, connect them into a social network, and put an LLM agent behind each one.

    Make diverse synthetic data, test an idea on a simulated society, or populate a game world. Every prompt, answer and
    cost is logged to one DuckDB file that you can query.
    """


for command in (command for section in SECTIONS.values() for command in section):
    cli.add_command(command)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with `argv`, or the arguments of the process, and exit."""
    code = run_guarded(cli, argv, name="populace")
    limits = sys.modules.get("populace.core.query")
    if limits is not None and limits.has_unstoppable_query():
        # Python would wait for a thread that the database does not let end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
