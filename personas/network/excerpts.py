"""The part of a graph that is small enough to draw: around the best connected."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from ...core.arrow import Ints
from ..hub.file import HubFile
from ..hub.queries import registered
from .network import Network


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """A person of a hub."""

    id: str
    text: str
    hop: int
    language: str


@dataclass(frozen=True, slots=True)
class Link:
    """One relation between two people of an excerpt: `target` is `source`'s `label`."""

    source: str
    target: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some people of a hub and the first of the relations between them."""

    people: tuple[Acquaintance, ...]
    links: tuple[Link, ...]
    #: How many people there were to choose from, and how many relations there are between `people`.
    people_in_all: int
    links_in_all: int


#: A persona is shown under the id that exports give it, for the hash of a replaced text stays in the hub.
_PEOPLE = """
CREATE OR REPLACE TEMP TABLE graph_shown AS
SELECT id, code, coalesce(w.text_hash, id) AS shown, p.text, coalesce(p.hop, 0) AS hop,
       coalesce(p.language, '') AS language, p.ordinal
FROM graph_people SEMI JOIN graph_codes USING (code) JOIN personas AS p USING (id)
LEFT JOIN rewritten_people AS w ON w.persona = id
"""
_LISTED = "SELECT shown, text, hop, language FROM graph_shown ORDER BY ordinal, id"

#: The people shown, and their near-duplicates.
_MEMBERS = """
CREATE OR REPLACE TEMP TABLE graph_members AS
WITH members AS (
    SELECT id, shown AS survivor FROM graph_shown
    UNION ALL
    SELECT persona, shown FROM graph_folds JOIN graph_shown ON id = survivor
)
SELECT id, survivor, hash(id) AS number FROM members
"""

#: By their hashes, so that ids must be compared as well; DuckDB reads all relations with all cores for it.
_PLACES = """
CREATE OR REPLACE TEMP TABLE graph_places AS
SELECT rowid AS place FROM relations
WHERE hash(source) IN (SELECT number FROM graph_members) AND hash(target) IN (SELECT number FROM graph_members)
"""

#: Materialised, or DuckDB reads all relations for the joins.
_LINKS = """
WITH placed AS MATERIALIZED (FROM relations SEMI JOIN graph_places ON place = relations.rowid)
SELECT a.survivor, b.survivor, lower(r.kind), r.label, count(*) OVER ()
FROM placed AS r
JOIN graph_members AS a ON a.id = r.source
JOIN graph_members AS b ON b.id = r.target
WHERE a.survivor <> b.survivor
GROUP BY ALL
ORDER BY min(r.ordinal), a.survivor, b.survivor
LIMIT ?
"""


def central_excerpt(hub: HubFile, network: Network, *, most_people: int = 600, most_links: int = 6000) -> Excerpt:
    """Return the part of a graph around the best connected personas: breadth first, then from the next not reached.

    The numbers of the personas come from the temporary table that `read_ties` leaves on the same hub.
    """
    codes = around_the_best(network, most_people)
    with registered(hub.con, {"code": codes}, "graph_codes"):
        hub.con.execute(_PEOPLE)
    people = tuple(Acquaintance(*row) for row in hub.con.execute(_LISTED).fetchall())
    hub.con.execute(_MEMBERS)
    hub.con.execute(_PLACES)
    links = hub.con.execute(_LINKS, [most_links]).fetchall()
    total = links[0][-1] if links else 0
    return Excerpt(people, tuple(Link(*row[:-1]) for row in links), network.people, total)


def communities_of(hub: HubFile, labels: Ints) -> dict[str, int]:
    """Return the community of each persona of the excerpt by id, from `labels` by number; 0 is the hub's largest.

    The excerpt is the one that `central_excerpt` read last.
    """
    rows = hub.con.execute("SELECT shown, code FROM graph_shown").fetchall()
    return {str(person): int(labels[code]) for person, code in rows}


def around_the_best(network: Network, most: int) -> Ints:
    """Return the people breadth first from the best connected, then from the next that was not reached."""
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
