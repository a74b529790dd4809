"""What an agent can emit: one class a kind, which holds everything that concerns it. `Action` shows a whole example."""

import inspect
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self, cast, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..core.errors import hook
from ..core.model import TextForm
from ..core.prompt import Prompt, format_string
from ..personas.persona import RelationKind
from .checks import LINE_CHECKS, CheckContext, CheckOutcome, CheckResult, iter_strings

if TYPE_CHECKING:
    from .procedural.situation import Situation

Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1200)]
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


#: What becomes of a text that nearly repeats an earlier one of its kind: nothing, for it is not compared; a row in
#: `duplicates`; or that row, once the agent was asked for something else in a second call.
type Novelty = Literal["none", "mark", "revise"]


#: orjson reads integers of more digits as floating-point numbers, and writes none.
_LONG_INTEGER = re.compile(r"\d{19}")


def dump_json(value: Any) -> str:
    """Return the value as JSON text, with integers of any size, as models answer them.

    Raises `TypeError` for values that JSON cannot hold.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        if not _has_long_integer(value):
            raise
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _has_long_integer(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_long_integer, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_long_integer, value))
    return isinstance(value, int) and not -(1 << 63) <= value < 1 << 64


def load_json(text: str) -> Any:
    """Return the value that `dump_json` wrote."""
    return json.loads(text) if _LONG_INTEGER.search(text) else orjson.loads(text)


class ActionEffects(Protocol):
    """What an action can read and change when it is applied.

    Actions are applied one by one, in the order of the step (`Scenario.order`), once all its agents have decided.
    """

    @property
    def agent(self) -> str:
        """Id of the agent that acts."""
        ...

    @property
    def state(self) -> Any:
        """The agent's state, of the type that the scenario declares; None when it declares none."""
        ...

    @property
    def world(self) -> Any:
        """The `World`: announces news, suspends and restores kinds of ties, holds the scenario's world state."""
        ...

    def state_of(self, key: str) -> Any:
        """Return the state of an agent that can be spoken to, by its key in this turn.

        Raises `KeyError` for another key.
        """
        ...

    def tie(self, to: str, kind: RelationKind, label: str, *, weight: float = 1.0) -> None:
        """Tie the agent to the one with this key, known as its `label`, from the next step on.

        An existing tie of this kind and label becomes stronger by `weight`. Raises `KeyError` for another key, and
        `ValueError` for an invalid kind or weight or for the player.
        """
        ...

    def untie(self, to: str, kind: RelationKind | None = None) -> None:
        """Remove the ties between the agent and the one with this key, of one kind or all, from the next step on."""
        ...

    def depart(self) -> None:
        """Remove the agent from the society when the step ends."""
        ...

    def post(self, channel: str, text: str, *, reply_to: str | None = None) -> None:
        """Post `text` in a channel of the scenario, in reply to the post with the key `reply_to` if one is given.

        Others can see it from the next step on. Raises `ValueError` if the scenario has no such channel or the agent
        cannot post in it. Raises `KeyError` for an unknown key.
        """
        ...

    def say(self, to: str, text: str) -> None:
        """Send `text` to the agent with this key, who hears it in the next step. Raises `KeyError` for another key."""
        ...

    def show(self, text: str) -> None:
        """Make `text`, which says what the agent does, news for those whom the agent sees, until the next step ends."""
        ...


class Check(Protocol):
    """Judges what an agent emits, by itself or by questions to a model; each result is a row of `checks`.

    An action class lists its checks, and they run in that order on every draft and every revision of it. A failed check
    says something of an emission: it is kept with the emission, and never the outcome of a call. A check with
    `asks = True`, which asks a model, is not made of what an earlier one has failed. This is a whole check::

        class NamesAPlace:
            name = "names_a_place"
            version = 1
            revises = True  # ask once for another answer, giving the reason

            async def judge(self, action: Action, context: CheckContext) -> CheckResult:
                found = "Lindenford" in action.emitted_text
                return passed() if found else failed("It names no place.")
    """

    #: As in `checks.check`.
    name: str
    #: Raised whenever the check may judge the same text differently.
    version: int
    #: Whether the agent is asked once for another answer after this check has failed.
    revises: bool

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """Return the result for this action. Read what is given and change nothing."""
        ...


