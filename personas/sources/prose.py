"""Plain text and Markdown: one text a file, streamed; Markdown may begin with a front matter that says what it is."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from ..errors import SourceError
from .decoding import iter_text
from .document import Document, Format
from .skips import DocumentError, Skip
from .text import Statement, Text, Wishes, licence_name

__all__ = ["read_prose"]

#: Most characters of a front matter; what is longer begins with a line, not with one.
_LONGEST = 1 << 14
_FENCES = {"---": re.compile(r"\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)"), "+++": re.compile(r"\n\+\+\+[ \t]*(?:\n|\Z)")}
_KEY = re.compile(r"^([A-Za-z_][\w-]*):[ \t]+(.+)$", re.MULTILINE)


def read_prose(document: Document, wishes: Wishes, pieces: Iterable[bytes]) -> Iterator[Text]:
    """The one text of a file."""
    parts: Iterator[str] = iter_text(document.label, pieces, wishes.encoding)
    is_markdown = document.format is Format.MARKDOWN
    stated = Statement()
    if is_markdown:
        head, parts = _head(parts)
        size, values = _front_matter(head)
        stated = _statement(document, values)
        parts = _blanked(size, parts)
    yield Text(document, 0, parts, stated, headings=is_markdown, has_lines=True)


def _head(parts: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The beginning of a text, and the whole of it."""
    held: list[str] = []
    while sum(map(len, held)) < _LONGEST and (part := next(parts, None)) is not None:
        held.append(part)
    return "".join(held), chain(held, parts)


def _front_matter(head: str) -> tuple[int, Mapping[str, object]]:
    """How many characters a front matter takes, and the plain values in it."""
    fence = head[:3]
    first = head.partition("\n")[0].rstrip()
    close = _FENCES[fence].search(head, 3, _LONGEST) if fence in _FENCES and first == fence else None
    if close is None:
        return 0, {}
    inside = head[len(first) : close.start() + 1]
    return close.end(), _toml(inside) if fence == "+++" else _yaml(inside)


def _toml(text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # it stands between the marks of a front matter, but says nothing we can use
        return {}


def _yaml(text: str) -> Mapping[str, object]:
    """The plain values of the top level: all that passages need of YAML."""
    return {key.lower(): _unquoted(value.strip()) for key, value in _KEY.findall(text)}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _statement(document: Document, values: Mapping[str, object]) -> Statement:
    try:
        stated = Statement.of(f"{document.label}, front matter", values)
    except SourceError as error:
        raise DocumentError(Skip.ROW, str(error)) from error
    licence = stated.licence and licence_name(stated.licence)
    return Statement(stated.language, licence, stated.title, stated.source)


def _blanked(size: int, parts: Iterable[str]) -> Iterator[str]:
    """The text with its first `size` characters blank, so that offsets and lines stay those of the file."""
    for part in parts:
        blank = re.sub(r"[^\n]", " ", part[:size])
        yield blank + part[size:]
        size -= len(blank)
