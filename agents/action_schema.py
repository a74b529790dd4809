"""What a model is asked for in a turn, as JSON Schema and in words; and the typed fields of actions."""

import inspect
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, lru_cache, partial
from itertools import product
from string import Template
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field, PydanticUserError, TypeAdapter, ValidationError

from ..core.errors import SetupError, hook
from ..core.model import AnswerGenerator, AnswerSchema, strict_schema
from ..core.prompt import Prompt, load_prompt
from .actions import Action, Novelty, is_free_text, own_fields
from .observation import shown_name
from .schema_fill import UnsatisfiableSchemaError, fill_schema

_ROOM = __package__ or "populace.agents"

#: What a prompt of a turn can be filled with.
TURN_SLOTS = (
    "world",
    "persona",
    "observation",
    "choice",
    "actions",
    "task",
    "angle",
    "language",
    "examples",
    "next",
    "goal",
)

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
#: What a model may write beside a name: marks, articles and titles of courtesy.
_NOT_A_NAME = re.compile(r"[^\w\s]|\b(?:the|a|an|mr|mrs|ms)\b")
#: Indentation from which nested fields are left to the schema.
_DEEPEST = 6
#: Characters from which a text has room enough for what is asked for.
_AMPLE = 400


def possible_actions(offered: tuple[type[Action], ...], addressees: tuple[str, ...]) -> tuple[type[Action], ...]:
    """Return the `offered` actions that are possible.

    Spoken actions need an addressee, unless they may be said to nobody.
    """
    return offered if addressees else tuple(a for a in offered if not _needs_addressee(a))


@lru_cache(maxsize=256)
def only_choice(offered: tuple[type[Action], ...]) -> Action | None:
    """Return the one action that is possible where nothing about it is left to decide, as `Silence`; else None."""
    if len(offered) != 1 or offered[0].addressed or own_fields(offered[0]):
        return None
    return offered[0].model_validate({"kind": offered[0].name})


@lru_cache(maxsize=256)
def _needs_addressee(action: type[Action]) -> bool:
    to = _json_schema(action)["properties"]["to"] if action.addressed else {"type": "array"}
    return to.get("type") != "array" or bool(to.get("minItems"))


def answer_schema(offered: tuple[type[Action], ...], addressees: tuple[str, ...]) -> AnswerSchema[Action]:
    """Return the schema of a turn: one of the `offered` actions, addressed to one of the `addressees` if it is spoken.

    A single action is asked for directly, several as `{"action": <one of them>}`. The JSON Schema is the same whoever
    is there, so that providers can cache it. Raises `ValueError` if no action is possible.
    """
    schema = _open_schema(offered, is_alone=not addressees)
    return replace(schema, validate=_check_addressees(schema.validate, addressees))


@lru_cache(maxsize=256)
def _open_schema(offered: tuple[type[Action], ...], *, is_alone: bool) -> AnswerSchema[Action]:
    """Return the schema of a turn, whose check takes any addressee."""
    possible = offered if not is_alone else possible_actions(offered, ())
    if not possible:
        raise ValueError("no action can be offered: all of them are spoken to somebody, and nobody is there")
    if len(possible) == 1:
        only = possible[0]
        schema = _describe_schema(strict_schema(_json_schema(only)), only, is_alone=is_alone)
        return AnswerSchema(only.__name__, schema, only.model_validate, _make_generators(possible), only.text_form)
    adapter, union = _any_of(possible)

    def unwrap(answer: object) -> Action:
        if not isinstance(answer, dict) or set(answer) != {"action"}:
            raise ValueError('the answer must be an object with the one key "action"')
        return adapter.validate_python(answer["action"])

    told = {one.__name__: _describe_schema(union["$defs"][one.__name__], one, is_alone=is_alone) for one in possible}
    wrapped = {
        "type": "object",
        "properties": {"action": {"anyOf": union["anyOf"]}},
        "required": ["action"],
        "additionalProperties": False,
        "$defs": union["$defs"] | told,
    }
    return AnswerSchema("Turn", wrapped, unwrap, _make_generators(possible))


def _make_generators(actions: tuple[type[Action], ...]) -> dict[str, AnswerGenerator]:
    return {action.name: partial(_propose_values, action) for action in actions}


