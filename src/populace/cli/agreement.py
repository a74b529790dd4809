"""`populace agreement` and `prefer`: how far graders agree, with each other and with people, and what they prefer."""

from pathlib import Path
from typing import Any

import click

from .diversity import show_result

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option("--labels", type=_PATH, metavar="FILE", help="Labels by people: JSONL or CSV, see below.")
@click.option("--seed", type=int, default=0, show_default=True, help="Intervals are drawn by it.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def agreement(run_path: Path, labels: Path | None, seed: int, as_json: bool) -> None:
    """Measure how far graders agree with each other and people.

    Krippendorff's alpha by criterion and pair of graders, for the latest grading of RUN. With --labels also accuracy,
    weighted kappa, rank correlation, a confusion table and a suggested threshold. The labels file has one row per
    output: `emission` (its number) or `text`, a label per criterion, and `accepted` (yes or no) for the threshold. No
    model is asked.
    """
    from populace.analysis.agreement import describe_agreement, measure_agreement, read_graded
    from populace.analysis.calibration import calibrate, describe_calibration, notes_on_calibration, read_labels
    from populace.sim.runfile.reader import open_made

    human = None if labels is None else read_labels(labels)
    with open_made(run_path) as run:
        graded = read_graded(run)
        found = measure_agreement(graded, seed=seed)
        told = None if human is None else calibrate(run, graded, human, file=str(labels), seed=seed)
    if as_json:
        _show_json({"agreement": found, "calibration": told})
    else:
        show_result(found[0], [describe_agreement(found)], as_json=False)
    if told is not None:
        if not as_json:
            show_result(told, describe_calibration(told), as_json=False)
        for note in notes_on_calibration(told):
            click.echo(note, err=as_json)


def _show_json(found: Any) -> None:
    import orjson

    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_DATACLASS).decode())


@click.command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option(
    "--by",
    type=click.Choice(["grades", "comparisons", "agreement"]),
    help="What says which is better: grades by a rubric, comparisons (grade --pairwise), or the agreement of solutions "
    "(solve).  [default: the latest of them]",
)
@click.option("--margin", type=float, default=0.1, show_default=True, help="Least difference of the two scores.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def prefer(run_path: Path, by: Any, margin: float, as_json: bool) -> None:
    """Pair the best with the worst output for one prompt.

    Candidates are the responses of `populace grade --responses`, or several outputs of one persona
    (`make --per-persona`). Pairs are rows of `preferences`; `populace export --format dpo` writes them. The result
    shows how often the longer answer won and, for comparisons, how often the position decided. No model is asked.
    """
    from shlex import quote

    from populace.analysis.preference_bias import describe_bias, read_preference_bias
    from populace.sim.grading.preferences import prefer as made
    from populace.sim.runfile.reader import open_made

    found = made(run_path, source=by, margin=margin)
    bias = None
    if found.rows:
        with open_made(run_path) as run:
            bias = read_preference_bias(run)
    if as_json:
        _show_json({"preferences": found, "bias": bias})
    elif bias is not None:
        show_result(bias, describe_bias(bias), as_json=False)
    click.echo(
        f"{found.rows:,} preferences of {found.groups:,} prompts with {found.candidates:,} candidates, as job "
        f"{found.job}; left out: {found.alone:,} with one candidate, {found.within_margin:,} within the margin, "
        f"{found.best_rejected:,} whose best is rejected.",
        err=as_json,
    )
    if found.rows:
        click.echo(f"Next: `populace export {quote(str(run_path))} FILE --format dpo`.", err=as_json)
