"""The picture of a part of a hub: dots, tapered lines, names and a legend, as one SVG or a page around it."""

import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from ..core.arrow import Floats
from ..personas.network import Acquaintance, Excerpt, Link
from ..personas.persona import RelationKind
from .page import clip_text, escape_markup, short_label, write_picture_file
from .plot import COLOURS, text_width

type Point = tuple[float, float]
type Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]

#: Above this many people in one part, forces on springs instead of stress over all pairs of distances.
STRESS_AT_MOST = 300
_PART_GAP = 0.9
#: From so many people on, the crowd in the middle is spread out.
_CROWD = 60


def lay_out(graph: "nx.Graph[str]") -> dict[str, Point]:
    """Return a position for each node, the same for the same graph; x and y are in no unit."""
    parts = sorted(nx.connected_components(graph), key=len, reverse=True)
    order = {node: place for place, node in enumerate(graph)}
    named = [sorted(part, key=order.__getitem__) for part in parts]
    drawn = [_draw_part(graph.subgraph(part), part) for part in named]
    radii = np.array([np.hypot(*points.T).max() for points in drawn] or [0.0])
    nodes = [node for part in named for node in part]
    packed = [points + centre for points, centre in zip(drawn, _pack_circles(radii + _PART_GAP), strict=False)]
    placed = np.concatenate(packed) if packed else np.empty((0, 2))
    if len(placed) >= _CROWD:
        placed = _spread_crowd(placed)
    return {node: (round(float(x), 2), round(float(y), 2)) for node, (x, y) in zip(nodes, placed, strict=True)}


def _draw_part(part: Any, nodes: list[str]) -> Points:
    # A subgraph view iterates in no fixed order, and the layouts start from the order of the nodes.
    ordered = nx.Graph()
    ordered.add_nodes_from(nodes)
    ordered.add_edges_from(sorted(tuple(sorted(edge)) for edge in part.edges))
    if len(nodes) <= STRESS_AT_MOST:
        placed = nx.kamada_kawai_layout(ordered)
    else:
        placed = nx.spring_layout(ordered, seed=1, iterations=40, method="force", k=1.6 / len(nodes) ** 0.5)
    points = np.array([placed[node] for node in nodes], dtype=np.float64)
    points -= points.mean(axis=0)
    reach = np.hypot(*points.T).max()
    scale = 1.15 * len(nodes) ** 0.5 / reach if reach > 0 else 0.0
    return points * scale


def _pack_circles(radii: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Points:
    """Centres for circles of these radii, biggest first, each at the first free point of one spiral."""
    many = 4000
    turns = np.arange(many)
    reach = 3.0 * float(np.sqrt((radii**2).sum())) * np.sqrt(turns / many)
    angle = turns * np.pi * (3.0 - np.sqrt(5.0))
    spiral = np.column_stack((reach * np.cos(angle), reach * np.sin(angle)))
    room = np.full(many, np.inf)
    centres = np.zeros((len(radii), 2))
    for n, radius in enumerate(radii):
        free = np.flatnonzero(room >= radius)
        centres[n] = spiral[free[0] if len(free) else int(room.argmax())]
        room = np.minimum(room, np.hypot(*(spiral - centres[n]).T) - radius)
    return centres


#: The layout's unit, about the distance of neighbours, is at most this part of the width.
_CLOSEST = 1 / 7


def _spread_crowd(points: Floats) -> Floats:
    """The same directions from the middle, at distances half-way to those at which people would stand evenly."""
    points = points - np.median(points, axis=0)
    reach = np.hypot(*points.T)
    place = np.empty(len(points))
    place[np.argsort(reach, kind="stable")] = np.arange(1, len(points) + 1)
    wanted = (reach / max(reach.max(), 1e-9) + np.sqrt(place / len(points))) / 2
    farthest = reach.max()
    moved: Floats = points * (wanted * farthest / np.maximum(reach, 1e-9))[:, None]
    return moved


def fit_points(at: Mapping[str, Point], *, width: float, margin: float) -> tuple[dict[str, Point], float]:
    """Return the positions in a picture of this width, and its height: as high as so many people need."""
    most = width * min(1.05, 0.42 + 0.05 * sqrt(len(at)))
    points = np.array(list(at.values()), np.float64).reshape(-1, 2)
    if not len(points):
        return {}, 4 * margin
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-9)
    scale = float(min((width - 2 * margin) / span[0], (most - 2 * margin) / span[1], _CLOSEST * width))
    height = max(scale * span[1] + 2 * margin, width / 4)
    places = ((points - low - span / 2) * scale + (width / 2, height / 2)).round(1)
    return dict(zip(at, map(tuple, places.tolist()), strict=True)), height