def _propose_values(
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
    union_type: Any = Annotated[_join_types(actions), Field(discriminator="kind")]
    adapter: TypeAdapter[Action] = TypeAdapter(union_type)
    return adapter, strict_schema(adapter.json_schema())


def _join_types(actions: tuple[type[Action], ...]) -> Any:
    union: Any = actions[0]
    for action in actions[1:]:
        union |= action
    return union


def _describe_schema(schema: dict[str, Any], action: type[Action], *, is_alone: bool) -> dict[str, Any]:
    schema = {**schema, "description": _told_of(action)}
    if action.addressed and is_alone:
        to = {**schema["properties"]["to"], "maxItems": 0}
        schema["properties"] = {**schema["properties"], "to": to}
    return schema


def _told_of(action: type[Action]) -> str:
    return " ".join((action.__doc__ or action.name).split())


def _check_addressees(validate: Callable[[object], Action], addressees: tuple[str, ...]) -> Callable[[object], Action]:
    def check(answer: object) -> Action:
        action = validate(answer)
        if not action.addressed:
            return action
        given = action.addressees
        known = tuple(_match_addressee(name, addressees) for name in given)
        if known == given:
            return action
        is_one = isinstance(getattr(action, "to", None), str)
        return action.model_copy(update={"to": known[0] if is_one else known})

    return check


def _match_addressee(name: str, addressees: tuple[str, ...]) -> str:
    """Return the addressee that a model calls by this name: in full, by a part, or with more than the name.

    Only one of them may be meant: "Roger" and "Roger Nash (neighbour)" are Roger Nash, unless there is another Roger.
    Raises `ValueError` for a name that nobody has, or several have.
    """
    if name in addressees:
        return name
    wanted, words = _name_words(name), {key: _name_words(shown_name(key)) for key in addressees}
    whole = [key for key in addressees if words[key] and words[key] <= wanted]
    found = whole or [key for key in addressees if wanted and wanted <= words[key]]
    if len(found) == 1:
        return found[0]
    raise ValueError(f"to: {name!r} is not there; choose one of {', '.join(map(shown_name, addressees))}")


def prompt_of(actions: tuple[type[Action], ...]) -> Prompt:
    """Return the prompt that asks for these actions: the one they share, or `turn` if they differ."""
    first = actions[0].prompt
    shared = first if all(action.prompt == first for action in actions) else "turn"
    return shared if isinstance(shared, Prompt) else load_prompt(_ROOM, shared)


def _name_words(name: str) -> frozenset[str]:
    return frozenset(_NOT_A_NAME.sub(" ", name.casefold()).split())


@lru_cache(maxsize=256)
def described_actions(possible: tuple[type[Action], ...]) -> str:
    """Describe the possible actions to the model: what each is, its fields and their bounds.

    Some endpoints take a JSON Schema but never show it to the model, or ignore bounds such as `maxLength`.
    """
    return "\n".join(line for action in possible for line in _iter_descriptions(action))


def _iter_descriptions(action: type[Action]) -> Iterator[str]:
    schema = _json_schema(action)
    yield f"- {action.name}: {_told_of(action)}"
    for name, part in schema["properties"].items():
        if name != "kind":
            yield from _described_part(name, part, schema.get("$defs", {}), "  ", name in schema.get("required", ()))


def _described_part(
    name: str, part: Mapping[str, Any], definitions: Mapping[str, Any], indent: str, is_required: bool
) -> Iterator[str]:
    inner = _resolve_reference(part, definitions)
    about = str(part.get("description") or inner.get("description") or "")
    forms = [] if _is_ample_text(inner) and about else [form_in_words(inner, definitions)]
    forms += [] if is_required else ["optional"]
    yield f"{indent}{name}{f' ({", ".join(forms)})' if forms else ''}{': ' + ' '.join(about.split()) if about else ''}"
    items = _resolve_reference(inner.get("items", {}), definitions)
    nested = items if items.get("properties") else inner
    if len(indent) < _DEEPEST:
        for key, value in nested.get("properties", {}).items():
            yield from _described_part(key, value, definitions, indent + "  ", key in nested.get("required", ()))


def _is_ample_text(part: Mapping[str, Any]) -> bool:
    """Return whether the value is a text whose bounds need no words: a description says better how long it is."""
    return (
        part.get("type") == "string"
        and not part.keys() & {"enum", "const", "pattern"}
        and part.get("maxLength", _AMPLE) >= _AMPLE
    )


def _resolve_reference(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(part.get("$ref", "")).rpartition("/")[2]
    return {**definitions.get(reference, {}), **{k: v for k, v in part.items() if k != "$ref"}} if reference else part


def form_in_words(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Describe the type and the bounds of one value in words."""
    part = _resolve_reference(part, definitions)
    if "enum" in part or "const" in part:
        return "one of " + ", ".join(str(value) for value in part.get("enum", [part.get("const")]))
    if options := [*part.get("anyOf", ()), *part.get("oneOf", ())]:
        return " or ".join(dict.fromkeys(form_in_words(one, definitions) for one in options))
    kind = part.get("type")
    told = part if part.get("minLength") != 1 else {**part, "minLength": None}
    bounds = [words.format(told[key]) for key, words in _BOUNDS.items() if told.get(key) is not None]
    if kind == "array":
        return ", ".join([f"list of {form_in_words(part.get('items', {}), definitions)}", *bounds])
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
        _typed_field(name, field.annotation, " ".join((field.description or "").split()))
        for name, field in action.model_fields.items()
        if name != "kind"
    )
    return [field for field in found if field is not None]


def _typed_field(name: str, annotation: Any, description: str) -> ActionField | None:
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return _typed_field(name, parts[0], description) if len(parts) == 1 else None
    if hasattr(annotation, "__metadata__"):  # Annotated within a union
        return _typed_field(name, annotation.__origin__, description)
    if get_origin(annotation) is Literal:
        return ActionField(
            name, "choice", [_write_value(v) for v in get_args(annotation) if v is not None], description
        )
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, Enum):
        return ActionField(name, "choice", [_write_value(member.value) for member in annotation], description)
    if issubclass(annotation, bool):
        return ActionField(name, "boolean", (), description)
    if issubclass(annotation, int):
        return ActionField(name, "integer", (), description)
    return ActionField(name, "number", (), description) if issubclass(annotation, float) else None


def _write_value(value: object) -> str:
    """Return the value as SQL reads it from the payload."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


#: Instances that a class is tried on: enough for each choice of a short list to come up.
_TRIED = 12


def check_actions(actions: object, *, where: str) -> None:
    """Raise `SetupError` for the first action that could not be emitted.

    `where` names who lists the actions. A class needs a name of its own and the field `kind` with that name. Both are
    made if the class does not give them. It also needs `to` if it is addressed.
    """
    if not isinstance(actions, tuple | list):
        raise SetupError(f"{where} should list its actions as a tuple of classes, but {actions!r} was given.")
    names: dict[str, type[Action]] = {}
    for given in actions:
        action = _class_of(given, where)
        _check_action(action)
        other = names.setdefault(action.name, action)
        if other is not action:
            raise SetupError(
                f"{where} lists {other.__name__} and {action.__name__}, which have one name, {action.name!r}; "
                f"rename one of them."
            )


@cache
def novelty_of(action: type[Action]) -> Novelty:
    """Return whether outputs of this class are compared with earlier ones.

    The class decides, or else its text. Text that changes with a field that can hold any string is free, and gives
    "revise".
    """
    if action.novelty is not None:
        return action.novelty
    return "revise" if _is_free(action) else "none"


def _is_free(action: type[Action]) -> bool:
    open_fields = [name for name in own_fields(action) if is_free_text(action, name)]
    if not open_fields:
        return False
    examples = _make_examples(action)
    # The same choices with other words: where no text changes, no word is in it.
    for one, other in product(examples, examples[:3]):
        told = one.model_copy(update={name: getattr(other, name) for name in open_fields})
        try:
            if told.emitted_text != one.emitted_text:
                return True
        except Exception:  # noqa: BLE001 - a scenario's own code; what it makes of other words is not known
            return True
    return not examples


def _class_of(given: object, where: str) -> type[Action]:
    if isinstance(given, type) and issubclass(given, Action):
        return given
    raise SetupError(f"{where} lists {given!r} among its actions, which is no class derived from Action.")


def _check_action(action: type[Action]) -> None:
    said = f"The action {action.__name__}"
    name = getattr(action, "name", None)
    if not isinstance(name, str) or not name.strip():
        raise SetupError(f"{said} has no name; give it one, as `name: ClassVar[str] = {action.__name__.lower()!r}`.")
    if action.novelty not in (None, *get_args(Novelty.__value__)):
        raise SetupError(f"{said} has novelty {action.novelty!r}; give none, mark or revise.")
    threshold: object = action.novelty_threshold
    if not isinstance(threshold, int | float) or not 0.5 <= threshold <= 1:
        raise SetupError(f"{said} has novelty_threshold {threshold!r}; give a number from .5 to 1.")
    _check_prompt(said, action)
    _check_checks(said, action)
    _check_remembered(said, action)
    _check_kind(said, action, name)
    if action.addressed and "to" not in action.model_fields:
        raise SetupError(f"{said} is addressed and has no field `to`; add `to: str`, or leave out `addressed = True`.")
    _check_schema(said, action)
    _check_text(said, action)


def _check_prompt(said: str, action: type[Action]) -> None:
    if not isinstance(action.prompt, str | Prompt):
        raise SetupError(f"{said} has the prompt {action.prompt!r:.80}; give a name or what `read_prompt` gives.")
    try:
        prompt_of((action,)).render(**dict.fromkeys(TURN_SLOTS, ""))
    except KeyError as error:
        if isinstance(action.prompt, str):
            raise SetupError(f"{said} is asked with prompt {action.prompt!r}, and there is no such prompt.") from error
        raise SetupError(
            f"{said} is asked with prompt {action.prompt.name!r}, which has a slot {error}; a prompt of a turn has "
            f"the slots {', '.join(TURN_SLOTS)}."
        ) from error


def _check_checks(said: str, action: type[Action]) -> None:
    checks: object = action.checks
    for one in checks if isinstance(checks, tuple | list) else (checks,):
        if isinstance(one, type):
            raise SetupError(f"{said} has the class {one.__name__} among its checks; write {one.__name__}().")
        is_named = isinstance(getattr(one, "name", None), str) and isinstance(getattr(one, "version", None), int)
        if not is_named or not hasattr(one, "revises") or not callable(getattr(one, "judge", None)):
            raise SetupError(
                f"{said} has {one!r:.80} among its checks; a check has name, version, revises and an async judge."
            )
        if not inspect.iscoroutinefunction(one.judge):
            raise SetupError(
                f"{said} has the check {one.name!r}, whose judge is not async; write `async def judge(self, action, "
                f"context)`."
            )


def _check_remembered(said: str, action: type[Action]) -> None:
    remembered: object = action.remembered
    if not isinstance(remembered, str):
        raise SetupError(f"{said} is remembered as {remembered!r}; give a str, as {Action.remembered!r}.")
    form = Template(remembered)
    if not form.is_valid() or not {"text", "to"}.issuperset(form.get_identifiers()):
        raise SetupError(
            f"{said} is remembered as {action.remembered!r}, where a `$` stands before something other than text and "
            f"to; write `$$` for the sign itself."
        )


def _check_kind(said: str, action: type[Action], name: str) -> None:
    kind = action.model_fields.get("kind")
    if kind is None or get_args(kind.annotation) != (name,):
        raise SetupError(f"{said} needs the field `kind: Literal[{name!r}]`, by which a model says what it does.")


def _check_schema(said: str, action: type[Action]) -> None:
    try:
        answer_schema((action,), ("n1",))
    except (PydanticUserError, ValueError, TypeError, KeyError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise SetupError(f"{said} has fields that no model can be asked for: {reason}.") from error


def _check_text(said: str, action: type[Action]) -> None:
    if inspect.isfunction(action.emitted_text):
        raise SetupError(f"{said} has emitted_text as a method; write @property above it.")
    for example in _make_examples(action):
        try:
            text = example.emitted_text
        except Exception:  # noqa: BLE001, S112 - it may be written for better answers than an invented one
            continue
        if not isinstance(text, str):
            raise SetupError(f"{said} has an emitted_text that gives {text!r}; it must give a str.")
    if action.addressed and any(not _are_keys(getattr(e, "to", None)) for e in _make_examples(action)):
        raise SetupError(
            f"{said} is addressed, so its field `to` must be a str, the key of the agent that is addressed, or a "
            f"tuple[str, ...] of several."
        )


def _are_keys(to: object) -> bool:
    return isinstance(to, str) or (isinstance(to, tuple) and all(isinstance(one, str) for one in to))


@cache
def _make_examples(action: type[Action]) -> tuple[Action, ...]:
    """Return valid instances, invented from the schema.

    Return fewer, or none, if the class demands more than its schema says.
    """
    schema, found = strict_schema(action.model_json_schema()), []
    for number in range(_TRIED):
        try:
            found.append(action.model_validate(fill_schema(schema, _make_rng(number), partial(_number_words, number))))
        except (ValidationError, UnsatisfiableSchemaError):
            continue
        except Exception:  # noqa: BLE001, S112 - a validator of the scenario's own may fail in any way
            continue
    return tuple(found)


def _number_words(number: int, shortest: int, longest: int | None) -> str:
    return f"words number {number}"


def _make_rng(number: int) -> random.Random:
    return random.Random(number)  # noqa: S311 - examples are no secrets
