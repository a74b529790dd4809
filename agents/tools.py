"""Tools in the forms of others: as a function of OpenAI, a tool of LangChain and of MCP; and whether they are valid.

A tool is the payload of a `ToolSpec`: `name`, `purpose`, `parameters` and `returns` (JSON Schemas) and `depend`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .checks import CheckContext, CheckResult, failed, passed

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool

    from .actions import Action

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST_PURPOSE = 1024
#: Limits of the strict mode of function calling, as documented by OpenAI in February 2026.
_MOST_PROPERTIES, _DEEPEST, _MOST_CHOICES, _MOST_CHARACTERS = 5_000, 10, 1_000, 120_000
_LONG_ENUM, _LONG_ENUM_CHARACTERS = 250, 15_000
#: The keywords that strict mode knows.
_KEYWORDS = frozenset(
    (
        *("type", "description", "title", "properties", "required", "additionalProperties", "items", "enum", "const"),
        *("anyOf", "$ref", "$defs", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minItems", "maxItems", "pattern", "format"),
    )
)
_TYPES = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))


def tool_faults(payload: Mapping[str, Any]) -> list[str]:
    """Return what keeps a tool from being given to a model, one sentence each, or [] for a valid tool.

    `parameters` must be a valid JSON Schema (draft 2020-12) and keep the strict rules of function calling. `returns`,
    which no model is given, must be a valid JSON Schema whose arrays have items.
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
        elif wrong := _invalid(schema):
            faults.append(f"{part} is no valid JSON Schema: {wrong}")
        else:
            faults += [f"{part}{fault}" for fault in strict_faults(schema)]
    parameters = payload.get("parameters")
    if isinstance(parameters, Mapping) and parameters.get("type") != "object":
        faults.append("parameters must be an object at its root.")
    return faults


def _invalid(schema: Mapping[str, Any]) -> str:
    # Imported here: commands that make no tools should not wait for it.
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        return f"{error.message}{f' (at {where})' if where else ''}."
    return ""


def strict_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what strict mode refuses, each with the path to it."""
    properties = choices = characters = 0
    for path, part, depth in _parts(schema, "", 1):
        yield from (f"{path}: {fault}" for fault in _part_faults(part, schema))
        if depth > _DEEPEST:
            yield f"{path}: it nests deeper than {_DEEPEST} levels."
        allowed = part.get("enum", ())
        written = [str(value) for value in (*allowed, *([part["const"]] if "const" in part else ()))]
        properties += len(part.get("properties", ()))
        choices += len(allowed)
        characters += sum(map(len, (*written, *part.get("properties", ()), *part.get("$defs", ()))))
        if len(allowed) > _LONG_ENUM and sum(map(len, written)) > _LONG_ENUM_CHARACTERS:
            yield f"{path}: its {len(allowed)} values have more than {_LONG_ENUM_CHARACTERS:,} characters."
    for number, most, what in (
        (properties, _MOST_PROPERTIES, "properties"),
        (choices, _MOST_CHOICES, "values to choose from"),
        (characters, _MOST_CHARACTERS, "characters of names and values"),
    ):
        if number > most:
            yield f": it has {number:,} {what}, and at most {most:,} are allowed."


def _parts(schema: Mapping[str, Any], path: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Yield the schema and all schemas within it, each with its path and depth."""
    yield path, schema, depth
    if depth > _DEEPEST:
        return
    for key in ("properties", "$defs"):
        for name, part in schema.get(key, {}).items():
            yield from _inner(part, f"{path}.{name}", depth + (key == "properties"))
    yield from _inner(schema.get("items"), f"{path}[]", depth + 1)
    for place, part in enumerate(schema.get("anyOf", ())):
        yield from _inner(part, f"{path}|{place}", depth)


def _inner(part: Any, path: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    if isinstance(part, Mapping):
        yield from _parts(part, path, depth)


def _part_faults(part: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    if unknown := sorted(part.keys() - _KEYWORDS):
        yield f"strict mode knows no {', '.join(unknown)}."
    named = part.get("type", ())
    types = {named} if isinstance(named, str) else set(named)
    if not types and not part.keys() & {"enum", "const", "anyOf", "$ref"}:
        yield "it has no type."
    if not types <= _TYPES:
        yield f"there is no type {', '.join(sorted(types - _TYPES))}."
    if "array" in types and not isinstance(part.get("items"), Mapping):
        yield "an array needs items."
    if "object" in types or "properties" in part:
        if part.get("additionalProperties") is not False:
            yield "an object needs additionalProperties: false."
        if not isinstance(part.get("properties"), Mapping):
            yield "an object needs properties."
        elif set(part.get("required", ())) != set(part["properties"]):
            yield "an object must list all of its properties in required; one that may be left out may be null."
    if "$ref" in part and _target(str(part["$ref"]), root) is None:
        yield f"the reference {part['$ref']!r} leads nowhere."


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root if reference.startswith("#") else None
    for key in reference.removeprefix("#").strip("/").split("/"):
        if key:
            found = found.get(key) if isinstance(found, Mapping) else None
    return found


class CallableTool:
    """A check: whether endpoints take the tool, by JSON Schema and the strict rules of function calling."""

    name = "callable_tool"
    version = 1
    revises = True

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """Fail with the first faults."""
        faults = tool_faults(action.payload)
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

    def missing(**arguments: Any) -> Any:
        raise NotImplementedError(f"{payload['name']} is an interface without an implementation.")

    return StructuredTool(
        name=payload["name"],
        description=payload["purpose"],
        args_schema=dict(payload["parameters"]),
        func=function or missing,
    )
