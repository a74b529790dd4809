"""Interviews with agents of a finished run, as they were after its last step, in a file beside the run's.

The run is opened for reading alone: its rows and its event hash stay as they are, and no agent is told of what another
was asked. What was asked and answered is in `interviews` of the file beside it, every call in its `calls`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Unpack

from pydantic import BaseModel, Field

from ..agents.embedding.vectors import Vector
from ..agents.gateway.budget import Budget
from ..agents.gateway.limits import Limits
from ..agents.turn_prompt import named_language
from ..core.errors import PausedError, RunFileError, SetupError
from ..core.model import Answer, AnswerSchema, Outcome, PersonaModel, RequestContext
from ..core.prompt import RenderedPrompt, fence, load_prompt
from ..core.table import column_names
from .engine import Engine, Executor, JobModels
from .jobs.kind import Asked, JobContext, JobKind, JobOptions
from .jobs.life import run_job
from .jobs.loop import Changes, Phase, run_phase
from .observe import EmbeddingRecall, described
from .resident import Resident
from .runfile.database import make_run_file
from .runfile.reader import RunReader, open_hub_or_run, open_made, run_of
from .runfile.rows import InterviewRow
from .scenario import Settings
from .seeds import derive_seed
from .specs import JobSpec
from .state import SocietyState
from .survey.job import check_finished, give_known_vectors, stored_society, with_recall

if TYPE_CHECKING:
    from .runfile.job_rows import FailureRow

#: The kind of these jobs, their phase, and their prompt.
KIND = "interview"

_SUFFIX = ".interviews.duckdb"
_ROOM = f"{(__package__ or '').rpartition('.sim')[0]}.agents"
_OF = "SELECT spec ->> '$.run' FROM jobs WHERE kind = 'interview' ORDER BY job LIMIT 1"
#: Characters of an id by which an agent is found.
_PREFIX = 4
#: Agents that are named where words fit several, and characters of their descriptions.
_SHOWN, _SHORT = 5, 70

#: Those who fit in the first of these ways in which anybody does.
_FOUND = """
SELECT agent, ordinal, text FROM (
    SELECT a.agent, a.ordinal, p.text, CASE
        WHEN a.agent = $wanted THEN 1
        WHEN a.ordinal::VARCHAR = $wanted THEN 2
        WHEN length($wanted) >= $prefix AND starts_with(a.agent, lower($wanted)) THEN 3
        WHEN len($words) > 0 AND list_bool_and([contains(lower(p.text), word) FOR word IN $words]) THEN 4
    END AS way FROM agents AS a JOIN personas AS p ON p.id = a.agent
) QUALIFY way = min(way) OVER () ORDER BY ordinal
"""


class InterviewReply(BaseModel):
    """What the agent answers."""

    answer: str = Field(min_length=1, max_length=4_000, description="The answer, in the first person.")


def interviews_path(path: Path) -> Path:
    """Return the path of the interviews with agents of a run: `run.interviews.duckdb` beside `run.duckdb`."""
    return path.with_name(f"{path.stem}{_SUFFIX}")


def run_path(file: Path) -> Path:
    """Return the path of the run whose interviews are in this file."""
    return file.with_name(f"{file.name.removesuffix(_SUFFIX)}.duckdb")


def find_agent(run: RunReader, wanted: str) -> tuple[str, int, str]:
    """Return the one agent that matches `wanted`: its id, its number and its description.

    Matches an id, else a place in the order of agents, else the beginning of an id, else all of the words. Raises
    `SetupError` if no agent or several agents match.
    """
    named = {"wanted": wanted.strip(), "words": wanted.lower().split(), "prefix": _PREFIX}
    found = run.query(_FOUND, named).rows
    if len(found) == 1:
        return found[0]
    if not found:
        ((people,),) = run.query("SELECT count(*) FROM agents").rows
        raise SetupError(
            f"No agent of the run in {str(run.path)!r} is {wanted!r}; give an id or its beginning, a number from 1 to "
            f"{people}, or words of a description."
        )
    told = "; ".join(f"{ordinal}: {text[:_SHORT]}" for _, ordinal, text in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise SetupError(f"{len(found)} agents fit {wanted!r}: give a number or more words. {told}{more}.")


def told_so_far(path: Path | str, agent: str) -> list[InterviewRow]:
    """Return all questions to this agent with their answers, in order, or an empty list if it was asked nothing yet."""
    file = interviews_path(Path(path))
    if not file.exists():
        return []
    with open_hub_or_run(file) as stored:
        columns = ", ".join(column_names(InterviewRow))
        found = stored.query(
            f"SELECT {columns} FROM interviews WHERE agent = $agent ORDER BY interview, turn",  # noqa: S608 - our own
            {"agent": agent},
        )
    return [InterviewRow(*row) for row in found.rows]


def interview(
    path: Path | str, agent: str, questions: Sequence[str], **options: Unpack[JobOptions]
) -> list[InterviewRow]:
    """Ask an agent of a finished run the questions, one after the other, and return its answers.

    `agent` is what `find_agent` accepts. The agent's interview continues, or starts again with `anew`. If the run
    recalled notes by meaning, pass its embedding model as `embeddings` to do so here too. Without it, notes are
    recalled by words. Without a `model`, the run's own model answers.

    Raises `RunFileError` if the file is not a run, `SetupError` if the request is invalid, and `PausedError`.
    """
    path = Path(path)
    if blank := [one for one in questions if not one.strip()]:
        raise SetupError(f"A question must be a text, but {blank[0]!r} was given.")
    with open_made(path) as reader:
        check_finished(path)
        (agent, *_), run, state = find_agent(reader, agent), run_of(reader), stored_society(reader)
    kind = InterviewJob(InterviewSpec(run=run.id, agent=agent, interview=1, turn=1, question="?"))
    kind.open_models(interviews_path(path), options).check(options.get("limits") or Limits(), batch=False)
    file = _open_interviews(path, run.id)
    told = told_so_far(path, agent)
    number = max((row.interview for row in told), default=0) + (options.pop("anew", False) or not told)
    told = [row for row in told if row.interview == number]
    # Each question is a job, and the limits are of all that are asked now.
    options["shared_budget"] = Budget(options.get("limits") or Limits())
    options["seed"] = run.seed
    made: list[InterviewRow] = []
    for question in questions:
        kind = InterviewJob(
            InterviewSpec(
                run=run.id,
                agent=agent,
                interview=number,
                turn=len(told) + len(made) + 1,
                question=question.strip(),
                answer_tokens=state.scenario.settings.answer_tokens,
            )
        )
        kind.state = state
        try:
            made.append(run_job(file, kind, **options))
        except PausedError as error:
            error.left = f"Questions: {len(questions) - len(made)} of {len(questions)} left."
            raise
    return made


class InterviewSpec(JobSpec):
    """One question to one agent of a run."""

    run: str
    agent: str
    interview: int
    turn: int
    question: str
    answer_tokens: int = Settings().answer_tokens


class InterviewJob(JobKind[InterviewSpec, InterviewRow]):
    """Asks one question of an interview, in the file of interviews beside the run."""

    kind = KIND
    spec_type = InterviewSpec
    keeps_all = True
    #: The society of the run; None until it is read.
    state: SocietyState | None = None

    @property
    def answer_tokens(self) -> int:
        """Tokens of an answer, at most: as in the run."""
        return self.spec.answer_tokens

    def open_models(self, path: Path, asked: Asked) -> JobModels:
        """Open the models, by default those of the run."""
        run = run_path(path)
        return with_recall(super().open_models(run, asked), run, asked)

    def run(self, context: JobContext) -> None:
        """Ask the question."""
        spec, log = self.spec, context.log
        place = {name: getattr(spec, name) for name in ("agent", "interview", "turn")}
        before = log.rows(
            InterviewRow, "WHERE agent = $agent AND interview = $interview AND turn < $turn ORDER BY turn", place
        )
        asked = InterviewRow(
            log.job, spec.interview, spec.agent, spec.turn, spec.question, None, "", Outcome.OK, "",
            log.job_row.model, "",
        )  # fmt: skip
        phase = InterviewPhase(self._load_society(context), asked, before, context.recall)
        context.engine.call(partial(run_phase, context.engine, phase))

    def report(self, context: JobContext) -> InterviewRow:
        """Return the question with its answer."""
        return context.log.rows(InterviewRow, "WHERE job = $job", {"job": context.job})[0]

    def _load_society(self, context: JobContext) -> SocietyState:
        """Return the society of the run, which is read from the file beside that of the interviews."""
        path, spec = run_path(context.source), self.spec
        if not path.exists():
            raise SetupError(
                f"The agents who were interviewed in {str(context.source)!r} lived in {str(path)!r}, which is not "
                f"there; put that run beside it."
            )
        with open_made(path) as reader:
            if run_of(reader).id != spec.run:
                raise SetupError(
                    f"{str(path)!r} is another run than that whose agents were interviewed in {str(context.source)!r}."
                )
            state = self.state or stored_society(reader)
            if model := context.log.job_row.embedding_model:
                give_known_vectors(reader, [state.residents[spec.agent]], model)
        return state


def _open_interviews(path: Path, run: str) -> Path:
    """Return the file of interviews, created if it does not exist.

    Raises `RunFileError` if it belongs to another run.
    """
    file = interviews_path(path)
    if not file.exists():
        make_run_file(file)
        return file
    with open_hub_or_run(file) as stored:
        for (other,) in stored.query(_OF).rows:
            if other != run:
                raise RunFileError(
                    f"{str(file)!r} holds interviews of another run than {str(path)!r}; move it away to begin new ones."
                )
    return file


class InterviewPhase(Phase[RenderedPrompt, Answer[InterviewReply]]):
    """One question of an interview, whose answer is a row."""

    name = KIND
    chunk = None

    def __init__(
        self,
        state: SocietyState,
        asked: InterviewRow,
        before: Sequence[InterviewRow],
        recall: EmbeddingRecall | None = None,
    ) -> None:
        """Prepare one question.

        `asked` is its row without an answer, and `before` holds the earlier rows of the interview. Notes are recalled
        by meaning with `recall`, else by words.
        """
        self.number = asked.turn
        self._asked = asked
        self._state, self._resident = state, state.residents[asked.agent]
        self._turns = [*(one for one in before if one.answer is not None), asked]
        self._recall = recall
        self._unrecalled: list[FailureRow] = []
        self.items = [_make_prompt(state, self._resident, self._turns)]
        seed = derive_seed(state.seed, KIND, asked.agent, asked.interview, asked.turn) >> 32
        self._context = RequestContext(KIND, asked.turn, asked.agent, seed, job=asked.job)

    async def results(
        self, items: Sequence[RenderedPrompt], executor: Executor, engine: Engine
    ) -> list[Answer[InterviewReply]]:
        """Return the answer to a prompt that holds the notes nearest to each question."""
        if self._recall is not None and self._resident.memory.has_choice(self._state.scenario.settings.recalled):
            vectors, lost = await self._recall.cue_vectors(
                self._resident,
                [one.question for one in self._turns],
                number=self.number,
                seed=self._context.seed,
                phase=KIND,
            )
            self._unrecalled += [lost] if lost is not None else []
            items = [_make_prompt(self._state, self._resident, self._turns, vectors)]
        return await super().results(items, executor, engine)

    def owner(self, item: RenderedPrompt) -> str:
        """Return the id of the agent."""
        return self._asked.agent

    async def work(self, item: RenderedPrompt, model: PersonaModel) -> Answer[InterviewReply]:
        """Ask the model."""
        return await model.ask(item, AnswerSchema.of(InterviewReply), self._context)

    def collect(self) -> Changes:
        """Return the row with its answer. The hash is taken over the question and its answer."""
        ((prompt, answer),) = self.take_done()
        row = replace(
            self._asked,
            answer=answer.value.answer.strip() if answer.value else None,
            raw=answer.raw,
            outcome=answer.outcome,
            reason=answer.reason,
            prompt=f"{prompt.name}@{prompt.version}",
        )
        said = [row.agent, row.interview, row.turn, row.question, row.answer, row.outcome, row.model, row.prompt]
        return Changes(rows=[row, *self._unrecalled], events=[said], failed=int(row.answer is None))


def _make_prompt(
    state: SocietyState,
    resident: Resident,
    turns: Sequence[InterviewRow],
    vectors: Mapping[str, Vector] = MappingProxyType({}),
) -> RenderedPrompt:
    """Build the conversation up to the question to be answered. A note is shown when a question first recalls it.

    `vectors` are those of the questions. For a question without a vector, notes are recalled by words.
    """
    template, settings = load_prompt(_ROOM, KIND), state.scenario.settings
    notes = _recall_notes(resident, [turn.question for turn in turns], settings.recalled, vectors)
    questions = [fence("question", turn.question) for turn in turns]
    prompt = template.render(
        world=fence("world", state.scenario.world),
        persona=fence("persona", described(state, resident)),
        news=fence("news", "\n".join(f"- {one}" for one in state.world.told_to(resident.id))),
        memory=notes[0],
        question=questions[0],
        language=named_language(template, resident.persona.language),
    )
    for turn, memory, question in zip(turns, notes[1:], questions[1:], strict=False):
        prompt = prompt.followed_by(turn.raw, "\n\n".join(part for part in (memory, question) if part))
    return prompt


def _recall_notes(resident: Resident, questions: Sequence[str], most: int, vectors: Mapping[str, Vector]) -> list[str]:
    """Return the notes each question recalls that no earlier question did, as a prompt section per question."""
    shown: set[str] = set()
    found = []
    for question in questions:
        found_now = resident.memory.recall(question, most, vector=vectors.get(question))
        notes = [one for one in found_now if one not in shown]
        shown |= set(notes)
        found.append(fence("memory", "\n".join(f"- {' '.join(one.split())}" for one in notes)))
    return found