_LABEL_GAP = 4.0
#: Room that a name needs around it, in squares of the type size: more names would hide the people.
_ROOM = 60.0
#: The first so many are worth hiding a few others.
_FIRST = 10
_HIDDEN = 3


@dataclass(frozen=True, slots=True)
class Dot:
    """A person in the picture."""

    x: float
    y: float
    radius: float
    #: What the person is, in a few words.
    name: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether the two have a point in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: "Box") -> bool:
        """Whether the other lies within this one."""
        return (
            self.left <= other.left and other.right <= self.right and self.top <= other.top
            and other.bottom <= self.bottom
        )  # fmt: skip


def place_labels(dots: Sequence[Dot], frame: Box, size: float) -> dict[int, Box]:
    """Place names of the first people, then of as many as fit within `frame`: the most important come first.

    Each is above, below or beside its own dot, where it hides no other; of the first ten a few may be hidden. Return
    the room of each name by the place of its dot.
    """
    most = (frame.right - frame.left) * (frame.bottom - frame.top) / (_ROOM * size**2)
    circles = np.array([(dot.x, dot.y, dot.radius) for dot in dots], np.float64).reshape(-1, 3)
    placed: dict[int, Box] = {}
    for person, dot in enumerate(dots):
        if len(placed) >= most:
            break
        free = [box for box in _iter_boxes(dot, size) if frame.holds(box) and not any(map(box.meets, placed.values()))]
        hidden = [_count_hidden(circles, box) for box in free]
        if free and min(hidden) <= (_HIDDEN if person < _FIRST else 0):
            placed[person] = free[hidden.index(min(hidden))]
    return placed


def _iter_boxes(dot: Dot, size: float) -> Iterator[Box]:
    """Rooms for the name of a dot, the best first."""
    width, height = text_width(dot.name, size), 1.25 * size
    aside, away = dot.radius + _LABEL_GAP, dot.radius + _LABEL_GAP / 2
    middle = dot.x - width / 2
    for left, top in (
        (middle, dot.y - away - height),
        (middle, dot.y + away),
        (dot.x + aside, dot.y - height / 2),
        (dot.x - aside - width, dot.y - height / 2),
        (dot.x, dot.y - away - height),
        (dot.x - width, dot.y - away - height),
        (dot.x, dot.y + away),
        (dot.x - width, dot.y + away),
    ):
        yield Box(left, top, left + width, top + height)


def _count_hidden(circles: Floats, box: Box) -> float:
    """How many dots lie under the box; too many when one of the first does."""
    x, y, radius = circles.T
    nearest_x, nearest_y = np.clip(x, box.left, box.right), np.clip(y, box.top, box.bottom)
    covered = np.hypot(x - nearest_x, y - nearest_y) < radius
    return np.inf if covered[:_FIRST].any() else float(covered.sum())


#: In a label of few words the age would push out what the person is.
_AGED = re.compile(r"^(?:an?|the)\s+(?:[\w-]+[- ]years?[- ]old|middle-aged)\s+(?=\w)", re.IGNORECASE)
#: Words that promise more, before an ellipsis.
_OPEN = re.compile(r"(?:\s+(?:an?|the|on|of|for|to|and|or|from|by|as|into|few|some|his|her|their))+\u2026$")
_LONGEST = 28


def name_of(text: str) -> str:
    """Return what a person is, in a few words of the description and without the age.

    >>> name_of("A thirty-one-year-old hotel porter who sleeps badly.")
    'hotel porter'
    """
    return _OPEN.sub("\u2026", short_label(_AGED.sub("", text), _LONGEST))


#: More colours than these cannot be told apart.
_COMMUNITIES = 8
_HOPS = 6
#: Colours are written out, as programs other than browsers know no variables: of type, of the ground, of what matters
#: less, of communities and kinds of relations, and of hops.
_INK, _SURFACE, _SOFT = COLOURS["ink"], COLOURS["surface"], COLOURS["c9"]
_HUES, _SHADES = ([COLOURS[f"{tone}{n}"] for n in range(many)] for tone, many in (("c", 10), ("s", 7)))
#: The colour of people outside the communities that have one.
_OTHERS = _HUES[9]


