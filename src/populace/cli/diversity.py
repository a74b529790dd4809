"""`populace data diversity`, `coverage`, `yield` and `decontaminate`."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

import click

from .jobs import fetch_errors, fetching_options, say_fetched
from .options import meaning_options, shared_option
from .show import authors_notice, show_result
from .specs import command

_PATH = click.Path(path_type=Path)


def fetch_vectors(run: Path, texts: list[str], options: Mapping[str, Any]) -> None:
    """Give these texts vectors in the run file, by the embedding model of the options, and say what it took."""
    from populace.sim.embedding import fetch_text_vectors

    model, url = options["embeddings"], options["embeddings_url"]
    with fetch_errors(run):
        fetched = fetch_text_vectors(run, model, texts, base_url=url, **fetching_options(options))
    say_fetched(run, fetched, err=True)


@command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option("--n", type=int, default=2_000, show_default=True, help="Accepted outputs that are measured.")
@click.option("--seed", type=int, default=0, show_default=True, help="They, and pairs of personas, are drawn by it.")
@click.option("--kind", help="Only outputs of this kind.  [default: of all kinds]")
@click.option("--pairs", type=click.IntRange(min=1), default=100, show_default=True, help="Pairs at each similarity.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@meaning_options
@shared_option
def diversity(
    run_path: Path,
    n: int,
    seed: int,
    kind: str | None,
    pairs: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure how different the accepted outputs are.

    By words: distinct-n, compression ratio, similarity to the nearest other output, clusters, and the share
    of new texts in the latest 500. With --embeddings also the Vendi score, nearest outputs and clusters by meaning, and
    the similarity study of the Persona Hub paper (Figure 10): pairs of personas that are .4, .6, .8 and .9 similar, and
    how similar their outputs are, beside the paper's numbers. For vectors as in the paper, use
    openai:text-embedding-3-small@512 and make the run with --temperature 0.

    Vectors are fetched by a job in RUN, stored there, and used from then on without --embeddings. `populace resume`
    continues a job that was stopped; no vector is paid for twice.
    """
    from populace.analysis.diversity.similarity import measure_diversity, read_sample
    from populace.sim.runfile.reader import open_made

    if options["embeddings"] is not None:
        with open_made(run_path) as run:
            texts = read_sample(run, n=n, seed=seed, kind=kind).embeddable
        fetch_vectors(run_path, texts, options)
    with open_made(run_path) as run:
        found = measure_diversity(run, n=n, seed=seed, kind=kind, embeddings=options["embeddings"], pairs=pairs)
    show_result(found, as_json=as_json)


@command("yield")
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@shared_option
def yield_(run_path: Path, as_json: bool) -> None:
    """Show the yield by stage, and why rows were rejected.

    Stages are turns, answers, outputs, checks, near-duplicates and accepted outputs. A second table has calls and
    cost by purpose and model role, with accepted outputs per dollar and per 1,000 tokens. Unknown prices and tokens
    are shown as unknown. Works on a run in progress.
    """
    from populace.analysis.funnel import read_funnel
    from populace.sim.runfile.reader import open_made

    with open_made(run_path) as run:
        found = read_funnel(run)
    show_result(found, as_json=as_json)


