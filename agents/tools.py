"""Tools in the forms of others (OpenAI, LangChain, MCP), whether they are valid, and those that agents have built.

A tool is the payload of a `ToolSpec`: `name`, `purpose`, `parameters` and `returns` (JSON Schemas) and `depend`.
"""

import ast
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from ..core.model import FrozenModel, Outcome
from ..core.prompt import fence, load_prompt
from .actions import Action, ActionEffects, Check, Novelty, Prose
from .checks import CheckContext, CheckResult, failed, passed
from .memory import MemoryNote
from .mind import ROOM, Deliberation, MindState, MissedStage
from .observation import quote_line
from .procedural.situation import Situation
from .responses import schema_of
from .sandbox import FunctionCall, run_code
from .schema_fill import fill_schema, to_json
from .text_forms import PROGRAM
from .tool_spec import ABOUT, SHOWN_ARGUMENTS, ToolSpec, read_signature

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool
    from langgraph.runtime import Runtime

    from .mind import MindContext


_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST_PURPOSE = 1024


def tool_faults(payload: Mapping[str, Any]) -> list[str]:
    """Return what keeps a tool from being given to a model, one sentence each, or [] for a valid tool.

    `parameters` and `returns` must be valid JSON Schemas (draft 2020-12), the first of an object. That they keep the
    strict rules of function calling too follows from how signatures and rows of PersonaHub are read.
    """
    name, purpose = payload.get("name"), payload.get("purpose")
    faults = []
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        faults.append(f"The name {name!r} must be 1 to 64 letters, digits, underscores and hyphens.")
    if not isinstance(purpose, str) or not purpose.strip() or len(purpose) > _LONGEST_PURPOSE:
        faults.append(f"The purpose must be a text of at most {_LONGEST_PURPOSE:,} characters.")
    for part in ("parameters", "returns"):
        schema = payload.get(part)
        if not isinstance(schema, Mapping):
            faults.append(f"{part} must be a JSON Schema, and is {schema!r:.80}.")
        elif wrong := _describe_invalid(schema):
            faults.append(f"{part} is no valid JSON Schema: {wrong}")
    parameters = payload.get("parameters")
    if isinstance(parameters, Mapping) and parameters.get("type") != "object":
        faults.append("parameters must be an object at its root.")
    return faults


def _describe_invalid(schema: Mapping[str, Any]) -> str:
    # Imported here: commands that make no tools should not wait for it.
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        return f"{error.message}{f' (at {where})' if where else ''}."
    return ""


def value_fault(value: Any, schema: Mapping[str, Any]) -> str:
    """Return why a value does not fit a schema, or an empty text where it does."""
    from jsonschema import Draft202012Validator

    error = next(iter(Draft202012Validator(schema).iter_errors(value)), None)
    return "" if error is None else error.message[:300]


class CallableTool:
    """A check: whether endpoints take the tool, by JSON Schema.

    Each argument must be described, since a model calls the tool by its descriptions. None may be taken over from the
    example that a model is shown: weak models do that.
    """

    name = "callable_tool"
    version = 3
    revises = True

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """Fail with the first faults."""
        payload = action.payload
        told = {n: of.get("description", "") for n, of in payload["parameters"]["properties"].items()}
        bare = [name for name, about in told.items() if not about.partition("(default: ")[0].strip()]
        faults = tool_faults(payload) + [f"The argument {one!r} has no line of meaning; add it." for one in bare]
        if len(copied := [name for name in told if name in SHOWN_ARGUMENTS]) > 1:
            faults.append(f"The arguments {' and '.join(copied)} are those of the example; give what this tool needs.")
        return failed(" ".join(faults[:3])) if faults else passed()


