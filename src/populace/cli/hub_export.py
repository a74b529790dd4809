"""`populace hub export`: people as rows or a graph, to a file or to the standard output, and whole hubs."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .notice import notice_of
from .options import shared_option

if TYPE_CHECKING:
    from populace.personas.formats.exporting import ExportReport

__all__ = ["export"]

_PATH = click.Path(path_type=Path)
_WITH = ("profiles", "biographies", "elites", "duplicates")
_FORMATS = ("persona.jsonl", "jsonl", "csv", "parquet", "tasks", "elite", "nemotron", "graphml", "gexf", "json", "hub")


@click.command("export")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.argument("file", type=_PATH)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="What to write.  [default: by the file's ending; jsonl for -]",
)
@click.option("--select", metavar="NAME", help="Only the people of this selection.")
@click.option(
    "--with",
    "with_",
    type=click.Choice(_WITH),
    multiple=True,
    help="Columns of these too, or near-duplicates and those turned away, marked as such; may be given several times.",
)
@shared_option
def export(hub_path: Path, file: Path, form: str | None, select: str | None, with_: tuple[str, ...]) -> None:
    """Write people to FILE as rows, or people and relations as a graph; FILE may be - for the standard output.

    Rows have each imported column with its own type. One that is called like a column of the hub's own is called
    imported_NAME, and one whose values are nested or of several types is JSON text and called NAME.json. Relations are
    in a second file beside FILE, and the types of CSV columns in FILE-metadata.json. `populace hub import` reads all of
    it back: who was grown from whom and how, by which model, and what was imported.

    Profiles are among the columns wherever somebody has one; --with profiles puts their columns there in any case.
    Lists are lists in JSONL, Parquet and JSON, JSON arrays in CSV, and joined by semicolons in GraphML and GEXF.

    tasks, elite and nemotron give back the rows that were imported in that shape, as JSONL, CSV or Parquet by FILE's
    ending; elite has those of `hub enrich --raise` too. Nothing is made up: whoever has no such row is left out and
    counted.

    hub writes a folder with all tables of the hub; `populace hub import FOLDER --hub NEW` makes an equal hub of it.
    """
    from populace.personas.errors import SetupError
    from populace.personas.formats.columns import Extra
    from populace.personas.formats.exporting import ExportFormat, export_hub, stream_hub
    from populace.personas.hub.file import open_hub

    wanted = ExportFormat(form) if form else None
    extras = [Extra(one) for one in dict.fromkeys(with_) if one != "duplicates"]
    to_stdout = str(file) == "-"
    if to_stdout and wanted is ExportFormat.PARQUET and sys.stdout.isatty():
        raise SetupError("Parquet is nothing that a terminal can show; give a file, or send it to a pipe.")
    with open_hub(hub_path) as hub:
        notice = notice_of(hub)
        given: dict[str, Any] = {
            "select": select,
            "duplicates": "duplicates" in with_,
            "extras": extras,
            "notice": notice or None,
        }
        if to_stdout:
            report = stream_hub(hub, sys.stdout.buffer, format=wanted or ExportFormat.JSONL, **given)
            sys.stdout.buffer.flush()
        else:
            report = export_hub(hub, file, format=wanted, **given)
    _say(report, to_stdout=to_stdout)
    if notice:
        click.echo(notice, err=True)


def _say(report: "ExportReport", *, to_stdout: bool) -> None:
    say = partial(click.echo, err=to_stdout)
    within = report.relations is not None and report.relations_path is None
    ties = f" and {report.relations:,} relations" if within else ""
    rows = "" if report.rows is None else f"{report.rows:,} rows of "
    where = "were written" if to_stdout else f"are in {str(report.path)!r}"
    whole = f", with all {report.tables:,} tables" if report.tables else ""
    say(f"{rows}{report.people:,} people{ties} {where} as {report.format}{whole}.")
    if report.relations_path:
        say(f"{report.relations:,} relations are in {str(report.relations_path)!r}, which an import reads with it.")
    if report.types:
        say(f"The types of the columns are in {str(report.types)!r}.")
    if report.left_relations:
        say(
            f"{report.left_relations:,} relations are not in it; write a file of rows, a graph or a whole hub for them."
        )
    if report.without:
        say(f"{report.without:,} people are not, for they have no row in this format.")
    if report.several:
        say(
            f"{report.several:,} people were imported in several rows that differ, and stand here as in the first; "
            "--format hub has all."
        )
    if report.as_json:
        say(f"JSON text, for their values are nested or of several types: {', '.join(map(repr, report.as_json))}.")
    if report.beside:
        say(f"With them: {', '.join(f'{number:,} {extra}' for extra, number in report.beside)}.")
    stand = f"in {str(report.licences)!r}" if report.licences else "with each of them, under licence"
    without = f"; {report.unlicensed:,} came without one" if report.unlicensed else ""
    if report.licences or report.format != "persona.jsonl":
        say(f"Their licences stand {stand}{without}.")
