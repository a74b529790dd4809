"""`populace run`, `resume` and `estimate`, and a run from a scenario's own script."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .grade import GRADING, resume_grading
from .guard import going_on, guarded
from .options import (
    asked_of,
    changed_limits,
    embedding_options,
    embeddings_of,
    growth_of,
    limit_options,
    prices_of,
    role_options,
    roles_of,
    run_options,
    settings_of,
    shared_option,
)

if TYPE_CHECKING:
    from populace.sim.hub_jobs import JobState
    from populace.sim.scenario import Scenario
    from populace.sim.society import Society
    from populace.sim.trust import TrustedKind

_STATUS = """
SELECT scenario, scenario_file, status, (SELECT coalesce(max(step), 0) FROM steps),
       settings ->> '$.per_persona' IS NOT NULL
FROM runs
"""


@click.command()
@click.argument("scenario")
@run_options
def run(scenario: str, **options: Any) -> None:
    """Grow a society and let it live: SCENARIO is a name (see `populace scenarios`) or the path of a script."""
    # First of all, because Mesa looks through every module that is loaded before it: .2 s after the others.
    import populace.sim.mesa  # noqa: F401
    from populace.scenarios.catalog import find_scenario

    found, script = find_scenario(scenario)
    _run(found, script, **options)


@click.command()
@click.argument("scenario")
@run_options
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ask the model so many times, at most (of a task: for so many outputs), to narrow it; that is paid for.",
)
def estimate(scenario: str, sample: int | None, **options: Any) -> None:
    """What `populace run` would take with the same options: calls, tokens and money by purpose, as ranges."""
    from populace.scenarios.catalog import find_scenario
    from populace.sim.estimate import estimate as estimated
    from populace.sim.task import Task

    from .panel import Panel
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
        sample=sample or 0,
        progress=Panel(),
    )
    show_estimate(result)


@click.command()
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
    """Go on with what was stopped in FILE: a run, growth, enrichment or embedding. No answer is paid for twice.

    Limits, prices and cache are those of the job, where no others are given. A file that you did not make on this
    machine must be told again which script, address and cache are meant.
    """
    from populace.sim.hub_jobs import jobs_in

    if no_cache and options["cache"] is not None:
        raise click.UsageError("--cache and --no-cache contradict each other; leave one out.")
    jobs = jobs_in(file)
    waiting = [job for job in jobs if job.kind in _ON_HUBS and not job.is_ended]
    if all(job.kind in _ON_HUBS for job in jobs) and jobs:
        if not waiting:
            click.echo("There was nothing to do: every job of this file is finished.")
    elif not waiting or steps is not None or any(job.kind not in _ON_HUBS and not job.is_ended for job in jobs):
        _resume_run(file, script, steps, options, no_cache=no_cache)
    _resume_jobs(file, waiting, script, options, no_cache=no_cache)


def _resume_run(
    file: Path, script: Path | None, steps: int | None, options: Mapping[str, Any], *, no_cache: bool
) -> None:
    """Go on with the run of a file: the people that are grown, and the steps that they take."""
    from populace.sim.runfile.reader import open_run
    from populace.sim.society import Society
    from populace.sim.trust import check_resumed

    from .panel import Panel

    with open_run(file) as stored:
        ((name, made_by, status, lived, is_data),) = stored.query(_STATUS).rows
    if status == "finished" and steps in (None, lived):
        _show(file, name)
        if _is_growth(name) or is_data:
            click.echo(f"There was nothing to do: {'the run' if is_data else 'growth'} is finished.")
            return
        click.echo(
            f"\nThere was nothing to do: the run is finished. For more steps: "
            f"`populace resume {quote(str(file))} --steps {lived + 1}`."
        )
        return
    given: dict[TrustedKind, object] = {
        "address": options["base_url"],
        "embeddings": embeddings_of(options)["embeddings_url"],
    }
    solver, grader = roles_of(options).values()
    given |= {
        "solver": solver,
        "grader": grader,
        "cache": False if no_cache else options["cache"],
        "source": options.get("sources_named", False),
    }

    def check() -> None:
        with open_run(file) as run:
            check_resumed(run, given, model=options.get("model"))

    found = scenario_of(file, name, script, made_by, command="resume", check=check)
    live(
        Society.resume(
            file,
            found,
            model=options.get("model"),
            base_url=options["base_url"],
            sources_named=options.get("sources_named", False),
            limits=changed_limits(options),
            prices=prices_of(options),
            **embeddings_of(options),
            **roles_of(options),
            cache=False if no_cache else options["cache"],
            steps=steps,
            progress=Panel(),
        )
    )


#: Jobs on the people of a hub, and on what a run has made.
_ON_HUBS = ("enrichment", "embedding", "solving", "evaluation", *GRADING)


def _resume_jobs(
    file: Path, jobs: "Sequence[JobState]", script: Path | None, options: Mapping[str, Any], *, no_cache: bool
) -> None:
    """Go on with the unfinished jobs on a hub or on what a run has made, in the order in which they began."""
    from .hub import resume_embedding
    from .hub_people import resume_enrichment
    from .solve import resume_evaluation, resume_solving

    embeddings = embeddings_of(options)
    same = {"limits": changed_limits(options), "cache": False if no_cache else options["cache"]}
    same["model"] = options.get("model")
    for job in jobs:
        if job.kind == "enrichment":
            given = {"base_url": options["base_url"] or None, "prices": prices_of(options)}
            resume_enrichment(file, job.job, same | given)
        elif job.kind in ("solving", "evaluation"):
            given = {"base_url": options["base_url"] or None, "prices": prices_of(options), "script": script}
            given |= roles_of(options)
            (resume_solving if job.kind == "solving" else resume_evaluation)(file, job.job, same | given)
        elif job.kind in GRADING:
            given = {"base_url": options["base_url"] or None, "prices": prices_of(options), "script": script}
            given |= roles_of(options)
            resume_grading(file, job.job, same | given)
        else:
            given = {"base_url": embeddings["embeddings_url"], "prices": embeddings["embeddings_prices"]}
            resume_embedding(file, job.job, same | given)


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
    from populace.personas.errors import SetupError
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
    if script is None:
        return load_scenario(where)
    found = load_scenario(where)
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
    """Run a society and show what came of it; when it stops before its end, say how to go on."""
    with going_on(society.path, otherwise=", or begin anew at another path"):
        finished = society.run()
    _show(finished.path, society.scenario.name)


def _is_growth(name: str) -> bool:
    from populace.sim.scenario import GrowthOnly

    return name == GrowthOnly.name


def _show(path: Path, scenario: str) -> None:
    from .show import show_growth, show_made, show_run

    if _is_growth(scenario):
        show_growth(path)
    elif not show_made(path):
        show_run(path)


def _run(scenario: "type[Scenario]", script: Path | None, **options: Any) -> None:
    from populace.sim.society import Society

    from .panel import Panel

    society = Society(
        scenario(settings_of(options)),
        growth=growth_of(options),
        **asked_of(options),
        **embeddings_of(options),
        **roles_of(options),
        # A script's name is what its user knows; two scripts may hold scenarios of one name.
        out=options["out"] or Path(f"{scenario.name if script is None else script.stem}.duckdb"),
        steps=options["steps"],
        scenario_file=script,
        progress=Panel(),
    )
    live(society)
