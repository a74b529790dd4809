"""What the stand-in says in conversations: a request and what follows it, or two people who talk."""

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from populace.agents.procedural.lexicon import Frame, polished
from populace.agents.procedural.situation import PresentPerson, Situation
from populace.agents.procedural.speech import dialogue
from populace.agents.procedural.subjects import Subjects
from populace.scenarios.instruction.stand_in import response_to, write_request

_KEY = "n1"
#: What a user says to an answer, and how the assistant takes it up; both fit whatever the conversation is about.
_FOLLOWED = tuple(
    tuple(part.strip() for part in line.split("|"))
    for line in Path(__file__).with_name("follow_ups.txt").read_text("utf-8").splitlines()
    if line.strip() and not line.startswith("#")
)
_ANYTHING = (
    "Fair point. Then I would leave the rest as it is and change only that. Shall I put it into one sentence for you?",
    "That changes things a little. Begin with what you have just said, because it decides the rest.",
)
_OPENINGS = tuple(
    map(
        Frame,
        (
            "Have you got a minute? It is about {worry}.",
            "Not a good day so far. {Worry}, and it is not even noon.",
            "You will laugh, but I have started to {pastime}.",
            "I heard them talk about {topic} again.",
            "I was thinking about {worry} the whole way here.",
            "Somebody asked me {how}, and I did not know where to begin.",
            "They say that nobody wants to hear about {topic}. I do.",
            "There you are. Nobody here has an answer to {worry}.",
            "Sit down for a moment, you look tired. So am I: {worry}.",
            "It is quiet today. Time to {pastime}, I thought, and then I thought of {worry}.",
            "If one more person asks me {how}, I will charge for it.",
            "The whole evening was about {topic}. I went out to {pastime}.",
        ),
    )
)
#: What is said in between, about nothing in particular.
_ASIDES = (
    "I slept badly.",
    "The bus was late again.",
    "It smells of rain.",
    "They have closed the shop at the corner.",
    "My phone is dead, so I have time.",
    "I have not eaten yet.",
    "Somebody has moved the bench.",
    "The clock over there is wrong.",
    "I only came out for bread.",
    "You have had your hair cut.",
    "It is colder than it looks.",
    "I walked here, for once.",
    "My knee says that it will snow.",
    "Nobody is in a hurry today.",
    "I have to be back by six.",
    "They were talking about you, by the way. Only good things.",
    "I have lost one glove.",
    "It was on the radio this morning.",
    "I should not tell you this.",
    "We could sit over there.",
)
#: Questions that `dialogue` knows an answer to; the first ones are for people who are close.
_QUESTIONS = (
    "Will you come by on Sunday?",
    "Could you give me a hand on Saturday?",
    "What is on your mind these days?",
    "How are things with you?",
    "What do people say about {topic} where you are?",
    "Could you teach me something that you know?",
    "Is there something that you worry about?",
)
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
    answers = next((answers for asked, *answers in _FOLLOWED if asked == last), _ANYTHING)
    return {"text": rng.choice([one for one in answers if one not in messages] or _ANYTHING)}


def next_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The user's next message, or the end of the conversation: sooner or later."""
    messages = _messages(situation)
    if rng.random() < 0.1 * (len(messages) - 1):
        return {"done": True, "text": ""}
    new = [asked for asked, *_ in _FOLLOWED if asked not in messages]
    return {"done": False, "text": rng.choice(new or ["ok"])}


def first_line(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What one person says to another to begin with: something of their own, and a question."""
    subjects = Subjects(rng, situation.persona)
    kind = next((one.kind for one in situation.neighbours), "")
    said = next(filter(None, (frame.fill(subjects) for frame in rng.sample(_OPENINGS, len(_OPENINGS)))), "")
    topic = subjects("topic") or ""
    questions = [one for one in _QUESTIONS[0 if kind in _CLOSE else 2 :] if topic not in said or "{topic}" not in one]
    asked = Frame(rng.choice(questions)).fill(subjects) or "How are things with you?"
    return {"text": polished(" ".join((said, *rng.sample(_ASIDES, rng.randint(1, 2)), asked)))}


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
