"""One chart as plain data: what plotly draws, the legend beside it, and the numbers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Chart", "LegendEntry", "axis", "base_layout"]

#: Colours are variables of the style sheet, which knows a light and a dark value of each.
INK = "var(--ink)"
MUTED = "var(--muted)"
LINE = "var(--line)"
SURFACE = "var(--surface)"


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A line of the legend; pressing it hides and shows its traces."""

    label: str
    #: A variable of the style sheet.
    colour: str
    #: How the swatch is drawn: an SVG dash pattern, a fill or a symbol, so that colour is never the only cue.
    look: str
    traces: tuple[int, ...]
    shape: str = "fill"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its title, what it shows in a sentence, its traces and its layout."""

    name: str
    title: str
    #: Read out in place of the picture.
    description: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    legend: Sequence[LegendEntry] = ()
    legend_title: str = ""
    #: Headings and rows of the numbers behind the picture; none where a table stands beside it anyway.
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = field(default_factory=list)
    height: int = 320


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with a title and quiet lines."""
    return {
        "title": {"text": title, "font": {"color": MUTED, "size": 13}, "standoff": 10},
        "gridcolor": LINE,
        "linecolor": LINE,
        "zeroline": False,
        "tickfont": {"color": MUTED, "size": 12},
        "automargin": True,
        **more,
    }


def base_layout(**more: Any) -> dict[str, Any]:
    """What all charts have in common."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": 13, "family": "system-ui, sans-serif"},
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "showlegend": False,
        "hoverlabel": {
            "bgcolor": SURFACE,
            "bordercolor": LINE,
            "font": {"color": INK, "size": 13, "family": "system-ui, sans-serif"},
            "align": "left",
        },
        "dragmode": False,
        **more,
    }
