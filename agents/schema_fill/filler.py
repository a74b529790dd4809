"""A value that is valid under any JSON Schema, or an error that says why none can be made."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from .containers import fill_array, fill_object
from .schemas import ALL_TYPES, UnsatisfiableSchemaError, both, check_of, flattened, satisfies, to_json, types_of
from .values import TextWriter, fill_integer, fill_number, fill_string, string_fits

#: Most values written for one answer, tries included, and the deepest nesting.
_BUDGET = 20_000
_DEEPEST = 60
#: Beyond this depth only what is required is written, and the plainest option is taken first.
SHALLOW = 5
_TRIES = 40


#: Keywords beside an `enum` or `const` that need no validator to check its values.
_PLAIN = frozenset(
    {"type", "enum", "const", "minLength", "maxLength", "pattern", "x-patterns"}
    | {"description", "title", "default", "examples", "$comment", "$defs", "definitions"}
)


class _Absent:
    """No proposal."""


ABSENT = _Absent()


def fill_schema(
    schema: Mapping[str, Any] | bool, rng: random.Random, write: TextWriter, proposed: Mapping[str, Any] | None = None
) -> Any:
    """A value valid under `schema` (draft 2020-12), made of what is `proposed` where that is allowed.

    Other texts are by `write`, everything else is drawn from `rng`. Raises `UnsatisfiableSchemaError` when there is no
    such value, or none was found within the tries.
    """
    check = check_of(to_json(schema))
    for attempt in range(_TRIES):
        value = Filler(schema, rng, write, varied=attempt > 0).fill(schema, ABSENT if proposed is None else proposed)
        if check is None or check(value):
            return value
    raise UnsatisfiableSchemaError("#", f"none of {_TRIES} values drawn for it passed the check of the whole")


class Filler:
    """One value in the making: the whole schema, what it is drawn from, and how much has been spent on it."""

    __slots__ = ("depth", "left", "rng", "root", "varied", "write")

    def __init__(
        self, root: Mapping[str, Any] | bool, rng: random.Random, write: TextWriter, *, varied: bool = False
    ) -> None:
        self.root = root
        self.rng = rng
        self.write = write
        #: Whether an earlier value failed the check, so that unlikely choices deserve a try.
        self.varied = varied
        self.left = _BUDGET
        self.depth = 0

    def fill(self, schema: Mapping[str, Any] | bool, proposed: Any = ABSENT, path: str = "#") -> Any:
        """A value for one part of the schema. Raises `UnsatisfiableSchemaError`."""
        self.left -= 1
        if self.left < 0 or self.depth > _DEEPEST:
            why = f"it nests deeper than {_DEEPEST} levels" if self.left >= 0 else f"{_BUDGET} values did not suffice"
            raise UnsatisfiableSchemaError(path, why)
        self.depth += 1
        try:
            return self._filled(flattened(schema, self.root, path), proposed, path)
        finally:
            self.depth -= 1

    @property
    def is_deep(self) -> bool:
        """Whether the value should be finished now."""
        return self.depth > SHALLOW

    def _filled(self, schema: dict[str, Any], proposed: Any, path: str) -> Any:
        if proposed is None and _may_be_null(schema):
            return None
        if "anyOf" in schema:
            return self._any_of(schema, proposed, path)
        if "const" in schema:
            return self._one_of([schema["const"]], schema, proposed, path)
        if "enum" in schema:
            return self._one_of(schema["enum"], schema, proposed, path)
        ways = [partial(self._typed, kind, schema, proposed, path) for kind in self._types(schema, proposed)]
        return self._first(ways, path)

    def _any_of(self, schema: dict[str, Any], proposed: Any, path: str) -> Any:
        options = schema["anyOf"]
        base = {key: value for key, value in schema.items() if key != "anyOf"}
        described = [o if isinstance(o, Mapping) else {} for o in options]
        order = self.rng.sample(range(len(options)), len(options))
        order.sort(key=lambda i: described[i].get("type") == "null")
        if self.is_deep:
            written = [to_json(option) for option in options]
            order.sort(key=lambda i: (written[i].count("$ref"), len(written[i])))
        if isinstance(proposed, Mapping):
            followed = [flattened(o, self.root, path) if "$ref" in o else o for o in described]
            order.sort(key=lambda i: _contradictions(followed[i], proposed))
        elif proposed is not ABSENT:
            order.sort(key=lambda i: not _has_type(proposed, types_of(described[i])))
        ways = [partial(self._option, base, options[i], proposed, f"{path}/anyOf/{i}") for i in order]
        return self._first(ways, path)

    def _option(self, base: dict[str, Any], option: Any, proposed: Any, path: str) -> Any:
        merged = both(base, option) if base else option
        return self.fill(merged, proposed, path)

    def _first(self, ways: Sequence[Callable[[], Any]], path: str) -> Any:
        fault: UnsatisfiableSchemaError | None = None
        for way in ways:
            try:
                return way()
            except UnsatisfiableSchemaError as error:
                if self.left < 0:
                    raise
                fault = fault or error
        raise fault or UnsatisfiableSchemaError(path, "it leaves nothing to choose from")

    def _one_of(self, values: list[Any], schema: dict[str, Any], proposed: Any, path: str) -> Any:
        allowed = [v for v in values if _has_type(v, types_of(schema)) and _is_allowed(v, schema)]
        if isinstance(proposed, str) and proposed in allowed:
            return proposed
        if not allowed:
            raise UnsatisfiableSchemaError(
                path, f"none of the values {values!r} satisfies the other keywords beside them"
            )
        return self.rng.choice(allowed)

    def _types(self, schema: dict[str, Any], proposed: Any) -> list[str]:
        named = types_of(schema) or ALL_TYPES
        given = _type_of(proposed)
        if self.varied:
            first = self.rng.choice(named)
        elif "type" not in schema:
            first = _implied(schema) or given or "string"
        elif given is not None and given in named:
            first = given
        else:
            first = self.rng.choice([kind for kind in named if kind != "null"] or ["null"])
        return [first, *(t for t in named if t != first)]

    def _typed(self, kind: str, schema: dict[str, Any], proposed: Any, path: str) -> Any:
        match kind:
            case "string":
                if isinstance(proposed, str) and "format" not in schema and string_fits(proposed, schema):
                    return proposed
                return fill_string(self.rng, schema, self.write, path)
            case "integer" | "number":
                number = proposed if isinstance(proposed, int | float) and not isinstance(proposed, bool) else None
                fill = fill_integer if kind == "integer" else fill_number
                return fill(self.rng, schema, number, path)
            case "boolean":
                return proposed if isinstance(proposed, bool) else self.rng.random() < 0.6
            case "null":
                return None
            case "array":
                return fill_array(self, schema, proposed if isinstance(proposed, list) else None, path)
            case "object":
                return fill_object(self, schema, proposed if isinstance(proposed, Mapping) else {}, path)
        raise UnsatisfiableSchemaError(path, f"{kind!r} is no type of JSON Schema")


def _contradictions(option: Mapping[str, Any], proposed: Mapping[str, Any]) -> int:
    # Options of a union tell themselves apart by a constant, as `kind`, or by few values.
    parts = option.get("properties", {})
    told = [(p, value) for key, value in proposed.items() if isinstance(p := parts.get(key), Mapping)]
    return sum(p.get("const", value) != value or value not in p.get("enum", (value,)) for p, value in told)


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    # A proposal of nothing is heard where nothing is one of the plain options; the whole is checked at its end.
    return any(isinstance(part, Mapping) and part.get("type") == "null" for part in (schema, *schema.get("anyOf", ())))


def _is_allowed(value: object, schema: Mapping[str, Any]) -> bool:
    if isinstance(value, str) and not string_fits(value, schema):
        return False
    return schema.keys() <= _PLAIN or satisfies(value, schema)


def _implied(schema: Mapping[str, Any]) -> str | None:
    for kind, words in _IMPLYING.items():
        if schema.keys() & words:
            return kind
    return None


_IMPLYING: Mapping[str, frozenset[str]] = {
    "object": frozenset(
        {
            "properties",
            "required",
            "additionalProperties",
            "minProperties",
            "patternProperties",
            "propertyNames",
        }
    ),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
}


def _type_of(value: Any) -> str | None:
    for kind, of in (
        ("boolean", bool),
        ("string", str),
        ("integer", int),
        ("number", float),
        ("array", list),
        ("object", Mapping),
    ):
        if isinstance(value, of):
            return kind
    return None


def _has_type(value: Any, named: tuple[str, ...] | None) -> bool:
    if named is None:
        return True
    kind = "null" if value is None else _type_of(value)
    if kind == "number" and float(value).is_integer() and "integer" in named:
        return True
    return kind in named or (kind == "integer" and "number" in named)
