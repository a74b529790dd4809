"""`populace report`: one page that opens offline."""

from pathlib import Path

import click

from .options import shared_option

__all__ = ["report"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="The page.  [default: FILE with .html in place of its ending]",
)
@shared_option
def report(file: Path, out: Path | None) -> None:
    """Write what happened in a run as one page that opens offline.

    A page of the same run that is there already is written anew; nothing else is written over.
    """
    from populace.analysis.report import write_report
    from populace.sim.runfile.reader import open_run

    with open_run(file) as run:
        page = write_report(run, out or file.with_suffix(".html"), run_file=file.name)
    click.echo(f"Wrote {page}")
