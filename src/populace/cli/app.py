"""The command `populace`, and what it does with errors: one sentence, no traceback, exit code 1 or 2."""

import sys
from collections.abc import Callable

import click

from populace import __version__

from . import catalog, query, report, run

__all__ = ["guarded", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="populace")
def cli() -> None:
    """Grow a society of personas, let it live, and ask what happened in SQL."""


for command in (
    run.run,
    run.resume,
    query.sql,
    report.report,
    catalog.scenarios,
    query.schema,
    catalog.prompts,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line, and exit with 2 for wrong usage and 1 for a failed run."""
    guarded(cli)


def guarded(command: Callable[[], object]) -> None:
    """Run a command; a foreseen error becomes one sentence on standard error."""
    try:
        command()
    except Exception as error:
        # Imported here, because the rooms take seconds to load and help should not wait for them.
        from populace.personas.errors import PopulaceError, SetupError

        if not isinstance(error, PopulaceError):
            raise
        click.echo(f"populace: {error}", err=True)
        sys.exit(2 if isinstance(error, SetupError) else 1)
