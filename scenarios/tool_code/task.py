"""Implementations of tools, each with an example and tests; with --execute they are run in a sandbox.

`populace make tool-code --tools tools.duckdb --execute` implements the accepted tools of a run of `populace make tool`,
for the people whom they were made for. Without --tools each person's tool is made first.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import orjson
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from populace.agents.action_schema import answer_schema
from populace.agents.actions import Action, Check, Novelty
from populace.agents.checks import CheckOutcome
from populace.agents.mind import Draft, Mind, MindState, Rule, build_mind, check, keep
from populace.agents.procedural.situation import Situation
from populace.agents.responses import schema_of
from populace.agents.sandbox import confinement
from populace.agents.text_checks import InLanguage, NoDegeneration, NoLeak, NoRefusal
from populace.agents.text_forms import code_with_fields
from populace.agents.turn_prompt import turn_prompt
from populace.personas.errors import SetupError
from populace.personas.model import AnswerSchema, FrozenModel
from populace.personas.prompt import Prompt, read_prompt
from populace.scenarios.tool.kits import find_kit
from populace.scenarios.tool.task import Tool
from populace.sim.dynamics.world import World
from populace.sim.resident import Resident
from populace.sim.scenario import Settings

from .code import Implements, dump_values, execute, execution_checks, interface_of, parse_values
from .tool_set import ToolSetSettings, ToolSetTask

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

_FOLDER = Path(__file__).parent

Code = Annotated[str, StringConstraints(min_length=10, max_length=12_000)]
Json = Annotated[str, StringConstraints(max_length=4_000)]


class Case(FrozenModel):
    """A call of the tool, and what it gives."""

    arguments: Annotated[Json, Field(description="The arguments by name, as a JSON object.")]
    returns: Annotated[Json, Field(description="What is returned, as JSON; empty where the call is to be refused.")]


_FORM = code_with_fields("code", {"kind": "tool_code"}, read_fields=dump_values, write_fields=parse_values)


class ToolCode(Action):
    """The implementation of the tool in <task>, with an example and tests."""

    name: ClassVar[str] = "tool_code"
    prompt: ClassVar[str | Prompt] = read_prompt(_FOLDER / "tool_code.v2.toml")
    #: Code for tools of one sort may well look alike.
    novelty: ClassVar[Novelty | None] = "none"
    checks: ClassVar[tuple[Check, ...]] = (
        NoLeak(reads=("question",)),
        InLanguage(reads=("question",)),
        NoRefusal(reads=("question", "code")),
        NoDegeneration(reads=("question",)),
        Implements(),
    )

    kind: Literal["tool_code"]
    code: Annotated[Code, Field(description="Python that defines a function with the tool's name.")]
    question: Annotated[str, Field(min_length=1, max_length=1_000, description="What the person would ask.")]
    example: Annotated[Case, Field(description="The call that answers the question.")]
    tests: Annotated[list[Case], Field(min_length=1, max_length=8)]
    #: The interface, as the payload of a `ToolSpec`, and its name.
    tool: SkipJsonSchema[dict[str, Any]] = Field(default_factory=dict)
    tool_name: SkipJsonSchema[str] = ""
    #: What each call gave, the example first: `value` or `error`; none where the code was not run.
    results: SkipJsonSchema[list[dict[str, Any]]] = Field(default_factory=list)
    #: What confined the code (`SandboxLevel`); empty where it was not run.
    confinement: SkipJsonSchema[str] = ""

    @property
    def emitted_text(self) -> str:
        """The code."""
        return self.code


class NewToolCode(ToolCode):  # noqa: D101 - the same words
    __doc__ = ToolCode.__doc__

    #: Where tools are made on the way, no two have one name.
    unique: ClassVar[str] = "tool_name"


class ToolCodeSettings(ToolSetSettings):
    """Which tools are implemented, and whether the code is run."""

    answer_tokens: int = Field(4096, ge=16, description="Length of an answer in tokens, at most")


class ToolCodeTask(ToolSetTask):
    """Python implementations of tools, with tests to run in a sandbox."""

    name = "tool-code"
    actions: tuple[type[Action], ...] = (ToolCode,)
    settings_type: ClassVar[type[Settings]] = ToolCodeSettings
    settings: ToolCodeSettings

    def __init__(self, settings: Settings | dict[str, object] | None = None) -> None:
        """Raises `SetupError` or `SourceError` for settings that cannot be, and for tools that cannot be read."""
        super().__init__(settings)
        if not self.settings.tools:
            self.actions = (NewToolCode,)

    def check_readable(self) -> None:
        """Read the tools. Raises `SourceError`, and `SetupError` where more implementations are wanted than can be."""
        super().check_readable()
        most = len(self.given_tools) * self.settings.per_persona
        if self.settings.tools and self.settings.n > most:
            raise SetupError(
                f"{self.settings.tools!r} has {len(self.given_tools)} tools, and n is {self.settings.n}; give n up to "
                f"{most}, or more per persona."
            )

    def task(self, resident: Resident, world: World) -> str:
        """The interface of the tool to implement, as JSON; empty where it is made first."""
        given = self.given(resident)
        if not given:
            return ""
        return orjson.dumps(given[resident.asked % len(given)].interface, option=orjson.OPT_INDENT_2).decode()

    def mind(self) -> Mind | Rule:
        """Make the interface where it is missing, implement it, check, and run the code."""
        return build_mind((specify, write, check, run if self.settings.execute else attach, keep))


async def specify(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Make the interface of a tool for this person, where none was given."""
    observation, context = state["observation"], runtime.context
    if observation.task:
        return {}
    bare = replace(observation, examples="")
    prompt = turn_prompt(bare, (Tool,), world=context.world, seed=state["request_context"].seed)
    schema = answer_schema((Tool,), ())
    answer = await context.model.ask(prompt, schema, state["request_context"])
    if answer.value is None:
        return {"draft": Draft(prompt, schema, answer, answer.attempts, is_final=True)}
    task = orjson.dumps(answer.value.payload, option=orjson.OPT_INDENT_2).decode()
    return {"observation": replace(observation, task=task), "results": {"attempts": answer.attempts}}


