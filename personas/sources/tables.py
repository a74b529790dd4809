"""Tables: JSONL, CSV and TSV with one text a row, of which one column is the text and others say what it is."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import SourceError
from ..source import parse_object, parse_text, shown
from .decoding import iter_text
from .document import Document, Format
from .lines import LONGEST_LINE, iter_lines
from .skips import DocumentError, Skip
from .text import Statement, Text, Wishes, licence_name

__all__ = ["TEXT_COLUMNS", "column_of", "read_csv", "read_jsonl", "row_text"]

#: What the column of the text is called where nobody says.
TEXT_COLUMNS = ("text", "content", "body", "passage")

_LONGEST_KEY = 200


def column_of(document: Document, columns: Sequence[str], wishes: Wishes) -> str:
    """The column that holds the text: the one that was named, or the first known. Raises `DocumentError` naming all."""
    wanted = TEXT_COLUMNS if wishes.column is None else (wishes.column,)
    for name in wanted:
        exact = name if name in columns else None
        found = exact or next((c for c in columns if c.strip().casefold() == name.casefold()), None)
        if found is not None:
            return found
    there = ", ".join(map(shown, columns[:20])) or "none at all"
    missing = " or ".join(map(repr, wanted))
    way = "name the text's with `populace grow --column`"
    raise DocumentError(Skip.COLUMN, f"{document.label} has no column {missing} but {there}; {way}.")


def row_text(
    document: Document, row: int, values: Mapping[str, object], column: str, wishes: Wishes, *, unit: str
) -> Text | None:
    """The text of a row; None where it has none, which is counted."""
    where = f"{document.label}, {unit} {row}"
    try:
        text = parse_text(where, values, column)
        stated = Statement.of(where, _folded(values, column))
    except SourceError as error:
        wishes.skips.add(DocumentError(Skip.ROW, str(error)))
        return None
    licence = stated.licence and licence_name(stated.licence)
    return Text(
        document,
        row,
        (text,),
        Statement(stated.language, licence, stated.title, stated.source),
        _mark(row, values.get("id")),
    )


def _mark(row: int, key: object) -> str:
    is_key = isinstance(key, str | int) and key != ""
    return f"#{str(key)[:_LONGEST_KEY].encode(errors='replace').decode()}" if is_key else f":{row}"


def _folded(values: Mapping[str, object], column: str) -> dict[str, object]:
    return {key.strip().casefold(): value for key, value in values.items() if key != column}


def read_jsonl(document: Document, wishes: Wishes, pieces: Iterable[bytes], *, first: int = 0) -> Iterator[Text]:
    """A text a line, from line `first` on; lines that give none are counted."""
    column: str | None = None
    for number, line in enumerate(_lines(document, wishes, pieces), start=1):
        if number < first or line == "" or (line is not None and line.isspace()):
            continue
        values = _object(document, number, line, wishes)
        if values is None:
            continue
        if column is None:
            column = column_of(document, list(values), wishes)
        if text := row_text(document, number, values, column, wishes, unit="line"):
            yield text


def _lines(document: Document, wishes: Wishes, pieces: Iterable[bytes]) -> Iterator[str | None]:
    return iter_lines(iter_text(document.label, pieces, wishes.encoding))


def _object(document: Document, number: int, line: str | None, wishes: Wishes) -> dict[str, object] | None:
    where = f"{document.label}, line {number}"
    if line is None:
        wishes.skips.add(_too_long(where))
        return None
    try:
        return parse_object(where, line)
    except SourceError as error:
        wishes.skips.add(DocumentError(Skip.JSON, str(error)))
        return None


def _too_long(where: str) -> DocumentError:
    return DocumentError(
        Skip.LONG, f"{where} is longer than {LONGEST_LINE:,} characters; give each text a line of its own."
    )


def read_csv(document: Document, wishes: Wishes, pieces: Iterable[bytes], *, first: int = 0) -> Iterator[Text]:
    """A text a row, from the row that ends on line `first` on; rows that give none are counted."""
    # The limit is one for all of Python; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), min(LONGEST_LINE, sys.maxsize)))
    header, lines = _header(document, wishes, pieces)
    delimiter = "\t" if document.format is Format.TSV else next((mark for mark in ",;\t" if mark in header), ",")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    columns = next(_filled(document, rows), [])
    column = column_of(document, columns, wishes)
    for values in _filled(document, rows):
        if rows.line_num < first:
            continue
        if len(values) != len(columns):
            wishes.skips.add(_ragged(document, rows.line_num, len(columns), len(values), delimiter))
        elif text := row_text(
            document, rows.line_num, dict(zip(columns, values, strict=True)), column, wishes, unit="line"
        ):
            yield text


def _header(document: Document, wishes: Wishes, pieces: Iterable[bytes]) -> tuple[str, Iterator[str]]:
    """The first line that says something, and all lines from there on with their ends."""
    lines = _whole_lines(document, wishes, pieces)
    skipped: list[str] = []
    for line in lines:
        skipped.append(line)
        if line.strip():
            break
    return "".join(skipped), _chained(skipped, lines)


def _chained(first: Iterable[str], rest: Iterable[str]) -> Iterator[str]:
    yield from first
    yield from rest


def _whole_lines(document: Document, wishes: Wishes, pieces: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(_lines(document, wishes, pieces), start=1):
        if line is None:
            # A quote may have been open in it: what a later line means cannot be known.
            raise _too_long(f"{document.label}, line {number}")
        yield f"{line}\n"


def _filled(document: Document, rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """The rows with anything in them."""
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


def _ragged(document: Document, line: int, columns: int, values: int, delimiter: str) -> DocumentError:
    return DocumentError(
        Skip.COLUMNS,
        f"{document.label}, line {line}: the header has {columns} columns and this row {values}; "
        f"put texts that contain {delimiter!r} between double quotes.",
    )
