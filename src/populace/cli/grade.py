"""`populace data solve`, `translate`, `evaluate`, `grade`, `agreement` and `pairs`."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import click

from .jobs import do_job
from .options import job_options
from .show import show_result
from .specs import command, spec_options

_PATH = click.Path(path_type=Path)
_MODELS = "MODEL[@URL][,...]"


@command()
@click.argument("run", type=_PATH)
@spec_options("populace.sim.specs:OutputSpec")
@click.option("--rubric", metavar="NAME|FILE", help="One that ships, or a TOML or JSON file.  [default: by kind]")
@click.option(
    "--grader",
    "graders",
    multiple=True,
    metavar=_MODELS,
    help="Who grades: openai:NAME, gguf:PATH, procedural, or procedural:accuracy=0.8, a fake that keeps to its "
    "own rule at this rate; repeatable.  [default: the run's grader or model]",
)
@click.option("--votes", type=int, help="Votes of each grader.  [default: 3; 1 with --pairwise]")
@click.option("--threshold", type=float, help="The least grade that passes, 0 to 1.  [default: 0.5]")
@click.option("--pairwise", is_flag=True, help="Compare two of what was made for one prompt, in both orders.")
@click.option("--pairs", type=int, help="With --pairwise: pairs of one prompt, at most.  [default: 10]")
@click.option(
    "--responses",
    type=int,
    metavar="K",
    help="Have a teacher respond K times to each output first, and grade or compare these responses.",
)
@click.option("--teacher", metavar="MODEL[@URL]", help="Who responds.  [default: the run's solver or model]")
@click.option("--script", type=_PATH, help="The scenario's script, when it has moved.")
@job_options
def grade(run: Path, rubric: str | None, graders: Sequence[str], **options: Any) -> None:
    """Grade outputs with models, by a rubric or in pairs.

    Each grader votes several times on each output: a reason and a label per criterion, stored in `votes`. The grade is
    their weighted mean, 0 to 1. Outputs below --threshold are rejected by the check `grade`. The same command
    continues a job that was stopped; no answer is paid for twice.

    With --responses, a teacher model responds several times to each output and the responses are graded, which rejects
    nothing. `populace data agreement` measures how far graders agree; `populace data pairs` pairs them by grade.
    """
    from populace.data import grading_job, responding_job
    from populace.sim.grading.responding import has_responses

    chosen = {name: options[name] for name in ("kinds", "n", "all", "base_url")}
    if options["responses"] is not None:
        given = {"responses": options["responses"], "script": options["script"]}
        responding, teacher = responding_job(run, options["teacher"] or "", **chosen, **given)
        if not has_responses(run, responding.spec, seed=options["seed"] or 0):
            do_job(run, responding, options, **teacher)
            if options["estimate"]:
                click.echo("Grading the responses comes on top; what it takes can be estimated once they are there.")
                return
    chosen |= {name: options[name] for name in ("votes", "pairwise", "pairs", "threshold")}
    chosen["has_responses"] = options["responses"] is not None
    job, model = grading_job(run, graders, rubric=rubric, **chosen)
    do_job(run, job, options, **model)


@command()
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
    from dataclasses import replace

    from populace.analysis.agreement import calibrate_votes, measure_agreement, read_graded, read_labels
    from populace.sim.runfile.reader import open_made

    human = None if labels is None else read_labels(labels)
    with open_made(run_path) as run:
        graded = read_graded(run)
        found = measure_agreement(graded, seed=seed)
        if human is not None:
            found = replace(found, parts=(calibrate_votes(run, graded, human, file=str(labels), seed=seed),))
    show_result(found, as_json=as_json)


@command("pairs")
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option(
    "--by",
    type=click.Choice(["grades", "comparisons", "agreement"]),
    help="What says which is better: grades by a rubric, comparisons (grade --pairwise), or the agreement of solutions "
    "(solve).  [default: the latest of them]",
)
@click.option("--margin", type=float, default=0.1, show_default=True, help="Least difference of the two scores.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def pairs(run_path: Path, by: Any, margin: float, as_json: bool) -> None:
    """Pair the best with the worst output for one prompt.

    Candidates are the responses of `populace data grade --responses`, or several outputs of one persona
    (`make --per-persona`). Pairs are rows of `preferences`; `populace export --format dpo` writes them. The result
    shows how often the longer answer won and, for comparisons, how often the position decided. No model is asked.
    """
    from dataclasses import replace

    from populace.analysis.agreement import read_preference_bias
    from populace.core.result import Note, Result
    from populace.sim.grading.preferences import write_preferences
    from populace.sim.runfile.reader import open_made

    found = write_preferences(run_path, source=by, margin=margin)
    bias = Result("Preferences")
    if found.rows:
        with open_made(run_path) as run:
            bias = read_preference_bias(run)
    note = Note(
        "left_out",
        f"{found.rows:,} preferences of {found.groups:,} prompts with {found.candidates:,} candidates, as job "
        f"{found.job}; left out: {found.alone:,} with one candidate, {found.within_margin:,} within the margin, "
        f"{found.best_rejected:,} whose best is rejected.",
    )
    show_result(replace(bias, notes=(note,)), as_json=as_json)
    if found.rows:
        click.echo(f"Next: `populace export {quote(str(run_path))} FILE --format dpo`.", err=as_json)


def _solver_option(*, is_required: bool) -> Callable[..., Any]:
    return click.option(
        "--solver",
        "solvers",
        multiple=True,
        required=is_required,
        metavar="MODEL[@URL][,...]",
        help="Who solves: openai:NAME, gguf:PATH, procedural, or procedural:accuracy=0.8, a fake that solves "
        "this share of the built-in generator's problems; repeatable."
        + ("" if is_required else "  [default: the run's solver or model]"),
    )


@command()
@click.argument("run", type=click.Path(path_type=Path))
@spec_options("populace.sim.specs:OutputSpec")
@_solver_option(is_required=False)
@click.option("--samples", type=int, help="Solutions by each solver and method.  [default: 3]")
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(["text", "program"]),
    help="Worked out in words, or by a program that is run in the sandbox; may be given twice.  [default: text]",
)
@click.option("--execute", is_flag=True, help="Allow --method program to run the programs on this machine.")
@click.option("--threshold", type=float, help="Share of the solutions that must agree.  [default: 0.5]")
@click.option("--script", type=click.Path(path_type=Path), help="The scenario's script, when it has moved.")
@job_options
def solve(run: Path, solvers: Sequence[str], script: Path | None, **options: Any) -> None:
    """Solve problems several times and vote on the answers.

    Solutions are rows of `solutions`; the view `agreed_answers` has the answer, the share that agrees, and the
    difficulty. The check `solved` rejects problems whose solutions disagree. Where the answer is known, the check
    `answer` says if the vote found it. The same command continues a job that was stopped; no answer is paid for
    twice.
    """
    from populace.data import solving_job

    names = ("samples", "execute", "threshold", "kinds", "n", "all", "base_url")
    chosen = {name: options[name] for name in names} | {"methods": options["methods"] or None}
    job, model = solving_job(run, solvers, script=script, **chosen)
    do_job(run, job, options, **model)


@command()
@click.argument("run", type=click.Path(path_type=Path))
@spec_options("populace.sim.specs:TranslatingSpec")
@click.option("--model", help="Who translates.  [default: the run's model]")
@job_options
def translate(run: Path, **options: Any) -> None:
    """Translate outputs into another language.

    Each translation is a row of `translations` beside its original. One in another language than was asked for, a
    refusal and a copy of the original are kept without their text, with the reason. The same command continues a job
    that was stopped; no answer is paid for twice.
    """
    from populace.core.model import given_fields
    from populace.sim.specs import TranslatingSpec
    from populace.sim.tasks.translating import TranslatingJob

    do_job(run, TranslatingJob(TranslatingSpec.given(**given_fields(TranslatingSpec, options))), options)


@command()
@click.argument("target", metavar="RUN|FILE.jsonl", type=click.Path(path_type=Path))
@_solver_option(is_required=True)
@click.option(
    "--method", type=click.Choice(["text", "program"]), default="text", show_default=True, help="As in solve."
)
@click.option("--execute", is_flag=True, help="Allow --method program to run the programs on this machine.")
@click.option(
    "--held-out", is_flag=True, help="Of a run those that `populace data split` holds out, which exports leave out."
)
@click.option("--n", type=click.IntRange(min=1), help="How many problems, drawn by chance.  [default: all]")
@click.option("--out", type=click.Path(path_type=Path), help="File of the evaluation.  [default: TARGET-MODEL.duckdb]")
@job_options
def evaluate(target: Path, solvers: Sequence[str], n: int | None, **options: Any) -> None:
    r"""Measure a model on a test set or on solved problems.

    A test set is JSONL with a field problem, and an answer or a solution that ends in \boxed{...} (the format of MATH,
    with level and type). From a run, problems are used if at least two of three solutions of `populace data solve`
    agree, as in the paper; with --held-out only those that exports leave out. Shows accuracy with a 95 % interval, by
    level and type; refusals and failures are counted separately. Calls and solutions go to a file of their own, which
    `populace resume` continues.
    """
    from populace.sim.tasks.evaluation import evaluation_job, read_problems
    from populace.sim.tasks.solving import parse_solvers

    given = parse_solvers(solvers)
    if len(given) > 1:
        raise click.UsageError("One model is measured at a time; name one --solver.")
    problems = read_problems(target, held_out=options["held_out"]).drawn(n, options["seed"] or 0)
    slug = re.sub(r"[^\w.]+", "-", given[0].model.partition(":")[2] or given[0].model).strip("-")
    path = options["out"] or Path(f"{target.stem}-{slug}.duckdb")
    chosen = {name: options[name] for name in ("method", "execute")}
    job = evaluation_job(problems, target=target.name, solver=given[0].model, **chosen)
    do_job(path, job, options, model=given[0].model, base_url=given[0].base_url or None)


def show_done(path: Path, kind: object, done: object) -> None:
    """Say what came of an evaluation."""
    from populace.analysis.funnel import read_evaluation
    from populace.sim.runfile.reader import open_hub_or_run

    from .show import show_result

    with open_hub_or_run(path) as stored:
        found = read_evaluation(stored)
    show_result(found)
    click.echo(f'\nThe solutions: `populace sql {quote(str(path))} "FROM solutions"`.')
    if not found.rows[0][2]:
        click.get_current_context().exit(1)