@dataclass(frozen=True, slots=True)
class KnownSolution:
    """The solution of a problem that the stand-in made, computed from the problem's text."""

    #: In plain sentences, without the answer.
    steps: str
    #: The answer alone, as it would stand in a box: `42`, `3/4`, `Tuesday`, `B`.
    answer: str
    #: Python that computes the answer and prints it last; where it is empty, a program prints the answer.
    program: str = ""


class Action(BaseModel):
    """One thing an agent does in a turn. The class's docstring describes the action to the model.

    Everything but the fields has a default. This is an action that overrides most of it::

        class Complaint(Action):
            \"\"\"A complaint to the town council, in one or two sentences.\"\"\"

            name: ClassVar[str] = "complaint"  # by default the name of the class, in lower case with underscores
            remembered: ClassVar[str] = "You complained to the council: $text"
            novelty: ClassVar[Novelty | None] = "mark"
            novelty_threshold: ClassVar[float] = 0.8
            checks: ClassVar[tuple[Check, ...]] = (NamesAPlace(),)
            prompt: ClassVar[str | Prompt] = read_prompt(Path(__file__).with_name("complaint.v1.toml"))

            about: Literal["roads", "noise"] = Field(description="What is wrong")
            text: Annotated[str, Field(min_length=10, max_length=300)]

            @property
            def emitted_text(self) -> str:
                return self.text

            def apply(self, effects: ActionEffects) -> None:
                effects.state.complaints += 1
                effects.world.announce(f"Somebody has complained about {self.about}.")
                # ties to those who are there, by their keys: effects.tie(self.to, "friendship", "friend")

            @staticmethod
            def stand_in(rng, situation, schema):
                return {"about": "roads", "text": rng.choice(("Mend the bridge.", "Light the square."))}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: The value of `emissions.kind`, and of the field `kind`, a `Literal`, by which a model names the action. Both are
    #: made from the name of the class where it gives none.
    name: ClassVar[str] = ""
    _derived_name: ClassVar[str] = ""
    #: The prompt it is asked with: the name of one in `agents/prompts`, or one read by `read_prompt`. Actions offered
    #: together are asked with the prompt they share, or else with `turn`.
    prompt: ClassVar[str | Prompt] = "turn"
    #: Whether the action is spoken to somebody: then it has a field `to`, checked against who is there. It holds one
    #: key (`str`), or those of several (`tuple[str, ...]`), perhaps of nobody.
    addressed: ClassVar[bool] = False
    #: How a long text stands in an answer without JSON, where the action is offered alone; its prompt says so.
    text_form: ClassVar[TextForm | None] = None
    #: How the agent remembers it: `$text` is what was emitted, `$to` whom it was said to. Empty
    #: for what it does not remember.
    remembered: ClassVar[str] = "You did this: $text"
    #: Whether emissions are compared with earlier ones; None for "revise" where `emitted_text` holds free text, and
    #: for "none" where it is made of choices and numbers alone (`novelty_of`).
    novelty: ClassVar[Novelty | None] = None
    #: Jaccard similarity of the sets of words from which a text nearly repeats another; from .5 to 1.
    novelty_threshold: ClassVar[float] = 0.9
    #: The key of `payload` whose value no two accepted outputs share, as a tool's name: the first in the order of
    #: agents keeps it, and later ones fail the check `unique_` and this key. Empty where values may repeat.
    unique: ClassVar[str] = ""
    #: What is checked of each emission, in this order.
    checks: ClassVar[tuple[Check, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give the class a name derived from its own and the field `kind`, unless it sets them itself."""
        super().__init_subclass__(**kwargs)
        if cls.name == cls._derived_name and (cls._derived_name or not _kind_of(cls)):
            cls.name = cls._derived_name = snake_case(cls.__name__)
        own = inspect.get_annotations(cls)
        if "kind" not in own and _kind_of(cls) != (cls.name,):
            cls.__annotations__ = {"kind": Literal[cls.name], **own}
            cls.kind = cls.name  # type: ignore[attr-defined]  # the field's default

    @property
    def emitted_text(self) -> str:
        """The text that is logged and compared with everything emitted so far.

        By default the only field of free text; where there is none or several, all fields, as `coins: 3; to_whom: n1`.
        """
        told = [name for name in own_fields(type(self)) if is_free_text(type(self), name)]
        if len(told) == 1 and isinstance(text := getattr(self, told[0]), str):
            return text
        values = self.model_dump(mode="json", exclude={"kind", "to"})
        return "; ".join(f"{name}: {_join_values(value)}" for name, value in values.items()) or self.name

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield what checks of text read: each string of `payload` with the path of its field, but no addressee."""
        payload = self.payload
        return iter_strings({name: payload[name] for name in payload if not (self.addressed and name == "to")})

    @property
    def addressees(self) -> tuple[str, ...]:
        """The keys of those it is said to, each once. Raises `TypeError` for an action that is said to nobody."""
        to = getattr(self, "to", None)
        if not self.addressed or not isinstance(to, str | tuple):
            raise TypeError(f"{type(self).__name__} is said to nobody: it needs addressed = True and a field `to`.")
        return (to,) if isinstance(to, str) else tuple(dict.fromkeys(to))

    def note(self, to: str = "") -> str:
        """Return what the agent remembers of the action."""
        return format_string(self.remembered).format(text=self.emitted_text, to=to)

    def apply(self, effects: ActionEffects) -> None:
        """Change the state of agents, their ties and the world. By default, deliver what is said to the addressees.

        Called after the output is logged. Random draws must be the same each time the step is repeated.
        """
        for key in self.addressees if self.addressed else ():
            effects.say(key, self.emitted_text)

    @property
    def payload(self) -> dict[str, Any]:
        """The action as JSON, as it is kept in `emissions.payload`."""
        return self.model_dump(mode="json", exclude={"kind"})

    @staticmethod
    def stand_in(rng: random.Random, situation: "Situation", schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the values by field that `procedural` answers with, drawn from `rng` alone.

        Values that `schema` forbids are replaced, and missing values are added. If None, the built-in generator uses
        what it has for an action of this name, or else any valid values.
        """
        return None

    @staticmethod
    def stand_in_response(
        rng: random.Random, situation: "Situation", schema: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Return the field `text` that `procedural` answers with when it is asked to respond to an output.

        That output is in the section `request` of the prompt. None means any text.
        """
        return None

    @staticmethod
    def known_solution(text: str) -> KnownSolution | None:
        """Compute the solution of a problem that `stand_in` made from its text. Return None for any other text.

        `procedural` answers with it when it is asked to solve the problem. The result depends only on the text.
        """
        return None

    @classmethod
    def configured(cls, **values: object) -> type[Self]:
        """Return the same action with other values of its class variables, as set by the settings of a task."""
        told = {"__doc__": cls.__doc__, "__module__": cls.__module__, **values}
        return cast("type[Self]", type(cls.__name__, (cls,), told))

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Rebuild the action that this `payload` was written from.

        A class that overrides this or the writing of the payload overrides both. Raises pydantic's `ValidationError`
        if the payload is not of this class.
        """
        return cls.model_validate({"kind": cls.name, **payload}, by_alias=True, by_name=True)


def snake_case(name: str) -> str:
    """Return the name of a class in lower case, with underscores between its words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip("_")).lower()


def _kind_of(action: type[Action]) -> tuple[Any, ...]:
    """Return the values of the nearest field `kind` of the class, or an empty tuple if it has none."""
    for base in action.__mro__:
        if (kind := inspect.get_annotations(base).get("kind")) is not None:
            return get_args(kind) or (kind,)
    return ()


def _join_values(value: Any) -> str:
    return ", ".join(map(_join_values, value)) if isinstance(value, list) else str(value)


def own_fields(action: type[Action]) -> list[str]:
    """Return the fields that say what is done: all but `kind` and `to`."""
    return [name for name in action.model_fields if name not in ("kind", "to")]


@cache
def is_free_text(action: type[Action], field: str) -> bool:
    """Return whether a field can hold any string, by its schema."""
    schema = action.model_json_schema()
    part = schema["properties"].get(action.model_fields[field].alias or field, {"const": None})  # a later stage sets it
    return _holds_text(part, schema.get("$defs", {}), ())


def _holds_text(part: object, definitions: Mapping[str, Any], passed: tuple[str, ...]) -> bool:
    if not isinstance(part, dict):
        return part is True  # a schema that allows anything
    if "enum" in part or "const" in part:
        return False
    if (reference := str(part.get("$ref", "")).rpartition("/")[2]) and reference not in passed:
        return _holds_text(definitions.get(reference), definitions, (*passed, reference))
    within = [*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ()), *part.get("prefixItems", ())]
    within += [part[key] for key in ("items", "additionalProperties") if key in part]
    within += part.get("properties", {}).values()
    named = part.get("type")
    is_anything = named is None and not within and "$ref" not in part
    return is_anything or named == "string" or any(_holds_text(one, definitions, passed) for one in within)


async def run_checks(action: Action, context: CheckContext) -> tuple[CheckResult, ...]:
    """Run the checks that the action's class lists and return their results in order.

    A check that asks a model is skipped once an earlier one has failed. Raises `HookError` if a check breaks.
    """
    results: list[CheckResult] = []
    for check in action.checks:
        about = context
        if getattr(check, "asks", False):
            if any(one.outcome is CheckOutcome.FAILED for one in results):
                continue  # nothing is paid for a verdict on what is rejected anyway
            about = replace(context, results=tuple(results))
        with hook(check, "judge"):
            result: object = await check.judge(action, about)
            if not isinstance(result, CheckResult):
                raise TypeError(f"it must give a CheckResult, as passed() does, and gave {result!r:.80}")
        results.append(replace(result, check=check.name, version=check.version))
    return tuple(results)


class Instruction(Action):
    """What this person would type to an assistant now, short, as vague as people are, with no list of demands."""

    name: ClassVar[str] = "instruction"
    remembered: ClassVar[str] = "You asked an assistant: $text"
    checks: ClassVar[tuple[Check, ...]] = LINE_CHECKS
    kind: Literal["instruction"]
    text: Annotated[Prose, Field(description="The request itself, word for word.")]

    @property
    def emitted_text(self) -> str:
        """The request."""
        return self.text


class DialogueLine(Action):
    """One line said to somebody who is there."""

    name: ClassVar[str] = "dialogue"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You said to $to: $text"
    checks: ClassVar[tuple[Check, ...]] = LINE_CHECKS
    kind: Literal["dialogue"]
    to: Annotated[Prose, Field(description="Their name.")]
    text: Annotated[Phrase, Field(description="The words alone: no name before them, no quotation marks.")]

    @property
    def emitted_text(self) -> str:
        """The spoken line."""
        return self.text


class Deed(Action):
    """Something done now, without a word, that others can see."""

    name: ClassVar[str] = "deed"
    checks: ClassVar[tuple[Check, ...]] = LINE_CHECKS
    kind: Literal["deed"]
    text: Annotated[Phrase, Field(description="One sentence, with their name.")]

    @property
    def emitted_text(self) -> str:
        """What was done."""
        return self.text

    def apply(self, effects: ActionEffects) -> None:
        """Have those whom the agent sees learn of it."""
        effects.show(self.text)


class Silence(Action):
    """Nothing that others would notice."""

    name: ClassVar[str] = "silence"
    remembered: ClassVar[str] = ""
    novelty: ClassVar[Novelty | None] = "none"
    kind: Literal["silence"]

    @property
    def emitted_text(self) -> str:
        """The same of everybody."""
        return "(nothing)"
