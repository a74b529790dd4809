"""What the built-in generator asks an assistant for and responds, about things of a person's life."""

import random
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from populace.agents.procedural.lexicon import Frame, Frames, SlotValues, frames, polished, read_toml
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.subjects import Subjects

_RANGE = re.compile(r"(\d+)\.\.(\d+)(?: by (\d+))?")
_BEGINNING = re.compile(r"(?:^|[.?!] )\Z")
_TRIES = 20
#: The share of requests of people's own kinds, of long ones, and of those with a detail or an afterthought.
_OWN_SHARE, _LONG_SHARE, _DETAIL_SHARE, _TAIL_SHARE = 0.15, 0.2, 0.6, 0.5


@dataclass(frozen=True, slots=True)
class Ask:
    """One way to ask for something, and how it is recognised in a text."""

    kind: str
    who: str
    frame: Frame
    #: The longest words between slots, in small letters and without apostrophes: a text without them is none of these.
    sign: str
    #: A pattern with a group for each slot.
    pattern: re.Pattern[str]


def _read(name: str) -> Mapping[str, Any]:
    return read_toml(Path(__file__).with_name(f"{name}.toml"))


def _frames(of: str, name: str) -> Frames:
    return frames(_read("requests")[of][name])


@cache
def _asks() -> tuple[Ask, ...]:
    """All asks, those of most words first."""
    kinds = {name: entry for name, entry in _read("requests").items() if "asks" in entry}
    asks = [_ask(name, entry["who"], frame) for name, entry in kinds.items() for frame in _frames(name, "asks")]
    return tuple(sorted(asks, key=lambda ask: -len("".join(ask.frame.parts[::2]))))


def _ask(kind: str, who: str, frame: Frame) -> Ask:
    pattern, seen = "", set()
    for place, part in enumerate(frame.parts):
        name = part.lower()
        if place % 2 == 0:
            pattern += re.escape(part).replace("'", "'?")
        else:
            pattern += f"(?P={name})" if name in seen else rf'(?P<{name}>[^\n.?!"]+)'
            seen.add(name)
    sign = max(map(_plain, frame.parts[::2]), key=len)
    return Ask(kind, who, frame, sign.rstrip("."), re.compile(pattern.removesuffix(r"\."), re.IGNORECASE))


@cache
def _asked_by(who: tuple[str, ...], kinds: frozenset[str] | None) -> tuple[Ask, ...]:
    return tuple(ask for ask in _asks() if ask.who in who and (kinds is None or ask.kind in kinds))


def _plain(text: str) -> str:
    return text.lower().replace("'", "")


class Details(SlotValues):
    """The slots of requests and answers; a digit behind a name asks for a further value of the same."""

    def __init__(self, subjects: Subjects, known: Mapping[str, str] | None = None) -> None:
        """What is `known` is not drawn."""
        super().__init__(self._further)
        self._subjects = subjects
        self.values.update(known or {})

    def _further(self, slot: str) -> str | None:
        for _ in range(_TRIES):
            value = self._one(slot.rstrip("0123456789"))
            if value not in self.values.values():
                return value
        return None

    def _one(self, name: str) -> str | None:
        own = f"child_{name}" if self._subjects.me.stage == "child" else name
        pools = _read("details")
        pool = frames(pools.get(own) or pools.get(name, ""))
        value = self._subjects.rng.choice(pool).fill(self) if pool else self._subjects.draw(name)
        if bounds := _RANGE.fullmatch(value or ""):
            low, high, step = (int(number or 1) for number in bounds.groups())
            return str(self._subjects.rng.randrange(low, high + 1, step))
        return value


def write_request(
    rng: random.Random, persona: str, *, length: str = "mixed", kinds: Collection[str] | None = None
) -> str:
    """Return a request that somebody like this could send; `length` is short, long or mixed."""
    subjects = Subjects(rng, persona)
    details = Details(subjects)
    wanted = None if kinds is None else frozenset(kinds)
    is_child = subjects.me.stage == "child"
    own = "child" if is_child else "working" if subjects.me.is_working else "grown"
    everything = ("child", "anybody") if is_child else (own, "grown", "anybody")
    among = _asked_by((own,) if rng.random() < _OWN_SHARE else everything, wanted) or _asked_by(everything, wanted)
    ask, text = among[0], None
    for _ in range(_TRIES):
        ask = rng.choice(among)
        text = ask.frame.fill(details)
        if text is not None:
            break
        details.forget()
    if text is None:
        return "can you help me with something"
    further = _frames(ask.kind, "details")
    if length == "long" or (length == "mixed" and rng.random() < _LONG_SHARE):
        child = "child_" if is_child else ""
        lead = rng.choice(_frames("tails", f"{child}leads"))
        ends = rng.sample(_frames("tails", f"{child}ends"), rng.randint(2, 3))
        told = (*rng.sample(further, rng.randint(1, 2)), *ends)
        return polished(" ".join((*_filled((lead,), details), *map(_sentence, (text, *_filled(told, details))))))
    after = [rng.choice(further)] if rng.random() < _DETAIL_SHARE else []
    if rng.random() < _TAIL_SHARE:
        after.append(rng.choice(_frames("tails", "child" if is_child else "short")))
    *before, last = (text, *_filled(after, details))
    return _typed(rng, " ".join((*map(_sentence, before), last)))


def _filled(told: Iterable[Frame], details: Details) -> list[str]:
    """The sentences of which every slot has a value."""
    return [text for frame in told if (text := frame.fill(details)) is not None]


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
    """Return the field of a request. It is in English, whatever language is asked for."""
    return {"text": write_request(rng, situation.persona, length=length)}


def respond(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a response to what stands in the section `request`."""
    return {"text": response_to(rng, situation.sections.get("request", ""), situation.persona)}


def response_to(rng: random.Random, request: str, persona: str = "") -> str:
    """Return a response to a request: by its kind where the built-in generator wrote it, else one that fits any."""
    plain = _plain(request)
    for ask in _asks():
        if ask.sign in plain and (found := ask.pattern.search(request)):
            answer = rng.choice(_frames(ask.kind, "answers")).fill(Details(Subjects(rng, persona), _told(found)))
            if answer is not None:
                return polished(answer)
    return polished("".join(rng.choice(_frames("any", "answers")).parts))


def _told(found: re.Match[str]) -> dict[str, str]:
    """What the slots of a request hold, without the capital letter that begins a sentence."""
    begins = (slot for slot in found.groupdict() if _BEGINNING.search(found.string, 0, found.start(slot)))
    return found.groupdict() | {slot: found[slot][:1].lower() + found[slot][1:] for slot in begins}
