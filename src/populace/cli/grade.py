"""`populace grade`: what a run has made, judged by model graders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .guard import going_on
from .options import limit_options, limits_of, prices_of, sampling_options
from .show import show_estimate

if TYPE_CHECKING:
    from populace.sim.config import RoleModel
    from populace.sim.grading.candidates import CandidateJob
    from populace.sim.output_jobs import OutputJobReport

_PATH = click.Path(path_type=Path)
_MODELS = "MODEL[@URL][,...]"

#: The kinds of jobs that this command begins.
GRADING = ("grading",)


@click.command()
@click.argument("run", type=_PATH)
@click.option("--rubric", metavar="NAME|FILE", help="One that ships, or a TOML or JSON file.  [default: by kind]")
@click.option(
    "--grader",
    "graders",
    multiple=True,
    default=("procedural",),
    show_default=True,
    metavar=_MODELS,
    help="Who grades: openai:NAME, gguf:PATH, procedural, or procedural:accuracy=0.8, a stand-in that departs from its "
    "own rule at this rate; may be given again.",
)
@click.option("--votes", type=int, help="Votes of each grader on each output.  [default: 3]")
@click.option("--threshold", type=float, help="The least grade that passes, 0 to 1.  [default: 0.5]")
@click.option("--kind", "kinds", multiple=True, help="Only outputs of this kind; may be given again.  [default: all]")
@click.option("--all", "all_", is_flag=True, help="Outputs that were rejected, too.")
@click.option("--n", type=int, help="How many of them, drawn by chance.  [default: all]")
@click.option("--estimate", "is_estimated", is_flag=True, help="Say what it would take in calls, tokens and money.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice.")
@click.option("--batch", is_flag=True, help="Send the work through the endpoint's batches.")
@click.option("--anew", is_flag=True, help="Begin this job though another one is unfinished, which is abandoned.")
@limit_options
@sampling_options
def grade(run: Path, rubric: str | None, graders: Sequence[str], is_estimated: bool, **options: Any) -> None:
    """Have what RUN has made graded by models, by the criteria of a rubric.

    Every grader gives each output several votes: a reason and a label for each criterion, rows of `votes`. The grade of
    an output is the weighted mean, 0 to 1; outputs below --threshold are rejected by the check `grade`. Given again, a
    job that was stopped goes on, and pays for no answer twice.
    """
    from populace.agents.rubric import read_rubric
    from populace.sim.grading.grading import GradingJob, GradingSpec, grader_roles, rubrics_for
    from populace.sim.outputs import parse_models

    given = parse_models(graders, "grader", "--votes")
    chosen = {name: options[name] for name in ("votes", "threshold", "kinds", "n")} | {"all": options["all_"]}
    rubrics = rubrics_for(_kinds_of(run, options["kinds"]), None if rubric is None else read_rubric(rubric))
    spec = GradingSpec.given(**chosen, rubrics=rubrics, **grader_roles(given))
    _run(run, GradingJob(spec), given[0], options, is_estimated=is_estimated)


def _kinds_of(run: Path, wanted: Sequence[str]) -> list[str]:
    from populace.sim.runfile.reader import open_run

    with open_run(run) as stored:
        made = [kind for (kind,) in stored.query("SELECT DISTINCT kind FROM emissions ORDER BY kind").rows]
    return [kind for kind in made if not wanted or kind in wanted]


def _run(
    run: Path, job: "CandidateJob[Any]", first: "RoleModel", options: Mapping[str, Any], *, is_estimated: bool
) -> None:
    from populace.sim.estimate.outputs import estimate_output_job
    from populace.sim.output_jobs import run_output_job

    from .panel import Panel

    asked = {
        "model": first.model,
        "base_url": first.base_url or options["base_url"],
        "prices": prices_of(options),
        "batch": options["batch"],
        "seed": options["seed"],
    }
    if is_estimated:
        show_estimate(estimate_output_job(run, type(job), job.spec, **asked))
        return
    same = {name: options[name] for name in ("cache", "anew")}
    with going_on(run):
        done = run_output_job(run, job, **asked, **same, limits=limits_of(options), progress=Panel())
    _show(run, done, job)


def resume_grading(run: Path, job: int, given: Mapping[str, Any]) -> None:
    """Go on with an unfinished job of this command, as `populace resume` does."""
    from populace.sim.grading.grading import GradingJob
    from populace.sim.hub_jobs import stored_job
    from populace.sim.output_jobs import resume_output_job, stored_spec

    from .panel import Panel

    made = {one.kind: one for one in (GradingJob,)}[stored_job(run, job).kind]
    of_job = made(stored_spec(made.spec_type, stored_job(run, job)))  # type: ignore[arg-type]
    with going_on(run):
        done = resume_output_job(run, job, of_job, progress=Panel(), **given)
    _show(run, done, of_job)


def _show(run: Path, done: "OutputJobReport", job: "CandidateJob[Any]") -> None:
    from populace.agents.procedural import PROCEDURAL_NOTICE
    from populace.sim.grading.grading import grading_rows

    for name, value in grading_rows(done):
        click.echo(f"  {name:<14} {value}")
    if not done.is_language_model:
        click.echo(f"\n{PROCEDURAL_NOTICE}")
    click.echo(f'\nThe votes: `populace sql {quote(str(run))} "FROM votes"`; what is accepted now: `FROM outputs`.')
    if all(done.failed.get(phase) == number for phase, number in done.done.items()):
        click.get_current_context().exit(1)
