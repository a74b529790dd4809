"""Implementations of tools, each with an example and tests; with --execute they are run in a sandbox.

`populace make tool-code --tools tools.duckdb --execute` implements the accepted tools of a run of `populace make tool`,
for the people whom they were made for. Without --tools each person's tool is made first.
"""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import orjson
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from populace.agents.action_schema import answer_schema
from populace.agents.actions import Action, Check, Novelty
from populace.agents.checks import (
    CheckContext,
    CheckOutcome,
    CheckResult,
    InLanguage,
    NoDegeneration,
    NoLeak,
    NoRefusal,
    failed,
    passed,
)
from populace.agents.mind import Draft, Mind, MindState, Rule, check, keep
from populace.agents.procedural.situation import Situation
from populace.agents.responses import schema_of
from populace.agents.sandbox import CodeOutcome, CodeResult, FunctionCall, Returned, confinement, run_code
from populace.agents.text_forms import code_with_fields
from populace.agents.tools import code_faults, value_fault
from populace.agents.turn_prompt import turn_prompt
from populace.core.errors import SetupError
from populace.core.model import AnswerSchema, FrozenModel
from populace.core.prompt import Prompt, read_prompt
from populace.scenarios.tool.task import Tool, find_kit
from populace.sim.dynamics.world import World
from populace.sim.resident import Resident
from populace.sim.scenario import Settings

from .tool_set import ToolSetSettings, ToolSetTask

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

#: Errors by which code shows that the function is missing or unfinished, rather than that it refuses the arguments.
_UNWRITTEN = {"KeyError", "NameError", "NotImplementedError"}


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that the text is. Raises `ValueError` when it is none."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{text[:60]!r} is no JSON object")
    return found


def interface_of(task: str) -> dict[str, Any]:
    """The tool whose interface is the task of a turn; empty where the turn has none."""
    return parse_object(task) if task else {}


