"""Tables with one text per row: JSONL, CSV and TSV, streamed by line; Parquet and Arrow, read in batches.

One column holds the text; others may state its language, licence, title and source.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BufferedReader, RawIOBase
from itertools import chain
from typing import Any

from ...core.arrow import ColumnFile
from ...core.errors import SourceError
from ...core.inputs import parse_text, shown
from ...core.readers import Lines, SkippedRows, read_csv_lines, read_json_lines
from .documents import Document, DocumentError, DocumentMetadata, Format, ReadOptions, Skip, SourceText, iter_text

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
