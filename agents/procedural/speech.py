"""What people say in a turn: a line to somebody, a request to an assistant, the tool they would like to have."""

import random
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from .lexicon import (
    article,
    capitalise_sentences,
    data,
    fill_frame,
    read_entries,
    read_lexicon,
    say,
    snake_case,
    split,
    third_person,
)
from .situation import Situation, Subjects, allowed_values

_LONGEST = 40
_LONGEST_NEWS = 24
_LONGEST_NAME = 63
_LONGEST_ROLE = 28
_TAIL = 0.6
#: The share of requests in which something is to be written.
_WRITTEN = 0.4
#: The share of turns after which a goal stays the same.
_KEPT_GOALS = 0.75
#: How often what was said before is tried again in other words.
_TRIES = 6
_THANKS = "thanks"
#: What news of somebody's deed has before the deed.
_SEEN = 'did this: "'
_SENTENCE_END = re.compile(r"(?<=[.?!…])\s+")


class Speaker(Subjects):
    """The slots of what one person says: what the description says comes first."""

    def __init__(self, rng: random.Random, situation: Situation) -> None:
        super().__init__(rng, situation.persona or situation.passage)
        self.situation = situation
        self._said: set[str] = set()

    @property
    def is_child(self) -> bool:
        """True if what only grown people say is not for this speaker."""
        return self.me.stage == "child"

    @property
    def has_said_own(self) -> bool:
        """True if a slot was drawn since `forget_slots`, so that others would not say the same."""
        return any(self.values.values())

    def say(self, *path: str) -> str | None:
        """Return one of the frames at `path` of the speech file in this person's words, None if none can be filled."""
        return say(self.rng, read_entries("speech", *path), self)

    def new(self, *path: str) -> str:
        """Return one of the frames at `path`, in words that the persona does not remember having used."""
        text = self.say_unsaid(lambda said: self.say(*path) or said)
        self._said.add(text)
        return text

    def say_unsaid(self, speak: Callable[[str], str]) -> str:
        """Call `speak` on its previous result, with new slots, until the persona has not said the text yet."""
        text = ""
        for _ in range(_TRIES):
            self.forget_slots()
            text = speak(text)
            if text not in self._said and not self.has_said(text):
                break
        return text

    def has_said(self, text: str) -> bool:
        """Return whether the persona said this before, as far as it is remembered."""
        return any(text in note for note in self.situation.memory)

    def text(self, shortest: int, longest: int | None) -> str:
        """Return what the persona writes into an unknown form: a few words, or whole sentences."""
        if longest is not None and longest < 40:
            return self.rng.choice(self.me.role.things)
        text = self.new("form", "any")
        while len(text) < shortest and len(text) < 20_000:
            text = f"{text} {self.new('own', 'any')}"
        return text

    def say_plainly(self) -> str:
        """Return a plain answer to a plain question."""
        return " ".join(dict.fromkeys(self.new("own", "any") for _ in range(4)))

    def draw(self, name: str) -> str | None:
        """Draw a value of a slot, whatever it was before."""
        if name == "role":
            return snake_case(self.me.noun if len(self.me.noun) <= _LONGEST_ROLE else self.me.role.name)
        return article(self.me.noun) if name == "a_noun" else super().draw(name)

    def among(self, name: str) -> tuple[str, ...]:
        """Return everything that a slot may hold."""
        me = self.me
        match name:
            case "do":
                return tuple(deed.replace("~", "").replace("{their}", "my") for deed in me.does)
            case "does":
                return tuple(third_person(deed).replace("{their}", "their") for deed in me.does)
            case "worry":
                return me.worries
            case "knows":
                return me.knows
            case "how":
                return tuple(known for known in (*me.knows, *me.role.knows) if known.startswith("how to "))
            case "news":
                events = [item for item in self.situation.news if _SEEN not in item]
                told = [sentence for item in events[-2:] for sentence in _split_sentences(item)]
                return tuple(
                    one for one in told if not one.endswith(("?", "…")) and 2 < len(one.split()) <= _LONGEST_NEWS
                )
        return super().among(name)


def _split_sentences(text: str) -> list[str]:
    return [s for s in _SENTENCE_END.split(text.strip()) if s]


@cache
def _sign_patterns() -> Mapping[str, re.Pattern[str]]:
    return {
        about: re.compile(rf"\b(?:{'|'.join(map(re.escape, split(entry['signs'])))})\b")
        for about, entry in data("speech")["exchange"].items()
    }


def exchange_of(line: str) -> str | None:
    """Return what a line asks about ("worry", "day", ...), looking at its last question first.

    Return None if it asks nothing known.
    """
    said = _split_sentences(line)
    questions = [s for s in said if s.rstrip("”\"'").endswith("?")]
    focus = (questions or said or [line])[-1].lower()
    # A statement asks for nothing, whatever words are in it; thanks are answered all the same.
    known = [(about, signs) for about, signs in _sign_patterns().items() if questions or about == _THANKS]
    return next((about for part in (focus, line.lower()) for about, signs in known if signs.search(part)), None)


