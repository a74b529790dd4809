"""The relationship graph: who lives in the society and how they are tied."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
from markupsafe import Markup

from ..layout import Spots, fitted, lay_out
from ..page import clip, markup
from ..plot import COLOURS, LegendEntry, draw_svg, draw_swatch, paint, symbol
from ..table import Queryable

#: A society of up to this many people is drawn whole; of a bigger one, so many around the best connected.
GRAPH_PEOPLE = 1000
GRAPH_SAMPLE = 600
#: Relations drawn, the earliest first.
GRAPH_RELATIONS = 6000
#: Rows of the table of the best connected.
MOST_CONNECTED = 8
#: Characters of a person, and of the first emission of each kind, that are shown on pointing at the person.
PERSON_TEXT = 260
EMITTED_TEXT = 110

_DASHES = ("", "2 2", "6 2", "10 2", "7 2 2 2")
_KINDS = (
    "kinship", "friendship", "neighbourhood", "work", "trade",
    "care", "teaching", "service", "rivalry", "other",
)  # fmt: skip

_RESIDENTS = """
SELECT agent, text, hop FROM agents JOIN personas ON id = agent ORDER BY agents.ordinal
"""

_TIES = """
SELECT DISTINCT source, target, kind FROM ties_at_start
WHERE source IN (SELECT agent FROM agents) AND target IN (SELECT agent FROM agents) AND source <> target
ORDER BY source, target, kind
"""

_EMITTED = """
SELECT agent, kind, count(*), left(min_by(text, emission), 120) FROM emissions
GROUP BY agent, kind ORDER BY agent, kind
"""


_WIDTH, _MARGIN = 1_000.0, 16.0


@dataclass(frozen=True, slots=True)
class DrawnPerson:
    """One person of the society."""

    id: str
    text: str
    hop: int
    degree: int


@dataclass(frozen=True, slots=True)
class DrawnTie:
    """One relation between two residents."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True, slots=True)
class DrawnSociety:
    """The part of the society that is drawn, and how much there is in all."""

    residents: Sequence[DrawnPerson]
    ties: Sequence[DrawnTie]
    people: int
    relations: int
    #: The best connected of all, best first.
    hubs: Sequence[DrawnPerson]
    #: For each resident: kind, number and the first of what was emitted.
    emitted: Mapping[str, Sequence[tuple[str, int, str]]]

    @property
    def is_sample(self) -> bool:
        """Whether something is left out of the picture."""
        return len(self.residents) < self.people or len(self.ties) < self.relations


@dataclass(frozen=True, slots=True)
class NetworkChart:
    """The drawing of the society, with what a report's chart has."""

    title: str
    description: str
    narrow: Markup
    legend: Sequence[LegendEntry]
    name: str = "society"
    legend_title: str = "Relations and people"
    headings: Sequence[str] = ()


def read_society(run: Queryable) -> DrawnSociety:
    """The society of a run, cut to a part around the best connected where it is too big to draw."""
    ties = [DrawnTie(*row) for row in run.query(_TIES).rows]
    degree = Counter(end for tie in ties for end in (tie.source, tie.target))
    everybody = [DrawnPerson(i, text, hop, degree[i]) for i, text, hop in run.query(_RESIDENTS).rows]
    hubs = sorted(everybody, key=lambda r: -r.degree)
    shown = _around(hubs, ties)
    emitted: dict[str, list[tuple[str, int, str]]] = {}
    for agent, kind, count, first in run.query(_EMITTED).rows:
        if agent in shown:
            emitted.setdefault(agent, []).append((kind, count, first))
    return DrawnSociety(
        residents=[r for r in everybody if r.id in shown],
        ties=[t for t in ties if t.source in shown and t.target in shown][:GRAPH_RELATIONS],
        people=len(everybody),
        relations=len(ties),
        hubs=[r for r in hubs[:MOST_CONNECTED] if r.degree],
        emitted=emitted,
    )


def _around(hubs: Sequence[DrawnPerson], ties: Sequence[DrawnTie]) -> set[str]:
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


