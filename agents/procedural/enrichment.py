"""Profiles, biographies and raised personas: what the stand-in finds in a description's words, and says it found.

It reads signs from lists and has no knowledge of people: its assumptions are drawn by the description's hash.
"""

import random
import re
from collections.abc import Mapping
from typing import Any

from .lexicon import capital, data, entries, frames_at
from .situation import Portrait, Situation, language_of, portrait_of, stable_number

type Attribute = dict[str, Any]

_NUMBER = r"(?P<number>\d{1,3}|[a-z]+(?:-(?:one|two|three|four|five|six|seven|eight|nine))?)"
#: Signs of an age, whether they state it, and by how many years it differs from the number that they hold.
_AGES = (
    (re.compile(rf"\b{_NUMBER}[- ]years?[- ]old\b", re.IGNORECASE), "stated", 0),
    (re.compile(rf"\b(?:aged|just turned|turned|past|over|barely) {_NUMBER}\b", re.IGNORECASE), "stated", 0),
    (re.compile(rf"\b(?:not yet|close to|nearly|almost|under) {_NUMBER}\b", re.IGNORECASE), "implied", -1),
)
_DECADE = re.compile(r"\bin (?:her|his|their) (?:early |late |mid-?)?(\w+ies|teens)\b", re.IGNORECASE)
_TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
_UNKNOWN: Attribute = {"words": "", "evidence": "unknown", "value": None}
_SHORTEST = 1_200
_BAND = re.compile(r"\baged (\d{1,2})(?:-\d+|\+)")
#: What no frame of a biography says.
_LEFT_OPEN: Mapping[str, Any] = {
    **dict.fromkeys(("region", "occupation", "household", "children")),
    "languages": [],
    "others": [],
}


def profile(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the persona's profile, which is the same for every request about that description."""
    return profile_of(situation.persona)


def profile_of(text: str) -> Mapping[str, Attribute]:
    """Read what the description says of each attribute, with its words.

    Some attributes are assumed, the rest unknown.
    """
    portrait, rng = portrait_of(text), random.Random(stable_number("profile", text))  # noqa: S311 - not secrecy
    told = {name: re.findall(pattern, text) for name, pattern in data("profiles")["patterns"].items()}
    noun, place = _within(portrait.noun, text), next(iter(told["region"]), "")
    found = {
        "age_band": _age(text),
        "occupation": _found(noun, "stated", noun and noun[:80]),
        **_work(portrait, noun),
        "household": _by_sign("households", text),
        "region": _found(place, "stated", place[:80]),
        "interests": _found(next(iter(told["interests"]), ""), "implied", told["interests"]),
        "family_background": _UNKNOWN,
        "life_events": _found(next(iter(told["life_events"]), ""), "stated", told["life_events"]),
    }
    return found | _assumptions(text, rng)


def biography(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write a biography of five paragraphs, with the people it speaks of. It states no facts but the age."""
    portrait, known = portrait_of(situation.persona), list(situation.known)[:3]
    ties = [_tie_of(told) for _, told in known]
    values = {
        "text": situation.persona.rstrip(".") + ".",
        "worry": rng.choice(portrait.worries or portrait.role.worries),
        "knows": rng.choice(portrait.knows),
        "people": " and ".join(filter(None, (", ".join(ties[:-1]), *ties[-1:]))) or "the neighbours",
    }

    def told(part: str) -> str:
        return rng.choice(frames_at("profiles", "biography", part)).fill(values.get) or ""

    paragraphs = list(map(told, data("profiles")["biography"]))
    while len("\n\n".join(paragraphs).encode()) < _SHORTEST:
        paragraphs.insert(-1, told("turn"))
    band = _BAND.search(situation.profile)
    return {
        "text": "\n\n".join(paragraphs),
        "mentions": [key for key, _ in known],
        # The last of the decade: no age that the description gives is later.
        "age": int(band[1]) + 9 if band else None,
        **_LEFT_OPEN,
    }


def raised(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the description with one more sentence, which says that the persona is among the best."""
    skill, stage = situation.skill, portrait_of(situation.persona).stage
    deeds = frames_at("profiles", "raised", "child" if stage == "child" else "grown")
    deed = rng.choice(deeds).fill({"skill": skill}.get)
    after = f"It is somebody {deed}, {rng.choice(entries('profiles', 'raised', 'since', stage))}."
    return {
        "general_domain": capital(skill)[:80],
        "specific_domain": capital(skill)[:80],
        "persona": f"{situation.persona.rstrip('.')}. {after}",
        "changes": [{"before": "", "after": after, "why": f"The standing in {skill} shows in what others ask for."}],
    }


def _age(text: str) -> Attribute:
    for pattern, evidence, shift in _AGES:
        for found in pattern.finditer(text):
            number = _number(found["number"].lower())
            if number is not None:
                return _found(found[0], evidence, _band(max(0, number + shift)))
    if (decade := _DECADE.search(text)) and (number := _number(decade[1].lower())) is not None:
        return _found(decade[0], "stated", _band(number))
    return _by_sign("decades", text)


def _by_sign(table: str, text: str) -> Attribute:
    """Return what the first sign of a table that occurs in the text says: its evidence and its value."""
    for sign, told in data("profiles")[table].items():
        if words := _within(sign, text):
            return _found(words, *told.split(" | "))
    return _UNKNOWN


def _work(portrait: Portrait, words: str | None) -> dict[str, Attribute]:
    group = data("profiles")["groups"].get(portrait.role.field) if words else None
    if group is None:
        return {"occupation_group": _UNKNOWN, "education": _UNKNOWN}
    return {
        "occupation_group": _found(words, "implied", group),
        "education": _assumed(data("profiles")["levels"][str(group)]),
    }


def _assumptions(text: str, rng: random.Random) -> dict[str, Attribute]:
    tag = data("profiles")["tags"].get(language_of(text))
    traits = {trait: _assumed(min(5, max(1, round(rng.gauss(3, 1))))) for trait in _TRAITS}
    return {
        "languages": _assumed([tag]) if tag else _UNKNOWN,
        "values": _assumed(rng.sample(entries("profiles", "assumed", "values"), 2)),
        **traits,
        "favourite_colour": _assumed(rng.choice(entries("profiles", "assumed", "colours"))),
        "favourite_number": _assumed(rng.randint(1, 99)),
    }


def _found(words: str | None, evidence: str, value: Any) -> Attribute:
    return {"words": words, "evidence": evidence, "value": value} if words else _UNKNOWN


def _assumed(value: Any) -> Attribute:
    return {"words": "", "evidence": "assumed", "value": value}


def _within(words: str, text: str) -> str | None:
    """Return the words as the text has them, as whole words, or None if it does not have them."""
    found = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) if words else None
    return found[0] if found else None


def _band(age: int) -> str:
    return "90+" if age >= 90 else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


def _number(word: str) -> int | None:
    numbers = data("profiles")["numbers"]
    number = int(word) if word.isdigit() else sum(numbers.get(part, 999) for part in word.split("-"))
    return number if number <= 120 else None


def _tie_of(told: str) -> str:
    tie = told.partition(": ")[0]
    mine = tie.removeprefix("this person is their ")
    return f"somebody whose {mine} this is" if mine != tie else f"the {tie.removeprefix("this person's ")}"
