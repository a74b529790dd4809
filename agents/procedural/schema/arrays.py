"""Lists within their lengths."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .encoding import to_json
from .fault import UnsatisfiableSchemaError
from .merge import both

if TYPE_CHECKING:
    from .filler import Filler

__all__ = ["fill_array"]

_TRIES = 60


def fill_array(filler: "Filler", schema: Mapping[str, Any], wish: list[Any], name: str, path: str) -> list[Any]:
    """A list valid under `schema`, of the wished-for entries if they may be.

    Raises `UnsatisfiableSchemaError`.
    """
    prefix, rest = schema.get("prefixItems", ()), schema.get("items", True)
    least, most = _lengths(schema, len(prefix), rest, path)
    wanted = _wanted(filler, least, most, len(prefix), wish, name)
    needed = _contained(schema)
    filled: list[Any] = []
    seen: set[str] = set()
    while len(filled) < max(wanted, min(most, len(prefix) + needed)):
        at = len(filled)
        item = prefix[at] if at < len(prefix) else rest
        if len(prefix) <= at < len(prefix) + needed:
            item = both(item, schema["contains"])
        try:
            filled.append(_entry(filler, item, wish, at, schema, seen, name, path))
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


def _wanted(filler: "Filler", least: int, most: int, prefix: int, wish: list[Any], name: str) -> int:
    if filler.is_deep:
        return least
    counted = len(wish) or filler.hints.for_count(name)
    if counted is None:
        counted = max(prefix, filler.rng.randint(max(least, min(1, most)), min(most, least + 2)))
    return min(max(counted, least), most)


def _contained(schema: Mapping[str, Any]) -> int:
    return schema.get("minContains", 1) if "contains" in schema else 0


def _entry(
    filler: "Filler",
    item: Any,
    wish: list[Any],
    at: int,
    schema: Mapping[str, Any],
    seen: set[str],
    name: str,
    path: str,
) -> Any:
    for attempt in range(_TRIES):
        if at < len(wish) and attempt == 0:
            value = filler.fill(item, wish[at], name, f"{path}/items")
        else:
            value = filler.fill(item, name=name, path=f"{path}/items")
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
