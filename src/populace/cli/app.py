"""The command `populace`: every command by its name."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from populace import __version__

from . import (
    agreement,
    decontaminate,
    diversity,
    experiment,
    export,
    grade,
    grow,
    hub,
    make,
    read,
    replay,
    resume,
    run,
    solve,
    survey,
    validate,
)
from .guard import guarded


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="populace")
def cli() -> None:
    """Grow a society of personas, let it live, and ask what happened in SQL."""


for command in (
    run.run,
    resume.resume,
    grow.grow,
    make.make,
    experiment.experiment,
    solve.solve,
    survey.survey,
    survey.ask,
    survey.drift,
    grade.grade,
    agreement.agreement,
    agreement.prefer,
    solve.evaluate,
    run.estimate,
    read.doctor,
    replay.fork,
    replay.replay,
    replay.compare,
    read.sql,
    read.report,
    diversity.funnel,
    diversity.diversity,
    diversity.coverage,
    decontaminate.decontaminate,
    hub.hub,
    export.export,
    export.split,
    read.scenarios,
    read.schema,
    validate.validate,
    read.prompts,
):
    cli.add_command(command)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on these arguments, or the process's own, and exit."""
    code = guarded(cli, argv, name="populace")
    limits = sys.modules.get("populace.personas.user_sql")
    if limits is not None and limits.has_unstoppable_query():
        # Python would wait for a thread that the database does not let end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
