"""PersonaHub's rows of tools, brought into the form of a `ToolSpec`'s payload.

In its file each row holds a tool as JSON text, often as JSON text within JSON text; arguments are a list, an object or
a sentence; names are texts or lists; some rows are broken. What can be read is normalised, and each change is noted;
what cannot is left out with its reason.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tools import tool_faults

_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?```\s*$", re.DOTALL)
_NAMED = re.compile(r"^\s*[-*]?\s*`?(\w[\w .-]{0,60}?)`?\s*(?:\(([^()]*)\))?\s*[:=–-]\s*(.+)$")
#: Names of types as people write them, and what they are in JSON Schema.
_TYPES = {
    "string": ("string", "str", "text", "char", "varchar", "date", "datetime", "time", "file", "path", "url", "image"),
    "integer": ("integer", "int", "long"),
    "number": ("number", "float", "double", "decimal", "numeric"),
    "boolean": ("boolean", "bool"),
    "array": ("array", "list", "tuple", "set", "sequence"),
    "object": ("object", "dict", "dictionary", "map", "json", "struct"),
}
_KNOWN = {word: kind for kind, words in _TYPES.items() for word in words}
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
    persona: str = ""
    #: What was changed to get there, one phrase each.
    changes: tuple[str, ...] = ()
    #: Why there is no tool, in one sentence; empty when there is one.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The result of reading a file of rows."""

    rows: tuple[ReadTool, ...]

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that could be read, in order."""
        return [row.payload for row in self.rows if row.payload is not None]


def read_tool_rows(path: Path) -> ReadFile:
    """The tools of a JSONL file of PersonaHub: objects with `synthesized text` and `input persona`."""
    # By the line feed alone: strings of JSON may hold other line separators, as U+2028.
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return ReadFile(tuple(_read_line(line) for line in lines if line.strip()))


def _read_line(line: bytes) -> ReadTool:
    try:
        return read_tool_row(line.decode())
    except UnicodeDecodeError as error:
        return ReadTool(None, reason=f"The line is not UTF-8 (byte {error.start + 1}).")


def read_tool_row(line: str) -> ReadTool:
    """The tool of one line of the file. Never raises: a line that holds none has its reason."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return ReadTool(None, reason=f"The line is not JSON: {error}.")
    if not isinstance(row, dict):
        return ReadTool(None, reason="The line is no JSON object.")
    persona = row.get("input persona", row.get("persona", ""))
    read = _read(row.get("synthesized text", row.get("tool")))
    return ReadTool(read.payload, persona if isinstance(persona, str) else "", read.changes, read.reason)


def _read(written: Any) -> ReadTool:
    changes: list[str] = []
    if not isinstance(written, str | dict) or not written:
        return ReadTool(None, reason="The row has no text of a tool.")
    try:
        tool = _decoded(written, changes)
    except (ValueError, RecursionError) as error:
        return ReadTool(None, reason=f"The text of the tool is not JSON: {error}.")
    if isinstance(tool, list) and len(tool) == 1:
        tool = tool[0]
        changes.append("a list of one tool")
    if not isinstance(tool, dict):
        return ReadTool(None, reason=f"The text is no tool but {type(tool).__name__}.")
    name = _name(tool, changes)
    if not name:
        return ReadTool(None, changes=tuple(changes), reason=_nameless(tool))
    purpose = _text(tool.get("description") or tool.get("purpose") or "")
    if not purpose:
        return ReadTool(None, changes=tuple(changes), reason="The tool has no description.")
    returned = _first(tool, _RETURNS)
    payload = {
        "name": name,
        "purpose": purpose,
        "parameters": _object(list(_arguments(_first(tool, _ARGUMENTS), changes)), changes),
        "returns": _returns(returned, changes),
        "depend": _depends(_first(tool, _DEPENDS)),
    }
    if faults := tool_faults(payload):
        return ReadTool(None, changes=tuple(changes), reason=" ".join(faults[:2]))
    return ReadTool(payload, changes=tuple(dict.fromkeys(changes)))


def _decoded(written: Any, changes: list[str]) -> Any:
    """What a text holds, taken out of fences and further layers of JSON text."""
    for layer in range(_MOST_LAYERS):
        if not isinstance(written, str):
            break
        if fenced := _FENCE.match(written):
            written = fenced[1]
            changes.append("a code fence")
        written = json.loads(written)
        if layer:
            changes.append("JSON text within JSON text")
    return written


