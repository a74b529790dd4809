"""What the strict mode of function calling refuses of a JSON Schema: an oracle for all schemas that are made here."""

from collections.abc import Iterator, Mapping
from typing import Any

from populace.agents.tools import tool_faults

#: Levels that the strict mode of function calling allows, as documented by OpenAI in February 2026.
_DEEPEST = 10
#: The keywords that strict mode knows.
_KEYWORDS = frozenset(
    (
        *("type", "description", "title", "properties", "required", "additionalProperties", "items", "enum", "const"),
        *("anyOf", "$ref", "$defs", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minItems", "maxItems", "pattern", "format"),
    )
)
_TYPES = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))


def faults_of(payload: Mapping[str, Any]) -> list[str]:
    """What keeps a tool from being given to a model, in strict mode too."""
    parts = ("parameters", "returns")
    return tool_faults(payload) + [f"{part}{fault}" for part in parts for fault in strict_faults(payload[part])]


def strict_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what strict mode refuses, each with the path to it."""
    for path, part, depth in _parts(schema, "", 1):
        yield from (f"{path}: {fault}" for fault in _part_faults(part, schema))
        if depth > _DEEPEST:
            yield f"{path}: it nests deeper than {_DEEPEST} levels."


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
