"""`populace make`: data of one kind, made by many people and checked before it is called data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    SAMPLE_OPTION,
    announce_sample,
    asked_of,
    embeddings_of,
    growth_of,
    make_options,
    roles_of,
    task_settings_of,
)

if TYPE_CHECKING:
    from populace.sim.tasks.outputs import OutputJob

#: Options of estimates alone, and what does the same for real.
_FOR_ESTIMATES = {
    "sample": "",
    "solutions": "; `populace solve RUN` solves what was made",
    "votes": "; `populace grade RUN` grades what was made",
}


@click.command()
@click.argument("task", required=False)
@click.option("--list", "is_listed", is_flag=True, help="List the tasks, or the settings of TASK.")
@click.option("--estimate", "is_estimated", is_flag=True, help="Estimate calls, tokens and cost; make nothing.")
@SAMPLE_OPTION
@click.option(
    "--solutions",
    type=click.IntRange(min=1),
    metavar="K",
    help="With --estimate: include solving the rows, K solutions each by --solver.",
)
@click.option(
    "--votes",
    type=click.IntRange(min=1),
    metavar="K",
    help="With --estimate: include grading the rows, K votes each by --grader.",
)
@click.option("--rubric", metavar="NAME|FILE", help="With --votes: the rubric, as in `populace grade`.")
@make_options
def make(task: str | None, is_listed: bool, is_estimated: bool, **options: Any) -> None:
    """Make synthetic data.

    TASK is a name (`populace make --list`) or the path of your own task folder. Personas come from --hub or are grown.
    Rows that fail a check and near-duplicates are replaced by further personas until --n rows are accepted. Everything
    stays in the run file with its reason (`populace funnel`).
    """
    # First of all, because Mesa looks through every module that is loaded before it: .2 s after the others.
    import populace.sim.mesa  # noqa: F401
    from populace.scenarios.catalog import find_task, iter_tasks, settings_of

    if is_listed or task is None:
        from populace.analysis.table import visible

        for found in iter_tasks() if task is None else (find_task(task)[0],):
            click.echo(visible(f"{found.name}: {found.summary()}"))
            for setting in settings_of(found) if task is not None else ():
                click.echo(visible(f"    --set {setting}"))
        return
    found, script = find_task(task)
    made = found(task_settings_of(options))
    growth = made.growth(growth_of(options), is_counted=options["agents"] is not None)
    if growth.hub is not None and options["draw"] is None:
        growth = growth.model_copy(update={"draw": made.draw})
    if options["rubric"] and not options["votes"]:
        raise click.UsageError("--rubric is for --votes, the votes of graders; add it, or leave --rubric out.")
    if is_estimated:
        _estimate(made, options, growth=growth)
        return
    for name, instead in _FOR_ESTIMATES.items():
        if options[name] is not None:
            raise click.UsageError(f"--{name} is for --estimate; add it, or leave --{name} out{instead}.")
    _make(made, script, options, growth=growth)


def _estimate(task: Any, options: dict[str, Any], **growth: Any) -> None:
    from populace.sim.estimate import estimate

    from .panel import ProgressPanel
    from .show import show_estimate

    roles, progress = roles_of(options), ProgressPanel()
    later = _later(task, options, roles)
    asked = asked_of(options) | {"sample": options["sample"], "announce": announce_sample}
    found = estimate(task, **growth, **asked, **roles, later=later, progress=progress)
    show_estimate(found)
    for role, option in (("solver", "--solutions 3"), ("grader", "--votes 3")):
        if roles[role] is not None and all(purpose.role != role for purpose in found.purposes):
            click.echo(f"The task {task.name} asks no {role}; to count a later job by it, add {option}.")


def _later(task: Any, options: dict[str, Any], roles: dict[str, Any]) -> "list[OutputJob[Any]]":
    """The jobs that are to be done on the rows."""
    from populace.agents.rubric import read_rubric
    from populace.sim.config import RoleModel
    from populace.sim.grading.grading import GradingJob, GradingSpec, grader_roles, rubrics_for
    from populace.sim.tasks.solving import SolvingJob, solving_spec

    later: list[OutputJob[Any]] = []
    own = RoleModel(model=options["model"])
    if options["solutions"]:
        spec = solving_spec((roles["solver"] or own,), samples=options["solutions"])
        later.append(SolvingJob(spec, task.actions))
    if options["votes"]:
        given = read_rubric(options["rubric"]) if options["rubric"] else None
        rubrics = rubrics_for([action.name for action in task.actions], given)
        graders = grader_roles((roles["grader"] or own,))
        later.append(GradingJob(GradingSpec.given(rubrics=rubrics, votes=options["votes"], **graders)))
    return later


def _make(task: Any, script: Path | None, options: dict[str, Any], **growth: Any) -> None:
    from populace.analysis.table import visible
    from populace.sim.society import Society

    from .panel import ProgressPanel
    from .run import live

    society = Society(
        task,
        **growth,
        **asked_of(options),
        **embeddings_of(options),
        **roles_of(options),
        out=options["out"] or Path(f"{task.name if script is None else script.absolute().parent.name}.duckdb"),
        scenario_file=script,
        progress=ProgressPanel(),
    )
    for notice in task.notices:
        click.echo(visible(notice), err=True)
    live(society)
