"""`populace report`: one page that opens offline."""

from pathlib import Path

import click

from .options import shared_option

__all__ = ["report"]

_PAGES = (".html", ".htm")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="The page.  [default: report.html beside FILE]",
)
@shared_option
def report(file: Path, out: Path | None) -> None:
    """Write what happened in a run as one page that opens offline."""
    from populace.analysis.report import write_report
    from populace.personas.errors import SetupError
    from populace.sim.runfile.reader import open_run

    page = out or file.parent / "report.html"
    if page.is_dir():
        raise SetupError(f"{str(page)!r} is a folder; give --out a file in it, as {str(page / 'report.html')!r}.")
    if page.is_file() and page.suffix.lower() not in _PAGES:
        raise SetupError(
            f"{str(page)!r} exists and is no page, so no report is written over it; "
            f"give an --out that ends in {_PAGES[0]}."
        )
    with open_run(file) as run:
        write_report(run, page, run_file=file.name)
    click.echo(f"Wrote {page}")
