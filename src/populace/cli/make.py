"""`populace make`: data of one kind, made by many people and checked before it is called data."""

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .guard import going_on, run_guarded
from .options import (
    announce_sample,
    asked_of,
    check_sample,
    embeddings_of,
    growth_of,
    make_options,
    roles_of,
    run_options,
    settings_of,
    task_settings_of,
)
from .read import tasks
from .specs import command

if TYPE_CHECKING:
    from populace.sim.growth import Growth
    from populace.sim.scenario import Scenario
    from populace.sim.society import Society


@command()
@click.argument("task", required=False)
@make_options
def make(task: str | None, **options: Any) -> None:
    """Make synthetic data.

    TASK is a name (`populace list tasks`) or the path of your own task folder. Personas come from --hub or are grown.
    Rows that fail a check and near-duplicates are replaced by further personas until --n rows are accepted. Everything
    stays in the run file with its reason (`populace data yield`).
    """
    # First of all, because Mesa looks through every module that is loaded before it: .2 s after the others.
    import populace.sim.mesa  # noqa: F401
    from populace.scenarios.catalog import find_task

    if task is None:
        click.get_current_context().invoke(tasks)
        click.echo("\nMake rows of one: `populace make TASK --n 10`. Its settings: `populace list tasks TASK`.")
        return
    found, script = find_task(task)
    made = found(task_settings_of(options))
    growth = made.growth(growth_of(options), is_counted=options["agents"] is not None)
    if growth.hub is not None and options["draw"] is None:
        growth = growth.model_copy(update={"draw": made.draw})
    if options["estimate"]:
        estimate(made, growth, options)
        return
    check_sample(options)
    _make_rows(made, script, options, growth=growth)


def estimate(scenario: "Scenario", growth: "Growth", options: dict[str, Any]) -> None:
    """Print an estimate of a run."""
    from populace.sim.estimate import estimate as estimate_run

    from .panel import ProgressPanel
    from .show import show_estimate

    roles = roles_of(options) if "solver" in options else {}
    found = estimate_run(
        scenario,
        growth=growth,
        **asked_of(options),
        **roles,
        **{name: options[name] for name in ("steps", "mind", "archetypes", "play") if name in options},
        sample=options["sample"],
        announce=announce_sample,
        progress=ProgressPanel(),
    )
    show_estimate(found)


def _make_rows(task: Any, script: Path | None, options: dict[str, Any], **growth: Any) -> None:
    from populace.analysis.table import make_visible
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
        click.echo(make_visible(notice), err=True)
    live(society)


@command()
@click.argument("scenario")
@run_options
def run(scenario: str, **options: Any) -> None:
    """Run a society of agents.

    SCENARIO is a name (`populace list scenarios`) or the path of a script. Personas are grown from the bundled texts,
    or come from --seeds or --hub.
    """
    # First of all, because Mesa looks through every module that is loaded before it: .2 s after the others.
    import populace.sim.mesa  # noqa: F401
    from populace.scenarios.catalog import find_scenario

    found, script = find_scenario(scenario)
    _run_scenario(found, script, **options)


def run_script(scenario: "type[Scenario]", script: str) -> None:
    """Run a scenario from its own script, with the options of `populace run`."""

    @command(name=Path(script).name, help=scenario.summary())
    @run_options
    def run_it(**options: Any) -> None:
        _run_scenario(scenario, Path(script), **options)

    sys.exit(run_guarded(run_it))


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


def _run_scenario(scenario: "type[Scenario]", script: Path | None, **options: Any) -> None:
    from populace.sim.society import Society

    from .panel import ProgressPanel

    check_sample(options)
    made, growth = scenario(settings_of(options)), growth_of(options)
    if options["estimate"]:
        estimate(made, growth, options)
        return
    society = Society(
        made,
        growth=growth,
        **asked_of(options),
        **embeddings_of(options),
        **roles_of(options),
        # A script's name is what its user knows; two scripts may hold scenarios of one name.
        out=options["out"] or Path(f"{scenario.name if script is None else script.stem}.duckdb"),
        steps=options["steps"],
        mind=options["mind"],
        archetypes=options["archetypes"],
        play=options["play"],
        scenario_file=script,
        progress=ProgressPanel(),
    )
    live(society)
