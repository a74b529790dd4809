"""Where everybody stands in the picture: the layout spread out, turned into its width, and given its height."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from ...personas.hub.graph import Excerpt
from .layout import lay_out

__all__ = ["Spots", "Stage", "fitted", "spots"]

type Floats = NDArray[np.float64]
type Spots = Mapping[str, tuple[float, float]]

#: From so many people on, the crowd in the middle is spread out.
_CROWD = 60
#: The layout's unit, about the distance of neighbours, is at most this part of the width.
_CLOSEST = 1 / 7


@dataclass(frozen=True, slots=True)
class Stage:
    """Positions in a picture of `width`, and the height that they take."""

    at: Spots
    width: float
    height: float


def spots(excerpt: Excerpt) -> Spots:
    """A position for each person, the same for the same excerpt; x and y are in no unit."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(person.id for person in excerpt.people)
    graph.add_edges_from((link.source, link.target) for link in excerpt.links)
    laid = lay_out(graph)
    points = np.array(list(laid.values()), np.float64).reshape(-1, 2)
    if len(points) >= _CROWD:
        points = _spread(points)
    return {person: (float(x), float(y)) for person, (x, y) in zip(laid, points, strict=True)}


def _spread(points: Floats) -> Floats:
    """The same directions from the middle, at distances half-way to those at which people would stand evenly."""
    points = points - np.median(points, axis=0)
    reach = np.hypot(*points.T)
    place = np.empty(len(points))
    place[np.argsort(reach, kind="stable")] = np.arange(1, len(points) + 1)
    wanted = (reach / max(reach.max(), 1e-9) + np.sqrt(place / len(points))) / 2
    farthest = reach.max()
    moved: Floats = points * (wanted * farthest / np.maximum(reach, 1e-9))[:, None]
    return moved


def fitted(at: Spots, *, width: float, margin: float) -> Stage:
    """The positions in a picture of this width, as high as so many people need."""
    most = width * min(1.05, 0.42 + 0.05 * sqrt(len(at)))
    points = np.array(list(at.values()), np.float64).reshape(-1, 2)
    if not len(points):
        return Stage({}, width, 4 * margin)
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-9)
    scale = float(min((width - 2 * margin) / span[0], (most - 2 * margin) / span[1], _CLOSEST * width))
    height = max(scale * span[1] + 2 * margin, width / 4)
    places = (points - low - span / 2) * scale + (width / 2, height / 2)
    return Stage(
        {person: (round(x, 1), round(y, 1)) for person, (x, y) in zip(at, places.tolist(), strict=True)}, width, height
    )
