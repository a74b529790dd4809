"""What a model is asked for in a turn, as JSON Schema and in words; and the typed fields of actions."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field, TypeAdapter

from ..personas.errors import hook
from ..personas.model import AnswerGenerator, AnswerSchema, strict_schema
from ..personas.prompt import Prompt, load_prompt
from .actions import Action

_ROOM = __package__ or "populace.agents"

#: What a prompt of a turn can be filled with.
TURN_SLOTS = ("world", "persona", "observation", "choice", "actions", "task", "angle", "language", "examples", "posts")

#: A bound of a JSON Schema in words, by its keyword.
_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matching {}",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
#: Indentation from which nested fields are left to the schema.
_DEEPEST = 6


def possible_actions(offered: tuple[type[Action], ...], addressees: tuple[str, ...]) -> tuple[type[Action], ...]:
    """Return the `offered` actions that are possible.

    Spoken actions need an addressee, unless they may be said to nobody.
    """
    return offered if addressees else tuple(a for a in offered if not _needs_addressee(a))


@lru_cache(maxsize=256)
def _needs_addressee(action: type[Action]) -> bool:
    to = _json_schema(action)["properties"]["to"] if action.addressed else {"type": "array"}
    return to.get("type") != "array" or bool(to.get("minItems"))


@lru_cache(maxsize=256)
def answer_schema(offered: tuple[type[Action], ...], addressees: tuple[str, ...]) -> AnswerSchema[Action]:
    """Return the schema of a turn: one of the `offered` actions, addressed to one of the `addressees` if it is spoken.

    A single action is asked for directly, several as `{"action": <one of them>}`. Raises `ValueError` if no action is
    possible.
    """
    possible = possible_actions(offered, addressees)
    if not possible:
        raise ValueError("no action can be offered: all of them are spoken to somebody, and nobody is there")
    if len(possible) == 1:
        only = possible[0]
        schema = _told(strict_schema(_json_schema(only)), only, addressees)
        validate = _checked(only.model_validate, addressees)
        return AnswerSchema(only.__name__, schema, validate, _generators(possible), only.text_form)
    adapter, union = _any_of(possible)

    def unwrap(answer: object) -> Action:
        if not isinstance(answer, dict) or set(answer) != {"action"}:
            raise ValueError('the answer must be an object with the one key "action"')
        return adapter.validate_python(answer["action"])

    told = {action.__name__: _told(union["$defs"][action.__name__], action, addressees) for action in possible}
    wrapped = {
        "type": "object",
        "properties": {"action": {"anyOf": union["anyOf"]}},
        "required": ["action"],
        "additionalProperties": False,
        "$defs": union["$defs"] | told,
    }
    return AnswerSchema("Turn", wrapped, _checked(unwrap, addressees), _generators(possible))


def _generators(actions: tuple[type[Action], ...]) -> dict[str, AnswerGenerator]:
    return {action.name: partial(_proposed, action) for action in actions}


def _proposed(
    action: type[Action], rng: random.Random, situation: Any, schema: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the values that the action's own generator proposes.

    Raises `HookError` if it fails or does not give values by field.
    """
    with hook(action, "stand_in"):
        values: object = action.stand_in(rng, situation, schema)
        if values is not None and not isinstance(values, Mapping):
            raise TypeError(f"it must give values by field, or None, and gave {values!r:.80}")
    return values


# Pydantic takes milliseconds for a schema, and agents differ in whom they can speak to.
@lru_cache(maxsize=256)
def _json_schema(action: type[Action]) -> Mapping[str, Any]:
    return action.model_json_schema()


@lru_cache(maxsize=256)
def _any_of(actions: tuple[type[Action], ...]) -> tuple[TypeAdapter[Action], Mapping[str, Any]]:
    """Return the adapter that reads one of several actions, and its schema."""
    union_type: Any = Annotated[_union(actions), Field(discriminator="kind")]
    adapter: TypeAdapter[Action] = TypeAdapter(union_type)
    return adapter, strict_schema(adapter.json_schema())


def _union(actions: tuple[type[Action], ...]) -> Any:
    union: Any = actions[0]
    for action in actions[1:]:
        union |= action
    return union


def _told(schema: dict[str, Any], action: type[Action], addressees: tuple[str, ...]) -> dict[str, Any]:
    schema = {**schema, "description": _told_of(action)}
    if action.addressed:
        to = _one_of(schema["properties"]["to"], addressees)
        schema["properties"] = {**schema["properties"], "to": to}
    return schema


def _one_of(to: Mapping[str, Any], addressees: tuple[str, ...]) -> dict[str, Any]:
    """Return the field `to` of an action that is spoken to one or several of these addressees."""
    if to.get("type") == "array":
        if not addressees:
            return {**to, "maxItems": 0}
        return {**to, "items": {**to.get("items", {}), "enum": list(addressees)}}
    return {**to, "enum": list(addressees)}


def _told_of(action: type[Action]) -> str:
    return " ".join((action.__doc__ or action.name).split())