def chart_society(society: DrawnSociety) -> NetworkChart | None:
    """Draw the graph, with texts as tooltips; None where there are no agents."""
    if not society.residents:
        return None
    picture: nx.Graph[str] = nx.Graph()
    picture.add_nodes_from(r.id for r in society.residents)
    picture.add_edges_from((t.source, t.target) for t in society.ties)
    stage = fitted(lay_out(picture), width=_WIDTH, margin=_MARGIN)
    kinds = sorted({t.kind for t in society.ties}, key=_kind_place)
    hops = sorted({r.hop for r in society.residents})
    parts = [
        *(_edges(kind, [t for t in society.ties if t.kind == kind], stage.at) for kind in kinds),
        *(_nodes(hop, [r for r in society.residents if r.hop == hop], stage.at, society) for hop in hops),
    ]
    title = "Network"
    description = (
        f"Network of {len(society.residents)} people and {len(society.ties)} relations. "
        "The best connected are listed in the table below."
    )
    drawn = draw_svg(round(stage.width), round(stage.height), f"{title}. {description}", parts)
    legend = [*map(_edge_entry, kinds), *map(_node_entry, hops)]
    return NetworkChart(title, description, Markup(drawn), legend)  # noqa: S704 - texts of the run were escaped


def _kind_place(kind: str) -> int:
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS) - 1


def _edges(kind: str, ties: Sequence[DrawnTie], at: Spots) -> str:
    lines = "".join(
        f"M{at[t.source][0]:.0f} {at[t.source][1]:.0f}L{at[t.target][0]:.0f} {at[t.target][1]:.0f}" for t in ties
    )
    return f'<g data-series="{markup(_series(kind))}" {_dashed(kind)}><path d="{lines}" fill="none"/></g>'


def _dashed(kind: str) -> str:
    place = _kind_place(kind)
    dashes = f' stroke-dasharray="{_DASHES[place % 5]}"' if _DASHES[place % 5] else ""
    return f'{paint(f"c{place}")} stroke="currentColor" stroke-width="1.8"{dashes}'


def _nodes(hop: int, people: Sequence[DrawnPerson], at: Spots, society: DrawnSociety) -> str:
    shrunk = min(1.0, max(0.4, (300 / len(society.residents)) ** 0.5))
    tone = f"hop{min(hop, 3)}"
    # The small ones last, or the large ones hide them.
    shapes = [
        f'<path d="{symbol(hop, *at[r.id], shrunk * (4.5 + 1.6 * min(r.degree, 40) ** 0.5))}">'
        f"<title>{markup(_told(r, society.emitted.get(r.id, ())))}</title></path>"
        for r in sorted(people, key=lambda r: -r.degree)
    ]
    return (
        f'<g data-series="hop{hop}" {paint(tone)} fill="currentColor" '
        f'stroke="{COLOURS["surface"]}">{"".join(shapes)}</g>'
    )


def _told(person: DrawnPerson, emitted: Sequence[tuple[str, int, str]]) -> str:
    parts = [f"{clip(person.text, PERSON_TEXT)}\n{_hop_label(person.hop)}; ties: {person.degree}"]
    parts += [f"{kind} \u00d7 {count}: {clip(first, EMITTED_TEXT)}" for kind, count, first in emitted]
    return "\n".join(parts)


def _hop_label(hop: int) -> str:
    return f"hop {hop}"


def _series(kind: str) -> str:
    return f"tie-{kind}"


def _edge_entry(kind: str) -> LegendEntry:
    return LegendEntry(kind, _series(kind), draw_swatch(f'<g {_dashed(kind)}><path d="M0 7H22" stroke-width="2"/></g>'))


def _node_entry(hop: int) -> LegendEntry:
    tone = f"hop{min(hop, 3)}"
    shape = f'<path d="{symbol(hop, 11, 7, 5)}" {paint(tone)} fill="currentColor"/>'
    return LegendEntry(_hop_label(hop), f"hop{hop}", draw_swatch(shape))
