"""`populace hub import` and `populace hub export`: people from files and to files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hub_people import rule_facts
from .options import key_option, shared_option
from .show import authors_notice, show_facts
from .specs import command

if TYPE_CHECKING:
    from populace.personas.formats.importing import FileReport

_PASSED_ON = ("licence", "revision", "language", "compose", "max_length", "strict", "personal", "quality")
_PATH = click.Path(path_type=Path)
_WITH = ("profiles", "biographies", "elites", "duplicates")
_FORMATS = ("jsonl", "csv", "parquet", "graphml", "gexf", "json")


@command("export")
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
    help="Columns of these too, or near-duplicates and those rejected, marked as such; may be given several times.",
)
@shared_option
def export(hub_path: Path, file: Path, form: str | None, select: str | None, with_: tuple[str, ...]) -> None:
    """Write personas as rows, or as a graph with relations.

    Use - as FILE for standard output. Rows keep each imported column in its own type. A column that is named like one
    of the hub's own becomes NAME_. Nested or mixed values become JSON text. Relations are in a second file beside FILE.
    `populace hub import` reads such files as ordinary tables; a hub as a whole is its file, which can be copied.

    Profiles are included if there are any; --with profiles adds their columns in any case. Lists are lists in JSONL,
    Parquet and JSON, JSON arrays in CSV, and joined by semicolons in GraphML and GEXF.
    """
    from populace.core.errors import SetupError
    from populace.personas.formats.exporting import ExportFormat, export_hub
    from populace.personas.formats.people import Extra
    from populace.personas.hub.file import open_hub

    wanted = ExportFormat(form) if form else None
    extras = [Extra(one) for one in dict.fromkeys(with_) if one != "duplicates"]
    to_stdout = str(file) == "-"
    if to_stdout and wanted is ExportFormat.PARQUET and sys.stdout.isatty():
        raise SetupError("Parquet is nothing that a terminal can show; give a file, or send it to a pipe.")
    with open_hub(hub_path) as hub:
        notice = authors_notice(hub)
        report = export_hub(
            hub,
            sys.stdout.buffer if to_stdout else file,
            format=wanted,
            select=select,
            duplicates="duplicates" in with_,
            extras=extras,
            notice=notice or None,
        )
        if to_stdout:
            sys.stdout.buffer.flush()
    facts: dict[str, object] = {
        "format": str(report.format),
        "people": report.people,
        "relations": report.relations,
        "relations in": report.relations_path,
        "relations left out": report.left_relations and f"{report.left_relations:,}: write a file of rows or a graph",
        "in several rows": report.several and f"{report.several:,} people, here as in the first; imports has all",
        "as JSON text": ", ".join(map(repr, report.as_json)),
        **dict(report.extras),
        "without a licence": report.unlicensed,
    }
    show_facts(facts.items(), "" if to_stdout else str(report.path), err=to_stdout)
    if notice:
        click.echo(notice, err=True)


@command("import")
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@click.option("--hub", "hub_path", required=True, type=_PATH, help="The hub; made when there is none.")
@click.option(
    "--map", "mapping", multiple=True, metavar="MEANING=COLUMN", help="Where text, language, source or licence stands."
)
@click.option(
    "--compose",
    metavar="TEMPLATE",
    help="Make descriptions of columns: 'A {age}-year-old [{job} ]in {city}'; [ ] only where no value is missing.",
)
@click.option("--source-name", help="What to call the source.  [default: the file's name]")
@click.option("--licence", metavar="SPDX", help="Licence of the source, where no column states it.")
@click.option("--revision", help="Revision of the source: a commit, a date.")
@click.option("--language", metavar="TAG", help="Language of the descriptions, where no column states it.")
@click.option("--max-length", type=int, help="Characters that a description may have.  [default: 20000]")
@click.option(
    "--personal",
    type=click.Choice(("keep", "pseudonymise", "drop", "ignore")),
    default="keep",
    show_default=True,
    help="Personal data: flagged, replaced in all columns, left out with their row, or not looked for.",
)
@click.option(
    "--quality/--no-quality",
    default=False,
    help="Judge the descriptions by the rules of quality.  [default: --no-quality]",
)
@key_option
@click.option("--strict", is_flag=True, help="Stop at the first row that cannot be imported.")
@shared_option
def import_(files: tuple[Path, ...], hub_path: Path, **options: Any) -> None:
    """Import personas from tables or graphs.

    Reads JSONL, CSV, TSV, Parquet, Arrow and JSON graph files, also compressed.
    Persona Hub's personas, task rows and elite personas, and Nemotron-Personas are recognised by their columns. In
    other tables the text is in the column text, persona, description, bio or biography, or in that of --map
    text=COLUMN; with --compose, rows without a text get one. All other columns are kept as attributes.

    Tables without a text column are described by --compose, or in English by known columns (age, sex, city, occupation
    ...), which also become profiles. Languages are detected if neither a column nor --language states them. Equal texts
    are one person, and gaps are filled: import a file again with --licence to add one.

    Personal data are found by patterns and context, so not all of them: contact details, numbers, full names. Quality
    rules are applied by `populace hub check`, or here if asked for.
    """
    from populace.personas.formats.importing import import_files
    from populace.personas.formats.options import ImportOptions, parse_mapping
    from populace.personas.hub.file import filled_hub
    from populace.personas.rules.personal import use_key

    wish = ImportOptions.given(
        mapping=parse_mapping(options["mapping"]),
        source=options["source_name"],
        **{name: options[name] for name in _PASSED_ON},
    )
    with filled_hub(hub_path) as hub, _show_progress() as progress:
        if options["key"]:
            use_key(hub_path, options["key"])
        for report in import_files(hub, files, wish, progress=progress):
            show_facts(_read_facts(report), str(report.path))
            if report.unlicensed:
                click.echo(
                    f"No licence is stated of {report.unlicensed:,} of these people; if you know it, import the file "
                    "again with --licence SPDX, or with --map licence=COLUMN.",
                    err=True,
                )
            if report.returned:
                click.echo(
                    f"{report.returned:,} people whom a check had removed or rewritten came again, as the file has "
                    f"them; judge them with: populace hub check {hub_path} (with the --personal that was used)"
                )


@contextmanager
def _show_progress() -> Iterator[Any]:
    """What shows on a terminal how far an import is."""
    if not sys.stderr.isatty():
        yield None
        return

    yield lambda path, rows: click.echo(f"\r{path.name}: {rows:,} rows", nl=False, err=True)
    click.echo("\r\x1b[K", nl=False, err=True)


def _read_facts(report: "FileReport") -> Iterator[tuple[str, object]]:
    """Yield what an import came to."""
    from populace.analysis.page import clip_text

    if report.already:
        yield "imported before", "in the same way: nothing was done"
    else:
        yield "read as", f"{report.columns.shape}: {report.columns}"
        yield "gone on behind row", report.resumed_at
        yield "rows", report.rows
        yield "new people", report.new
        yield "people already there", report.equal
        yield "composed, as", report.example and repr(clip_text(report.example, 120))
        yield "left out", "; ".join(map(str, report.skipped))
        yield "searched as", ", ".join(f"{column} ({kind})" for column, kind in report.kinds.items())
        yield from rule_facts(report.rule_results, report.changes)
    if ties := report.relations:
        yield "new relations", ties.new
        yield "relations already there", ties.equal
        yield "relations left out", "; ".join(map(str, ties.skipped))
        yield "not kept of relations", ", ".join(map(repr, ties.unread))
