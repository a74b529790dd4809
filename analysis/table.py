"""Rows of an answer as a table for the terminal, as CSV or as JSON."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson

from ..core.result import Result
from ..core.text import number_repeats
from ..core.writers import write_csv_rows

if TYPE_CHECKING:
    from rich.table import Table

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


class Reader(Protocol):
    """What answers read-only SQL about a file."""

    def query(self, sql: str, params: "Params" = ()) -> Rows:
        """Run one read-only statement, with `?` or `$name` for each of `params`."""
        ...


class Queryable(Reader, Protocol):
    """A run that can be asked in SQL, finished or not."""

    @property
    def is_live(self) -> bool:
        """Whether a process is writing the run at this moment."""
        ...


# C0 but for the line feed, DEL, C1, and the marks that reorder text: what a terminal obeys instead of shows.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL)\b")


def make_visible(text: str) -> str:
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
    `make_visible`.
    """
    if not rows.rows:
        return f"No rows ({', '.join(map(make_visible, rows.columns))}).\n"
    columns = [make_visible(name) for name in rows.columns]
    cells = [[make_visible(_format_cell(value)) for value in row] for row in rows.rows]
    return _lay_out(columns, cells, [_is_number(kind) for kind in rows.types], width, elsewhere)


def _is_number(kind: str) -> bool:
    return _NUMBERS.match(str(kind).upper()) is not None and not str(kind).endswith("]")


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    if isinstance(value, Mapping | list | tuple):
        return _dump_json(value).decode()
    return _scalar_text(value)


def _scalar_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)


#: A column of text that is narrower than this is not read; a heading may take twice as much.
_LEAST = 12


def _lay_out(
    columns: Sequence[str], cells: Sequence[Sequence[str]], numbers: Sequence[bool], width: int, elsewhere: str
) -> str:
    """Lay out cells under the names of their columns, as `render_table` says; `numbers` are the columns of numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ROUNDED, header_style="")
    taken = 3 * len(columns) + 1
    for name, is_number, column in zip(columns, numbers, zip(*cells, strict=True), strict=True):
        widest = max(_cell_width(line) for cell in column for line in cell.splitlines() or [""])
        heading = max(map(_cell_width, name.split()), default=0)
        taken += max(widest if is_number else min(widest, _LEAST), min(heading, 2 * _LEAST))
        # A column alone has room below, and a script without spaces is folded anywhere.
        is_folded = len(columns) == 1 or not all(map(str.isascii, column))
        overflow: Literal["fold", "ellipsis"] = "fold" if is_folded else "ellipsis"
        table.add_column(
            Text(name),
            justify="right" if is_number else "left",
            overflow=overflow,
            no_wrap=is_number and widest >= heading,
        )
    if len(columns) > 1 and taken > width:
        return _print_records(columns, cells, width)
    for row in cells:
        table.add_row(*map(Text, row))
    page = _print_table(table, width)
    is_cut = page.count("\u2026") > sum(cell.count("\u2026") for row in cells for cell in row)
    return f"{page}{elsewhere}\n" if is_cut and elsewhere else page


def _print_records(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> str:
    """Each row for itself: a line that numbers it, then a line a column, folded where it is long."""
    from rich.table import Table
    from rich.text import Text

    beside = min(max(map(_cell_width, columns)), max(8, width // 3))
    page = []
    for number, row in enumerate(cells, start=1):
        table = Table.grid(padding=(0, 2))
        table.add_column(width=beside, overflow="fold")
        table.add_column(width=max(8, width - beside - 2), overflow="fold")
        for name, cell in zip(columns, row, strict=True):
            table.add_row(Text(name), Text(cell))
        lead = f"\u2500\u2500 row {number:,} of {len(cells):,} "
        lines = [lead.ljust(width, "\u2500"), *_print_table(table, width).splitlines()]
        page += [f"{line.rstrip()}\n" for line in lines]
    return "".join(page)


def _print_table(table: "Table", width: int) -> str:
    from rich.console import Console

    page = io.StringIO()
    Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False).print(table)
    return page.getvalue()


def _cell_width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def render_result(result: Result, width: int = 100) -> str:
    """Return the tables of a result under their titles, then its notes."""
    tables = [f"{make_visible(one.title)}\n{render_table(one.shown, width)}" for one in result.tables]
    return "\n".join(tables) + "".join(f"{make_visible(note)}\n" for note in result.all_notes)


def render_csv(rows: Rows, *, for_terminal: bool = False) -> str:
    """CSV with a heading line: null is empty, nested values are JSON, times ISO 8601, bytes hexadecimal.

    The text is exact; `for_terminal` writes out what would steer a terminal, as `visible` does.
    """
    page = io.StringIO()
    write_csv_rows(chain([rows.columns], (map(_csv_cell, row) for row in rows.rows)), page)
    return make_visible(page.getvalue()) if for_terminal else page.getvalue()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple):
        return _dump_json(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _scalar_text(value)


def render_json(rows: Rows) -> str:
    """A JSON array with one object a row: JSON columns as the values they hold, NaN and infinity as null.

    Control characters come out as escapes, so the text may go to a terminal. Repeated columns are numbered.
    """
    names = number_repeats(rows.columns)
    is_json = [str(kind) == "JSON" for kind in rows.types]
    lines = [
        _dump_json({n: _embed_json(v, j) for n, v, j in zip(names, row, is_json, strict=True)}).decode()
        for row in rows.rows
    ]
    if not lines:
        return "[]\n"
    return _escape_controls("[\n" + ",\n".join(lines) + "\n]\n")


def _escape_controls(text: str) -> str:
    # What orjson leaves raw beyond ASCII can only be inside a string, where \uXXXX means the same.
    return _CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _embed_json(value: object, is_json: bool) -> object:
    return orjson.Fragment(value) if is_json and isinstance(value, str) else value


def _dump_json(value: object) -> bytes:
    return orjson.dumps(_to_plain(value))


def _to_plain(value: Any) -> Any:
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
            return {_to_key(k): _to_plain(v) for k, v in value.items()}
        case list() | tuple() | set():
            return [_to_plain(item) for item in value]
        case _:
            return _scalar_text(value)


def _to_key(key: object) -> str:
    return key if isinstance(key, str) else _scalar_text(key)
