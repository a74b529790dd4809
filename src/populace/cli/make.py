"""`populace make`: data of one kind, made by many people and checked before it is called data."""

from pathlib import Path
from typing import Any

import click

from .options import (
    asked_of,
    embeddings_of,
    growth_of,
    make_options,
    roles_of,
    task_settings_of,
)


@click.command()
@click.argument("task", required=False)
@click.option("--list", "is_listed", is_flag=True, help="What can be made, and each task's settings; or those of TASK.")
@click.option("--estimate", "is_estimated", is_flag=True, help="Say what it would take in calls, tokens and money.")
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="CALLS", help="With --estimate: ask so often, to narrow it."
)
@make_options
def make(task: str | None, is_listed: bool, is_estimated: bool, sample: int | None, **options: Any) -> None:
    """Make data: TASK is a name (see `populace make --list`) or the path of a folder of your own.

    People come from --hub, or are grown. Rows that a check rejects, and near-duplicates, are made up for by further
    people until --n rows are accepted; all of them stay in the run file with their reasons (`populace funnel`).
    """
    # First of all, because Mesa looks through every module that is loaded before it: .2 s after the others.
    import populace.sim.mesa  # noqa: F401
    from populace.scenarios.catalog import find_task, iter_tasks, settings_of

    if is_listed or task is None:
        from populace.analysis.table import visible

        for found in iter_tasks() if task is None else (find_task(task)[0],):
            click.echo(visible(f"{found.name}: {found.summary()}"))
            for setting in settings_of(found) if is_listed else ():
                click.echo(visible(f"    --set {setting}"))
        return
    found, script = find_task(task)
    made = found(task_settings_of(options))
    growth = made.growth(growth_of(options), is_counted=options["agents"] is not None)
    if growth.hub is not None and options["draw"] is None:
        growth = growth.model_copy(update={"draw": made.draw})
    if is_estimated:
        _estimate(made, sample, growth=growth, **asked_of(options), **roles_of(options))
        return
    if sample:
        raise click.UsageError("--sample is for --estimate; add it, or leave --sample out.")
    _make(made, script, options, growth=growth)


def _estimate(task: Any, sample: int | None, **options: Any) -> None:
    from populace.sim.estimate import estimate

    from .panel import Panel
    from .show import show_estimate

    show_estimate(estimate(task, **options, sample=sample or 0, progress=Panel()))


def _make(task: Any, script: Path | None, options: dict[str, Any], **growth: Any) -> None:
    from populace.analysis.table import visible
    from populace.sim.society import Society

    from .guard import going_on
    from .panel import Panel
    from .show import show_made

    society = Society(
        task,
        **growth,
        **asked_of(options),
        **embeddings_of(options),
        **roles_of(options),
        out=options["out"] or Path(f"{task.name if script is None else script.absolute().parent.name}.duckdb"),
        scenario_file=script,
        progress=Panel(),
    )
    for notice in task.notices:
        click.echo(visible(notice), err=True)
    with going_on(society.path, otherwise=", or begin anew at another path"):
        finished = society.run()
    show_made(finished.path)
