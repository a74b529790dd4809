"""Recognises what a schema asks for by the names of its properties, and says what to write there."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .audience import Audience
from .circle import Circle
from .errands import errand
from .portrait import portrait_of
from .profile import biography_of, profile_of, raised_of
from .situation import Situation
from .talk import Talk
from .toolbox import wished_tool
from .voice import Voice

__all__ = ["Author"]

_COUNT = re.compile(
    r"\b(?:describe|give|list|name)\s+(?:exactly |up to )?"
    r"(\d+|one|two|three|four|five|six|seven|eight|nine|ten)\b",
    re.IGNORECASE,
)
_NUMBERS = {
    w: n for n, w in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1)
}
_AGES = {"child": (7, 13), "young": (16, 27), "adult": (30, 60), "old": (64, 88)}
_SPOKEN = ("text", "message", "line", "content", "utterance", "body", "reply")
_DEFAULT_KINDS = ("kinship", "friendship", "work", "care", "trade")


class Author:
    """Hints for one answer: drawn in order, so that its parts differ from one another."""

    def __init__(self, rng: random.Random, situation: Situation) -> None:
        self.rng = rng
        self.situation = situation
        self.voice = Voice(rng, situation)
        self.talk = Talk(rng, situation)
        self._circle: Circle | None = None
        self._audience: Audience | None = None
        #: Lists of a biography's facts that no frame of it says anything for.
        self._left_open: Sequence[str] = ()

    def for_object(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """What to write into an object that has these properties."""
        if "tool_name" in properties:
            return wished_tool(self.rng, self.situation)
        if "age_band" in properties and self.situation.persona:
            return profile_of(self.situation.persona)
        if {"text", "mentions", "others"} <= properties.keys():
            self._left_open = ("languages", "others")
            return biography_of(self.situation, self.rng)
        if self.situation.skill and {"persona", "changes"} <= properties.keys():
            return raised_of(self.situation, self.rng)
        if {"persona", "label"} <= properties.keys():
            return self._relation(properties)
        if {"role", "age", "circumstances", "concern"} <= properties.keys() and self.situation.passage:
            return self._people().draw_parts()
        if "persona" in properties and self.situation.passage:
            return {"persona": self._people().draw()}
        if "persona" in properties and not self.situation.persona:
            return {"persona": self._people().draw()}
        kind = _constant(properties.get("kind"))
        if kind == "instruction":
            return {"text": errand(self.rng, self.situation)}
        return self._spoken(properties) if "to" in properties else {}

    def for_text(self, name: str, description: str, shortest: int, longest: int | None) -> str:
        """What the person would write under that name."""
        return self.voice.text(name, description, shortest, longest)

    def for_number(self, name: str) -> float | None:
        """The person's age, where it is asked for."""
        if name.lower() not in ("age", "age_years", "years_old") or not self.situation.persona:
            return None
        return self.rng.randint(*_AGES[portrait_of(self.situation.persona).stage])

    def for_count(self, name: str) -> int | None:
        """How many entries the question asks for, where the list is of people; none where nothing was said."""
        if name in self._left_open:
            return 0
        found = _COUNT.search(self.situation.plain) if name in ("personas", "relations") else None
        if found is None:
            return None
        word = found[1].lower()
        return _NUMBERS[word] if word in _NUMBERS else min(int(word), 100)

    def order(self, options: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """The options by chance; a spoken line first when somebody spoke, and nothing (null) last."""
        indexes = list(range(len(options)))
        self.rng.shuffle(indexes)
        keys = [_rank(o, answering=bool(self.situation.heard)) for o in options]
        return sorted(indexes, key=lambda i: keys[i])

    def _people(self) -> Audience:
        if self._audience is None:
            self._audience = Audience(self.rng, self.situation)
        return self._audience

    def _relation(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        if self._circle is None:
            self._circle = Circle(self.rng, self.situation.persona, self.situation.known)
        kinds = _choices(properties.get("kind")) or list(_DEFAULT_KINDS)
        keys = [key for key in _choices(properties.get("who")) if key != "new"]
        related = self._circle.draw(kinds, keys)
        return {"who": related.who, "label": related.label, "kind": related.kind, "persona": related.persona}

    def _spoken(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        keys = _choices(properties["to"]) or [n.key for n in self.situation.neighbours]
        if not keys:
            return {}
        key, line = self.talk.line(keys)
        field = next((name for name in _SPOKEN if name in properties), None)
        return {"to": key, **({field: line} if field else {})}


def _rank(option: Mapping[str, Any], *, answering: bool) -> int:
    if option.get("type") == "null":
        return 2
    return 0 if answering and "to" in option.get("properties", ()) else 1


def _constant(schema: Any) -> Any:
    choices = _choices(schema)
    return choices[0] if len(choices) == 1 else None


def _choices(schema: Any) -> list[Any]:
    if not isinstance(schema, Mapping):
        return []
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
