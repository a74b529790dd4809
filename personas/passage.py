"""Passages: the texts from which Text-to-Persona infers people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import PurePath

from .inputs import UNKNOWN_LANGUAGE, iter_objects, parse_text
from .persona import content_id

__all__ = ["Passage", "distinct", "shipped_passages"]

_SHIPPED = "walks_of_life.jsonl"


@dataclass(frozen=True, slots=True)
class Passage:
    """A short text with its origin and licence.

    Two passages with the same canonical text have the same `id`.
    """

    text: str
    #: BCP 47 tag; `und` when nobody has stated the language.
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
    """The passages in order, without those whose text came before."""
    first: dict[str, Passage] = {}
    for passage in passages:
        first.setdefault(passage.id, passage)
    return list(first.values())


def shipped_passages() -> list[Passage]:
    """The seed corpus: walks of life in ten languages, written for Populace, CC0-1.0."""
    text = files(__package__).joinpath("seeds", _SHIPPED).read_text(encoding="utf-8")
    return distinct(_shipped(where, row) for where, row in iter_objects(PurePath(_SHIPPED), text))


def _shipped(line: int, row: Mapping[str, object]) -> Passage:
    where, place = f"{_SHIPPED}, line {line}", f"{_SHIPPED}#{row['id']}"
    language, licence, title = (parse_text(where, row, key) for key in ("language", "licence", "title"))
    return Passage(parse_text(where, row, "text"), language, place, licence, title, place)
