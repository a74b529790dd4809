"""Schemas made simpler to fill: several joined into one, references followed; and the check of a whole value."""

import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import orjson

from ...personas.errors import SetupError


class UnsatisfiableSchemaError(SetupError, ValueError):
    """No value was found that is valid under a schema; the message names the part that prevents it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"No answer can be valid under the schema at {path}: {why}. Change that part of the schema.")
        self.path = path


_HIGHEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_LOWEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_PARTS = frozenset({"properties", "additionalProperties", "patternProperties", "prefixItems", "items"})
ALL_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The types a schema names, or None when it names none."""
    named = schema.get("type")
    if named is None:
        return None
    return (named,) if isinstance(named, str) else tuple(named)


def both(one: Mapping[str, Any] | bool, other: Mapping[str, Any] | bool) -> dict[str, Any] | bool:
    """A schema that allows what both allow; `oneOf` and `not` in it are to be checked afterwards."""
    if one is False or other is False:
        return False
    if one is True or other is True:
        kept = other if one is True else one
        return kept if isinstance(kept, bool) else dict(kept)
    merged: dict[str, Any] = {**one, **{k: v for k, v in other.items() if k not in one}}
    for key in one.keys() & other.keys() - _PARTS:
        value = _joined(key, one[key], other[key])
        if value is _NEVER:
            return False
        merged[key] = value
    _join_patterns(merged, one, other)
    _join_objects(merged, one, other)
    _join_arrays(merged, one, other)
    return merged


class _Never:
    """Nothing satisfies both."""


_NEVER = _Never()


def _joined(key: str, a: Any, b: Any) -> Any:
    if a == b and isinstance(a, bool) == isinstance(b, bool):
        return a
    # Of keywords that are not named here, descriptions above all, the first says it.
    join = _JOINING.get(key)
    return a if join is None else join(a, b)


def _joined_types(a: Any, b: Any) -> Any:
    one, other = types_of({"type": a}) or (), types_of({"type": b}) or ()
    common = [t for t in one if t in other]
    if "integer" not in common and {"integer", "number"} <= {*one, *other}:
        common.append("integer")
    return common or _NEVER


def _least_common(a: Any, b: Any) -> Any:
    return math.lcm(a, b) if isinstance(a, int) and isinstance(b, int) else a * b


def _product(a: Any, b: Any) -> Any:
    return [{"allOf": [x, y]} for x in a for y in b]


def _together(a: Any, b: Any) -> Any:
    return {**a, **b}


_JOINING: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(_HIGHEST, max),
    **dict.fromkeys(_LOWEST, min),
    **dict.fromkeys(("anyOf", "oneOf"), _product),
    **dict.fromkeys(("$defs", "definitions", "dependentRequired", "dependentSchemas"), _together),
    "type": _joined_types,
    "enum": lambda a, b: [v for v in a if v in b] or _NEVER,
    "const": lambda a, b: _NEVER,
    "required": lambda a, b: list(dict.fromkeys([*a, *b])),
    "multipleOf": _least_common,
    "uniqueItems": lambda a, b: a or b,
    "not": lambda a, b: {"anyOf": [a, b]},
    "allOf": lambda a, b: [*a, *b],
}


