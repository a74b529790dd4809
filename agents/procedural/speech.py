"""What people say in a turn: a line to somebody, a request to an assistant, the tool they would like to have."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .lexicon import Frame, Pool, article, capital, data, lexicon, polished, pool, snake, split
from .situation import Portrait, Situation, allowed, portrait_of

_TIME = re.compile(r"^\([^()]*\) ")
_LONGEST = 40
_LONGEST_NEWS = 24
_LONGEST_NAME = 63
_LONGEST_ROLE = 28
_TAIL = 0.6
#: The share of requests in which something is to be written.
_WRITTEN = 0.4
#: How often what was said before is tried again in other words.
_TRIES = 6
_THANKS = "thanks"
_SENTENCE_END = re.compile(r"(?<=[.?!…])\s+")


class Speaker:
    """The slots of what one person says: each drawn once, until `forget` is called."""

    def __init__(self, rng: random.Random, situation: Situation) -> None:
        self.rng = rng
        self.situation = situation
        self.me: Portrait = portrait_of(situation.persona or situation.passage or "A person.")
        self._drawn: dict[str, str | None] = {}
        self._said: set[str] = set()

    @property
    def is_child(self) -> bool:
        """Whether what only grown people say is not for this speaker."""
        return self.me.stage == "child"

    @property
    def has_said_own(self) -> bool:
        """Whether a slot was drawn since `forget`, so that others would not say the same."""
        return any(self._drawn.values())

    def forget(self) -> None:
        """Have every slot drawn again when it is next used."""
        self._drawn.clear()

    def __call__(self, name: str) -> str | None:
        """The value of a slot; None where the person has none."""
        if name not in self._drawn:
            self._drawn[name] = self._draw(name)
        return self._drawn[name]

    def say(self, frames: Pool) -> str | None:
        """One of the frames in this person's words."""
        return frames.say(self.rng, self)

    def new(self, frames: Pool) -> str:
        """One of the frames, in words that the person does not remember having used."""
        text = ""
        for _ in range(_TRIES):
            self.forget()
            text = self.say(frames) or text
            if text not in self._said and not self.remembers(text):
                break
        self._said.add(text)
        return text

    def remembers(self, text: str) -> bool:
        """Whether the person said this before, as far as it is remembered."""
        return any(text in note for note in self.situation.memory)

    def text(self, shortest: int, longest: int | None) -> str:
        """What the person writes into a form that nothing is known of: a few words, or sentences of their own."""
        if longest is not None and longest < 40:
            return self.rng.choice(self.me.role.things)
        text = self.new(pool("speech", "form", "any"))
        while len(text) < shortest and len(text) < 20_000:
            text = f"{text} {self.new(pool('speech', 'own', 'any'))}"
        return text

    def prose(self) -> str:
        """A plain answer to a plain question."""
        own = pool("speech", "own", "any")
        said = dict.fromkeys(self.new(own) for _ in range(4))
        return " ".join(said)

    def _draw(self, name: str) -> str | None:
        me, rng = self.me, self.rng
        match name:
            case "do":
                return _first_person(rng.choice(me.does))
            case "worry" | "knows":
                among = me.worries if name == "worry" else me.knows
                return rng.choice(among) if among else None
            case "how":
                known = [k for k in (*me.knows, *me.role.knows) if k.startswith("how to ")]
                return rng.choice(known) if known else None
            case "topic":
                return rng.choice(lexicon().fields[me.role.field].topics)
            case "a_noun":
                return article(me.noun)
            case "role":
                return snake(me.noun if len(me.noun) <= _LONGEST_ROLE else me.role.name)
            case "news":
                return self._news()
        return None

    def _news(self) -> str | None:
        told = [s for item in self.situation.news[-2:] for s in _sentences(item) if not s.endswith(("?", "…"))]
        short = [s for s in told if 2 < len(s.split()) <= _LONGEST_NEWS]
        return self.rng.choice(short) if short else None


def _first_person(phrase: str) -> str:
    return phrase.replace("~", "").replace("{their}", "my")


