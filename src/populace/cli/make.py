"""`populace make`: data of one kind, made by many people and checked before it is called data."""

import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .guard import going_on, guarded
from .options import (
    SAMPLE_OPTION,
    announce_sample,
    asked_of,
    embeddings_of,
    growth_of,
    make_options,
    roles_of,
    run_options,
    settings_of,
    task_settings_of,
)

if TYPE_CHECKING:
    from populace.sim.scenario import Scenario
    from populace.sim.society import Society
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


@click.command()
@click.argument("scenario")
@run_options
def run(scenario: str, **options: Any) -> None:
    """Run a society of agents.

    SCENARIO is a name (`populace scenarios`) or the path of a script. Personas are grown from the bundled texts, or
    come from --seeds or --hub.
    """
    # First of all, because Mesa looks through every module that is loaded before it: .2 s after the others.
    import populace.sim.mesa  # noqa: F401
    from populace.scenarios.catalog import find_scenario

    found, script = find_scenario(scenario)
    _run(found, script, **options)


@click.command()
@click.argument("scenario")
@run_options
@SAMPLE_OPTION
def estimate(scenario: str, sample: int | None, **options: Any) -> None:
    """Estimate calls, tokens and cost of a run.

    Takes the options of `populace run`. A language model is asked a small sample first, which gives 90 % prediction
    intervals; --sample 0 sends no calls.
    """
    from populace.scenarios.catalog import find_scenario
    from populace.sim.estimate import estimate as estimated
    from populace.sim.tasks.task import Task

    from .panel import ProgressPanel
    from .show import show_estimate

    found, _ = find_scenario(scenario)
    made, growth = found(settings_of(options)), growth_of(options)
    if isinstance(made, Task):
        growth = made.growth(growth, is_counted=options["agents"] is not None)
    result = estimated(
        made,
        growth=growth,
        **asked_of(options),
        **roles_of(options),
        steps=options["steps"],
        mind=options["mind"],
        archetypes=options["archetypes"],
        sample=sample,
        announce=announce_sample,
        progress=ProgressPanel(),
    )
    show_estimate(result)


def scenario_of(
    file: Path,
    name: str,
    script: Path | None,
    made_by: str | None,
    *,
    command: str,
    check: Callable[[], None] | None = None,
) -> "type[Scenario]":
    """The scenario that made a run file: by its name, from its script, or from the one that is named now.

    Raises `SetupError` when it is not there, and for a script that only the file names; `command` would run it.
    `check` is called before a script is run, and may raise too.
    """
    from populace.core.errors import SetupError
    from populace.scenarios.catalog import load_scenario, shipped_scenario
    from populace.sim.scenario import GrowthOnly
    from populace.sim.trust import check_script, remember_script

    if script is None and not made_by:
        return GrowthOnly if name == GrowthOnly.name else shipped_scenario(name)
    where = script or Path(made_by or "")
    if not where.is_file():
        raise SetupError(
            f"The run in {str(file)!r} was made by the script {str(where)!r}, which is not there; "
            f"say where it is now with --script."
        )
    if script is None:
        check_script(file, _run_id(file), where, command=command)
    if check is not None:
        check()
    found = load_scenario(where)
    if script is not None:
        remember_script(_run_id(file), where)
    return found


def _run_id(file: Path) -> str:
    from populace.sim.runfile.reader import open_run

    with open_run(file) as stored:
        return str(stored.query("SELECT run FROM runs").rows[0][0])


def run_script(scenario: "type[Scenario]", script: str) -> None:
    """Run a scenario from its own script, with the options of `populace run`."""

    @click.command(name=Path(script).name, help=scenario.summary())
    @run_options
    def command(**options: Any) -> None:
        _run(scenario, Path(script), **options)

    sys.exit(guarded(command))


def live(society: "Society") -> None:
    """Run a society and print how it ended; if it stops before its end, print how to continue."""
    from .show import show_finished

    with going_on(society.path, otherwise=", or begin anew at another path"):
        finished = society.run()
    scenario = society.scenario
    code = show_finished(finished.path, scenario.name, scenario.settings.model_dump(exclude_defaults=True))
    if society.scenario.surveys:
        click.echo(f"What was answered to its surveys: `populace survey {quote(str(finished.path))}`.")
    if code:
        click.get_current_context().exit(code)


def _run(scenario: "type[Scenario]", script: Path | None, **options: Any) -> None:
    from populace.sim.society import Society

    from .panel import ProgressPanel

    society = Society(
        scenario(settings_of(options)),
        growth=growth_of(options),
        **asked_of(options),
        **embeddings_of(options),
        **roles_of(options),
        # A script's name is what its user knows; two scripts may hold scenarios of one name.
        out=options["out"] or Path(f"{scenario.name if script is None else script.stem}.duckdb"),
        steps=options["steps"],
        mind=options["mind"],
        archetypes=options["archetypes"],
        scenario_file=script,
        progress=ProgressPanel(),
    )
    live(society)
