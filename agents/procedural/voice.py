"""Texts for the fields of a schema nobody has seen, by what the field is called."""

import random
import re
from functools import cache

from .frames import Pool
from .lexicon import data, pool, split
from .scene import Scene
from .situation import Situation
from .talk import Talk

__all__ = ["Voice"]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+")
#: From this length on a text is a sentence, below it a phrase.
_ROOM = 40
_LONG = 160


@cache
def _fields() -> tuple[tuple[frozenset[str], Pool], ...]:
    return tuple((frozenset(f["words"].split()), Pool(split(f["frames"]))) for f in data("voice")["field"])


@cache
def _words_of(name: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_CAMEL.sub(" ", name).lower()))


class Voice:
    """The persona, filling in a form."""

    def __init__(self, rng: random.Random, situation: Situation) -> None:
        self.rng = rng
        self.situation = situation
        self.said: set[str] = set()

    def text(self, name: str, description: str, shortest: int, longest: int | None) -> str:
        """What the person would write under that name, about as long as asked for."""
        among = self._pool(name, description, longest)
        text = self._said(among)
        for _ in range(4):
            if text not in self.said and (longest is None or len(text) <= longest):
                break
            text = self._said(among)
        self.said.add(text)
        while len(text) < shortest and len(text) < 20_000:
            text = f"{text} {self._said(pool('voice', 'any', 'sentence'))}"
        return text

    def prose(self, question: str) -> str:
        """A plain answer to a plain question."""
        answer = Talk(self.rng, self.situation).answer(question) if question.strip() else ""
        scene = Scene(self.rng, self.situation)
        scene.values["heard_answer"] = answer
        return pool("voice", "any", "prose").say(self.rng, scene) or answer

    def _said(self, among: Pool) -> str:
        scene = Scene(self.rng, self.situation)
        for name in ("news", "matter", "memory"):
            scene(name)
        return among.say(self.rng, scene) or pool("voice", "any", "phrase").say(self.rng, scene) or "Nothing to add."

    def _pool(self, name: str, description: str, longest: int | None) -> Pool:
        for words in (_words_of(name)[::-1], _words_of(description)):
            for word in words:
                for signs, frames in _fields():
                    if word in signs or word.removesuffix("s") in signs:
                        return frames
        return pool("voice", "any", "phrase" if longest is not None and longest < _ROOM else "sentence")
