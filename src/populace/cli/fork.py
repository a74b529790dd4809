"""`populace fork`: a run once more from one of its steps, with something changed."""

from pathlib import Path
from typing import Any

import click

from .options import changed_limits, limit_options, prices_of, sampling_options, settings_of, shared_option
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
@click.option("--embeddings-url", metavar="URL", help="Endpoint of the embedding model.  [default: the run's]")
@limit_options
@sampling_options
@shared_option
def fork(
    file: Path,
    at: int,
    out: Path,
    steps: int | None,
    model: str | None,
    script: Path | None,
    embeddings_url: str | None,
    **given: Any,
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
    named = {"model": model, "base_url": given["base_url"], "cache": given["cache"], "embeddings_url": embeddings_url}

    def check() -> None:
        forking.check_fork(file, at=at, out=out, **named)

    society = forking.fork(
        file,
        scenario_of(file, name, script, made_by, command=f"fork --at {at} --out {out}", check=check),
        at=at,
        out=out,
        settings=settings_of(given),
        limits=changed_limits(given),
        prices=prices_of(given),
        **named,
        steps=steps,
        scenario_file=script,
        progress=Panel(),
    )
    if notice := forking.asked_anew(file, out):
        click.echo(notice)
    live(society)
    click.echo(f"\n{forking.asked_since(out).sentence(file)}")