def as_openai(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tool as an entry of `tools` in OpenAI's chat completions, in strict mode."""
    told = {"name": payload["name"], "description": payload["purpose"], "parameters": payload["parameters"]}
    return {"type": "function", "function": {**told, "strict": True}}


def as_mcp(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tool as an MCP server lists it (protocol 2025-06-18).

    MCP takes only objects as structured output. Any other value is returned as `result`.
    """
    returns = payload["returns"]
    if returns.get("type") != "object":
        wrapped = {"properties": {"result": returns}, "required": ["result"], "additionalProperties": False}
        returns = {"type": "object", **wrapped}
    return {
        "name": payload["name"],
        "description": payload["purpose"],
        "inputSchema": payload["parameters"],
        "outputSchema": returns,
    }


def as_langchain(payload: Mapping[str, Any], function: Callable[..., Any] | None = None) -> "StructuredTool":
    """Return the tool as a `StructuredTool` that calls `function` with the arguments by name.

    Without a function it is only an interface, and calling it raises `NotImplementedError`.
    """
    from langchain_core.tools import StructuredTool

    def refuse_call(**arguments: Any) -> Any:
        raise NotImplementedError(f"{payload['name']} is an interface without an implementation.")

    return StructuredTool(
        name=payload["name"],
        description=payload["purpose"],
        args_schema=dict(payload["parameters"]),
        func=function or refuse_call,
    )


_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?```\s*$", re.DOTALL)
_NAMED = re.compile(r"^\s*[-*]?\s*`?(\w[\w .-]{0,60}?)`?\s*(?:\(([^()]*)\))?\s*[:=–-]\s*(.+)$")
#: Names of types as people write them, and what they are in JSON Schema.
_HUB_TYPES = {
    "string": ("string", "str", "text", "char", "varchar", "date", "datetime", "time", "file", "path", "url", "image"),
    "integer": ("integer", "int", "long"),
    "number": ("number", "float", "double", "decimal", "numeric"),
    "boolean": ("boolean", "bool"),
    "array": ("array", "list", "tuple", "set", "sequence"),
    "object": ("object", "dict", "dictionary", "map", "json", "struct"),
}
_KNOWN = {word: kind for kind, words in _HUB_TYPES.items() for word in words}
_UNNAMED = "value"
_LONGEST = 500
_MOST_LAYERS = 4
#: Keys under which rows of the file keep what belongs to a tool.
_NAMES = ("function_name", "name", "tool_name")
_ARGUMENTS = ("input_args", "arguments", "args", "parameters", "inputs", "input")
_RETURNS = ("return", "returns", "output", "outputs")
_DEPENDS = ("depend", "depends", "dependencies", "dependency")


@dataclass(frozen=True, slots=True)
class ReadTool:
    """The result of reading one row."""

    #: As `ToolSpec.payload`; None where the row cannot be read.
    payload: dict[str, Any] | None
    #: Why there is no tool, in one sentence; empty when there is one.
    reason: str = ""


def read_tool_rows(path: Path) -> list[ReadTool]:
    """Read the tools of a JSONL file of PersonaHub: objects with `synthesized text` and `input persona`."""
    # By the line feed alone: strings of JSON may hold other line separators, as U+2028.
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [read_tool_row(line) for line in lines if line.strip()]


def read_tool_row(line: str | bytes) -> ReadTool:
    """Read the tool of one line of the file. Never raises: a line that holds none has its reason."""
    try:
        row = json.loads(line.decode() if isinstance(line, bytes) else line)
    except (ValueError, RecursionError) as error:
        return ReadTool(None, f"The line is not JSON in UTF-8: {error}.")
    written = row.get("synthesized text", row.get("tool")) if isinstance(row, dict) else None
    if not isinstance(written, str | dict) or not written:
        return ReadTool(None, "The row has no text of a tool.")
    try:
        tool = _decode_text(written)
    except (ValueError, RecursionError) as error:
        return ReadTool(None, f"The text of the tool is not JSON: {error}.")
    if isinstance(tool, list) and len(tool) == 1:
        tool = tool[0]
    if not isinstance(tool, dict):
        return ReadTool(None, f"The text is no tool but {type(tool).__name__}.")
    named = _first_value(tool, _NAMES)
    named = named[0] if isinstance(named, list) else named
    payload = {
        "name": _make_identifier(str(named or "")),
        "purpose": _read_text(tool.get("description") or tool.get("purpose") or ""),
        "parameters": _make_object(list(_iter_arguments(_first_value(tool, _ARGUMENTS)))),
        "returns": _read_returns(_first_value(tool, _RETURNS)),
        "depend": _read_depends(_first_value(tool, _DEPENDS)),
    }
    faults = tool_faults(payload)
    return ReadTool(None, " ".join(faults[:2])) if faults else ReadTool(payload)


def _decode_text(written: Any) -> Any:
    """Return what a text holds, taken out of fences and further layers of JSON text."""
    for _ in range(_MOST_LAYERS):
        if not isinstance(written, str):
            break
        fenced = _FENCE.match(written)
        written = json.loads(fenced[1] if fenced else written)
    return written


def _first_value(tool: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((tool[key] for key in keys if tool.get(key) not in (None, "", [], {})), None)


def _make_identifier(text: str) -> str:
    # Function names are ASCII: endpoints refuse others.
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.partition("(")[0])
    name = "_".join(re.findall(r"[a-z0-9]+", spaced.lower()))[:64].strip("_")
    return f"tool_{name}"[:64] if name[:1].isdigit() else name


def _read_text(found: Any) -> str:
    words = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return " ".join(words.split())[:_LONGEST]


def _iter_arguments(found: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names and types of the arguments, however they are written."""
    if isinstance(found, str) and found.strip()[:1] in ("[", "{"):
        with suppress(ValueError):
            found = json.loads(found)
    if isinstance(found, Mapping) and isinstance(found.get("name"), str) and found.keys() & {"type", "description"}:
        found = [found]
    if isinstance(found, Mapping):
        inner = found.get("properties")
        yield from _read_fields(inner if isinstance(inner, Mapping) else found)
    elif isinstance(found, list):
        yield from map(_read_argument, found)
    elif isinstance(found, str):
        yield from (_read_argument(one) for one in re.split(r"[\n;]+", found) if one.strip())


def _read_fields(found: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(_make_identifier(str(name)) or _UNNAMED, _read_type(value, str(name))) for name, value in found.items()]


def _read_argument(found: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(found, Mapping):
        named = _first_value(found, ("name", "arg", "argument", "parameter"))
        if named is None and len(found) == 1 and not found.keys() & {"type", "description"}:
            ((named, found),) = found.items()
        return _make_identifier(str(named or "")) or _UNNAMED, _read_type(found, str(named or ""))
    told = _NAMED.match(str(found))
    if told is None:
        return _make_identifier(" ".join(str(found).split()[:4])) or _UNNAMED, _read_type(str(found), str(found))
    return _make_identifier(told[1]) or _UNNAMED, _read_type({"type": told[2] or "", "description": told[3]}, told[1])


def _read_type(found: Any, name: str) -> dict[str, Any]:
    """Return a type with its description; what does not say what it is becomes a text, lists and objects hold texts."""
    told = found if isinstance(found, Mapping) else {"description": found}
    written = str(told.get("type", found if isinstance(found, str) and found.lower() in _KNOWN else "")).lower()
    kind = _KNOWN.get(re.split(r"[^a-z]+", written.strip("<"))[0], "string")
    description = _read_text(told.get("description") or told.get("desc") or name.replace("_", " ") or "a value")
    made: dict[str, Any] = {"type": kind, "description": description}
    choices = told.get("enum")
    if kind == "string" and isinstance(choices, list) and choices and all(isinstance(c, str) for c in choices):
        made["enum"] = list(dict.fromkeys(choices))
    elif kind == "array":
        items = told.get("items")
        inner = written.partition("[")[2] or written.partition(" of ")[2] or "string"
        made["items"] = _read_type(items if isinstance(items, Mapping) else {"type": inner}, "one of them")
    elif kind == "object":
        properties = told.get("properties")
        made |= _make_object(
            _read_fields(properties if isinstance(properties, Mapping) else {"text": {"type": "string"}})
        )
    return made


def _make_object(arguments: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, schema in arguments:
        free = next(one for n in count(1) if (one := f"{name[:60]}_{n}" if n > 1 else name) not in properties)
        properties[free] = schema
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _read_returns(found: Any) -> dict[str, Any]:
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, list):
        return {**_make_object([_read_argument(one) for one in found]), "description": "What is returned."}
    if isinstance(found, Mapping) and not found.keys() & {"type", "description"}:
        return {**_make_object(_read_fields(found)), "description": "What is returned."}
    return _read_type(found if found is not None else "", "what is returned")


def _read_depends(found: Any) -> list[str]:
    parts = found.keys() if isinstance(found, Mapping) else found if isinstance(found, list) else [found]
    texts = (_read_text(one.get("name", one) if isinstance(one, Mapping) else one) for one in parts if one)
    return [text for text in dict.fromkeys(texts) if text and text.lower() not in ("none", "null", "n/a")]


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
    draft, wish = state["draft"], state["draft"].accepted
    if not isinstance(wish, ToolSpec):
        return {}
    prompt = load_prompt(ROOM, "build").render(tool=fence("tool", json.dumps(wish.interface, indent=1)))
    schema = schema_of(ToolProgram, prompt.name, _plain_program, PROGRAM)
    answer = await runtime.context.model.ask(prompt, schema, state["request_context"].vary_context(role="solver"))
    outcome, reason = answer.outcome, answer.reason
    if answer.value is not None and (faults := code_faults(answer.value.program, wish.interface)):
        outcome, reason = Outcome.SCHEMA_MISMATCH, faults[0]
    if outcome is not Outcome.OK or answer.value is None:
        missed = MissedStage(prompt.name, outcome, reason, answer.attempts)
        return {"missed": (*state.get("missed", ()), missed)}
    return {"draft": draft.updated(code=answer.value.program)}


async def use_tool(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Run the code of a tool that the agent uses. The agent notes what it gave, or the error."""
    draft, use = state["draft"], state["draft"].accepted
    code = (runtime.context.built or {}).get(use.tool) if isinstance(use, ToolUse) else None
    if code is None or not isinstance(use, ToolUse):
        return {}
    done = await run_code(code, calls=[FunctionCall(use.tool, json.loads(use.arguments))])
    error = done.returned[0].error if done.returned else done.reason
    told = error or json.dumps(done.returned[0].value, ensure_ascii=False)
    text = told.encode(errors="replace").decode()  # half of a surrogate pair is no text for a file
    note = MemoryNote(f"{use.tool} gave you: {quote_line(text[:_NOTED])}", "heard")
    found = Deliberation("tool", text, use.tool, use.arguments, is_error=bool(error))
    return {
        "draft": draft.updated(result=text[:_NOTED]),
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
