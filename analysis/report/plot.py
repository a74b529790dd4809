"""Lines and stacked bars as SVG that needs no script, with colours, symbols and patterns by number.

Axes begin at 0 unless a scale has ends of its own, and values are shown on pointing. Colours are in the drawing as
plain values, and as classes that the page's style sheet darkens or lightens; symbols and patterns go with them, so that
colour is never the only cue.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor, log10
from types import MappingProxyType

from ..page import clip, markup
from ..picture.layout import text_width

#: The light value of each class of `style.css`.
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "ink": "#1d2126", "muted": "#5b6470", "line": "#dddcd6", "surface": "#ffffff",
        "c0": "#2f63c0", "c1": "#b85c00", "c2": "#26803c", "c3": "#b7382f", "c4": "#7547ad",
        "c5": "#83562a", "c6": "#b83a86", "c7": "#0b7f82", "c8": "#6f7010", "c9": "#66707c",
        "hop0": "#16324f", "hop1": "#2f6299", "hop2": "#5b92c4", "hop3": "#86b3da",
    }
)  # fmt: skip

#: Symbols as paths around (0, 0), of radius 1.
SYMBOLS: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "circle": (),
        "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
        "diamond": ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
        "triangle": ((0, -1.15), (1.15, 0.85), (-1.15, 0.85)),
        "pentagon": ((0, -1.1), (1.05, -0.34), (0.65, 0.89), (-0.65, 0.89), (-1.05, -0.34)),
        "hexagon": ((0.55, -0.95), (1.1, 0), (0.55, 0.95), (-0.55, 0.95), (-1.1, 0), (-0.55, -0.95)),
        "wedge": ((0, 1.15), (1.15, -0.85), (-1.15, -0.85)),
        "bar": ((-0.4, -1.2), (0.4, -1.2), (0.4, 1.2), (-0.4, 1.2)),
    }
)
_NAMES = tuple(SYMBOLS)

#: Lines of a tile of 7 by 7, drawn over the colour; the first kind has none.
PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "p1": "M-1 8L8-1", "p2": "M1.8 1.8h.1M5.3 5.3h.1", "p3": "M-1 8L8-1M-1-1L8 8", "p4": "M0 3.5H7",
        "p5": "M-1-1L8 8", "p6": "M3.5 0V7", "p7": "M0 3.5H7M3.5 0V7",
    }
)  # fmt: skip


def colour_class(number: int) -> str:
    """Return the attributes that give a drawing its colour."""
    name = f"c{number % 10}"
    return f'class="{name}" color="{COLOURS[name]}"'


def pattern_of(number: int) -> str:
    """Return the id of the pattern over the colour; empty if there is none."""
    return f"p{number % 8}" if number % 8 else ""


def symbol(number: int, x: float, y: float, radius: float) -> str:
    """Return the outline of a symbol around a point, as the data of an SVG path."""
    corners = SYMBOLS[_NAMES[number % len(_NAMES)]]
    if not corners:
        arc = f"a{radius:.1f} {radius:.1f} 0 1 0"
        return f"M{x - radius:.1f} {y:.1f}{arc} {2 * radius:.1f} 0{arc} {-2 * radius:.1f} 0z"
    return f"M{'L'.join(f'{x + dx * radius:.1f} {y + dy * radius:.1f}' for dx, dy in corners)}z"


#: Widths for which a chart is drawn, in units of CSS pixels: type must not shrink with the window.
WIDE, NARROW = 960.0, 400.0

_TYPE = 12.0
_RIGHT = 10.0
_ROW = 16.0
#: Points beyond which lines show no marks, and bars of so many places no gaps.
_MARKED = 60
_LONGEST_MARK = 28
#: Places up to which intervals are whiskers.
_WHISKERS = 16


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one layer of the bars: a value for each place on the x axis, and the text shown on pointing."""

    #: Number of its colour and of its mark or pattern.
    look: int
    #: None where there is no value.
    values: Sequence[float | None]
    told: Sequence[str]
    #: Of a line: lower and upper ends of an interval at each place; None where there is none.
    ranges: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True, slots=True)
