"""The answer to a question in SQL as a picture of lines, in a file of its own."""

from collections.abc import Iterator, Sequence
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from ...core.errors import SetupError
from ..page import clip, write_picture_file
from ..plot import Chart, Point, draw_svg, draw_text, line_sign, paint, text_width
from ..table import Rows

#: What the picture shows, as in the mark by which it is known again.
WHAT = "chart"

_WIDTH, _HEIGHT, _ROW, _TYPE = 720.0, 320.0, 20.0, 12.0
#: Lines that can be told apart, and places from left to right.
_MOST_LINES, _MOST_PLACES = 10, 2_000
_BOUNDS = ("low", "high")


def write_result_picture(result: Rows, path: Path, *, of: str, note: str = "") -> Path:
    """Draw an answer into a file that ends in .svg, over nothing but an earlier one `of` the same run file.

    The first column stands from left to right. Each further column of numbers is a line; with a column of texts among
    them, a line for each text. Columns whose names end in `low` and `high` are the interval of the one before them.
    Raises `SetupError` for an answer that cannot be drawn so, as `check_picture` does, and when the file cannot be
    written.
    """
    points = _read_points(result)
    title = f"{', '.join(_name_values(result))} by {result.columns[0]}"
    svg = draw_result(points, title=title, x=result.columns[0], note=note)
    return write_picture_file(svg, path, what=WHAT, of=of)


def draw_result(points: Sequence[Point], *, title: str, x: str, note: str = "") -> str:
    """Draw the lines with their legend above and a note below, as SVG that needs no script."""
    numbers = [point.value for point in points if point.value is not None]
    is_share = all(0 <= value <= 1 for value in numbers) and any(value != int(value) for value in numbers)
    names = list(dict.fromkeys(point.series for point in points))
    y = names[0] if len(names) == 1 else title.partition(" by ")[0]
    plot = Chart("result", title, "", points, y, x, is_share=is_share).draw(_WIDTH, _HEIGHT)
    legend = list(_draw_legend(names)) if len(names) > 1 else []
    top = _ROW * (1 + max((row for row, _ in legend), default=-1)) + 4
    height = top + _HEIGHT + (_ROW if note else 0)
    parts = [
        f'<rect {paint("surface")} fill="currentColor" width="100%" height="100%"/>',
        *(part for _, part in legend),
        plot.replace("<svg ", f'<svg y="{top:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" ', 1),
        *([draw_text("muted", 8, height - 6, note)] if note else []),
    ]
    return draw_svg(_WIDTH, height, title, parts)


def _draw_legend(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the row, the sign and the name of each line."""
    x, row = 12.0, 0
    for look, name in enumerate(clip(name, 60) for name in names):
        wide = text_width(name, _TYPE) + 40
        if x + wide > _WIDTH and x > 12:
            x, row = 12.0, row + 1
        y = _ROW * row + 14
        yield row, line_sign(look, x, y - 4) + draw_text("ink", x + 28, y, name)
        x += wide


def _read_points(result: Rows) -> list[Point]:
    """Return the points of an answer; the places in its order. Raises `SetupError` when there are none."""
    values, rows = _name_values(result), result.rows
    if not rows or not values:
        raise SetupError(
            "The answer has nothing to draw: a picture needs rows, with a column of numbers behind the first column, "
            "as in SELECT step, value FROM measures ORDER BY step."
        )
    names = [place for place in range(1, len(result.columns)) if result.types[place] == "VARCHAR"]
    if len(names) > 1:
        raise SetupError(f"The answer has {len(names)} columns of texts behind the first; a picture takes one at most.")
    found: dict[tuple[str, str], Point] = {}
    for row in rows:
        for value in values:
            line = ", ".join(([str(row[names[0]])] if names else []) + ([value] * (len(values) > 1 or not names)))
            at = str(row[0])
            if (line, at) in found:
                raise SetupError(
                    f"The answer has two values of {line} where {result.columns[0]} is {at}; give one a row, or "
                    f"a column of texts that tells the lines apart."
                )
            found[line, at] = Point(at, *_read_value(result, row, value, line))
    lines, places = ({key[n] for key in found} for n in (0, 1))
    for what, number, most in (("lines", len(lines), _MOST_LINES), ("places", len(places), _MOST_PLACES)):
        if number > most:
            raise SetupError(f"The answer has {number:,} {what}, and a picture takes {most:,} at most; ask for fewer.")
    return list(found.values())


def _name_values(result: Rows) -> list[str]:
    """The columns whose numbers are drawn as lines."""
    numbers = [
        name
        for place, name in enumerate(result.columns)
        if place and any(_to_number(row[place]) is not None for row in result.rows) and result.types[place] != "VARCHAR"
    ]
    return [name for name in numbers if not name.endswith(_BOUNDS)]


def _read_value(
    result: Rows, row: Sequence[Any], value: str, line: str
) -> tuple[float | None, str, float | None, float | None]:
    """Return a value of a row, its line, and the interval that stands in the columns behind it."""
    place = list(result.columns).index(value)
    behind = result.columns[place + 1 : place + 3]
    ends = [_to_number(row[place + 1 + n]) for n, end in enumerate(_BOUNDS[: len(behind)]) if behind[n].endswith(end)]
    low, high = ends if len(ends) == len(_BOUNDS) else (None, None)
    return _to_number(row[place]), line, low, high


def _to_number(value: object) -> float | None:
    """The value as a number; None for what is none, and for what no picture can show."""
    if isinstance(value, bool) or not (isinstance(value, Real) or type(value).__name__ == "Decimal"):
        return None
    number = float(value)  # type: ignore[arg-type]  # a Decimal is one
    return number if isfinite(number) else None
