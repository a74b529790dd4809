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

from ..personas.errors import hook
from ..personas.model import TextForm
from ..personas.persona import RelationKind
from ..personas.prompt import Prompt, format_string
from .checks import CheckContext, CheckOutcome, CheckResult, iter_strings
from .text_checks import LINE_CHECKS

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
    """The value as JSON text, with integers of any size, as models answer them. Raises `TypeError` for other values."""
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
    """The value that `dump_json` has written."""
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
        """The state of an agent that can be spoken to, by its key in this turn. Raises `KeyError` for another key."""
        ...

    def tie(self, to: str, kind: RelationKind, label: str, *, weight: float = 1.0) -> None:
        """Have the agent know the one with this key as its `label`, from the next step on.

        A tie of this kind and label that is there already becomes stronger by `weight`. Raises `KeyError` for another
        key, `ValueError` for no kind or weight, and for the player.
        """
        ...

    def untie(self, to: str, kind: RelationKind | None = None) -> None:
        """Remove the ties between the agent and the one with this key, of one kind or all, from the next step on."""
        ...

    def depart(self) -> None:
        """Have the agent leave the society when the step ends."""
        ...

    def post(self, channel: str, text: str, *, reply_to: str | None = None) -> None:
        """Post `text` in a channel of the scenario, in reply to the post with the key `reply_to` if one is given.

        It can be shown to others from the next step on. Raises `ValueError` for no channel of the scenario or one in
        which the agent cannot post, `KeyError` for an unknown key.
        """
        ...

    def say(self, to: str, text: str) -> None:
        """Send `text` to the agent with this key, who hears it in the next step. Raises `KeyError` for another key."""
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
        """The result for this action; reads what it is given, changes nothing."""
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
    #: How the agent remembers it: `$text` is what was emitted, `$to` whom it was said to.
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
        """Name the class after itself, and give it the field `kind`, where it does not say otherwise."""
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
        return "; ".join(f"{name}: {_listed(value)}" for name, value in values.items()) or self.name

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
        """What the agent remembers of it."""
        return format_string(self.remembered).format(text=self.emitted_text, to=to)

    def apply(self, effects: ActionEffects) -> None:
        """Change the state of agents, their ties and the world; by default, what is said to somebody is delivered.

        Called after the emission is logged. What it draws by chance must be the same whenever the step is repeated.
        """
        for key in self.addressees if self.addressed else ():
            effects.say(key, self.emitted_text)

    @property
    def payload(self) -> dict[str, Any]:
        """The action as JSON, as it is kept in `emissions.payload`."""
        return self.model_dump(mode="json", exclude={"kind"})

    @staticmethod
    def stand_in(rng: random.Random, situation: "Situation", schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Values by field that `procedural` answers with, drawn from `rng` alone.

        Values that `schema` forbids are replaced and missing ones added. None is what the stand-in writes for
        an action of this name, or else for any values that are valid.
        """
        return None

    @staticmethod
    def stand_in_response(
        rng: random.Random, situation: "Situation", schema: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """The field `text` that `procedural` answers with when it is asked to respond to what was emitted.

        That stands in the section `request` of the prompt. None is any text.
        """
        return None

    @staticmethod
    def known_solution(text: str) -> KnownSolution | None:
        """The solution of a problem that `stand_in` made, computed again from its text; None for any other text.

        `procedural` answers with it when it is asked to solve the problem. Depends on nothing but the text.
        """
        return None

    @classmethod
    def configured(cls, **values: object) -> type[Self]:
        """The same action with other values of its class variables, as the settings of a task have it."""
        told = {"__doc__": cls.__doc__, "__module__": cls.__module__, **values}
        return cast("type[Self]", type(cls.__name__, (cls,), told))

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The action that this `payload` was written from; a class that overrides one overrides the other.

        Raises pydantic's `ValidationError` when it is none of this class.
        """
        return cls.model_validate({"kind": cls.name, **payload}, by_alias=True, by_name=True)


def snake_case(name: str) -> str:
    """The name of a class in lower case, with underscores between its words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip("_")).lower()


def _kind_of(action: type[Action]) -> tuple[Any, ...]:
    """The values of the nearest field `kind` that the class has; none without one."""
    for base in action.__mro__:
        if (kind := inspect.get_annotations(base).get("kind")) is not None:
            return get_args(kind) or (kind,)
    return ()


def _listed(value: Any) -> str:
    return ", ".join(map(_listed, value)) if isinstance(value, list) else str(value)


def own_fields(action: type[Action]) -> list[str]:
    """The fields that say what is done: all but `kind` and `to`."""
    return [name for name in action.model_fields if name not in ("kind", "to")]


@cache
def is_free_text(action: type[Action], field: str) -> bool:
    """Whether a field can hold any string, by its schema."""
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
    """The results of the checks that the action's class lists, in their order. Raises `HookError` when one fails."""
    results: list[CheckResult] = []
    for check in action.checks:
        if getattr(check, "asks", False) and any(one.outcome is CheckOutcome.FAILED for one in results):
            continue  # nothing is paid for a verdict on what is rejected anyway
        with hook(check, "judge"):
            result: object = await check.judge(action, replace(context, results=tuple(results)))
            if not isinstance(result, CheckResult):
                raise TypeError(f"it must give a CheckResult, as passed() does, and gave {result!r:.80}")
        results.append(replace(result, check=check.name, version=check.version))
    return tuple(results)


class Instruction(Action):
    """What this person would type or say to an assistant now: short, in their own words, as vague as people are.

    No list of demands and no form of politeness, unless this person would use one.
    """

    name: ClassVar[str] = "instruction"
    remembered: ClassVar[str] = "You asked an assistant: $text"
    checks: ClassVar[tuple[Check, ...]] = LINE_CHECKS
    kind: Literal["instruction"]
    text: Annotated[Prose, Field(description="The request itself, as this person would type or say it.")]

    @property
    def emitted_text(self) -> str:
        """The request."""
        return self.text


class DialogueLine(Action):
    """One line that this person says to somebody who is there; if they spoke first, it takes up what they said.

    It may agree, disagree, refuse, evade or be as short as one word.
    """

    name: ClassVar[str] = "dialogue"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You said to $to: $text"
    checks: ClassVar[tuple[Check, ...]] = LINE_CHECKS
    kind: Literal["dialogue"]
    to: Annotated[Prose, Field(description="The key of the one who is spoken to, as given in the observation.")]
    text: Annotated[Phrase, Field(description="The spoken line, without quotation marks or stage directions.")]

    @property
    def emitted_text(self) -> str:
        """The spoken line."""
        return self.text


class Silence(Action):
    """Nothing: this person says nothing and does nothing that others would notice."""

    name: ClassVar[str] = "silence"
    remembered: ClassVar[str] = "You said and did nothing."
    novelty: ClassVar[Novelty | None] = "none"
    kind: Literal["silence"]

    @property
    def emitted_text(self) -> str:
        """The same of everybody."""
        return "(nothing)"
