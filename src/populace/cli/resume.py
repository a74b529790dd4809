"""`populace resume`: going on with whatever a file holds that is not finished."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import click

from .jobs import go_on_with_job
from .make import live
from .options import (
    changed_limits,
    embedding_options,
    embeddings_of,
    limit_options,
    prices_of,
    role_options,
    roles_of,
    shared_option,
    verbose_option,
)
from .specs import command

_STATUS = """
SELECT scenario, scenario_file, status, reason, (SELECT coalesce(max(step), 0) FROM steps),
       settings ->> '$.per_persona' IS NOT NULL
FROM runs
"""


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--script", type=click.Path(path_type=Path), help="The scenario's script, when it has moved.")
@limit_options
@embedding_options
@role_options
@click.option("--model", help="The run's own model, named again, where the file is somebody else's and that is a file.")
@click.option("--no-cache", is_flag=True, help="Go on without the cache that the run was given.")
@click.option("--steps", type=int, default=None, help="Steps to run in all, when more are wanted than before.")
@shared_option
@verbose_option
def resume(file: Path, script: Path | None, steps: int | None, no_cache: bool, **options: Any) -> None:
    """Continue a stopped or paused job.

    FILE is a run, hub or data file. No answer is paid for twice. Limits, prices and cache are those of the job unless
    given. For a file that you did not make on this machine, name the script, address and cache that you mean to use.
    """
    from populace.sim.jobs.life import jobs_in
    from populace.sim.runfile.job_rows import RUN_KINDS

    if no_cache and options["cache"] is not None:
        raise click.UsageError("--cache and --no-cache contradict each other; leave one out.")
    jobs = jobs_in(file)
    waiting = [job for job in jobs if job.kind not in RUN_KINDS and not job.is_ended]
    if all(job.kind not in RUN_KINDS for job in jobs) and jobs:
        if not waiting:
            click.echo("There was nothing to do: every job of this file is finished.")
    elif not waiting or steps is not None or any(job.kind in RUN_KINDS and not job.is_ended for job in jobs):
        _resume_run(file, script, steps, options, no_cache=no_cache)
    for job in waiting:
        _say_paused(f"Job {job.job} ({job.kind})", job.status, job.reason)
        go_on_with_job(file, job, script, options, no_cache=no_cache)


def _resume_run(
    file: Path, script: Path | None, steps: int | None, options: Mapping[str, Any], *, no_cache: bool
) -> None:
    """Go on with the run of a file: the people that are grown, and the steps that they take."""
    from populace.data import find_made_by
    from populace.sim.runfile.reader import open_run
    from populace.sim.scenario import GrowthOnly
    from populace.sim.society import Society
    from populace.sim.trust import check_resumed

    from .panel import ProgressPanel
    from .show import show_finished

    with open_run(file) as stored:  # opened once for all that is read before the run goes on
        ((name, made_by, status, reason, lived, is_data),) = stored.query(_STATUS).rows
        if status == "finished" and steps in (None, lived):
            code = show_finished(file, name)
            if is_data or name == GrowthOnly.name:
                click.echo(f"There was nothing to do: {'the run' if is_data else 'growth'} is finished.")
            else:
                click.echo(
                    f"\nThere was nothing to do: the run is finished. For more steps: "
                    f"`populace resume {quote(str(file))} --steps {lived + 1}`."
                )
            if code:
                click.get_current_context().exit(code)
            return
        _say_paused("The run", status, reason)
        named = {
            "model": options.get("model"),
            "base_url": options["base_url"],
            "sources_named": options.get("sources_named") or None,
            **embeddings_of(options),
            **roles_of(options),
            "cache": False if no_cache else options["cache"],
        }
        check = partial(check_resumed, stored, named)
        found = find_made_by(file, name, script, made_by, command="resume", check=check)
        society = Society.resume(
            file,
            found,
            limits=changed_limits(options),
            prices=prices_of(options),
            **named,
            steps=steps,
            progress=ProgressPanel(),
        )
    live(society)


def _say_paused(what: str, status: str, reason: str | None) -> None:
    """Why it paused and how much was left then, where that is known."""
    if status == "paused" and reason:
        click.echo(f"{what} was paused: {reason}")
