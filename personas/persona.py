"""Personas, the relations between them, and the passages that Text-to-Persona reads."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from typing import Literal

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
    return distinct(_shipped(json.loads(line)) for line in lines)


def _shipped(row: Mapping[str, str]) -> Passage:
    place = f"{_SHIPPED}#{row['id']}"
    return Passage(row["text"], row["language"], place, row["licence"], row["title"], place)
