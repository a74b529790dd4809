"""Spoken lines: an answer to what was just said, or a first word."""

import random
import re
from collections.abc import Callable, Sequence
from functools import cache

from .lexicon import data, pool
from .scene import Scene
from .situation import Neighbour, Situation
from .subjects import sentences

__all__ = ["Talk", "act_of"]

_LONGEST = 34
_TAIL = 0.72
_TRIES = 4


@cache
def _acts() -> tuple[tuple[str, re.Pattern[str]], ...]:
    acts = []
    for line in data("talk")["acts"]["order"].strip().splitlines():
        act, _, signs = line.partition("=")
        marks = [s.strip() for s in signs.split("|") if s.strip()]
        acts.append((act.strip(), re.compile("|".join(map(_sign, marks)))))
    return tuple(acts)


def _sign(mark: str) -> str:
    return rf"(?<!\w){re.escape(mark)}\b" if mark[-1].isalnum() else re.escape(mark)


def act_of(line: str) -> tuple[str, str]:
    """What a line does ("request", "news", "how", ...), and the sentence that does it.

    That is its last question, or else its last sentence.
    """
    said = sentences(line)
    questions = [s for s in said if s.rstrip("”\"'").endswith("?")]
    focus = questions[-1] if questions else (said[-1] if said else line)
    lowered = focus.lower()
    for act, sign in _acts():
        if (act in _ASKING and not questions) or (act == "greeting" and questions):
            continue
        if sign.search(lowered):
            return act, focus
    return "tell", focus


#: Only a question asks; "when" and "how" stand in other sentences too.
_ASKING = frozenset({"when", "where", "who", "why", "how", "what", "have", "yes", "needs", "origin", "cares"})


class Talk:
    """What one person says in one situation."""

    def __init__(self, rng: random.Random, situation: Situation) -> None:
        self.rng = rng
        self.situation = situation

    def line(self, keys: Sequence[str]) -> tuple[str, str]:
        """The key spoken to, one of `keys`, and the line."""
        spoken = [(key, text) for key, text in self.situation.heard if key in keys]
        if spoken:
            key, heard = spoken[-1]
            return key, self._new(lambda: self.answer(heard, self.situation.neighbour(key)))
        present = [k for k in keys if self.situation.neighbour(k)] or list(keys)
        key = self.rng.choice(present)
        return key, self._new(lambda: self.opening(self.situation.neighbour(key)))

    def answer(self, heard: str, listener: Neighbour | None = None) -> str:
        """A line that answers `heard`."""
        act, focus = act_of(heard)
        scene = Scene(self.rng, self.situation, listener, focus, heard)
        otherwise = "plain_question" if focus.rstrip().endswith("?") else "plain_tell"
        text = (
            pool("talk", "answers", act).say(self.rng, scene)
            or pool("talk", "answers", otherwise).say(self.rng, scene)
            or ""
        )
        return self._with_tail(text, scene)

    def opening(self, listener: Neighbour | None) -> str:
        """A first word to somebody."""
        scene = Scene(self.rng, self.situation, listener)
        for name in self._subjects(listener):
            text = pool("openings", "openings", name).say(self.rng, scene)
            if text:
                return text if len(text.split()) > 12 else self._with_tail(text, scene)
        return pool("voice", "any", "sentence").say(self.rng, scene) or ""

    def _subjects(self, listener: Neighbour | None) -> list[str]:
        if listener is None:
            return ["player"]
        kind = "trade_tie" if listener.kind == "trade" else listener.kind
        known = kind if kind in data("openings")["openings"] else "other"
        weights = {
            known: 3.0,
            "trade": 3.0,
            "news": 3.0 if self.situation.news else 0.0,
            "memory": 1.0 if self.situation.memory else 0.0,
        }
        first = self.rng.choices(list(weights), list(weights.values()))[0]
        return [first, known, "trade"]

    def _with_tail(self, text: str, scene: Scene) -> str:
        if self.rng.random() > _TAIL:
            return text
        about = "news" if self.situation.news and scene("news") and self.rng.random() < 0.3 else "any"
        tail = pool("talk", "tails", about).say(self.rng, scene)
        longer = f"{text} {tail}"
        doubled = text.endswith("?") and tail is not None and tail.endswith("?")
        return text if tail is None or doubled or len(longer.split()) > _LONGEST else longer

    def _new(self, say: Callable[[], str]) -> str:
        # Not what was said before, as far as it is remembered.
        text = say()
        for _ in range(_TRIES):
            if not any(text in note for note in self.situation.memory):
                break
            text = say()
        return text
