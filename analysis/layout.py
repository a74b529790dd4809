"""Positions of people and their names in a picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import networkx as nx
import numpy as np

from ..core.arrow import Floats
from ..personas.network import Excerpt
from .plot import text_width

type Point = tuple[float, float]
type Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]

#: Above this many people in one part, forces on springs instead of stress over all pairs of distances.
STRESS_AT_MOST = 300
_GAP = 0.9
#: From so many people on, the crowd in the middle is spread out.
_CROWD = 60


def lay_out(graph: "nx.Graph[str]", seed: int = 1) -> dict[str, Point]:
    """A position for each node; the same graph and seed give the same picture."""
    parts = sorted(nx.connected_components(graph), key=len, reverse=True)
    order = {node: place for place, node in enumerate(graph)}
    named = [sorted(part, key=order.__getitem__) for part in parts]
    drawn = [_draw_part(graph.subgraph(part), part, seed) for part in named]
    radii = np.array([np.hypot(*points.T).max() for points in drawn] or [0.0])
    nodes = [node for part in named for node in part]
    packed = [points + centre for points, centre in zip(drawn, _pack_circles(radii + _GAP), strict=False)]
    placed = np.concatenate(packed) if packed else np.empty((0, 2))
    if len(placed) >= _CROWD:
        placed = _spread_crowd(placed)
    return {node: (round(float(x), 2), round(float(y), 2)) for node, (x, y) in zip(nodes, placed, strict=True)}


def _draw_part(part: Any, nodes: list[str], seed: int) -> Points:
    # A subgraph view iterates in no fixed order, and the layouts start from the order of the nodes.
    ordered = nx.Graph()
    ordered.add_nodes_from(nodes)
    ordered.add_edges_from(sorted(tuple(sorted(edge)) for edge in part.edges))
    if len(nodes) <= STRESS_AT_MOST:
        placed = nx.kamada_kawai_layout(ordered)
    else:
        placed = nx.spring_layout(ordered, seed=seed, iterations=40, method="force", k=1.6 / len(nodes) ** 0.5)
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


type Spots = Mapping[str, tuple[float, float]]

#: The layout's unit, about the distance of neighbours, is at most this part of the width.
_CLOSEST = 1 / 7


@dataclass(frozen=True, slots=True)
class Canvas:
    """Positions in a picture of `width`, and the height that they take."""

    at: Spots
    width: float
    height: float


def spots(excerpt: Excerpt) -> Spots:
    """A position for each person, the same for the same excerpt; x and y are in no unit."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(person.id for person in excerpt.people)
    graph.add_edges_from((link.source, link.target) for link in excerpt.links)
    return lay_out(graph)


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


def fitted(at: Spots, *, width: float, margin: float) -> Canvas:
    """The positions in a picture of this width, as high as so many people need."""
    most = width * min(1.05, 0.42 + 0.05 * sqrt(len(at)))
    points = np.array(list(at.values()), np.float64).reshape(-1, 2)
    if not len(points):
        return Canvas({}, width, 4 * margin)
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-9)
    scale = float(min((width - 2 * margin) / span[0], (most - 2 * margin) / span[1], _CLOSEST * width))
    height = max(scale * span[1] + 2 * margin, width / 4)
    places = (points - low - span / 2) * scale + (width / 2, height / 2)
    return Canvas(
        {person: (round(x, 1), round(y, 1)) for person, (x, y) in zip(at, places.tolist(), strict=True)}, width, height
    )


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


@dataclass(frozen=True, slots=True)
class PlacedLabel:
    """A name that has found its room, and the place of the person in the list it was given."""

    person: int
    box: Box


def place_labels(dots: Sequence[Dot], frame: Box, size: float) -> list[PlacedLabel]:
    """Names of the first people, then of as many as fit within `frame` beside those: the most important come first.

    Each is above, below or beside its own dot, where it hides no other; of the first ten a few may be hidden.
    """
    most = (frame.right - frame.left) * (frame.bottom - frame.top) / (_ROOM * size**2)
    circles = np.array([(dot.x, dot.y, dot.radius) for dot in dots], np.float64).reshape(-1, 3)
    placed: list[PlacedLabel] = []
    for person, dot in enumerate(dots):
        if len(placed) >= most:
            break
        room = [box for box in (_fit_box(box, frame) for box in _iter_boxes(dot, size)) if box is not None]
        free = [box for box in room if not any(box.meets(label.box) for label in placed)]
        hidden = [_count_hidden(circles, box) for box in free]
        if free and min(hidden) <= (_HIDDEN if person < _FIRST else 0):
            placed.append(PlacedLabel(person, free[hidden.index(min(hidden))]))
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


def _fit_box(box: Box, frame: Box) -> Box | None:
    """The box moved sideways into the frame by less than half of itself; None where that is not enough."""
    shift = max(0.0, frame.left - box.left) - max(0.0, box.right - frame.right)
    if abs(shift) > (box.right - box.left) / 2 or box.top < frame.top or box.bottom > frame.bottom:
        return None
    moved = Box(box.left + shift, box.top, box.right + shift, box.bottom)
    return moved if moved.left >= frame.left and moved.right <= frame.right else None


def _count_hidden(circles: Floats, box: Box) -> float:
    """How many dots lie under the box; too many when one of the first does."""
    x, y, radius = circles.T
    nearest_x, nearest_y = np.clip(x, box.left, box.right), np.clip(y, box.top, box.bottom)
    covered = np.hypot(x - nearest_x, y - nearest_y) < radius
    return np.inf if covered[:_FIRST].any() else float(covered.sum())
