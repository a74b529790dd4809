"""Cells of CSV that no spreadsheet takes for a formula: an apostrophe before such texts, taken away again on reading.

A text that begins with `=`, `+`, `-`, `@`, a tab or a line end, or with apostrophes and then one of these, gets one
apostrophe more (OWASP, "CSV Injection"); numbers do not. The environment variable `POPULACE_CSV_FORMULAS=keep` turns
both directions off.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Protocol

#: Full-width signs begin formulas in Japanese spreadsheets.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][+-]?\d+)?%?|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)


class _TextFile(Protocol):
    def write(self, text: str, /) -> Any: ...


def write_csv_rows(
    rows: Iterable[Iterable[Any]], file: _TextFile, *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL, end: str = "\n"
) -> None:
    """Write rows of cells as lines of CSV to a text file, which must not translate line ends."""
    if _is_kept():
        escaped = rows
    else:
        escaped = ([escape_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    csv.writer(file, lineterminator=end, quoting=quoting).writerows(escaped)


def read_cells(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows of a CSV reader with the texts that `write_csv_rows` was given."""
    return rows if _is_kept() else map(_unescape_cells, rows)


def escape_cell(text: str) -> str:
    """The text as a spreadsheet may read it."""
    # Most texts begin with a letter.
    if not text or text[0].isalnum() or _FORMULA.match(text) is None or _NUMBER.fullmatch(text) is not None:
        return text
    return f"'{text}"


def unescape_cell(cell: str) -> str:
    """The text that was given to `escape_cell`."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def _unescape_cells(row: list[str]) -> list[str]:
    return [unescape_cell(cell) if cell[:1] == "'" else cell for cell in row]


def _is_kept() -> bool:
    return os.environ.get("POPULACE_CSV_FORMULAS", "") == "keep"
