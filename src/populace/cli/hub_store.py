"""`populace hub import`, `export`, `info`, `dedup`, `undo` and `merge`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hub_meaning import meaning_of, meaning_options

if TYPE_CHECKING:
    from populace.personas.hub.file import HubFile
    from populace.personas.hub.importing import FileReport

__all__ = ["COMMANDS"]

_PATH = click.Path(path_type=Path)
_SHAPES = ("personahub", "tasks", "elite", "nemotron", "table")
_FORMATS = ("persona.jsonl", "jsonl", "csv", "parquet", "graphml", "gexf", "json")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@click.option("--hub", "hub_path", required=True, type=_PATH, help="The hub; made when there is none.")
@click.option(
    "--map", "mapping", multiple=True, metavar="MEANING=COLUMN", help="Where text, language, source or licence stands."
)
@click.option("--format", "form", type=click.Choice(_SHAPES), help="Shape of the rows.  [default: by their columns]")
@click.option("--source-name", help="What to call the source.  [default: the file's name]")
@click.option("--licence", metavar="SPDX", help="Licence of the source, where no column states it.")
@click.option("--revision", help="Revision of the source: a commit, a date.")
@click.option("--language", metavar="TAG", help="Language of the descriptions, where no column states it.")
@click.option("--max-length", type=int, help="Characters that a description may have.  [default: 20000]")
@click.option("--strict", is_flag=True, help="Stop at the first row that cannot be imported.")
def import_(files: tuple[Path, ...], hub_path: Path, **options: Any) -> None:
    """Import people from JSONL, CSV, TSV, Parquet or Arrow files, packed or not.

    Persona Hub's people, task rows and elite and Nemotron-Personas are known by their columns; of any other table say
    where the text stands: --map text=COLUMN. All other columns are kept as attributes.
    """
    from populace.personas.hub.importing import import_files
    from populace.personas.hub.wish import ImportWish, parse_mapping

    wish = ImportWish.given(
        mapping=parse_mapping(options["mapping"]),
        format=options["form"],
        source=options["source_name"],
        **{name: options[name] for name in ("licence", "revision", "language", "max_length", "strict")},
    )
    with _filled(hub_path) as hub, _shown() as progress:
        for report in import_files(hub, files, wish, progress=progress):
            _say_imported(report)
    if wish.licence is None and "licence" not in wish.mapping:
        click.echo("No licence was stated with --licence or --map licence=COLUMN.", err=True)


@click.command("export")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.argument("file", type=_PATH)
@click.option("--format", "form", type=click.Choice(_FORMATS), help="What to write.  [default: by the file's ending]")
@click.option("--select", metavar="NAME", help="Only the people of this selection.")
@click.option("--with", "with_", type=click.Choice(("duplicates",)), help="Near-duplicates too, marked as such.")
def export(hub_path: Path, file: Path, form: str | None, select: str | None, with_: str | None) -> None:
    """Write people to FILE as rows, or people and relations as a graph."""
    from populace.personas.hub.exporting import ExportFormat, export_hub
    from populace.personas.hub.file import open_hub

    with open_hub(hub_path) as hub:
        wanted = ExportFormat(form) if form else None
        report = export_hub(hub, file, format=wanted, select=select, duplicates=with_ is not None)
    ties = "" if report.relations is None else f" and {report.relations:,} relations"
    click.echo(f"{report.people:,} people{ties} are in {str(report.path)!r} as {report.format}.")
    where = f"in {str(report.licences)!r}" if report.licences else "with each of them, under licence"
    without = f"; {report.unlicensed:,} came without one" if report.unlicensed else ""
    click.echo(f"Their licences stand {where}{without}.")


@click.command("info")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def info(hub_path: Path, as_json: bool) -> None:
    """How many people there are, by whatever is known of them, and what the file takes."""
    from populace.analysis.table import visible
    from populace.personas.hub.file import open_hub
    from populace.personas.hub.info import describe_hub

    with open_hub(hub_path) as hub:
        described = describe_hub(hub)
    if as_json:
        import orjson

        click.echo(orjson.dumps(described.as_dict()).decode())
        return
    click.echo(visible(str(hub_path)))
    for name, value in described.as_rows():
        click.echo(f"  {name:<14} {visible(value)}")


@click.command("dedup")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option("--threshold", type=click.FloatRange(0.5, 1.0), default=0.9, show_default=True, help="Least similarity.")
@meaning_options
def dedup(hub_path: Path, threshold: float, **options: Any) -> None:
    """Mark whoever nearly repeats an earlier person; nobody is deleted, and `populace hub undo` takes it back.

    With an embedding model, whom the words left are compared by meaning too.
    """
    from populace.personas.hub.dedup import dedup_hub
    from populace.personas.hub.file import open_hub
    from populace.personas.hub.info import describe_hub

    by_meaning = meaning_of(options)
    with open_hub(hub_path, write=True) as hub:
        report = dedup_hub(hub, threshold=threshold)
    click.echo(
        f"{report.marked:,} of {report.judged:,} people were marked as near-duplicates at {threshold:g}; "
        f"{report.stood:,} were marked before, and {report.undone:,} verdicts are undone."
    )
    if by_meaning is not None:
        by_meaning(hub_path)
    with open_hub(hub_path) as hub:
        stages = describe_hub(hub).stages
    if stages:
        click.echo(f"By stage: {', '.join(f'{stage} {times:,}' for stage, times in stages)}.")
    if by_meaning is None:
        click.echo("Only the lexical stage ran: texts that say the same in other words are not found by it.")


@click.command("undo")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option("--persona", metavar="ID", help="The verdicts that mark this person.")
@click.option("--all-stage", metavar="STAGE", help="All verdicts of a stage.")
@click.option("--pair", nargs=2, metavar="ID ID", help="The verdict between these two.")
@click.option("--rule", metavar="RULE", help="Whom this rule of quality turned away.")
@click.option("--redo", is_flag=True, help="Let them stand again instead.")
def undo(hub_path: Path, redo: bool, **given: Any) -> None:
    """Undo verdicts of near-duplicate detection: whom they marked is a person of their own again."""
    from populace.personas.hub.file import open_hub
    from populace.personas.hub.undo import undo_pair, undo_persona, undo_rule, undo_stage

    ways: dict[str, Callable[..., int]] = {
        "persona": undo_persona,
        "all_stage": undo_stage,
        "rule": undo_rule,
        "pair": undo_pair,
    }
    said = {name: value for name, value in given.items() if value is not None}
    if len(said) != 1:
        ways_out = "--persona ID, --all-stage STAGE, --rule RULE or --pair ID ID"
        raise click.UsageError(f"Say which verdicts are meant, in one way: {ways_out}.")
    ((name, value),) = said.items()
    with open_hub(hub_path, write=True) as hub:
        changed = ways[name](hub, *(value if name == "pair" else (value,)), redo=redo)
    state = "stand again" if redo else "are undone"
    click.echo(f"{changed:,} verdicts {state}." if changed else f"All of these verdicts {state} already.")


@click.command("merge")
@click.argument("hubs", nargs=-1, required=True, type=_PATH, metavar="HUB HUB...")
@click.option("--out", required=True, type=_PATH, help="The new hub.")
def merge(hubs: tuple[Path, ...], out: Path) -> None:
    """Unite hubs in a new one: equal texts are one person, and all that is known of them stays."""
    from populace.personas.hub.merging import merge_hubs

    report = merge_hubs(hubs, out)
    click.echo(
        f"{sum(report.people):,} people of {len(hubs)} hubs are {report.personas:,} in {str(out)!r}, for "
        f"{report.equal:,} texts were met again. With them came {report.relations:,} relations and "
        f"{report.verdicts:,} verdicts."
    )
    if report.dangling:
        click.echo(f"{report.dangling:,} relations stayed behind, for they name somebody who is in none of the hubs.")
    if report.left_out:
        click.echo(f"Not taken over: {', '.join(report.left_out)}.")
    click.echo(f"Whoever is nearly equal across them is found by: populace hub dedup {out}")


COMMANDS = (import_, export, info, dedup, undo, merge)


@contextmanager
def _filled(path: Path) -> Iterator["HubFile"]:
    """The hub to import into; one that was made for it and stays empty is taken away again."""
    from populace.personas.hub.file import create_hub, open_hub

    made = not path.exists()
    empty = True
    try:
        with create_hub(path) if made else open_hub(path, write=True) as hub:
            try:
                yield hub
            finally:
                empty = not hub.con.execute("SELECT 1 FROM personas LIMIT 1").fetchall()
    finally:
        if made and empty:
            path.unlink(missing_ok=True)


@contextmanager
def _shown() -> Iterator[Any]:
    """What shows on a terminal how far an import is."""
    if not sys.stderr.isatty():
        yield None
        return

    yield lambda path, rows: click.echo(f"\r{path.name}: {rows:,} rows", nl=False, err=True)
    click.echo("\r\x1b[K", nl=False, err=True)


def _say_imported(report: "FileReport") -> None:
    from populace.analysis.table import visible

    name = str(report.path)
    if report.already:
        click.echo(visible(f"{name} was imported before, in the same way: nothing was done."))
        return
    went_on = f", gone on behind line or row {report.resumed_at:,}" if report.resumed_at else ""
    click.echo(visible(f"{name} is read as {report.columns.shape}: {report.columns}{went_on}."))
    click.echo(f"{report.rows:,} rows: {report.new:,} new people, and {report.equal:,} whose text was there already.")
    for skip in report.skipped:
        click.echo(visible(f"Left out: {skip}."))
