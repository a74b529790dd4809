"""What an agent can emit: one pydantic schema a kind. Scenarios add their own by subclassing `Action`."""

import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from ..personas.model import AnswerGenerator, AnswerSchema, strict_schema

if TYPE_CHECKING:
    from .procedural.situation import Situation

__all__ = [
    "PLAYER",
    "Action",
    "Argument",
    "DialogueLine",
    "Instruction",
    "Novelty",
    "ReturnValue",
    "ToolSpec",
    "answer_schema",
    "possible_actions",
]

#: The addressee that stands for the visiting player of a game.
PLAYER = "player"

Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1200)]
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
JsonType = Literal["string", "integer", "number", "boolean", "array", "object"]


#: What becomes of a text that nearly repeats an earlier one of its kind: nothing, for it is not compared; a row in
#: `duplicates`; or that row, once the agent was asked for something else in a second call.
type Novelty = Literal["none", "mark", "revise"]


class Action(BaseModel):
    """One thing an agent does in a turn. The class's docstring is what the model is told the action is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: The value of `emissions.kind`; subclasses repeat it as the field `kind` with a one-value `Literal`.
    name: ClassVar[str]
    #: Whether the action is spoken to somebody: then it has a field `to`, checked against who is there.
    addressed: ClassVar[bool] = False
    #: How the agent remembers it: `$text` is what was emitted, `$to` whom it was said to.
    remembered: ClassVar[str] = "You did this: $text"
    #: Whether emissions are compared with earlier ones; None for "revise" where `emitted_text` holds free text, and
    #: for "none" where it is made of choices and numbers alone (`novelty_of`).
    novelty: ClassVar[Novelty | None] = None

    @property
    def emitted_text(self) -> str:
        """The text that is logged and compared with everything emitted so far."""
        raise TypeError(f"{type(self).__name__} must say which of its text is emitted: define emitted_text.")

    @property
    def addressee(self) -> str:
        """The key of whoever it is said to. Raises `TypeError` for an action that is said to nobody."""
        to = getattr(self, "to", None)
        if not self.addressed or not isinstance(to, str):
            raise TypeError(f"{type(self).__name__} is said to nobody: it needs addressed = True and a field `to`.")
        return to

    def note(self, to: str = "") -> str:
        """What the agent remembers of it."""
        return Template(self.remembered).substitute(text=self.emitted_text, to=to)

    @property
    def payload(self) -> dict[str, Any]:
        """The action as JSON, as it is kept in `emissions.payload`."""
        return self.model_dump(mode="json", exclude={"kind"})

    @staticmethod
    def stand_in(rng: random.Random, situation: "Situation", schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Values by field that `procedural` answers with, drawn from `rng` alone.

        Values that `schema` forbids are replaced and missing ones added. None stands for what the stand-in writes for
        an action of this name, or else for any values that are valid.
        """
        return None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The action that this `payload` was written from; a class that overrides one overrides the other.

        Raises pydantic's `ValidationError` when it is none of this class.
        """
        return cls.model_validate({"kind": cls.name, **payload}, by_alias=True, by_name=True)


class Instruction(Action):
    """A request you would really put to an assistant, in your own words, specific enough to be answered well."""

    name: ClassVar[str] = "instruction"
    remembered: ClassVar[str] = "You asked an assistant: $text"
    kind: Literal["instruction"]
    text: Annotated[Prose, Field(description="The request itself, as this person would type or say it.")]

    @property
    def emitted_text(self) -> str:
        """The request."""
        return self.text


class DialogueLine(Action):
    """One line you say to somebody who is there: if they spoke to you, it answers what they said."""

    name: ClassVar[str] = "dialogue"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You said to $to: $text"
    kind: Literal["dialogue"]
    to: Annotated[Prose, Field(description="The key of the person you speak to, as given in the observation.")]
    text: Annotated[Phrase, Field(description="The spoken line, without quotation marks or stage directions.")]

    @property
    def emitted_text(self) -> str:
        """The spoken line."""
        return self.text


def _no_repeats(arguments: "list[Argument]") -> "list[Argument]":
    names = [a.name for a in arguments]
    if len(names) != len(set(names)):
        raise ValueError(
            f"argument names must differ, but these repeat: {sorted({n for n in names if names.count(n) > 1})}"
        )
    return arguments


Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{2,63}$")]


class Argument(BaseModel):
    """One argument of a tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Identifier, Field(description="In snake_case.")]
    type: JsonType
    description: Phrase
    required: bool