def _sentences(text: str) -> list[str]:
    return [s for s in _SENTENCE_END.split(text.strip()) if s]


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A question that people ask one another, and what they answer."""

    about: str
    signs: re.Pattern[str]
    asks: Pool | None
    answers: Pool
    #: What a child answers; the others' answers where a child would say the same.
    child: Pool | None
    #: What is answered where none of the answers can be given.
    none: Pool | None
    #: Whether it is asked only of people who are close.
    is_close: bool
    #: A slot without which it is not asked.
    needs: str


@cache
def _exchanges() -> Mapping[str, _Exchange]:
    return {entry["about"]: _exchange(entry) for entry in data("speech")["exchange"]}


def _exchange(entry: Mapping[str, Any]) -> _Exchange:
    signs = "|".join(map(re.escape, split(entry["signs"])))
    asks, child, none = entry.get("ask"), entry.get("child"), entry.get("none")
    return _Exchange(
        about=entry["about"],
        signs=re.compile(rf"\b(?:{signs})\b"),
        asks=Pool(split(asks)) if asks else None,
        answers=Pool(split(entry["answer"])),
        child=Pool(split(child)) if child else None,
        none=Pool(split(none)) if none else None,
        is_close=entry.get("close", False),
        needs=entry.get("needs", ""),
    )


def exchange_of(line: str) -> str | None:
    """What a line asks about ("worry", "day", ...), by its last question first; None where it asks nothing known."""
    said = _sentences(line)
    questions = [s for s in said if s.rstrip("”\"'").endswith("?")]
    focus = (questions or said or [line])[-1].lower()
    # A statement asks for nothing, whatever words are in it; thanks are answered all the same.
    known = [e for e in _exchanges().values() if questions or e.about == _THANKS]
    return next((e.about for part in (focus, line.lower()) for e in known if e.signs.search(part)), None)


def dialogue(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer to the last who spoke, or a first word to somebody who is there."""
    speaker = Speaker(rng, situation)
    keys = allowed(schema, "to") or [n.key for n in situation.neighbours]
    spoken = [(key, text) for key, text in situation.heard if key in keys]
    if spoken:
        key, heard = spoken[-1]
        return {"to": key, "text": _new_line(speaker, lambda: _answer(speaker, heard))}
    if not keys:
        return {"text": speaker.new(pool("speech", "own", "any"))}
    key = rng.choice([n.key for n in situation.neighbours if n.key in keys] or keys)
    kind = next((n.kind for n in situation.neighbours if n.key == key), "")
    return {"to": key, "text": _new_line(speaker, lambda: _opening(speaker, kind))}


def _new_line(speaker: Speaker, say: Callable[[], str]) -> str:
    text = ""
    for _ in range(_TRIES):
        speaker.forget()
        text = say()
        if not speaker.remembers(text):
            break
    return text


def _answer(speaker: Speaker, heard: str) -> str:
    about = exchange_of(heard)
    otherwise = pool("speech", "otherwise", "question")
    if about is None:
        asked = any(s.endswith("?") for s in _sentences(heard)[-1:])
        answers = pool("speech", "otherwise", "question" if asked else "statement")
    else:
        exchange = _exchanges()[about]
        answers = exchange.child if speaker.is_child and exchange.child else exchange.answers
        otherwise = exchange.none or otherwise
    text = speaker.say(answers) or speaker.say(otherwise) or ""
    if speaker.has_said_own and speaker.rng.random() > _TAIL:
        return text
    # What anybody could say is followed by something that is this person's own.
    own = not speaker.has_said_own or speaker.rng.random() < 0.5
    tail = _own(speaker, text) if own else _question(speaker, "", about)
    longer = f"{text} {tail}"
    return longer if tail and len(longer.split()) <= _LONGEST else text


def _opening(speaker: Speaker, kind: str) -> str:
    news = speaker("news") if speaker.rng.random() < 0.4 else None
    asks = _exchanges()["news"].asks
    if news and asks:
        return f"{_own(speaker, '')} And now this: {news} {speaker.say(asks)}"
    return f"{_own(speaker, '')} {_question(speaker, kind, None)}"


def _own(speaker: Speaker, said: str) -> str:
    """A sentence about the speaker that does not repeat what they just said."""
    for _ in range(_TRIES):
        text = speaker.say(pool("speech", "own", "any")) or ""
        slots = [speaker(name) for name in ("do", "worry", "knows")]
        if not any(slot and slot in text and slot.lower() in said.lower() for slot in slots):
            return text
    return ""


