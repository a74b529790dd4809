"""Charts as SVG that needs no script: lines, stacked bars and dots with whiskers, with their legends and numbers.

Axes begin at 0 unless a scale has ends of its own, and values are shown on pointing. Colours are in the drawing as
plain values, and as classes that the page's style sheet darkens or lightens; symbols and patterns go with them, so that
colour is never the only cue.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor, isfinite, log10
from types import MappingProxyType
from typing import Literal

from markupsafe import Markup

from .page import clip_text, escape_markup

#: The light value of each class of `style.css`.
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "ink": "#1d2126", "muted": "#5b6470", "line": "#dddcd6", "surface": "#ffffff",
        "c0": "#2f63c0", "c1": "#b85c00", "c2": "#26803c", "c3": "#b7382f", "c4": "#7547ad",
        "c5": "#83562a", "c6": "#b83a86", "c7": "#0b7f82", "c8": "#6f7010", "c9": "#66707c",
        "s0": "#0d2138", "s1": "#193f6b", "s2": "#285f9b", "s3": "#4380bf", "s4": "#679fd4", "s5": "#8dbae3",
        "s6": "#b0d0ee",
    }
)  # fmt: skip
#: Symbols as corners around (0, 0), of radius 1.
_SYMBOLS: Sequence[Sequence[tuple[float, float]]] = (
    (),
    ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
    ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
    ((0, -1.15), (1.15, 0.85), (-1.15, 0.85)),
    ((0, -1.1), (1.05, -0.34), (0.65, 0.89), (-0.65, 0.89), (-1.05, -0.34)),
    ((0.55, -0.95), (1.1, 0), (0.55, 0.95), (-0.55, 0.95), (-1.1, 0), (-0.55, -0.95)),
    ((0, 1.15), (1.15, -0.85), (-1.15, -0.85)),
    ((-0.4, -1.2), (0.4, -1.2), (0.4, 1.2), (-0.4, 1.2)),
)

#: Lines of a tile of 7 by 7, drawn over the colour; the first kind has none.
PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "p1": "M-1 8L8-1", "p2": "M1.8 1.8h.1M5.3 5.3h.1", "p3": "M-1 8L8-1M-1-1L8 8", "p4": "M0 3.5H7",
        "p5": "M-1-1L8 8", "p6": "M3.5 0V7", "p7": "M0 3.5H7M3.5 0V7",
    }
)  # fmt: skip

#: Widths for which a chart is drawn, in units of CSS pixels: type must not shrink with the window.
WIDE, NARROW = 960.0, 400.0
#: Bars over steps; of a longer run, spans of steps.
BARS = 120
#: Rows of the numbers behind a chart.
_NUMBERS = 200
_TYPE, _RIGHT, _ROW = 12.0, 10.0, 16.0
_HEIGHT, _SMALL = 300.0, 220.0
#: Points beyond which lines show no marks, and bars of so many places no gaps.
_MARKED = 60
_LONGEST_MARK = 28
#: Places up to which intervals are whiskers.
_WHISKERS = 16
#: Characters of the words beside a dot.
_WORDS = 46
_DASH = "\u2013"

#: Step and name of each intervention.
type Marks = Sequence[tuple[int, str]]


def format_number(value: float | None) -> str:
    """Format a number with four significant digits, or a dash."""
    return _DASH if value is None or not isfinite(value) else f"{value:,.4g}"


def text_width(text: str, size: float) -> float:
    """Estimate how wide a text is in this size of type, rather more than less."""
    return size * sum(map(_character_width, text))


#: Widths in shares of the type size. Fonts differ: these are those of a wide one, so that no text is longer.
_NARROW_LETTERS = frozenset("iljtfI.,;:'|!()[]\u2019 ")
_BROAD_LETTERS = frozenset("mwMW@%\u2026\u2014")


def _character_width(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in _NARROW_LETTERS:
        return 0.42
    return 0.98 if character in _BROAD_LETTERS else 0.76 if character.isupper() else 0.64


def draw_svg(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """Return a whole SVG with these parts; `label` is read out in place of the picture."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape_markup(label)}" font-family="system-ui, sans-serif" font-size="{_TYPE:g}">'
        f"{''.join(parts)}</svg>"
    )


