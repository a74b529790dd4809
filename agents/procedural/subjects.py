"""What a text speaks of: the noun phrases in it, as far as they can be told without a parser."""

import re
import unicodedata
from functools import lru_cache

from .lexicon import data, lexicon

__all__ = ["quotable", "sentences", "subjects", "tokens"]

_TOKEN = re.compile(r"[A-Za-zÀ-ɏ][A-Za-zÀ-ɏ'’-]*|[0-9]+|[^\sA-Za-z0-9]")
_SENTENCE_END = re.compile(r"(?<=[.?!…])\s+")
_SPACELESS = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]")
_MARKS = re.compile(r"[,.;:!?()«»„“”\"—–]+|\s-\s")
_BREAK = re.compile(r"[\s、。，．！？!?,.;:：；「」『』“”\"()（）]+")
#: Who speaks of "my" things is answered with "your".
_TURNED = {
    "my": "your",
    "your": "my",
    "our": "your",
    "a": "that",
    "an": "that",
    "some": "",
    "any": "",
    "no": "",
}
_KEPT = frozenset({"the", "this", "that", "these", "those", "his", "her", "their"})


def tokens(text: str) -> list[str]:
    """Words and marks, in order."""
    return _TOKEN.findall(text)


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [s for s in _SENTENCE_END.split(text.strip()) if s]


@lru_cache(maxsize=8192)
def subjects(text: str) -> tuple[str, ...]:
    """Noun phrases that `text` speaks of, as its listener would take them up, the likeliest first."""
    words = tokens(text)
    known = _known([w.lower() for w in words])
    named = {word for phrase in known for word in phrase.split()} - _KEPT
    found = [*known, *(p for p in _phrases(words) if not named & set(p.split()))]
    if not found:
        found = _longest(words)
    return tuple(dict.fromkeys(found))


def _known(lowered: list[str]) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(lowered):
        for phrase in lexicon().phrases.get(lowered[at], ()):
            if tuple(lowered[at : at + len(phrase)]) == phrase and " ".join(phrase) not in lexicon().stop:
                owner = _TURNED.get(lowered[at - 1]) if at and lowered[at - 1] in ("my", "your", "our") else None
                found.append(f"{owner} {' '.join(phrase)}" if owner else " ".join(phrase))
                at += len(phrase) - 1
                break
        at += 1
    return found


def _phrases(words: list[str]) -> list[str]:
    openers = frozenset(data("words")["before_noun"].split())
    found: list[str] = []
    for place, word in enumerate(words[:-1]):
        opener = word.lower()
        if opener in openers and (noun := _noun(words, place + 1)):
            owner = opener if opener in _KEPT else _TURNED.get(opener, "")
            found.append(f"{owner} {noun}".strip())
    return sorted(found, key=lambda p: -("the " in p or "your " in p or "my " in p))


def _noun(words: list[str], start: int) -> str:
    stop = lexicon().stop
    taken: list[str] = []
    # "the first frost": an ordinal is passed over.
    start += words[start].lower() in ("first", "last", "next", "old", "new")
    for word in words[start : start + 3]:
        if word.lower() in stop or not word[0].isalpha() or word.endswith(("'s", "’s")):
            break
        taken.append(word)
    # What follows a noun and ends like a verb is taken for one.
    while len(taken) > 1 and taken[-1].endswith(("ed", "ing", "s", "ly")) and taken[-2][-1] != "g":
        taken.pop()
    lone = len(taken) == 1 and taken[0].endswith(("ly", "ed", "ing"))
    return "" if lone or not taken or (len(taken) == 1 and len(taken[0]) < 3) else " ".join(taken)


def _longest(words: list[str]) -> list[str]:
    stop = lexicon().stop
    rest = [w for w in words if len(w) > 3 and w[0].isalpha() and w.lower() not in stop]
    return sorted(rest, key=lambda w: (-len(w), w))[:2]


def quotable(text: str, longest: int = 9) -> tuple[str, ...]:
    """Short phrases of a text in any script, whole between its marks where some are short enough."""
    if _SPACELESS.search(text):
        parts = [unicodedata.normalize("NFC", p) for p in _BREAK.split(text) if p]
        fitting = tuple(p for p in parts if 3 <= len(p) <= longest)
        return fitting or tuple(p[:longest] for p in parts[:1])
    spans = [s.split() for s in _MARKS.split(text) if s.split()]
    short = tuple(" ".join(s) for s in spans if 2 <= len(s) <= 5)
    return short or tuple(" ".join(s[:4]) for s in spans[:1])
