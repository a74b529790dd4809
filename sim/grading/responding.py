"""Several responses of a teacher to each instruction that a run has made: candidates of which preferences are made."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ...agents.actions import Action
from ...agents.responses import Response, schema_of
from ...agents.text_forms import WHOLE
from ...core.model import PersonaModel
from ...core.prompt import fence, load_prompt
from ...core.table import Row
from ..runfile.reader import open_run
from ..runfile.rows import ResponseRow
from ..specs import OutputSpec
from ..tasks.outputs import ROOM, Output, OutputJob, OutputPhase, Reply, answered

#: The kind of these jobs, their one phase, and the role of the model.
KIND = "responding"
ROLE = "teacher"

_FINISHED = "SELECT spec, seed FROM jobs WHERE kind = $kind AND status = 'finished' ORDER BY job DESC LIMIT 1"


class RespondingSpec(OutputSpec):
    """To what is responded, by whom, and how often."""

    teacher: str
    responses: int = Field(4, ge=2, le=64)


class RespondingPhase(OutputPhase[Output, list[Reply]]):
    """Has the teacher respond to each output as often as is wanted."""

    name = KIND
    shown = "Instructions responded to"
    counted = "responses"

    async def work(self, item: Output, model: PersonaModel) -> list[Reply]:
        """Return the responses, each from a request of its own."""
        prompt = load_prompt(ROOM, "respond").render(persona="", request=fence("request", item.text))
        stand_in = next((one.stand_in_response for one in self._job.actions), Action.stand_in_response)
        schema = schema_of(Response, prompt.name, stand_in, WHOLE)
        context = self._context.request(KIND, self.owner(item))

        async def respond(replicate: int) -> Reply:
            return Reply.of(await model.ask(prompt, schema, context.vary_context(role=ROLE, replicate=replicate)))

        return await answered(respond(replicate) for replicate in range(self._spec.responses))

    def rows_of(self, output: Output, result: list[Reply]) -> Sequence[Row]:
        """Return the rows of the responses."""
        by = self._spec.teacher
        return [
            ResponseRow(self._context.job, output.emission, place, by, one.text, one.outcome, one.reason)
            for place, one in enumerate(result)
        ]


class RespondingJob(OutputJob[RespondingSpec]):
    """Has a teacher respond to what a run has made."""

    kind = KIND
    spec_type = RespondingSpec
    phase_type = RespondingPhase
    uses_actions = True
    own_checks = ("grade",)
    noun = "instructions"
    where_found = 'The responses: `populace sql {file} "FROM responses"`.'

    @property
    def needs_actions(self) -> bool:
        """Whether the built-in generator is the teacher: the run's actions say what it responds."""
        return self.spec.teacher.partition(":")[0] == "procedural"


def has_responses(path: Path, spec: RespondingSpec, *, seed: int) -> bool:
    """Return whether the latest finished job of the kind had this spec and seed, so that its responses exist."""
    with open_run(path) as run:
        found = run.query(_FINISHED, {"kind": KIND}).rows
    return bool(found) and (RespondingSpec.model_validate_json(found[0][0]), found[0][1]) == (spec, seed)