class ReturnValue(BaseModel):
    """What a tool gives back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: JsonType
    description: Phrase


class ToolSpec(Action):
    """The interface of a tool that would give you something a language model alone does badly."""

    name: ClassVar[str] = "tool"
    remembered: ClassVar[str] = "You thought of a tool, $text"
    kind: Literal["tool"]
    tool_name: Annotated[Identifier, Field(description="The tool's name in snake_case, specific to what it does.")]
    purpose: Annotated[Phrase, Field(description="What it does for you, in one or two sentences.")]
    arguments: Annotated[list[Argument], AfterValidator(_no_repeats), Field(min_length=1, max_length=8)]
    returns: ReturnValue

    @property
    def emitted_text(self) -> str:
        """Name, purpose and arguments, as one text that can be compared with other tools."""
        spoken = "; ".join(f"{a.name}: {a.description}" for a in self.arguments)
        return f"{self.tool_name}: {self.purpose} ({spoken})"

    @property
    def payload(self) -> dict[str, Any]:
        """Name, purpose, `parameters` (a JSON Schema of the arguments) and `returns` (a JSON Schema)."""
        return {
            "name": self.tool_name,
            "purpose": self.purpose,
            "parameters": {
                "type": "object",
                "properties": {a.name: {"type": a.type, "description": a.description} for a in self.arguments},
                "required": [a.name for a in self.arguments if a.required],
                "additionalProperties": False,
            },
            "returns": self.returns.model_dump(),
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The tool spec of a payload. Raises `ValidationError` or `KeyError` when it is none."""
        parameters = payload["parameters"]
        arguments = [
            {"name": name, **of, "required": name in parameters["required"]}
            for name, of in parameters["properties"].items()
        ]
        fields = {"tool_name": payload["name"], "purpose": payload["purpose"], "returns": payload["returns"]}
        return cls.model_validate({"kind": cls.name, "arguments": arguments, **fields})


def possible_actions(offered: tuple[type[Action], ...], addressees: tuple[str, ...]) -> tuple[type[Action], ...]:
    """Those of the `offered` actions that can be done: nothing can be said where nobody is there."""
    return tuple(a for a in offered if addressees or not a.addressed)


@lru_cache(maxsize=256)
def answer_schema(offered: tuple[type[Action], ...], addressees: tuple[str, ...]) -> AnswerSchema[Action]:
    """The schema of a turn: one of the `offered` actions, spoken (if it is spoken) to one of the `addressees`.

    A single action is asked for as it is; several as `{"action": <one of them>}`. Raises `ValueError` when none is
    possible.
    """
    possible = possible_actions(offered, addressees)
    if not possible:
        raise ValueError("no action can be offered: all of them are spoken to somebody, and nobody is there")
    if len(possible) == 1:
        only = possible[0]
        schema = _told(strict_schema(only.model_json_schema()), only, addressees)
        return AnswerSchema(only.__name__, schema, _checked(only.model_validate, addressees), _generators(possible))
    union_type: Any = Annotated[_union(possible), Field(discriminator="kind")]
    adapter: TypeAdapter[Action] = TypeAdapter(union_type)

    def unwrap(answer: object) -> Action:
        if not isinstance(answer, dict) or set(answer) != {"action"}:
            raise ValueError('the answer must be an object with the one key "action"')
        return adapter.validate_python(answer["action"])

    union = strict_schema(adapter.json_schema())
    definitions = union["$defs"]
    for action in possible:
        definitions[action.__name__] = _told(definitions[action.__name__], action, addressees)
    wrapped = {
        "type": "object",
        "properties": {"action": {"anyOf": union["anyOf"]}},
        "required": ["action"],
        "additionalProperties": False,
        "$defs": definitions,
    }
    return AnswerSchema("Turn", wrapped, _checked(unwrap, addressees), _generators(possible))


def _generators(actions: tuple[type[Action], ...]) -> dict[str, AnswerGenerator]:
    return {action.name: action.stand_in for action in actions}


def _union(actions: tuple[type[Action], ...]) -> Any:
    union: Any = actions[0]
    for action in actions[1:]:
        union |= action
    return union


def _told(schema: dict[str, Any], action: type[Action], addressees: tuple[str, ...]) -> dict[str, Any]:
    # What the model is told of an action: its docstring, and who is there to be spoken to.
    schema = {**schema, "description": " ".join((action.__doc__ or action.name).split())}
    if action.addressed:
        to = {**schema["properties"]["to"], "enum": list(addressees)}
        schema["properties"] = {**schema["properties"], "to": to}
    return schema


def _checked(validate: Callable[[object], Action], addressees: tuple[str, ...]) -> Callable[[object], Action]:
    def check(answer: object) -> Action:
        action = validate(answer)
        if action.addressed and action.addressee not in addressees:
            raise ValueError(f"to: {action.addressee!r} is not there; choose one of {', '.join(addressees)}")
        return action

    return check