@command()
@click.argument("run_path", type=_PATH, metavar="FILE")
@click.option("--topics", type=_PATH, metavar="FILE", help="The taxonomy.  [default: a small one that ships]")
@click.option("--kind", help="Only outputs of this kind.  [default: of all kinds]")
@click.option("--seeds", type=_PATH, metavar="FILE", help="Write texts for `populace grow`, one a topic not reached.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@meaning_options
@click.option(
    "--cosine",
    type=click.FloatRange(0, 1, min_open=True),
    help="Least cosine of topic and output.  [default: that of 1 % of texts of shuffled words]",
)
@click.option("--n", type=click.IntRange(1, 20_000), default=2_000, show_default=True, help="Texts looked at, at most.")
@shared_option
def coverage(
    run_path: Path,
    topics: Path | None,
    kind: str | None,
    seeds: Path | None,
    as_json: bool,
    cosine: float | None,
    n: int,
    **options: Any,
) -> None:
    """Find the topics that outputs or personas reach or miss.

    The taxonomy is nested JSON or TOML, or a text file with a path per line (Food / Baking: bread, oven).
    A topic counts as reached if more texts are near it than chance explains. For each missed topic the nearest
    personas are named, and --seeds writes texts that `populace grow` turns into personas who know it.
    """
    from populace.analysis.coverage import (
        cover_by_meaning,
        find_gaps,
        read_covered,
        read_topics,
        texts_to_embed,
        write_seeds,
    )
    from populace.sim.runfile.reader import open_hub_or_run

    known, model = read_topics(topics), options["embeddings"]
    if model is None:
        raise click.UsageError(
            "Topics are found by meaning, so an embedding model is needed; add --embeddings wordllama (small, on this "
            "machine; pip install 'populace[wordllama]') or another one, as openai:NAME."
        )
    with open_hub_or_run(run_path) as file:
        notice = authors_notice(file)
        sample = read_covered(file, n=n, kind=kind)
    fetch_vectors(run_path, texts_to_embed(known, sample), options)
    with open_hub_or_run(run_path) as file:
        found = cover_by_meaning(file, known, sample, model, threshold=cosine)
    show_result(found, as_json=as_json)
    if seeds is not None:
        written = write_seeds(find_gaps(found, known), seeds)
        way = f"`populace grow {quote(str(seeds))}`"
        click.echo(f"Wrote {written} texts to {seeds}; grow people from them: {way}.", err=as_json)
    if notice:
        click.echo(notice, err=True)


@command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option(
    "--against", type=_PATH, multiple=True, metavar="FILE", help="A benchmark to compare with; may be given again."
)
@click.option("--column", multiple=True, metavar="NAME", help="A column of FILE to read; may be given again.")
@click.option("--ngram", type=int, default=13, show_default=True, help="Words in a row that count.")
@click.option("--preview", is_flag=True, help="Only show what overlaps; nothing is rejected.")
@click.option("--undo", is_flag=True, help="Take back what this command has rejected.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@meaning_options
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
    from populace.personas.formats.foreign import ForeignTexts
    from populace.sim.runfile.reader import open_made
    from populace.sim.tasks.outputs import record_verdicts

    if undo:
        _undo_verdicts(run_path, against)
        return
    _check_benchmarks(run_path, against)
    foreign = ForeignTexts(against, columns=column)
    with open_made(run_path) as run:
        found = find_contaminated(run, foreign, ngram=ngram)
        notice = authors_notice(run)
        texts = list(texts_of(run, foreign)) if options["embeddings"] else []
    if options["embeddings"]:
        fetch_vectors(run_path, texts, options)
        with open_made(run_path) as run:
            near = list(find_same_meaning(run, foreign, options["embeddings"], threshold=cosine))
        found = found.with_meaning(options["embeddings"], near)
    show_result(describe_contamination(found), as_json=as_json)
    if not preview:
        spec = {"against": found.files, "columns": column, "ngram": ngram, "embeddings": found.embeddings}
        spec |= {"cosine": cosine if found.embeddings else None, "outputs": found.outputs, "texts": found.foreign}
        record_verdicts(run_path, CHECK, spec, ((one.emission, one.reason, one.score) for one in found.overlaps))
    if not preview and found.overlaps:
        way = f"`populace data decontaminate {quote(str(run_path))} --undo`"
        click.echo(f"{len(found.overlaps):,} outputs are rejected. To take that back: {way}.", err=as_json)
    if notice:
        click.echo(notice, err=True)


def _undo_verdicts(run_path: Path, against: tuple[Path, ...]) -> None:
    from populace.analysis.contamination import CHECK
    from populace.sim.runfile.reader import open_made
    from populace.sim.tasks.outputs import undo_verdicts

    if against:
        raise click.UsageError("--undo takes back every verdict, so it takes no --against; leave one of them out.")
    with open_made(run_path):
        pass  # what is no run file is said first
    click.echo(f"{undo_verdicts(run_path, CHECK):,} verdicts were taken back.")


def _check_benchmarks(run_path: Path, against: tuple[Path, ...]) -> None:
    from populace.core.errors import SetupError

    if not against:
        raise click.UsageError("Name the benchmark with --against FILE.")
    for file in against:
        if file.resolve() == run_path.resolve():
            raise SetupError(f"{str(file)!r} is the run itself, of which every output is a part; name another file.")
