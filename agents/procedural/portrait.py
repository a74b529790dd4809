"""Who a description describes, as far as the stand-in can tell from its words."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b

from .english import base_form, third_person
from .lexicon import Lexicon, Role, data, lexicon, split
from .subjects import subjects, tokens

__all__ = ["Portrait", "portrait_of", "stable_number"]

_NOUN_END = re.compile(
    r"\s*(?:[,.;:(]|\b(?:who|whose|with|in|on|from|at|near|by|for|and|living|working|past|close|just|not"
    r"|new|small|barely|a few)\b)"
)
_ARTICLE = re.compile(r"(?:an?|the|one)\s+", re.IGNORECASE)
_AGED = re.compile(r"(?:[a-z]+-)*[a-z]+-year-old\s+|middle-aged\s+|young\s+|elderly\s+|old\s+")
_WORRY = re.compile(
    r"\b(?:worr(?:y|ies|ied) about|afraid of|fears|struggles with|lies awake over|dreams of|concerned about) "
    r"([^.,;]{4,80})"
)
_KNOWS = re.compile(r"\bknows ((?:how|why|when|which|what|where|who) [^.,;]{6,80})")
_DOES = re.compile(r"\bwho ([a-z]+s) ([^.,;:]{6,90})")
_THIRD = re.compile(r"\b(?:she|he|they|him|hers|theirs|himself|herself)\b")


def stable_number(*parts: str) -> int:
    """A 64-bit number from texts, the same in every process."""
    return int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class Portrait:
    """A person as the stand-in plays them: the nearest role it knows, the description's own words first."""

    text: str
    #: What the person is, in the description's words: "retired ferry mechanic".
    noun: str
    role: Role
    #: child, young, adult or old.
    stage: str
    does: tuple[str, ...]
    worries: tuple[str, ...]
    knows: tuple[str, ...]
    #: What the description speaks of besides.
    topics: tuple[str, ...]


@lru_cache(maxsize=16_384)
def portrait_of(text: str) -> Portrait:
    """The portrait of whoever `text` describes."""
    known = lexicon()
    opening = _ARTICLE.sub("", text[:160], count=1)
    role, named = _role(known, text, opening)
    words = text.lower()
    mine = tuple(d for d in role.does if third_person(d).replace("~", "").lower() in words)
    read = _read_deed(text)
    return Portrait(
        text=text,
        noun=_noun(opening, role, named),
        role=role,
        stage=_stage(text, role, named=named),
        does=mine or ((read,) if read and not named else role.does),
        worries=tuple(_said(m[1]) for m in _WORRY.finditer(text)) or role.worries,
        knows=tuple(_said(m[1]) for m in _KNOWS.finditer(text)) or role.knows,
        topics=tuple(s for s in subjects(text) if s.startswith("the ") and len(s) < 40)[:3],
    )


@cache
def _stages() -> tuple[tuple[str, re.Pattern[str]], ...]:
    signs = {stage: "|".join(map(re.escape, split(told))) for stage, told in data("words")["stages"].items()}
    return tuple((stage, re.compile(rf"(?<![\w-])(?:{sign})\b")) for stage, sign in signs.items())


def _stage(text: str, role: Role, *, named: bool) -> str:
    if named and len(role.ages) == 1:
        return role.ages[0]
    head = re.split(r"\bwho(?:se)?\b", text[:140].lower(), maxsplit=1)[0]
    told = next((stage for stage, sign in _stages() if sign.search(head)), None)
    return told or (role.ages[0] if len(role.ages) == 1 else "adult")


def _said(phrase: str) -> str:
    # Cut before a second clause, and told by the person themself.
    phrase = re.split(r" and (?=[a-z]+s\b)|; ", phrase)[0].strip()
    return re.sub(r"\b(?:his|her|their)\b", "my", phrase)


def _read_deed(text: str) -> str | None:
    found = _DOES.search(text)
    verb = base_form(found[1]) if found else None
    if found is None or verb is None:
        return None
    rest = _said(found[2])
    return None if _THIRD.search(rest) else f"{verb} {rest}"


def _role(known: Lexicon, text: str, opening: str) -> tuple[Role, bool]:
    lowered = " " + opening.lower().replace("-", "-") + " "
    named = [r for r in known.roles.values() if f" {r.name} " in lowered.replace(",", " ").replace(".", " ")]
    if named:
        return max(named, key=lambda r: (-lowered.index(r.name), len(r.name))), True
    for word in re.findall(r"[a-z][a-z-]+", _NOUN_END.split(opening)[0].lower())[::-1]:
        if word in known.by_head:
            candidates = known.by_head[word]
            return candidates[stable_number(text) % len(candidates)], False
    scores: Counter[str] = Counter()
    for token in dict.fromkeys(tokens(text.lower())):
        roles = known.by_word.get(token, ())
        for role in roles:
            scores[role.name] += 120 // len(roles)
    names = sorted(known.roles)
    if scores:
        best = max(scores.values())
        names = sorted(name for name, score in scores.items() if score == best)
    return known.roles[names[stable_number(text) % len(names)]], False


def _noun(opening: str, role: Role, named: bool) -> str:
    told = _AGED.sub("", _NOUN_END.split(opening)[0].strip(), count=1)
    if named:
        prefix = next((p for p in ("retired ", "apprentice ", "former ") if f"{p}{role.name}" in opening), "")
        return f"{prefix}{role.name}"
    words = told.split()
    plain = all(ord(c) < 0x250 for c in told)
    return " ".join(words[-4:]) if words and plain and len(words) <= 8 else role.name
