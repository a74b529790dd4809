"""`populace resume`, `fork`, `diff` and `check replay`: a job goes on, or again, or differently."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

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
    sampling_options,
    settings_of,
    shared_option,
)
from .specs import command

if TYPE_CHECKING:
    from populace.sim.runfile.job_rows import JobRow


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


_MADE_BY = "SELECT scenario, scenario_file FROM runs"


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Keep the run's replay in this file.")
@click.option("--script", type=click.Path(path_type=Path), help="The scenario's script, when it has moved.")
@shared_option
def replay(file: Path, out: Path | None, script: Path | None) -> None:
    """Repeat a run from its recorded answers; compare hashes.

    No model is asked. Also repeats the finished jobs of a hub.
    """
    from populace.sim.jobs.life import jobs_in
    from populace.sim.runfile.job_rows import CHECKING, RUN_KINDS

    jobs = jobs_in(file)
    on_hub = [job for job in jobs if job.kind not in (*RUN_KINDS, CHECKING)]
    if any(job.kind in RUN_KINDS for job in jobs) or not jobs:
        _replay_run(file, out, script)
    elif all(job.status != "finished" for job in jobs):
        _replay_job(file, jobs[-1])  # which says why it cannot be
    for job in on_hub:
        if job.status == "finished":
            _replay_job(file, job)


def _replay_job(file: Path, job: "JobRow") -> None:
    from populace.core.errors import RunError
    from populace.sim.jobs.life import replay_job

    from .panel import ProgressPanel

    replayed = replay_job(file, job.job, progress=ProgressPanel())
    if replayed.difference:
        raise RunError(replayed.difference)
    click.echo(
        f"The same again: job {job.job} ({job.kind}) from {replayed.recalled:,} recorded answers with no call to a "
        f"model, event hash {replayed.event_hash}."
    )


def _replay_run(file: Path, out: Path | None, script: Path | None) -> None:
    from populace.core.errors import RunError
    from populace.data import find_made_by
    from populace.sim.replay import replay as replayed_from
    from populace.sim.runfile.reader import open_run

    from .panel import ProgressPanel

    with open_run(file) as stored:
        ((name, made_by),) = stored.query(_MADE_BY).rows
    found = find_made_by(file, name, script, made_by, command="replay")
    replayed = replayed_from(file, found, out=out, progress=ProgressPanel())
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


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--at", type=int, required=True, help="Step to begin behind; 0 is right after growth.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting to change; may be given again.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The new run file.")
@click.option("--steps", type=int, default=None, help="Steps to run in all, with those before.  [default: the run's]")
@click.option("--model", default=None, help="Another model; then everything is asked anew.  [default: the run's]")
@click.option("--script", type=click.Path(path_type=Path), help="The scenario's script, when it has moved or changed.")
@click.option("--embeddings-url", metavar="URL", help="Endpoint of the embedding model.  [default: the run's]")
@limit_options
@sampling_options
@role_options
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
    """Branch off a run with something changed.

    Copies the run up to step --at into a new file and continues from there. Settings, model, limits, prices and cache
    are those of the run unless given. Only requests that differ are paid for. The fork has a budget of its own.
    """
    from populace.data import find_made_by
    from populace.sim import fork as forking
    from populace.sim.runfile.reader import open_run

    from .panel import ProgressPanel

    with open_run(file) as stored:
        ((name, made_by),) = stored.query(_MADE_BY).rows
    named = {"model": model, "base_url": given["base_url"], "cache": given["cache"], "embeddings_url": embeddings_url}
    named |= roles_of(given)

    def check() -> None:
        forking.check_fork(file, at=at, out=out, **named)

    society = forking.fork(
        file,
        find_made_by(file, name, script, made_by, command=f"fork --at {at} --out {out}", check=check),
        at=at,
        out=out,
        settings=settings_of(given),
        limits=changed_limits(given),
        prices=prices_of(given),
        **named,
        steps=steps,
        scenario_file=script,
        progress=ProgressPanel(),
    )
    if notice := forking.asked_anew(file, out):
        click.echo(notice)
    live(society)
    click.echo(f"\n{forking.asked_since(out).sentence(file)}")


@command()
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Keep both runs in one file, which answers SQL.")
@shared_option
def diff(one: Path, other: Path, out: Path | None) -> None:
    """Compare two runs agent by agent and step by step.

    Counts the agents that saw something different, were in a different state, decided differently, and decided
    differently although everything they saw was the same. Typically a run and its fork.
    """
    from tempfile import TemporaryDirectory

    from populace.analysis.experiment.reach import read_reach
    from populace.core.errors import SetupError
    from populace.sim.experiment.merge import write_pair
    from populace.sim.runfile.reader import open_hub_or_run

    from .show import show_result

    names = (one.stem, other.stem) if one.stem != other.stem else (str(one), str(other))
    if one.resolve() == other.resolve():
        raise SetupError(f"{str(one)!r} is given twice; give two runs, as a run and its fork.")
    if out is not None and out.exists():
        raise SetupError(f"{str(out)!r} already exists; pass a different --out.")
    with TemporaryDirectory() as folder:
        path = out or Path(folder) / "compared.duckdb"
        write_pair(path, dict(zip(names, (one, other), strict=True)))
        with open_hub_or_run(path) as merged:
            show_result(read_reach(merged))
    if out is not None:
        click.echo(f'\nBoth in SQL: `populace sql {out} "FROM emissions"`.')
