"""Estimates with their intervals as SVG that needs no script: a dot and a line for each, one below another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from ..page import clip, markup
from ..picture.layout import text_width
from .chart import Chart
from .plot import COLOURS, NARROW, WIDE, colour_class, round_ticks, symbol, tick_label

_TYPE = 12.0
_ROW, _NARROW_ROW = 28.0, 44.0
_TOP, _BELOW, _RIGHT = 8.0, 42.0, 16.0
#: Characters of the words beside a dot.
_WORDS = 46


@dataclass(frozen=True, slots=True)
class PlottedEstimate:
    """One dot with its interval."""

    label: str
    value: float
    #: nan where there is no interval.
    low: float
    high: float
    told: str
    #: Number of its colour and symbol.
    look: int = 0
    #: Values that it is the mean of, drawn small.
    parts: Sequence[float] = ()


def intervals(
    name: str,
    title: str,
    description: str,
    estimates: Sequence[PlottedEstimate],
    x_title: str,
    *,
    zero: bool = False,
    headings: Sequence[str] = (),
    rows: Sequence[Sequence[object]] = (),
    sql: str = "",
) -> Chart | None:
    """A chart of dots and whiskers; None where no estimate is a number. With `zero` the axis holds 0, and marks it."""
    drawn = [one for one in estimates if isfinite(one.value)]
    if not drawn:
        return None
    label = f"{title}. {description}"
    wide, narrow = (_Plot(drawn, x_title, width, zero=zero).drawn(label) for width in (WIDE, NARROW))
    texts = Markup(wide), Markup(narrow)  # noqa: S704 - what texts of the run are in it was escaped
    return Chart(name, title, description, *texts, headings=headings, rows=rows, rows_in_all=len(rows), sql=sql)


class _Plot:
    """The plot of some estimates at one width: words on the left where there is room, else above each line."""

    def __init__(self, estimates: Sequence[PlottedEstimate], x_title: str, width: float, *, zero: bool) -> None:
        self.estimates, self.x_title, self.width, self.zero = estimates, x_title, width, zero
        self.is_wide = width > NARROW
        self.row = _ROW if self.is_wide else _NARROW_ROW
        words = max(text_width(clip(one.label, _WORDS), _TYPE) for one in estimates)
        self.left = min(words, 330.0) + 16 if self.is_wide else 12.0
        self.bottom = _TOP + self.row * len(estimates)
        most = 6 if self.is_wide else 4
        ends = [end for one in estimates for end in (one.value, one.low, one.high, *one.parts) if isfinite(end)]
        low, high = min([*ends, 0.0] if zero else ends), max([*ends, 0.0] if zero else ends)
        # Values that hardly differ are told apart by no more than what floating point leaves.
        apart = high - low > 1e-9 * max(abs(low), abs(high))
        room = 0.04 * (high - low) if apart else 0.1 * abs(high) or 1.0
        self.ticks = round_ticks(low - room * (low != 0 or not apart), high + room * (high != 0 or not apart), most)

    def drawn(self, label: str) -> str:
        """The whole SVG."""
        height = self.bottom + _BELOW
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {height:g}" role="img" '
            f'aria-label="{markup(label)}" font-family="system-ui, sans-serif" font-size="{_TYPE:g}">'
        )
        rows = (part for n, one in enumerate(self.estimates) for part in self._one(n, one))
        return "".join([head, *self._axis(), *rows, "</svg>"])

    def _x(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.left + (value - low) / (high - low) * (self.width - _RIGHT - self.left)

    def _axis(self) -> Iterator[str]:
        lines = "".join(f"M{self._x(tick):.1f} {_TOP:.1f}V{self.bottom:.1f}" for tick in self.ticks)
        yield f'<path class="line" color="{COLOURS["line"]}" stroke="currentColor" d="{lines}"/>'
        yield f'<g class="muted" color="{COLOURS["muted"]}" fill="currentColor">'
        for tick in self.ticks:
            at = min(self._x(tick), self.width - 4 - text_width(tick_label(tick, False), _TYPE) / 2)
            yield (
                f'<text x="{at:.1f}" y="{self.bottom + 17:.1f}" text-anchor="middle">{tick_label(tick, False)}</text>'
            )
        most = int((self.width - self.left) / (0.55 * _TYPE))
        middle = (self.left + self.width - _RIGHT) / 2
        words = markup(clip(self.x_title, most))
        yield f'<text x="{middle:.1f}" y="{self.bottom + 36:.1f}" text-anchor="middle">{words}</text></g>'
        if self.zero:
            yield (
                f'<path class="ink" color="{COLOURS["ink"]}" stroke="currentColor" stroke-width="1.5" '
                f'stroke-dasharray="5 4" d="M{self._x(0.0):.1f} {_TOP:.1f}V{self.bottom:.1f}"/>'
            )

    def _one(self, place: int, one: PlottedEstimate) -> Iterator[str]:
        top = _TOP + self.row * place
        y = top + (self.row / 2 if self.is_wide else 29.0)
        words = markup(clip(one.label, _WORDS))
        at, anchor, down = (self.left - 12, "end", y + 4) if self.is_wide else (self.left, "start", top + 15)
        yield (
            f'<text class="ink" color="{COLOURS["ink"]}" fill="currentColor" x="{at:.1f}" y="{down:.1f}" '
            f'text-anchor="{anchor}" stroke="{COLOURS["surface"]}" stroke-width="4" paint-order="stroke">{words}</text>'
            f"<g {colour_class(one.look)}>"
        )
        for part in one.parts:
            yield f'<circle cx="{self._x(part):.1f}" cy="{y + 8:.1f}" r="2.2" fill="currentColor" fill-opacity=".6"/>'
        if isfinite(one.low) and isfinite(one.high):
            low, high = self._x(one.low), self._x(one.high)
            yield (
                f'<path d="M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f} {y - 4:.1f}v8M{high:.1f} {y - 4:.1f}v8" '
                f'fill="none" stroke="currentColor" stroke-width="2"/>'
            )
        shape = symbol(one.look, self._x(one.value), y, 5.5)
        yield f'<path d="{shape}" fill="currentColor"><title>{markup(one.told)}</title></path></g>'
