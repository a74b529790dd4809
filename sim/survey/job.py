"""Surveys of the agents of a finished run, as a job in its file: asked after its last step, resumed and replayed.

The agents answer as they were then; the run itself, its rows and its event hash stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from ...core.errors import SetupError
from ..engine import JobModels
from ..jobs.kind import Asked, JobContext, JobKind, JobOptions, JobSpec
from ..jobs.life import run_job
from ..jobs.loop import run_phase
from ..prompt_limits import check_survey_prompts, survey_room
from ..runfile.reader import open_run
from ..runfile.recording import run_of
from ..scenario import Settings
from .phase import SurveyPhase
from .stored import check_finished, stored_society, with_recall
from .survey import Survey, identity_survey

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


class SurveySpec(JobSpec):
    """What agents are asked."""

    surveys: tuple[Mapping[str, Any], ...]
    answer_tokens: int = Settings().answer_tokens


class SurveyJob(JobKind[SurveySpec, Surveyed]):
    """Asks the agents of a finished run, as they were after its last step."""

    kind = KIND
    spec_type = SurveySpec

    @property
    def surveys(self) -> list[Survey]:
        """The surveys that are asked."""
        return [Survey.from_json(one) for one in self.spec.surveys]

    @property
    def phase_names(self) -> Sequence[str]:
        """The phases, one for each survey."""
        return [one.phase for one in self.surveys]

    @property
    def answer_tokens(self) -> int:
        """Tokens of an answer, at most: as in the run."""
        return self.spec.answer_tokens

    def open_models(self, path: Path, asked: Asked) -> JobModels:
        """Open the models, and the one by which agents recall. Raises `SetupError` if it is not that of the run."""
        return with_recall(super().open_models(path, asked), path, asked)

    def seed(self, path: Path) -> int:
        """Return the seed of the run, by which the same survey would have been asked in it."""
        with open_run(path) as run:
            return run_of(run).seed

    def set_batch(self, is_batch: bool) -> None:
        """Do nothing, since all agents are one chunk."""

    def run(self, context: JobContext) -> None:
        """Ask one survey after the other."""
        with open_run(context.log.path) as reader:
            state = stored_society(reader)
        state.seed = context.seed
        for survey in self.surveys:
            phase = SurveyPhase(context.engine, state, survey, is_rule=False, recall=context.recall)
            context.engine.call(partial(run_phase, context.engine, phase))
        context.engine.call(context.engine.flush)

    def report(self, context: JobContext) -> Surveyed:
        """Return how many answered."""
        ((respondents, answers, given, unsure),) = context.log.query(_ASKED, {"job": context.job})
        event_hash = context.engine.events.hex
        return Surveyed(context.job, respondents, answers, given, unsure, context.is_language_model, event_hash)


def survey_job(path: Path | str, surveys: Sequence[Survey]) -> SurveyJob:
    """Return the job that asks the agents of a finished run these surveys.

    Raises `RunFileError` if the file is not a run file, and `SetupError` if the run cannot be surveyed.
    """
    path, surveys = Path(path), tuple(surveys)
    names = [one.name for one in surveys]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SetupError(f"Two surveys are called {twice[0]!r}; give each a name of its own.")
    if not surveys:
        raise SetupError(f"There is no survey to ask of the run in {str(path)!r}; give one or more.")
    with open_run(path) as run:
        check_finished(path)
        spec = run_of(run).run_spec
    settings = spec.settings
    check_survey_prompts(surveys, world=spec.world, prompt_tokens=settings.get("prompt_tokens", 0))
    asked = [one.as_json() for one in surveys]
    return SurveyJob(SurveySpec.given(surveys=asked, answer_tokens=settings.get("answer_tokens")))


def survey_run(path: Path | str, surveys: Sequence[Survey], **options: Unpack[JobOptions]) -> Surveyed:
    """Ask the agents of a finished run, as they were after its last step. The answers become rows of its file.

    `run_job` says what the options are and how a stopped job continues. Without a `model`, the run's own model answers.
    Without a `seed`, the run's own is used, which is the one the same survey would have had within the run. If the run
    recalled notes by meaning, pass its embedding model as `embeddings` to do so here too. Without it, notes are
    recalled by words. Raises what `survey_job` raises, and `PausedError` if the budget is spent.
    """
    return run_job(path, survey_job(path, surveys), **options)


def drift_survey(path: Path | str) -> Survey:
    """Return the questionnaire of persona drift for a run.

    It asks item by item if the run's prompts may be too short for the whole questionnaire.
    """
    with open_run(path) as run:
        spec = run_of(run).run_spec
    survey, most = identity_survey(), spec.settings.get("prompt_tokens", 0)
    is_long = 0 < most < survey_room(survey, world=spec.world)
    return identity_survey(one_by_one=True) if is_long else survey
