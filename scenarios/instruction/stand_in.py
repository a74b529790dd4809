"""What the stand-in asks an assistant for and responds: requests of a few kinds, about things of a person's life."""

import random
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tomllib import loads
from typing import Any

from populace.agents.procedural.lexicon import Frame, polished
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.subjects import Subjects

from .details import Details, choices

_SLOT = re.compile(r"\\\{(\w+)\\\}")
_ANYTHING = r'[^\n.?!"]+'
#: Characters of its own from which an ask is recognised by them alone.
_RECOGNISED = 25
_TRIES = 20
_BEGINNING = re.compile(r"(?:^|[.?!] )\Z")
#: Whose kinds of requests somebody sends: those of their own alone, and all of them.
_CHILD = frozenset({"child"}), frozenset({"child", "anybody"})
_WORKING = frozenset({"working"}), frozenset({"working", "grown", "anybody"})
_GROWN = frozenset({"grown"}), frozenset({"grown", "anybody"})
#: The share of requests of people's own kinds, of long ones, and of those with a detail or an afterthought.
_OWN_SHARE, _LONG_SHARE, _DETAIL_SHARE, _TAIL_SHARE = 0.15, 0.2, 0.6, 0.5
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
class Ask:
    """One way to ask for something, and how it is recognised in a text."""

    frame: Frame
    #: The longest words between slots, in small letters and without apostrophes: a text without them is none of these.
    sign: str
    #: How many characters stand between its slots.
    size: int
    #: A pattern with a group for each slot.
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are answered alike."""

    name: str
    who: str
    asks: tuple[Ask, ...]
    #: Sentences that may follow any of the asks.
    details: tuple[Frame, ...]
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
            tuple(map(_ask, _lines(entry["asks"]))),
            tuple(map(Frame, _lines(entry["details"]))),
            tuple(map(Frame, _lines(entry["answers"]))),
        )
        for name, entry in _data().items()
        if name != "tails"
    )


@cache
def _tails(name: str) -> tuple[Frame, ...]:
    return tuple(map(Frame, _lines(_data()["tails"][name])))


@cache
def _asked_by(who: frozenset[str], kinds: frozenset[str] | None) -> tuple[tuple[Kind, Ask], ...]:
    found = (kind for kind in _kinds() if kind.who in who and (kinds is None or kind.name in kinds))
    return tuple((kind, ask) for kind in found for ask in kind.asks)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _ask(text: str) -> Ask:
    frame = Frame(text)
    told = [_plain(part) for part in frame.parts[::2]]
    size = sum(map(len, told))
    return Ask(frame, max(told, key=len).rstrip("."), size, _pattern(text, is_plain=size >= _RECOGNISED))


def _plain(text: str) -> str:
    return text.lower().replace("'", "")


def _pattern(ask: str, *, is_plain: bool) -> re.Pattern[str]:
    """The ask with a group for each slot; in one of few words of its own, groups hold what their slots may hold."""
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found[1].lower()
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        told = () if is_plain else choices(name)
        return f"(?P<{name}>{'|'.join(map(re.escape, told)) or _ANYTHING})"

    pattern = _SLOT.sub(group, re.escape(ask.rstrip(".")))
    return re.compile(pattern.replace("'", "'?"), re.IGNORECASE)


@cache
def _by_size() -> tuple[tuple[Ask, Kind], ...]:
    """All asks and their kinds, those of most words first."""
    return tuple(sorted(((ask, kind) for kind in _kinds() for ask in kind.asks), key=lambda pair: -pair[0].size))


def write_request(
    rng: random.Random, persona: str, *, length: str = "mixed", kinds: Collection[str] | None = None
) -> str:
    """A request that somebody like this could send, of one of these `kinds`; `length` is short, long or mixed."""
    subjects = Subjects(rng, persona)
    details = Details(subjects)
    wanted = None if kinds is None else frozenset(kinds)
    is_child = subjects.me.stage == "child"
    own, everything = _CHILD if is_child else _WORKING if subjects.me.is_working else _GROWN
    among = _asked_by(own if rng.random() < _OWN_SHARE else everything, wanted) or _asked_by(everything, wanted)
    kind, text = among[0][0], None
    for _ in range(_TRIES):
        kind, ask = rng.choice(among)
        text = ask.frame.fill(details)
        if text is not None:
            break
        details.forget()
    if text is None:
        return "can you help me with something"
    if length == "long" or (length == "mixed" and rng.random() < _LONG_SHARE):
        child = "child_" if is_child else ""
        lead, ends = rng.choice(_tails(f"{child}leads")), rng.sample(_tails(f"{child}ends"), rng.randint(2, 3))
        told = (*rng.sample(kind.details, rng.randint(1, 2)), *ends)
        return polished(" ".join((*_filled((lead,), details), *map(_sentence, (text, *_filled(told, details))))))
    after = [rng.choice(kind.details)] if rng.random() < _DETAIL_SHARE else []
    if rng.random() < _TAIL_SHARE:
        after.append(rng.choice(_tails("child" if is_child else "short")))
    *before, last = (text, *_filled(after, details))
    return _typed(rng, " ".join((*map(_sentence, before), last)))


def _filled(frames: Iterable[Frame], details: Details) -> list[str]:
    """The sentences of which every slot has a value."""
    return [text for frame in frames if (text := frame.fill(details)) is not None]


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
    plain = _plain(request)
    for ask, kind in _by_size():
        if ask.sign in plain and (found := ask.pattern.search(request)):
            answer = rng.choice(kind.answers).fill(Details(Subjects(rng, persona), _told(found)))
            if answer is not None:
                return polished(answer)
    return rng.choice(_OTHERWISE)


def _told(found: re.Match[str]) -> dict[str, str]:
    """What the slots of a request hold, without the capital letter that begins a sentence."""
    begins = (slot for slot in found.groupdict() if _BEGINNING.search(found.string, 0, found.start(slot)))
    return found.groupdict() | {slot: found[slot][:1].lower() + found[slot][1:] for slot in begins}
