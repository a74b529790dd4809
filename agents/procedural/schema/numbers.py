"""Numbers within bounds."""

import math
import random
from collections.abc import Mapping
from typing import Any

from .fault import UnsatisfiableSchemaError

__all__ = ["fill_integer", "fill_number", "number_fits"]

_TRIES = 200


def number_fits(value: float, schema: Mapping[str, Any]) -> bool:
    """Whether a number lies within the bounds of `schema` and is a multiple of what it asks for."""
    return (
        value >= schema.get("minimum", -math.inf)
        and value <= schema.get("maximum", math.inf)
        and value > schema.get("exclusiveMinimum", -math.inf)
        and value < schema.get("exclusiveMaximum", math.inf)
        and _is_multiple(value, schema.get("multipleOf"))
    )


def fill_integer(rng: random.Random, schema: Mapping[str, Any], wish: float | None, path: str) -> int:
    """An integer valid under `schema`, the wished-for one if it may be. Raises `UnsatisfiableSchemaError`."""
    if wish is not None and number_fits(int(wish), schema):
        return int(wish)
    step = schema.get("multipleOf", 1)
    # The multiples of a fraction that are whole numbers lie one numerator apart.
    stride = step if isinstance(step, int) else float(step).as_integer_ratio()[0]
    low, high = _bounds(schema, 1, 12)
    first, last = math.ceil(low / stride), math.floor(high / stride)
    for attempt in range(_TRIES):
        if first > last:
            break
        value = stride * (first + attempt if attempt > _TRIES // 2 else rng.randint(first, last))
        if number_fits(value, schema):
            return value
    raise UnsatisfiableSchemaError(path, f"no integer satisfies {_told(schema)}")


def fill_number(rng: random.Random, schema: Mapping[str, Any], wish: float | None, path: str) -> float:
    """A number valid under `schema`, the wished-for one if it may be. Raises `UnsatisfiableSchemaError`."""
    if wish is not None and number_fits(wish, schema):
        return wish
    low, high = _bounds(schema, 0, 10)
    step = schema.get("multipleOf")
    for attempt in range(_TRIES):
        for value in _candidates(rng, low, high, step, attempt):
            if math.isfinite(value) and number_fits(value, schema):
                return value
    raise UnsatisfiableSchemaError(path, f"no number satisfies {_told(schema)}")


def _candidates(rng: random.Random, low: float, high: float, step: float | None, attempt: int) -> tuple[float, ...]:
    if step is not None:
        first, last = math.ceil(low / step), math.floor(high / step)
        if first > last:
            return (0,) if low <= 0 <= high else ()
        factor = rng.randint(first, last) if attempt % 2 else first + attempt // 2
        return (factor * step, round(factor * step, 10))
    drawn = low + (high - low) * rng.random()
    return (
        round(drawn, 1),
        round(drawn, 3),
        drawn,
        low,
        high,
        math.nextafter(low, math.inf),
        math.nextafter(high, -math.inf),
    )


def _bounds(schema: Mapping[str, Any], usual: float, width: float) -> tuple[float, float]:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    room = width * max(1, abs(schema.get("multipleOf", 1)))
    if low == -math.inf and high == math.inf:
        return usual, usual + room
    if low == -math.inf:
        return (usual if usual + 1 < high else high - room), high
    return low, (low + room if high == math.inf else high)


def _is_multiple(value: float, step: float | None) -> bool:
    # As validators reckon it: by dividing floats, which rules out some true multiples of 0.1.
    if step is None:
        return True
    if isinstance(step, int) and isinstance(value, int):
        return value % step == 0
    quotient = value / step
    return math.isfinite(quotient) and int(quotient) == quotient


def _told(schema: Mapping[str, Any]) -> str:
    keys = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
    return ", ".join(f"{key} {schema[key]}" for key in keys if key in schema) or "it"
