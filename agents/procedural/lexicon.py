"""What the stand-in knows, read once from its data files, and sentences with slots to say it in English."""

import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ...core.model import FrozenModel

_VOWEL_SOUND = re.compile(
    r"(?:[aeio]|u(?!ni[^nm]|s[aeiu]|r[aeiu]|t[ei])|h(?:our|onest|eir))(?!ne-|uro|uph)", re.IGNORECASE
)
_DATA = Path(__file__).with_name("data")
_UNCHANGED = frozenset({"would"})
_ADVERBS = frozenset({"never", "once", "still", "often"})
_IRREGULAR = {"be": "is", "have": "has", "do": "does", "go": "goes"}
_IRREGULAR_BASE = {third: base for base, third in _IRREGULAR.items()}
_SENTENCE = re.compile(r"(?<=[.?!] )[a-z]")


def article(noun: str) -> str:
    """Put "a" or "an" before `noun`, unless it has an article or is visibly plural."""
    return f"an {noun}" if _VOWEL_SOUND.match(noun) else f"a {noun}"


def capitalise_first(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def capitalise_sentences(text: str) -> str:
    """Return the text with every sentence beginning in upper case."""
    return capitalise_first(_SENTENCE.sub(lambda m: m[0].upper(), text))


def _inflect_verb(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _UNCHANGED:
        return word
    if word.endswith(("s", "x", "z", "sh", "ch", "o")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"


@lru_cache(maxsize=4096)
def third_person(phrase: str) -> str:
    """Turn a verb phrase from the base form into the form after "she".

    The first verb changes, and each one after `~`.
    """
    first, space, rest = phrase.partition(" ")
    if first in _ADVERBS:
        verb, gap, rest = rest.partition(" ")
        return f"{first} {_inflect_verb(verb)}{gap}{_inflect_marked(rest)}"
    return f"{_inflect_verb(first)}{space}{_inflect_marked(rest)}"


def _inflect_marked(rest: str) -> str:
    return re.sub(r"~(\w+)", lambda m: _inflect_verb(m[1]), rest)


def base_form(verb: str) -> str | None:
    """Return the base form of a verb in the third person ("coaxes": "coax"), or None for any other word."""
    if verb in _IRREGULAR_BASE:
        return _IRREGULAR_BASE[verb]
    if len(verb) < 4 or not verb.endswith("s") or verb.endswith(("ss", "us")):
        return None
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    if verb.endswith(("shes", "ches", "xes", "sses", "zzes", "oes")):
        return verb[:-2]
    return verb[:-1]


def snake_case(text: str) -> str:
    """Join the words of a text by underscores, in lower case, with letters and digits only."""
    return "_".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


_SLOT = re.compile(r"\{(\w+)\}")

type Slots = Callable[[str], str | None]


@lru_cache(maxsize=16_384)
def frame_parts(frame: str) -> tuple[str, ...]:
    """Return a frame in parts: one sentence or more with `{slots}`, whose names are at the odd places."""
    return tuple(_SLOT.split(frame))


def fill_frame(frame: str, slots: Slots) -> str | None:
    """Return the text with every slot filled, or None if one of them has no value.

    A slot in upper case asks for its value with a capital.
    """
    out: list[str] = []
    for place, part in enumerate(frame_parts(frame)):
        if place % 2 == 0:
            out.append(part)
            continue
        value = slots(part.lower())
        if value is None:
            return None
        out.append(capitalise_first(value) if part[0].isupper() else value)
    return "".join(out)


class SlotValues:
    """Slots that are each drawn once, by `draw`, until `forget_slots` is called."""

    def __init__(self, draw: Slots) -> None:
        self._draw = draw
        self.values: dict[str, str | None] = {}

    def forget_slots(self) -> None:
        """Clear all slots. Each is drawn again on next use."""
        self.values.clear()

    def __call__(self, name: str) -> str | None:
        """Return the value of a slot, or None if there is none."""
        if name not in self.values:
            self.values[name] = self._draw(name)
        return self.values[name]


def say(rng: random.Random, told: Sequence[str], slots: Slots) -> str | None:
    """Return one of the frames at random, filled and polished, or None if none can be filled."""
    first = rng.randrange(len(told)) if told else 0
    filled = (fill_frame(frame, slots) for frame in (*told[first:], *told[:first]))
    return next((capitalise_sentences(text) for text in filled if text is not None), None)


_WORD = re.compile(r"[a-z][a-z'-]+")
#: Stages of life of a role that names none.
ROLE_AGES = ("young", "adult", "old")


@lru_cache(maxsize=1024)
def split(text: str) -> tuple[str, ...]:
    """Return the entries of a list written with bars or line by line."""
    return tuple(entry.strip() for entry in re.split(r"[|\n]", text) if entry.strip())


@dataclass(frozen=True, slots=True)
class TieTemplate:
    """A relation that a person may have, seen from that person."""

    label: str
    kind: str
    #: `any`, `same` (the field), `trainee`, or names of roles.
    who: tuple[str, ...]
    #: A stage of life, `any`, or a relation to the person's own ("offspring").
    age: str = "any"
    gender: str = "any"
    #: Who may have it: all, grown, free, working, trading, child or old.
    whose: str = "all"


def _read_ties(text: str) -> tuple[TieTemplate, ...]:
    told = (map(str.strip, line.split("/")) for line in split(text))
    return tuple(
        TieTemplate(label, kind, tuple(map(str.strip, who.split(","))), *rest) for label, kind, who, *rest in told
    )


type _Entries = Annotated[tuple[str, ...], BeforeValidator(split)]
type _Words = Annotated[tuple[str, ...], BeforeValidator(str.split)]
type _Ties = Annotated[tuple[TieTemplate, ...], BeforeValidator(_read_ties)]


class LifeRole(FrozenModel):
    """A person's role, and the words for the life that goes with it."""

    name: str
    field: str
    #: Nouns by which a text is recognised as being about it.
    things: _Entries
    #: Verb phrases in the base form.
    does: _Entries
    #: Noun phrases.
    worries: _Entries = Field(alias="worry")
    #: Clauses with how, why, which ...
    knows: _Entries
    ages: _Words = Field(ROLE_AGES, alias="age")
    gender: str = "any"
    #: True for a role that is not drawn by chance, because circumstances and habits of others would not fit it.
    plain: bool = False
    ties: _Ties = ()


class WorkField(FrozenModel):
    """A field of work, or a stretch of life without any."""

    name: str
    topics: _Entries
    ties: _Ties = ()
    #: Stems of words in other languages by which a text is recognised as being about it.
    signs: _Words
    working: bool = True
    trading: bool = False


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Roles, fields and relations, and the ways to find them."""

    roles: Mapping[str, LifeRole]
    fields: Mapping[str, WorkField]
    #: Relations that are no field's own.
    ties: tuple[TieTemplate, ...]
    #: Roles by the last word of their names ("nurse"), and by every word of what they do and deal in.
    by_head: Mapping[str, Sequence[LifeRole]] = field(repr=False)
    by_word: Mapping[str, Sequence[LifeRole]] = field(repr=False)

    def score_roles(self, words: Iterable[str], *, head: int = 0) -> Counter[str]:
        """Return how near each role is, by name.

        Words that few roles share count more. A role's own last word counts `head`.
        """
        found: Counter[str] = Counter()
        for word in dict.fromkeys(words):
            roles = self.by_word.get(word, ())
            found.update({role.name: 60 // len(roles) for role in roles})
            found.update({role.name: head for role in self.by_head.get(word, ())})
        return found


@cache
def read_toml(path: Path) -> Mapping[str, Any]:
    """Return the content of a data file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def data(name: str) -> Mapping[str, Any]:
    """Return the content of one of the generator's own data files."""
    return read_toml(_DATA / f"{name}.toml")


@cache
def read_entries(name: str, *path: str) -> tuple[str, ...]:
    """Return the list at `path` of a data file. It is empty if the file has no such path."""
    found: Any = data(name)
    for key in path:
        found = found.get(key, {})
    return split(found or "")


@cache
def read_lexicon() -> Lexicon:
    """Return everything about roles, which is read on first use."""
    roles = {
        name: LifeRole.model_validate({**entry, "name": name, "field": of})
        for of, named in data("roles").items()
        for name, entry in named.items()
    }
    fields = {name: WorkField.model_validate({**entry, "name": name}) for name, entry in data("fields").items()}
    stop = frozenset(data("words")["stop"].split())
    heads: dict[str, list[LifeRole]] = {}
    words: dict[str, list[LifeRole]] = {}
    for role in roles.values():
        heads.setdefault(role.name.split()[-1], []).append(role)
        told = " ".join((role.name, *role.things, *role.does, *role.worries, *role.knows))
        for word in dict.fromkeys(_WORD.findall(told.lower())):
            if word not in stop and len(word) > 3:
                words.setdefault(word, []).append(role)
    return Lexicon(roles, fields, _read_ties(data("ties")["ties"]), heads, words)
