"""Documents: their formats, what cannot be read of them, and the way from their bytes to text."""

import codecs
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import chain
from pathlib import Path, PurePath
from typing import BinaryIO

from ...core.errors import SetupError, SourceError
from ...core.files import (
    COMPRESSIONS,
    DAMAGE,
    Compression,
    compression_of,
    open_decompressed,
    sniff_compression,
    uncompressed_suffix,
)
from ...core.inputs import UNKNOWN_LANGUAGE, parse_language, parse_text

_EXAMPLES = 20
_EXAMPLES_OF_A_KIND = 3


class Skip(StrEnum):
    """Why something is not read."""

    ENDING = "of another kind"
    HIDDEN = "hidden"
    LOOP = "reached before"
    UNREADABLE = "unreadable"
    BINARY = "binary"
    ENCODING = "in another encoding"
    CORRUPT = "damaged"
    EMPTY = "empty"
    LONG = "too long"
    COLUMN = "without the column"
    ROW = "rows without a text"
    BROKEN = "rows that cannot be read"
    REPEATED = "the same text again"


@dataclass(frozen=True, slots=True)
class SkipCount:
    """How many of one kind were skipped, with sentences about the first: file, row and reason."""

    kind: Skip
    number: int
    examples: tuple[str, ...]


class DocumentError(SourceError):
    """A document that cannot be read, or not to its end; `kind` is the reason."""

    def __init__(self, kind: Skip, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Skips:
    """What was skipped: counts by kind, and the sentences of the first twenty."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.counts: Counter[Skip] = Counter()
        self.examples: list[str] = []
        #: What was skipped since it was last taken.
        self._new: dict[Skip, SkipCount] = {}

    def add(self, fault: DocumentError) -> None:
        """Count a fault; with `strict`, raise it instead."""
        if self._strict:
            raise fault
        self.count(fault.kind, str(fault))

    def count(self, kind: Skip, sentence: str) -> None:
        """Count something that is skipped even when faults are errors."""
        self.counts[kind] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(sentence)
        new = self._new.get(kind, SkipCount(kind, 0, ()))
        self._new[kind] = SkipCount(kind, new.number + 1, (*new.examples, sentence)[:_EXAMPLES_OF_A_KIND])

    def take(self) -> tuple[SkipCount, ...]:
        """Return what was skipped since the last call, by kind."""
        taken, self._new = tuple(self._new.values()), {}
        return taken

    @property
    def total(self) -> int:
        """The number of files, folders and rows that were skipped."""
        return self.counts.total()

    def summary(self) -> str:
        """Return how many were skipped and why, in one sentence; empty if none were."""
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in self.counts.most_common())
        return f"{self.total:,} skipped: {kinds}." if kinds else ""


#: The argument for standard input, and the name of the document that comes from there.
STDIN = "-"

_PROBE = 1 << 16


class Format(StrEnum):
    """The format of a document."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    EPUB = "epub"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def is_streamed(self) -> bool:
        """Whether it is read from front to back, so that it may be compressed or come from a pipe."""
        return self not in (Format.PDF, Format.DOCX, Format.EPUB, Format.PARQUET, Format.ARROW)


_ENDINGS = {
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".epub": Format.EPUB,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".parquet": Format.PARQUET,
    ".arrow": Format.ARROW,
    ".arrows": Format.ARROW,
    ".feather": Format.ARROW,
    ".ipc": Format.ARROW,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file to be read, or standard input."""

    #: What passages call it: the path from the folder that was given, with slashes.
    name: str
    #: None for standard input.
    path: Path | None
    format: Format | None
    packing: Compression | None
    #: Which of the given sources it belongs to, from 0.
    argument: int = 0
    #: Whether it was given by its own name: then what is wrong with it is an error.
    is_named: bool = True

    @property
    def label(self) -> str:
        """The name of the document in messages."""
        return "standard input" if self.path is None else str(self.path)

    def fault(self, kind: Skip, complaint: str) -> DocumentError:
        """Return the error that says what is wrong with this document: its label, and the rest of the sentence."""
        return DocumentError(kind, f"{self.label} {complaint}")

    def stamp(self) -> str:
        """Return a hash of the size, the beginning and the end of the file.

        Unlike the time of the last change, it survives copying the file elsewhere.
        """
        if self.path is None:
            return ""
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                mark = blake2b(f"{size}:".encode() + file.read(_PROBE), digest_size=8)
                file.seek(max(0, size - _PROBE))
                mark.update(file.read(_PROBE))
        except OSError as error:
            raise self.fault(Skip.UNREADABLE, f"cannot be read ({error.strerror}); check its rights.") from error
        return mark.hexdigest()


def recognise_format(path: PurePath) -> tuple[Format | None, Compression | None]:
    """Return format and compression by the suffixes of a name; None for an unknown format."""
    return _ENDINGS.get(uncompressed_suffix(path)), compression_of(path)


def known_endings() -> str:
    """Return the suffixes that are read, for messages."""
    return f"{', '.join(_ENDINGS)} (or one of these with {', '.join(COMPRESSIONS)} behind it)"


_CREATIVE_COMMONS = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses/(?P<terms>[a-z-]+)/(?P<version>\d\.\d)"
    r"|publicdomain/(?P<free>zero|mark)/(?P<of>\d\.\d))(?:[/?#].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How documents are read."""

    #: The column of tables that holds the text; None for one of the names that are known.
    column: str | None
    #: What documents are written in that are not UTF-8.
    encoding: str | None
    skips: Skips
    #: Licence and language of documents that do not state their own.
    licence: str | None = None
    language: str = UNKNOWN_LANGUAGE


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """What a document or a row states about itself; None for what it does not state."""

    language: str | None = None
    #: SPDX identifier where the document gives one, or words that lead to one.
    licence: str | None = None
    title: str | None = None
    source: str | None = None

    @staticmethod
    def of(where: str, row: Mapping[str, object]) -> "DocumentMetadata":
        """Read the metadata under the usual names in a row or front matter.

        Raises `SourceError` for an invalid value.
        """
        language = next((row[key] for key in ("language", "lang") if row.get(key) not in (None, "")), None)
        licence = _optional_text(where, row, "licence", "license")
        return DocumentMetadata(
            language=None if language is None else parse_language(where, {"language": language}),
            licence=None if licence is None else licence_name(licence),
            title=_optional_text(where, row, "title"),
            source=_optional_text(where, row, "source", "url"),
        )


@dataclass(frozen=True, slots=True)
class SourceText:
    """One text: a whole file, a row of a table or a page."""

    document: Document
    #: Place among the texts of its document: a row or page from 1; 0 when the document is one text.
    row: int
    parts: Iterable[str]
    stated: DocumentMetadata = DocumentMetadata()
    #: What names the text within its document, as `#id`, `:line` or `#page=3`; empty for a whole file.
    mark: str = ""
    #: Whether lines that begin with `#` are headings.
    headings: bool = False
    #: Whether the line of a passage is a line of the file.
    has_lines: bool = False


def licence_name(stated: str) -> str:
    """Return the SPDX identifier for the address of a Creative Commons licence; anything else unchanged."""
    found = _CREATIVE_COMMONS.fullmatch(stated.strip())
    if found is None:
        return stated.strip()
    if found["terms"]:
        return f"CC-{found['terms'].upper()}-{found['version']}"
    return f"CC0-{found['of']}" if found["free"].lower() == "zero" else f"CC-PDM-{found['of']}"


def _optional_text(where: str, row: Mapping[str, object], *keys: str) -> str | None:
    key = next((key for key in keys if row.get(key) not in (None, "")), None)
    return None if key is None else parse_text(where, row, key)


_PIECE = 1 << 17


def iter_bytes(document: Document) -> Iterator[bytes]:
    """Yield the decompressed bytes. Raises `DocumentError` for a file that cannot be opened or is damaged."""
    with ExitStack() as stack:
        if document.path is not None:
            try:
                raw: BinaryIO = stack.enter_context(document.path.open("rb"))
            except OSError as error:
                raise document.fault(
                    Skip.UNREADABLE, f"cannot be read ({error.strerror}); check its rights."
                ) from error
        elif sys.stdin is None:
            raise DocumentError(Skip.UNREADABLE, "Standard input is closed; send texts into it, or name a file.")
        else:
            raw = sys.stdin.buffer
        packing = document.packing or (sniff_compression(raw) if document.path is None else None)
        stream, got = open_decompressed(raw, packing, stack), 0
        while True:
            try:
                piece = stream.read(_PIECE)
            except DAMAGE as error:
                raise _explain_damage(document, packing, got, error) from error
            if not piece:
                return
            got += len(piece)
            yield piece


def _explain_damage(document: Document, packing: Compression | None, got: int, error: Exception) -> DocumentError:
    why = " ".join(str(error).split()).rstrip(".")
    if packing is None:
        return document.fault(Skip.UNREADABLE, f"could not be read beyond byte {got:,} ({why}); try a copy.")
    if not got:
        complaint = f"is no readable {packing} file ({why}); fetch it again, or rename it if it is none."
    else:
        complaint = f"is damaged: its {packing} breaks off after {got:,} unpacked bytes ({why}); fetch it again."
    return document.fault(Skip.CORRUPT, complaint)


_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_MARK = 4
#: Encodings that write other text than ASCII with bytes of ASCII, or ASCII otherwise: they cannot be told from UTF-8.
_UNLIKE_ASCII = ("utf-16", "utf-32", "utf-7", "iso2022", "hz")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{2,40})""", re.IGNORECASE)


def check_encoding(name: str | None) -> None:
    """Raise `SetupError` for an unknown encoding."""
    if name is None:
        return
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError) as error:
        sentence = f"Encoding {name!r} is none that text is written in; give one such as latin-1, cp1252 or shift_jis."
        raise SetupError(sentence) from error


def declared_encoding(head: bytes) -> str | None:
    """The encoding that an HTML page declares in its head, if it is a known one."""
    found = _CHARSET.search(head)
    if found is None:
        return None
    name = found[1].decode("ascii", "replace")
    try:
        check_encoding(name)
    except SetupError:  # what a page says of itself is a hint, and a wrong one is none
        return None
    return name


def iter_text(label: str, pieces: Iterable[bytes], encoding: str | None = None) -> Iterator[str]:
    """Yield the text of `pieces` with newlines as line ends, without byte order mark.

    Text without a mark is UTF-8, or `encoding` where it is not; each document is judged on its own. Raises
    `DocumentError` with the byte for text that is neither, and for binary files.
    """
    pieces, head = iter(pieces), b""
    while len(head) < _LONGEST_MARK and (first := next(pieces, None)) is not None:
        head += first
    name = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if name is None and encoding and _is_unlike_ascii(encoding):
        name = encoding
    # While all is ASCII, another encoding can still turn out to be the right one.
    is_open, has_nul = name is None and encoding is not None, name not in (None, "utf-8-sig")
    decoder = codecs.getincrementaldecoder(name or "utf-8")()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    at, line = 0, 1
    for piece in chain([head], pieces, [None]):
        read, is_last = piece or b"", piece is None
        if not has_nul and (nul := read.find(b"\0")) >= 0:
            said = f"{label} is a binary file: byte {at + nul} is NUL; give a text file in UTF-8."
            raise DocumentError(Skip.BINARY, said)
        if is_open and not read.isascii():
            is_open, decoder = False, codecs.getincrementaldecoder(_settle_encoding(read, encoding))()
        held = len(decoder.getstate()[0])
        try:
            text = newlines.decode(decoder.decode(read, is_last), is_last)
        except UnicodeError as error:
            raise _explain_undecodable(label, error, at - held, line) from error
        at, line = at + len(read), line + text.count("\n")
        if text:
            yield text


def _settle_encoding(piece: bytes, encoding: str | None) -> str:
    """Decide the encoding at the first bytes beyond ASCII."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(piece)
    except UnicodeDecodeError:
        return encoding or "utf-8"
    return "utf-8"


def _explain_undecodable(label: str, error: UnicodeError, before: int, line: int) -> DocumentError:
    """Return the error for what cannot be decoded; `before` and `line` say where the decoded bytes begin."""
    if not isinstance(error, UnicodeDecodeError):
        return DocumentError(Skip.ENCODING, f"{label} cannot be decoded ({error}); save it as UTF-8.")
    at, line = error.start, line + error.object.count(b"\n", 0, error.start)
    name = "UTF-8" if error.encoding.lower() in ("utf-8", "utf_8") else error.encoding
    found = f"byte {before + at}, on line {line}, is 0x{error.object[at]:02X}"
    way = "save it as UTF-8, or name what it is in with `populace grow --encoding`"
    return DocumentError(Skip.ENCODING, f"{label} is not {name}: {found}; {way}.")


def _is_unlike_ascii(encoding: str) -> bool:
    name = codecs.lookup(encoding).name
    return name.startswith(_UNLIKE_ASCII) or b"text".decode(name, "replace") != "text"
