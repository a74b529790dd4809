"""A part of a graph that is small enough to be read and drawn: some people, and the relations between them."""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..file import HubFile
from .folds import fetch

if TYPE_CHECKING:
    # scipy takes long to load, and reading an excerpt needs none of it.
    from .network import Network
    from .ties import Ints

__all__ = ["Acquaintance", "Excerpt", "Link", "central_excerpt", "read_excerpt"]


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """Somebody of a hub."""

    id: str
    text: str
    hop: int
    language: str
    #: Ties between this person and the centre; None where there is no centre.
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One relation between two people of an excerpt: `target` is `source`'s `label`."""

    source: str
    target: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some people of a hub and the relations between them, and how many there were to choose from."""

    people: tuple[Acquaintance, ...]
    links: tuple[Link, ...]
    #: All people of whom `people` are the first, and all relations between `people`, of which `links` are the first.
    people_in_all: int
    links_in_all: int


_PEOPLE = """
SELECT p.id, p.text, coalesce(p.hop, 0), coalesce(p.language, ''), r.distance, count(*) OVER ()
FROM graph_reached AS r JOIN personas AS p ON p.id = r.id
ORDER BY r.distance, p.ordinal, p.id
LIMIT ?
"""

#: The shown, and the near-duplicates for whom they stand.
_MEMBERS = """
CREATE OR REPLACE TEMP TABLE graph_members AS
SELECT id, id AS survivor FROM graph_shown
UNION ALL
SELECT persona, survivor FROM graph_folds SEMI JOIN graph_shown ON id = survivor
"""

_LINKS = """
SELECT a.survivor, b.survivor, lower(r.kind), r.label, count(*) OVER ()
FROM relations AS r
JOIN graph_members AS a ON a.id = r.source
JOIN graph_members AS b ON b.id = r.target
WHERE a.survivor <> b.survivor
GROUP BY ALL
ORDER BY min(r.ordinal), a.survivor, b.survivor
LIMIT ?
"""


def read_excerpt(hub: HubFile, *, most_people: int, most_links: int) -> Excerpt:
    """The excerpt of those in the temporary table `graph_reached` (id, distance): the nearest, the oldest first."""
    rows = fetch(hub, _PEOPLE, [most_people])
    people = tuple(Acquaintance(*row[:-1]) for row in rows)  # type: ignore[arg-type]
    _list_shown(hub, [person.id for person in people])
    fetch(hub, _MEMBERS)
    links = fetch(hub, _LINKS, [most_links])
    return Excerpt(
        people,
        tuple(Link(*row[:-1]) for row in links),  # type: ignore[arg-type]
        int(str(rows[0][-1])) if rows else 0,
        int(str(links[0][-1])) if links else 0,
    )


def central_excerpt(hub: HubFile, network: "Network", *, most_people: int = 600, most_links: int = 6000) -> Excerpt:
    """The part of a whole graph around the best connected: breadth first from them, then from the next not reached.

    Takes the numbers of the people from the temporary table that `read_ties` leaves on the same hub.
    """
    codes = _around_the_best(network, most_people)
    hub.con.register("graph_codes", pa.table({"code": codes}))
    fetch(
        hub,
        "CREATE OR REPLACE TEMP TABLE graph_reached AS "
        "SELECT id, NULL::INTEGER AS distance FROM graph_people SEMI JOIN graph_codes USING (code)",
    )
    hub.con.unregister("graph_codes")
    excerpt = read_excerpt(hub, most_people=most_people, most_links=most_links)
    return Excerpt(excerpt.people, excerpt.links, network.people, excerpt.links_in_all)


def _list_shown(hub: HubFile, ids: list[str]) -> None:
    hub.con.register("graph_ids", pa.table({"id": pa.array(ids, pa.string())}))
    fetch(hub, "CREATE OR REPLACE TEMP TABLE graph_shown AS FROM graph_ids")
    hub.con.unregister("graph_ids")


def _around_the_best(network: "Network", most: int) -> "Ints":
    if network.people <= most:
        return np.arange(network.people)
    starts, others = network.matrix.indptr, network.matrix.indices
    shown: dict[int, None] = {}
    for best in np.argsort(-network.degrees, kind="stable")[:most].tolist():
        queue = deque([best])
        while queue and len(shown) < most:
            person = queue.popleft()
            if person not in shown:
                shown[person] = None
                queue.extend(others[starts[person] : starts[person + 1]][:most].tolist())
    return np.array(list(shown), np.int64)
