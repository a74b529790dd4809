"""What the stand-in knows, read once from its data files: roles, ties, words and ways of saying things."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from .frames import Pool

__all__ = ["Domain", "Lexicon", "Role", "Tie", "data", "lexicon"]

_WORD = re.compile(r"[a-z][a-z'-]+")


def split(text: str) -> tuple[str, ...]:
    """The entries of a list written with bars or line by line."""
    return tuple(entry.strip() for entry in re.split(r"[|\n]", text) if entry.strip() and not entry.startswith("#"))


@dataclass(frozen=True, slots=True)
class Tie:
    """A relation somebody may have, seen from the given person."""

    label: str
    kind: str
    #: `any`, `same` (the domain), `apprentice`, or names of roles.
    who: tuple[str, ...]
    age: str
    bond: str
    gender: str = "any"


@dataclass(frozen=True, slots=True)
class Role:
    """What somebody is, and what such a life is made of."""

    name: str
    domain: str
    places: tuple[str, ...]
    #: Plural or mass nouns.
    things: tuple[str, ...]
    #: Verb phrases in the base form.
    does: tuple[str, ...]
    worries: tuple[str, ...]
    knows: tuple[str, ...]
    ages: tuple[str, ...]
    gender: str
    ties: tuple[Tie, ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    """A walk of life."""

    name: str
    topics: tuple[str, ...]
    ties: tuple[Tie, ...]
    #: Stems of words in other languages by which a text is recognised as being about it.
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Roles and domains, and the ways to find them."""

    roles: Mapping[str, Role]
    domains: Mapping[str, Domain]
    #: Ties anybody may have, by kind.
    ties: Mapping[str, tuple[Tie, ...]]
    stop: frozenset[str]
    #: Roles by the last word of their names ("nurse"), and by every word of what they do and deal in.
    by_head: Mapping[str, tuple[Role, ...]] = field(repr=False)
    by_word: Mapping[str, tuple[Role, ...]] = field(repr=False)
    #: Things and role names, word by word, by their first word; longest first.
    phrases: Mapping[str, tuple[tuple[str, ...], ...]] = field(repr=False)


@cache
def data(name: str) -> Mapping[str, Any]:
    """A data file's content."""
    text = files(__package__).joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def pool(name: str, *path: str) -> Pool:
    """The frames at `path` of a data file."""
    found: Any = data(name)
    for key in path:
        found = found[key]
    return Pool(split(found))


@cache
def entries(name: str, *path: str) -> tuple[str, ...]:
    """The list at `path` of a data file."""
    found: Any = data(name)
    for key in path:
        found = found[key]
    return split(found)


@cache
def lexicon() -> Lexicon:
    """Everything about roles, read on first use."""
    roles = {role.name: role for role in _read_roles()}
    domains = {name: _domain(name, entry) for name, entry in data("domains").items()}
    ties = {k: _ties(k, v["ties"]) for k, v in data("ties").items() if "ties" in v}
    stop = frozenset(data("words")["stop"].split())
    heads: dict[str, list[Role]] = {}
    words: dict[str, list[Role]] = {}
    for role in roles.values():
        heads.setdefault(role.name.split()[-1], []).append(role)
        told = " ".join((role.name, *role.things, *role.does, *role.worries, *role.places))
        for word in dict.fromkeys(_WORD.findall(told.lower())):
            if word not in stop and len(word) > 3:
                words.setdefault(word, []).append(role)
    return Lexicon(roles, domains, ties, stop, _frozen(heads), _frozen(words), _phrases(roles))


def _frozen(lists: Mapping[str, list[Role]]) -> dict[str, tuple[Role, ...]]:
    return {key: tuple(value) for key, value in lists.items()}


def _read_roles() -> Iterator[Role]:
    folder = files(__package__).joinpath("data", "roles")
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        for domain, roles in tomllib.loads(file.read_text(encoding="utf-8")).items():
            for name, entry in roles.items():
                yield _role(domain, name, entry)


def _role(domain: str, name: str, entry: Mapping[str, str]) -> Role:
    return Role(
        name=name,
        domain=domain,
        places=split(entry["at"]),
        things=split(entry["things"]),
        does=split(entry["does"]),
        worries=split(entry["worry"]),
        knows=split(entry["knows"]),
        ages=tuple(entry.get("age", "young adult old").split()),
        gender=entry.get("gender", "any"),
        ties=tuple(_role_tie(t) for t in split(entry.get("ties", ""))),
    )


def _role_tie(text: str) -> Tie:
    label, kind, who = (part.strip() for part in text.split("/"))
    bond = {"teaching": "pupil", "care": "doctor", "work": "colleague"}.get(kind, "supplier")
    bond = "customer" if "customer" in label or "buyer" in label else bond
    return Tie(label, kind, (who,), "any", bond)


def _domain(name: str, entry: Mapping[str, str]) -> Domain:
    ties = (tuple(p.strip() for p in tie.split("/")) for tie in split(entry["ties"]))
    made = tuple(Tie(label, kind, _names(who), age, bond) for label, kind, who, age, bond in ties)
    return Domain(name, split(entry["topics"]), made, tuple(entry["signs"].split()))


def _ties(kind: str, text: str) -> tuple[Tie, ...]:
    rows = (tuple(p.strip() for p in line.split("/")) for line in split(text))
    return tuple(Tie(label, kind, _names(who), age, bond, gender) for label, age, gender, who, bond in rows)


def _names(who: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in who.split(","))


def _phrases(roles: Mapping[str, Role]) -> dict[str, tuple[tuple[str, ...], ...]]:
    found: dict[str, set[tuple[str, ...]]] = {}
    for role in roles.values():
        for phrase in (*role.things, role.name):
            words = tuple(phrase.lower().split())
            found.setdefault(words[0], set()).add(words)
    return {first: tuple(sorted(group, key=lambda p: (-len(p), p))) for first, group in found.items()}
