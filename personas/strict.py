"""JSON Schemas in the strict form that structured output asks for."""

from collections.abc import Mapping
from typing import Any

__all__ = ["strict_schema"]

_DROPPED = frozenset({"default", "discriminator", "title"})


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema with every object closed and every property required, without defaults and titles.

    Strict mode of structured output accepts no other objects; `title` and `default` only cost tokens.
    The order of properties is kept: it is the order in which a constrained model writes them.
    """
    strict: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _DROPPED:
            continue
        if key == "oneOf":  # strict mode knows only anyOf
            strict["anyOf"] = _strict_value(value)
        elif key in ("properties", "$defs"):
            strict[key] = {name: strict_schema(sub) for name, sub in value.items()}
        else:
            strict[key] = _strict_value(value)
    if "properties" in strict:
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def _strict_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return strict_schema(value)
    if isinstance(value, list):
        return [_strict_value(item) for item in value]
    return value
