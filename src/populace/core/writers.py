"""Rows written as JSONL and CSV, and the checks of the places that they are written to.

No spreadsheet takes a cell for a formula: an apostrophe stands before such texts, and is taken away again on reading.
A text that begins with `=`, `+`, `-`, `@`, a tab or a line end, or with apostrophes and then one of these, gets one
apostrophe more (OWASP, "CSV Injection"); numbers do not. The environment variable `POPULACE_CSV_FORMULAS=keep` turns
both directions off.
"""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import duckdb
import orjson

from .arrow import to_rows
from .database import said
from .errors import SetupError, StorageError
from .files import whole_file

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


def json_text(value: Any) -> str:
    """The value as JSON text; what JSON has no type for is the text that it shows itself as.

    Raises `TypeError`, `ValueError` or `RecursionError` for what JSON cannot hold, such as half a character.
    """
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # an integer of more than 64 bits, or something that JSON cannot hold
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str)
        text.encode()
        return text


def write_jsonl(batches: Iterable[Any], file: Any) -> None:
    """Write batches as one object a line, each with every column."""
    for batch in batches:
        file.write(b"".join([orjson.dumps(row) + b"\n" for row in to_rows(batch)]))


def write_csv(batches: Iterable[Any], file: Any, *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> None:
    """Write batches as CSV with a header; lists are JSON arrays, and what is not there is an empty cell."""
    for number, batch in enumerate(batches):
        if number == 0:
            names = batch.column_names
            # Quoted, a mark in a name is not taken for the one that separates columns.
            is_quoted = any(mark in name for name in names for mark in ";\t")
            write_cells([names], file, quoting=csv.QUOTE_ALL if is_quoted else quoting)
        write_cells(zip(*map(_write_column, batch.columns), strict=True), file, quoting=quoting)


def write_cells(rows: Iterable[Iterable[Any]], file: Any, *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> None:
    """Write rows of cells as lines of CSV."""
    text = io.StringIO(newline="")
    write_csv_rows(rows, text, quoting=quoting)
    file.write(text.getvalue().encode())


def _write_column(column: Any) -> list[Any]:
    return [value if value is None or type(value) in (int, str) else _write_cell(value) for value in column.to_pylist()]


def _write_cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else json_text(value)


def check_free(path: Path) -> None:
    """Raise `SetupError` if there is something at `path`, or no folder to write it to."""
    if path.exists() or path.is_symlink():
        raise SetupError(f"{str(path)!r} exists already; give another path.")
    if not path.parent.is_dir():
        raise SetupError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it first.")


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Raise `StorageError` in one sentence if `path` cannot be written within the block."""
    try:
        yield
    except (OSError, duckdb.IOException, duckdb.FatalException, duckdb.OutOfMemoryException) as error:
        why = said(error) if isinstance(error, duckdb.Error) else error.strerror or error
        raise StorageError(f"{str(path)!r} cannot be written ({why}); make room, or send it elsewhere.") from error


@contextmanager
def write_new_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes `path` if the block succeeds and is removed if it fails."""
    check_free(path)
    with explain_write_errors(path), whole_file(path) as part:
        yield part
