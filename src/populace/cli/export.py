"""`populace export`: the outputs of runs as data sets."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .guard import option
from .options import key_option, shared_option
from .specs import Command, command

if TYPE_CHECKING:
    from populace.analysis.export import DatasetOptions, DatasetReport
    from populace.analysis.export.options import SplitReport


_FORMATS = (
    *("parquet", "jsonl", "csv", "huggingface", "openai", "sharegpt", "alpaca", "dpo", "tools"),
    *("npc-json", "ink", "yarn"),
)
#: Those of one run's characters, which are no rows.
_CHARACTERS = frozenset({"npc-json", "ink", "yarn"})
#: A share that is further than this from what was asked for is explained.
_NOTEWORTHY = 0.05
_PATH = click.Path(path_type=Path)
_ACCEPTED = """
SELECT count(*), count(*) FILTER (emission IN (SELECT emission FROM held_out)) FROM outputs WHERE status = 'accepted'
"""


def _side_options(prefix: str = "") -> Callable[[Command], Command]:
    """Options that say what stays on one side of a split; their names begin with `prefix`."""
    by = click.option(
        f"--{prefix}by",
        type=click.Choice(("persona", "lineage", "cluster")),
        default="lineage",
        show_default=True,
        help="What stays on one side, with what nearly repeats it: a persona's rows, its lineage's, or nothing else.",
    )
    similarity = click.option(
        f"--{prefix}similarity",
        type=click.FloatRange(0.5, 1),
        default=0.5,
        show_default=True,
        help="Texts that share so many of their words stay on one side.",
    )
    seed = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the split.")
    return lambda command: by(similarity(seed(command)))


@command()
@click.argument("paths", nargs=-1, required=True, type=_PATH, metavar="RUN... FILE|FOLDER")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="What to write.  [default: by the ending of FILE; huggingface for a FOLDER]",
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only outputs of this kind; may be given again.")
@click.option(
    "--columns",
    metavar="NAME,...",
    help="Columns beside those of the format: text, kind, payload, persona_text, step, reasoning, or any field of "
    "the outputs.",
)
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="PART=FIELD",
    help="prompt=FIELD, response=FIELD: fields of the outputs that make a training row.",
)
@click.option("--all", "rejected", is_flag=True, help="Rejected outputs too, with status, stage and reason.")
@click.option(
    "--split", "train", type=float, metavar="SHARE", help="Divide into train and test rows; the share of train."
)
@_side_options("split-")
@click.option(
    "--held-out",
    type=click.Choice(("exclude", "only", "include")),
    default="exclude",
    show_default=True,
    help="What `populace data split` holds out for measuring: left out, alone, or with the rest.",
)
@click.option("--preview", type=click.IntRange(1), metavar="N", help="Show the first N rows, and write nothing.")
@click.option(
    "--persona",
    type=click.Choice(("out", "in", "system")),
    default="out",
    show_default=True,
    help="The persona's description in training rows: nowhere, before the prompt, or as system message.",
)
@click.option("--system", metavar="TEXT", help="System message of training rows.")
@click.option(
    "--personal",
    type=click.Choice(("flag", "drop", "redact")),
    default="flag",
    show_default=True,
    help="Outputs with personal data: flagged in a column, left out, or with the data replaced.",
)
@key_option
@click.option("--licence", metavar="SPDX", help="The licence of sources that state none, when they are yours to give.")
@shared_option
def export(paths: tuple[Path, ...], **options: Any) -> None:
    """Write accepted outputs as a dataset or game files.

    FILE is JSONL, CSV or Parquet by its ending, optionally compressed (.jsonl.gz). A name without an ending is a folder
    with README.md and data/*.parquet, which `datasets.load_dataset` reads. Each export has a dataset card with counts,
    yields, models and licences.

    Every row is marked as synthetic and names its persona and lineage, model, prompt, sampling, seed and licence (the
    strictest of its sources; unknown if one states none).

    openai, sharegpt and alpaca need an answer: outputs with the field messages, or with a response to their prompt or
    text; --map names other fields. dpo needs preferences; tools needs messages and tools. npc-json, ink and yarn write
    the characters of one npc run for a game, without a card.
    """
    from populace.analysis.export import export_outputs, preview_outputs
    from populace.analysis.export.shapes import DatasetFormat
    from populace.core.errors import name_parameters
    from populace.personas.rules.personal import use_key

    named = partial(option, train="--split", by="--split-by", similarity="--split-similarity")
    click.get_current_context().with_resource(name_parameters(named))
    if options["form"] in _CHARACTERS:
        _export_characters(paths, options)
        return
    runs, path = _runs_and_path(paths, options)
    asked = _options_of(options)
    if options["key"]:
        use_key(runs[0], options["key"])
    if options["preview"]:
        _show_rows(preview_outputs(runs, asked.format or DatasetFormat.JSONL, options["preview"], asked))
        return
    report = export_outputs(runs, path, asked)
    _say_exported(report, asked)


def _export_characters(paths: tuple[Path, ...], options: dict[str, Any]) -> None:
    from populace.analysis.export.characters import export_characters
    from populace.sim.runfile.reader import open_made

    from .show import authors_notice

    if len(paths) != 2 or options["preview"]:
        raise click.UsageError(f"--format {options['form']} writes the characters of one run: give RUN and FILE.")
    run, path = paths
    number, dropped = export_characters(run, path, options["form"])
    click.echo(f"{number:,} character{'s' * (number != 1)} are in {str(path)!r} as {options['form']}.")
    if dropped:
        click.echo(f"Left out: {dropped:,} hook{'s' * (dropped != 1)} to people without an accepted sheet.")
    with open_made(run) as file:
        if notice := authors_notice(file):
            click.echo(notice, err=True)


def _runs_and_path(paths: tuple[Path, ...], options: dict[str, Any]) -> tuple[tuple[Path, ...], Path]:
    if options["preview"]:
        there = tuple(path for path in paths if path.exists())
        return there or paths, paths[-1]
    if len(paths) < 2:
        raise click.UsageError(f"Give the file or folder to write behind {str(paths[0])!r}, or --preview 10.")
    return paths[:-1], paths[-1]


def _options_of(options: dict[str, Any]) -> "DatasetOptions":
    from populace.analysis.export import DatasetFormat, DatasetOptions, PersonalPolicy, Split, SplitBy

    mapping = {}
    for given in options["mapping"]:
        part, mark, name = given.partition("=")
        if not mark or not name:
            raise click.UsageError(f"--map {given!r} names no field; write it as response=FIELD.")
        mapping[part] = name
    columns = options["columns"]
    names = None if columns is None else tuple(name.strip() for name in columns.split(",") if name.strip())
    split = (
        Split(options["train"], SplitBy(options["split_by"]), options["seed"], options["split_similarity"])
        if options["train"] is not None
        else None
    )
    passed_on = ("kinds", "rejected", "persona", "system", "licence")
    as_given = {name: options[name] for name in (*passed_on, "held_out")}
    return DatasetOptions(
        format=DatasetFormat(options["form"]) if options["form"] else None,
        columns=names,
        mapping=mapping,
        personal=PersonalPolicy(options["personal"]),
        split=split,
        **as_given,
    )


def _show_rows(rows: list[dict[str, Any]]) -> None:
    import orjson

    from populace.analysis.table import make_visible

    for number, row in enumerate(rows, 1):
        click.echo(f"row {number}")
        for name, value in row.items():
            if value is not None and value != []:
                shown = value if isinstance(value, str) else orjson.dumps(value).decode()
                click.echo(make_visible(f"  {name}: {' '.join(shown.split())}"))


def _say_exported(report: "DatasetReport", asked_for: "DatasetOptions") -> None:
    from populace.analysis.table import make_visible
    from populace.core.model import PROCEDURAL_NOTICE

    tally = report.tally
    click.echo(f"{report.rows:,} rows by {tally.personas:,} personas are in {str(report.path)!r} as {report.format}.")
    sides = tally.by("side")
    if len(sides) > 1:
        said = ", ".join(f"{n:,} {side} ({n / tally.rows:.1%})" for (side,), n in sides.items())
        click.echo(f"Divided into {said}.")
    if asked_for.split and report.split:
        _say_uneven(report.split, sides.get(("test",), 0) / tally.rows, asked_for.split.train)
    if report.split and report.split.moved:
        click.echo(
            f"{report.split.moved:,} outputs were moved to the test side, because they are similar to one there."
        )
    held_out = [("being held out to measure models on", report.held_out)] if report.held_out else []
    for reason, number in [*held_out, *tally.left_out.most_common()]:
        click.echo(f"Left out: {number:,} for {reason}.")
    for kind, number in report.without.items():
        click.echo(make_visible(f"Left out: {number:,} of the kind {kind}, which {report.format} has no place for."))
    licences = ", ".join(f"{licence} {n:,}" for (licence,), n in tally.by("licence").items())
    mixed = "; this export mixes licences, and the strictest binds the whole" if len(tally.by("licence")) > 1 else ""
    click.echo(make_visible(f"Licences: {licences}{mixed}."))
    if tally.personal_rows:
        rows = f"{tally.personal_rows:,} row{'s' * (tally.personal_rows != 1)}"
        click.echo(f"Personal data were found in {rows}; patterns do not find everything.")
    click.echo(f"The card is in {str(report.card)!r}.")
    if any(is_so for (is_so,) in tally.by("procedural")):
        click.echo(PROCEDURAL_NOTICE, err=True)


def _say_uneven(found: "SplitReport", test: float, train: float) -> None:
    """Say why the share of test rows is not what was asked for, where it is far from it."""
    if abs(test - (1 - train)) > _NOTEWORTHY:
        click.echo(
            f"That is not the {train:.0%} that was asked for: of {found.groups:,} groups that stay together the "
            f"largest has {found.largest:,} outputs."
        )


@command()
@click.argument("run", type=_PATH)
@click.option("--train", type=float, metavar="SHARE", help="The share that stays for training, as 0.9.")
@_side_options()
@click.option("--undo", is_flag=True, help="Hold out nothing any longer.")
def split(run: Path, train: float | None, by: str, similarity: float, seed: int, undo: bool) -> None:
    """Hold out part of a run to measure models on.

    Near-duplicates and outputs of one lineage stay on one side. Exports leave out held-out rows, and
    `populace data evaluate RUN --held-out` measures on them. The split is stored in `held_out`; running the command
    again divides the run anew.
    """
    from shlex import quote

    from populace.analysis.export import Split, SplitBy, find_held_out
    from populace.sim.runfile.reader import open_run
    from populace.sim.runfile.rows import HeldOutRow
    from populace.sim.tasks.outputs import record_rows

    if (train is None) is not undo:
        raise click.UsageError("Give either the share that stays for training, as --train 0.9, or --undo.")
    spec: dict[str, Any] = {"check": "", "held_out": None}
    if train is None:
        with open_run(run):
            pass  # what is no run file is said first
        record_rows(run, spec, lambda _: [], replaces="held_out")
        click.echo(f"{str(run)!r} holds out nothing for measuring now.")
        return
    found, report = find_held_out(run, Split(train, SplitBy(by), seed, similarity))
    spec["held_out"] = {"train": train, "by": by, "seed": seed, "similarity": similarity}
    record_rows(run, spec, lambda number: [HeldOutRow(emission, number) for emission in found], replaces="held_out")
    with open_run(run) as stored:
        ((accepted, held),) = stored.query(_ACCEPTED).rows
    share = f"{held / accepted:.1%}" if accepted else "none"
    click.echo(f"{held:,} of {accepted:,} accepted outputs ({share}) are held out for measuring.")
    _say_uneven(report, report.test / (report.test + report.train), train)
    click.echo(f"Next: `populace data evaluate {quote(str(run))} --held-out --solver MODEL`; exports leave them out.")
