"""JSON of any value, and the check of a whole value by a validator that knows every keyword."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

__all__ = ["check_of", "satisfies", "to_json"]

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
