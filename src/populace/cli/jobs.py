"""What the commands that run jobs share: how a job is run, gone on with, and shown."""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .guard import going_on, option
from .options import changed_limits, embeddings_of, prices_of, roles_of
from .run import scenario_of

if TYPE_CHECKING:
    from populace.agents.actions import Action
    from populace.sim.jobs.kind import JobKind
    from populace.sim.jobs.life import JobState

_MADE_BY = "SELECT scenario, scenario_file, is_language_model FROM runs"

#: The modules whose `show_done` says what came of a job.
_SHOWN = {
    "enrichment": "hub_people",
    "embedding": "hub",
    "survey": "survey",
    "solving": "solve",
    "evaluation": "solve",
    "responding": "grade",
    "grading": "grade",
    "comparing": "grade",
}


def do_job(path: Path, kind: "JobKind[Any, Any]", **asked: Any) -> Any:
    """Run a job in its file and say what came of it. When it stops before its end, say how to go on."""
    from populace.sim.jobs.life import run_job

    from .panel import ProgressPanel

    with going_on(path):
        done = run_job(path, kind, progress=ProgressPanel(), **asked)
    show_done(path, kind, done)
    return done


def go_on_with_job(
    file: Path, job: "JobState", script: Path | None, options: Mapping[str, Any], *, no_cache: bool
) -> None:
    """Go on with an unfinished job on a hub or on what a run has made, and say what came of it."""
    from populace.personas.errors import name_parameters
    from populace.sim.jobs.life import resume_job, stored_job, stored_kind

    from .panel import ProgressPanel

    kind = stored_kind(stored_job(file, job.job))
    # Where only vectors are wanted, the address is that of the embedding model.
    named = partial(option, base_url="--embeddings-url") if job.kind == "embedding" else option
    with going_on(file, kept="fetched" if job.kind == "embedding" else "done"), name_parameters(named):
        done = resume_job(
            file,
            job.job,
            actions=actions_for(file, kind, script, "resume"),
            changed=changed_limits(options),
            model=options.get("model"),
            base_url=options["base_url"] or None,
            prices=prices_of(options),
            cache=False if no_cache else options["cache"],
            **embeddings_of(options),
            **roles_of(options),
            progress=ProgressPanel(),
        )
    show_done(file, kind, done)
    if kind.kind == "responding":
        click.echo("They are not graded yet: give the command that was stopped again; no response is paid for twice.")


def show_done(path: Path, kind: "JobKind[Any, Any]", done: Any) -> None:
    """Say what came of a job."""
    if module := _SHOWN.get(kind.kind):
        import_module(f".{module}", __package__).show_done(path, kind, done)
    else:
        click.echo(f"  {kind.kind:<14} {done}")


def actions_for(run: Path, kind: "JobKind[Any, Any]", script: Path | None, command: str) -> "Sequence[type[Action]]":
    """The actions of the run's scenario, where they say something of use to the job.

    Raises `SetupError` where the job cannot do without them, and it is not known where they are.
    """
    from populace.personas.errors import SetupError
    from populace.scenarios.catalog import is_shipped
    from populace.sim.runfile.reader import open_run
    from populace.sim.scenario import GrowthOnly

    if not kind.uses_actions:
        return ()
    with open_run(run) as stored:
        ((name, made_by, is_language_model),) = stored.query(_MADE_BY).rows
    is_needed = kind.needs_actions
    if (is_language_model and not is_needed) or name == GrowthOnly.name:  # a hub is refused by the job
        return ()
    if script is None and not made_by and not is_shipped(name):
        if not is_needed:
            return ()
        raise SetupError(
            f"The run in {str(run)!r} was made by the scenario {name!r}, which does not ship with Populace; only that "
            "knows what the built-in generator answers to its outputs: say where it is with --script."
        )
    if not is_needed and (script is not None or made_by):
        return ()  # a script is run only where it is asked for
    return scenario_of(run, name, script, made_by, command=command).actions
