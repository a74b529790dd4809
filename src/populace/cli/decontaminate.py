"""`populace decontaminate`: outputs that share text with benchmarks are found and rejected."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .diversity import check_estimated, fetch_vectors, show_result, vector_options
from .show import authors_notice

if TYPE_CHECKING:
    from populace.analysis.contamination import Contamination

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option(
    "--against", type=_PATH, multiple=True, metavar="FILE", help="A benchmark to compare with; may be given again."
)
@click.option("--column", multiple=True, metavar="NAME", help="A column of FILE to read; may be given again.")
@click.option("--ngram", type=int, default=13, show_default=True, help="Words in a row that count.")
@click.option("--preview", is_flag=True, help="Only show what overlaps; nothing is rejected.")
@click.option("--undo", is_flag=True, help="Take back what this command has rejected.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@vector_options
@click.option(
    "--cosine",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.9,
    show_default=True,
    help="Least cosine of two texts that mean the same, with --embeddings.",
)
def decontaminate(
    run_path: Path,
    against: tuple[Path, ...],
    column: tuple[str, ...],
    ngram: int,
    preview: bool,
    undo: bool,
    as_json: bool,
    cosine: float,
    **options: Any,
) -> None:
    """Reject outputs that share text with benchmarks.

    FILE is JSONL, CSV, Parquet, plain text (one text per line), a folder of these, a run file or a hub. Columns with
    the usual names (problem, question, solution, messages ...) are compared unless --column names others. Problems,
    solutions and responses of RUN are all checked.

    Two texts overlap if they share 13 consecutive words (--ngram), or 8 if one of them is shorter than 13; texts below
    8 words must be equal. N-grams in more than 10 benchmark texts are ignored. With --embeddings, texts that mean the
    same count too.

    Each verdict is a row of `checks` with file, row and words. The output stays in the file, and the view `outputs`
    lists it as rejected. --undo takes the verdicts back.
    """
    from populace.analysis.contamination import (
        CHECK,
        describe_contamination,
        find_contaminated,
        find_same_meaning,
        texts_of,
    )
    from populace.personas.errors import SetupError
    from populace.personas.formats.foreign import ForeignTexts
    from populace.sim.runfile.reader import open_made
    from populace.sim.tasks.checking import record_verdicts, undo_verdicts

    if undo:
        if against:
            raise click.UsageError("--undo takes back every verdict, so it takes no --against; leave one of them out.")
        with open_made(run_path):
            pass  # what is no run file is said first
        click.echo(f"{undo_verdicts(run_path, CHECK):,} verdicts were taken back.")
        return
    if not against:
        raise click.UsageError("Name the benchmark with --against FILE.")
    check_estimated(options)
    for file in against:
        if file.resolve() == run_path.resolve():
            raise SetupError(f"{str(file)!r} is the run itself, of which every output is a part; name another file.")
    foreign = ForeignTexts(against, columns=column)
    with open_made(run_path) as run:
        found = find_contaminated(run, foreign, ngram=ngram)
        notice = authors_notice(run)
        texts = list(texts_of(run, foreign)) if options["embeddings"] else []
    if options["embeddings"]:
        if not fetch_vectors(run_path, texts, options):
            return
        with open_made(run_path) as run:
            near = list(find_same_meaning(run, foreign, options["embeddings"], threshold=cosine))
        found = found.with_meaning(options["embeddings"], near)
    show_result(found, describe_contamination(found), as_json=as_json)
    if not preview:
        spec = {"against": found.files, "columns": column, "ngram": ngram, "embeddings": found.embeddings}
        spec |= {"cosine": cosine if found.embeddings else None, "outputs": found.outputs, "texts": found.foreign}
        record_verdicts(run_path, CHECK, spec, ((one.emission, one.reason, one.score) for one in found.overlaps))
    _say(found, run_path, is_kept=not preview, to_stderr=as_json)
    if notice:
        click.echo(notice, err=True)


def _say(found: "Contamination", run: Path, *, is_kept: bool, to_stderr: bool) -> None:
    from shlex import quote

    many = len(found.overlaps)
    became = f" and {'is' if many == 1 else 'are'} rejected" if is_kept and many else ""
    click.echo(
        f"{many:,} of {found.outputs:,} outputs overlap with one of {found.foreign:,} texts{became}.", err=to_stderr
    )
    for file, reasons in found.skipped.items():
        click.echo(f"Of {file} these rows could not be read: {reasons}.", err=to_stderr)
    if is_kept and many:
        click.echo(f"To take that back: `populace decontaminate {quote(str(run))} --undo`.", err=to_stderr)
