"""`populace replay`: the run once more, from its own answers."""

from pathlib import Path

import click

from .options import shared_option
from .run import scenario_of

__all__ = ["replay"]

_MADE_BY = "SELECT scenario, scenario_file FROM runs"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Keep the replay in this run file.")
@click.option("--script", type=click.Path(path_type=Path), help="The scenario's script, when it has moved.")
@shared_option
def replay(file: Path, out: Path | None, script: Path | None) -> None:
    """Live a run again from its own answers, asking no model, and compare the event hashes."""
    from populace.personas.errors import RunError
    from populace.sim.replay import replay as replayed_from
    from populace.sim.runfile.reader import open_run

    from .panel import Panel

    with open_run(file) as stored:
        ((name, made_by),) = stored.query(_MADE_BY).rows
    found = scenario_of(file, name, script or (Path(made_by) if made_by else None))
    replayed = replayed_from(file, found, out=out, progress=Panel())
    if replayed.difference:
        raise RunError(replayed.difference)
    kept = "" if out is None else f" The replay is in {str(out)!r}."
    steps = "1 step" if replayed.steps == 1 else f"{replayed.steps} steps"
    if replayed.begun is not None:
        steps += f" behind step {replayed.begun}, where it was forked,"
    click.echo(
        f"The same again: {steps} from {replayed.recalled:,} recorded requests with no call to a model, "
        f"event hash {replayed.event_hash}.{kept}"
    )
