"""Surveys of the agents of a finished run, as a job in its file, and these agents as they were after its last step.

The agents answer as they were then; the run itself, its rows and its event hash stay as they are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from ...agents.embedding.models import named_embedder
from ...agents.embedding.vectors import Vector, text_hash
from ...agents.gateway.budget import known_prices
from ...core.errors import SetupError, parameter
from ...personas.hub.tables import PersonaRow
from ...personas.population import PersonaGraph
from ..details import PeopleDetails
from ..dynamics.world import World
from ..engine import JobModels
from ..growth.stored import stored_persona
from ..jobs.kind import Asked, JobContext, JobKind, JobOptions
from ..jobs.life import run_job
from ..jobs.loop import run_phase
from ..mesa import Model
from ..resident import Resident
from ..runfile.job_rows import JobRow
from ..runfile.ledger import KNOWN_VECTORS
from ..runfile.reader import FileTables, RunReader, open_made, open_run, run_of
from ..runfile.rows import DescriptionRow
from ..scenario import Scenario, Settings
from ..settling import check_survey_prompts, settle, survey_room
from ..specs import JobSpec
from ..state import SocietyState, restore_notes
from .phase import SurveyPhase
from .survey import Survey, identity_survey

#: Texts whose vectors are looked up at once.
_TEXTS = 2_000

_LIVING = "WHERE id IN (SELECT agent FROM agents)"
_AGENTS = "SELECT agent, group_name, arrived FROM agents ORDER BY ordinal"
_DEPARTED = "SELECT agent FROM agent_changes WHERE change = 'departed'"
_WORLD = "SELECT world_state FROM steps ORDER BY step DESC LIMIT 1"


class StoredScenario(Scenario):
    """The settings and the world of a run whose own scenario is not loaded, and what that had prompts say of agents."""

    name = "stored"

    def __init__(self, settings: Mapping[str, Any], said: Mapping[str, DescriptionRow]) -> None:
        """Take the settings of a run.

        `said` holds, by agent, what its scenario said beyond or instead of the persona.
        """
        super().__init__(settings)
        self._said = said

    def described(self, resident: Resident) -> str:
        """Return what the run's own scenario said about the agent after its last step."""
        own = super().described(resident)
        row = self._said.get(resident.id)
        return own if row is None else f"{row.before}{'' if row.is_replaced else own}{row.after}"


def check_finished(path: Path) -> None:
    """Raise `SetupError` if a run is not finished or had no agents. Raises `RunFileError` if the file is not a run."""
    with open_made(path) as run:
        ((status, agents),) = run.query("SELECT status, (SELECT count(*) FROM agents) FROM runs").rows
    if status != "finished":
        raise SetupError(
            f"The run in {str(path)!r} is not finished ({status}), and its agents are not as they will be; go on with "
            f"it first: `populace resume {path}`."
        )
    if not agents:
        raise SetupError(f"Nobody lives in the run in {str(path)!r}, so there is nobody to ask.")


def give_known_vectors(reader: RunReader, residents: Collection[Resident], model: str) -> None:
    """Give notes their vectors of this embedding model from the run, so that they are not requested again."""
    known = known_vectors(reader, (text for one in residents for text in one.memory.without_vector()), model)
    for resident in residents if known else ():
        resident.memory.give_vectors(known)


def known_vectors(reader: RunReader, texts: Iterable[str], model: str) -> dict[str, Vector]:
    """Return the vectors of this embedding model that the run has for these texts."""
    wanted = {text_hash(text): text for text in texts}
    known: dict[str, Vector] = {}
    for some in batched(wanted, _TEXTS):
        found = reader.query(KNOWN_VECTORS, {"model": model, "hashes": list(some)}).rows
        known |= {wanted[key]: np.array(vector, dtype=np.float32) for key, vector in found}
    return known


def stored_society(reader: RunReader) -> SocietyState:
    """Return the society of a run after its last step: the agents with their notes, and the world."""
    run, tables = run_of(reader), FileTables(reader)
    spec = run.run_spec
    given = {name: value for name, value in spec.settings.items() if name in Settings.model_fields}
    scenario = StoredScenario(given, {row.agent: row for row in tables.rows(DescriptionRow)})
    scenario.world = spec.world
    state = SocietyState(scenario, seed=run.seed)
    agents = tables.query(_AGENTS)
    people = {row.id: stored_persona(row) for row in tables.rows(PersonaRow, _LIVING)}
    state.graph = PersonaGraph({agent: people[agent] for agent, _, _ in agents}, ())
    state.residents = settle(Model(rng=run.seed), state, PeopleDetails(tables))
    for agent, group, arrived in agents:
        state.residents[agent].group, state.residents[agent].arrived = group, arrived
    for (world,) in tables.query(_WORLD):
        state.world = World.model_validate_json(world)
    restore_notes(state, tables)
    for (agent,) in tables.query(_DEPARTED):
        state.leave(agent)
    return state


def with_recall(models: JobModels, run: Path, asked: Asked) -> JobModels:
    """Return the models with the one by which the agents of a finished run recall now, if it was named.

    It is asked at its own address, or else at that of the chat model. Raises `SetupError` if it is not the run's model,
    since agents would then remember other notes.
    """
    model = named_embedder(asked.get("embeddings"), asked.get("embeddings_url"), asked.get("base_url"))
    if model is None:
        return models
    with open_made(run) as reader:
        row = run_of(reader)
    if model.name != row.embedding_model:
        was = "by words" if row.embedding_model is None else f"by the embedding model {row.embedding_model}"
        raise SetupError(
            f"The agents of {str(run)!r} recalled their notes {was}, and would remember otherwise with "
            f"{parameter('embeddings', model.name)}; leave it out"
            f"{'' if row.embedding_model is None else ', or give that one'}."
        )
    prices = asked.get("embeddings_prices") or known_prices(model, writes=False)
    return replace(models, embeddings=model, embeddings_prices=prices)


def note_on_recall(run: JobRow, path: Path, embeddings: object) -> str:
    """Return a note that agents who recalled by meaning in the run now recall by words.

    Returns "" if nothing differs.
    """
    if embeddings is not None or run.embedding_model is None:
        return ""
    return (
        f"The agents of {str(path)!r} recalled their notes by meaning ({run.embedding_model}); as no embedding model "
        f"is named, they recall by words now. As in the run: {parameter('embeddings', run.embedding_model)}."
    )


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
