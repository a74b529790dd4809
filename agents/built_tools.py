"""Tools that agents wish for, built by the role `solver`, and their use. Their code runs confined."""

import ast
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from ..core.model import FrozenModel, Outcome
from ..core.prompt import fence, load_prompt
from .actions import Action, ActionEffects, Check, Novelty, Prose
from .checks import CheckContext, CheckOutcome, CheckResult, failed, passed
from .memory import MemoryNote
from .mind import ROOM, Deliberation, Draft, MindState, MissedStage
from .observation import quoted
from .procedural.situation import Situation
from .responses import schema_of
from .sandbox import FunctionCall, run_code
from .schema_fill import fill_schema, to_json
from .text_forms import PROGRAM
from .tool_spec import ABOUT, ToolSpec, read_signature

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from .mind import MindContext

#: Most characters of what a tool gave that an agent notes.
_NOTED = 400


class ToolProgram(FrozenModel):
    """The code of a tool."""

    program: Annotated[str, StringConstraints(min_length=10, max_length=8_000)]


class KnowsTool:
    """Fails the use of a tool that is not there, and arguments that are no JSON object."""

    name = "tool"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Return the result, with what to write instead."""
        there = context.observation.tools
        if not isinstance(action, ToolUse) or action.tool not in there:
            return failed(f"There is no such tool; choose one of {', '.join(there)}.", field="tool")
        try:
            is_object = isinstance(json.loads(action.arguments), dict)
        except ValueError:
            is_object = False
        return passed() if is_object else failed('Write a JSON object, as {"day": "Monday"}.', field="arguments")


class ToolUse(Action):
    """The use of one of the tools that there are."""

    name: ClassVar[str] = "use"
    remembered: ClassVar[str] = "You used $text"
    novelty: ClassVar[Novelty | None] = "none"
    checks: ClassVar[tuple[Check, ...]] = (KnowsTool(),)
    kind: Literal["use"]
    tool: Annotated[Prose, Field(description="The name of the tool.")]
    arguments: Annotated[Prose, Field(description='Its arguments by name, as a JSON object: {"day": "Monday"}.')]
    #: What it gave, as JSON or the error; empty where it was not run.
    result: SkipJsonSchema[str] = ""

    @property
    def emitted_text(self) -> str:
        """The call."""
        return f"{self.tool} with {self.arguments}"

    def apply(self, effects: ActionEffects) -> None:
        """Have those whom the agent sees learn of it."""
        effects.show(f"Uses {self.tool}, which gives {self.result}")

    @staticmethod
    def stand_in(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Use one of the tools with arguments of the right types."""
        line = rng.choice(situation.sections.get("tools", "").splitlines() or [""]).removeprefix("- ")
        try:
            name, parameters, _ = read_signature(line.partition(ABOUT)[0])
        except ValueError:  # a long line is cut
            return None
        return {"tool": name, "arguments": to_json(fill_schema(parameters, rng, _any_text))}


def code_faults(code: str, tool: Mapping[str, Any]) -> list[str]:
    """Return why the code cannot implement the tool, as far as can be said without running it."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError) as error:
        return [f"The code is not Python: {error}."]
    name, wanted = tool["name"], list(tool["parameters"]["properties"])
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not defined:
        return [f"The code defines no function {name}."]
    taken = defined[-1].args
    names = [one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    if taken.posonlyargs:
        return [f"{name} takes arguments by place alone; all are given by name."]
    missing = [] if taken.kwarg else [one for one in wanted if one not in names]
    further = names[: len(names) - len(taken.defaults) - len(taken.kwonlyargs)]
    unknown = [one for one in further if one not in wanted]
    return [f"{name} does not take the argument {one}." for one in missing] + [
        f"{name} needs the argument {one}, which the tool does not have." for one in unknown
    ]


async def build_tool(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Have a tool built that the agent wishes for. Without usable code the wish stays one."""
    draft, wish = state["draft"], state["draft"].answer.value
    if not isinstance(wish, ToolSpec) or _is_rejected(draft):
        return {}
    prompt = load_prompt(ROOM, "build").render(tool=fence("tool", json.dumps(wish.interface, indent=1)))
    schema = schema_of(ToolProgram, prompt.name, _plain_program, PROGRAM)
    answer = await runtime.context.model.ask(prompt, schema, state["request_context"].varied(role="solver"))
    outcome, reason = answer.outcome, answer.reason
    if answer.value is not None and (faults := code_faults(answer.value.program, wish.interface)):
        outcome, reason = Outcome.SCHEMA_MISMATCH, faults[0]
    if outcome is not Outcome.OK or answer.value is None:
        missed = MissedStage(prompt.name, outcome, reason, answer.attempts)
        return {"missed": (*state.get("missed", ()), missed)}
    return {"draft": _with_action(draft, wish.model_copy(update={"code": answer.value.program}))}


async def use_tool(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Run the code of a tool that the agent uses. The agent notes what it gave, or the error."""
    draft, use = state["draft"], state["draft"].answer.value
    code = (runtime.context.built or {}).get(use.tool) if isinstance(use, ToolUse) else None
    if code is None or not isinstance(use, ToolUse) or _is_rejected(draft):
        return {}
    done = await run_code(code, calls=[FunctionCall(use.tool, json.loads(use.arguments))])
    error = done.returned[0].error if done.returned else done.reason
    told = error or json.dumps(done.returned[0].value, ensure_ascii=False)
    text = told.encode(errors="replace").decode()  # half of a surrogate pair is no text for a file
    note = MemoryNote(f"{use.tool} gave you: {quoted(text[:_NOTED])}", "heard")
    found = Deliberation("tool", text, use.tool, use.arguments, is_error=bool(error))
    return {
        "draft": _with_action(draft, use.model_copy(update={"result": text[:_NOTED]})),
        "notes": (*state.get("notes", ()), note),
        "deliberations": (*state.get("deliberations", ()), found),
    }


def _plain_program(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write code that gives the same value of the right type whatever it is called with."""
    tool = json.loads(situation.sections["tool"])
    names = ", ".join(f"{name}=None" for name in tool["parameters"]["properties"])
    value = fill_schema(tool["returns"], rng, _any_text)
    return {"program": f"def {tool['name']}({names}):\n    return {value!r}\n"}


def _any_text(least: int, most: int | None) -> str:
    return "as usual"[:most].ljust(least, ".")


def _is_rejected(draft: Draft) -> bool:
    return any(one.outcome is CheckOutcome.FAILED for one in draft.checks)


def _with_action(draft: Draft, action: Action) -> Draft:
    return replace(draft, answer=replace(draft.answer, value=action))
