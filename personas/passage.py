"""Passages: the texts from which Text-to-Persona infers people."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path, PurePath

from .errors import SourceError
from .persona import content_id
from .source import UNKNOWN_LANGUAGE, iter_objects, parse_language, parse_text, read_text, resolve_file, shown

__all__ = ["Passage", "read_passages", "shipped_passages"]

#: Most characters of a passage that is made of paragraphs.
LIMIT = 1_200

_JSONL = (".jsonl", ".ndjson")
_PROSE = (".txt", ".md")
_SHIPPED = "walks_of_life.jsonl"
_INK = re.compile(r"\S")
_SENTENCE_END = re.compile(r"[.!?؟।](?=\s)|[。！？]")


@dataclass(frozen=True, slots=True)
class Passage:
    """A short text, where it is from and on which terms.

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
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", content_id(self.text))


def read_passages(path: Path) -> list[Passage]:
    """The passages of a file in their order, equal texts once.

    JSONL has one object a line: `text` and, if wanted, `id`, `source`, `language`, `licence` and `title`;
    other keys are passed over. Plain text and Markdown give paragraphs: neighbours are joined up to 1,200
    characters, and what is longer is cut behind a sentence. Raises `SourceError` for whatever cannot be
    read, naming file and line.
    """
    suffix = resolve_file(path).suffix.lower()
    if suffix in _JSONL:
        return _distinct(_parse_jsonl(path, read_text(path)))
    if suffix in _PROSE:
        return _distinct(_parse_prose(path, read_text(path)))
    known = ", ".join(_JSONL + _PROSE)
    raise SourceError(f"{path} ends in {shown(path.suffix)}, which passages are not read from; give one of {known}.")


def shipped_passages() -> list[Passage]:
    """The seed corpus: walks of life in ten languages, written for Populace, CC0-1.0."""
    text = files(__package__).joinpath("seeds", _SHIPPED).read_text(encoding="utf-8")
    return _distinct(_parse_jsonl(PurePath(_SHIPPED), text))


def _distinct(passages: Iterable[Passage]) -> list[Passage]:
    first: dict[str, Passage] = {}
    for passage in passages:
        first.setdefault(passage.id, passage)
    return list(first.values())


def _parse_jsonl(path: PurePath, text: str) -> Iterator[Passage]:
    for line, row in iter_objects(path, text):
        where = f"{path}, line {line}"
        place = f"{path.name}:{line}" if row.get("id") is None else f"{path.name}#{row['id']}"
        yield Passage(
            parse_text(where, row, "text").strip(),
            parse_language(where, row),
            _optional(where, row, "source") or place,
            _optional(where, row, "licence") or _optional(where, row, "license"),
            _optional(where, row, "title"),
        )


def _optional(where: str, row: Mapping[str, object], key: str) -> str | None:
    return None if row.get(key) in (None, "") else parse_text(where, row, key)


def _parse_prose(path: PurePath, text: str) -> Iterator[Passage]:
    held: list[str] = []
    start = 1
    for line, piece in _pieces(text):
        if held and len("\n\n".join([*held, piece])) > LIMIT:
            yield Passage("\n\n".join(held), source=f"{path.name}:{start}")
            held = []
        start = start if held else line
        held.append(piece)
    yield Passage("\n\n".join(held), source=f"{path.name}:{start}")


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs with the lines they begin on; one that is longer than a passage comes in several pieces."""
    for first, paragraph in _paragraphs(text):
        line, at = first, 0
        while len(paragraph) - at > LIMIT:
            cut = at + _cut(paragraph[at : at + LIMIT])
            yield line, paragraph[at:cut].rstrip()
            behind = next(mark.start() for mark in _INK.finditer(paragraph, cut))
            line += paragraph.count("\n", at, behind)
            at = behind
        yield line, paragraph[at:]


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    lines: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            lines.append(line)
        elif lines:
            yield number - len(lines), "\n".join(lines).strip()
            lines = []


def _cut(window: str) -> int:
    """Where in a window to end a piece: behind a sentence, else behind a word, else at its end."""
    sentence = max((end.end() for end in _SENTENCE_END.finditer(window)), default=0)
    if sentence > len(window) // 2:
        return sentence
    word = max(window.rfind(" "), window.rfind("\n"))
    return word if word > 0 else len(window)
