"""Conversations in which an assistant calls tools that people need, and gets what their implementations give.

`populace make tool-use --tools code.duckdb --execute` takes the tools of a run of `populace make tool-code`. Each
person asks for something; the assistant (the role `solver`) sees a few tools and calls, answers or declines. Calls that
do not fit the interface, and those that the implementation refuses, stay in the conversation with their errors.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from populace.agents.actions import Action
from populace.agents.checks import Check, CheckOutcome, CheckResult, failed, passed
from populace.agents.mind import Draft, Mind, MindState, Rule, build_mind, check, keep, turn_prompt
from populace.agents.responses import schema_of
from populace.agents.sandbox import FunctionCall, confinement, run_code
from populace.agents.text_checks import TEXT_CHECKS
from populace.agents.tools import as_openai
from populace.personas.errors import SetupError, parameter
from populace.personas.model import Answer, AnswerSchema, FrozenModel
from populace.personas.prompt import Prompt, fence, read_prompt
from populace.scenarios.tool_code.tool_set import GivenTool, ToolSetSettings, ToolSetTask
from populace.sim.scenario import Settings

from .stand_in import next_step, request

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

_FOLDER = Path(__file__).parent
PROMPT = read_prompt(_FOLDER / "tool_use.v1.toml")
ASSISTANT = read_prompt(_FOLDER / "assistant.v1.toml")

SpokenText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=2_000)]


class ToolUse(Action):
    """What this person would type to the assistant now, word for word and nothing around it."""

    name: ClassVar[str] = "tool_use"
    prompt: ClassVar[str | Prompt] = PROMPT
    checks: ClassVar[tuple[Check, ...]] = TEXT_CHECKS

    kind: Literal["tool_use"]
    text: Annotated[SpokenText, Field(description="The request itself, as this person would type it.")]
    #: The conversation in OpenAI's form: `tool_calls` of the assistant, and messages of the role `tool`.
    messages: SkipJsonSchema[list[dict[str, Any]]] = Field(default_factory=list)
    #: The tools that the assistant had, as OpenAI functions.
    tools: SkipJsonSchema[list[dict[str, Any]]] = Field(default_factory=list)
    #: Whether one of the tools can do what is asked.
    is_answerable: SkipJsonSchema[bool] = True
    #: Calls, and those of them that got an error.
    calls: SkipJsonSchema[int] = 0
    wrong_calls: SkipJsonSchema[int] = 0
    #: `answer` or `decline`, as the assistant ended; `calls` where it made too many; or how a request ended.
    ended: SkipJsonSchema[str] = ""
    #: What confined the tools' code (`Level`).
    confinement: SkipJsonSchema[str] = ""

    @property
    def emitted_text(self) -> str:
        """The request."""
        return self.text


class Step(FrozenModel):
    """What the assistant does next."""

    does: Annotated[Literal["call", "answer", "decline"], Field(description="What kind of step it is.")]
    tool: Annotated[str, Field(description="Name of the tool to call; empty otherwise.")]
    arguments: Annotated[str, Field(description="Its arguments by name, as a JSON object; empty otherwise.")]
    text: Annotated[str, Field(max_length=4_000, description="What the user is told; empty for a call.")]


class ToolUseSettings(ToolSetSettings):
    """Which tools the assistant has, and how far it goes."""

    tools_shown: int = Field(4, ge=1, le=32, description="Tools that the assistant has in a conversation")
    most_calls: int = Field(4, ge=1, le=20, description="Calls that it may make")
    beyond: float = Field(0.15, ge=0, le=1, description="Share of requests that none of the tools can do")


class ToolUseTask(ToolSetTask):
    """Conversations in which an assistant calls tools and gets what their implementations give, errors included."""

    name = "tool-use"
    actions: tuple[type[Action], ...] = (ToolUse,)
    settings_type: ClassVar[type[Settings]] = ToolUseSettings
    settings: ToolUseSettings
    for_anybody: ClassVar[bool] = True

    def check_readable(self) -> None:
        """Read the tools. Raises `SourceError`, and `SetupError` where nothing could be called."""
        super().check_readable()
        how = "`populace make tool-code --execute`"
        if not self.settings.tools:
            raise SetupError(f"tool-use needs tools: give a run of {how} with {parameter('tools')}.")
        if not self.settings.execute:
            raise SetupError(f"tool-use runs the code of tools in a sandbox; allow it with {parameter('execute')}.")
        if not any(tool.code for tool in self.tools):
            raise SetupError(
                f"The tools in {self.settings.tools!r} have no implementations; give a run of {how} with "
                f"{parameter('tools')}."
            )

    def mind(self) -> Mind | Rule:
        """Ask for the request, check it, and let the assistant work."""
        return build_mind((self.ask, check, self.converse, keep))

    def shown_to(self, agent: str, rng: random.Random) -> tuple[GivenTool | None, list[GivenTool]]:
        """The tool that is needed (None for a request beyond all), and the tools that the assistant has."""
        able = [tool for tool in self.tools if tool.code]
        own = [tool for tool in able if tool.agent == agent]
        needed = rng.choice(own or able)
        others = [tool for tool in able if tool.name != needed.name]
        shown = [needed, *rng.sample(others, min(len(others), self.settings.tools_shown - 1))]
        rng.shuffle(shown)
        return (None if rng.random() < self.settings.beyond else needed), shown

    async def ask(self, state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
        """Ask for what the person would ask of an assistant with these tools."""
        context, seed = state["request_context"], state["request_context"].seed
        needed, shown = self.shown_to(state["observation"].agent, random.Random(seed))  # noqa: S311 - no secret
        told = "\n".join(f"- {tool.name}: {tool.interface['purpose']}" for tool in shown)
        phrase = PROMPT.phrase("need", "beyond" if needed is None else "able")
        need = Template(phrase).substitute(tools=told, tool=needed.name if needed else "")
        observation = replace(state["observation"], task=need)
        prompt = turn_prompt(observation, (ToolUse,), world=runtime.context.world, seed=seed)
        schema = cast("AnswerSchema[Action]", schema_of(ToolUse, PROMPT.name, partial(request, needed)))
        answer = await runtime.context.model.ask(prompt, schema, context)
        return {
            "draft": Draft(prompt, schema, answer, answer.attempts),
            "observation": observation,
            "results": {"needed": needed, "shown": shown},
        }

    async def converse(self, state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
        """Let the assistant call tools until it answers, declines, or has made as many calls as it may."""
        draft, results = state["draft"], state["results"]
        action = draft.answer.value
        if not isinstance(action, ToolUse) or any(one.outcome is CheckOutcome.FAILED for one in draft.checks):
            return {}
        needed, shown = results["needed"], results["shown"]
        messages: list[dict[str, Any]] = [{"role": "user", "content": action.text}]
        ended, made, wrong = "calls", 0, 0
        while True:
            answer = await self._step(state, runtime, messages, results, self.settings.most_calls - made)
            step = answer.value
            if step is None:
                ended = answer.outcome.value
                break
            if step.does != "call":
                messages.append({"role": "assistant", "content": step.text})
                ended = step.does if step.text.strip() else "empty"
                break
            if made == self.settings.most_calls:
                break
            made += 1
            content, is_wrong = await call_tool(shown, step)
            wrong += is_wrong
            function = {"name": step.tool, "arguments": step.arguments}
            call = {"id": f"call_{made}", "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": call["id"], "name": step.tool, "content": content})
        kept = action.model_copy(
            update={
                "messages": messages,
                "tools": [as_openai(tool.interface) for tool in shown],
                "is_answerable": needed is not None,
                "calls": made,
                "wrong_calls": wrong,
                "ended": ended,
                "confinement": confinement().level.value,
            }
        )
        draft = replace(draft, answer=replace(draft.answer, value=kept))
        return {"draft": draft.checked("ended", ending(kept)).checked("used_tools", tool_use(kept))}

    async def _step(
        self,
        state: MindState,
        runtime: "Runtime[MindContext]",
        messages: Sequence[Mapping[str, Any]],
        results: Mapping[str, Any],
        left: int,
    ) -> Answer[Step]:
        shown = results["shown"]
        prompt = ASSISTANT.render(
            tools=fence("tools", "\n".join(json.dumps(as_openai(tool.interface)["function"]) for tool in shown)),
            conversation=fence("conversation", "\n".join(json.dumps(one, ensure_ascii=False) for one in messages)),
            left=str(left),
        )
        schema = schema_of(Step, ASSISTANT.name, partial(next_step, results["needed"], shown, list(messages)))
        return await runtime.context.model.ask(prompt, schema, state["request_context"].varied(role="solver"))


async def call_tool(shown: Sequence[GivenTool], step: Step) -> tuple[str, bool]:
    """What a call gives, as JSON, and whether it is an error: of the call, or of the implementation that refuses it."""
    tool = next((one for one in shown if one.name == step.tool), None)
    if tool is None:
        return _error(f"There is no tool {step.tool!r}; there are {', '.join(one.name for one in shown)}.")
    try:
        arguments = json.loads(step.arguments)
    except ValueError as error:
        return _error(f"The arguments are not JSON: {error}.")
    if wrong := _invalid(arguments, tool.interface["parameters"]):
        return _error(f"The arguments do not fit: {wrong}.")
    done = await run_code(tool.code, calls=[FunctionCall(tool.name, arguments)])
    if not done.returned:
        return _error(done.reason)
    (returned,) = done.returned
    return _error(returned.error) if returned.error else (json.dumps(returned.value, ensure_ascii=False), False)


def _error(reason: str) -> tuple[str, bool]:
    return json.dumps({"error": reason}, ensure_ascii=False), True


def _invalid(arguments: Any, schema: Mapping[str, Any]) -> str:
    from jsonschema import Draft202012Validator

    error = next(iter(Draft202012Validator(schema).iter_errors(arguments)), None)
    return "" if error is None else error.message[:300]


def ending(made: ToolUse) -> CheckResult:
    """Whether the assistant came to an end that the user can read."""
    if made.ended in ("answer", "decline"):
        return passed()
    if made.ended == "calls":
        return failed(f"The assistant made {made.calls} calls and did not answer.")
    return failed(f"A step of the assistant ended with {made.ended}.")


def tool_use(made: ToolUse) -> CheckResult:
    """Whether tools were used where one fits, and only there: the score is the share of calls that were right."""
    right = made.calls - made.wrong_calls
    score = right / made.calls if made.calls else None
    if made.is_answerable and not right:
        return failed("No call gave anything, though a tool fits the request.", score)
    if not made.is_answerable and made.ended != "decline":
        return failed("No tool fits the request, and the assistant did not decline it.", score)
    return passed(score)
