"""The interface of a tool, as an action: its arguments and what it returns are JSON Schemas of bounded depth.

The schemas that come of it keep the strict rules of function calling (`tool_faults` in `agents.tools`): every object
is closed and requires all of its properties; one that may be left out may be null.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ..personas.model import FrozenModel
from .actions import Action, Check, Phrase
from .text_checks import TEXT_CHECKS

#: Paths in a payload at which words of JSON Schema stand.
_SCHEMA_PATH = re.compile(r"\.(?:type(?:\[\d+\])?|required\[\d+\])$")

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{2,63}$")]
_ArgumentName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"), Field(description="In snake_case.")
]
_Option = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
_About = Annotated[Phrase, Field(description="What it means, with its unit or format.")]


class _Type(FrozenModel, ABC):
    """The base of types of values. `type` comes first in each: by it endpoints tell them apart."""

    @abstractmethod
    def as_schema(self) -> dict[str, Any]:
        """The type as a JSON Schema."""


def _differing(choices: list[str] | None) -> list[str] | None:
    if choices is not None and len(set(choices)) < len(choices):
        raise ValueError("the values to choose from must differ")
    return choices


class TextType(_Type):
    """A text."""

    type: Literal["string"]
    description: _About
    enum: Annotated[
        Annotated[list[_Option], Field(min_length=1, max_length=20)] | None,
        AfterValidator(_differing),
        Field(description="The values it may have; null for any text."),
    ] = None

    def as_schema(self) -> dict[str, Any]:
        """Type, description and choices."""
        choices = {} if self.enum is None else {"enum": list(self.enum)}
        return {"type": self.type, "description": self.description, **choices}


class NumberType(_Type):
    """A number, whole or not."""

    type: Literal["integer", "number"]
    description: _About
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"the minimum {self.minimum:g} is above the maximum {self.maximum:g}")
        if self.type == "integer" and any(b is not None and b % 1 for b in (self.minimum, self.maximum)):
            raise ValueError("the bounds of an integer must be whole numbers")
        return self

    def as_schema(self) -> dict[str, Any]:
        """Type, description and bounds."""
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        whole = {k: int(v) if v % 1 == 0 else v for k, v in bounds.items() if v is not None}
        return {"type": self.type, "description": self.description, **whole}


class BooleanType(_Type):
    """True or false."""

    type: Literal["boolean"]
    description: _About

    def as_schema(self) -> dict[str, Any]:
        """Type and description."""
        return {"type": self.type, "description": self.description}


type PlainType = Annotated[TextType | NumberType | BooleanType, Field(discriminator="type")]


class Property[T: _Type](FrozenModel):
    """A property of an object."""

    name: _ArgumentName
    required: Annotated[bool, Field(description="False where it may be missing.")]
    value: T


def _apart[T: "Property[Any] | Argument"](properties: list[T]) -> list[T]:
    names = [one.name for one in properties]
    if len(names) != len(set(names)):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"argument names must differ, but these repeat: {repeated}")
    return properties


class ListOf[T: _Type](_Type):
    """A list of values of one type."""

    type: Literal["array"]
    description: _About
    items: T

    def as_schema(self) -> dict[str, Any]:
        """Type, description and items."""
        return {"type": self.type, "description": self.description, "items": self.items.as_schema()}


class ObjectOf[T: _Type](_Type):
    """An object with named properties."""

    type: Literal["object"]
    description: _About
    properties: Annotated[list[Property[T]], AfterValidator(_apart), Field(min_length=1, max_length=8)]

    def as_schema(self) -> dict[str, Any]:
        """A closed object that requires all of its properties."""
        return {"type": self.type, "description": self.description, **closed_object(self.properties)}


# Written out level by level, as some endpoints refuse schemas that contain themselves.
type InnerType = Annotated[
    TextType | NumberType | BooleanType | ListOf[PlainType] | ObjectOf[PlainType], Field(discriminator="type")
]
type MiddleType = Annotated[
    TextType | NumberType | BooleanType | ListOf[InnerType] | ObjectOf[InnerType], Field(discriminator="type")
]
#: What an argument takes or a tool returns.
type ToolType = Annotated[
    TextType | NumberType | BooleanType | ListOf[MiddleType] | ObjectOf[MiddleType],
    Field(
        discriminator="type",
        description="As in JSON Schema: string (with enum, or null), integer or number (with minimum and maximum, or "
        "null), boolean, array (with items) or object (with properties), each with a description; at most three lists "
        "or objects within one another.",
    ),
]


class Argument(FrozenModel):
    """One argument of a tool."""

    name: Annotated[Identifier, Field(description="In snake_case.")]
    required: Annotated[bool, Field(description="False where the tool also works without it.")]
    value: ToolType


# Instances are pickled by the names of their classes; pydantic gives the module only those that are made at its top.
for _made in (
    *(Property[PlainType], ListOf[PlainType], ObjectOf[PlainType]),
    *(Property[InnerType], ListOf[InnerType], ObjectOf[InnerType]),
    *(Property[MiddleType], ListOf[MiddleType], ObjectOf[MiddleType]),
):
    globals()[_made.__name__] = _made


def closed_object(properties: "Sequence[Argument | Property[Any]]") -> dict[str, Any]:
    """`properties`, `required` and `additionalProperties` of an object; what may be left out may be null."""
    written = {}
    for one in properties:
        schema = one.value.as_schema()
        if not one.required:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        written[one.name] = schema
    return {"properties": written, "required": list(written), "additionalProperties": False}


class ToolSpec(Action):
    """The interface of a tool for something that this person needs and a language model alone does badly."""

    name: ClassVar[str] = "tool"
    remembered: ClassVar[str] = "You thought of a tool, $text"
    checks: ClassVar[tuple[Check, ...]] = TEXT_CHECKS
    kind: Literal["tool"]
    tool_name: Annotated[Identifier, Field(description="The tool's name in snake_case, specific to what it does.")]
    purpose: Annotated[Phrase, Field(description="What it does for this person, in one or two sentences.")]
    arguments: Annotated[list[Argument], AfterValidator(_apart), Field(min_length=1, max_length=8)]
    returns: ToolType
    depend: Annotated[
        list[_Option],
        AfterValidator(_differing),
        Field(max_length=8, description="Libraries or services that it would need; empty for Python alone."),
    ] = Field(default_factory=list)

    @property
    def emitted_text(self) -> str:
        """Name, purpose and arguments, as one text that can be compared with other tools."""
        spoken = "; ".join(f"{a.name}: {a.value.description}" for a in self.arguments)
        return f"{self.tool_name}: {self.purpose} ({spoken})"

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield what is written for people: no type of a value, and no list of what is required."""
        return ((path, text) for path, text in super().texts if not _SCHEMA_PATH.search(path))

    @property
    def payload(self) -> dict[str, Any]:
        """Name, purpose, `parameters` and `returns` (JSON Schemas), and what the tool depends on."""
        return {
            "name": self.tool_name,
            "purpose": self.purpose,
            "parameters": {"type": "object", **closed_object(self.arguments)},
            "returns": self.returns.as_schema(),
            "depend": list(self.depend),
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The tool spec of a payload. Raises `ValidationError`, `KeyError` or `TypeError` when it is none."""
        return cls.model_validate(
            {
                "kind": cls.name,
                "tool_name": payload["name"],
                "purpose": payload["purpose"],
                "arguments": _named(payload["parameters"]),
                "returns": _read(payload["returns"]),
                "depend": payload.get("depend", []),
            }
        )


def _named(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "required": "null" not in _types(of), "value": _read(of)}
        for name, of in schema["properties"].items()
    ]


def _types(schema: Mapping[str, Any]) -> Sequence[str]:
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


def _read(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The value of a schema that `as_schema` wrote."""
    (kind,) = (one for one in _types(schema) if one != "null")
    read = {key: schema[key] for key in ("description", "minimum", "maximum") if key in schema}
    if "enum" in schema:
        read["enum"] = [choice for choice in schema["enum"] if choice is not None]
    if kind == "array":
        read["items"] = _read(schema["items"])
    if kind == "object":
        read["properties"] = _named(schema)
    return {"type": kind, **read}
