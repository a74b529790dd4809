"""Colours, symbols and patterns by number, so that colour is never the only cue.

Colours stand in the drawing as plain values, and as classes that the page's style sheet darkens or lightens.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["COLOURS", "PATTERNS", "SYMBOLS", "colour_class", "pattern_of", "symbol"]

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
    """The attributes that give a drawing its colour."""
    name = f"c{number % 10}"
    return f'class="{name}" color="{COLOURS[name]}"'


def pattern_of(number: int) -> str:
    """The id of the pattern over the colour; empty where there is none."""
    return f"p{number % 8}" if number % 8 else ""


def symbol(number: int, x: float, y: float, radius: float) -> str:
    """The outline of a symbol around a point, as the data of an SVG path."""
    corners = SYMBOLS[_NAMES[number % len(_NAMES)]]
    if not corners:
        arc = f"a{radius:.1f} {radius:.1f} 0 1 0"
        return f"M{x - radius:.1f} {y:.1f}{arc} {2 * radius:.1f} 0{arc} {-2 * radius:.1f} 0z"
    return f"M{'L'.join(f'{x + dx * radius:.1f} {y + dy * radius:.1f}' for dx, dy in corners)}z"
