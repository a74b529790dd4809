"""Surveys of the agents of a finished run, as a job in its file: asked after its last step, resumed and replayed.

The agents answer as they were then; the run itself, its rows and its event hash stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from langchain_core.embeddings import Embeddings

from ...agents.batch import check_batchable
from ...agents.embedding.models import EmbeddingHandle
from ...agents.endpoint.models import ModelHandle, open_model
from ...agents.gateway.budget import Prices, check_priced, known_prices
from ...agents.gateway.gateway import Gateway
from ...agents.gateway.limits import Limits
from ...personas.errors import SetupError, parameter
from ...personas.inputs import check_seed
from ..engine import Engine, Progress
from ..hub_jobs.jobs import HubJob, check_job_trusted, resumed, stored_job
from ..jobs import run_phase
from ..observe import EmbeddingRecall
from ..prompt_limits import check_survey_prompts, survey_room
from ..run_models import choose_model
from ..runfile.job_rows import JobRow
from ..runfile.reader import open_run
from ..runfile.recording import run_of
from ..runfile.runlog import RunLog
from ..scenario import Settings
from ..state import SocietyState
from .declared import Survey
from .identity import identity_survey
from .phase import SurveyPhase
from .recall import LaterRecall, recall_of
from .stored import check_finished, stored_society

#: The kind of these jobs.
KIND = "survey"

_ASKED = """
SELECT count(DISTINCT (survey, agent)), count(*), count_if(outcome = 'ok'), count_if(outcome = 'dont_know')
FROM answers WHERE job = $job
"""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What came of a survey of a finished run, over this session and earlier ones."""

    job: int
    #: Respondents, and of all answers to items those that were given and those that were "don't know".
    respondents: int
    answers: int
    given: int
    unsure: int
    is_language_model: bool = True
    event_hash: str = ""


def survey_run(
    path: Path | str,
    surveys: Sequence[Survey],
    *,
    model: str | ModelHandle | None = None,
    base_url: str | Sequence[str] | None = None,
    limits: Limits | None = None,
    prices: Prices | None = None,
    cache: Path | None = None,
    batch: bool = False,
    embeddings: str | Embeddings | EmbeddingHandle | None = None,
    embeddings_url: str | None = None,
    embeddings_prices: Prices | None = None,
    seed: int | None = None,
    anew: bool = False,
    progress: Progress | None = None,
) -> Surveyed:
    """Ask the agents of a finished run, as they were after its last step. The answers become rows of its file.

    Without a `model`, the run's own model answers. Without a `seed`, the run's own is used, which is the one the same
    survey would have had within the run. If the run recalled notes by meaning, pass its embedding model as `embeddings`
    to do so here too. Without it, notes are recalled by words.

    If called again, a stopped job continues. A finished job is repeated only with `anew`. Raises `RunFileError` if the
    file is not a run file, `SetupError` if the request is invalid, and `PausedError` if the budget is spent.
    """
    path, surveys = Path(path), tuple(surveys)
    names = [one.name for one in surveys]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SetupError(f"Two surveys are called {twice[0]!r}; give each a name of its own.")
    if not surveys:
        raise SetupError(f"There is no survey to ask of the run in {str(path)!r}; give one or more.")
    with open_run(path) as run:  # opened once for all that reads it before the job begins
        check_finished(path)
        row = run_of(run)
        recall = LaterRecall.opened(
            row, path, embeddings, url=embeddings_url, address=base_url, prices=embeddings_prices
        )
        seed = row.seed if seed is None else check_seed(seed)
        settings = orjson.loads(row.settings)
        check_survey_prompts(surveys, world=row.world, prompt_tokens=settings.get("prompt_tokens", 0))
        tokens = settings.get("answer_tokens", Settings().answer_tokens)
        spec = {"surveys": [one.as_json() for one in surveys], "answer_tokens": tokens}
        handle, prices = choose_model(path, model, base_url, prices)
        job = _job(path, spec, handle, limits or Limits(), prices, cache, recall, batch=batch, seed=seed)
        unfinished, done = job.unfinished(), job.finished()
    number, _ = job.continued(unfinished, anew=anew)
    if number is None and not anew and done is not None:
        raise SetupError(
            f"Job {done} of {str(path)!r} has asked just this; to have it asked and paid for again, give "
            f"{parameter('anew', value=True)}."
        )
    return _surveyed(job, job.begin() if number is None else job.reopen(number), progress)


