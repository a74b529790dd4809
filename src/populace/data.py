"""Solve and grade the outputs of a run, with the models that the run names unless others are given."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .agents.actions import Action
from .agents.rubric import read_rubric
from .core.errors import SetupError, parameter
from .scenarios.catalog import find_scenario, is_shipped, load_scenario, shipped_scenario
from .sim.grading.grading import GradingJob, GradingSpec, grader_roles, rubrics_for
from .sim.grading.preferences import ComparingJob, ComparingSpec
from .sim.grading.responding import RespondingJob, RespondingSpec, has_responses
from .sim.jobs.kind import JobOptions
from .sim.jobs.life import run_job
from .sim.run_models import stored_model
from .sim.runfile.reader import open_run
from .sim.scenario import GrowthOnly, Scenario
from .sim.specs import RoleModel
from .sim.tasks.outputs import OutputJobReport, parse_models
from .sim.tasks.solving import SolvingJob, parse_solvers, solving_spec
from .sim.trust import check_script, remember_script

if TYPE_CHECKING:
    from .sim.jobs.kind import JobKind
    from .sim.tasks.outputs import OutputJob

_MADE_BY = "SELECT scenario, scenario_file, is_language_model FROM runs"
_KINDS = "SELECT DISTINCT kind FROM emissions ORDER BY kind"


def solve(run: Path | str, solvers: Sequence[str] = (), **options: Any) -> OutputJobReport:
    """Solve the problems of a run several times and vote on the answers.

    A solver is MODEL or MODEL@URL. `options` are those of `solving_job` and `run_job`. Raises what they raise.
    """
    asked = _take_job_options(options)
    job, models = solving_job(Path(run), solvers, base_url=asked.get("base_url"), **options)
    return run_job(run, job, **{**models, **asked})


def grade(
    run: Path | str, graders: Sequence[str] = (), *, responses: int | None = None, teacher: str = "", **options: Any
) -> OutputJobReport:
    """Grade the outputs of a run with models, by a rubric or in pairs.

    With `responses`, a teacher responds so many times to each output first, and the responses are graded. A grader is
    MODEL or MODEL@URL. `options` are those of `grading_job` and `run_job`. Raises what they raise.
    """
    asked, run = _take_job_options(options), Path(run)
    if responses is not None:
        chosen = {name: options.get(name) for name in ("kinds", "n", "all", "script")}
        found = responding_job(run, teacher, base_url=asked.get("base_url"), responses=responses, **chosen)
        if not has_responses(run, found[0].spec, seed=asked.get("seed") or 0):
            run_job(run, found[0], **{**found[1], **asked})
    options.pop("script", None)
    job, models = grading_job(
        run, graders, base_url=asked.get("base_url"), has_responses=responses is not None, **options
    )
    return run_job(run, job, **{**models, **asked})


def solving_job(
    run: Path, solvers: Sequence[str], *, base_url: Any = None, script: Path | None = None, **chosen: Any
) -> tuple[SolvingJob, dict[str, Any]]:
    """Return the job that solves the problems of a run, and its model.

    `chosen` are fields of `SolvingSpec` and `SolverPanel`; None is not given. Raises `SetupError` for a run without
    problems.
    """
    given = _choose_models(run, parse_solvers(solvers), "solver", base_url)
    _check_problems(run, chosen.get("kinds") or ())
    job = SolvingJob(solving_spec(given, **chosen))
    job.actions = tuple(find_actions(run, job, script, "solve"))
    return job, _first_model(given)


def grading_job(
    run: Path,
    graders: Sequence[str],
    *,
    base_url: Any = None,
    rubric: str | None = None,
    pairwise: bool = False,
    has_responses: bool = False,
    **chosen: Any,
) -> "tuple[OutputJob[Any], dict[str, Any]]":
    """Return the job that grades the outputs of a run, or responses to them, and its model.

    `chosen` are fields of `GradingSpec`, or of `ComparingSpec` where outputs are compared in pairs.
    """
    given = _choose_models(run, parse_models(graders, "grader", parameter("votes")), "grader", base_url)
    for name, needed, fits in (
        ("pairs", "pairwise grading", pairwise),
        ("threshold", "grades, not pairs", not pairwise),
    ):
        if chosen.get(name) is not None and not fits:
            raise SetupError(f"{parameter(name)} is for {needed}; leave one of them out.")
        if not fits:
            chosen.pop(name, None)
    if has_responses:
        chosen["n"] = None  # of the outputs so many were responded to, and all their responses are judged
    with open_run(run) as stored:
        kinds = [kind for (kind,) in stored.query(_KINDS).rows if kind in (chosen.get("kinds") or (kind,))]
    chosen["rubrics"] = rubrics_for(kinds, None if rubric is None else read_rubric(rubric))
    chosen |= {"responses": has_responses, **grader_roles(given)}
    if pairwise:
        return ComparingJob(ComparingSpec.given(**chosen)), _first_model(given)
    return GradingJob(GradingSpec.given(**chosen)), _first_model(given)


def responding_job(
    run: Path, teacher: str, *, base_url: Any = None, script: Path | None = None, **chosen: Any
) -> tuple[RespondingJob, dict[str, Any]]:
    """Return the job in which a teacher responds to the outputs of a run, and its model."""
    named = parse_models((teacher,), "teacher", parameter("responses")) if teacher else ()
    first, *others = _choose_models(run, named, "solver", base_url)
    if others:
        raise SetupError(f"{parameter('teacher')} names one model; leave the others out.")
    job = RespondingJob(RespondingSpec.given(**chosen, teacher=first.model))
    job.actions = tuple(find_actions(run, job, script, "grade"))
    return job, _first_model([first])


def find_actions(run: Path, kind: "JobKind[Any, Any]", script: Path | None, command: str) -> "Sequence[type[Action]]":
    """Return the actions of the run's scenario, where they say something of use to the job.

    Raises `SetupError` where the job cannot do without them, and it is not known where they are.
    """
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
            f"knows what the built-in generator answers to its outputs: say where it is with {parameter('script')}."
        )
    if not is_needed and (script is not None or made_by):
        return ()  # a script is run only where it is asked for
    return find_made_by(run, name, script, made_by, command=command).actions


def find_made_by(
    file: Path,
    name: str,
    script: Path | None,
    made_by: str | None,
    *,
    command: str,
    check: Callable[[], None] | None = None,
) -> type[Scenario]:
    """Return the scenario that made a run file: by its name, from its script, or from the one that is named now.

    Raises `SetupError` when it is not there, and for a script that only the file names; `command` would run it.
    `check` is called before a script is run, and may raise too.
    """
    if script is None and not made_by:
        return GrowthOnly if name == GrowthOnly.name else shipped_scenario(name)
    where = Path(script or made_by or "")
    if not where.is_file():
        raise SetupError(
            f"The run in {str(file)!r} was made by the script {str(where)!r}, which is not there; "
            f"say where it is now with {parameter('script')}."
        )
    with open_run(file) as stored:
        run = str(stored.query("SELECT run FROM runs").rows[0][0])
    if script is None:
        check_script(file, run, where, command=command)
    if check is not None:
        check()
    found = load_scenario(where)
    if script is not None:
        remember_script(run, where)
    return found


def _take_job_options(options: dict[str, Any]) -> JobOptions:
    """Take out and return the options of a job, whatever it is to do."""
    names = [name for name in options if name in JobOptions.__annotations__ or name == "model"]
    return cast("JobOptions", {name: options.pop(name) for name in names})


def _choose_models(run: Path, named: Sequence[RoleModel], role: str, base_url: Any) -> Sequence[RoleModel]:
    """Return the models that were named, or else the one that did this, or all, in the run."""
    if named:
        return named
    own = stored_model(run, role=role, has_address=bool(base_url))
    return [own.model_copy(update={"base_url": base_url}) if base_url else own]


def _first_model(given: Sequence[RoleModel]) -> dict[str, Any]:
    """Return the first of the models as a job takes it."""
    return {"model": given[0].model, "base_url": given[0].base_url or None, "prices": given[0].prices}


def _check_problems(run: Path, kinds: Sequence[str]) -> None:
    """Raise `SetupError` where no kind is named and what made the run makes no problems: all would be rejected."""
    with open_run(run) as stored:
        found = stored.query(_MADE_BY).rows
    if kinds or not found or found[0][1] or not is_shipped(found[0][0]):
        return
    actions = find_scenario(found[0][0])[0]().actions
    if all(action.known_solution is Action.known_solution for action in actions):
        raise SetupError(
            f"The run in {str(run)!r} was made by {found[0][0]!r}, which makes no problems; name the outputs that are "
            f"some, as {parameter('kinds', actions[0].name)}."
        )
