"""`populace survey` and `ask`: what the agents of a run are asked, in it or now, and what they answered."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .jobs import run_or_estimate
from .options import (
    benchmark_options,
    check_benchmark,
    embedding_options,
    embeddings_of,
    job_options,
    limit_options,
    limits_of,
    prices_of,
    sampling_options,
)
from .show import authors_notice, show_result
from .specs import command

if TYPE_CHECKING:
    from populace.sim.survey.job import Surveyed
    from populace.sim.survey.survey import Survey

_PATH = click.Path(path_type=Path)


@command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.argument("file", type=_PATH, required=False)
@click.option("--survey", "name", metavar="NAME", help="Only this survey.  [default: all]")
@click.option("--by", metavar="COLUMN", help="For each group too: group, or a column of profiles, as occupation.")
@benchmark_options
@click.option("--json", "as_json", is_flag=True, help="The tables as a JSON object.")
@click.option("--model", help="Who answers for the agents, with FILE.  [default: the run's model]")
@job_options
@embedding_options
def survey(
    run_path: Path,
    file: Path | None,
    name: str | None,
    by: str | None,
    benchmark: Path | None,
    margin: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show or ask a questionnaire.

    Tables of what agents answered: means and shares with 95 % intervals, non-response, reliability. With FILE, a Python
    file that defines one or more of `Survey`, the agents of the finished run are asked first, in their state after the
    last step; the run and its event hash do not change. Answers are rows of `answers` with the number of the job. The
    same command continues a survey that was stopped; no answer is paid for twice.
    """
    from populace.analysis.experiment.benchmark import measure_distances, read_benchmark
    from populace.analysis.surveys import describe_surveys, read_surveys
    from populace.sim.runfile.reader import open_made

    check_benchmark(benchmark, margin)
    if file is None and options["estimate"]:
        raise click.UsageError(
            "--estimate is for a survey that is to be asked; name its FILE, or leave --estimate out."
        )
    people = None if benchmark is None else read_benchmark(benchmark)
    done = None if file is None else _ask_surveys(run_path, _choose_surveys(file, name), options)
    if options["estimate"]:
        return
    with open_made(run_path) as run:
        tables = describe_surveys(read_surveys(run, survey=name, job=done.job if done else None, by=by))
        if people is not None:
            distances = measure_distances(run, people, margin=margin, survey=name)
            tables = replace(tables, parts=(*tables.parts, distances))
        notice = authors_notice(run)
    if done is not None and not as_json:
        _show_surveyed(done)
    show_result(tables, as_json=as_json)
    if not as_json:
        click.echo(f'Each answer: `populace sql {quote(str(run_path))} "FROM answers"`.')
    if notice:
        click.echo(f"\n{notice}", err=as_json)


def _choose_surveys(file: Path, name: str | None) -> "list[Survey]":
    """The surveys in a file, or the one of this name. Raises `SetupError`."""
    from populace.core.errors import SetupError
    from populace.core.inputs import nearest
    from populace.scenarios.catalog import load_surveys

    surveys = load_surveys(file)
    if name is not None and not any(one.name == name for one in surveys):
        names = [one.name for one in surveys]
        raise SetupError(f"{str(file)!r} has no survey {name!r}{nearest(name, names)}; it has: {', '.join(names)}.")
    return [one for one in surveys if name in (None, one.name)]


def _ask_surveys(run: Path, surveys: "Sequence[Survey]", options: Mapping[str, Any]) -> "Surveyed | None":
    from populace.sim.survey.job import survey_job

    _say_recall(run, options)
    done: Surveyed | None = run_or_estimate(run, survey_job(run, surveys), options)
    return done


def _say_recall(run: Path, options: Mapping[str, Any]) -> None:
    """Say so where agents recalled by meaning in the run, and do so by words now."""
    from populace.sim.runfile.reader import open_run, run_of
    from populace.sim.survey.job import note_on_recall

    with open_run(run) as stored:
        if note := note_on_recall(run_of(stored), run, options["embeddings"]):
            click.echo(note, err=True)