def _question(speaker: Speaker, kind: str, answered: str | None) -> str:
    close = kind in ("kinship", "friendship", "neighbourhood")
    open_ones = [
        e for e in _exchanges().values() if e.asks and not e.needs and e.about != answered and (close or not e.is_close)
    ]
    asks = speaker.rng.choice(open_ones).asks
    return (speaker.say(asks) if asks else None) or ""


def instruction(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request to an assistant, short and vague, as people write them."""
    speaker = Speaker(rng, situation)
    about = "news" if situation.news and speaker("news") and rng.random() < 0.4 else "any"
    if about == "any" and not speaker.is_child and rng.random() < 0.5:
        about = "working" if speaker.me.is_working and rng.random() < 0.5 else "grown"
    form = "written" if rng.random() < _WRITTEN else "asked"
    text = speaker.new(pool("speech", "requests", about, form))
    tail = pool("speech", "requests", "tails", form).word(rng) if rng.random() < _TAIL else ""
    return {"text": f"{text} {tail}".strip()}


def plan(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """One or two things that the person means to do."""
    speaker = Speaker(rng, situation)
    things = dict.fromkeys(speaker.new(pool("speech", "plan", "any")) for _ in range(rng.randint(1, 2)))
    return {"text": " ".join(things)}


def reflection(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the person concludes from notes: of whom they speak most, or what they think of anyway."""
    speaker = Speaker(rng, situation)
    notes = (_TIME.sub("", note).partition(" told you: ") for note in situation.memory)
    told = [who.lower() for who, told_me, _ in notes if told_me]
    told = [who for who in told if who.startswith("your ")]
    if told and rng.random() < 0.5:
        most = max(sorted(set(told)), key=told.count)
        texts = [f"I hear more from {most.replace('your ', 'my ')} than from anybody else."]
    else:
        texts = []
    frames = pool("speech", "insight", "any")
    texts += [speaker.new(frames) for _ in range(max(1, rng.randint(1, 3) - len(texts)))]
    return {"insights": [{"text": text, "importance": rng.randint(3, 8)} for text in dict.fromkeys(texts)]}


@dataclass(frozen=True, slots=True)
class _ToolFrame:
    names: tuple[Frame, ...]
    purpose: Frame
    arguments: tuple[str, ...]
    optional: tuple[str, ...]
    returns: str
    meanings: Sequence[str]
    depend: Sequence[str]
    #: any, working or trading.
    who: str

    def serves(self, me: Portrait) -> bool:
        """Whether a tool of this kind makes sense for the person."""
        trades = self.who != "trading" or lexicon().fields[me.role.field].trading
        return self.who == "any" or (me.is_working and trades)


@cache
def _tool_frames() -> tuple[_ToolFrame, ...]:
    return tuple(
        _ToolFrame(
            names=tuple(map(Frame, split(entry["names"]))),
            purpose=Frame(entry["purpose"]),
            arguments=tuple(entry["args"].split()),
            optional=tuple(entry["more"].split()),
            returns=entry["returns"],
            meanings=entry["meanings"],
            depend=entry.get("depend", ()),
            who=entry["who"],
        )
        for entry in data("speech")["tool"]
    )


def tool(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make up a tool that the person would like to have: its purpose, signature and what the names mean."""
    speaker = Speaker(rng, situation)
    frames = [frame for frame in _tool_frames() if frame.serves(speaker.me)]
    # A purpose may need what the person does not have, as a worry.
    frames = [frame for frame in frames if frame.purpose.fill(speaker)]
    name, frame = "", frames[0]
    for _ in range(_TRIES):
        frame = rng.choice(frames)
        name = (rng.choice(frame.names).fill(speaker) or "tool")[:_LONGEST_NAME].rstrip("_")
        if not speaker.remembers(name):
            break
    chosen = rng.sample(frame.optional, rng.randint(0, len(frame.optional)))
    optional = [one for one in frame.optional if one in chosen]
    known = data("speech")["arguments"]
    arguments = [
        *(f"{one}: {known[one]['type']}" for one in frame.arguments),
        *(f"{one}: {known[one]['type']} | None" for one in optional),
    ]
    lines = [line for one in (*frame.arguments, *optional) for line in known[one]["meanings"]]
    return {
        "purpose": polished(capital(frame.purpose.fill(speaker) or "")),
        "signature": f"{name}({', '.join(arguments)}) -> {frame.returns}",
        "meanings": [*lines, *frame.meanings],
        "depend": list(frame.depend),
    }
