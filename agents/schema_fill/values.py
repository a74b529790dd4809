"""Strings and numbers within their bounds; strings that match a regular expression.

Patterns are drawn from what Python's own parser makes of an expression: the generators on the package index (rstr,
exrex) know no limits of length, which JSON Schema puts beside patterns.
"""

import math
import random
import re
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from .schemas import UnsatisfiableSchemaError

#: Writes a text of about so many characters: at least, and at most (None for any length).
type TextWriter = Callable[[int, int | None], str]

_STRING_TRIES = 100
_PATTERN_TRIES = 200
_WORDS = ("harbour", "lantern", "orchard", "bridge", "mill", "market", "river", "chapel")


def string_fits(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether a string satisfies the lengths and patterns of `schema`."""
    return (
        schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and ("pattern" not in schema or matches(schema["pattern"], text))
        and all(matches(p, text) for p in schema.get("x-patterns", ()))
    )


def fill_string(rng: random.Random, schema: Mapping[str, Any], write: TextWriter, path: str) -> str:
    """A string valid under `schema` that says something where it may. Raises `UnsatisfiableSchemaError`."""
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if longest is not None and shortest > longest:
        raise UnsatisfiableSchemaError(path, f"minLength {shortest} is more than maxLength {longest}")
    if "pattern" in schema:
        return _by_pattern(rng, schema, shortest, longest, path)
    made = _FORMATS.get(schema.get("format", ""))
    if made is not None:
        text = made(rng)
        if not string_fits(text, schema):
            raise UnsatisfiableSchemaError(
                path, f"a {schema['format']} such as {text!r} does not fit the lengths asked for"
            )
        return text
    return _fitted(rng, write(shortest, longest), shortest, longest)


def _by_pattern(rng: random.Random, schema: Mapping[str, Any], shortest: int, longest: int | None, path: str) -> str:
    pattern = schema["pattern"]
    try:
        # Where several patterns must be found, each of them is drawn from in turn.
        patterns = [pattern, *schema.get("x-patterns", ())]
        for attempt in range(1 if len(patterns) == 1 else _STRING_TRIES):
            text = string_like(rng, patterns[attempt % len(patterns)], shortest, longest)
            if text is not None and string_fits(text, schema):
                return text
    except re.error as error:
        raise UnsatisfiableSchemaError(
            path, f"its pattern {pattern!r} is not a regular expression ({error})"
        ) from error
    raise UnsatisfiableSchemaError(path, f"no string of the lengths asked for was found to match {pattern!r}")


def _fitted(rng: random.Random, text: str, shortest: int, longest: int | None) -> str:
    if longest is not None and len(text) > longest:
        whole = text[: longest + 1].rpartition(" ")[0].rstrip(" ,;:")
        text = whole if whole and len(whole) >= shortest else text[:longest]
    while len(text) < shortest:
        text = f"{text} {rng.choice(_WORDS)}" if text else rng.choice(_WORDS)
        if longest is not None:
            text = text[:longest]
    if longest is not None and text != text.strip():
        text = text.strip().ljust(shortest, "s")
    return text


def _date(rng: random.Random) -> str:
    return f"{rng.randint(2019, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _time(rng: random.Random) -> str:
    return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00Z"


def _host(rng: random.Random) -> str:
    return f"{rng.choice(_WORDS)}.example"


_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda rng: f"{_date(rng)}T{_time(rng)}",
    "duration": lambda rng: f"P{rng.randint(1, 30)}D",
    "email": lambda rng: f"{rng.choice(_WORDS)}{rng.randint(1, 99)}@{_host(rng)}",
    "idn-email": lambda rng: f"{rng.choice(_WORDS)}{rng.randint(1, 99)}@{_host(rng)}",
    "hostname": _host,
    "idn-hostname": _host,
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 0xFFFF):x}",
    "uri": lambda rng: f"https://{_host(rng)}/{rng.choice(_WORDS)}",
    "iri": lambda rng: f"https://{_host(rng)}/{rng.choice(_WORDS)}",
    "uri-reference": lambda rng: f"/{rng.choice(_WORDS)}/{rng.randint(1, 99)}",
    "iri-reference": lambda rng: f"/{rng.choice(_WORDS)}/{rng.randint(1, 99)}",
    "uri-template": lambda rng: f"https://{_host(rng)}/{{{rng.choice(_WORDS)}}}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "json-pointer": lambda rng: f"/{rng.choice(_WORDS)}/0",
    "relative-json-pointer": lambda rng: f"1/{rng.choice(_WORDS)}",
    "regex": lambda rng: f"^{rng.choice(_WORDS)}s?$",
}


_NUMBER_TRIES = 200


def number_fits(value: float, schema: Mapping[str, Any]) -> bool:
    """Whether a number lies within the bounds of `schema` and is a multiple of what it asks for."""
    return (
        value >= schema.get("minimum", -math.inf)
        and value <= schema.get("maximum", math.inf)
        and value > schema.get("exclusiveMinimum", -math.inf)
        and value < schema.get("exclusiveMaximum", math.inf)
        and _is_multiple(value, schema.get("multipleOf"))
    )


def fill_integer(rng: random.Random, schema: Mapping[str, Any], proposed: float | None, path: str) -> int:
    """An integer valid under `schema`, the proposed one if it may be. Raises `UnsatisfiableSchemaError`."""
    if proposed is not None and number_fits(int(proposed), schema):
        return int(proposed)
    step = schema.get("multipleOf", 1)
    # The multiples of a fraction that are whole numbers lie one numerator apart.
    stride = step if isinstance(step, int) else float(step).as_integer_ratio()[0]
    low, high = _bounds(schema, 1, 12)
    first, last = math.ceil(low / stride), math.floor(high / stride)
    for attempt in range(_NUMBER_TRIES):
        if first > last:
            break
        value = stride * (first + attempt if attempt > _NUMBER_TRIES // 2 else rng.randint(first, last))
        if number_fits(value, schema):
            return value
    raise UnsatisfiableSchemaError(path, f"no integer satisfies {_told(schema)}")


def fill_number(rng: random.Random, schema: Mapping[str, Any], proposed: float | None, path: str) -> float:
    """A number valid under `schema`, the proposed one if it may be. Raises `UnsatisfiableSchemaError`."""
    if proposed is not None and number_fits(proposed, schema):
        return proposed
    low, high = _bounds(schema, 0, 10)
    step = schema.get("multipleOf")
    for attempt in range(_NUMBER_TRIES):
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


# Private, but what the standard library compiles every expression with; typeshed does not list it.
_parser: Any = import_module("re._parser")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_NOT_DIGIT": _LETTERS,
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_SPACE": _LETTERS + _DIGITS,
    "CATEGORY_WORD": _LETTERS + _DIGITS + "_",
    "CATEGORY_NOT_WORD": "-. ",
}
_PRINTABLE = [chr(c) for c in range(32, 127)]


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@lru_cache(maxsize=512)
def _tree(pattern: str) -> Any:
    return _parser.parse(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found anywhere in `text`, as JSON Schema means it."""
    return _compiled(pattern).search(text) is not None


def string_like(rng: random.Random, pattern: str, shortest: int, longest: int | None) -> str | None:
    """A string of the asked-for length in which `pattern` is found, or None when 200 draws meet none.

    Raises `re.error` for an expression that Python cannot read.
    """
    tree = _tree(pattern)
    for attempt in range(_PATTERN_TRIES):
        # Short repetitions; later none at all or long ones, where the lengths asked for leave nothing else.
        late = 0 if attempt % 2 else max(shortest, 4)
        reach = rng.randint(1, 4) if attempt < _PATTERN_TRIES // 2 else late
        text = _PatternPath(rng, reach).sequence(tree)
        if len(text) < shortest:
            text += "".join(rng.choice(_LETTERS) for _ in range(shortest - len(text)))
        if (longest is None or len(text) <= longest) and matches(pattern, text):
            return text
    return None


class _PatternPath:
    """One way through an expression's tree."""

    def __init__(self, rng: random.Random, reach: int) -> None:
        self.rng = rng
        self.reach = reach
        self.groups: dict[int, str] = {}

    def sequence(self, nodes: Any) -> str:
        return "".join(self.node(str(op), argument) for op, argument in nodes)

    def node(self, op: str, argument: Any) -> str:
        match op:
            case "BRANCH":
                return self.sequence(self.rng.choice(argument[1]))
            case "SUBPATTERN":
                text = self.sequence(argument[3])
                if argument[0] is not None:
                    self.groups[argument[0]] = text
                return text
            case "GROUPREF":
                return self.groups.get(argument, "")
            case "GROUPREF_EXISTS":
                chosen = argument[1] if argument[0] in self.groups else argument[2]
                return self.sequence(chosen) if chosen else ""
            case "ATOMIC_GROUP":
                return self.sequence(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self.repeated(*argument)
        return self.character(op, argument)

    def character(self, op: str, argument: Any) -> str:
        match op:
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL":
                return self.rng.choice([c for c in _LETTERS if ord(c) != argument])
            case "ANY":
                return self.rng.choice(_LETTERS)
            case "IN":
                return self.rng.choice(_members(argument))
        # Anchors and assertions write nothing: whether they hold is checked at the end.
        return ""

    def repeated(self, least: int, most: Any, nodes: Any) -> str:
        ceiling = least + self.reach if not isinstance(most, int) else min(int(most), least + self.reach)
        return "".join(self.sequence(nodes) for _ in range(self.rng.randint(least, max(least, ceiling))))


def _members(argument: Any) -> list[str]:
    inside: list[str] = []
    negated = False
    for op, value in argument:
        match str(op):
            case "NEGATE":
                negated = True
            case "LITERAL":
                inside.append(chr(value))
            case "RANGE":
                inside.extend(map(chr, range(value[0], min(value[1], value[0] + 200) + 1)))
            case "CATEGORY":
                inside.extend(_CATEGORIES[str(value)])
    if not negated:
        return inside
    forbidden = set(inside)
    return [c for c in _PRINTABLE if c not in forbidden] or ["é"]
