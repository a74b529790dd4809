"""The names by which the people of a society are called: their own where a description gives one, else drawn ones."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from itertools import count, islice
from typing import Any

from .persona import Persona

#: Columns of an import that hold a name, in lower case, the fullest first.
_NAME_COLUMNS = ("name", "full_name", "fullname", "first_name", "firstname", "given_name")
_OWN_NAME = re.compile(r'^[^\W\d_][^\d_,;:()<>@/"]{1,59}$')
_CAPITAL = r"[A-ZÀ-ÖØ-ÞА-ЯЁ][\w'’-]+"
#: What prompts call the agent itself and the visiting player.
_RESERVED = ("You", "you", "Visitor", "visitor", "Player", "player")
#: A name that a description states, or opens with.
_STATED = re.compile(rf"\b(?:named|name is|nommée?|namens|llamad[oa]|chamad[oa]) ({_CAPITAL}(?: {_CAPITAL}){{0,2}})")
_OPENING = re.compile(rf"({_CAPITAL})((?: {_CAPITAL}){{0,2}})(?=,| is | was | \()")
_AGE = re.compile(r"\b(\d{1,2})[- ]year|\baged (\d{1,2})\b|\b(\d{1,2}) (?:Jahre|años|ans|anos|anni|лет)|(\d{1,2})岁")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
#: The age from which somebody has a name of the older list.
_OLDER = 45
#: Draws after which a name gets a second given name, a second family name, and a number.
_SECOND, _DOUBLE, _NUMBERED = 4, 8, 40


class NameBook:
    """Gives each person a name that nobody else in the society has, and a first name of its own while there are any.

    A name follows from the persona and its columns alone, unless somebody who came earlier has it: the same people have
    the same names in every run.
    """

    def __init__(self) -> None:
        self._taken, self._called = set(_RESERVED), set[str]()
        #: How often each name was given that people have themselves.
        self._times = Counter[str]()

    def take(self, name: str) -> None:
        """Note a name that somebody has already."""
        self._taken.add(name)
        self._called.add(name.partition(" ")[0])

    def name_person(self, persona: Persona, columns: Mapping[str, Any] | None = None) -> str:
        """Return the name of a person who comes to the society, and note that it is taken."""
        own = _own_name(persona.text, columns or {})
        proposals = self._own_names(own) if own else _drawn_names(persona)
        free = (one for one in proposals if one not in self._taken)
        first = next(free)
        drawn = [] if own else [first, *islice(free, _SECOND)]
        name = next((one for one in drawn if one.partition(" ")[0] not in self._called), first)
        self.take(name)
        return name

    def _own_names(self, own: str) -> Iterator[str]:
        """Yield the name, and then the name with a number."""
        while True:
            self._times[own] += 1
            yield own if self._times[own] == 1 else f"{own} {self._times[own]}"


def _own_name(text: str, columns: Mapping[str, Any]) -> str:
    """Return the name that the columns or the description give, or "" if neither does."""
    by_name = {str(column).strip().lower(): value for column, value in columns.items()}
    for column in _NAME_COLUMNS:
        value = " ".join(str(by_name.get(column) or "").split())
        if _OWN_NAME.match(value):
            family = by_name.get("last_name") or by_name.get("surname") if column.startswith(("first", "given")) else ""
            return f"{value} {family}".strip()
    if found := _STATED.search(text):
        return found[1]
    opening = _OPENING.match(text)
    return f"{opening[1]}{opening[2]}" if opening and opening[1] in _given_names() else ""


@cache
def _given_names() -> frozenset[str]:
    return frozenset(
        name
        for lists in _data()["names"].values()
        for key, names in lists.items()
        if key not in ("family", "joined")
        for name in names.split()
    )


def _drawn_names(persona: Persona) -> Iterator[str]:
    """Yield names of the region of the persona's language, for somebody of about that age; each persona its own."""
    lists = _lists(persona.language.partition("-")[0])
    is_female = _is_told(persona.text, "female", "male", persona.id)
    when = "older" if _is_older(persona) else "younger"
    given, families = lists[f"{'female' if is_female else 'male'}_{when}"], lists["family"]
    for attempt in count():
        number = int.from_bytes(blake2b(f"{persona.id}\x1f{attempt}".encode(), digest_size=8).digest())
        first, family = given[number % len(given)], families[number // 997 % len(families)]
        family = family.split("/")[-1 if is_female else 0]
        if "joined" in lists:
            name = f"{family}{first}"
        else:
            second = f" {given[number // 7919 % len(given)]}" if attempt >= _SECOND else ""
            double = f"-{families[number // 104_729 % len(families)].split('/')[0]}" if attempt >= _DOUBLE else ""
            name = f"{first}{second} {family}{double}"
        yield name if attempt < _NUMBERED else f"{name} {attempt}"


def _is_older(persona: Persona) -> bool:
    age = _AGE.search(persona.text)
    if age is not None:
        return int(next(filter(None, age.groups()))) >= _OLDER
    return _is_told(persona.text, "older", "younger", f"{persona.id}\x1fage")


def _is_told(text: str, yes: str, no: str, otherwise: str) -> bool:
    """Return which of two lists of signs has the first word found in the text. Draw by `otherwise` if neither has."""
    signs = _signs()
    for word in _WORD.findall(text.lower()):
        if word in signs[yes]:
            return True
        if word in signs[no]:
            return False
    for sign in () if text.isascii() else (yes, no):  # scripts without spaces
        if any(not one.isascii() and len(one) > 1 and one in text for one in signs[sign]):
            return sign == yes
    return blake2b(otherwise.encode(), digest_size=1).digest()[0] < 128


@cache
def _lists(language: str) -> Mapping[str, Sequence[str]]:
    """Return the lists of names of a language, or those of English."""
    names = _data()["names"]
    return {
        key: value.split() if isinstance(value, str) else () for key, value in names.get(language, names["en"]).items()
    }


@cache
def _signs() -> Mapping[str, frozenset[str]]:
    return {sign: frozenset(words.split()) for sign, words in _data()["signs"].items()}


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("naming.toml").read_text(encoding="utf-8"))
