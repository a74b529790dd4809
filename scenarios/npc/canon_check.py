"""Whether a character's sheet keeps to its world: by the words that the world declares, and by a model's judgement."""

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from populace.agents.checks import CheckContext, CheckResult, failed, passed, undecided
from populace.personas.model import AnswerSchema, FrozenModel, strict_schema
from populace.personas.prompt import fence, read_prompt

if TYPE_CHECKING:
    from populace.agents.actions import Action

    from .world import WorldFile

_PROMPT = read_prompt(Path(__file__).with_name("canon.v1.toml"))
#: A capitalised word that begins no sentence.
_PROPER = re.compile(r"(?<![.!?:;\"“”'‘(\n-])(?<![.!?][\"'”’]) (?P<name>[A-Z][a-z]{2,})\b")
#: Capitalised words that are no names of anything.
_ORDINARY = frozenset(
    {
        *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "January", "February", "March"),
        *("April", "May", "June", "July", "August", "September", "October", "November", "December"),
    }
)


class KeepsToCanon:
    """Fails a sheet with a people, a place, a proper name or a word that its world rules out."""

    name = "canon"
    version = 1
    revises = True

    def __init__(self, world: "WorldFile") -> None:
        self._world = world
        self._known = frozenset(re.findall(r"\w+", world.text.casefold()))
        never = "|".join(re.escape(word) for word in sorted(world.canon.never, key=len, reverse=True))
        self._never = re.compile(rf"(?<!\w)(?:{never})(?!\w)", re.IGNORECASE) if never else None

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """The result, with everything that is wrong."""
        found = list(self._mistakes(action))
        return failed(f"It does not fit the world: {'; '.join(found)}.") if found else passed()

    def _mistakes(self, action: "Action") -> Iterator[str]:
        sheet: Mapping[str, Any] = action.payload
        for field, known in (("people", self._world.canon.peoples), ("place", self._world.canon.places)):
            if known and _plain(sheet[field]) not in {_plain(one) for one in known}:
                yield f"{field} {sheet[field]!r} is none of {', '.join(known)}"
        text = " ".join(_texts({key: value for key, value in sheet.items() if key != "knows"}))
        if self._never is not None and (said := self._never.search(text)):
            yield f"there is no {said[0]!r} in it"
        if self._world.canon.names:
            own = set(re.findall(r"\w+", str(sheet["name"]).casefold()))
            names = [found["name"] for found in _PROPER.finditer(text)]
            unknown = [name for name in names if name not in _ORDINARY and not self._is_known(name.casefold(), own)]
            if unknown:
                yield f"the name {unknown[0]!r} does not occur in it"

    def _is_known(self, name: str, own: set[str]) -> bool:
        # Of several Wardens there may be one.
        return name in own or not self._known.isdisjoint((name, f"{name}s", name.removesuffix("s")))


def _plain(text: str) -> str:
    return re.sub(r"^(?:the|a|an) ", "", " ".join(text.casefold().split()))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


class CanonFinding(FrozenModel):
    """What a model finds of a sheet."""

    contradicts: Annotated[bool, Field(description="True when something in the sheet cannot be so in this world.")]
    reason: Annotated[str, Field(max_length=400, description="What it is, in one sentence; empty where nothing is.")]


class GradedCanon:
    """Asks the grader whether a sheet contradicts its world."""

    name = "canon_graded"
    version = 1
    revises = True

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """The grader's result; undecided where it gives none."""
        told = "\n".join(f"{key}: {' '.join(_texts(value))}" for key, value in action.payload.items() if key != "knows")
        prompt = _PROMPT.render(world=fence("world", context.world), sheet=fence("sheet", told))
        schema = AnswerSchema(
            _PROMPT.name,
            strict_schema(CanonFinding.model_json_schema()),
            CanonFinding.model_validate,
            {_PROMPT.name: _fits},
        )
        answer = await context.ask(prompt, schema)
        if answer.value is None:
            return undecided(f"The grader gave no answer ({answer.outcome}).")
        return failed(answer.value.reason or "It contradicts the world.") if answer.value.contradicts else passed()


def _fits(rng: random.Random, situation: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The stand-in's judgement: it cannot read, and finds nothing."""
    return {"contradicts": False, "reason": ""}
