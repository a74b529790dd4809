"""Several responses of a teacher to each instruction that a run has made: candidates of which preferences are made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from ...agents.actions import Action
from ...agents.responses import Response, Said, said, schema_of
from ...agents.text_forms import WHOLE
from ...personas.model import Answer, AnswerGenerator, Outcome, PersonaModel, RequestContext
from ...personas.prompt import fence, load_prompt
from ...personas.table import Row
from ..jobs.kind import JobContext
from ..runfile.output_rows import ResponseRow
from ..runfile.reader import open_run
from ..seeds import derive_seed
from ..tasks.outputs import LOST_OUTCOMES, Output, OutputJob, OutputJobReport, OutputPhase, OutputSpec, answered
from .grading import ROOM, ended_rows

#: The kind of these jobs, their one phase, and the role of the model.
KIND = "responding"
ROLE = "teacher"

_FINISHED = "SELECT spec, seed FROM jobs WHERE kind = $kind AND status = 'finished' ORDER BY job DESC LIMIT 1"


class RespondingSpec(OutputSpec):
    """To what is responded, by whom, and how often."""

    teacher: str
    responses: int = Field(4, ge=2, le=64)


@dataclass(frozen=True, slots=True)
class RespondingWork:
    """Has the teacher respond to one output as often as is wanted."""

    responses: int
    job: int
    seed: int
    stand_in: AnswerGenerator

    async def __call__(self, item: Output, model: PersonaModel) -> list[tuple[Answer[Response], Said]]:
        """Return the responses, each from a request of its own."""
        prompt = load_prompt(ROOM, "respond").render(persona="", request=fence("request", item.text))
        schema = schema_of(Response, prompt.name, self.stand_in, WHOLE)
        seed = derive_seed(self.seed, KIND, item.emission) >> 32
        context = RequestContext(KIND, 1, str(item.emission), seed, job=self.job)

        async def respond(replicate: int) -> tuple[Answer[Response], Said]:
            answer = await model.ask(prompt, schema, context.varied(role=ROLE, replicate=replicate))
            return answer, said(answer)

        return await answered(respond(replicate) for replicate in range(self.responses))


class RespondingPhase(OutputPhase[list[tuple[Answer[Response], Said]]]):
    """Has the teacher respond."""

    name = KIND
    shown = "Instructions responded to"

    def __init__(self, context: JobContext, spec: RespondingSpec, stand_in: AnswerGenerator) -> None:
        super().__init__(context, chunk=spec.chunk)
        self._teacher = spec.teacher
        self.work = RespondingWork(spec.responses, context.job, context.seed, stand_in)

    def outcome(self, result: list[tuple[Answer[Response], Said]]) -> tuple[Outcome, str]:
        """Return the outcome of the endpoint if it lost all responses, else OK."""
        lost = [answer for answer, _ in result if answer.outcome in LOST_OUTCOMES]
        return (lost[-1].outcome, lost[-1].reason) if len(lost) == len(result) else (Outcome.OK, "")

    def is_lost(self, result: list[tuple[Answer[Response], Said]]) -> bool:
        """Return whether no response can be used."""
        return all(one.outcome is not Outcome.OK for _, one in result)

    def event_of(self, output: Output, result: list[tuple[Answer[Response], Said]]) -> object:
        """Return the raw answers."""
        return [[answer.outcome, answer.raw] for answer, _ in result]

    def counts_of(self, output: Output, result: list[tuple[Answer[Response], Said]]) -> Mapping[str, int]:
        """Count responses by outcome."""
        return Counter(f"responses {one.outcome}" for _, one in result)

    def rows_of(self, output: Output, result: list[tuple[Answer[Response], Said]]) -> Sequence[Row]:
        """Return the rows of the responses."""
        return [
            ResponseRow(
                self._context.job, output.emission, place, self._teacher, one.text, one.outcome.value, one.reason
            )
            for place, (_, one) in enumerate(result)
        ]


class RespondingJob(OutputJob[RespondingSpec]):
    """Has a teacher respond to what a run has made."""

    kind = KIND
    spec_type = RespondingSpec
    phase_names = (KIND,)
    uses_actions = True
    own_checks = ("grade",)

    @property
    def needs_actions(self) -> bool:
        """Whether the built-in generator is the teacher: the run's actions say what it responds."""
        return self.spec.teacher.partition(":")[0] == "procedural"

    def phases(self, context: JobContext) -> Sequence[OutputPhase[Any]]:
        """Return the one phase, responding."""
        respond: AnswerGenerator = next((one.stand_in_response for one in self.actions), Action.stand_in_response)
        return [RespondingPhase(context, self.spec, respond)]


def has_responses(path: Path, spec: RespondingSpec, *, seed: int) -> bool:
    """Return whether the latest finished job of the kind had this spec and seed, so that its responses exist."""
    with open_run(path) as run:
        found = run.query(_FINISHED, {"kind": KIND}).rows
    return bool(found) and (RespondingSpec.model_validate_json(found[0][0]), found[0][1]) == (spec, seed)


def responding_rows(done: OutputJobReport) -> list[tuple[str, str]]:
    """Return the result of a responding job as rows for a terminal."""
    return [
        ("instructions", f"{done.outputs:,}"),
        ("responses", ended_rows(done.counts, "responses ")),
        ("job", str(done.job)),
    ]
