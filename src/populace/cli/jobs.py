"""What the commands that run jobs share: how a job is run, gone on with, and shown."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .guard import going_on, option
from .options import changed_limits, check_sample, embeddings_of, limits_of, prices_of, roles_of, sampling_of

if TYPE_CHECKING:
    from populace.sim.embedding import HubVectors
    from populace.sim.jobs.kind import JobKind
    from populace.sim.runfile.job_rows import JobRow
    from populace.sim.tasks.outputs import OutputJob, OutputJobReport

#: The modules whose `show_done` says what came of a job; jobs on outputs say it themselves.
_SHOWN = {"enrichment": "hub_people", "embedding": "hub", "survey": "survey", "evaluation": "grade"}


def do_job(path: Path, kind: "JobKind[Any, Any]", options: Mapping[str, Any], **named: Any) -> None:
    """Run a job in its file and print what came of it, or print its estimate."""
    if (done := run_or_estimate(path, kind, options, **named)) is not None:
        show_done(path, kind, done)


def run_or_estimate(path: Path, kind: "JobKind[Any, Any]", options: Mapping[str, Any], **named: Any) -> Any:
    """Run a job in its file and return its report, or print its estimate and return None.

    `named` holds what is not given by an option of its name. If the job stops early, print how to continue.
    """
    from populace.sim.estimate.jobs import estimate_file_job
    from populace.sim.jobs.life import run_job

    from .panel import ProgressPanel
    from .show import show_estimate

    check_sample(options)
    asked: dict[str, Any] = {name: options.get(name) for name in ("model", "seed")} | embeddings_of(options)
    asked |= {"base_url": options["base_url"] or None, "batch": options["batch"]}
    asked |= {name: value for name, value in named.items() if value is not None}
    asked["prices"] = prices_of(options) or named.get("prices")
    if options["estimate"]:
        show_estimate(estimate_file_job(path, kind, sampling=sampling_of(options), **asked))
        return None
    asked |= {"limits": limits_of(options), "cache": options["cache"], "anew": options["anew"]}
    with going_on(path):
        return run_job(path, kind, progress=ProgressPanel(), **asked)


def go_on_with_job(
    file: Path, job: "JobRow", script: Path | None, options: Mapping[str, Any], *, no_cache: bool
) -> None:
    """Go on with an unfinished job on a hub or on what a run has made, and say what came of it."""
    from populace.core.errors import name_parameters
    from populace.data import find_actions
    from populace.sim.jobs.life import resume_job, stored_job, stored_kind

    from .panel import ProgressPanel

    kind = stored_kind(stored_job(file, job.job))
    # Where only vectors are wanted, the address is that of the embedding model.
    named = partial(option, base_url="--embeddings-url") if job.kind == "embedding" else option
    with going_on(file, kept="fetched" if job.kind == "embedding" else "done"), name_parameters(named):
        done = resume_job(
            file,
            job.job,
            actions=find_actions(file, kind, script, "resume"),
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
    from populace.sim.tasks.outputs import OutputJob

    if module := _SHOWN.get(kind.kind):
        import_module(f".{module}", __package__).show_done(path, kind, done)
    elif isinstance(kind, OutputJob):
        _show_outputs(path, kind, done)


def _show_outputs(run: Path, job: "OutputJob[Any]", done: "OutputJobReport") -> None:
    from populace.analysis.agreement import read_identified
    from populace.core.model import PROCEDURAL_NOTICE
    from populace.sim.runfile.reader import open_run

    from .show import own_graders_notice, show_facts

    show_facts(job.rows(done))
    with open_run(run) as stored:
        if any(one.lineup for one in getattr(job.spec, "rubrics", ())):
            show_facts(("identified", one) for one in read_identified(stored, done.job))
        graders = own_graders_notice(stored, done.job) if getattr(job.spec, "graders", ()) else ""
    if notice := graders if done.is_language_model else PROCEDURAL_NOTICE:
        click.echo(f"\n{notice}")
    click.echo(f"\n{job.where(quote(str(run)))}")
    if all(done.failed.get(phase) == number for phase, number in done.done.items()):
        click.get_current_context().exit(1)


@contextmanager
def fetch_errors(file: Path) -> Iterator[None]:
    """Within it, a job that fetches vectors says how to go on, and calls its address --embeddings-url."""
    from populace.core.errors import name_parameters

    with going_on(file, kept="fetched"), name_parameters(partial(option, base_url="--embeddings-url")):
        yield


def fetching_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return within what limits vectors are fetched, and what shows it. Raises `SetupError`."""
    from .panel import ProgressPanel

    given = {"limits": limits_of(options), "prices": embeddings_of(options)["embeddings_prices"]}
    return given | {"cache": options["cache"], "progress": ProgressPanel()}


def say_fetched(file: Path, fetched: "HubVectors", *, err: bool = False) -> None:
    """Print how many vectors were fetched."""
    if fetched.job is not None:
        click.echo(
            f"{fetched.fetched:,} of {fetched.missing:,} texts got a vector; the calls are in {file}, as job "
            f"{fetched.job}.",
            err=err,
        )
