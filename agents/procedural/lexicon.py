"""What the stand-in knows, read once from its data files: roles, relations, and words of people's lives."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from .templates import Pool

#: The sentence that goes wherever the stand-in's text goes.
PROCEDURAL_NOTICE: Final = (
    "Text by the procedural stand-in: no language model wrote it, and it says nothing about people."
)

_WORD = re.compile(r"[a-z][a-z'-]+")
#: Stages of life of a role that names none.
ROLE_AGES = ("young", "adult", "old")


def split(text: str) -> tuple[str, ...]:
    """The entries of a list written with bars or line by line."""
    return tuple(entry.strip() for entry in re.split(r"[|\n]", text) if entry.strip())


@dataclass(frozen=True, slots=True)
class TieTemplate:
    """A relation that somebody may have, seen from that person."""

    label: str
    kind: str
    #: `any`, `same` (the field), `trainee`, or names of roles.
    who: tuple[str, ...]
    #: A stage of life, `any`, or a relation to the person's own ("offspring").
    age: str
    gender: str = "any"
    #: Who may have it: all, grown, free, working, trading, child or old.
    whose: str = "all"


@dataclass(frozen=True, slots=True)
class Role:
    """What somebody is, and what such a life is made of."""

    name: str
    field: str
    #: Nouns by which a text is recognised as being about it.
    things: tuple[str, ...]
    #: Verb phrases in the base form.
    does: tuple[str, ...]
    #: Noun phrases.
    worries: tuple[str, ...]
    #: Clauses with how, why, which ...
    knows: tuple[str, ...]
    ages: tuple[str, ...]
    gender: str
    #: True for a role that is not drawn by chance, because circumstances and habits of others would not fit it.
    plain: bool = False
    ties: tuple[TieTemplate, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkField:
    """A field of work, or a stretch of life without any."""

    name: str
    topics: tuple[str, ...]
    ties: tuple[TieTemplate, ...]
    #: Stems of words in other languages by which a text is recognised as being about it.
    signs: tuple[str, ...]
    working: bool
    trading: bool


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Roles, fields and relations, and the ways to find them."""

    roles: Mapping[str, Role]
    fields: Mapping[str, WorkField]
    #: Relations that are no field's own.
    ties: tuple[TieTemplate, ...]
    #: Roles by the last word of their names ("nurse"), and by every word of what they do and deal in.
    by_head: Mapping[str, tuple[Role, ...]] = field(repr=False)
    by_word: Mapping[str, tuple[Role, ...]] = field(repr=False)


@cache
def data(name: str) -> Mapping[str, Any]:
    """A data file's content."""
    text = files(__package__).joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def entries(name: str, *path: str) -> tuple[str, ...]:
    """The list at `path` of a data file."""
    found: Any = data(name)
    for key in path:
        found = found[key]
    return split(found)


@cache
def pool(name: str, *path: str) -> Pool:
    """The frames at `path` of a data file."""
    return Pool(entries(name, *path))


@cache
def lexicon() -> Lexicon:
    """Everything about roles, read on first use."""
    roles = {name: _role(of, name, entry) for of, named in data("roles").items() for name, entry in named.items()}
    fields = {name: _field(name, entry) for name, entry in data("fields").items()}
    ties = tuple(tie for kind, entry in data("ties").items() if "ties" in entry for tie in _general(kind, entry))
    stop = frozenset(data("words")["stop"].split())
    heads: dict[str, list[Role]] = {}
    words: dict[str, list[Role]] = {}
    for role in roles.values():
        heads.setdefault(role.name.split()[-1], []).append(role)
        told = " ".join((role.name, *role.things, *role.does, *role.worries, *role.knows))
        for word in dict.fromkeys(_WORD.findall(told.lower())):
            if word not in stop and len(word) > 3:
                words.setdefault(word, []).append(role)
    return Lexicon(roles, fields, ties, _frozen(heads.items()), _frozen(words.items()))


def _frozen(lists: Iterable[tuple[str, list[Role]]]) -> dict[str, tuple[Role, ...]]:
    return {key: tuple(value) for key, value in lists}


def _role(of: str, name: str, entry: Mapping[str, Any]) -> Role:
    ties = (tuple(part.strip() for part in tie.split("/")) for tie in split(entry.get("ties", "")))
    return Role(
        name=name,
        field=of,
        things=split(entry["things"]),
        does=split(entry["does"]),
        worries=split(entry["worry"]),
        knows=split(entry["knows"]),
        ages=tuple(entry["age"].split()) if "age" in entry else ROLE_AGES,
        gender=entry.get("gender", "any"),
        plain=entry.get("plain", False),
        ties=tuple(TieTemplate(label, kind, (who,), "any", _gender(label)) for label, kind, who in ties),
    )


def _field(name: str, entry: Mapping[str, Any]) -> WorkField:
    ties = (tuple(part.strip() for part in tie.split("/")) for tie in split(entry["ties"]))
    return WorkField(
        name=name,
        topics=split(entry["topics"]),
        ties=tuple(TieTemplate(label, kind, _names(who), *rest) for label, kind, who, *rest in ties),
        signs=tuple(entry["signs"].split()),
        working=entry.get("working", True),
        trading=entry.get("trading", False),
    )


def _general(kind: str, entry: Mapping[str, str]) -> Iterable[TieTemplate]:
    for line in split(entry["ties"]):
        label, age, gender, who, whose = (part.strip() for part in line.split("/"))
        yield TieTemplate(label, kind, _names(who), age, gender, whose)


def _names(who: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in who.split(","))


def _gender(label: str) -> str:
    return "f" if label.endswith("mother") else "any"
