"""A step of the assistant, and what the calls of tools in it give."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from populace.agents.sandbox import FunctionCall, run_code
from populace.personas.model import FrozenModel
from populace.scenarios.tool_code.tool_set import GivenTool

#: Most calls of one step.
_MOST_AT_ONCE = 16


class ToolCall(FrozenModel):
    """One call."""

    tool: Annotated[str, Field(description="Name of the tool.")]
    arguments: Annotated[str, Field(description="Its arguments by name, as a JSON object.")]


class Step(FrozenModel):
    """What the assistant does next."""

    does: Annotated[Literal["call", "answer", "decline"], Field(description="What kind of step it is.")]
    calls: Annotated[
        list[ToolCall],
        Field(max_length=_MOST_AT_ONCE, description="Calls that do not need each other's results; empty otherwise."),
    ]
    text: Annotated[str, Field(max_length=4_000, description="What the user is told; empty for calls.")]

    @model_validator(mode="after")
    def _holds_what_it_does(self) -> Self:
        if self.does == "call" and not self.calls:
            raise ValueError("a step that calls needs at least one call in calls")
        if self.does != "call" and not self.text.strip():
            raise ValueError(f"a step of the kind {self.does!r} needs its text")
        return self


#: The tool by which an assistant declines where the endpoint calls tools itself.
DECLINE = "decline_request"


def read_native(calls: Sequence[tuple[str, str]], text: str, *, has_results: bool) -> dict[str, Any] | None:
    """Return the step that an endpoint's own calls of tools make; None for a text before any tool was called.

    Endpoints that pass over tools answer with such a text, and are then asked for a step in JSON.
    """
    declined = [arguments for name, arguments in calls if name == DECLINE]
    if declined:
        try:
            return {"does": "decline", "calls": [], "text": json.loads(declined[0])["text"]}
        except (ValueError, KeyError, TypeError):
            return None
    if calls:
        told = [{"tool": name, "arguments": arguments} for name, arguments in calls]
        return {"does": "call", "calls": told, "text": ""}
    return {"does": "answer", "calls": [], "text": text} if has_results and text.strip() else None


async def call_tool(shown: Sequence[GivenTool], call: ToolCall) -> tuple[str, bool]:
    """What a call gives, as JSON, and whether it is an error: of the call, or of the implementation that refuses it."""
    tool = next((one for one in shown if one.name == call.tool), None)
    if tool is None:
        return refused(f"There is no tool {call.tool!r}; there are {', '.join(one.name for one in shown)}.")
    try:
        arguments = json.loads(call.arguments)
    except ValueError as error:
        return refused(f"The arguments are not JSON: {error}.")
    if wrong := _invalid(arguments, tool.interface["parameters"]):
        return refused(f"The arguments do not fit: {wrong}.")
    done = await run_code(tool.code, calls=[FunctionCall(tool.name, arguments)])
    if not done.returned:
        return refused(done.reason)
    (returned,) = done.returned
    return refused(returned.error) if returned.error else (json.dumps(returned.value, ensure_ascii=False), False)


def refused(reason: str) -> tuple[str, bool]:
    """What a call gets that gives nothing."""
    return json.dumps({"error": reason}, ensure_ascii=False), True


def _invalid(arguments: Any, schema: Mapping[str, Any]) -> str:
    from jsonschema import Draft202012Validator

    error = next(iter(Draft202012Validator(schema).iter_errors(arguments)), None)
    return "" if error is None else error.message[:300]
