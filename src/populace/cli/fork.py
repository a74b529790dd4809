"""`populace fork`: a run once more from one of its steps, with something changed."""

from pathlib import Path
from typing import Any

import click

from .options import changed_limits, limit_options, prices_of, settings_of, shared_option
from .run import live, scenario_of

__all__ = ["fork"]

_MADE_BY = "SELECT scenario, scenario_file FROM runs"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--at", type=int, required=True, help="Step to begin behind; 0 is right after growth.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting to change; may be given again.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The new run file.")
@click.option("--steps", type=int, default=None, help="Steps to live in all, with those before.  [default: the run's]")
@click.option("--model", default=None, help="Another model; then everything is asked anew.  [default: the run's]")
@click.option("--script", type=click.Path(path_type=Path), help="The scenario's script, when it has moved or changed.")
@limit_options
@shared_option
def fork(
    file: Path, at: int, out: Path, steps: int | None, model: str | None, script: Path | None, **given: Any
) -> None:
    """Live on from step --at of a run in a new file, with something changed; pay for what differs alone.

    Settings, model, limits, prices and cache are those of the run, where no others are given; the budget is the
    fork's own, and what the run has paid counts nothing in it.
    """
    from populace.sim import fork as forking
    from populace.sim.runfile.reader import open_run

    from .panel import Panel

    with open_run(file) as stored:
        ((name, made_by),) = stored.query(_MADE_BY).rows
    society = forking.fork(
        file,
        scenario_of(file, name, script or (Path(made_by) if made_by else None)),
        at=at,
        out=out,
        settings=settings_of(given),
        model=model,
        base_url=given["base_url"],
        limits=changed_limits(given),
        prices=prices_of(given),
        cache=given["cache"],
        steps=steps,
        scenario_file=script,
        progress=Panel(),
    )
    if notice := forking.asked_anew(file, out):
        click.echo(notice)
    live(society)
    click.echo(f"\n{forking.asked_since(out).sentence(file)}")