def page_style() -> str:
    """Return the style rules by which a page shows pictures in its own colours; separate files have none."""
    rules = (
        f'svg [{paint}="{light}"]{{{paint}:var(--{tone})}}'
        for tone, light in COLOURS.items()
        for paint in ("fill", "stroke")
    )
    return "".join(rules)


@dataclass(frozen=True, slots=True)
class _Tone:
    """One colour, and what it says in the legend."""

    colour: str
    words: str
    #: The whole description of the person the words are about.
    more: str = ""


@dataclass(frozen=True, slots=True)
class _Colours:
    """The colour of each person by id, and the legend of them all."""

    title: str
    of: Mapping[str, str]
    tones: Sequence[_Tone]
    #: Whether hue distinguishes people, so that it cannot distinguish relations.
    is_hue: bool


def _by_hop(excerpt: Excerpt) -> _Colours:
    """Colour personas in one hue by hop, from strong for the first personas to pale for the last hop."""
    hops = {person.id: min(person.hop, _HOPS) for person in excerpt.people}
    tones = [_Tone(_SHADES[hop], f"hop {hop}") for hop in sorted(set(hops.values()))]
    return _Colours("people", {person: _SHADES[hop] for person, hop in hops.items()}, tones, is_hue=False)


def _by_community(excerpt: Excerpt, communities: Mapping[str, int], ties: Mapping[str, int]) -> _Colours:
    """Colour the largest communities in the picture, one hue each, named after their best connected member."""
    sizes = Counter(communities[person.id] for person in excerpt.people)
    shown = [n for n, people in sorted(sizes.items(), key=lambda c: (-c[1], c[0])) if people > 1][:_COMMUNITIES]
    hue = {community: _HUES[place] for place, community in enumerate(shown)}
    best: dict[int, Acquaintance] = {}
    for person in sorted(excerpt.people, key=lambda p: -ties[p.id]):
        best.setdefault(communities[person.id], person)
    tones = [_Tone(hue[n], f"{name_of(best[n].text)} and {sizes[n] - 1:,} more", best[n].text) for n in shown]
    rest = sum(people for community, people in sizes.items() if community not in hue)
    if rest:
        tones.append(_Tone(_OTHERS, f"other communities, {rest:,}"))
    of = {person.id: hue.get(communities[person.id], _OTHERS) for person in excerpt.people}
    return _Colours("communities around", of, tones, is_hue=True)


def _kind_of(kind: str) -> str:
    """Return the kind, or `other` if there is none of that name."""
    return kind if kind in RelationKind else RelationKind.OTHER


def _kind_colour(kind: str) -> str:
    """Return the colour of a kind of relations."""
    return _HUES[list(RelationKind).index(RelationKind(kind))]


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
    """Draw the legends as SVG from `top` downwards, each on rows of its own, and return where they end."""
    lines: list[str] = []
    y = top
    for legend in legends:
        y += _ROW
        lines.append(f'<text class="of" x="{_SIDE:g}" y="{y:g}" fill="{_SOFT}">{escape_markup(legend.title)}</text>')
        x = _SIDE + text_width(legend.title, SIZE) + 2 * _GAP
        for sign in legend.signs:
            reach = sign.width + _GAP + text_width(sign.words, SIZE)
            if x + reach > width - _SIDE:
                x, y = _SIDE, y + _ROW
            lines += _draw_sign(sign, x, y)
            x += reach + 2 * _GAP
    return lines, y + _ROW / 2


def wrap_notes(text: str, width: float) -> list[Legend]:
    """Wrap a text into as many legend rows as it takes in this width."""
    return [Legend(line, ()) for line in textwrap.wrap(text, int((width - 2 * _SIDE) / (0.55 * SIZE)))]


def _draw_sign(sign: Sign, x: float, y: float) -> Iterator[str]:
    more = f"<title>{escape_markup(sign.more)}</title>" if sign.more else ""
    yield f'<g transform="translate({x:.1f} {y - 0.35 * SIZE:.1f})">{more}{sign.svg}'
    yield f'<text x="{sign.width + _GAP:.1f}" y="{0.35 * SIZE:.1f}">{escape_markup(sign.words)}</text></g>'


_MARGIN = 34.0
_EDGE = 6.0
#: Numbers of ties whose sizes the legend shows, and beyond which dots grow no larger.
_SIZES = (1, 4, 16)
_LARGEST = 40
#: Characters of a description that are shown on hovering.
_HOVER = 300


