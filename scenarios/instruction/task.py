"""What the people of a hub would ask an assistant, as they would type it, with the assistant's response.

Run it as `populace make instruction --hub town.duckdb --n 1000 --solver openai:NAME`, or with `--set response=off` for
the requests alone.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from populace.agents.actions import Action, Check, Novelty
from populace.agents.checks import CheckOutcome, failed, passed
from populace.agents.mind import Mind, MindState, Rule, build_mind, check, generate, keep
from populace.agents.procedural.situation import Situation
from populace.agents.responses import ask_response
from populace.agents.text_checks import BASIC_CHECKS, NoDegeneration, OwnVoice
from populace.agents.text_forms import whole_text
from populace.personas.model import Outcome, TextForm
from populace.personas.prompt import Prompt, fence, load_prompt, read_prompt
from populace.sim.scenario import Settings
from populace.sim.tasks.task import Task, TaskSettings

from .stand_in import instruction, respond

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

_FOLDER = Path(__file__).parent
PROMPT = read_prompt(_FOLDER / "instruction.v3.toml")
RESPOND = load_prompt("populace.agents", "respond")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=4000)]


class Request(Action):
    """What this person would type or say to an assistant now, word for word and nothing around it."""

    name: ClassVar[str] = "instruction"
    prompt: ClassVar[str | Prompt] = PROMPT
    text_form: ClassVar[TextForm | None] = whole_text("text", {"kind": "instruction"})
    novelty: ClassVar[Novelty | None] = "revise"
    checks: ClassVar[tuple[Check, ...]] = (*BASIC_CHECKS, NoDegeneration(fewest=2), OwnVoice(requests=True))
    #: How `procedural` is to write it, as the task's settings say.
    length: ClassVar[str] = "mixed"

    kind: Literal["instruction"]
    text: Annotated[Text, Field(description="The request itself, as this person would type or say it.")]
    #: The teacher's response; empty where none was asked for, or none came.
    response: SkipJsonSchema[str] = ""
    #: How asking for the response ended: `ok`, `refusal`, `length`, `empty`, ...; empty where none was asked for.
    response_outcome: SkipJsonSchema[str] = ""

    @property
    def emitted_text(self) -> str:
        """The request."""
        return self.text

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request of one of a few kinds."""
        length = PROMPT.word_in("length", situation.plain) or cls.length
        return instruction(rng, situation, schema, length=length)

    @staticmethod
    def stand_in_response(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A response to a request of one of these kinds."""
        return respond(rng, situation, schema)


class InstructionSettings(TaskSettings):
    """What can be asked of the requests, and of the responses."""

    length: Literal["mixed", "words", "short", "medium", "long"] = Field(
        "mixed", description="How long the requests are"
    )
    response: Literal["on", "off"] = Field("on", description="Whether the teacher responds to each request")
    persona_in: Literal["none", "system"] = Field(
        "none", description="Where the teacher is told who asks; export with --persona system to train on that too"
    )


class InstructionTask(Task):
    """Requests to an assistant, with responses."""

    name = "instruction"
    actions: tuple[type[Action], ...] = (Request,)
    settings_type: ClassVar[type[Settings]] = InstructionSettings
    settings: InstructionSettings

    def __init__(self, settings: Settings | dict[str, object] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        if self.settings.length != "mixed":
            self.actions = tuple(action.configured(length=self.settings.length) for action in self.actions)

    def mind(self) -> Mind | Rule:
        """Generate and check the request, then have the teacher respond."""
        if self.settings.response == "off":
            return build_mind()
        stage = respond_to_stranger if self.settings.persona_in == "none" else respond_to_person
        return build_mind((generate, check, stage, keep))


async def respond_to_stranger(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Have the teacher respond to a request that passed its checks, without knowing who asks."""
    return await _respond(state, runtime, persona="")


async def respond_to_person(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Have the teacher respond to a request that passed its checks, knowing who asks."""
    return await _respond(state, runtime, persona=state["observation"].persona)


async def _respond(state: MindState, runtime: "Runtime[MindContext]", *, persona: str) -> Mapping[str, Any]:
    draft = state["draft"]
    action = draft.answer.value
    if not isinstance(action, Request) or any(one.outcome is CheckOutcome.FAILED for one in draft.checks):
        return {}
    prompt = RESPOND.render(persona=fence("persona", persona), request=fence("request", action.text))
    response = await ask_response(state, runtime, prompt, respond)
    update = {"response": response.text, "response_outcome": response.outcome.value}
    answer = replace(draft.answer, value=action.model_copy(update=update))
    is_usable = response.outcome is Outcome.OK
    result = passed() if is_usable else failed(f"There is no response to learn from ({response.outcome}).")
    return {"draft": replace(draft, answer=answer).checked("response", result)}