def write_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer the last one who spoke, or address somebody who is there."""
    speaker = Speaker(rng, situation)
    keys = allowed_values(schema, "to") or [
        *(n.key for n in situation.neighbours),
        *(key for key, _ in situation.heard),
    ]
    spoken = [(key, text) for key, text in situation.heard if key in keys]
    if spoken:
        key, heard = spoken[-1]
        return {"to": key, "text": speaker.say_unsaid(lambda _: _answer_heard(speaker, heard))}
    if not keys:
        return {"text": speaker.new("own", "any")}
    key = rng.choice([n.key for n in situation.neighbours if n.key in keys] or keys)
    kind = next((n.kind for n in situation.neighbours if n.key == key), "")
    return {"to": key, "text": speaker.say_unsaid(lambda _: _say_opening(speaker, kind))}


def _answer_heard(speaker: Speaker, heard: str) -> str:
    about = exchange_of(heard)
    if about is None:
        asked = any(sentence.endswith("?") for sentence in _split_sentences(heard)[-1:])
        text = speaker.say("otherwise", "question" if asked else "statement")
    else:
        text = (
            (speaker.say("exchange", about, "child") if speaker.is_child else None)
            or speaker.say("exchange", about, "answer")
            or speaker.say("exchange", about, "none")
        )
    text = text or speaker.say("otherwise", "question") or ""
    if speaker.has_said_own and speaker.rng.random() > _TAIL:
        return text
    # What anybody could say is followed by something that is this person's own.
    own = not speaker.has_said_own or speaker.rng.random() < 0.5
    tail = _say_own(speaker, text) if own else _ask_question(speaker, "", about)
    longer = f"{text} {tail}"
    return longer if tail and len(longer.split()) <= _LONGEST else text


def _say_opening(speaker: Speaker, kind: str) -> str:
    news = speaker("news") if speaker.rng.random() < 0.4 else None
    if news:
        return f"{_say_own(speaker, '')} And now this: {news} {speaker.say('exchange', 'news', 'ask')}"
    return f"{_say_own(speaker, '')} {_ask_question(speaker, kind, None)}"


def _say_own(speaker: Speaker, said: str) -> str:
    """Return a sentence about the speaker that does not repeat what they just said."""
    for _ in range(_TRIES):
        text = speaker.say("own", "any") or ""
        slots = [speaker(name) for name in ("do", "worry", "knows")]
        if not any(slot and slot in text and slot.lower() in said.lower() for slot in slots):
            return text
    return ""


def _ask_question(speaker: Speaker, kind: str, answered: str | None) -> str:
    known = data("speech")["exchange"].items()
    is_close = kind in ("kinship", "friendship", "neighbourhood")
    asked = [
        about
        for about, entry in known
        if "ask" in entry and "needs" not in entry and about != answered and (is_close or not entry.get("close"))
    ]
    return speaker.say("exchange", speaker.rng.choice(asked), "ask") or ""


def instruction(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write a request to an assistant, short and vague, as people write them."""
    speaker = Speaker(rng, situation)
    about = "news" if situation.news and speaker("news") and rng.random() < 0.4 else "any"
    if about == "any" and not speaker.is_child and rng.random() < 0.5:
        about = "working" if speaker.me.is_working and rng.random() < 0.5 else "grown"
    form = "written" if rng.random() < _WRITTEN else "asked"
    text = speaker.new("requests", about, form)
    tail = rng.choice(read_entries("speech", "requests", "tails", form)) if rng.random() < _TAIL else ""
    return {"text": f"{text} {tail}".strip()}


def deed(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say what the persona does where others can see it."""
    return {"text": Speaker(rng, situation).new("deed", "any")}


def write_intention(rng: random.Random, situation: Situation) -> str:
    """Write what the persona means to do next, or nothing as long as its goal stays the same."""
    if situation.sections.get("goal") and rng.random() < _KEPT_GOALS:
        return ""
    return Speaker(rng, situation).new("plan", "any")


def plan(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write one or two things that the persona means to do."""
    speaker = Speaker(rng, situation)
    things = dict.fromkeys(speaker.new("plan", "any") for _ in range(rng.randint(1, 2)))
    return {"text": " ".join(things)}


def write_reflection(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the persona concludes from notes, which is what it thinks of anyway."""
    speaker = Speaker(rng, situation)
    texts = dict.fromkeys(speaker.new("insight", "any") for _ in range(rng.randint(1, 3)))
    return {"insights": [{"text": text, "importance": rng.randint(3, 8)} for text in texts]}


def tool(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make up a tool that the persona would like to have: its purpose, signature and what the names mean."""
    speaker = Speaker(rng, situation)
    me = speaker.me
    trades = me.is_working and read_lexicon().fields[me.role.field].trading
    serves = {"any": True, "working": me.is_working, "trading": trades}
    # A purpose may need what the person does not have, as a worry.
    fitting = [one for one in data("speech")["tool"] if serves[one["who"]] and fill_frame(one["purpose"], speaker)]
    name, chosen = "", fitting[0]
    for _ in range(_TRIES):
        chosen = rng.choice(fitting)
        name = (fill_frame(rng.choice(split(chosen["names"])), speaker) or "tool")[:_LONGEST_NAME].rstrip("_")
        if not speaker.has_said(name):
            break
    return {
        "purpose": capitalise_sentences(fill_frame(chosen["purpose"], speaker) or ""),
        "signature": name + chosen["signature"],
        "meanings": chosen["meanings"],
        "depend": chosen["depend"],
    }