class Drawing:
    """An excerpt laid out once, to be drawn in any width. The same excerpt gives the same picture.

    A line's label says what the person at its thin end is to the person at its broad end. `communities` are numbers by
    id; people have their colours by these, or by hop where there are none. `more` is said of people on pointing, by id.
    """

    def __init__(
        self,
        excerpt: Excerpt,
        communities: Mapping[str, int] | None = None,
        note: str = "",
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._excerpt, self._note, self._more = excerpt, note, more or {}
        self.ties = _count_neighbours(excerpt)
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(person.id for person in excerpt.people)
        graph.add_edges_from((link.source, link.target) for link in excerpt.links)
        self._spots = lay_out(graph)
        self._colours = _by_hop(excerpt) if communities is None else _by_community(excerpt, communities, self.ties)
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
    def _drawn_caption(self) -> str:
        """The caption, where the picture does not show everybody."""
        return f"Drawn: {self.caption}." if len(self._excerpt.people) < self._excerpt.people_in_all else ""

    def svg(self, width: float = 1_000.0) -> str:
        """Draw the picture in this width as SVG, with nothing that only browsers understand.

        Widths are in the units of its type of size 13.
        """
        at, stage = fit_points(self._spots, width=width, margin=_MARGIN)
        shrunk = self._scale_marks(width)
        below = [*wrap_notes(self._drawn_caption, width), *wrap_notes(self._note, width)]
        legend, height = draw_legend([*self._make_legends(shrunk), *below], width=width, top=stage)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
            f"<title>{self.caption}</title>",
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="{_SURFACE}"/>',
            f'<g font-family="system-ui, sans-serif" font-size="{SIZE:g}" fill="{_INK}">',
            *self._draw_lines(at, shrunk),
            *self._draw_dots(at, shrunk),
            *self._draw_labels(at, Box(_EDGE, _EDGE, width - _EDGE, stage), shrunk),
            *legend,
            "</g></svg>",
        ])  # fmt: skip

    def _scale_marks(self, width: float) -> float:
        crowd = min(1.0, sqrt(100 / max(1, len(self._excerpt.people))))
        return max(0.3, min(1.0, sqrt(width / 1_000)) * max(0.45, crowd))

    def _draw_lines(self, at: Mapping[str, Point], shrunk: float) -> Iterator[str]:
        beside: dict[tuple[str, ...], list[Link]] = defaultdict(list)
        for link in self._iter_distinct():
            beside[tuple(sorted((link.source, link.target)))].append(link)
        for (first, _), links in beside.items():
            for number, link in enumerate(links):
                aside = (number - (len(links) - 1) / 2) * 4.5 * shrunk * (1 if link.source == first else -1)
                yield self._draw_line(link, at, shrunk, aside)

    def _iter_distinct(self) -> Iterator[Link]:
        seen = set()
        for link in self._excerpt.links:
            key = (link.source, link.target, _kind_of(link.kind))
            if key not in seen:
                seen.add(key)
                yield link

    def _draw_line(self, link: Link, at: Mapping[str, Point], shrunk: float, aside: float) -> str:
        (x1, y1), (x2, y2) = at[link.source], at[link.target]
        length = hypot(x2 - x1, y2 - y1) or 1.0
        across = ((y1 - y2) / length, (x2 - x1) / length)
        short = min(self._dot_radius(self.ties[link.target], shrunk) + 1, 0.4 * length) / length
        x1, y1, x2, y2 = (
            x1 + across[0] * aside,
            y1 + across[1] * aside,
            x2 + across[0] * aside - (x2 - x1) * short,
            y2 + across[1] * aside - (y2 - y1) * short,
        )
        colour, css = self._line_colour(link)
        told = f"{self._names[link.source]}: the {link.label} is {self._names[link.target]} ({_kind_of(link.kind)})"
        shape = _taper_line(x1, y1, x2, y2, across, shrunk)
        return (
            f'<path class="{css}" d="{shape}" fill="{colour}" fill-opacity="{_OPACITY[css]}">'
            f"<title>{escape_markup(told)}</title></path>"
        )

    def _line_colour(self, link: Link) -> tuple[str, str]:
        if not self._colours.is_hue:
            return _kind_colour(_kind_of(link.kind)), "tie"
        source, target = self._colours.of[link.source], self._colours.of[link.target]
        return (source, "tie") if source == target != _OTHERS else (_SOFT, "far")

    def _dot_radius(self, ties: int, shrunk: float) -> float:
        return round(shrunk * (5 + 2.2 * sqrt(min(ties, _LARGEST))), 1)

    def _draw_dots(self, at: Mapping[str, Point], shrunk: float) -> Iterator[str]:
        # The small ones last, or the large ones hide them.
        for person in sorted(self._excerpt.people, key=lambda p: -self.ties[p.id]):
            x, y = at[person.id]
            radius = self._dot_radius(self.ties[person.id], shrunk)
            words = f"{clip_text(person.text, _HOVER)} (hop {person.hop}){self._more.get(person.id, '')}"
            yield (
                f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{self._colours.of[person.id]}" stroke="{_SURFACE}">'
                f"<title>{escape_markup(words)}</title></circle>"
            )

    def _draw_labels(self, at: Mapping[str, Point], frame: Box, shrunk: float) -> Iterator[str]:
        people = sorted(self._excerpt.people, key=lambda p: -self.ties[p.id])
        dots = [Dot(*at[p.id], self._dot_radius(self.ties[p.id], shrunk), self._names[p.id]) for p in people]
        for person, box in place_labels(dots, frame, SIZE).items():
            x, y = (box.left + box.right) / 2, box.bottom - 0.32 * SIZE
            name = escape_markup(dots[person].name)
            # The ground around a name is a text of its own: not every program paints the outline first.
            yield f'<text aria-hidden="true" x="{x:.1f}" y="{y:.1f}" text-anchor="middle"{_GROUND}>{name}</text>'
            yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{name}</text>'

    def _make_legends(self, shrunk: float) -> Iterator[Legend]:
        yield Legend(self._colours.title, [_dot_sign(5.0, t.colour, t.words, t.more) for t in self._colours.tones])
        most = max(self.ties.values(), default=0)
        sizes = [n for n in _SIZES if n <= most] or [0]
        signs = [_dot_sign(self._dot_radius(n, shrunk), _SOFT, f"{n}") for n in sizes]
        yield Legend("people tied to", signs)
        kinds = dict.fromkeys(_kind_of(link.kind) for link in self._excerpt.links)
        if kinds:
            yield Legend("relations", list(self._kind_signs(list(kinds))))

    def _kind_signs(self, kinds: list[str]) -> Iterator[Sign]:
        if not self._colours.is_hue:
            yield from (_line_sign(_kind_colour(kind), kind) for kind in sorted(kinds))
        yield _line_sign(_SOFT, "broad: a person; thin: their friend, mother, \u2026")