def _join_patterns(merged: dict[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    # A second pattern has no keyword of its own: the string filler checks for these.
    also = [*one.get("x-patterns", ()), *other.get("x-patterns", ())]
    if "pattern" in one and "pattern" in other and one["pattern"] != other["pattern"]:
        also.append(other["pattern"])
    if also:
        merged["x-patterns"] = also


def _join_objects(merged: dict[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    names = list(dict.fromkeys([*one.get("properties", ()), *other.get("properties", ())]))
    if names:
        merged["properties"] = {name: _all_of(_about(name, one), _about(name, other)) for name in names}
    if "patternProperties" in one and "patternProperties" in other:
        mine, theirs = one["patternProperties"], other["patternProperties"]
        merged["patternProperties"] = {
            p: _all_of(mine.get(p, True), theirs.get(p, True)) for p in dict.fromkeys([*mine, *theirs])
        }
    if "additionalProperties" in one and "additionalProperties" in other:
        merged["additionalProperties"] = _all_of(one["additionalProperties"], other["additionalProperties"])


def _about(name: str, schema: Mapping[str, Any]) -> Any:
    if name in schema.get("properties", ()):
        return schema["properties"][name]
    return True if "patternProperties" in schema else schema.get("additionalProperties", True)


def _join_arrays(merged: dict[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    first, second = one.get("prefixItems", []), other.get("prefixItems", [])
    if first or second:
        length = max(len(first), len(second))
        merged["prefixItems"] = [_all_of(_item(one, first, i), _item(other, second, i)) for i in range(length)]
    if "items" in one and "items" in other:
        merged["items"] = _all_of(one["items"], other["items"])


def _item(schema: Mapping[str, Any], prefix: list[Any], index: int) -> Any:
    return prefix[index] if index < len(prefix) else schema.get("items", True)


def _all_of(a: Any, b: Any) -> Any:
    if a is True or a == b:
        return b
    if b is True:
        return a
    return False if a is False or b is False else {"allOf": [a, b]}


_JOINTS = frozenset({"$ref", "$dynamicRef", "allOf", "oneOf", "if"})
_ROUNDS = 64


def flattened(schema: Mapping[str, Any] | bool, root: Mapping[str, Any] | bool, path: str) -> dict[str, Any]:
    """The same part without `$ref`, `allOf`, `oneOf` and `if`: at most one `anyOf` is left of them.

    Raises `UnsatisfiableSchemaError` for a part nothing satisfies, or a reference that leads nowhere.
    """
    part: Mapping[str, Any] | bool = schema
    for _ in range(_ROUNDS):
        if part is True:
            return {}
        if part is False:
            raise UnsatisfiableSchemaError(path, "it allows no value at all")
        if not part.keys() & _JOINTS:
            return part if isinstance(part, dict) else dict(part)
        part = _step(part, root, path)
    raise UnsatisfiableSchemaError(path, f"its references lead in a circle ({schema!r})")


def _step(part: Mapping[str, Any], root: Mapping[str, Any] | bool, path: str) -> Mapping[str, Any] | bool:
    rest = {key: value for key, value in part.items() if key not in _JOINTS and key not in ("then", "else")}
    joined: Mapping[str, Any] | bool = rest or True
    for key in ("$ref", "$dynamicRef"):
        if key in part:
            joined = both(joined, _target(part[key], root, path))
    for other in part.get("allOf", ()):
        joined = both(joined, other)
    if "oneOf" in part:
        joined = both(joined, {"anyOf": part["oneOf"]})
    if "if" in part:
        met = {"allOf": [part["if"], part.get("then", True)]}
        joined = both(joined, {"anyOf": [met, part.get("else", True)]})
    return joined


def _target(reference: str, root: Any, path: str) -> Any:
    if not reference.startswith("#"):
        raise UnsatisfiableSchemaError(path, f"the reference {reference!r} leads outside the schema")
    found = root
    for key in reference[1:].lstrip("/").split("/") if reference != "#" else ():
        name = unquote(key).replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise UnsatisfiableSchemaError(path, f"the reference {reference!r} leads nowhere") from error
    return found


#: Keywords that filling alone does not guarantee: a value under a schema with one is checked as a whole.
_HARD = frozenset(
    {"$anchor", "$dynamicRef", "$id", "allOf", "contains", "dependentSchemas", "if", "not", "oneOf"}
    | {"patternProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "uniqueItems"}
)
_MARKS = tuple(f'"{word}"' for word in sorted(_HARD))


@lru_cache(maxsize=512)
def check_of(dumped: str) -> Callable[[object], bool] | None:
    """The check that values under this schema (as JSON) need, or None where filling guarantees it."""
    if not any(mark in dumped for mark in _MARKS):
        return None
    schema = json.loads(dumped)
    return _validity(schema) if _is_hard(schema) else None


def satisfies(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether a value is valid under a schema without references."""
    return _validity(schema)(value)


def _validity(schema: object) -> Callable[[object], bool]:
    # Imported here, because the schemas of a turn never need it.
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema)
    return lambda value: bool(validator.is_valid(value))


def _is_hard(schema: object) -> bool:
    if isinstance(schema, list):
        return any(map(_is_hard, schema))
    if not isinstance(schema, dict):
        return False
    if schema.keys() & _HARD:
        return True
    return any(_is_hard(value) for key, value in schema.items() if key not in ("enum", "const", "examples", "default"))


def to_json(value: Any, *, sort_keys: bool = False) -> str:
    """The value as JSON; what JSON has no form for is written as its text."""
    options = orjson.OPT_NON_STR_KEYS | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    try:
        return orjson.dumps(value, default=str, option=options).decode()
    except TypeError:  # integers beyond 64 bits, and halves of surrogate pairs
        return json.dumps(value, default=str, sort_keys=sort_keys)
