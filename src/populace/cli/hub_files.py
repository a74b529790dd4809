"""`populace hub import` and `populace hub export`: people from files and to files."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hub_people import changes_in_lines
from .options import key_option, shared_option
from .show import authors_notice
from .specs import command

if TYPE_CHECKING:
    from populace.personas.formats.exporting import ExportReport
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
    _say_exported(report, to_stdout=to_stdout)
    if notice:
        click.echo(notice, err=True)


def _say_exported(report: "ExportReport", *, to_stdout: bool) -> None:
    say = partial(click.echo, err=to_stdout)
    within = report.relations is not None and report.relations_path is None
    ties = f" and {report.relations:,} relations" if within else ""
    where = "were written" if to_stdout else f"are in {str(report.path)!r}"
    say(f"{report.people:,} people{ties} {where} as {report.format}.")
    if report.relations_path:
        say(f"{report.relations:,} relations are in {str(report.relations_path)!r}.")
    if report.left_relations:
        say(f"{report.left_relations:,} relations are not in it; write a file of rows or a graph for them.")
    if report.several:
        say(
            f"{report.several:,} people were imported in several rows that differ, and stand here as in the first; "
            "the table imports has all."
        )
    if report.as_json:
        say(f"JSON text, for their values are nested or of several types: {', '.join(map(repr, report.as_json))}.")
    if report.extras:
        say(f"With them: {', '.join(f'{number:,} {extra}' for extra, number in report.extras)}.")
    without = f"; {report.unlicensed:,} came without one" if report.unlicensed else ""
    say(f"Their licences stand with each of them, under licence{without}.")


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
            _say_imported(report)
            if report.unlicensed:
                _say_unlicensed(report)
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


def _shown_example(text: str) -> str:
    from populace.analysis.page import clip

    return repr(clip(text, 120))


def _say_unlicensed(report: "FileReport") -> None:
    click.echo(
        f"No licence is stated of {report.unlicensed:,} of these people; if you know it, import the file again with "
        "--licence SPDX, or with --map licence=COLUMN.",
        err=True,
    )


def _say_imported(report: "FileReport") -> None:
    from populace.analysis.table import visible

    name = str(report.path)
    if report.already:
        if report.relations is None or not report.relations.new:
            click.echo(visible(f"{name} was imported before, in the same way: nothing was done."))
            return
        click.echo(visible(f"{name} was imported before, in the same way."))
        _say_related(report)
        return
    went_on = f", gone on behind line or row {report.resumed_at:,}" if report.resumed_at else ""
    click.echo(visible(f"{name} is read as {report.columns.shape}: {report.columns}{went_on}."))
    click.echo(f"{report.rows:,} rows: {report.new:,} new people, and {report.equal:,} whose text was there already.")
    _say_related(report)
    if report.example is not None:
        click.echo(visible(f"Descriptions were composed, as {_shown_example(report.example)}."))
        click.echo("What columns state of people beyond doubt is in their profiles.")
        if report.equal:
            click.echo(f"{report.equal:,} rows have the description of an earlier one and are the same person there.")
    for skip in report.skipped:
        click.echo(visible(f"Left out: {skip}."))
    if report.kinds:
        click.echo(visible(f"For personal data its columns are taken as {_describe_kinds(report.kinds)}."))
    said = ", ".join(
        f"{rule} {outcome.replace('_', ' ')} {n:,}" for (rule, outcome), n in sorted(report.rule_results.items())
    )
    if said:
        click.echo(f"Judged: {said}; each is a row in rule_results. Patterns do not find everything.")
    for line in changes_in_lines(report.changes):
        click.echo(line)


def _describe_kinds(kinds: Mapping[str, str]) -> str:
    """What columns are taken for, by kind."""
    columns: dict[str, list[str]] = {}
    for column, kind in kinds.items():
        columns.setdefault(str(kind), []).append(column)
    most = {
        kind: named if len(named) <= 8 else [*named[:8], f"{len(named) - 8} more"] for kind, named in columns.items()
    }
    return "; ".join(f"{kind}: {', '.join(named)}" for kind, named in most.items())


def _say_related(report: "FileReport") -> None:
    from populace.analysis.table import visible

    if (ties := report.relations) is None:
        return
    click.echo(f"{ties.new:,} relations, and {ties.equal:,} that were there already.")
    for skip in ties.skipped:
        click.echo(visible(f"Relations left out: {skip}."))
    if ties.unread:
        click.echo(visible(f"Not kept of relations, which have no place for it: {', '.join(map(repr, ties.unread))}."))
