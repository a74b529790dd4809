"""Passages from files, folders, pipes and tables of any size, one at a time."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedReader, RawIOBase
from itertools import chain
from pathlib import Path
from typing import Any

from ...core.arrow import ColumnFile
from ...core.errors import SetupError, SourceError, parameter
from ...core.inputs import parse_language, parse_text, resolve_file, shown
from ...core.readers import Lines, SkippedRows, read_csv_lines, read_json_lines
from ..persona import Passage, distinct
from .cutting import LongWordError, PassagePiece, PassageSplitter
from .documents import (
    STDIN,
    Document,
    DocumentError,
    DocumentMetadata,
    Format,
    ReadOptions,
    Skip,
    Skips,
    SourceText,
    check_encoding,
    iter_bytes,
    iter_text,
    known_endings,
    licence_name,
    recognise_format,
)
from .prose import check_extra, read_html, read_package, read_pdf, read_prose

#: Names of the text's column, where none is given.
_TEXT_COLUMNS = ("text", "content", "body", "passage")
_LONGEST_KEY = 200
_BUFFER = 1 << 17


def _column_of(document: Document, columns: Sequence[str], options: ReadOptions) -> str:
    """Return the column with the text: the named one, or the first known. Raises `DocumentError` with all columns."""
    wanted = _TEXT_COLUMNS if options.column is None else (options.column,)
    for name in wanted:
        exact = name if name in columns else None
        found = exact or next((c for c in columns if c.strip().casefold() == name.casefold()), None)
        if found is not None:
            return found
    there = ", ".join(map(shown, columns[:20])) or "none at all"
    missing = " or ".join(map(repr, wanted))
    way = "name the text's with `populace grow --column`"
    raise document.fault(Skip.COLUMN, f"has no column {missing} but {there}; {way}.")


def _row_text(
    document: Document, row: int, values: Mapping[str, object], column: str, options: ReadOptions, *, unit: str
) -> SourceText | None:
    """Return the text of a row; None for a row without one, which is counted."""
    where = f"{document.label}, {unit} {row}"
    try:
        text = parse_text(where, values, column)
        folded = {key.strip().casefold(): value for key, value in values.items() if key != column}
        stated = DocumentMetadata.of(where, folded)
    except SourceError as error:
        options.skips.add(DocumentError(Skip.ROW, str(error)))
        return None
    return SourceText(document, row, (text,), stated, _mark_row(row, values.get("id")))


def _mark_row(row: int, key: object) -> str:
    is_key = isinstance(key, str | int) and key != ""
    return f"#{str(key)[:_LONGEST_KEY].encode(errors='replace').decode()}" if is_key else f":{row}"


class _Encoded(RawIOBase):
    """The bytes of a text that is given in parts, in UTF-8."""

    def __init__(self, parts: Iterable[str]) -> None:
        self._parts, self._held = filter(None, parts), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._held = self._held or next(self._parts, "").encode(errors="surrogatepass")
        size = min(len(buffer), len(self._held))
        buffer[:size], self._held = self._held[:size], self._held[size:]
        return size


class _SkippedLines(SkippedRows):
    """Counts the lines of a document that hold no row; those before line `first` have been counted before."""

    def __init__(self, document: Document, options: ReadOptions, first: int) -> None:
        super().__init__(document.label, after=first - 1)
        self._label, self._skips, self._first = document.label, options.skips, first

    def count(self, reason: str, row: int) -> None:
        if row >= self._first:
            fault = f"{self._label}, line {row}: {reason}; mend it, or leave it out."
            self._skips.add(DocumentError(Skip.BROKEN, fault))


def read_rows(
    document: Document, options: ReadOptions, pieces: Iterable[bytes], *, first: int = 0
) -> Iterator[SourceText]:
    """Yield one text per row of JSONL or CSV, from line `first` on; rows without one are counted."""
    parts = iter_text(document.label, pieces, options.encoding)
    lines = Lines(document.label, BufferedReader(_Encoded(parts), _BUFFER))
    tally = _SkippedLines(document, options, first)
    is_json, is_tsv = document.format is Format.JSONL, document.format is Format.TSV
    column: str | None = None
    try:
        for number, values in read_json_lines(lines, tally) if is_json else read_csv_lines(lines, tally, is_tsv=is_tsv):
            column = column or _column_of(document, list(values), options)
            if number >= first and (text := _row_text(document, number, values, column, options, unit="line")):
                yield text
    except DocumentError:
        raise
    except SourceError as error:  # the header of CSV
        raise DocumentError(Skip.CORRUPT, str(error)) from error


_BATCH = 512
_ALSO = frozenset({"id", "language", "lang", "licence", "license", "title", "source", "url"})


def read_columns(document: Document, options: ReadOptions, *, first: int = 0) -> Iterator[SourceText]:
    """Yield one text per row, from row `first` (from 1) on; rows without one are counted."""
    assert document.path is not None  # noqa: S101 - such formats are read from a file
    file = ColumnFile(document.path, is_parquet=document.format is Format.PARQUET)
    try:
        types = file.types
        column = _column_of(document, list(types), options)
        if not types[column].startswith(("VARCHAR", "ENUM", "JSON")):
            said = f"{document.label}: column {column!r} holds {types[column]}, which is no text"
            raise DocumentError(Skip.COLUMN, f"{said}; name another with `populace grow --column`.")
        names = [name for name in types if name == column or name.strip().casefold() in _ALSO]
        for row, values in chain.from_iterable(file.rows(names, _BATCH, first)):
            if values is None:
                fault = f"{document.label}, row {row} is not UTF-8, or is damaged."
                options.skips.add(DocumentError(Skip.BROKEN, fault))
            elif text := _row_text(document, row, values, column, options, unit="row"):
                yield text
    except OSError as error:
        why = " ".join(str(error).split())[:120].rstrip(". ")
        is_missing = isinstance(error, PermissionError | FileNotFoundError)
        kind = Skip.UNREADABLE if is_missing else Skip.CORRUPT
        raise document.fault(kind, f"cannot be read as {document.format} ({why}); give a whole file.") from error


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the documents of the given paths. Paths that are named directly are checked before anything is read."""

    paths: Sequence[str]
    #: Read everything that was named as this, whatever its ending.
    format: Format | None
    skips: Skips

    def check(self) -> None:
        """Raise `SourceError` for a path that leads to nothing readable."""
        if not self.paths:
            raise SourceError(
                "No source of texts was given; name a file, a folder, a pattern, or - for standard input."
            )
        if list(self.paths).count(STDIN) > 1:
            raise SourceError("Standard input (-) was given twice, but it can be read only once; leave one out.")
        for argument, given in enumerate(self.paths):
            if not given.strip():
                raise SourceError(f"A source is {given!r}, which is no name; leave it out, or give . for this folder.")
            if given != STDIN and not Path(given).is_dir():
                check_extra(self._named_document(given, argument))

    def documents(self, *, first: int = 0) -> Iterator[Document]:
        """Every document from the source numbered `first` on: sources in the given order, folders by name."""
        for argument, given in enumerate(self.paths):
            if argument < first:
                continue
            if given == STDIN:
                yield Document(STDIN, None, self.format, None, argument)
            elif (folder := Path(given)).is_dir():
                yield from self._found_documents(folder.name, folder, argument, set())
            else:
                yield self._named_document(given, argument)

    def _named_document(self, given: str, argument: int) -> Document:
        path = resolve_file(Path(given))
        form, packing = recognise_format(path)
        form = self.format or form
        if form is None:
            raise SourceError(
                f"{path} ends in {shown(path.suffix)}, which passages are not read from; "
                f"give one of {known_endings()}, or say what it is with `populace grow --format`."
            )
        if packing and not form.is_streamed:
            raise SourceError(f"{path} is {form} inside {packing}, which cannot be read so; unpack it first.")
        return Document(_make_writable(path.name), path, form, packing, argument)

    def _found_documents(
        self, name: str, folder: Path, argument: int, entered: set[tuple[int, int]]
    ) -> Iterator[Document]:
        """The documents below a folder. Each folder is entered once, so that links cannot lead in circles."""
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            self.skips.count(Skip.LOOP, f"{folder} leads to a folder that was read before; it is read once.")
            return
        entered.add((status.st_dev, status.st_ino))
        try:
            entries = sorted(entry.name for entry in folder.iterdir())
        except OSError as error:
            sentence = f"{folder} cannot be listed ({error.strerror}); check its rights."
            self.skips.add(DocumentError(Skip.UNREADABLE, sentence))
            return
        for entry in entries:
            path, called = folder / entry, f"{name}/{entry}" if name else entry
            if entry.startswith("."):
                self.skips.count(Skip.HIDDEN, f"{path} is hidden; name it itself if it is to be read.")
            elif os.path.isdir(path):  # noqa: PTH112 - False for a folder that may not be looked at
                yield from self._found_documents(called, path, argument, entered)
            elif document := self._make_document(called, path, argument):
                yield document

    def _make_document(self, name: str, path: Path, argument: int) -> Document | None:
        form, packing = recognise_format(path)
        if not os.path.isfile(path):  # noqa: PTH113 - as above
            sentence = f"{path} is no regular file, or none that may be looked at; write what it gives to a file."
            self.skips.count(Skip.UNREADABLE, sentence)
        elif form is None or (packing and not form.is_streamed):
            self.skips.count(Skip.ENDING, f"{path} is not read for its ending; known are {known_endings()}.")
        else:
            return Document(_make_writable(name), path, form, packing, argument, is_named=False)
        return None