def _first(tool: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((tool[key] for key in keys if tool.get(key) not in (None, "", [], {})), None)


def _name(tool: Mapping[str, Any], changes: list[str]) -> str:
    found = _first(tool, _NAMES)
    if isinstance(found, list):
        changes.append("a name of several")
        found = next((one for one in found if isinstance(one, str)), "")
    given = found if isinstance(found, str) else ""
    name = _identifier(given)
    if name and name != given:
        changes.append(f"the name {given!r}")
    return name


def _nameless(tool: Mapping[str, Any]) -> str:
    given = _first(tool, _NAMES)
    # Function names are ASCII: endpoints refuse others.
    return f"The name {str(given)[:60]!r} has no letter from a to z." if given else "The tool has no name."


def _identifier(text: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.partition("(")[0])
    name = "_".join(re.findall(r"[a-z0-9]+", spaced.lower()))[:64].strip("_")
    return f"tool_{name}"[:64] if name[:1].isdigit() else name


def _text(found: Any) -> str:
    words = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return " ".join(words.split())[:_LONGEST]


def _arguments(found: Any, changes: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and types of the arguments, however they are written."""
    if isinstance(found, str) and found.strip()[:1] in ("[", "{"):
        try:
            found = json.loads(found)
            changes.append("arguments as JSON text")
        except ValueError:
            changes.append("arguments as broken JSON text")
    if isinstance(found, Mapping) and isinstance(found.get("properties"), Mapping):
        found = found["properties"]
    if isinstance(found, Mapping):
        if "name" in found and ("type" in found or "description" in found) and isinstance(found["name"], str):
            yield _argument(found, changes)
            return
        changes.append("arguments as an object")
        yield from (
            (_identifier(str(name)) or _UNNAMED, _type(value, str(name), changes)) for name, value in found.items()
        )
    elif isinstance(found, list):
        yield from (_argument(one, changes) for one in found)
    elif isinstance(found, str):
        changes.append("arguments as a sentence")
        yield from (_argument(one, changes) for one in re.split(r"[\n;]+", found) if one.strip())


def _argument(found: Any, changes: list[str]) -> tuple[str, dict[str, Any]]:
    if isinstance(found, Mapping):
        named = next((found[key] for key in ("name", "arg", "argument", "parameter") if key in found), None)
        if named is None and len(found) == 1 and not found.keys() & {"type", "description"}:
            ((named, found),) = found.items()
        return _identifier(str(named or "")) or _UNNAMED, _type(found, str(named or ""), changes)
    told = _NAMED.match(str(found))
    if told is None:
        return _identifier(" ".join(str(found).split()[:4])) or _UNNAMED, _type(str(found), str(found), changes)
    return _identifier(told[1]) or _UNNAMED, _type({"type": told[2] or "", "description": told[3]}, told[1], changes)


def _type(found: Any, name: str, changes: list[str]) -> dict[str, Any]:
    """A type with its description; what does not say what it is becomes a text, lists and objects hold texts."""
    told = found if isinstance(found, Mapping) else {"description": found}
    written = told.get("type", found if isinstance(found, str) and found.lower() in _KNOWN else "")
    word = re.split(r"[^a-z]+", str(written).lower().strip("<"))[0]
    kind = _KNOWN.get(word, "")
    if not kind:
        changes.append("an argument without a known type")
    description = _text(told.get("description") or told.get("desc") or name.replace("_", " ") or "a value")
    made: dict[str, Any] = {"type": kind or "string", "description": description}
    choices = told.get("enum")
    if made["type"] == "string" and isinstance(choices, list) and choices and all(isinstance(c, str) for c in choices):
        made["enum"] = list(dict.fromkeys(choices))
    if made["type"] == "array":
        items = told.get("items")
        inner = str(written).lower().partition("[")[2] or str(written).lower().partition(" of ")[2]
        made["items"] = _type(
            items if isinstance(items, Mapping) else {"type": inner or "string"}, "one of them", changes
        )
    if made["type"] == "object":
        properties = told.get("properties")
        parts = properties.items() if isinstance(properties, Mapping) else (("text", {"type": "string"}),)
        if not isinstance(properties, Mapping):
            changes.append("an object without properties")
        made |= _object([(_identifier(str(n)) or _UNNAMED, _type(v, str(n), changes)) for n, v in parts], changes)
    return made


def _object(arguments: list[tuple[str, dict[str, Any]]], changes: list[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, schema in arguments:
        free, number = name, 1
        while free in properties:
            number += 1
            free = f"{name[:60]}_{number}"
        if free != name:
            changes.append(f"the argument {name!r} twice")
        properties[free] = schema
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _returns(found: Any, changes: list[str]) -> dict[str, Any]:
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, list):
        parts = [_argument(one, changes) for one in found]
        return {**_object(parts, changes), "description": "What is returned."}
    if isinstance(found, Mapping) and not found.keys() & {"type", "description"}:
        parts = [
            (_identifier(str(name)) or _UNNAMED, _type(value, str(name), changes)) for name, value in found.items()
        ]
        return {**_object(parts, changes), "description": "What is returned."}
    return _type(found if found is not None else "", "what is returned", changes)


def _depends(found: Any) -> list[str]:
    parts = found.keys() if isinstance(found, Mapping) else found if isinstance(found, list) else [found]
    texts = (_text(one.get("name", one) if isinstance(one, Mapping) else one) for one in parts if one)
    return [text for text in dict.fromkeys(texts) if text and text.lower() not in ("none", "null", "n/a")]
