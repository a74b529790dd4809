"""The relationship graph: who lives in the society and how they are tied."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from ..queryable import Queryable
from ..wording import chart_text, clip, hover_block, short_label
from .chart import INK, MUTED, SURFACE, Chart, LegendEntry, base_layout
from .layout import Position, lay_out
from .limits import GRAPH_PEOPLE, GRAPH_RELATIONS, GRAPH_SAMPLE, MOST_CONNECTED

__all__ = ["Resident", "Society", "Tie", "chart_society", "read_society"]

_DASHES = ("solid", "2px,2px", "6px,2px", "10px,2px", "7px,2px,2px,2px")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon", "star")
_KINDS = (
    "kinship", "friendship", "neighbourhood", "work", "trade",
    "care", "teaching", "service", "rivalry", "other",
)  # fmt: skip

_RESIDENTS = """
SELECT agent, text, hop FROM agents JOIN personas ON id = agent ORDER BY agents.ordinal
"""

_TIES = """
SELECT DISTINCT source, target, kind FROM living_relations
WHERE source IN (SELECT agent FROM agents) AND target IN (SELECT agent FROM agents) AND source <> target
ORDER BY source, target, kind
"""

_EMITTED = """
SELECT agent, kind, count(*), left(min_by(text, emission), 120) FROM emissions
GROUP BY agent, kind ORDER BY agent, kind
"""


@dataclass(frozen=True, slots=True)
class Resident:
    """One person of the society."""

    id: str
    text: str
    hop: int
    degree: int


@dataclass(frozen=True, slots=True)
class Tie:
    """One relation between two residents."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True, slots=True)
class Society:
    """The part of the society that is drawn, and how much there is in all."""

    residents: Sequence[Resident]
    ties: Sequence[Tie]
    people: int
    relations: int
    #: The best connected of all, best first.
    hubs: Sequence[Resident]
    #: For each resident: kind, number and the first of what was emitted.
    emitted: Mapping[str, Sequence[tuple[str, int, str]]]

    @property
    def is_sample(self) -> bool:
        """Whether something is left out of the picture."""
        return len(self.residents) < self.people or len(self.ties) < self.relations


def read_society(run: Queryable) -> Society:
    """The society of a run, cut to a part around the best connected where it is too big to draw."""
    ties = [Tie(*row) for row in run.query(_TIES).rows]
    degree = Counter(end for tie in ties for end in (tie.source, tie.target))
    everybody = [Resident(i, text, hop, degree[i]) for i, text, hop in run.query(_RESIDENTS).rows]
    hubs = sorted(everybody, key=lambda r: -r.degree)
    shown = _around(hubs, ties)
    emitted: dict[str, list[tuple[str, int, str]]] = {}
    for agent, kind, count, first in run.query(_EMITTED).rows:
        if agent in shown:
            emitted.setdefault(agent, []).append((kind, count, first))
    return Society(
        residents=[r for r in everybody if r.id in shown],
        ties=[t for t in ties if t.source in shown and t.target in shown][:GRAPH_RELATIONS],
        people=len(everybody),
        relations=len(ties),
        hubs=[r for r in hubs[:MOST_CONNECTED] if r.degree],
        emitted=emitted,
    )


def _around(hubs: Sequence[Resident], ties: Sequence[Tie]) -> set[str]:
    """The ids to draw: breadth first from the best connected, then from the next that was not reached."""
    if len(hubs) <= GRAPH_PEOPLE:
        return {r.id for r in hubs}
    near: dict[str, list[str]] = {}
    for tie in ties:
        near.setdefault(tie.source, []).append(tie.target)
        near.setdefault(tie.target, []).append(tie.source)
    shown: dict[str, None] = {}
    for hub in hubs:
        queue = deque([hub.id])
        while queue and len(shown) < GRAPH_SAMPLE:
            person = queue.popleft()
            if person not in shown:
                shown[person] = None
                queue.extend(other for other in near.get(person, ()) if other not in shown)
    return set(shown)


