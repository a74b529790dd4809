"""Sentences with slots, and the little English grammar that filling them needs."""

import random
import re
from collections.abc import Callable, Sequence
from functools import cached_property

_VOWEL_SOUND = re.compile(
    r"(?:[aeio]|u(?!ni[^nm]|s[aeiu]|r[aeiu]|t[ei])|h(?:our|onest|eir))(?!ne-|uro|uph)", re.IGNORECASE
)
_UNCHANGED = frozenset({"would"})
_ADVERBS = frozenset({"never", "once", "still", "often"})
_IRREGULAR = {"be": "is", "have": "has", "do": "does", "go": "goes"}
_IRREGULAR_BASE = {third: base for base, third in _IRREGULAR.items()}
_SENTENCE = re.compile(r"(?<=[.?!] )[a-z]")


def article(noun: str) -> str:
    """`noun` behind "a" or "an"; as it is when it has an article or is plural on its face."""
    return f"an {noun}" if _VOWEL_SOUND.match(noun) else f"a {noun}"


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def polished(text: str) -> str:
    """The text with every sentence begun in upper case."""
    return capital(_SENTENCE.sub(lambda m: m[0].upper(), text))


def _verb(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _UNCHANGED:
        return word
    if word.endswith(("s", "x", "z", "sh", "ch", "o")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"


def third_person(phrase: str) -> str:
    """A verb phrase in the base form, as it follows "she": the first verb changes, and each behind `~`."""
    first, space, rest = phrase.partition(" ")
    if first in _ADVERBS:
        verb, gap, rest = rest.partition(" ")
        return f"{first} {_verb(verb)}{gap}{_marked(rest)}"
    return f"{_verb(first)}{space}{_marked(rest)}"


def _marked(rest: str) -> str:
    return re.sub(r"~(\w+)", lambda m: _verb(m[1]), rest)


def base_form(verb: str) -> str | None:
    """The base form of a verb in the third person ("coaxes": "coax"), or None for a word that is none."""
    if verb in _IRREGULAR_BASE:
        return _IRREGULAR_BASE[verb]
    if len(verb) < 4 or not verb.endswith("s") or verb.endswith(("ss", "us")):
        return None
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    if verb.endswith(("shes", "ches", "xes", "sses", "zzes", "oes")):
        return verb[:-2]
    return verb[:-1]


def snake(text: str) -> str:
    """The words of a text joined by underscores, lower case, letters and digits only."""
    return "_".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


_SLOT = re.compile(r"\{(\w+)\}")

type Slots = Callable[[str], str | None]


class Frame:
    """One sentence or more with `{slots}`; a slot in upper case asks for its value with a capital."""

    __slots__ = ("parts",)

    def __init__(self, text: str) -> None:
        # Odd places hold the names of slots.
        self.parts = tuple(_SLOT.split(text))

    def fill(self, slots: Slots) -> str | None:
        """The text with every slot filled, or None when one of them has no value."""
        out: list[str] = []
        for place, part in enumerate(self.parts):
            if place % 2 == 0:
                out.append(part)
                continue
            value = slots(part.lower())
            if value is None:
                return None
            out.append(capital(value) if part[0].isupper() else value)
        return "".join(out)


class Pool:
    """Frames that say the same kind of thing."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """The frames, parsed on first use."""
        return tuple(map(Frame, self.texts))

    def say(self, rng: random.Random, slots: Slots) -> str | None:
        """One of the frames by chance, filled and polished; None when no frame can be filled."""
        first = rng.randrange(len(self.frames))
        for place in range(len(self.frames)):
            text = self.frames[(first + place) % len(self.frames)].fill(slots)
            if text is not None:
                return polished(text)
        return None

    def word(self, rng: random.Random) -> str:
        """One of the entries as it stands."""
        return rng.choice(self.texts)