async def write(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Ask for the implementation."""
    if "draft" in state:  # there is no interface
        return {}
    observation, (action,) = state["observation"], state["offered"]
    tool = interface_of(observation.task)
    prompt = turn_prompt(observation, (action,), world=runtime.context.world, seed=state["request_context"].seed)
    schema = cast("AnswerSchema[Action]", schema_of(action, ToolCode.name, partial(implement, tool), _FORM))
    answer = await runtime.context.model.ask(prompt, schema, state["request_context"])
    earlier = state.get("results", {}).get("attempts", 0)
    return {"draft": Draft(answer.asked or prompt, schema, answer, answer.attempts + earlier)}


async def attach(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Put the interface beside the implementation."""
    draft = state["draft"]
    if not isinstance(draft.answer.value, ToolCode):
        return {}
    tool = interface_of(state["observation"].task)
    return {"draft": _with(draft, tool=tool, tool_name=tool["name"])}


async def run(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Run an implementation that fits its interface, confined, with its example and tests."""
    attached = (await attach(state, runtime)).get("draft")
    if attached is None:
        return {}
    draft, action = attached, attached.answer.value
    if any(one.outcome is CheckOutcome.FAILED for one in draft.checks):
        return {"draft": draft}
    cases = [action.example, *action.tests]
    done, returned = await execute(action.code, action.tool_name, cases)
    for name, result in execution_checks(done, returned, cases).items():
        draft = draft.checked(name, result)
    results = [{"error": one.error} if one.error else {"value": one.value} for one in returned]
    return {"draft": _with(draft, results=results, confinement=confinement().level.value)}


def _with(draft: Draft, **fields: object) -> Draft:
    answer = draft.answer
    return replace(draft, answer=replace(answer, value=cast("Action", answer.value).model_copy(update=fields)))


def implement(
    tool: Mapping[str, Any], rng: random.Random, situation: Situation, schema: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Code, example and tests. Of a tool of somebody else the stand-in knows nothing, and its code says so."""
    found = find_kit(tool["name"])
    if found is None:
        return _unknown(tool)
    kit, thing = found
    return kit.implementation(tool["name"], thing, rng)


def _unknown(tool: Mapping[str, Any]) -> dict[str, Any]:
    names = ", ".join(tool["parameters"]["properties"])
    code = f'def {tool["name"]}({names}):\n    raise NotImplementedError("the built-in generator knows no such tool")\n'
    nothing = {"arguments": "{}", "returns": ""}
    return {"code": code, "question": "what does this tool do?", "example": nothing, "tests": [nothing]}
