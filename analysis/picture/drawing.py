"""The drawing: an SVG of dots, tapered lines, names and a legend."""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt

from ...personas.network import Excerpt, Link
from ..page import clip
from .colours import INK, OTHERS, SOFT, SURFACE, by_community, by_hop, kind_colour, kind_of, name_of, said
from .layout import Box, Dot, Spots, Stage, fitted, place_labels, spots, text_width

__all__ = ["SIZE", "Drawing", "Legend", "Sign", "draw_legend", "notes"]

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


_MARGIN = 34.0
_EDGE = 6.0
#: Numbers of ties whose sizes the legend shows, and beyond which nobody is drawn larger.
_SIZES = (1, 4, 16)
_LARGEST = 40
#: Characters of a description that are shown on hovering.
_HOVER = 300


class Drawing:
    """An excerpt laid out once, to be drawn in any width. The same excerpt gives the same picture.

    Who is at the broad end of a line has whoever is at its thin end as the label says. `communities` are numbers by
    id; people have their colours by these, or by hop where there are none.
    """

    def __init__(self, excerpt: Excerpt, communities: Mapping[str, int] | None = None, note: str = "") -> None:
        self._excerpt, self._note = excerpt, note
        self.ties = _neighbours(excerpt)
        self._spots = spots(excerpt)
        self._colours = by_hop(excerpt) if communities is None else by_community(excerpt, communities, self.ties)
        self._names = {person.id: name_of(person.text) for person in excerpt.people}

    @property
    def caption(self) -> str:
        """How much of how much is drawn."""
        excerpt = self._excerpt
        return (
            f"{len(excerpt.people):,} of {excerpt.people_in_all:,} people, "
            f"{len(excerpt.links):,} of {excerpt.links_in_all:,} relations between them"
        )

    @property
    def _drawn(self) -> str:
        """The caption, where the picture does not show everybody."""
        return f"Drawn: {self.caption}." if len(self._excerpt.people) < self._excerpt.people_in_all else ""

    def svg(self, width: float = 1_000.0, *, css_class: str = "") -> str:
        """The picture in this width, in the units of its type of 13, with nothing that only browsers understand."""
        stage = fitted(self._spots, width=width, margin=_MARGIN)
        shrunk = self._shrunk(width)
        below = [*notes(self._drawn, width), *notes(self._note, width)]
        legend, height = draw_legend([*self._legends(shrunk), *below], width=width, top=stage.height)
        named = f' class="{css_class}"' if css_class else ""
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img"{named}>',
            f"<title>{self.caption}</title>",
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="{SURFACE}"/>',
            f'<g font-family="system-ui, sans-serif" font-size="{SIZE:g}" fill="{INK}">',
            *self._lines(stage.at, shrunk),
            *self._dots(stage.at, shrunk),
            *self._labels(stage, shrunk),
            *legend,
            "</g></svg>",
        ])  # fmt: skip

    def _shrunk(self, width: float) -> float:
        crowd = min(1.0, sqrt(100 / max(1, len(self._excerpt.people))))
        return max(0.3, min(1.0, sqrt(width / 1_000)) * max(0.45, crowd))

    def _lines(self, at: Spots, shrunk: float) -> Iterator[str]:
        beside: dict[tuple[str, ...], list[Link]] = defaultdict(list)
        for link in self._distinct():
            beside[tuple(sorted((link.source, link.target)))].append(link)
        for (first, _), links in beside.items():
            for number, link in enumerate(links):
                aside = (number - (len(links) - 1) / 2) * 4.5 * shrunk * (1 if link.source == first else -1)
                yield self._line(link, at, shrunk, aside)

    def _distinct(self) -> Iterator[Link]:
        seen = set()
        for link in self._excerpt.links:
            key = (link.source, link.target, kind_of(link.kind))
            if key not in seen:
                seen.add(key)
                yield link

    def _line(self, link: Link, at: Spots, shrunk: float, aside: float) -> str:
        (x1, y1), (x2, y2) = at[link.source], at[link.target]
        length = hypot(x2 - x1, y2 - y1) or 1.0
        across = ((y1 - y2) / length, (x2 - x1) / length)
        short = min(self._radius(self.ties[link.target], shrunk) + 1, 0.4 * length) / length
        x1, y1, x2, y2 = (
            x1 + across[0] * aside,
            y1 + across[1] * aside,
            x2 + across[0] * aside - (x2 - x1) * short,
            y2 + across[1] * aside - (y2 - y1) * short,
        )
        colour, css = self._line_colour(link)
        told = f"{self._names[link.source]}: the {link.label} is {self._names[link.target]} ({kind_of(link.kind)})"
        shape = _taper(x1, y1, x2, y2, across, shrunk)
        faint = _OPACITY[css]
        return (
            f'<path class="{css}" d="{shape}" fill="{colour}" fill-opacity="{faint}"><title>{said(told)}</title></path>'
        )

    def _line_colour(self, link: Link) -> tuple[str, str]:
        if not self._colours.is_hue:
            return kind_colour(kind_of(link.kind)), "tie"
        source, target = self._colours.of[link.source], self._colours.of[link.target]
        return (source, "tie") if source == target != OTHERS else (SOFT, "far")

    def _radius(self, ties: int, shrunk: float) -> float:
        return round(shrunk * (5 + 2.2 * sqrt(min(ties, _LARGEST))), 1)

    def _dots(self, at: Spots, shrunk: float) -> Iterator[str]:
        # The small ones last, or the large ones hide them.
        for person in sorted(self._excerpt.people, key=lambda p: -self.ties[p.id]):
            x, y = at[person.id]
            radius = self._radius(self.ties[person.id], shrunk)
            if person.distance == 0:
                yield f'<circle cx="{x}" cy="{y}" r="{radius + 4}"{_RING}/>'
            yield (
                f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{self._colours.of[person.id]}" stroke="{SURFACE}">'
                f"<title>{said(clip(person.text, _HOVER))} (hop {person.hop})</title></circle>"
            )

    def _labels(self, stage: Stage, shrunk: float) -> Iterator[str]:
        people = sorted(self._excerpt.people, key=lambda p: (p.distance != 0, -self.ties[p.id]))
        dots = [Dot(*stage.at[p.id], self._radius(self.ties[p.id], shrunk), self._names[p.id]) for p in people]
        frame = Box(_EDGE, _EDGE, stage.width - _EDGE, stage.height)
        for label in place_labels(dots, frame, SIZE):
            x, y = (label.box.left + label.box.right) / 2, label.box.bottom - 0.32 * SIZE
            name = said(dots[label.person].name)
            # The ground around a name is a text of its own: not every program paints the outline first.
            yield f'<text aria-hidden="true" x="{x:.1f}" y="{y:.1f}" text-anchor="middle"{_GROUND}>{name}</text>'
            yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{name}</text>'

    def _legends(self, shrunk: float) -> Iterator[Legend]:
        yield Legend(self._colours.title, [_spot(5.0, t.colour, t.words, t.more) for t in self._colours.tones])
        most = max(self.ties.values(), default=0)
        sizes = [n for n in _SIZES if n <= most] or [0]
        signs = [_spot(self._radius(n, shrunk), SOFT, f"{n}") for n in sizes]
        if any(person.distance == 0 for person in self._excerpt.people):
            signs.append(Sign(f'<circle cx="6" cy="0" r="6"{_RING}/>', 12.0, "the person asked about"))
        yield Legend("people tied to", signs)
        kinds = dict.fromkeys(kind_of(link.kind) for link in self._excerpt.links)
        if kinds:
            yield Legend("relations", list(self._kinds(list(kinds))))

    def _kinds(self, kinds: list[str]) -> Iterator[Sign]:
        if not self._colours.is_hue:
            yield from (_stroke(kind_colour(kind), kind) for kind in sorted(kinds))
        yield _stroke(SOFT, "broad: a person; thin: their friend, mother, \u2026")


