"""Values for a JSON Schema: what pydantic models and the arguments of tools declare, or an error that says why not.

Known are the keywords that pydantic writes. A schema with another one that limits values (`not`, `if`, `contains`,
`patternProperties` ...) is refused.
"""

import json
import math
import random
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson

from ..core.errors import SetupError

#: Writes a text of about so many characters: at least, and at most (None for any length).
type TextWriter = Callable[[int, int | None], str]

#: Most values written for one answer, tries included, and the deepest nesting.
_BUDGET = 20_000
_DEEPEST = 60
#: Beyond this depth only what is required is written, and the plainest option is taken first.
_SHALLOW = 5
_ENTRY_TRIES = 60
_DRAWS = 200
_ABSENT: Any = object()
_TYPES: Mapping[str, Any] = {
    "string": str, "boolean": bool, "integer": int, "number": float, "array": list, "object": Mapping,
    "null": type(None),
}  # fmt: skip
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
#: The type that keywords imply where a schema names none.
_IMPLIED = {
    "object": {"properties", "required", "additionalProperties", "minProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {*_BOUNDS},
}
#: Keywords that limit values in ways that are not written.
_UNKNOWN = frozenset(
    {
        *("not", "if", "contains", "patternProperties", "propertyNames", "minProperties", "dependentSchemas"),
        *("dependentRequired", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"),
    }
)
_WORDS = ("harbour", "lantern", "orchard", "bridge", "mill", "market", "river", "chapel")


class UnsatisfiableSchemaError(SetupError, ValueError):
    """No value was found that is valid under a schema; the message names the part that prevents it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"No answer can be written under the schema at {path}: {why}. Change that part of the schema.")
        self.path = path


def fill_schema(
    schema: Mapping[str, Any] | bool, rng: random.Random, write: TextWriter, proposed: Mapping[str, Any] | None = None
) -> Any:
    """Return a value valid under `schema` (draft 2020-12), made of what is `proposed` as far as that is allowed.

    Other texts come from `write`, and everything else is drawn from `rng`. Raises `UnsatisfiableSchemaError` if there
    is no such value, or none was found within the tries.
    """
    return _Filler(schema, rng, write).fill(schema, _ABSENT if proposed is None else proposed)


def to_json(value: Any, *, sort_keys: bool = False) -> str:
    """Return the value as JSON. A value that JSON has no form for is written as its text."""
    options = orjson.OPT_NON_STR_KEYS | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    try:
        return orjson.dumps(value, default=str, option=options).decode()
    except TypeError:  # integers beyond 64 bits, and halves of surrogate pairs
        return json.dumps(value, default=str, sort_keys=sort_keys)


class _Filler:
    """One value in the making: the whole schema, what it is drawn from, and how much has been spent on it."""

    def __init__(self, root: Any, rng: random.Random, write: TextWriter) -> None:
        self.root = root
        self.rng = rng
        self.write = write
        self.left = _BUDGET
        self.depth = 0

    def fill(self, schema: Any, proposed: Any = _ABSENT, path: str = "#") -> Any:
        """Return a value for one part of the schema. Raises `UnsatisfiableSchemaError` if there is none."""
        self.left -= 1
        if self.left < 0 or self.depth > _DEEPEST:
            why = f"it nests deeper than {_DEEPEST} levels" if self.left >= 0 else f"{_BUDGET} values did not suffice"
            raise UnsatisfiableSchemaError(path, why)
        self.depth += 1
        try:
            return self._fill_value(self._flatten_part(schema, path), proposed, path)
        finally:
            self.depth -= 1

    def _flatten_part(self, schema: Any, path: str) -> Mapping[str, Any]:
        """Return the part with its references followed and the one part of `allOf` joined."""
        for _ in range(_DEEPEST):
            if schema is False:
                raise UnsatisfiableSchemaError(path, "it allows no value at all")
            if schema is True:
                return {}
            unknown = sorted(schema.keys() & _UNKNOWN) + ["allOf"] * (len(schema.get("allOf", ())) > 1)
            if unknown:
                raise UnsatisfiableSchemaError(path, f"the built-in generator does not know the keyword {unknown[0]!r}")
            if not schema.keys() & {"$ref", "allOf"}:
                found: Mapping[str, Any] = schema
                return found
            rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
            referred = [self._find_target(schema["$ref"], path)] if "$ref" in schema else schema["allOf"] or [True]
            schema = _lay_over(rest, *referred)
        raise UnsatisfiableSchemaError(path, "its references lead in a circle")

    def _find_target(self, reference: str, path: str) -> Any:
        found = self.root
        for key in reference.removeprefix("#").lstrip("/").split("/") if reference != "#" else ():
            name = unquote(key).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, ValueError, IndexError, TypeError) as error:
                raise UnsatisfiableSchemaError(path, f"the reference {reference!r} leads nowhere") from error
        return found

    def _fill_value(self, schema: Mapping[str, Any], proposed: Any, path: str) -> Any:
        if proposed is None and any(
            isinstance(part, Mapping) and part.get("type") == "null" for part in (schema, *schema.get("anyOf", ()))
        ):
            return None
        if key := next((key for key in ("anyOf", "oneOf") if key in schema), None):
            return self._any_of(schema[key], schema, key, proposed, path)
        if "const" in schema or "enum" in schema:
            return self._one_of([schema["const"]] if "const" in schema else schema["enum"], schema, proposed, path)
        named = _named_types(schema)
        if named is not None and len(named) != 1:
            return self._any_of([{"type": kind} for kind in named], schema, "type", proposed, path)
        given = next((kind for kind, of in _TYPES.items() if isinstance(proposed, of)), "string")
        implied = next((kind for kind, words in _IMPLIED.items() if schema.keys() & words), given)
        return self._fill_typed(named[0] if named else implied, schema, proposed, path)

    def _any_of(self, options: Sequence[Any], schema: Mapping[str, Any], key: str, proposed: Any, path: str) -> Any:
        base, fault = {name: value for name, value in schema.items() if name != key}, None
        for place in self._order_options(options, proposed, path):
            try:
                return self.fill(_lay_over(base, options[place]), proposed, f"{path}/{key}/{place}")
            except UnsatisfiableSchemaError as error:
                if self.left < 0:
                    raise
                fault = fault or error
        raise fault or UnsatisfiableSchemaError(path, "it leaves nothing to choose from")

    def _order_options(self, options: Sequence[Any], proposed: Any, path: str) -> list[int]:
        """Return the places of the options, starting with those that suit."""
        described = [option if isinstance(option, Mapping) else {} for option in options]
        order = self.rng.sample(range(len(options)), len(options))
        order.sort(key=lambda i: described[i].get("type") == "null")
        if self.depth > _SHALLOW:
            written = [to_json(option) for option in options]
            order.sort(key=lambda i: (written[i].count("$ref"), len(written[i])))
        if isinstance(proposed, Mapping):
            followed = [self._flatten_part(option, path) if "$ref" in option else option for option in described]
            order.sort(key=lambda i: _count_contradictions(followed[i], proposed))
        elif proposed is not _ABSENT:
            order.sort(key=lambda i: not _has_type(proposed, described[i]))
        return order

    def _one_of(self, values: Sequence[Any], schema: Mapping[str, Any], proposed: Any, path: str) -> Any:
        allowed = [value for value in values if _has_type(value, schema)]
        if isinstance(proposed, str) and proposed in allowed:
            return proposed
        if not allowed:
            raise UnsatisfiableSchemaError(path, f"none of the values {values!r} fits the other keywords beside them")
        return self.rng.choice(allowed)

    def _fill_typed(self, kind: str, schema: Mapping[str, Any], proposed: Any, path: str) -> Any:
        match kind:
            case "string":
                if isinstance(proposed, str) and "format" not in schema and _string_fits(proposed, schema):
                    return proposed
                return self._fill_string(schema, path)
            case "integer" | "number":
                if isinstance(proposed, int | float) and not isinstance(proposed, bool):
                    number = int(proposed) if kind == "integer" else proposed
                    if _number_fits(number, schema):
                        return number
                return self._fill_number(schema, path, is_whole=kind == "integer")
            case "boolean":
                return proposed if isinstance(proposed, bool) else self.rng.random() < 0.6
            case "null":
                return None
            case "array":
                return self._fill_array(schema, proposed if isinstance(proposed, list) else None, path)
            case "object":
                return self._fill_object(schema, proposed if isinstance(proposed, Mapping) else {}, path)
        raise UnsatisfiableSchemaError(path, f"{kind!r} is not a type of JSON Schema")

    def _fill_object(self, schema: Mapping[str, Any], proposed: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        required = schema.get("required", ())

        def value(name: str) -> Any:
            part = properties.get(name, others)
            return self.fill(part, proposed.get(name, _ABSENT), f"{path}/properties/{name}")

        values = {name: value(name) for name in dict.fromkeys((*(n for n in properties if n in required), *required))}
        for name in properties:
            if name in values or (name not in proposed and (self.depth > _SHALLOW or self.rng.random() >= 0.6)):
                continue
            try:
                values[name] = value(name)
            except UnsatisfiableSchemaError:
                # An optional property that nothing satisfies is simply not there.
                if self.left < 0:
                    raise
        return {name: values[name] for name in (*(n for n in properties if n in values), *values)}

    def _fill_array(self, schema: Mapping[str, Any], proposed: list[Any] | None, path: str) -> list[Any]:
        prefix, rest = schema.get("prefixItems", ()), schema.get("items", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", 10_000)
        if rest is False:
            most = min(most, len(prefix))
        if least > most:
            raise UnsatisfiableSchemaError(path, f"it asks for at least {least} entries and allows {most}")
        if proposed is not None:
            wanted = len(proposed)
        elif self.depth > _SHALLOW:
            wanted = least
        else:
            wanted = max(len(prefix), self.rng.randint(max(least, min(1, most)), min(most, least + 2)))
        filled: list[Any] = []
        for at in range(min(max(wanted, least), most)):
            item = prefix[at] if at < len(prefix) else rest
            entry = proposed[at] if proposed and at < len(proposed) else _ABSENT
            try:
                filled.append(self._fill_entry(item, entry, filled if schema.get("uniqueItems") else (), path))
            except UnsatisfiableSchemaError:
                if at < least or self.left < 0:
                    raise
                break
        return filled

    def _fill_entry(self, item: Any, proposed: Any, others: Sequence[Any], path: str) -> Any:
        for attempt in range(_ENTRY_TRIES):
            value = self.fill(item, proposed if attempt == 0 else _ABSENT, f"{path}/items")
            if value not in others:
                return value
        raise UnsatisfiableSchemaError(path, f"no entry was found that differs from the {len(others)} before it")

    def _fill_string(self, schema: Mapping[str, Any], path: str) -> str:
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
        if longest is not None and shortest > longest:
            raise UnsatisfiableSchemaError(path, f"minLength {shortest} is more than maxLength {longest}")
        if pattern := schema.get("pattern"):
            return self._like(pattern, schema, path)
        if made := _FORMATS.get(schema.get("format", "")):
            text = made(self.rng)
            if not _string_fits(text, schema):
                raise UnsatisfiableSchemaError(path, f"{text!r} does not have the length asked for")
            return text
        return self._fit_text(self.write(shortest, longest), shortest, longest)

    def _like(self, pattern: str, schema: Mapping[str, Any], path: str) -> str:
        """Return a plain text that happens to match: words, a code or a number."""
        word, number = self.rng.choice(_WORDS), str(self.rng.randint(1, 9999))
        tried = (self.write(0, schema.get("maxLength")), word, number, word + number, word[:2], word[:2].upper())
        try:
            fitting = [text for text in tried if _string_fits(text, schema)]
        except re.error as error:
            why = f"its pattern {pattern!r} is not a regular expression ({error})"
            raise UnsatisfiableSchemaError(path, why) from error
        if not fitting:
            why = f"the built-in generator has no text that matches {pattern!r}, unless `stand_in` proposes one"
            raise UnsatisfiableSchemaError(path, why)
        return fitting[0]

    def _fit_text(self, text: str, shortest: int, longest: int | None) -> str:
        if longest is not None and len(text) > longest:
            whole = text[: longest + 1].rpartition(" ")[0].rstrip(" ,;:")
            text = whole if whole and len(whole) >= shortest else text[:longest]
        while len(text) < shortest:
            text = f"{text} {self.rng.choice(_WORDS)}".lstrip()[:longest]
        return text if longest is None else text.strip().ljust(shortest, "s")

    def _fill_number(self, schema: Mapping[str, Any], path: str, *, is_whole: bool) -> float:
        low, high = _number_bounds(schema, *((1, 12) if is_whole else (0, 10)))
        step = schema.get("multipleOf", 1 if is_whole else None)
        first, last = (math.ceil(low / step), math.floor(high / step)) if step else (0, 0)
        for _ in range(_DRAWS if first <= last else 0):
            drawn = low + (high - low) * self.rng.random() if step is None else self.rng.randint(first, last) * step
            for value in (round(drawn, 1), round(drawn, 3), drawn) if step is None else (drawn, round(drawn, 10)):
                if _number_fits(value, schema) and not (is_whole and value % 1):
                    return int(value) if is_whole else value
        told = ", ".join(f"{key} {schema[key]}" for key in _BOUNDS if key in schema)
        raise UnsatisfiableSchemaError(path, f"no {'integer' if is_whole else 'number'} satisfies {told}")


def _lay_over(one: Any, other: Any) -> Any:
    """Return the keywords of both schemas; of a keyword that both have, those of `one`."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return one if other is True else other
    merged = {**other, **one}
    for key in {"properties", "required"} & one.keys() & other.keys():
        merged[key] = {**other[key], **one[key]} if key == "properties" else [*other[key], *one[key]]
    return merged


def _named_types(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    named = schema.get("type")
    return (named,) if isinstance(named, str) else named and tuple(named)


def _has_type(value: Any, schema: Mapping[str, Any]) -> bool:
    named = _named_types(schema)
    if named is None:
        return True
    kind = next((kind for kind, of in _TYPES.items() if isinstance(value, of)), None)
    return kind in named or (
        "number" in named if kind == "integer" else kind == "number" and "integer" in named and value % 1 == 0
    )


def _count_contradictions(option: Mapping[str, Any], proposed: Mapping[str, Any]) -> int:
    # Options of a union tell themselves apart by a constant, as `kind`, or by few values.
    parts = option.get("properties", {})
    told = [(part, value) for key, value in proposed.items() if isinstance(part := parts.get(key), Mapping)]
    return sum(part.get("const", value) != value or value not in part.get("enum", (value,)) for part, value in told)


def _string_fits(text: str, schema: Mapping[str, Any]) -> bool:
    return schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)) and (
        "pattern" not in schema or re.search(schema["pattern"], text) is not None
    )


def _number_fits(value: float, schema: Mapping[str, Any]) -> bool:
    if not (
        schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
    ):
        return False
    step = schema.get("multipleOf")
    if step is None or (isinstance(step, int) and isinstance(value, int)):
        return step is None or value % step == 0
    # As validators reckon it: by dividing floats, which rules out some true multiples of 0.1.
    return math.isfinite(value / step) and float(value / step).is_integer()


def _number_bounds(schema: Mapping[str, Any], usual: float, width: float) -> tuple[float, float]:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    room = width * max(1, abs(schema.get("multipleOf", 1)))
    if low == -math.inf:
        low = usual if high == math.inf or usual + 1 < high else high - room
    return low, (low + room if high == math.inf else high)


def _draw_date(rng: random.Random) -> str:
    return f"{rng.randint(2019, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _draw_time(rng: random.Random) -> str:
    return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00Z"


_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date": _draw_date,
    "time": _draw_time,
    "date-time": lambda rng: f"{_draw_date(rng)}T{_draw_time(rng)}",
    "duration": lambda rng: f"P{rng.randint(1, 30)}D",
    "email": lambda rng: f"{rng.choice(_WORDS)}{rng.randint(1, 99)}@{rng.choice(_WORDS)}.example",
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 0xFFFF):x}",
    "uri": lambda rng: f"https://{rng.choice(_WORDS)}.example/{rng.choice(_WORDS)}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
}