_GROUND = f' fill="{_SURFACE}" stroke="{_SURFACE}" stroke-width="3" stroke-linejoin="round"'
#: How much of a line is seen: of one within a community, or of a kind; and of one between communities.
_OPACITY = {"tie": ".6", "far": ".35"}


def _taper_line(x1: float, y1: float, x2: float, y2: float, across: tuple[float, float], shrunk: float) -> str:
    broad, thin = 3.2 * shrunk, 0.35
    corners = (
        (x1 + across[0] * broad, y1 + across[1] * broad),
        (x2 + across[0] * thin, y2 + across[1] * thin),
        (x2 - across[0] * thin, y2 - across[1] * thin),
        (x1 - across[0] * broad, y1 - across[1] * broad),
    )
    return f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in corners)}Z"


def _dot_sign(radius: float, colour: str, words: str, more: str = "") -> Sign:
    return Sign(f'<circle cx="{radius:g}" cy="0" r="{radius:g}" fill="{colour}"/>', 2 * radius, words, more)


def _line_sign(colour: str, words: str) -> Sign:
    return Sign(
        f'<path class="tie" d="{_taper_line(0, 0, 36, 0, (0, 1), 1)}" fill="{colour}" fill-opacity=".6"/>', 36.0, words
    )


def _count_neighbours(excerpt: Excerpt) -> Counter[str]:
    pairs = {tuple(sorted((link.source, link.target))) for link in excerpt.links}
    return Counter(end for pair in pairs for end in pair)


#: What the picture is, as in the mark by which it is known again.
WHAT = "picture"
#: Width of the picture.
_WIDTH = 1_040.0


def write_picture(
    excerpt: Excerpt,
    path: Path,
    *,
    communities: Mapping[str, int] | None = None,
    note: str = "",
    of: str = "",
) -> Path:
    """Write the picture to a file that ends in .svg, over nothing but an earlier one `of` the same hub.

    Colours tell `communities`, numbers by id, or else hops. A note stands below the legend. Raises `SetupError` as
    `check_picture` does, and when the file cannot be written; what stood there before is kept then.
    """
    return write_picture_file(Drawing(excerpt, communities, note).svg(_WIDTH), path, what=WHAT, of=of)