def draw_text(tone: str, x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    """Draw a text in a colour of the page."""
    return (
        f'<text {paint_attributes(tone)} fill="currentColor" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
        f"{escape_markup(text)}</text>"
    )


def paint_attributes(tone: str) -> str:
    """Return the attributes that give a drawing a colour of the page."""
    return f'class="{tone}" color="{COLOURS[tone]}"'


def series_paint(look: int) -> str:
    """Return the attributes that give a drawing the colour of a series."""
    return paint_attributes(f"c{look % 10}")


def symbol_path(look: int, x: float, y: float, radius: float) -> str:
    """Return the outline of a symbol around a point, as the data of an SVG path."""
    corners = _SYMBOLS[look % len(_SYMBOLS)]
    if not corners:
        arc = f"a{radius:.1f} {radius:.1f} 0 1 0"
        return f"M{x - radius:.1f} {y:.1f}{arc} {2 * radius:.1f} 0{arc} {-2 * radius:.1f} 0z"
    return f"M{'L'.join(f'{x + dx * radius:.1f} {y + dy * radius:.1f}' for dx, dy in corners)}z"


def _pattern_id(look: int) -> str:
    """Return the id of the pattern over the colour; empty if there is none."""
    return f"p{look % 8}" if look % 8 else ""


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A line of the legend; pressing it hides and shows the parts of the drawing with its number."""

    label: str
    series: str
    #: A small SVG of 22 by 14: colour is never the only cue.
    swatch: Markup


def draw_swatch(drawn: str) -> Markup:
    """Return a drawing of 22 by 14 as the sign of a legend entry."""
    return Markup(f'<svg width="22" height="14" viewBox="0 0 22 14" aria-hidden="true">{drawn}</svg>')  # noqa: S704


def line_sign(look: int, x: float = 0, y: float = 7) -> str:
    """Draw the sign of a line, 22 wide."""
    return (
        f'<g {series_paint(look)}><path d="M{x:g} {y:g}h22" stroke="currentColor" stroke-width="2"/>'
        f'<path d="{symbol_path(look, x + 11, y, 4.5)}" fill="currentColor"/></g>'
    )


def _bar_sign(look: int) -> str:
    box = '<rect x="1" y="1" width="20" height="12" fill='
    pattern = f'{box}"url(#{_pattern_id(look)})"/>' if _pattern_id(look) else ""
    return f'<g {series_paint(look)}>{box}"currentColor"/></g>{pattern}'


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a chart, and what is known of it."""

    #: A step, or a name.
    place: int | str
    #: None, or not finite, if there is no value.
    value: float | None
    series: str = ""
    low: float | None = None
    high: float | None = None
    #: How many `Chart.unit` it is taken from.
    count: int | None = None
    #: Said on pointing, after the value.
    note: str = ""
    #: Of a dot: values that it is the mean of, drawn small.
    parts: Sequence[float] = ()

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return both ends, if they are known."""
        ends = (self.low, self.high)
        return ends if ends[0] is not None and ends[1] is not None and all(map(isfinite, ends)) else None  # type: ignore[arg-type, return-value]


@dataclass(frozen=True, slots=True)
class Chart:
    """Points, how they are drawn, and what the picture shows in words."""

    name: str
    title: str
    #: Read out in place of the picture.
    description: str
    points: Sequence[Point]
    y: str
    x: str = "step"
    mark: Literal["line", "bar", "dot"] = "line"
    #: Names of the series in the order of their looks; by default those of the points.
    series: Sequence[str] = ()
    #: What the series are; a chart without it has no legend.
    legend_title: str = ""
    #: What `count` counts.
    unit: str = ""
    interval: tuple[str, str] = ("from", "to")
    marks: Marks = ()
    #: Steps that a place stands for, from its first.
    span: int = 1
    #: Whether values are shares, written in per cent.
    is_share: bool = False
    #: Ends of the y axis, of a scale that has them.
    ends: tuple[float, float] | None = None
    #: Whether intervals are bands; else they are whiskers if there are few places.
    has_bands: bool = False
    is_small: bool = False
    #: Whether the numbers are shown; not if there is a table beside the chart anyway.
    has_numbers: bool = True
    #: The statement that gives the numbers; empty if there is none.
    sql: str = ""

    @property
    def places(self) -> list[int | str]:
        """Return the places from left to right."""
        found = list(dict.fromkeys(point.place for point in self.points))
        steps = [place for place in found if isinstance(place, int)]
        return [*sorted(steps)] if len(steps) == len(found) else found

    @property
    def names(self) -> list[str]:
        """Return the names of the series, by their looks."""
        return list(self.series or dict.fromkeys(point.series for point in self.points))

    @property
    def legend(self) -> list[LegendEntry]:
        """Return an entry for each series that is drawn."""
        drawn = {point.series for point in self.points}
        if not self.legend_title:
            return []
        sign = _bar_sign if self.mark == "bar" else line_sign
        return [
            LegendEntry(name, str(look), draw_swatch(sign(look)))
            for look, name in enumerate(self.names)
            if name in drawn
        ]

    @property
    def headings(self) -> list[str]:
        """Return the headings of the numbers behind the picture; none if they are not shown."""
        if not self.has_numbers:
            return []
        names = [self.legend_title.lower()] if self.legend_title else []
        return [self.x, *names, self.y, *(self.interval if self._has_intervals else ()), *filter(None, [self.unit])]

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """Return the first rows of the numbers behind the picture."""
        order = {place: number for number, place in enumerate(self.places)}
        has_intervals = self._has_intervals
        return [
            (
                point.place,
                *([point.series] if self.legend_title else []),
                self.format(point.value),
                *(map(self.format, point.interval or (None, None)) if has_intervals else ()),
                *([point.count] if self.unit else []),
            )
            for point in sorted(self.points, key=lambda point: order[point.place])[:_NUMBERS]
        ]

    @property
    def rows_in_all(self) -> int:
        """Return how many rows there are."""
        return len(self.points)

    @property
    def _has_intervals(self) -> bool:
        return any(point.interval for point in self.points)

    @property
    def wide(self) -> Markup:
        """Draw the chart for wide windows."""
        return Markup(self.draw(WIDE))  # noqa: S704 - what texts of the run are in it was escaped

    @property
    def narrow(self) -> Markup:
        """Draw the chart for narrow windows."""
        return Markup(self.draw(NARROW))  # noqa: S704 - likewise

    def draw(self, width: float, height: float = 0) -> str:
        """Draw the chart as SVG."""
        area = _RowArea(self, width) if self.mark == "dot" else _PlotArea(self, width, height)
        return draw_svg(width, area.height, f"{self.title}. {self.description}", area.parts())

    def format(self, value: float | None) -> str:
        """Format a value of the chart."""
        return f"{value:.1%}" if self.is_share and value is not None and isfinite(value) else format_number(value)

    def describe(self, point: Point) -> str:
        """Return what is said on pointing at a value."""
        who = f"{point.series}, " * bool(point.series and point.series != point.place)
        is_step = isinstance(point.place, int) or self.mark == "line"
        at = f"{self.x} {point.place}" if is_step else f"{point.place}"
        at = f"steps {point.place} to {int(point.place) + self.span - 1}" if self.span > 1 else at
        interval = f" ({' to '.join(map(self.format, point.interval))})" if point.interval else ""
        count = f", {point.count:,} {self.unit}" if point.count is not None else ""
        return f"{who}{at}: {self.format(point.value)}{interval}{count}{point.note}"

    def lines(self) -> list[list[Point | None]]:
        """Return the points of each series by place, None where there is no value."""
        at = {(p.series, p.place): p for p in self.points if p.value is not None and isfinite(p.value)}
        places = self.places
        return [[at.get((name, place)) for place in places] for name in self.names]


class _PlotArea:
    """Lines or stacked bars within their axes."""

    def __init__(self, chart: Chart, width: float, height: float) -> None:
        self.chart, self.width = chart, width
        self.height = height or (_SMALL if chart.is_small else _HEIGHT)
        self.places, self.lines = chart.places, chart.lines()
        drawn = [point for line in self.lines for point in line if point]
        if chart.mark == "bar":
            columns = zip(*self.lines, strict=True)
            values = [sum(point.value or 0.0 for point in column if point) for column in columns]
        else:
            values = [point.value or 0.0 for point in drawn]
            values += [end for point in drawn for end in point.interval or ()]
        low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
        low, high = chart.ends or (low, 1.0 if chart.is_share else high)
        # Below this, differences are no more than what floating point leaves.
        is_whole = not chart.is_share and all(float(value).is_integer() for value in values)
        self.ticks = round_ticks(low, high if high - low > 1e-250 else 1.0, is_whole=is_whole)
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self.tick_labels = [format_tick(tick, is_share=chart.is_share) for tick in self.ticks]
        self.left = 26 + max(text_width(text, _TYPE) for text in self.tick_labels)
        #: From one place to the next.
        self.gap = (width - self.left - _RIGHT) / max(1, len(self.places))
        self.marks = self._place_marks()
        self.rows = self._mark_rows()
        self.top = 10 + _ROW * (max(self.rows.values(), default=-1) + 1)
        self.bottom = self.height - 42
        self.has_whiskers = not chart.has_bands and len(self.places) <= _WHISKERS

    def x(self, place: float) -> float:
        """Return the middle of a place; half a place less is its left edge."""
        return self.left + (place + 0.5) * self.gap

    def y(self, value: float) -> float:
        """Return how far down a value is; intervals of a mean may go beyond the ends of its scale."""
        value = min(max(value, self.low), self.high)
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)

    def parts(self) -> Iterator[str]:
        """Yield what is drawn, from the ground up."""
        yield from self._draw_grid()
        if self.chart.mark == "bar":
            base = [0.0] * len(self.places)
            for look, line in enumerate(self.lines):
                yield from self._draw_layer(look, line, base)
        else:
            aside = [self._offset_of(look) for look in range(len(self.lines))]
            for look, line in enumerate(self.lines):
                yield from self._draw_ranges(look, line, aside[look])
            for look, line in enumerate(self.lines):
                yield from self._draw_line(look, line, aside[look])
        yield from self._draw_marks()

    def _offset_of(self, look: int) -> float:
        """Return how far a series with whiskers is from the middle of a place."""
        many = len(self.lines)
        if not self.has_whiskers or not any(point and point.interval for point in self.lines[look]):
            return 0.0
        return min(9.0, self.gap / (many + 1)) * (look - (many - 1) / 2)

    def _draw_grid(self) -> Iterator[str]:
        right, chart = self.width - _RIGHT, self.chart
        lines = "".join(f"M{self.left:.1f} {self.y(tick):.1f}H{right:.1f}" for tick in self.ticks)
        yield f'<path {paint_attributes("line")} stroke="currentColor" d="{lines}"/>'
        for tick, text in zip(self.ticks, self.tick_labels, strict=True):
            yield draw_text("muted", self.left - 6, self.y(tick) + 4, text, "end")
        labels = [str(place) for place in self.places]
        widest = max((text_width(clip_text(text, 16), _TYPE) for text in labels), default=0.0) + 10
        every = int(max(1, -(-widest // self.gap)))
        most = max(3, min(16, int(self.gap * every / (0.62 * _TYPE))))
        for place in range(0, len(labels), every):
            yield draw_text("muted", self.x(place), self.bottom + 17, clip_text(labels[place], most), "middle")
        yield draw_text("muted", (self.left + right) / 2, self.height - 6, chart.x, "middle")
        down = (self.top + self.bottom) / 2
        words = clip_text(chart.y, int((self.bottom - self.top) / (0.55 * _TYPE)))
        yield draw_text("muted", 0, 0, words, "middle", f' transform="translate(12 {down:.1f}) rotate(-90)"')

    def _place_marks(self) -> list[tuple[float, str]]:
        """Return where each intervention came, before the first step that is not earlier, and its name."""
        steps = [place for place in self.places if isinstance(place, int)]
        if len(steps) < len(self.places):
            return []
        placed = ((sum(step + self.chart.span - 1 < at for step in steps), name) for at, name in self.chart.marks)
        return [(self.x(place) - self.gap / 2, name) for place, name in placed if place < len(steps)]

    def _mark_rows(self) -> dict[int, int]:
        """Return the row above the plot for the name of each mark that fits in one of three rows."""
        ends: list[float] = []
        rows: dict[int, int] = {}
        for number, (x, name) in enumerate(self.marks):
            wide = text_width(clip_text(name, _LONGEST_MARK), _TYPE)
            left = min(x, self.width - _RIGHT - wide)
            row = next((n for n, end in enumerate(ends) if end < left), len(ends))
            if row < 3:
                ends[row : row + 1] = [left + wide + 8]
                rows[number] = row
        return rows

    def _draw_marks(self) -> Iterator[str]:
        for number, (x, name) in enumerate(self.marks):
            yield (
                f'<path {paint_attributes("ink")} d="M{x:.1f} {self.top:.1f}V{self.bottom:.1f}" stroke="currentColor" '
                f'stroke-width="1.5" stroke-dasharray="5 4"><title>{escape_markup(name)}</title></path>'
            )
            if number in self.rows:
                y, text = self.top - 5 - _ROW * self.rows[number], clip_text(name, _LONGEST_MARK)
                is_late = x + text_width(text, _TYPE) > self.width - _RIGHT
                yield draw_text("ink", self.width - _RIGHT if is_late else x, y, text, "end" if is_late else "start")

    def _draw_ranges(self, look: int, line: Sequence[Point | None], aside: float) -> Iterator[str]:
        """Draw intervals: whiskers beside each other if there are few places, a band if there are many."""
        found = [(at, *point.interval) for at, point in enumerate(line) if point and point.interval]
        if not found:
            return
        yield f'<g data-series="{look}" {series_paint(look)}>'
        if self.has_whiskers:
            lines = "".join(self._draw_whisker(self.x(at) + aside, low, high) for at, low, high in found)
            yield f'<path d="{lines}" fill="none" stroke="currentColor" stroke-width="1.3"/>'
        else:
            for _, numbered in groupby(enumerate(found), key=lambda one: one[1][0] - one[0]):
                part = [one for _, one in numbered]
                there = [f"{self.x(at):.1f} {self.y(high):.1f}" for at, _, high in part]
                back = [f"{self.x(at):.1f} {self.y(low):.1f}" for at, low, _ in reversed(part)]
                yield f'<path d="M{"L".join([*there, *back])}z" fill="currentColor" fill-opacity=".16"/>'
        yield "</g>"

    def _draw_whisker(self, x: float, low: float, high: float) -> str:
        """Draw a vertical line with a cap at each end; an interval beyond the axis stops there without a cap."""
        caps = (f"M{x - 3:.1f} {self.y(end):.1f}h6" for end in (low, high) if self.low <= end <= self.high)
        return "".join([f"M{x:.1f} {self.y(low):.1f}V{self.y(high):.1f}", *caps])

    def _draw_line(self, look: int, line: Sequence[Point | None], aside: float) -> Iterator[str]:
        """Draw a line, broken where a value is missing."""
        points = [(self.x(n) + aside, self.y(p.value or 0.0), p) if p else None for n, p in enumerate(line)]
        path = "".join(
            f"{'L' if n and points[n - 1] else 'M'}{point[0]:.1f} {point[1]:.1f}"
            for n, point in enumerate(points)
            if point
        )
        # Later lines are thinner, so that one on top of another leaves it to be seen.
        many = len(self.lines)
        is_alone = many == 1 or (self.has_whiskers and any(point and point.interval for point in line))
        thick = 2.0 if is_alone else max(2.0, min(4.0, 1.0 + many) - 0.7 * look)
        yield f'<g data-series="{look}" {series_paint(look)}>'
        yield f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="{thick:g}" stroke-linejoin="round"/>'
        drawn = [point for point in points if point]
        for x, y, point in drawn:
            radius = 3.8 if is_alone else max(3.0, 6.0 - look)
            look_of_it = 'fill="currentColor"' if len(drawn) <= _MARKED else 'fill-opacity="0"'
            shape = symbol_path(look if len(drawn) <= _MARKED else 0, x, y, radius)
            yield f'<path d="{shape}" {look_of_it}><title>{escape_markup(self.chart.describe(point))}</title></path>'
        yield "</g>"

    def _draw_layer(self, look: int, line: Sequence[Point | None], base: list[float]) -> Iterator[str]:
        """Draw one layer of the bars upon those below it; values are not negative."""
        wide = self.gap * (0.75 if len(base) <= _MARKED else 1)
        shapes, drawn = [], ""
        for place, point in enumerate(line):
            if not point or not point.value:
                continue
            top, bottom = self.y(base[place] + point.value), self.y(base[place])
            base[place] += point.value
            x = self.x(place) - wide / 2
            box = f'x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{bottom - top:.1f}"'
            shapes.append(f"<rect {box}><title>{escape_markup(self.chart.describe(point))}</title></rect>")
            drawn += f"M{x:.1f} {top:.1f}h{wide:.1f}v{bottom - top:.1f}h{-wide:.1f}z"
        yield f'<g data-series="{look}" {series_paint(look)} fill="currentColor">{"".join(shapes)}'
        if pattern := _pattern_id(look):
            yield f'<path d="{drawn}" fill="url(#{pattern})" pointer-events="none"/>'
        yield "</g>"


class _RowArea:
    """Dots with whiskers, one below another: words on the left if there is room, else above each line."""

    def __init__(self, chart: Chart, width: float) -> None:
        self.chart, self.width, self.is_wide = chart, width, width > NARROW
        self.points = [point for point in chart.points if point.value is not None and isfinite(point.value)]
        self.row = 28.0 if self.is_wide else 44.0
        words = max(text_width(clip_text(str(point.place), _WORDS), _TYPE) for point in self.points)
        self.left = min(words, 330.0) + 16 if self.is_wide else 12.0
        self.bottom = 8.0 + self.row * len(self.points)
        self.height = self.bottom + 42
        ends = [end for p in self.points for end in (p.value or 0.0, *(p.interval or ()), *p.parts)]
        # A chart of differences marks 0.
        self.has_zero = chart.ends == (0.0, 0.0)
        ends += chart.ends or ()
        low, high = min(ends), max(ends)
        # Values that hardly differ are told apart by no more than what floating point leaves.
        apart = high - low > 1e-9 * max(abs(low), abs(high))
        room = 0.04 * (high - low) if apart else 0.1 * abs(high) or 1.0
        low, high = low - room * (low != 0 or not apart), high + room * (high != 0 or not apart)
        self.ticks = round_ticks(low, high, 6 if self.is_wide else 4)

    def x(self, value: float) -> float:
        """Return how far right a value is."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.left + (value - low) / (high - low) * (self.width - 16 - self.left)

    def parts(self) -> Iterator[str]:
        """Yield what is drawn, from the ground up."""
        lines = "".join(f"M{self.x(tick):.1f} 8V{self.bottom:.1f}" for tick in self.ticks)
        yield f'<path {paint_attributes("line")} stroke="currentColor" d="{lines}"/>'
        for tick in self.ticks:
            text = format_tick(tick)
            at = min(self.x(tick), self.width - 4 - text_width(text, _TYPE) / 2)
            yield draw_text("muted", at, self.bottom + 17, text, "middle")
        words = clip_text(self.chart.y, int((self.width - self.left) / (0.55 * _TYPE)))
        yield draw_text("muted", (self.left + self.width - 16) / 2, self.bottom + 36, words, "middle")
        if self.has_zero:
            yield (
                f'<path {paint_attributes("ink")} stroke="currentColor" stroke-width="1.5" stroke-dasharray="5 4" '
                f'd="M{self.x(0.0):.1f} 8V{self.bottom:.1f}"/>'
            )
        names = self.chart.names
        for place, point in enumerate(self.points):
            yield from self._draw_dot(8.0 + self.row * place, point, names.index(point.series))

    def _draw_dot(self, top: float, point: Point, look: int) -> Iterator[str]:
        y = top + (self.row / 2 if self.is_wide else 29.0)
        at, anchor, down = (self.left - 12, "end", y + 4) if self.is_wide else (self.left, "start", top + 15)
        ground = f' stroke="{COLOURS["surface"]}" stroke-width="4" paint-order="stroke"'
        yield draw_text("ink", at, down, clip_text(str(point.place), _WORDS), anchor, ground)
        yield f"<g {series_paint(look)}>"
        for part in point.parts:
            yield f'<circle cx="{self.x(part):.1f}" cy="{y + 8:.1f}" r="2.2" fill="currentColor" fill-opacity=".6"/>'
        if point.interval:
            low, high = map(self.x, point.interval)
            yield (
                f'<path d="M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f} {y - 4:.1f}v8M{high:.1f} {y - 4:.1f}v8" '
                f'fill="none" stroke="currentColor" stroke-width="2"/>'
            )
        shape = symbol_path(look, self.x(point.value or 0.0), y, 5.5)
        words = escape_markup(self.chart.describe(point))
        yield f'<path d="{shape}" fill="currentColor"><title>{words}</title></path></g>'


def round_ticks(low: float, high: float, most: int = 5, *, is_whole: bool = False) -> list[float]:
    """Return round numbers from `low` or less to `high` or more, at most `most` steps apart.

    Counts get whole numbers.
    """
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    steps = (power * m for m in (1, 2, 2.5, 5, 10, 20, 50, 100) if power * m >= rough * 0.999)
    step = next((one for one in steps if not is_whole or one.is_integer()), 1.0)
    return [n * step for n in range(floor(low / step + 1e-9), 1 - floor(-high / step + 1e-9))]


def format_tick(value: float, *, is_share: bool = False) -> str:
    """Format a tick's value."""
    if is_share:
        return f"{value:.0%}"
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.6g}"
