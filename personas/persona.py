"""Personas, their names, the relations between them, and the passages that Text-to-Persona reads."""

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from itertools import count, islice
from typing import Any, Literal

from ..core.inputs import UNKNOWN_LANGUAGE
from ..core.text import canonical_text

type PersonaOrigin = Literal["text", "persona", "import"]


class RelationKind(StrEnum):
    """The closed set into which the free label of a relation is normalised."""

    KINSHIP = "kinship"
    FRIENDSHIP = "friendship"
    NEIGHBOURHOOD = "neighbourhood"
    WORK = "work"
    TRADE = "trade"
    CARE = "care"
    TEACHING = "teaching"
    SERVICE = "service"
    RIVALRY = "rivalry"
    OTHER = "other"


def content_id(text: str) -> str:
    """Return a 128-bit hash of the canonical text as 32 hexadecimal digits: equal texts have equal ids."""
    return hashlib.blake2b(canonical_text(text).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Persona:
    """One person, described in a sentence or two.

    The text is kept as given. Its canonical form is the identity: two personas with the same canonical text have the
    same `id`.
    """

    text: str
    origin: PersonaOrigin = "import"
    #: 0 for a persona inferred from a text, n for one reached by n relations (paper, section 2.2).
    hop: int = 0
    #: The id of the persona it was grown from.
    parent: str | None = None
    #: BCP 47 tag of the language the description is written in.
    language: str = "en"
    #: The document it was inferred or imported from, and that document's licence.
    source: str | None = None
    licence: str | None = None
    #: The model and the prompt (`name@version`) that wrote it.
    model: str | None = None
    prompt: str | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", content_id(self.text))


@dataclass(frozen=True, slots=True)
class Relation:
    """A directed, typed tie: `target` is `source`'s `label` (`source` a nurse, `target` her patient)."""

    #: Ids of the two personas.
    source: str
    target: str
    kind: RelationKind
    #: The relation in the model's own words.
    label: str
    #: The hop of Persona-to-Persona that found it.
    hop: int = 1


_SHIPPED = "walks_of_life.jsonl"


@dataclass(frozen=True, slots=True)
class Passage:
    """A short text with its origin and licence.

    Two passages with the same canonical text have the same `id`.
    """

    text: str
    #: BCP 47 tag; `und` when the language is not stated.
    language: str = UNKNOWN_LANGUAGE
    #: The document, and the place in it: `FILE#id` or `FILE:line`.
    source: str | None = None
    #: SPDX identifier of the document's licence, where it has one.
    licence: str | None = None
    title: str | None = None
    #: The document that `offset` counts in: a file, or a row or page of one (`FILE#id`, `FILE:line`).
    document: str | None = None
    #: Where in that document the passage begins, in characters; its length is that of its text.
    offset: int = 0
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", content_id(self.text))


def distinct(passages: Iterable[Passage]) -> list[Passage]:
    """Return the passages in order, without those whose text came before."""
    first: dict[str, Passage] = {}
    for passage in passages:
        first.setdefault(passage.id, passage)
    return list(first.values())


def shipped_passages() -> list[Passage]:
    """Return the seed corpus: walks of life in ten languages, written for Populace, CC0-1.0."""
    lines = files(__package__).joinpath("seeds", _SHIPPED).read_text(encoding="utf-8").splitlines()
    return distinct(_shipped_passage(json.loads(line)) for line in lines)


def _shipped_passage(row: Mapping[str, str]) -> Passage:
    place = f"{_SHIPPED}#{row['id']}"
    return Passage(row["text"], row["language"], place, row["licence"], row["title"], place)


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
        for lists in _read_naming()["names"].values()
        for key, names in lists.items()
        if key not in ("family", "joined")
        for name in names.split()
    )


def _drawn_names(persona: Persona) -> Iterator[str]:
    """Yield names of the region of the persona's language, for somebody of about that age; each persona its own."""
    lists = _name_lists(persona.language.partition("-")[0])
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
    signs = _gender_signs()
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
def _name_lists(language: str) -> Mapping[str, Sequence[str]]:
    """Return the lists of names of a language, or those of English."""
    names = _read_naming()["names"]
    return {
        key: value.split() if isinstance(value, str) else () for key, value in names.get(language, names["en"]).items()
    }


@cache
def _gender_signs() -> Mapping[str, frozenset[str]]:
    return {sign: frozenset(words.split()) for sign, words in _read_naming()["signs"].items()}


@cache
def _read_naming() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("naming.toml").read_text(encoding="utf-8"))