def chart_society(society: Society) -> Chart | None:
    """The graph with hover texts, or None when nobody lives there."""
    if not society.residents:
        return None
    picture: nx.Graph[str] = nx.Graph()
    picture.add_nodes_from(r.id for r in society.residents)
    picture.add_edges_from((t.source, t.target) for t in society.ties)
    positions = lay_out(picture)
    kinds = sorted({t.kind for t in society.ties}, key=_kind_place)
    hops = sorted({r.hop for r in society.residents})
    edges = [_edges(kind, [t for t in society.ties if t.kind == kind], positions) for kind in kinds]
    nodes = [_nodes(hop, [r for r in society.residents if r.hop == hop], positions, society) for hop in hops]
    bare = {"visible": False, "showgrid": False, "zeroline": False}
    return Chart(
        name="society",
        title="Who lives here, and how they are tied",
        description=(
            f"Network of {len(society.residents)} people and {len(society.ties)} relations. "
            "The best connected are listed in the table below."
        ),
        data=[*edges, *nodes],
        layout=base_layout(
            hovermode="closest",
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            xaxis=bare,
            yaxis=bare,
            modebar={"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK, "orientation": "v"},
        ),
        legend=[
            *(_edge_entry(kind, n) for n, kind in enumerate(kinds)),
            *(_node_entry(hop, len(edges) + n) for n, hop in enumerate(hops)),
        ],
        legend_title="Relations and people",
        height=620,
    )


def _kind_place(kind: str) -> int:
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS) - 1


def _edges(kind: str, ties: Sequence[Tie], positions: Mapping[str, Position]) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for tie in ties:
        (x0, y0), (x1, y1) = positions[tie.source], positions[tie.target]
        x += [x0, x1, None]
        y += [y0, y1, None]
    place = _kind_place(kind)
    line = {"color": f"var(--c{place})", "width": 1.4, "dash": _DASHES[place % 5]}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": chart_text(kind),
        "x": x,
        "y": y,
        "line": line,
        "hoverinfo": "skip",
    }


def _nodes(hop: int, people: Sequence[Resident], at: Mapping[str, Position], society: Society) -> dict[str, Any]:
    shrunk = min(1.0, max(0.4, (300 / len(society.residents)) ** 0.5))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _hop_label(hop),
        "x": [at[r.id][0] for r in people],
        "y": [at[r.id][1] for r in people],
        "hovertext": [_hover(r, society.emitted.get(r.id, ())) for r in people],
        "hoverinfo": "text",
        "marker": {
            "symbol": _SYMBOLS[hop % 7],
            "size": [round(shrunk * (7 + 3.2 * min(r.degree, 40) ** 0.5), 1) for r in people],
            "color": f"var(--hop{min(hop, 3)})",
            "opacity": 1,
            "line": {"color": INK if hop == 0 else SURFACE, "width": 1},
        },
    }


def _hover(person: Resident, emitted: Sequence[tuple[str, int, str]]) -> str:
    lines = [
        f"<b>{chart_text(short_label(person.text))}</b>",
        hover_block(clip(person.text, 260)),
        f"<i>{_hop_label(person.hop)}; relations: {person.degree}</i>",
    ]
    for kind, count, first in emitted:
        lines += ["", f"<b>{chart_text(kind)}</b> \u00d7 {count}", hover_block(clip(first, 110))]
    return "<br>".join(lines)


def _hop_label(hop: int) -> str:
    return "hop 0: from a text or a file" if hop == 0 else f"hop {hop}: grown"


def _edge_entry(kind: str, trace: int) -> LegendEntry:
    place = _kind_place(kind)
    return LegendEntry(kind, f"var(--c{place})", _DASHES[place % 5], (trace,), "line")


def _node_entry(hop: int, trace: int) -> LegendEntry:
    return LegendEntry(_hop_label(hop), f"var(--hop{min(hop, 3)})", _SYMBOLS[hop % 7], (trace,), "symbol")
