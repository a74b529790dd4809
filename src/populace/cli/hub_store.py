"""`populace hub import`, `info`, `dedup`, `undo` and `merge`."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hub_export import export
from .hub_meaning import meaning_of, meaning_options
from .hub_people import changes_in_lines
from .options import shared_option

if TYPE_CHECKING:
    from populace.personas.formats.importing import FileReport
    from populace.personas.hub.file import HubFile
    from populace.personas.hub.verdicts import TurnedAway

__all__ = ["COMMANDS"]

_PASSED_ON = ("licence", "revision", "language", "compose", "max_length", "strict", "personal", "quality")
_PATH = click.Path(path_type=Path)
_SHAPES = ("personahub", "tasks", "elite", "nemotron", "populace", "table")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@click.option("--hub", "hub_path", required=True, type=_PATH, help="The hub; made when there is none.")
@click.option(
    "--map", "mapping", multiple=True, metavar="MEANING=COLUMN", help="Where text, language, source or licence stands."
)
@click.option("--format", "form", type=click.Choice(_SHAPES), help="Shape of the rows.  [default: by their columns]")
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
@click.option("--strict", is_flag=True, help="Stop at the first row that cannot be imported.")
@shared_option
def import_(files: tuple[Path, ...], hub_path: Path, **options: Any) -> None:
    """Import people from JSONL, CSV, TSV, Parquet, Arrow or JSON graph files, packed or not, or from a whole hub.

    Persona Hub's people, task rows and elite and Nemotron-Personas are known by their columns; of any other table say
    where the text stands: --map text=COLUMN. All other columns are kept as attributes.

    People who come as columns alone are described by --compose, or else in English by the columns that are known (age,
    sex, city, occupation, ...); what these columns state becomes their profiles. Languages are told where neither a
    column nor --language states them. A row that another file has brought already is kept once, and what was not known
    of it is filled in: import a file again with --licence.

    What `populace hub export` wrote is read back as it was, with the relations in the file beside it. A graph is JSON
    with nodes and links, as networkx writes it. A folder of --format hub becomes a new hub, equal to the one it is of.

    Personal data are found by patterns, so not all of it: contact details, numbers, full names. Rules of quality are
    for `populace hub check`, unless they are asked for here: what others have published is taken as it is.
    """
    from populace.personas.formats.hub_folder import import_hub_folder
    from populace.personas.formats.importing import import_files
    from populace.personas.formats.options import ImportWish, parse_mapping

    wish = ImportWish.given(
        mapping=parse_mapping(options["mapping"]),
        format=options["form"],
        source=options["source_name"],
        **{name: options[name] for name in _PASSED_ON},
    )
    if any(path.is_dir() for path in files):
        if len(files) > 1 or wish != ImportWish():
            raise click.UsageError("A folder is a whole hub; give it alone, and no option but --hub.")
        whole = import_hub_folder(files[0], hub_path)
        click.echo(f"{str(hub_path)!r} is equal to the hub of {whole.people:,} people that {str(files[0])!r} holds.")
        return
    with _filled(hub_path) as hub, _shown() as progress:
        for report in import_files(hub, files, wish, progress=progress):
            _say_imported(report)
            if report.unlicensed:
                _say_unlicensed(report)
            if report.returned:
                click.echo(
                    f"{report.returned:,} people whom a check had removed or rewritten came again, as the file has "
                    f"them; judge them with: populace hub check {hub_path} (with the --personal that was used)"
                )


@click.command("info")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def info(hub_path: Path, as_json: bool) -> None:
    """How many people there are, by whatever is known of them, and what the file takes; also while it is grown."""
    from populace.agents.procedural import PROCEDURAL_NOTICE
    from populace.analysis.table import visible
    from populace.sim.growing.watching import hub_in_numbers

    described = hub_in_numbers(hub_path)
    notice = PROCEDURAL_NOTICE if described.by_stand_in else None
    if as_json:
        import orjson

        click.echo(orjson.dumps(described.as_dict() | {"notice": notice}).decode())
        return
    click.echo(visible(str(hub_path)))
    for name, value in described.as_rows():
        click.echo(f"  {name:<14} {visible(value)}")
    if notice:
        click.echo(notice)


@click.command("dedup")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option("--threshold", type=click.FloatRange(0.5, 1.0), default=0.9, show_default=True, help="Least similarity.")
@click.option("--anew", is_flag=True, help="Withdraw standing verdicts first, as for another threshold.")
@meaning_options
@shared_option
def dedup(hub_path: Path, threshold: float, anew: bool, **options: Any) -> None:
    """Mark whoever nearly repeats an earlier person; nobody is deleted, and `populace hub undo` takes it back.

    The first to arrive stays. Verdicts that stand are kept, so another threshold calls for --anew; what was undone
    stays undone. With an embedding model, whom the words left are compared by meaning too.
    """
    from populace.personas.hub.dedup import dedup_hub
    from populace.personas.hub.file import open_hub
    from populace.personas.hub.info import describe_hub

    by_meaning = meaning_of(options)
    with open_hub(hub_path, write=True) as hub:
        report = dedup_hub(hub, threshold=threshold, anew=anew)
    click.echo(
        f"{report.marked:,} of {report.judged:,} people were marked as near-duplicates at {threshold:g}; "
        f"{report.stood:,} were marked before{' and judged anew' if anew else ''}, "
        f"and {report.undone:,} verdicts are undone."
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
@click.option("--rule", metavar="RULE", help="Whom this rule turned away, and the descriptions it rewrote.")
@click.option("--redo", is_flag=True, help="Let the verdicts hold again instead.")
def undo(hub_path: Path, redo: bool, **given: Any) -> None:
    """Undo verdicts of near-duplicate detection or of a rule: whom they left out is a person like all others again.

    A description that a rule rewrote is as it was again, with all that is tied to it, unless it was not kept. Whom an
    undone verdict or ruling concerns is compared with the others again, where near-duplicates were looked for.
    """
    from populace.personas.hub.file import open_hub
    from populace.personas.hub.verdicts import turned_away, undo_pair, undo_persona, undo_rule, undo_stage

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
        stand = turned_away(hub, value) if name == "rule" else None
    click.echo(_undone("verdict" if stand is None else "ruling", changed, redo=redo))
    if stand is not None:
        for sentence in _standing(value, stand, redo=redo):
            click.echo(sentence)


@click.command("merge")
@click.argument("hubs", nargs=-1, required=True, type=_PATH, metavar="HUB HUB...")
@click.option("--out", required=True, type=_PATH, help="The new hub.")
@shared_option
def merge(hubs: tuple[Path, ...], out: Path) -> None:
    """Unite hubs in a new one: equal texts are one person, and all that is known of them stays."""
    from populace.personas.hub.merge import merge_hubs

    report = merge_hubs(hubs, out)
    vectors = f" and {report.vectors:,} vectors" if report.vectors else ""
    click.echo(
        f"{sum(report.people):,} people of {len(hubs)} hubs are {report.personas:,} in {str(out)!r}, for "
        f"{report.equal:,} texts were met again. With them came {report.relations:,} relations and "
        f"{report.verdicts:,} verdicts{vectors}."
    )
    for path, name, new in report.renamed:
        click.echo(f"The selection {name} of {str(path)!r} is called {new} here, for the name was taken.")
    if report.dangling:
        click.echo(f"{report.dangling:,} relations stayed behind, for they name somebody who is in none of the hubs.")
    if report.left_out:
        left_out = ", ".join(f"{what} {rows:,}" for what, rows in report.left_out)
        click.echo(f"Not taken over, by rows: {left_out}.")
    if report.returned:
        click.echo(
            f"{report.returned:,} people whom a check had removed or rewritten in one of the hubs came again from "
            f"another; judge them with: populace hub check {out}"
        )
    click.echo(f"Whoever is nearly equal across them is found by: populace hub dedup {out}")


COMMANDS = (import_, export, info, dedup, undo, merge)


@contextmanager
def _filled(path: Path) -> Iterator["HubFile"]:
    """The hub to import into; one that was made for it and stays empty is taken away again."""
    from populace.personas.database import is_made
    from populace.personas.files import remove_database
    from populace.personas.hub.file import create_hub, open_hub

    made = not is_made(path)
    empty = False
    try:
        with create_hub(path) if made else open_hub(path, write=True) as hub:
            try:
                yield hub
            finally:
                empty = not hub.con.execute("SELECT 1 FROM personas LIMIT 1").fetchall()
    finally:
        if made and empty:
            remove_database(path)


@contextmanager
def _shown() -> Iterator[Any]:
    """What shows on a terminal how far an import is."""
    if not sys.stderr.isatty():
        yield None
        return

    yield lambda path, rows: click.echo(f"\r{path.name}: {rows:,} rows", nl=False, err=True)
    click.echo("\r\x1b[K", nl=False, err=True)


def _undone(what: str, changed: int, *, redo: bool) -> str:
    if not changed:
        return f"All of these {what}s {'stand' if redo else 'are undone'} already."
    if changed == 1:
        return f"1 {what} {'stands again' if redo else 'is undone'}."
    return f"{changed:,} {what}s {'stand again' if redo else 'are undone'}."


def _standing(rule: str, stand: "TurnedAway", *, redo: bool) -> Iterator[str]:
    said = f"Of {stand.people:,} people whom {rule} has turned away, "
    if redo:
        if stand.people:
            yield f"{said}{stand.ruled:,} are turned away now."
        if stand.rewritten:
            yield f"{stand.rewritten:,} descriptions are rewritten by {rule} now."
        return
    ruled = f"; {stand.ruled:,} remain turned away by {' and '.join(stand.others)}" if stand.ruled else ""
    doubles = f"; {stand.duplicates:,} are marked as near-duplicates" if stand.duplicates else ""
    gone = f" Beside them {stand.gone:,} cannot come back, for their descriptions were not kept." if stand.gone else ""
    if stand.people or gone:
        yield f"{said}{stand.standing:,} stand again{ruled}{doubles}.{gone}"
    if stand.restored:
        yield f"{stand.restored:,} descriptions that {rule} rewrote are as they were."
    if stand.unkept:
        yield f"{stand.unkept:,} descriptions stay rewritten, for they were not kept as they were."


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
    if report.repeated:
        click.echo(f"{report.repeated:,} of the rows had come from another file already; they are kept once.")
    for skip in report.skipped:
        click.echo(visible(f"Left out: {skip}."))
    if report.kinds:
        click.echo(visible(f"For personal data its columns are taken as {_taken(report.kinds)}."))
    said = ", ".join(
        f"{rule} {outcome.replace('_', ' ')} {n:,}" for (rule, outcome), n in sorted(report.rulings.items())
    )
    if said:
        click.echo(f"Judged: {said}; each is a row in rulings. Patterns do not find everything.")
    for line in changes_in_lines(report.changes):
        click.echo(line)


def _taken(kinds: Mapping[str, str]) -> str:
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
    where = "" if ties.path == report.path else f" from {ties.path}"
    click.echo(visible(f"{ties.new:,} relations{where}, and {ties.equal:,} that were there already."))
    for skip in ties.skipped:
        click.echo(visible(f"Relations left out: {skip}."))
    if ties.unread:
        click.echo(visible(f"Not kept of relations, which have no place for it: {', '.join(map(repr, ties.unread))}."))
