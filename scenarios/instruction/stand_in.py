"""What the stand-in asks an assistant for and responds: requests of a few kinds, about things of a person's life."""

import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tomllib import loads
from typing import Any

from populace.agents.procedural.lexicon import Frame, Slots, capital, polished
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.subjects import Subjects

_SLOT = re.compile(r"\\\{(\w+)\\\}")
_TRIES = 8
#: A response to a request that the stand-in did not write.
_OTHERWISE = (
    "I can help with that. Before I begin, tell me two things: what you have tried so far, and when it has to be "
    "done. "
    "With that I can be specific instead of general.",
    "Let me take it in order. First comes what is certain, then what it depends on, then what I would do myself. If "
    " one of these is of no use to you, say so and I will leave it out.",
    "Here is the short version: begin with the smallest part that can be finished today, and look at the rest "
    "afterwards. I can go into any part of it in more detail.",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are answered alike."""

    name: str
    who: str
    asks: tuple[Frame, ...]
    #: The asks as patterns with a group for each slot.
    patterns: tuple[re.Pattern[str], ...]
    answers: tuple[Frame, ...]


@cache
def _data() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = loads(Path(__file__).with_name("requests.toml").read_text("utf-8"))
    return loaded


@cache
def _kinds() -> tuple[Kind, ...]:
    return tuple(
        Kind(
            name,
            entry["who"],
            tuple(map(Frame, _lines(entry["asks"]))),
            tuple(map(_pattern, _lines(entry["asks"]))),
            tuple(map(Frame, _lines(entry["answers"]))),
        )
        for name, entry in _data().items()
        if name != "tails"
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pattern(ask: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f'(?P<{name}>[^\\n.?!"]+)'

    return re.compile(_SLOT.sub(group, re.escape(ask.rstrip("."))), re.IGNORECASE)


def write_request(
    rng: random.Random, persona: str, *, length: str = "mixed", kinds: Collection[str] | None = None
) -> str:
    """A request that somebody like this could send, of one of these `kinds`; `length` is short, long or mixed."""
    subjects = Subjects(rng, persona)
    who = ("child",) if subjects.me.stage == "child" else ("grown", "working") if subjects.me.is_working else ("grown",)
    known = [kind for kind in _kinds() if kind.who in ("anybody", *who) and (kinds is None or kind.name in kinds)]
    # What anybody could ask comes up half as often.
    chosen = [kind for kind in known if kind.who in who] if rng.random() < 0.5 else known
    text = None
    for _ in range(_TRIES):
        text = rng.choice(rng.choice(chosen).asks).fill(subjects)
        if text is not None:
            break
        subjects.forget()
    text = text or "can you help me with something"
    is_long = length == "long" or (length == "mixed" and rng.random() < 0.2)
    tails = _data()["tails"]
    if is_long:
        lead, *ends = rng.choice(_lines(tails["leads"])), *rng.sample(_lines(tails["ends"]), rng.randint(1, 3))
        return " ".join((lead, _sentence(capital(text)), *ends))
    if rng.random() < 0.6:
        text = f"{_sentence(text)} {rng.choice(_lines(tails['short']))}"
    return _typed(rng, text)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", '"')) else f"{text}."


def _typed(rng: random.Random, text: str) -> str:
    """The text as it is typed: with capitals or without, with apostrophes or without."""
    if rng.random() < 0.35:
        return polished(text)
    return text.replace("'", "") if text.islower() and rng.random() < 0.5 else text


def instruction(
    rng: random.Random, situation: Situation, schema: Mapping[str, Any], *, length: str = "mixed"
) -> Mapping[str, Any]:
    """The field of a request. It is in English, whatever language is asked for."""
    return {"text": write_request(rng, situation.persona, length=length)}


def respond(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A response to what stands in the section `request`."""
    return {"text": response_to(rng, situation.sections.get("request", ""), situation.persona)}


def response_to(rng: random.Random, request: str, persona: str = "") -> str:
    """A response to a request: by its kind where the stand-in wrote it, else one that fits any."""
    for kind in _kinds():
        for pattern in kind.patterns:
            if found := pattern.search(request):
                answer = rng.choice(kind.answers).fill(_known_or_drawn(found.groupdict(), Subjects(rng, persona)))
                if answer is not None:
                    return polished(answer)
    return rng.choice(_OTHERWISE)


def _known_or_drawn(known: Mapping[str, str], drawn: Subjects) -> Slots:
    return lambda slot: known.get(slot) or drawn(slot)