def show_done(run: Path, kind: object, done: "Surveyed") -> None:
    """Say what came of a survey that goes on."""
    _show_surveyed(done)
    click.echo(f"The tables: `populace survey {quote(str(run))}`.")


def _show_surveyed(done: "Surveyed") -> None:
    lost = done.answers - done.given - done.unsure
    click.echo(
        f"{done.respondents:,} respondents gave {done.given:,} answers of {done.answers:,}; {done.unsure:,} were "
        f'"don\'t know" and {lost:,} did not come (job {done.job}).'
    )


@command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.argument("agent")
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option("--anew", is_flag=True, help="Begin another interview; else that with this agent goes on.")
@click.option("--model", help="Who answers for the agent.  [default: the run's model]")
@limit_options
@sampling_options
@embedding_options
def ask(run_path: Path, agent: str, questions: Sequence[str], anew: bool, **options: Any) -> None:
    """Interview one agent of a finished run.

    AGENT is an id or its beginning, the agent's number, or words of its description. Questions are asked in order, and
    asking again continues the interview. Without a question the interview is shown. The run and its event hash do not
    change: questions and answers are in RUN.interviews.duckdb.
    """
    from populace.analysis.table import make_visible
    from populace.core.errors import PausedError
    from populace.core.model import PROCEDURAL_NOTICE
    from populace.sim.interview import find_agent, interview, told_so_far
    from populace.sim.runfile.reader import open_made

    with open_made(run_path) as run:
        agent, ordinal, text = find_agent(run, agent)
    click.echo(make_visible(f"{ordinal}: {text}"))
    if questions:
        _say_recall(run_path, options)
        try:
            turns = interview(
                run_path,
                agent,
                questions,
                anew=anew,
                model=options["model"],
                cache=options["cache"],
                **embeddings_of(options),
                base_url=options["base_url"] or None,
                limits=limits_of(options),
                prices=prices_of(options),
            )
        except PausedError as error:
            raise PausedError(f"Paused. {error} What was answered is kept: ask the questions that are left.") from error
    else:
        turns = told_so_far(run_path, agent)
    for turn in turns:
        click.echo(make_visible(f"\n> {turn.question}\n{turn.answer or f'(no answer: {turn.reason})'}"))
    if not turns:
        click.echo("It was asked nothing yet; give a question.")
    if any(turn.model.partition(":")[0] == "procedural" for turn in turns):
        click.echo(f"\n{PROCEDURAL_NOTICE}")
    if questions and all(turn.answer is None for turn in turns):
        click.get_current_context().exit(1)


@command()
@click.argument("run_path", type=_PATH, metavar="RUN")
@click.option("--ask", "is_asked", is_flag=True, help="Ask the agents first; otherwise only read their answers.")
@click.option("--model", help="Who answers for the agents.  [default: the run's model]")
@click.option("--json", "as_json", is_flag=True, help="The report as a JSON object.")
@job_options
@embedding_options
def drift(run_path: Path, as_json: bool, **options: Any) -> None:
    """Measure how far agents drift from their profiles.

    Persona drift and variance collapse, with intervals. With --ask, the agents of the finished run first answer a fixed
    questionnaire about themselves, as a job in its file. A scenario can ask it during the run
    (`identity_survey(at=(0, 8))`), which shows drift from wave to wave. Profiles come from an enriched hub.
    """
    from populace.analysis.surveys import has_answers, read_drift
    from populace.core.errors import SetupError
    from populace.sim.runfile.reader import open_made
    from populace.sim.survey.job import drift_survey

    if options["is_asked"]:
        _ask_surveys(run_path, [drift_survey(run_path)], options)
    if options["estimate"]:
        return
    with open_made(run_path) as run:
        if not has_answers(run):
            raise SetupError(
                f"The agents of {str(run_path)!r} have not answered the questionnaire; ask them: "
                f"`populace check drift {quote(str(run_path))} --ask`."
            )
        report = read_drift(run)
        notice = authors_notice(run)
    show_result(report, as_json=as_json)
    if notice:
        click.echo(f"\n{notice}", err=as_json)
