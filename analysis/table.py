"""Rows of an answer as a table for the terminal, as CSV or as JSON."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from ..core.writers import write_csv_rows

if TYPE_CHECKING:
    from ..core.query import Params


class Rows(Protocol):
    """The answer to a query: the columns' names and DuckDB types, and the rows."""

    @property
    def columns(self) -> Sequence[str]:
        """Names, in order."""
        ...

    @property
    def types(self) -> Sequence[str]:
        """DuckDB's names of their types."""
        ...

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        """One tuple a row."""
        ...


@dataclass(frozen=True, slots=True)
class Section:
    """A table under a heading, for `render_table`."""

    title: str
    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[tuple[object, ...]]


class Queryable(Protocol):
    """A run that can be asked in SQL, finished or not."""

    @property
    def is_live(self) -> bool:
        """Whether a process is writing the run at this moment."""
        ...

    def query(self, sql: str, params: "Params" = ()) -> Rows:
        """Run one read-only statement, with `?` or `$name` for each of `params`."""
        ...


# C0 but for the line feed, DEL, C1, and the marks that reorder text: what a terminal obeys instead of shows.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL)\b")


def visible(text: str) -> str:
    r"""The text with every character that steers a terminal written out (`\x1b`); line feeds stay.

    >>> visible("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return _CONTROLS.sub(lambda found: _written_out(found.group()), text)


def _written_out(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def render_table(rows: Rows, width: int = 100, *, elsewhere: str = "") -> str:
    """A table of at most `width` columns of characters; ends with a line break.

    Long text is folded between words, and what has no spaces (ids, hashes) is shortened where there is no room; where
    not even that helps, each row is shown for itself, a line a column, with nothing shortened. `elsewhere` says below a
    table with shortened values where they are whole. No rows give one plain sentence. Text is shown, never obeyed: see
    `visible`.
    """
    if not rows.rows:
        return f"No rows ({', '.join(map(visible, rows.columns))}).\n"
    from .grid import grid

    columns = [visible(name) for name in rows.columns]
    cells = [[visible(_shown(value)) for value in row] for row in rows.rows]
    return grid(columns, cells, [_is_number(kind) for kind in rows.types], width, elsewhere=elsewhere)


def _is_number(kind: str) -> bool:
    return _NUMBERS.match(str(kind).upper()) is not None and not str(kind).endswith("]")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    if isinstance(value, Mapping | list | tuple):
        return _json(value).decode()
    return _scalar_text(value)


def _scalar_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)


def render_csv(rows: Rows, *, for_terminal: bool = False) -> str:
    """CSV with a heading line: null is empty, nested values are JSON, times ISO 8601, bytes hexadecimal.

    The text is exact; `for_terminal` writes out what would steer a terminal, as `visible` does.
    """
    page = io.StringIO()
    write_csv_rows(chain([rows.columns], (map(_csv_cell, row) for row in rows.rows)), page)
    return visible(page.getvalue()) if for_terminal else page.getvalue()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple):
        return _json(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _scalar_text(value)


def render_json(rows: Rows) -> str:
    """A JSON array with one object a row: JSON columns as the values they hold, NaN and infinity as null.

    Control characters come out as escapes, so the text may go to a terminal. Repeated columns are numbered.
    """
    names = _distinct(rows.columns)
    is_json = [str(kind) == "JSON" for kind in rows.types]
    lines = [
        _json({n: _embedded(v, j) for n, v, j in zip(names, row, is_json, strict=True)}).decode() for row in rows.rows
    ]
    if not lines:
        return "[]\n"
    return _escaped("[\n" + ",\n".join(lines) + "\n]\n")


def _escaped(text: str) -> str:
    # What orjson leaves raw beyond ASCII can only be inside a string, where \uXXXX means the same.
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _distinct(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, n = column, 2
        while name in names:
            name, n = f"{column}_{n}", n + 1
        names.append(name)
    return names


def _embedded(value: object, is_json: bool) -> object:
    return orjson.Fragment(value) if is_json and isinstance(value, str) else value


def _json(value: object) -> bytes:
    return orjson.dumps(_plain(value))


def _plain(value: Any) -> Any:
    # Decimals and integers beyond 64 bits keep every digit, which orjson does only for fragments of JSON.
    match value:
        case None | bool() | str() | orjson.Fragment():
            return value
        case Decimal():
            return orjson.Fragment(format(value, "f")) if value.is_finite() else None
        case int():
            return orjson.Fragment(str(value))
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return {_key(k): _plain(v) for k, v in value.items()}
        case list() | tuple() | set():
            return [_plain(item) for item in value]
        case _:
            return _scalar_text(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else _scalar_text(key)
