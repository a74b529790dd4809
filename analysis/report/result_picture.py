"""The answer to a question in SQL as a picture of lines, in a file of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from ...core.errors import SetupError
from ..page import clip, markup, write_run_picture
from ..picture.layout import text_width
from ..table import Rows
from .plot import COLOURS, Axes, Series, colour_class, draw_lines, symbol

#: What the picture shows, as in the mark by which it is known again.
WHAT = "chart"

_WIDTH, _HEIGHT, _ROW, _TYPE = 720.0, 320.0, 20.0, 12.0
#: Lines that can be told apart, and places from left to right.
_MOST_LINES, _MOST_PLACES = 10, 2_000
_BOUNDS = ("low", "high")


@dataclass(frozen=True, slots=True)
class _Line:
    """The value at each place, and its interval where there is one."""

    name: str
    values: dict[str, float | None]
    ranges: dict[str, tuple[float, float] | None]


def write_result_picture(result: Rows, path: Path, *, of: str, note: str = "") -> Path:
    """Draw an answer into a file that ends in .svg or .html, over nothing but an earlier one `of` the same run file.

    The first column stands from left to right. Each further column of numbers is a line; with a column of texts among
    them, a line for each text. Columns whose names end in `low` and `high` are the interval of the one before them.
    Raises `SetupError` for an answer that cannot be drawn so, as `check_run_picture` does, and when the file cannot be
    written.
    """
    places, lines = _read(result)
    title = f"{', '.join(_values(result))} by {result.columns[0]}"
    svg = draw_result(places, lines, title=title, x_title=result.columns[0], note=note)
    dark = {"ink": "#e9e7e2", "muted": "#a9b0b8", "line": "#3a4046", "surface": "#1d2126"}
    return write_run_picture(svg, path, what=WHAT, of=of, title=title, notes=[note] if note else [], dark=dark)


def draw_result(places: Sequence[str], lines: Sequence[_Line], *, title: str, x_title: str, note: str = "") -> str:
    """The lines with their legend above and a note below, as SVG that needs no script."""
    numbers = [value for one in lines for value in one.values.values() if value is not None]
    is_share = all(0 <= value <= 1 for value in numbers) and any(value != int(value) for value in numbers)
    series = [
        Series(
            place,
            [one.values.get(at) for at in places],
            [_told(one, x_title, at) for at in places],
            [one.ranges.get(at) for at in places],
        )
        for place, one in enumerate(lines)
    ]
    y_title = lines[0].name if len(lines) == 1 else title.partition(" by ")[0]
    axes = Axes(list(places), x_title, y_title, is_share=is_share)
    plot = draw_lines(series, axes, label=title, width=_WIDTH, height=_HEIGHT)
    legend = list(_legend([one.name for one in lines])) if len(lines) > 1 else []
    top = _ROW * (1 + max((row for row, _ in legend), default=-1)) + 4
    height = top + _HEIGHT + (_ROW if note else 0)
    below = (
        f'<text class="muted" color="{COLOURS["muted"]}" fill="currentColor" x="8" y="{height - 6:.0f}">'
        f"{markup(note)}</text>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" '
        f'aria-label="{markup(title)}" font-family="system-ui, sans-serif" font-size="{_TYPE:g}">'
        f'<rect class="surface" color="{COLOURS["surface"]}" fill="currentColor" width="100%" height="100%"/>'
        f"{''.join(part for _, part in legend)}"
        f"{plot.replace('<svg ', f'<svg y="{top:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" ', 1)}"
        f"{below if note else ''}</svg>"
    )


def _told(line: _Line, x_title: str, at: str) -> str:
    """What is shown on pointing; DuckDB's last digits of a mean differ from time to time."""
    value = line.values.get(at)
    return f"{line.name}, {x_title} {at}: {'-' if value is None else f'{value:.6g}'}"


def _legend(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The sign and the name of each line, with the row in which it stands."""
    x, row = 12.0, 0
    for number, name in enumerate(clip(name, 60) for name in names):
        wide = text_width(name, _TYPE) + 40
        if x + wide > _WIDTH and x > 12:
            x, row = 12.0, row + 1
        y = _ROW * row + 14
        yield (
            row,
            (
                f'<g {colour_class(number)}><path d="M{x:.1f} {y - 4:.1f}h22" stroke="currentColor" stroke-width="2"/>'
                f'<path d="{symbol(number, x + 11, y - 4, 4.5)}" fill="currentColor"/></g>'
                f'<text class="ink" color="{COLOURS["ink"]}" fill="currentColor" x="{x + 28:.1f}" y="{y:.1f}">'
                f"{markup(name)}</text>"
            ),
        )
        x += wide


def _read(result: Rows) -> tuple[list[str], list[_Line]]:
    """The places from left to right and the lines of an answer. Raises `SetupError` when there are none."""
    values, rows = _values(result), result.rows
    if not rows or not values:
        raise SetupError(
            "The answer has nothing to draw: a picture needs rows, with a column of numbers behind the first column, "
            "as in SELECT step, value FROM measures ORDER BY step."
        )
    names = [place for place in range(1, len(result.columns)) if result.types[place] == "VARCHAR"]
    if len(names) > 1:
        raise SetupError(f"The answer has {len(names)} columns of texts behind the first; a picture takes one at most.")
    found: dict[str, _Line] = {}
    for row in rows:
        for value in values:
            told = ([str(row[names[0]])] if names else []) + ([value] if len(values) > 1 or not names else [])
            line = found.setdefault(", ".join(told), _Line(", ".join(told), {}, {}))
            at = str(row[0])
            if at in line.values:
                raise SetupError(
                    f"The answer has two values of {line.name} where {result.columns[0]} is {at}; give one a row, or "
                    f"a column of texts that tells the lines apart."
                )
            line.values[at], line.ranges[at] = _numbers(result, row, value)
    places = list(dict.fromkeys(str(row[0]) for row in rows))
    for what, number, most in (("lines", len(found), _MOST_LINES), ("places", len(places), _MOST_PLACES)):
        if number > most:
            raise SetupError(f"The answer has {number:,} {what}, and a picture takes {most:,} at most; ask for fewer.")
    return places, list(found.values())


def _values(result: Rows) -> list[str]:
    """The columns whose numbers are drawn as lines."""
    numbers = [
        name
        for place, name in enumerate(result.columns)
        if place and any(_number(row[place]) is not None for row in result.rows) and result.types[place] != "VARCHAR"
    ]
    return [name for name in numbers if not name.endswith(_BOUNDS)]


def _numbers(result: Rows, row: Sequence[Any], value: str) -> tuple[float | None, tuple[float, float] | None]:
    """A value of a row, and the interval that stands in the columns behind it."""
    place = list(result.columns).index(value)
    behind = result.columns[place + 1 : place + 3]
    ends = [_number(row[place + 1 + n]) for n, end in enumerate(_BOUNDS[: len(behind)]) if behind[n].endswith(end)]
    number = _number(row[place])
    low, high = ends if len(ends) == len(_BOUNDS) else (None, None)
    return number, None if low is None or high is None or number is None else (low, high)


def _number(value: object) -> float | None:
    """The value as a number; None for what is none, and for what no picture can show."""
    if isinstance(value, bool) or not (isinstance(value, Real) or type(value).__name__ == "Decimal"):
        return None
    number = float(value)  # type: ignore[arg-type]  # a Decimal is one
    return number if isfinite(number) else None
