"""`populace data solve`, `translate` and `evaluate`."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import click

from .jobs import do_job
from .options import job_options
from .specs import command, spec_options


def _solvers(*, is_required: bool) -> Callable[..., Any]:
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
@spec_options("populace.sim.tasks.outputs:OutputSpec")
@_solvers(is_required=False)
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
@spec_options("populace.sim.tasks.translating:TranslatingSpec")
@click.option("--model", help="Who translates.  [default: the run's model]")
@job_options
def translate(run: Path, **options: Any) -> None:
    """Translate outputs into another language.

    Each translation is a row of `translations` beside its original. One in another language than was asked for, a
    refusal and a copy of the original are kept without their text, with the reason. The same command continues a job
    that was stopped; no answer is paid for twice.
    """
    from populace.core.spec import given_fields
    from populace.sim.tasks.translating import TranslatingJob, TranslatingSpec

    do_job(run, TranslatingJob(TranslatingSpec.given(**given_fields(TranslatingSpec, options))), options)


@command()
@click.argument("target", metavar="RUN|FILE.jsonl", type=click.Path(path_type=Path))
@_solvers(is_required=True)
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
    from populace.analysis.evaluation import read_evaluation
    from populace.sim.runfile.reader import open_hub_or_run

    from .show import show_result

    with open_hub_or_run(path) as stored:
        found = read_evaluation(stored)
    show_result(found)
    click.echo(f'\nThe solutions: `populace sql {quote(str(path))} "FROM solutions"`.')
    if not found.rows[0][2]:
        click.get_current_context().exit(1)