def dump_values(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of an implementation whose calls hold arguments and values as they are, with these as JSON texts."""
    return _with_calls(
        fields,
        lambda arguments: arguments if isinstance(arguments, str) else json.dumps(arguments),
        lambda value: "" if value == "" else json.dumps(value),
    )


def parse_values(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same the other way."""
    return _with_calls(fields, json.loads, lambda value: json.loads(value) if value else "")


def _with_calls(
    fields: Mapping[str, Any], arguments: Callable[[Any], Any], returns: Callable[[Any], Any]
) -> Mapping[str, Any]:
    def convert_call(call: Any) -> Any:
        if not isinstance(call, Mapping) or not {"arguments", "returns"} <= call.keys():
            return call  # the schema says what is missing
        return {**call, "arguments": arguments(call["arguments"]), "returns": returns(call["returns"])}

    tests = fields.get("tests")
    made = {"tests": list(map(convert_call, tests))} if isinstance(tests, list) else {}
    return {**fields, **made, **({"example": convert_call(fields["example"])} if "example" in fields else {})}


def case_faults(case: Any, tool: Mapping[str, Any], what: str) -> list[str]:
    """What is wrong with an example or a test, beside what the implementation makes of it."""
    try:
        arguments = parse_object(case.arguments)
        value = json.loads(case.returns) if case.returns else None
    except ValueError as error:
        return [f"{what} is not JSON: {error}."]
    if not case.returns:
        return []
    invalid = value_fault(arguments, tool["parameters"]) or value_fault(value, tool["returns"])
    return [f"{what} does not fit the interface: {invalid}."] if invalid else []


class Implements:
    """A check: whether code, example and tests fit the tool's interface, without running anything."""

    name = "implements"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fails with the first faults."""
        tool, given = interface_of(context.observation.task), vars(action)
        faults = code_faults(given["code"], tool) + case_faults(given["example"], tool, "The example")
        faults += [] if given["example"].returns else ["The example must give a value."]
        for place, test in enumerate(given["tests"], start=1):
            faults += case_faults(test, tool, f"Test {place}")
        return failed(" ".join(faults[:3])) if faults else passed()


async def execute(code: str, name: str, cases: Sequence[Any]) -> tuple[CodeResult, list[Returned]]:
    """Run code confined and make the calls of its cases; of those that were not made, the reason stands there."""
    calls = [FunctionCall(name, parse_object(case.arguments)) for case in cases]
    done = await run_code(code, calls=calls)
    missing = Returned(None, done.reason or "the call was not made")
    return done, [*done.returned, *[missing] * (len(calls) - len(done.returned))]


def execution_checks(done: CodeResult, returned: Sequence[Returned], cases: Sequence[Any]) -> dict[str, CheckResult]:
    """The checks that running the code decides: `runs`, `example` and `tests`; the first case is the example."""
    is_right = [is_as_stated(case, one) for case, one in zip(cases, returned, strict=True)]
    wrong = [
        f"Test {place} gave {_format_result(one)} for {case.arguments:.80}."
        for place, (case, one, right) in enumerate(zip(cases, returned, is_right, strict=True))
        if place and not right
    ]
    share = sum(is_right[1:]) / max(1, len(is_right) - 1)
    ran = CheckResult(CheckOutcome.PASSED, confinement().sentence) if done.outcome is CodeOutcome.OK else None
    return {
        "runs": ran or failed(f"It ended with {done.outcome}: {done.reason}."),
        "example": passed() if is_right[0] else failed(f"The example gave {_format_result(returned[0])}."),
        "tests": failed(" ".join(wrong[:3]), share) if wrong else passed(share),
    }


def is_as_stated(case: Any, returned: Returned) -> bool:
    """Whether a call gave what its case says: the value, or an error where it is to be refused."""
    if not case.returns:
        return bool(returned.error_type) and returned.error_type not in _UNWRITTEN
    return not returned.error and same_value(json.loads(case.returns), returned.value)


def same_value(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, numbers up to rounding."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return bool(one == other)


def _format_result(returned: Returned) -> str:
    return returned.error or json.dumps(returned.value)[:120]


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
        return Mind((specify, write, check, run if self.settings.execute else attach, keep))


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
    schema = cast("AnswerSchema[Action]", schema_of(action, ToolCode.name, partial(write_code, tool), _FORM))
    answer = await runtime.context.model.ask(prompt, schema, state["request_context"])
    earlier = state.get("results", {}).get("attempts", 0)
    return {"draft": Draft(prompt, schema, answer, answer.attempts + earlier)}


async def attach(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Put the interface beside the implementation."""
    draft = state["draft"]
    if not isinstance(draft.answer.value, ToolCode):
        return {}
    tool = interface_of(state["observation"].task)
    return {"draft": draft.updated(tool=tool, tool_name=tool["name"])}


async def run(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Run an implementation that fits its interface, confined, with its example and tests."""
    attached = (await attach(state, runtime)).get("draft")
    if attached is None:
        return {}
    draft, action = attached, attached.answer.value
    if draft.accepted is None:
        return {"draft": draft}
    cases = [action.example, *action.tests]
    done, returned = await execute(action.code, action.tool_name, cases)
    for name, result in execution_checks(done, returned, cases).items():
        draft = draft.checked(name, result)
    results = [{"error": one.error} if one.error else {"value": one.value} for one in returned]
    return {"draft": draft.updated(results=results, confinement=confinement().value)}


def write_code(
    tool: Mapping[str, Any], rng: random.Random, situation: Situation, schema: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Code, example and tests. Of a tool of somebody else the stand-in knows nothing, and its code says so."""
    found = find_kit(tool["name"])
    if found is None:
        return _unknown_code(tool)
    kit, thing = found
    return kit.write_implementation(tool["name"], thing, rng)


def _unknown_code(tool: Mapping[str, Any]) -> dict[str, Any]:
    names = ", ".join(tool["parameters"]["properties"])
    code = f'def {tool["name"]}({names}):\n    raise NotImplementedError("the built-in generator knows no such tool")\n'
    nothing = {"arguments": "{}", "returns": ""}
    return {"code": code, "question": "what does this tool do?", "example": nothing, "tests": [nothing]}
