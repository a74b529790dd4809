"""What readers hand on: one text after another, each with what its document says of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..source import parse_language, parse_text
from .document import Document
from .skips import Skips

__all__ = ["Statement", "Text", "Wishes", "licence_name"]

_CREATIVE_COMMONS = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses/(?P<terms>[a-z-]+)/(?P<version>\d\.\d)"
    r"|publicdomain/(?P<free>zero|mark)/(?P<of>\d\.\d))(?:[/?#].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How documents are to be read."""

    #: The column of tables that holds the text; None for one of the names that are known.
    column: str | None
    #: What documents are written in that are not UTF-8.
    encoding: str | None
    skips: Skips


@dataclass(frozen=True, slots=True)
class Statement:
    """What a document or a row says of itself; None where it says nothing."""

    language: str | None = None
    #: SPDX identifier where the document gives one, or words that lead to one.
    licence: str | None = None
    title: str | None = None
    source: str | None = None

    @staticmethod
    def of(where: str, row: Mapping[str, object]) -> "Statement":
        """What a row or a front matter states under the usual names. Raises `SourceError` for what is no such value."""
        return Statement(
            language=parse_language(where, {"language": _first(row, "language", "lang")})
            if _has_language(row)
            else None,
            licence=_optional(where, row, "licence", "license"),
            title=_optional(where, row, "title"),
            source=_optional(where, row, "source", "url"),
        )


@dataclass(frozen=True, slots=True)
class Text:
    """One text: a whole file, a row of a table or a page."""

    document: Document
    #: Place among the texts of its document: a row or page from 1; 0 when the document is one text.
    row: int
    parts: Iterable[str]
    stated: Statement = Statement()
    #: What names the text within its document, as `#id`, `:line` or `#page=3`; empty for a whole file.
    mark: str = ""
    #: Whether lines that begin with `#` are headings.
    headings: bool = False
    #: Whether the line of a passage is a line of the file.
    has_lines: bool = False


def licence_name(stated: str) -> str:
    """The SPDX identifier behind the address of a Creative Commons licence; anything else as it stands."""
    found = _CREATIVE_COMMONS.fullmatch(stated.strip())
    if found is None:
        return stated.strip()
    if found["terms"]:
        return f"CC-{found['terms'].upper()}-{found['version']}"
    return f"CC0-{found['of']}" if found["free"].lower() == "zero" else f"CC-PDM-{found['of']}"


def _has_language(row: Mapping[str, object]) -> bool:
    return _first(row, "language", "lang") is not None


def _optional(where: str, row: Mapping[str, object], *keys: str) -> str | None:
    key = next((key for key in keys if row.get(key) not in (None, "")), None)
    return None if key is None else parse_text(where, row, key)


def _first(row: Mapping[str, object], *keys: str) -> object:
    return next((row[key] for key in keys if row.get(key) not in (None, "")), None)