def _checked(validate: Callable[[object], Action], addressees: tuple[str, ...]) -> Callable[[object], Action]:
    def check(answer: object) -> Action:
        action = validate(answer)
        for key in action.addressees if action.addressed else ():
            if key not in addressees:
                raise ValueError(f"to: {key!r} is not there; choose one of {', '.join(addressees)}")
        return action

    return check


def prompt_of(actions: tuple[type[Action], ...]) -> Prompt:
    """Return the prompt that asks for these actions: the one they share, or `turn` if they differ."""
    first = actions[0].prompt
    shared = first if all(action.prompt == first for action in actions) else "turn"
    return shared if isinstance(shared, Prompt) else load_prompt(_ROOM, shared)


@lru_cache(maxsize=256)
def described_actions(offered: tuple[type[Action], ...], addressees: tuple[str, ...]) -> str:
    """Describe the possible actions to the model: what each is, its fields and their bounds.

    Some endpoints take a JSON Schema but never show it to the model, or ignore bounds such as `maxLength`.
    """
    possible = possible_actions(offered, addressees)
    return "\n".join(line for action in possible for line in _described(action, addressees))


def _described(action: type[Action], addressees: tuple[str, ...]) -> Iterator[str]:
    schema = _json_schema(action)
    yield f"- {action.name}: {_told_of(action)}"
    for name, part in schema["properties"].items():
        if name == "kind":
            continue
        told = _one_of(part, addressees) if action.addressed and name == "to" else part
        yield from _described_part(name, told, schema.get("$defs", {}), "  ", name in schema.get("required", ()))


def _described_part(
    name: str, part: Mapping[str, Any], definitions: Mapping[str, Any], indent: str, is_required: bool
) -> Iterator[str]:
    inner = _resolved(part, definitions)
    about = str(part.get("description") or inner.get("description") or "")
    form = _form(inner, definitions) + ("" if is_required else ", optional")
    yield f"{indent}{name} ({form}){': ' + ' '.join(about.split()) if about else ''}"
    items = _resolved(inner.get("items", {}), definitions)
    nested = items if items.get("properties") else inner
    if len(indent) < _DEEPEST:
        for key, value in nested.get("properties", {}).items():
            yield from _described_part(key, value, definitions, indent + "  ", key in nested.get("required", ()))


def _resolved(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(part.get("$ref", "")).rpartition("/")[2]
    return {**definitions.get(reference, {}), **{k: v for k, v in part.items() if k != "$ref"}} if reference else part


def _form(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Describe the type and the bounds of one value in words."""
    if "enum" in part or "const" in part:
        return "one of " + ", ".join(str(value) for value in part.get("enum", [part.get("const")]))
    if options := [*part.get("anyOf", ()), *part.get("oneOf", ())]:
        return " or ".join(dict.fromkeys(_form(_resolved(one, definitions), definitions) for one in options))
    kind = part.get("type")
    told = part if part.get("minLength") != 1 else {**part, "minLength": None}
    bounds = [words.format(told[key]) for key, words in _BOUNDS.items() if told.get(key) is not None]
    if kind == "array":
        items = _resolved(part.get("items", {}), definitions)
        return ", ".join([f"list of {_form(items, definitions)}", *bounds])
    if kind == "object":
        return "object"
    return ", ".join([_TYPES.get(str(kind), "any value"), *bounds])


type FieldType = Literal["integer", "number", "boolean", "choice"]


@dataclass(frozen=True, slots=True)
class ActionField:
    """One typed field of an action class."""

    name: str
    type: FieldType
    #: The values of a choice, in the order in which they are declared; none for the other types.
    choices: Sequence[str] = ()
    #: What the model reads about the field.
    description: str = ""


def typed_fields(action: type[Action]) -> list[ActionField]:
    """Return the numbers, choices (`Literal` or `Enum`) and booleans among an action's fields, in order.

    A field that may be None counts as its other type. Texts, lists, nested objects and `kind` are left out.
    """
    found = (
        _typed(name, field.annotation, " ".join((field.description or "").split()))
        for name, field in action.model_fields.items()
        if name != "kind"
    )
    return [field for field in found if field is not None]


def _typed(name: str, annotation: Any, description: str) -> ActionField | None:
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return _typed(name, parts[0], description) if len(parts) == 1 else None
    if hasattr(annotation, "__metadata__"):  # Annotated within a union
        return _typed(name, annotation.__origin__, description)
    if get_origin(annotation) is Literal:
        return ActionField(name, "choice", [_written(v) for v in get_args(annotation) if v is not None], description)
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, Enum):
        return ActionField(name, "choice", [_written(member.value) for member in annotation], description)
    if issubclass(annotation, bool):
        return ActionField(name, "boolean", (), description)
    if issubclass(annotation, int):
        return ActionField(name, "integer", (), description)
    return ActionField(name, "number", (), description) if issubclass(annotation, float) else None


def _written(value: object) -> str:
    """Return the value as SQL reads it from the payload."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
