"""The network that a society began with, as the picture at the head of a report."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...personas.network import Acquaintance, Excerpt, Link
from ..page import clip
from ..picture import Drawing
from ..table import Queryable

#: A society of up to this many people is drawn whole; of a bigger one, so many around the best connected.
GRAPH_PEOPLE, GRAPH_SAMPLE = 1000, 600
#: Relations drawn, the earliest first; and rows of the table of the best connected.
GRAPH_RELATIONS, MOST_CONNECTED = 6000, 8
#: Characters of the first emission of each kind, shown on pointing at its author.
EMITTED_TEXT = 110
_WIDTH = 720.0

_RESIDENTS = """
SELECT agent, text, coalesce(hop, 0), coalesce(language, '')
FROM agents JOIN personas ON id = agent ORDER BY agents.ordinal
"""
_TIES = """
SELECT source, target, kind, any_value(label ORDER BY label) FROM ties_at_start
WHERE source IN (SELECT agent FROM agents) AND target IN (SELECT agent FROM agents) AND source <> target
GROUP BY source, target, kind ORDER BY source, target, kind
"""
_EMITTED = """
SELECT agent, kind, count(*), left(min_by(text, emission), 120) FROM emissions
GROUP BY agent, kind ORDER BY agent, kind
"""


@dataclass(frozen=True, slots=True)
class DrawnSociety:
    """The part of a society that is drawn, and how much there is in all."""

    excerpt: Excerpt
    relations: int
    #: The best connected of all, best first, and how many ties each has.
    hubs: Sequence[tuple[Acquaintance, int]]
    #: None if there are no agents.
    picture: Markup | None


def read_society(run: Queryable) -> DrawnSociety:
    """Draw the society of a run, cut to a part around the best connected if it is too big."""
    ties = [Link(*row) for row in run.query(_TIES).rows]
    degree = Counter(end for tie in ties for end in (tie.source, tie.target))
    everybody = [Acquaintance(*row) for row in run.query(_RESIDENTS).rows]
    hubs = sorted(everybody, key=lambda person: -degree[person.id])
    shown = _around([person.id for person in hubs], ties)
    emitted: dict[str, str] = {}
    for agent, kind, count, first in run.query(_EMITTED).rows:
        emitted[agent] = f"{emitted.get(agent, '')}\n{kind} \u00d7 {count}: {clip(first, EMITTED_TEXT)}"
    excerpt = Excerpt(
        tuple(person for person in everybody if person.id in shown),
        tuple(tie for tie in ties if tie.source in shown and tie.target in shown)[:GRAPH_RELATIONS],
        len(everybody),
        len(ties),
    )
    drawn = Drawing(excerpt, more=emitted).svg(_WIDTH) if everybody else ""
    picture = Markup(drawn) if drawn else None  # noqa: S704 - what texts of the run are in it was escaped
    best = [(person, degree[person.id]) for person in hubs[:MOST_CONNECTED] if degree[person.id]]
    return DrawnSociety(excerpt, len(ties), best, picture)


def _around(hubs: Sequence[str], ties: Sequence[Link]) -> set[str]:
    """Return the ids to draw: breadth first from the best connected, then from the next that was not reached."""
    if len(hubs) <= GRAPH_PEOPLE:
        return set(hubs)
    near: dict[str, list[str]] = {}
    for tie in ties:
        near.setdefault(tie.source, []).append(tie.target)
        near.setdefault(tie.target, []).append(tie.source)
    shown: dict[str, None] = {}
    for hub in hubs:
        queue = deque([hub])
        while queue and len(shown) < GRAPH_SAMPLE:
            person = queue.popleft()
            if person not in shown:
                shown[person] = None
                queue.extend(other for other in near.get(person, ()) if other not in shown)
    return set(shown)