class Axes:
    """The texts below and beside a plot."""

    #: A label for each place, from left to right.
    places: Sequence[str]
    x_title: str
    y_title: str
    #: Whether values are shares, to be written in per cent.
    is_share: bool = False
    #: Places before which something came into force, and its name.
    marks: Sequence[tuple[int, str]] = ()
    #: Ends of the y axis, of a scale that has them.
    ends: tuple[float, float] | None = None
    #: Whether ranges are bands; else they are whiskers where there are few places.
    has_bands: bool = False


def draw_lines(series: Sequence[Series], axes: Axes, *, label: str, width: float, height: float) -> str:
    """Draw a line for each of the series, broken where a value is missing."""
    values = [value for one in series for value in one.values if value is not None]
    values += [end for one in series for both in one.ranges if both for end in both]
    frame = _PlotArea(axes, values, width, height)
    beside = [frame.beside(n, len(series)) if any(one.ranges) else 0.0 for n, one in enumerate(series)]
    drawn = list(zip(series, beside, strict=True))
    ranges = [part for one, aside in drawn for part in _ranges(one, frame, aside)]
    return frame.drawn(label, [*ranges, *(p for one, aside in drawn for p in _line(one, frame, len(series), aside))])


def draw_bars(series: Sequence[Series], axes: Axes, *, label: str, width: float, height: float) -> str:
    """Draw a bar for each place, with the values of the series stacked; values are not negative."""
    totals = [sum(one.values[place] or 0 for one in series) for place in range(len(axes.places))]
    frame = _PlotArea(axes, totals, width, height)
    base = [0.0] * len(totals)
    return frame.drawn(label, [part for one in series for part in _layer(one, frame, base)])


