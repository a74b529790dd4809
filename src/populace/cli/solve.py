"""`populace solve` and `populace evaluate`: problems solved, and models measured on problems with known answers."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .jobs import actions_for, do_job
from .options import SAMPLE_OPTION, check_sample, limit_options, limits_of, prices_of, sampling_of, sampling_options
from .specs import SpecCommand

if TYPE_CHECKING:
    from populace.sim.config import RoleModel

_MADE_BY = "SELECT scenario, scenario_file, is_language_model FROM runs"


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


@click.command(cls=SpecCommand, spec="populace.sim.tasks.outputs:OutputSpec")
@click.argument("run", type=click.Path(path_type=Path))
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
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--batch", is_flag=True, help="Send the work through the endpoint's batches.")
@click.option("--estimate", is_flag=True, help="Only say what it would take: calls, tokens and money.")
@SAMPLE_OPTION
@click.option("--anew", is_flag=True, help="Do this job again, or though another is unfinished, which is abandoned.")
@limit_options
@sampling_options
def solve(run: Path, solvers: Sequence[str], script: Path | None, **options: Any) -> None:
    """Solve problems several times and vote on the answers.

    Solutions are rows of `solutions`; the view `agreed_answers` has the answer, the share that agrees, and the
    difficulty. The check `solved` rejects problems whose solutions disagree. Where the answer is known, the check
    `answer` says if the vote found it. The same command continues a job that was stopped; no answer is paid for
    twice.
    """
    from populace.sim.tasks.solving import SolvingJob, parse_solvers, solving_spec

    from .show import show_estimate

    check_sample(options, is_estimated=options["estimate"])
    given = named_or_stored(run, parse_solvers(solvers), "solver", options)
    asked = _asked(given[0], options)
    _check_problems(run, options["kinds"])
    names = ("samples", "execute", "threshold", "kinds", "n", "all")
    chosen = {name: options[name] for name in names} | {"methods": options["methods"] or None}
    job = SolvingJob(solving_spec(given, **chosen))
    job.actions = tuple(actions_for(run, job, script, "solve"))
    if options["estimate"]:
        from populace.sim.estimate.jobs import estimate_output_job

        show_estimate(estimate_output_job(run, job, **asked, sampling=sampling_of(options)))
        return
    do_job(run, job, limits=limits_of(options), cache=options["cache"], anew=options["anew"], **asked)


@click.command(cls=SpecCommand, spec="populace.sim.tasks.translating:TranslatingSpec")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--model", help="Who translates.  [default: the run's model]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--batch", is_flag=True, help="Send the work through the endpoint's batches.")
@click.option("--estimate", is_flag=True, help="Only say what it would take: calls, tokens and money.")
@SAMPLE_OPTION
@click.option("--anew", is_flag=True, help="Do this job again, or though another is unfinished, which is abandoned.")
@limit_options
@sampling_options
def translate(run: Path, **options: Any) -> None:
    """Translate outputs into another language.

    Each translation is a row of `translations` beside its original. One in another language than was asked for, a
    refusal and a copy of the original are kept without their text, with the reason. The same command continues a job
    that was stopped; no answer is paid for twice.
    """
    from populace.core.spec import given_fields
    from populace.sim.tasks.translating import TranslatingJob, TranslatingSpec

    from .show import show_estimate

    check_sample(options, is_estimated=options["estimate"])
    job = TranslatingJob(TranslatingSpec.given(**given_fields(TranslatingSpec, options)))
    asked: dict[str, Any] = {name: options[name] for name in ("model", "batch", "seed")}
    asked |= {"base_url": options["base_url"] or None, "prices": prices_of(options)}
    if options["estimate"]:
        from populace.sim.estimate.jobs import estimate_output_job

        show_estimate(estimate_output_job(run, job, sampling=sampling_of(options), **asked))
        return
    do_job(run, job, limits=limits_of(options), cache=options["cache"], anew=options["anew"], **asked)


def _asked(solver: "RoleModel", options: Mapping[str, Any]) -> dict[str, Any]:
    """What a job and its estimate take alike. Raises `SetupError` for an unknown model."""
    from populace.agents.endpoint.models import open_model

    same = {name: options[name] for name in ("batch", "seed")}
    handle = open_model(solver.model, base_url=solver.base_url or options["base_url"])
    return same | {"model": handle, "prices": prices_of(options) or solver.prices}


def named_or_stored(
    run: Path, named: Sequence["RoleModel"], role: str, options: Mapping[str, Any]
) -> Sequence["RoleModel"]:
    """The models that were named, or else the one that did this, or all, in the run."""
    from populace.sim.run_models import stored_model

    if named:
        return named
    own = stored_model(run, role=role, has_address=bool(options["base_url"]))
    return [own.model_copy(update={"base_url": options["base_url"]}) if options["base_url"] else own]


def _check_problems(run: Path, kinds: Sequence[str]) -> None:
    """Raise `SetupError` where no kind is named and what made the run makes no problems: all would be rejected."""
    from populace.agents.actions import Action
    from populace.core.errors import SetupError
    from populace.scenarios.catalog import find_scenario, is_shipped
    from populace.sim.runfile.reader import open_run

    with open_run(run) as stored:
        found = stored.query(_MADE_BY).rows
    if kinds or not found or found[0][1] or not is_shipped(found[0][0]):
        return
    actions = find_scenario(found[0][0])[0]().actions
    if all(action.known_solution is Action.known_solution for action in actions):
        raise SetupError(
            f"The run in {str(run)!r} was made by {found[0][0]!r}, which makes no problems; name the outputs that are "
            f"some, as --kind {actions[0].name}."
        )


@click.command()
@click.argument("target", metavar="RUN|FILE.jsonl", type=click.Path(path_type=Path))
@_solvers(is_required=True)
@click.option(
    "--method", type=click.Choice(["text", "program"]), default="text", show_default=True, help="As in solve."
)
@click.option("--execute", is_flag=True, help="Allow --method program to run the programs on this machine.")
@click.option(
    "--held-out", is_flag=True, help="Of a run those that `populace split` holds out, which exports leave out."
)
@click.option("--n", type=click.IntRange(min=1), help="How many problems, drawn by chance.  [default: all]")
@click.option("--out", type=click.Path(path_type=Path), help="File of the evaluation.  [default: TARGET-MODEL.duckdb]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--batch", is_flag=True, help="Send the work through the endpoint's batches.")
@click.option("--estimate", is_flag=True, help="Only say what it would take: calls, tokens and money.")
@SAMPLE_OPTION
@limit_options
@sampling_options
def evaluate(
    target: Path,
    solvers: Sequence[str],
    method: str,
    execute: bool,
    held_out: bool,
    n: int | None,
    out: Path | None,
    **options: Any,
) -> None:
    r"""Measure a model on a test set or on solved problems.

    A test set is JSONL with a field problem, and an answer or a solution that ends in \boxed{...} (the format of MATH,
    with level and type). From a run, problems are used if at least two of three solutions of `populace solve` agree, as
    in the paper; with --held-out only those that exports leave out. Shows accuracy with a 95 % interval, by level and
    type; refusals and failures are counted separately. Calls and solutions go to a file of
    their own, which `populace resume` continues.
    """
    from populace.sim.tasks.evaluation import evaluation_job, read_problems
    from populace.sim.tasks.solving import parse_solvers

    from .show import show_estimate

    check_sample(options, is_estimated=options["estimate"])
    given = parse_solvers(solvers)
    if len(given) > 1:
        raise click.UsageError("One model is measured at a time; name one --solver.")
    problems = read_problems(target, held_out=held_out).drawn(n, options["seed"])
    slug = re.sub(r"[^\w.]+", "-", given[0].model.partition(":")[2] or given[0].model).strip("-")
    path = out or Path(f"{target.stem}-{slug}.duckdb")
    asked = _asked(given[0], options)
    job = evaluation_job(problems, target=target.name, solver=given[0].model, method=method, execute=execute)
    if options["estimate"]:
        from populace.sim.estimate.jobs import estimate_evaluation

        show_estimate(estimate_evaluation(job, **asked, sampling=sampling_of(options)))
        return
    do_job(path, job, limits=limits_of(options), cache=options["cache"], **asked)


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