def _make_writable(name: str) -> str:
    """The name as valid UTF-8, for a file that was named in another encoding."""
    return name.encode("utf-8", "backslashreplace").decode()


_WRITTEN = re.compile(r"(\d{1,9}):(\d{1,18}):(\d{1,18}):([0-9a-f]*):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Position:
    """The place after a passage.

    Documents before it, and what precedes it in its own document, need not be read again.
    """

    #: Which of the given sources, from 0.
    argument: int
    #: The document by the name that passages give it.
    document: str
    #: Mark of what the document held, by which a later reading knows it again; empty for standard input.
    stamp: str
    #: Row or page, from 1; 0 where the document is one text.
    row: int
    #: Characters of that text that have been read.
    offset: int

    def __str__(self) -> str:
        return f"{self.argument}:{self.row}:{self.offset}:{self.stamp}:{self.document}"

    @staticmethod
    def parse(written: str) -> "Position":
        """Parse a position that `str` wrote. Raises `SourceError` for anything else."""
        found = _WRITTEN.fullmatch(written)
        if found is None:
            raise SourceError(f"{shown(written)} is no position in sources; give one that a reading has left.")
        argument, row, offset, stamp, document = found.groups()
        return Position(int(argument), document, stamp, int(row), int(offset))


#: What files begin with that are no text.
_MARKS = {
    b"PAR1": Format.PARQUET,
    b"ARROW1": Format.ARROW,
    b"\xff\xff\xff\xff": Format.ARROW,
    b"%PDF-": Format.PDF,
}


def _read_document(document: Document, options: ReadOptions, *, first: int = 0) -> Iterator[SourceText]:
    """Read the texts of `document`; from row or page `first` on for tables and PDF.

    Raises `DocumentError` for a faulty document, and `SetupError` if an extra is not installed.
    """
    pieces: Iterator[bytes] = iter(())
    if document.path is None or document.format is None or document.format.is_streamed:
        pieces = iter_bytes(document)
    if document.format is None:
        document, pieces = _guess_format(document, options, pieces)
    check_extra(document)
    if document.path is None and document.format is not None and not document.format.is_streamed:
        raise document.fault(Skip.UNREADABLE, f"is {document.format}, which is not read from a pipe; name the file.")
    match document.format:
        case Format.PDF:
            return read_pdf(document, options, first=first)
        case Format.DOCX | Format.EPUB:
            return read_package(document, options, first=first)
        case Format.PARQUET | Format.ARROW:
            return read_columns(document, options, first=first)
        case Format.JSONL | Format.CSV | Format.TSV:
            return read_rows(document, options, pieces, first=first)
        case Format.HTML:
            return read_html(document, options, pieces)
    return read_prose(document, options, pieces)


def _guess_format(
    document: Document, options: ReadOptions, pieces: Iterator[bytes]
) -> tuple[Document, Iterator[bytes]]:
    """Guess the format of standard input by its first bytes; otherwise CSV if a column is wanted, else text."""
    head = next(pieces, b"")
    form = next((form for mark, form in _MARKS.items() if head.startswith(mark)), None)
    if form is not None:
        return replace(document, format=form), chain([head], pieces)
    plain = Format.TEXT if options.column is None else Format.CSV
    is_json = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return replace(document, format=Format.JSONL if is_json else plain), chain([head], pieces)


#: Words of a passage, at most. The paper does not say how long its texts were; the passages that ship with
#: Populace have about a hundred words, and two or three paragraphs seldom have more than this.
DEFAULT_LENGTH = 200

_SHORTEST, _LONGEST = 20, 5_000
_LICENCE = re.compile(r"[\w.+():/ -]{1,200}")


def open_sources(
    paths: Sequence[str],
    *,
    column: str | None = None,
    licence: str | None = None,
    language: str | None = None,
    length: int = DEFAULT_LENGTH,
    encoding: str | None = None,
    format: str | None = None,  # noqa: A002  (the option is called so)
    after: Position | None = None,
    strict: bool = False,
) -> "Sources":
    """Open the passages in `paths`: files, folders with all their contents, and `-` for standard input.

    Text, Markdown, DOCX, EPUB, HTML (extra `html`) and PDF (extra `pdf`) are read as prose. JSONL, CSV, TSV, Parquet
    and Arrow are read as one text per row, in `column` (default: text, content, body or passage). All but PDF, DOCX,
    EPUB, Parquet and Arrow may be compressed, or come from standard input. Texts of more than `length` words (20 to
    5,000) are cut at natural borders. `licence` (SPDX), `language` (BCP 47) and `encoding` apply to documents that do
    not state their own. `format` applies to all files that are named directly. `after` is the position of an earlier
    reading of the same paths.

    A fault in a document that was named directly is raised, and with `strict` any fault. Another encoding, faults in
    documents found in a folder, and those in single rows, are counted in `Sources.skips`. Raises
    `SetupError` for an option, and `SourceError` for a path, before anything is read.
    """
    skips = Skips(strict=strict)
    check_encoding(encoding)
    if licence is not None and not (_LICENCE.fullmatch(licence) and licence.strip()):
        raise SetupError(f"Licence {licence!r} is no SPDX identifier; give one such as CC-BY-4.0 or CC0-1.0.")
    if format is not None and format not in Format:
        raise SetupError(f"Format {format!r} is unknown; give one of {', '.join(Format)}.")
    if not _SHORTEST <= length <= _LONGEST:
        raise SetupError(f"The length of passages must be {_SHORTEST} to {_LONGEST:,} words, but {length:,} was given.")
    spoken = parse_language(parameter("reading.language"), {"language": language})
    options = ReadOptions(column, encoding, skips, None if licence is None else licence_name(licence), spoken)
    finder = Finder(tuple(paths), None if format is None else Format(format), skips)
    finder.check()
    return Sources(finder, options, PassageSplitter(length), after)


def read_passages(path: Path) -> list[Passage]:
    """Read the passages of a file or folder in order, equal texts once; see `open_sources` for the formats.

    Raises `SourceError` with file and line for anything that cannot be read. `open_sources` can skip it.
    """
    return distinct(open_sources([str(path)], strict=True))


class Sources:
    """Passages in a fixed order, each read when it is asked for; can be iterated once.

    Two passages may have the same text, and then the same `id`.
    """

    def __init__(
        self,
        finder: Finder,
        options: ReadOptions,
        cutter: PassageSplitter,
        after: Position | None = None,
    ) -> None:
        self._finder, self._options, self._cutter = finder, options, cutter
        self._after = after
        #: What was passed over, by kind.
        self.skips = options.skips
        #: Behind the last passage that was given; None before the first.
        self.position = after
        #: Documents begun, and passages given.
        self.documents = 0
        self.passages = 0

    def __iter__(self) -> Iterator[Passage]:
        """Yield the passages. Raises `SourceError` for what cannot be read, and if there is nothing to read."""
        for document, start in self._documents_after(self._after):
            try:
                yield from self._read_passages(document, start)
            except DocumentError as fault:
                # A file in another encoding is left out with its reason, also one that was named: with `strict` it ends
                # the reading.
                if document.is_named and fault.kind is not Skip.ENCODING:
                    raise
                self.skips.add(fault)
        if not self.passages and self._after is None:
            raise SourceError(self._explain_nothing())

    def _documents_after(self, after: Position | None) -> Iterator[tuple[Document, Position | None]]:
        """Yield the documents still to be read; the first may start in its middle."""
        if after is None:
            yield from ((document, None) for document in self._finder.documents())
            return
        documents = self._finder.documents(first=after.argument)
        for document in documents:
            if (document.argument, document.name) == (after.argument, after.document):
                # The earlier reading has counted what was skipped before this document.
                self.skips.take()
                # A document that has changed since is read from the start: offsets in it are no longer valid.
                yield document, after if document.stamp() == after.stamp else None
                yield from ((later, None) for later in documents)
                return
        raise SourceError(
            f"{after.document!r}, where reading stopped, is not among the sources any more; "
            "give the sources of that time, in their order."
        )

    def _read_passages(self, document: Document, start: Position | None) -> Iterator[Passage]:
        stamp, before = document.stamp(), self.passages + self.skips.total
        self.documents += 1
        row, offset = (start.row, start.offset) if start else (0, 0)
        for text in _read_document(document, self._options, first=row):
            for piece in self._cut_text(text, offset if text.row == row else 0):
                self.passages += 1
                self.position = Position(
                    document.argument, document.name, stamp, text.row, piece.offset + len(piece.text)
                )
                yield self._make_passage(text, piece)
        if start is None and self.passages + self.skips.total == before:
            raise document.fault(Skip.EMPTY, "is empty; give a file with text in it.")

    def _cut_text(self, text: SourceText, start: int) -> Iterator[PassagePiece]:
        try:
            yield from self._cutter.cut(text.parts, headings=text.headings, start=start)
        except LongWordError as error:
            place = f"{text.document.label}{text.mark}, character {error.offset:,}"
            sentence = f"{place}: {error.length:,} characters without a space or the end of a sentence are no prose; "
            fault = DocumentError(Skip.LONG, f"{sentence}leave this out.")
            if not text.row:
                raise fault from error
            self.skips.add(fault)

    def _make_passage(self, text: SourceText, piece: PassagePiece) -> Passage:
        document = f"{text.document.name}{text.mark}"
        place = f"{document}:{piece.line}" if text.has_lines else document
        return Passage(
            piece.text,
            text.stated.language or self._options.language,
            text.stated.source or place,
            text.stated.licence or self._options.licence,
            text.stated.title,
            document,
            piece.offset,
        )

    def _explain_nothing(self) -> str:
        given = ", ".join(self._finder.paths[:3])
        why = f" {self.skips.summary()} {self.skips.examples[0]}" if self.skips.examples else ""
        return f"There is no text in {given}.{why} Give a source with text in it."
