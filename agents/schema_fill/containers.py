"""Objects and lists: what they must have, and some of what they may."""

import random
from collections.abc import Mapping
from typing import Any, Protocol

from .schemas import UnsatisfiableSchemaError, both, to_json
from .values import matches, string_like

_SPARE = ("note", "remark", "place", "reason", "name", "count", "topic", "summary", "mood", "plan")
_SPARE_TRIES = 60


class PartFiller(Protocol):
    """Fills the parts of an object or a list, out of what may still be spent on the whole."""

    #: What is left of the values that may be written for the whole; below 0, none.
    left: int

    @property
    def rng(self) -> random.Random:
        """What is not proposed is drawn from it."""
        ...

    @property
    def is_deep(self) -> bool:
        """Whether the value should be finished now."""
        ...

    def fill(self, schema: Mapping[str, Any] | bool, proposed: Any = ..., path: str = ...) -> Any:
        """A value for one part of the schema, the proposed one if it may be. Raises `UnsatisfiableSchemaError`."""
        ...


def fill_object(
    filler: PartFiller, schema: Mapping[str, Any], proposed: Mapping[str, Any], path: str
) -> dict[str, Any]:
    """An object valid under `schema`, with the proposed values if they may be.

    Raises `UnsatisfiableSchemaError`.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    most = schema.get("maxProperties", 10_000)
    required = _required(schema)
    if len(required) > most:
        raise UnsatisfiableSchemaError(path, f"it requires {len(required)} properties and allows {most}")
    values: dict[str, Any] = {}
    for name in [*(n for n in properties if n in required), *(n for n in required if n not in properties)]:
        values[name] = _value(filler, schema, name, proposed, path)
    _add_optional(filler, schema, values, proposed, most, path)
    _add_spare(filler, schema, values, path)
    return {
        name: values[name]
        for name in [*(n for n in properties if n in values), *(n for n in values if n not in properties)]
    }


def _required(schema: Mapping[str, Any]) -> list[str]:
    required = list(dict.fromkeys(schema.get("required", ())))
    for name in required:
        required.extend(n for n in schema.get("dependentRequired", {}).get(name, ()) if n not in required)
    return required


def _schema_of(schema: Mapping[str, Any], name: str) -> Any:
    part: Any = schema.get("properties", {}).get(name, None)
    for pattern, also in schema.get("patternProperties", {}).items():
        if matches(pattern, name):
            part = also if part is None else both(part, also)
    return schema.get("additionalProperties", True) if part is None else part


def _value(filler: PartFiller, schema: Mapping[str, Any], name: str, proposed: Mapping[str, Any], path: str) -> Any:
    part = _schema_of(schema, name)
    if part is False:
        raise UnsatisfiableSchemaError(path, f"the property {name!r} is required and forbidden")
    where = f"{path}/properties/{name}"
    return filler.fill(part, proposed[name], where) if name in proposed else filler.fill(part, path=where)


def _add_optional(
    filler: PartFiller,
    schema: Mapping[str, Any],
    values: dict[str, Any],
    proposed: Mapping[str, Any],
    most: int,
    path: str,
) -> None:
    least = schema.get("minProperties", 0)
    for name in schema.get("properties", ()):
        short = len(values) < least
        if name in values or len(values) >= most or (filler.is_deep and not short and name not in proposed):
            continue
        together = [name, *(n for n in schema.get("dependentRequired", {}).get(name, ()) if n not in values)]
        if len(together) > 1 or not (short or name in proposed or filler.rng.random() < 0.6):
            continue
        try:
            values[name] = _value(filler, schema, name, proposed, path)
        except UnsatisfiableSchemaError:
            # An optional property that nothing satisfies is simply not there.
            if filler.left < 0:
                raise


def _add_spare(filler: PartFiller, schema: Mapping[str, Any], values: dict[str, Any], path: str) -> None:
    least = schema.get("minProperties", 0)
    for attempt in range(_SPARE_TRIES):
        if len(values) >= least:
            return
        name = _spare_name(filler, schema, attempt, path)
        if name in values or _schema_of(schema, name) is False:
            continue
        values[name] = _value(filler, schema, name, {}, path)
    if len(values) < least:
        raise UnsatisfiableSchemaError(
            path, f"it asks for {least} properties, and no more than {len(values)} are allowed"
        )


def _spare_name(filler: PartFiller, schema: Mapping[str, Any], attempt: int, path: str) -> str:
    if "propertyNames" in schema:
        name = filler.fill(both({"type": "string"}, schema["propertyNames"]), path=f"{path}/propertyNames")
        return str(name)
    patterns = list(schema.get("patternProperties", ()))
    if patterns and schema.get("additionalProperties") is False:
        pattern = patterns[attempt % len(patterns)]
        # Ever longer, because many patterns leave the end of a name open.
        text = string_like(filler.rng, pattern, 3 + attempt // 2, None) or string_like(filler.rng, pattern, 0, None)
        return text or pattern
    return _SPARE[attempt] if attempt < len(_SPARE) else f"note_{attempt}"


_ENTRY_TRIES = 60


def fill_array(filler: PartFiller, schema: Mapping[str, Any], proposed: list[Any] | None, path: str) -> list[Any]:
    """A list valid under `schema`, of the proposed entries if they may be.

    Raises `UnsatisfiableSchemaError`.
    """
    prefix, rest = schema.get("prefixItems", ()), schema.get("items", True)
    least, most = _lengths(schema, len(prefix), rest, path)
    wanted = _wanted(filler, least, most, len(prefix), proposed)
    needed = _contained(schema)
    filled: list[Any] = []
    seen: set[str] = set()
    while len(filled) < max(wanted, min(most, len(prefix) + needed)):
        at = len(filled)
        item = prefix[at] if at < len(prefix) else rest
        if len(prefix) <= at < len(prefix) + needed:
            item = both(item, schema["contains"])
        try:
            filled.append(_entry(filler, item, proposed, at, schema, seen, path))
        except UnsatisfiableSchemaError:
            if at < least or filler.left < 0:
                raise
            break
    return filled


def _lengths(schema: Mapping[str, Any], prefix: int, rest: Any, path: str) -> tuple[int, int]:
    least = schema.get("minItems", 0)
    most = schema.get("maxItems", 10_000)
    if rest is False:
        most = min(most, prefix)
    if least > most:
        raise UnsatisfiableSchemaError(path, f"it asks for at least {least} entries and allows {most}")
    return least, most


def _wanted(filler: PartFiller, least: int, most: int, prefix: int, proposed: list[Any] | None) -> int:
    if filler.is_deep and proposed is None:
        return least
    counted = None if proposed is None else len(proposed)
    if counted is None:
        counted = max(prefix, filler.rng.randint(max(least, min(1, most)), min(most, least + 2)))
    return min(max(counted, least), most)


def _contained(schema: Mapping[str, Any]) -> int:
    return schema.get("minContains", 1) if "contains" in schema else 0


def _entry(
    filler: PartFiller,
    item: Any,
    proposed: list[Any] | None,
    at: int,
    schema: Mapping[str, Any],
    seen: set[str],
    path: str,
) -> Any:
    for attempt in range(_ENTRY_TRIES):
        if proposed and at < len(proposed) and attempt == 0:
            value = filler.fill(item, proposed[at], f"{path}/items")
        else:
            value = filler.fill(item, path=f"{path}/items")
        if not schema.get("uniqueItems"):
            return value
        mark = to_json(_plain(value), sort_keys=True)
        if mark not in seen:
            seen.add(mark)
            return value
    raise UnsatisfiableSchemaError(path, f"no entry was found that differs from the {len(seen)} before it")


def _plain(value: Any) -> Any:
    # JSON Schema holds 1 and 1.0 to be the same.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value
