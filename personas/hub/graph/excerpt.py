"""A part of a graph that is small enough to be read and drawn: some people, and the relations between them."""

from dataclasses import dataclass

from ..file import HubFile
from .folds import fetch

__all__ = ["Acquaintance", "Excerpt", "Link", "read_excerpt"]


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

_SHOWN = "CREATE OR REPLACE TEMP TABLE graph_shown AS SELECT unnest(?::VARCHAR[]) AS id"

#: The shown, and the near-duplicates for whom they stand.
_MEMBERS = """
CREATE OR REPLACE TEMP TABLE graph_members AS
WITH members AS (
    SELECT id, id AS survivor FROM graph_shown
    UNION ALL
    SELECT persona, survivor FROM graph_folds SEMI JOIN graph_shown ON id = survivor
)
SELECT id, survivor, hash(id) AS number FROM members
"""

_PLACES = """
CREATE OR REPLACE TEMP TABLE graph_places AS
SELECT place FROM graph_ends
WHERE source IN (SELECT number FROM graph_members) AND target IN (SELECT number FROM graph_members)
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


def read_excerpt(hub: HubFile, *, most_people: int, most_links: int) -> Excerpt:
    """The excerpt of those in the temporary table `graph_reached` (id, distance): the nearest, the oldest first.

    Finds their relations by the table that `list_ends` leaves.
    """
    rows = fetch(hub, _PEOPLE, [most_people])
    people = tuple(Acquaintance(*row[:-1]) for row in rows)  # type: ignore[arg-type]
    fetch(hub, _SHOWN, [[person.id for person in people]])
    fetch(hub, _MEMBERS)
    fetch(hub, _PLACES)
    links = fetch(hub, _LINKS, [most_links])
    return Excerpt(
        people,
        tuple(Link(*row[:-1]) for row in links),  # type: ignore[arg-type]
        int(str(rows[0][-1])) if rows else 0,
        int(str(links[0][-1])) if links else 0,
    )