class _PlotArea:
    """The room of a plot within its axes."""

    def __init__(self, axes: Axes, values: Sequence[float], width: float, height: float) -> None:
        self.axes, self.width, self.height = axes, width, height
        low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
        if axes.is_share:
            high = 1.0
        if axes.ends:
            low, high = axes.ends
        # Below this, differences are no more than what floating point leaves.
        is_whole = not axes.is_share and all(float(value).is_integer() for value in values)
        self.ticks = round_ticks(low, high if high - low > 1e-250 else 1.0, is_whole=is_whole)
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self.tick_labels = [tick_label(tick, axes.is_share) for tick in self.ticks]
        self.left = 26 + max(text_width(text, _TYPE) for text in self.tick_labels)
        self.rows = _mark_rows(self)
        self.top = 10 + _ROW * (max(self.rows.values(), default=-1) + 1)
        self.bottom = height - 42

    def x(self, place: float) -> float:
        """Return the middle of a place; half a place less is its left edge."""
        return self.left + (place + 0.5) * self.gap

    @property
    def gap(self) -> float:
        """From one place to the next."""
        return (self.width - self.left - _RIGHT) / max(1, len(self.axes.places))

    @property
    def has_whiskers(self) -> bool:
        """Whether ranges are drawn as whiskers beside each other."""
        return not self.axes.has_bands and len(self.axes.places) <= _WHISKERS

    def beside(self, number: int, many: int) -> float:
        """Return how far one of `many` series with intervals is from the middle of a place; 0 without whiskers."""
        if not self.has_whiskers:
            return 0.0
        return min(9.0, self.gap / (many + 1)) * (number - (many - 1) / 2)

    def y(self, value: float) -> float:
        """Return how far down a value is."""
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)

    def within(self, value: float) -> float:
        """Return the nearest value on the axis: intervals of a mean may go beyond the ends of its scale."""
        return min(max(value, self.low), self.high)

    def drawn(self, label: str, parts: Sequence[str]) -> str:
        """Return the whole SVG with these parts in the frame."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{markup(label)}" font-family="system-ui, sans-serif" font-size="{_TYPE:g}">'
        )
        return "".join([head, *self._grid(), *parts, *self._marks(), "</svg>"])

    def _grid(self) -> Iterator[str]:
        right = self.width - _RIGHT
        lines = "".join(f"M{self.left:.1f} {self.y(tick):.1f}H{right:.1f}" for tick in self.ticks)
        yield f'<path class="line" color="{COLOURS["line"]}" stroke="currentColor" d="{lines}"/>'
        yield f'<g class="muted" color="{COLOURS["muted"]}" fill="currentColor">'
        for tick, text in zip(self.ticks, self.tick_labels, strict=True):
            yield f'<text x="{self.left - 6:.1f}" y="{self.y(tick) + 4:.1f}" text-anchor="end">{text}</text>'
        for place, text in self._places():
            yield _centred(self.x(place), self.bottom + 17, text)
        yield _centred((self.left + right) / 2, self.height - 6, self.axes.x_title)
        down = (self.top + self.bottom) / 2
        most = int((self.bottom - self.top) / (0.55 * _TYPE))
        yield (
            f'<text transform="translate(12 {down:.1f}) rotate(-90)" text-anchor="middle">'
            f"{markup(clip(self.axes.y_title, most))}</text></g>"
        )

    def _places(self) -> Iterator[tuple[int, str]]:
        labels = self.axes.places
        widest = max((text_width(clip(text, 16), _TYPE) for text in labels), default=0.0) + 10
        every = max(1, -(-widest // self.gap))
        for place, text in enumerate(labels):
            if place % every == 0:
                yield place, clip(text, max(3, min(16, int(self.gap * every / (0.62 * _TYPE)))))

    def _marks(self) -> Iterator[str]:
        if not self.axes.marks:
            return
        yield f'<g class="ink" color="{COLOURS["ink"]}" fill="currentColor">'
        for number, (place, name) in enumerate(self.axes.marks):
            x = self.x(place) - self.gap / 2
            yield (
                f'<path d="M{x:.1f} {self.top:.1f}V{self.bottom:.1f}" stroke="currentColor" stroke-width="1.5" '
                f'stroke-dasharray="5 4"><title>{markup(name)}</title></path>'
            )
            if number in self.rows:
                y = self.top - 5 - _ROW * self.rows[number]
                end, at = ("end", self.width - _RIGHT) if self._is_late(x, name) else ("start", x)
                yield f'<text x="{at:.1f}" y="{y:.1f}" text-anchor="{end}">{markup(clip(name, _LONGEST_MARK))}</text>'
        yield "</g>"

    def _is_late(self, x: float, name: str) -> bool:
        return x + text_width(clip(name, _LONGEST_MARK), _TYPE) > self.width - _RIGHT


def _centred(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{markup(text)}</text>'


def _mark_rows(frame: _PlotArea) -> dict[int, int]:
    """Return the row above the plot for the name of each mark that fits in one of three rows."""
    ends: list[float] = []
    rows: dict[int, int] = {}
    for number, (place, name) in enumerate(frame.axes.marks):
        wide = text_width(clip(name, _LONGEST_MARK), _TYPE)
        x = min(frame.x(place) - frame.gap / 2, frame.width - _RIGHT - wide)
        row = next((n for n, end in enumerate(ends) if end < x), len(ends))
        if row < 3:
            ends[row : row + 1] = [x + wide + 8]
            rows[number] = row
    return rows


def _ranges(one: Series, frame: _PlotArea, aside: float) -> Iterator[str]:
    """Draw intervals: whiskers beside each other if there are few places, a band if there are many."""
    found = [(at, *both) for at, both in enumerate(one.ranges) if both is not None]
    if not found:
        return
    yield f'<g data-series="{one.look}" {colour_class(one.look)}>'
    if frame.has_whiskers:
        lines = "".join(_whisker(frame, frame.x(at) + aside, low, high) for at, low, high in found)
        yield f'<path d="{lines}" fill="none" stroke="currentColor" stroke-width="1.3"/>'
    else:
        for part in _stretches(found):
            there = "L".join(f"{frame.x(at):.1f} {frame.y(frame.within(high)):.1f}" for at, _, high in part)
            back = "L".join(f"{frame.x(at):.1f} {frame.y(frame.within(low)):.1f}" for at, low, _ in reversed(part))
            yield f'<path d="M{there}L{back}z" fill="currentColor" fill-opacity=".16"/>'
    yield "</g>"


def _whisker(frame: _PlotArea, x: float, low: float, high: float) -> str:
    """Draw a vertical line with a cap at each end; an interval beyond the axis stops there without a cap."""
    caps = (f"M{x - 3:.1f} {frame.y(end):.1f}h6" for end in (low, high) if frame.within(end) == end)
    ends = [frame.y(frame.within(end)) for end in (low, high)]
    return "".join([f"M{x:.1f} {ends[0]:.1f}V{ends[1]:.1f}", *caps])


def _stretches(found: Sequence[tuple[int, float, float]]) -> Iterator[list[tuple[int, float, float]]]:
    """Split the intervals into stretches without a gap between their places."""
    for _, part in groupby(enumerate(found), key=lambda numbered: numbered[1][0] - numbered[0]):
        yield [one for _, one in part]


def _line(one: Series, frame: _PlotArea, many: int, aside: float = 0.0) -> Iterator[str]:
    points = [
        (frame.x(place) + aside, frame.y(value), told)
        for place, (value, told) in enumerate(zip(one.values, one.told, strict=True))
        if value is not None
    ]
    path, broken = "", True
    for place, value in enumerate(one.values):
        if value is not None:
            path += f"{'M' if broken else 'L'}{frame.x(place) + aside:.1f} {frame.y(value):.1f}"
        broken = value is None
    # Later lines are thinner, so that one on top of another leaves it to be seen.
    is_alone = many == 1 or (frame.has_whiskers and any(one.ranges))
    thick = 2.0 if is_alone else max(2.0, min(4.0, 1.0 + many) - 0.7 * one.look)
    yield f'<g data-series="{one.look}" {colour_class(one.look)}>'
    yield f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="{thick:g}" stroke-linejoin="round"/>'
    large = 3.8 if is_alone else max(3.0, 6.0 - one.look)
    for x, y, told in points:
        if len(points) <= _MARKED:
            shape = f'<path d="{symbol(one.look, x, y, large)}" fill="currentColor">'
        else:
            shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill-opacity="0">'
        yield f"{shape}<title>{markup(told)}</title></{'path' if 'path' in shape else 'circle'}>"
    yield "</g>"


def _layer(one: Series, frame: _PlotArea, base: list[float]) -> Iterator[str]:
    wide = frame.gap * (0.75 if len(base) <= _MARKED else 1)
    shapes, drawn = [], ""
    for place, value in enumerate(one.values):
        if not value:
            continue
        top, bottom = frame.y(base[place] + value), frame.y(base[place])
        base[place] += value
        x = frame.x(place) - wide / 2
        box = f'x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{bottom - top:.1f}"'
        shapes.append(f"<rect {box}><title>{markup(one.told[place])}</title></rect>")
        drawn += f"M{x:.1f} {top:.1f}h{wide:.1f}v{bottom - top:.1f}h{-wide:.1f}z"
    yield f'<g data-series="{one.look}" {colour_class(one.look)} fill="currentColor">{"".join(shapes)}'
    if pattern := pattern_of(one.look):
        yield f'<path d="{drawn}" fill="url(#{pattern})" pointer-events="none"/>'
    yield "</g>"


def round_ticks(low: float, high: float, most: int = 5, *, is_whole: bool = False) -> list[float]:
    """Return round numbers from `low` or less to `high` or more, at most `most` steps apart.

    Counts get whole numbers.
    """
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    steps = (power * m for m in (1, 2, 2.5, 5, 10, 20, 50, 100) if power * m >= rough * 0.999)
    step = next((one for one in steps if not is_whole or one.is_integer()), 1.0)
    return [n * step for n in range(floor(low / step + 1e-9), 1 - floor(-high / step + 1e-9))]


def tick_label(value: float, is_share: bool) -> str:
    """Format a tick's value."""
    if is_share:
        return f"{value:.0%}"
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.6g}"
