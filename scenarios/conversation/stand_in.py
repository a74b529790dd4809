"""What the built-in generator says in conversations: a request and what follows it, or two people who talk."""

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from populace.agents.procedural.lexicon import frames, read_toml, say, split
from populace.agents.procedural.situation import PresentPerson, Situation
from populace.agents.procedural.speech import dialogue
from populace.agents.procedural.subjects import Subjects
from populace.scenarios.instruction.stand_in import response_to, write_request

_KEY = "n1"
_TALK = read_toml(Path(__file__).with_name("talk.toml"))
#: What a user says to an answer, and how the assistant takes it up.
_FOLLOWED = {asked: answers for asked, *answers in map(split, _TALK["follow_ups"].strip().splitlines())}
#: Kinds of requests that more than one answer can be given to.
_KINDS = frozenset({"advice", "message", "speech", "debate", "learn", "words", "weekend", "money", "homework"})
_CLOSE = ("kinship", "friendship", "neighbourhood")
_MESSAGE = re.compile(r"message-(\d+)")


def opening(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first message of a user. It is in English, whatever language is asked for."""
    return {"text": write_request(rng, situation.persona, kinds=_KINDS)}


def reply(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The assistant's next message."""
    messages = _messages(situation)
    last = messages[-1] if messages else ""
    if len(messages) < 2:
        return {"text": response_to(rng, last)}
    anything = split(_TALK["anything"])
    answers = _FOLLOWED.get(last, anything)
    return {"text": rng.choice([one for one in answers if one not in messages] or anything)}


def next_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The user's next message, or the end of the conversation: sooner or later."""
    messages = _messages(situation)
    if rng.random() < 0.1 * (len(messages) - 1):
        return {"done": True, "text": ""}
    new = [asked for asked in _FOLLOWED if asked not in messages]
    return {"done": False, "text": rng.choice(new or ["ok"])}


def first_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what one person says to another to begin with: something of their own, and a question."""
    subjects = Subjects(rng, situation.persona)
    kind = next((one.kind for one in situation.neighbours), "")
    questions = frames(_TALK["close_questions" if kind in _CLOSE else "questions"])
    said = say(rng, frames(_TALK["openings"]), subjects) or ""
    asides = rng.sample(split(_TALK["asides"]), rng.randint(1, 2))
    return {"text": " ".join((said, *asides, say(rng, questions, subjects) or "How are things with you?"))}


def answer_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a person says to what the other one said last, or the end of the conversation."""
    messages = _messages(situation)
    if rng.random() < 0.08 * (len(messages) - 1):
        return {"done": True, "text": ""}
    there = PresentPerson(_KEY, situation.sections.get("relation", ""), "other", situation.sections.get("other", ""))
    seen = replace(
        situation,
        neighbours=(there,),
        heard=((_KEY, messages[-1] if messages else "How are things with you?"),),
        memory=tuple(messages),  # so that nothing is said twice
    )
    said = dialogue(rng, seen, {"properties": {"to": {"enum": [_KEY]}}})
    return {"done": False, "text": said["text"]}


def _messages(situation: Situation) -> list[str]:
    found = {int(m[1]): text for tag, text in situation.sections.items() if (m := _MESSAGE.fullmatch(tag))}
    return [found[place] for place in sorted(found)]
