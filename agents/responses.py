"""Texts that a stage of a turn asks for beside the action: a teacher's response, further lines of a conversation."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from ..core.model import Answer, AnswerGenerator, AnswerSchema, FrozenModel, Outcome, TextForm, strict_schema
from ..core.prompt import RenderedPrompt, fence, load_prompt
from .actions import Instruction
from .checks import LINE_CHECKS, CheckContext, CheckOutcome
from .memory import MemoryNote
from .mind import ROOM, Deliberation, Draft, MindState, MissedStage
from .observation import quote_line
from .text_faults import is_refusal, speaks_as_model
from .text_forms import MESSAGE, WHOLE

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from .mind import MindContext

#: Most characters of a response.
LONGEST = 20_000

#: Most characters of an assistant's answer that an agent notes.
_NOTED = 400

ReplyText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST)]


class Response(FrozenModel):
    """An assistant's response."""

    text: Annotated[ReplyText, Field(description="The whole response, as the user will read it.")]


class Line(FrozenModel):
    """What somebody says next in a conversation."""

    done: Annotated[bool, Field(description="True when there is nothing left to say; then the text is empty.")]
    text: Annotated[ReplyText, Field(description="The next message, word for word.")]


async def ask_response(
    state: MindState, runtime: "Runtime[MindContext]", prompt: RenderedPrompt, generator: AnswerGenerator
) -> Answer[str]:
    """Return the response of the role `solver`, which is the teacher. Raises what `PersonaModel.ask` raises.

    A response that declines in words counts as a refusal, with its text. One without text counts as empty.
    """
    context = state["request_context"].vary_context(role="solver")
    schema = schema_of(Response, prompt.name, generator, WHOLE)
    return read_text(await runtime.context.model.ask(prompt, schema, context))


async def ask_line(
    state: MindState, runtime: "Runtime[MindContext]", prompt: RenderedPrompt, generator: AnswerGenerator
) -> Answer[str]:
    """Return an agent's next line in a conversation, by the run's default model. It is empty once all is said.

    Raises what `PersonaModel.ask` raises.
    """
    schema = schema_of(Line, prompt.name, generator, MESSAGE)
    return read_text(await runtime.context.model.ask(prompt, schema, state["request_context"]))


async def answer_request(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Have the assistant answer a request that passed its checks. The agent notes the answer."""
    action = state["draft"].accepted
    if not isinstance(action, Instruction):
        return {}
    prompt = load_prompt(ROOM, "respond").render(persona="", request=fence("request", action.text))
    answer = await ask_response(state, runtime, prompt, _any_response)
    if answer.value is None or answer.outcome is not Outcome.OK:
        missed = MissedStage(prompt.name, answer.outcome, answer.reason, answer.attempts)
        return {"missed": (*state.get("missed", ()), missed)}
    told = quote_line(" ".join(answer.value[:_NOTED].split()))
    return {
        "notes": (*state.get("notes", ()), MemoryNote(f"The assistant answered you: {told}", "heard")),
        "deliberations": (*state.get("deliberations", ()), Deliberation("answer", answer.value)),
    }


def _any_response(rng: random.Random, situation: Any, schema: Mapping[str, Any]) -> None:
    """Leave the answer to what the built-in generator has for any text."""


def schema_of[M: BaseModel](
    model: type[M], name: str, generator: AnswerGenerator, text_form: TextForm | None = None
) -> AnswerSchema[M]:
    """Return the schema of a model, with the built-in generator's function for the prompt called `name`."""
    schema = _schemas.setdefault(model, strict_schema(model.model_json_schema()))
    return AnswerSchema(name, schema, model.model_validate, {name: generator}, text_form)


_schemas: dict[type[BaseModel], dict[str, Any]] = {}


def read_text(answer: Answer[Response] | Answer[Line]) -> Answer[str]:
    """Return the text that an answer holds, or how the request ended. A refusal in words has its text, too."""
    found = answer.value
    if found is None:
        reason = answer.reason or f"The request ended with {answer.outcome}."
        return Answer(answer.outcome, reason=reason, attempts=answer.attempts)
    if isinstance(found, Line) and found.done:
        return Answer(Outcome.OK, "")
    if not found.text:
        return Answer(Outcome.EMPTY, reason="It is empty.", attempts=answer.attempts)
    if is_refusal(found.text) or (isinstance(found, Line) and speaks_as_model(found.text)):
        return Answer(Outcome.REFUSAL, found.text, "It declines what was asked for.", answer.attempts)
    return Answer(Outcome.OK, found.text)


def check_lines(
    state: MindState,
    context: "MindContext",
    draft: Draft,
    lines: Sequence[tuple[str, str]],
    *,
    persona: str,
    rules: str,
) -> Draft:
    """Check lines that the agent said later as its first text was checked, and return the updated draft.

    `lines` are paths of fields with their strings, and `rules` those of the prompt that asked for them. A result
    against them replaces one in favour.
    """
    observation = replace(state["observation"], persona=persona)
    about = CheckContext(observation, context.world, context.model, state["request_context"], rules)
    for check in LINE_CHECKS:
        result = check.judge_texts(lines, about)
        if result.outcome is CheckOutcome.FAILED:
            others = tuple(one for one in draft.checks if one.check != check.name)
            draft = replace(draft, checks=others).checked(check.name, result, version=check.version)
    return draft
