"""Tables with one text per row: JSONL, CSV and TSV, streamed by line; Parquet and Arrow, read in batches.

One column holds the text; others may state its language, licence, title and source.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from ...core.arrow import ColumnFile
from ...core.errors import SourceError
from ...core.inputs import parse_object, parse_text, shown
from ...core.readers import find_separator
from ...core.writers import read_cells
from .documents import Document, DocumentError, DocumentMetadata, Format, ReadOptions, Skip, SourceText, iter_text

#: Most characters of a line; a longer one is passed over without being held.
_LONGEST_LINE = 1 << 23


def _iter_lines(parts: Iterable[str]) -> Iterator[str | None]:
    """The lines without line ends; None for one that is longer than `LONGEST_LINE`."""
    held, is_long = "", False
    for part in parts:
        *whole, rest = part.split("\n")
        for line in whole:
            yield None if is_long or len(held) + len(line) > _LONGEST_LINE else held + line
            held, is_long = "", False
        is_long = is_long or len(held) + len(rest) > _LONGEST_LINE
        held = "" if is_long else held + rest
    if held or is_long:
        yield None if is_long else held


#: Names of the text's column, where none is given.
_TEXT_COLUMNS = ("text", "content", "body", "passage")

_LONGEST_KEY = 200


def _column_of(document: Document, columns: Sequence[str], options: ReadOptions) -> str:
    """The column with the text: the named one, or the first known. Raises `DocumentError` with all columns."""
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
    """The text of a row; None for a row without one, which is counted."""
    where = f"{document.label}, {unit} {row}"
    try:
        text = parse_text(where, values, column)
        stated = DocumentMetadata.of(where, _fold_names(values, column))
    except SourceError as error:
        options.skips.add(DocumentError(Skip.ROW, str(error)))
        return None
    return SourceText(document, row, (text,), stated, _mark_row(row, values.get("id")))


def _mark_row(row: int, key: object) -> str:
    is_key = isinstance(key, str | int) and key != ""
    return f"#{str(key)[:_LONGEST_KEY].encode(errors='replace').decode()}" if is_key else f":{row}"


def _fold_names(values: Mapping[str, object], column: str) -> dict[str, object]:
    return {key.strip().casefold(): value for key, value in values.items() if key != column}


def read_jsonl(
    document: Document, options: ReadOptions, pieces: Iterable[bytes], *, first: int = 0
) -> Iterator[SourceText]:
    """One text per line, from line `first` on; lines without one are counted."""
    column: str | None = None
    for number, line in enumerate(_read_lines(document, options, pieces), start=1):
        if number < first or line == "" or (line is not None and line.isspace()):
            continue
        values = _parse_line(document, number, line, options)
        if values is None:
            continue
        if column is None:
            column = _column_of(document, list(values), options)
        if text := _row_text(document, number, values, column, options, unit="line"):
            yield text


def _read_lines(document: Document, options: ReadOptions, pieces: Iterable[bytes]) -> Iterator[str | None]:
    return _iter_lines(iter_text(document.label, pieces, options.encoding))


def _parse_line(document: Document, number: int, line: str | None, options: ReadOptions) -> dict[str, object] | None:
    where = f"{document.label}, line {number}"
    if line is None:
        options.skips.add(_too_long(where))
        return None
    try:
        return parse_object(where, line)
    except SourceError as error:
        options.skips.add(DocumentError(Skip.JSON, str(error)))
        return None


def _too_long(where: str) -> DocumentError:
    return DocumentError(
        Skip.LONG, f"{where} is longer than {_LONGEST_LINE:,} characters; give each text a line of its own."
    )


def read_csv(
    document: Document, options: ReadOptions, pieces: Iterable[bytes], *, first: int = 0
) -> Iterator[SourceText]:
    """One text per row, from the row that ends on line `first` on; rows without one are counted."""
    # The limit is one for all of Python; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), min(_LONGEST_LINE, sys.maxsize)))
    header, lines = _read_header(document, options, pieces)
    delimiter = "\t" if document.format is Format.TSV else find_separator(header.lstrip())
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    filled = read_cells(_filled_rows(document, rows))
    columns = next(filled, [])
    column = _column_of(document, columns, options)
    for values in filled:
        if rows.line_num < first:
            continue
        if len(values) != len(columns):
            options.skips.add(_explain_ragged(document, rows.line_num, len(columns), len(values), delimiter))
        elif text := _row_text(
            document, rows.line_num, dict(zip(columns, values, strict=True)), column, options, unit="line"
        ):
            yield text


def _read_header(document: Document, options: ReadOptions, pieces: Iterable[bytes]) -> tuple[str, Iterator[str]]:
    """The first line that is not blank, and all lines from there on with their line ends."""
    lines = _whole_lines(document, options, pieces)
    skipped: list[str] = []
    for line in lines:
        skipped.append(line)
        if line.strip():
            break
    return "".join(skipped), chain(skipped, lines)


def _whole_lines(document: Document, options: ReadOptions, pieces: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(_read_lines(document, options, pieces), start=1):
        if line is None:
            # A quote may have been open in it: what a later line means cannot be known.
            raise _too_long(f"{document.label}, line {number}")
        yield f"{line}\n"


def _filled_rows(document: Document, rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """The rows that are not empty."""
    reader = iter(rows)
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = getattr(rows, "line_num", 0)
            sentence = f"{document.label}, line {line}: this is not CSV ({error}); put texts between double quotes."
            raise DocumentError(Skip.CORRUPT, sentence) from error
        if any(values):
            yield values


def _explain_ragged(document: Document, line: int, columns: int, values: int, delimiter: str) -> DocumentError:
    return DocumentError(
        Skip.COLUMNS,
        f"{document.label}, line {line}: the header has {columns} columns and this row {values}; "
        f"put texts that contain {delimiter!r} between double quotes.",
    )


_BATCH = 512
_ALSO = frozenset({"id", "language", "lang", "licence", "license", "title", "source", "url"})


def read_columns(document: Document, options: ReadOptions, *, first: int = 0) -> Iterator[SourceText]:
    """One text per row, from row `first` (from 1) on; rows without one are counted."""
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
                options.skips.add(DocumentError(Skip.ROW, f"{document.label}, row {row} is not UTF-8, or is damaged."))
            elif text := _row_text(document, row, values, column, options, unit="row"):
                yield text
    except OSError as error:
        why = " ".join(str(error).split())[:120].rstrip(". ")
        is_missing = isinstance(error, PermissionError | FileNotFoundError)
        kind = Skip.UNREADABLE if is_missing else Skip.CORRUPT
        raise DocumentError(
            kind, f"{document.label} cannot be read as {document.format} ({why}); give a whole file."
        ) from error