def drift_survey(path: Path | str) -> Survey:
    """Return the questionnaire of persona drift for a run.

    It asks item by item if the run's prompts may be too short for the whole questionnaire.
    """
    with open_run(path) as run:
        row = run_of(run)
    survey, most = identity_survey(), orjson.loads(row.settings).get("prompt_tokens", 0)
    is_long = 0 < most < survey_room(survey, world=row.world)
    return identity_survey(one_by_one=True) if is_long else survey


def resume_survey(
    path: Path,
    number: int,
    *,
    model: str | None = None,
    base_url: Sequence[str] | None = None,
    embeddings: str | Embeddings | EmbeddingHandle | None = None,
    embeddings_url: str | None = None,
    embeddings_prices: Prices | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> Surveyed:
    """Continue an unfinished survey from its spec. `given` are the limits, prices and cache to change.

    Raises `SetupError` if the job uses an address or a file that was not named on this machine.
    """
    row = stored_job(path, number)
    named = embeddings_url or (None if embeddings is None or isinstance(embeddings, str) else embeddings)
    check_job_trusted(path, row, address=base_url, model=model, embeddings=named, cache=given.get("cache"))
    where = base_url or (row.base_url or "").split() or None
    recall = LaterRecall.resumed(
        row, embeddings=embeddings, url=embeddings_url, address=where, prices=embeddings_prices
    )
    handle = open_model(model or row.model, base_url=where)
    job = _job(path, orjson.loads(row.spec), handle, recall=recall, **resumed(row, **given))
    return _surveyed(job, job.reopen(number), progress)


def _job(
    path: Path,
    spec: Mapping[str, Any],
    handle: ModelHandle,
    limits: Limits,
    prices: Prices | None,
    cache: Path | None,
    recall: LaterRecall,
    *,
    batch: bool,
    seed: int,
) -> HubJob:
    prices = prices or known_prices(handle)
    check_priced(limits, prices)
    recall.check(limits)
    if batch:
        check_batchable(handle)
    return HubJob(
        path=path,
        kind=KIND,
        spec=spec,
        seed=seed,
        model=handle,
        limits=limits,
        prices=prices,
        cache=cache,
        batch=batch,
        embeddings=recall.model,
        embeddings_prices=recall.prices,
    )


def replay_survey(
    hub_job: HubJob, log: RunLog, gateway: Gateway, progress: Progress | None, *, recall: EmbeddingRecall | None
) -> None:
    """Ask again in a copy of the file, with the answers of `gateway` and `recall`."""
    surveys, state = stored_surveys(log.job_row), _state(log, hub_job.seed)
    with hub_job.running(log, progress, answer_tokens=hub_job.spec["answer_tokens"], gateway=gateway) as engine:
        _ask(engine, surveys, state, recall)


def stored_surveys(row: JobRow) -> list[Survey]:
    """Return the surveys of a job, from its spec."""
    told: Mapping[str, Any] = orjson.loads(row.spec)
    return [Survey.from_json(one) for one in told["surveys"]]


def _surveyed(job: HubJob, log: RunLog, progress: Progress | None) -> Surveyed:
    surveys, state = stored_surveys(log.job_row), _state(log, job.seed)
    phases = [one.phase for one in surveys]
    with job.running(log, progress, batched=phases, answer_tokens=job.spec["answer_tokens"]) as engine:
        _ask(engine, surveys, state, recall_of(engine))
        ((respondents, answers, given, unsure),) = log.query(_ASKED, {"job": log.job})
        is_language_model = log.job_row.is_language_model
        return Surveyed(log.job, respondents, answers, given, unsure, is_language_model, engine.events.hex)


def _state(log: RunLog, seed: int) -> SocietyState:
    try:
        with open_run(log.path) as reader:
            state = stored_society(reader)
    except BaseException:
        log.close()
        raise
    state.seed = seed
    return state


def _ask(engine: Engine, surveys: Sequence[Survey], state: SocietyState, recall: EmbeddingRecall | None) -> None:
    for survey in surveys:
        phase = SurveyPhase(engine, state, survey, is_rule=False, recall=recall)
        engine.call(partial(run_phase, engine, phase))
    engine.call(engine.flush)
