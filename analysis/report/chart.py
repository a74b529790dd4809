"""One chart: its drawing for wide and narrow windows, the legend beside it, and the numbers behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from .plot import NARROW, WIDE, Axes, Series, colour_class, draw_bars, draw_lines, pattern_of, symbol

_HEIGHT = 300.0
_SMALL = 220.0
#: Rows of the numbers behind a chart.
_ROWS = 200


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A line of the legend; pressing it hides and shows the parts of the drawing with its number."""

    label: str
    series: str
    #: A small SVG of 22 by 14: colour is never the only cue.
    swatch: Markup


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its title, what it shows in a sentence, and its drawing."""

    name: str
    title: str
    #: Read out in place of the picture.
    description: str
    #: The drawing for wide windows; empty for a small chart. And the one for narrow windows, or for all.
    wide: Markup
    narrow: Markup
    legend: Sequence[LegendEntry] = ()
    legend_title: str = ""
    #: Headings and rows of the numbers behind the picture; none where there is a table beside it anyway.
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = field(default_factory=list)
    #: How many rows there are in all.
    rows_in_all: int = 0
    #: The statement that gives these numbers, or those that they are computed from; empty where there is none.
    sql: str = ""


def lines(
    name: str, title: str, description: str, series: Sequence[Series], axes: Axes, *, small: bool = False
) -> Callable[..., Chart]:
    """A chart of lines, to be called with its legend and the numbers behind it."""
    return _chart(draw_lines, name, title, description, series, axes, small=small)


def bars(name: str, title: str, description: str, series: Sequence[Series], axes: Axes) -> Callable[..., Chart]:
    """A chart of stacked bars, to be called with its legend and the numbers behind it."""
    return _chart(draw_bars, name, title, description, series, axes, small=False)


def _chart(
    draw: Callable[..., str],
    name: str,
    title: str,
    description: str,
    series: Sequence[Series],
    axes: Axes,
    *,
    small: bool,
) -> Callable[..., Chart]:
    label, height = f"{title}. {description}", _SMALL if small else _HEIGHT
    wide = "" if small else draw(series, axes, label=label, width=WIDE, height=height)
    narrow = draw(series, axes, label=label, width=NARROW, height=height)

    def chart(
        *,
        legend: Sequence[LegendEntry] = (),
        legend_title: str = "",
        headings: Sequence[str] = (),
        rows: Sequence[Sequence[object]] = (),
        sql: str = "",
    ) -> Chart:
        drawn = Markup(wide), Markup(narrow)  # noqa: S704 - what texts of the run are in it was escaped
        shown = rows[:_ROWS]
        return Chart(name, title, description, *drawn, legend, legend_title, headings, shown, len(rows), sql)

    return chart


def bars_legend(names: Sequence[str]) -> list[LegendEntry]:
    """An entry for each layer of stacked bars, in their order."""
    return [
        LegendEntry(
            name,
            str(number),
            swatch(
                f'<g {colour_class(number)}><rect x="1" y="1" width="20" height="12" fill="currentColor"/></g>'
                + (f'<rect x="1" y="1" width="20" height="12" fill="url(#{pattern})"/>' if pattern else "")
            ),
        )
        for number, name in enumerate(names)
        for pattern in [pattern_of(number)]
    ]


def lines_legend(names: Sequence[str]) -> list[LegendEntry]:
    """An entry for each line, in their order."""
    return [
        LegendEntry(
            name,
            str(number),
            swatch(
                f'<g {colour_class(number)}><path d="M0 7H22" stroke="currentColor" stroke-width="2"/>'
                f'<path d="{symbol(number, 11, 7, 4.5)}" fill="currentColor"/></g>'
            ),
        )
        for number, name in enumerate(names)
    ]


def swatch(drawn: str) -> Markup:
    """A drawing of 22 by 14 as the sign of a legend entry."""
    return Markup(f'<svg width="22" height="14" viewBox="0 0 22 14" aria-hidden="true">{drawn}</svg>')  # noqa: S704
