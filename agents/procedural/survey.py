"""What the stand-in answers to a survey: drawn from who is asked and what is asked, and from nothing a model knows.

Each person has a leaning of their own and each question a popularity of its own, so that the answers of one person hang
together, people differ, and a question has a mean. Somebody whose description shares words with a question answers it
more decidedly. News and memories that share words with it move the answer, so that waves before and after an event
differ. A little is drawn anew for each request, so that somebody who is asked twice does not always answer the same.
The order in which options are shown plays no part. Asked
for an attribute of profiles, it mostly says what it would find in the description.
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import fsum
from statistics import NormalDist
from typing import Any, Final

from ...personas.persona import words
from .enrichment import profile_of
from .lexicon import article
from .situation import Situation, portrait_of, stable_number
from .speech import Speaker

#: The answer of a respondent who does not know, to items that allow it.
DONT_KNOW: Final = "don't know"

_NORMAL = NormalDist()
_QUESTION = re.compile(r"^([A-Za-z][A-Za-z0-9_]{0,63}): (.*)$", re.MULTILINE)
#: Letters from which a word says what a text is about.
_CONTENT = 6
#: How much of an answer comes from the person, from person and question, from the question, and from the request.
_LEANING, _OWN, _POPULAR, _ANEW = 0.5, 0.7, 0.4, 0.2
#: How much more decided somebody is whom the question concerns, and how far news and memories move an answer.
_CONCERNED, _MOVED, _REMINDED = 1.5, 0.6, 0.4
#: Share of those who do not know, where that is allowed: of grown people, and of children.
_UNSURE, _UNSURE_CHILD = 0.06, 0.25
#: How often somebody says of themselves what their profile says, where items ask for its attributes by their names.
_TRUE = 0.8
#: Below 1, answers lie nearer to the middle of a scale than to its ends.
_SPREAD = 0.8


def survey(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a value for each item of the survey. Free text is left to the built-in generator's default."""
    questions = dict(_QUESTION.findall(situation.sections.get("questions", "")))
    known = profile_of(situation.persona) if situation.persona else {}
    found = {}
    for name, part in schema.get("properties", {}).items():
        value = _of_profile(known[name]["value"], part) if name in known and rng.random() < _TRUE else None
        value = _answer(rng, situation, questions.get(name, name), part) if value is None else value
        if value is not None:
            found[name] = value
    return found


def _of_profile(value: Any, part: Mapping[str, Any]) -> Any:
    """Return the answer, among those possible, that matches an attribute of the profile, or None if there is none."""
    first = value[0] if isinstance(value, list) and value else value
    own = part.get("anyOf", [part])[0]
    if own.get("type") == "integer":
        return first if isinstance(first, int) else None
    return next((one for one in own.get("enum", ()) if one == first or one.startswith(f"{first}:")), None)


def interview(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer in the persona's own words, with the note that is nearest to the question."""
    speaker = Speaker(rng, situation)
    asked = _about(" ".join(situation.sections.get("question", "").split()))
    likeness = [len(_about(note) & asked) for note in situation.memory]
    nearest = [note for note, like in zip(situation.memory, likeness, strict=True) if like == max(likeness)]
    said = [f"I am {article(speaker.me.noun)}.", speaker.new("own", "any")]
    if nearest:
        said.append(f"What I remember is this: {rng.choice(nearest)}")
    return {"answer": " ".join(said)}


def _answer(rng: random.Random, situation: Situation, question: str, part: Mapping[str, Any]) -> Any:
    own = part.get("anyOf", [part])[0]
    if DONT_KNOW in own.get("enum", ()) or "anyOf" in part:
        share = _UNSURE_CHILD if portrait_of(situation.persona).stage == "child" else _UNSURE
        if _uniform("unsure", situation.persona, question) < share:
            return DONT_KNOW
    match own.get("type"):
        case "array":
            ranked = _ranked(rng, situation, question, own.get("items", {}).get("enum", ()))
            return ranked[: own.get("maxItems", len(ranked))]
        case "string":
            known = [one for one in own.get("enum", ()) if one != DONT_KNOW]
            return _ranked(rng, situation, question, known)[0] if known else None
        case "integer" | "number":
            at = _NORMAL.cdf(_SPREAD * _leaning(rng, situation, question))
            low, high = own.get("minimum", 0), own.get("maximum", 1)
            if own["type"] == "number":
                return round(low + at * (high - low), 2)
            return low + min(int(at * (high - low + 1)), high - low)
    return None


def _leaning(rng: random.Random, situation: Situation, question: str) -> float:
    """Return how far a persona leans to the upper end. It is about normal around the popularity of the question."""
    person = situation.persona
    own = _LEANING * _normal("leaning", person) + _OWN * _normal("own", person, question)
    if _about(question) & _about(person):
        own *= _CONCERNED
    return own + _POPULAR * _normal("popular", question) + _told(situation, question) + _ANEW * rng.gauss()


def _ranked(rng: random.Random, situation: Situation, question: str, options: Sequence[str]) -> list[str]:
    """Return the options, starting with the one that this persona likes best."""
    person, scores = situation.persona, {}
    for option in sorted(options):
        liked = _normal("option", person, question, option) + _POPULAR * _normal("popular", question, option)
        scores[option] = liked + bool(_about(option) & _about(person)) + _ANEW * rng.gauss()
    return sorted(scores, key=lambda option: scores[option], reverse=True)


def _told(situation: Situation, question: str) -> float:
    """Return how far news and memories about the question move the answer."""
    news, memory = (
        [_normal("told", line, question) for line in lines if _about(line) & _about(question)]
        for lines in (situation.news, situation.memory)
    )
    return _MOVED * fsum(news) + _REMINDED * fsum(memory) / max(1, len(memory))


@lru_cache(maxsize=4096)
def _about(text: str) -> frozenset[str]:
    return frozenset(word for word in words(text) if len(word) >= _CONTENT)


def _uniform(*parts: str) -> float:
    return (stable_number(*parts) + 0.5) / 2**64


def _normal(*parts: str) -> float:
    return _NORMAL.inv_cdf(min(max(_uniform(*parts), 1e-9), 1 - 1e-9))
