"""The fields of an action that can be counted or averaged: numbers, choices and truth values."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from .actions import Action

__all__ = ["ActionField", "FieldType", "typed_fields"]

type FieldType = Literal["integer", "number", "boolean", "choice"]


@dataclass(frozen=True, slots=True)
class ActionField:
    """One typed field of an action class."""

    name: str
    type: FieldType
    #: The values of a choice, in the order in which they are declared; none for the other types.
    choices: Sequence[str] = ()
    #: What the model is told of the field.
    description: str = ""


def typed_fields(action: type[Action]) -> list[ActionField]:
    """The numbers, choices (`Literal` or `Enum`) and truth values among the fields of an action, in their order.

    A field that may be None counts as what it is otherwise; texts, lists and nested objects are left out, and so is
    `kind`.
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
    """The value as SQL reads it out of the payload."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