_RING = f' fill="none" stroke="{INK}" stroke-width="2.5"'
_GROUND = f' fill="{SURFACE}" stroke="{SURFACE}" stroke-width="3" stroke-linejoin="round"'
#: How much of a line is seen: of one within a community, or of a kind; and of one between communities.
_OPACITY = {"tie": ".6", "far": ".35"}


def _taper(x1: float, y1: float, x2: float, y2: float, across: tuple[float, float], shrunk: float) -> str:
    broad, thin = 3.2 * shrunk, 0.35
    corners = (
        (x1 + across[0] * broad, y1 + across[1] * broad),
        (x2 + across[0] * thin, y2 + across[1] * thin),
        (x2 - across[0] * thin, y2 - across[1] * thin),
        (x1 - across[0] * broad, y1 - across[1] * broad),
    )
    return f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in corners)}Z"


def _spot(radius: float, colour: str, words: str, more: str = "") -> Sign:
    return Sign(f'<circle cx="{radius:g}" cy="0" r="{radius:g}" fill="{colour}"/>', 2 * radius, words, more)


def _stroke(colour: str, words: str) -> Sign:
    return Sign(
        f'<path class="tie" d="{_taper(0, 0, 36, 0, (0, 1), 1)}" fill="{colour}" fill-opacity=".6"/>', 36.0, words
    )


def _neighbours(excerpt: Excerpt) -> Counter[str]:
    pairs = {tuple(sorted((link.source, link.target))) for link in excerpt.links}
    return Counter(end for pair in pairs for end in pair)
