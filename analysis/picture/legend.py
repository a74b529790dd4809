"""The legend under the picture: rows of signs with their words, broken where the picture ends."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .colours import SOFT
from .labels import text_width
from .naming import said

__all__ = ["SIZE", "Legend", "Sign", "draw_legend", "notes"]

#: Size of type, and from one row to the next.
SIZE = 13.0
_ROW = 26.0
_SIDE = 16.0
_GAP = 8.0


@dataclass(frozen=True, slots=True)
class Sign:
    """One entry: SVG drawn around (0, 0), which reaches `width` to the right, and what it means."""

    svg: str
    width: float
    words: str
    #: Said on hovering.
    more: str = ""


@dataclass(frozen=True, slots=True)
class Legend:
    """What one property of the picture means."""

    title: str
    signs: Sequence[Sign]


def draw_legend(legends: Sequence[Legend], *, width: float, top: float) -> tuple[list[str], float]:
    """The legends as SVG from `top` downwards, each on rows of its own, and where they end."""
    lines: list[str] = []
    y = top
    for legend in legends:
        y += _ROW
        lines.append(f'<text class="of" x="{_SIDE:g}" y="{y:g}" fill="{SOFT}">{said(legend.title)}</text>')
        x = _SIDE + text_width(legend.title, SIZE) + 2 * _GAP
        for sign in legend.signs:
            reach = sign.width + _GAP + text_width(sign.words, SIZE)
            if x + reach > width - _SIDE:
                x, y = _SIDE, y + _ROW
            lines += _drawn(sign, x, y)
            x += reach + 2 * _GAP
    return lines, y + _ROW / 2


def notes(text: str, width: float) -> list[Legend]:
    """A text in as many rows as it takes in this width."""
    return [Legend(line, ()) for line in textwrap.wrap(text, int((width - 2 * _SIDE) / (0.55 * SIZE)))]


def _drawn(sign: Sign, x: float, y: float) -> Iterator[str]:
    more = f"<title>{said(sign.more)}</title>" if sign.more else ""
    yield f'<g transform="translate({x:.1f} {y - 0.35 * SIZE:.1f})">{more}{sign.svg}'
    yield f'<text x="{sign.width + _GAP:.1f}" y="{0.35 * SIZE:.1f}">{said(sign.words)}</text></g>'
