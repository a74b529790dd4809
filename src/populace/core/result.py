"""What an analysis returns: a table with estimates, notes and parts, as text, JSON, HTML or Arrow."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import Any, NamedTuple

import orjson

from .text import make_legible

#: Characters of a value that an HTML table shows.
_CELL = 300


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval; None where it is undefined or too little is known."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __bool__(self) -> bool:
        """Return whether there is a value."""
        return self.value is not None

    def __str__(self) -> str:
        """Format the value and its interval."""
        return format_cell(self)


class Note(NamedTuple):
    """What a reader has to know of the numbers, with a code for programs."""

    code: str
    text: str


class Column(NamedTuple):
    """A column of a result; its values are shares where `is_share` says so."""

    name: str
    is_share: bool = False

    @property
    def heading(self) -> str:
        """Return the name in words."""
        return self.name.replace("_", " ")


class ShownTable(NamedTuple):
    """A table as it is shown: headings, DuckDB types, and cells."""

    title: str
    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Result:
    """A table with a title, and further tables that belong to it."""

    title: str
    columns: tuple[Column, ...] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    notes: tuple[Note, ...] = ()
    parts: tuple["Result", ...] = ()
    #: The statement that gives the rows; empty where they were computed.
    sql: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = [column.name for column in self.columns]
        return (dict(zip(names, row, strict=True)) for row in self.rows)

    def __getitem__(self, title: str) -> "Result":
        """Return the part whose title begins with these words."""
        return next(part for part in self.parts if part.title.startswith(title))

    @property
    def value(self) -> dict[str, Any]:
        """Return the only row, by column."""
        (row,) = self
        return row

    @property
    def shown(self) -> ShownTable:
        """Return the table with cells formatted for a reader, without columns that are empty."""
        used = [n for n in range(len(self.columns)) if any(row[n] not in (None, "") for row in self.rows)]
        columns = [self.columns[n] for n in used]
        rows = [tuple(format_cell(row[n], self.columns[n].is_share) for n in used) for row in self.rows]
        types = ["DOUBLE" if _is_numeric(row[n] for row in self.rows) else "VARCHAR" for n in used]
        return ShownTable(self.title, [column.heading for column in columns], types, rows)

    @property
    def tables(self) -> list["Result"]:
        """Return the table and those of its parts that have rows."""
        return [one for one in (self, *(table for part in self.parts for table in part.tables)) if one.rows]

    @property
    def all_notes(self) -> list[str]:
        """Return the notes on the table and on its parts."""
        return [note.text for note in self.notes] + [text for part in self.parts for text in part.all_notes]

    def json(self) -> str:
        """Return the result as JSON: `title`, `rows` by column, `notes` and `parts`."""
        return orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()

    def as_dict(self) -> dict[str, Any]:
        """Return what `json` writes."""
        return {
            "title": self.title,
            "rows": [{name: _plain_value(value) for name, value in row.items()} for row in self],
            "notes": [note._asdict() for note in self.notes],
            "parts": [part.as_dict() for part in self.parts],
        }

    def _repr_html_(self) -> str:
        """Show the result in a notebook."""
        shown = [table.shown for table in self.tables]
        html = "".join(
            f"<h4>{_cell_html(one.title)}</h4>{html_table(one.columns, one.rows, most=100)}" for one in shown
        )
        return html + "".join(f"<p>{escape(make_legible(text))}</p>" for text in self.all_notes)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the rows to Arrow, pandas, Polars and DuckDB."""
        from .arrow import make_table

        return make_table(self._flatten_columns()).__arrow_c_stream__(requested_schema)

    def _flatten_columns(self) -> dict[str, list[Any]]:
        """Return the columns, with one more for each end of an estimate."""
        found: dict[str, list[Any]] = {}
        for n, (name, _) in enumerate(self.columns):
            values = [row[n] for row in self.rows]
            if any(isinstance(value, Estimate) for value in values):
                known = [value or Estimate(None) for value in values]
                found |= {name: [one.value for one in known], f"{name}_low": [one.low for one in known]}
                found[f"{name}_high"] = [one.high for one in known]
            else:
                found[name] = values
        return found


def make_result(
    title: str,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    shares: Container[str] = (),
    notes: Sequence[Note] = (),
    parts: Sequence[Result] = (),
) -> Result:
    """Make a result of columns by name, of which some hold shares."""
    columns = tuple(Column(name, name in shares) for name in names)
    return Result(title, columns, rows, tuple(notes), tuple(parts))


def format_cell(value: object, is_share: bool = False) -> str:
    """Format a cell: four significant digits, shares in per cent, an estimate with its interval."""
    match value:
        case None:
            return ""
        case Estimate(value=None):
            return "-"
        case Estimate(value=number, low=low, high=high):
            is_known = low is not None and high is not None and isfinite(low) and isfinite(high)
            ends = f" ({_format_number(low, is_share)} to {_format_number(high, is_share)})" if is_known else ""
            return _format_number(number, is_share) + ends
        case bool() | str():
            return str(value)
        case int() | float():
            return _format_number(value, is_share)
        case _:
            return str(value)


def _format_number(value: Any, is_share: bool) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if not isfinite(value):
        return "-"
    return f"{value:.1%}" if is_share else f"{value:,.4g}"


def _is_numeric(values: Iterator[object]) -> bool:
    return all(v is None or (isinstance(v, int | float | Estimate) and not isinstance(v, bool)) for v in values)


def _plain_value(value: object) -> object:
    if isinstance(value, Estimate):
        return {"value": value.value, "low": value.low, "high": value.high}
    return value


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, most: int = 20) -> str:
    """Return the first `most` rows as an HTML table with long values cut, and the number of rows if there are more."""
    head = "".join(f"<th>{_cell_html(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell_html(value)}</td>' for value in row)}</tr>" for row in rows[:most])
    more = f"<p>{most} of {len(rows):,} rows</p>" if len(rows) > most else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell_html(value: object) -> str:
    text = "" if value is None else str(value)
    return escape(make_legible(text if len(text) <= _CELL else f"{text[: _CELL - 1]}\u2026"))
