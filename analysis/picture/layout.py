"""Where each person of the graph is drawn: every connected part for itself, then packed side by side."""

from typing import Any

import networkx as nx
import numpy as np

__all__ = ["Position", "lay_out"]

type Position = tuple[float, float]
type Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]

#: Above this many people in one part, forces on springs instead of stress over all pairs of distances.
STRESS_AT_MOST = 300
_GAP = 0.9


def lay_out(graph: "nx.Graph[str]", seed: int = 1) -> dict[str, Position]:
    """A position for each node; the same graph and seed give the same picture."""
    parts = sorted(nx.connected_components(graph), key=len, reverse=True)
    order = {node: place for place, node in enumerate(graph)}
    named = [sorted(part, key=order.__getitem__) for part in parts]
    drawn = [_draw(graph.subgraph(part), part, seed) for part in named]
    radii = np.array([np.hypot(*points.T).max() for points in drawn] or [0.0])
    positions: dict[str, Position] = {}
    for part, points, centre in zip(named, drawn, _pack(radii + _GAP), strict=False):
        for node, (x, y) in zip(part, points + centre, strict=True):
            positions[node] = (round(float(x), 2), round(float(y), 2))
    return positions


def _draw(part: Any, nodes: list[str], seed: int) -> Points:
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


def _pack(radii: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Points:
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
