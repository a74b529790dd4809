"""Parts of a graph small enough to read and draw: around one person, or around the best connected."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from ...core.arrow import Ints
from ...core.errors import SetupError
from ..hub.file import HubFile, fold_duplicates
from ..hub.queries import registered
from .network import Network

#: Both ends of each relation as hashes of ids, so that ids must be compared as well; `place` is its row in `relations`.
_ENDS = """
CREATE OR REPLACE TEMP TABLE graph_ends AS
SELECT hash(source) AS source, hash(target) AS target, rowid AS place FROM relations
"""


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """A person of a hub."""

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
    """Some people of a hub and the first of the relations between them."""

    people: tuple[Acquaintance, ...]
    links: tuple[Link, ...]
    #: How many people there were to choose from, and how many relations there are between `people`.
    people_in_all: int
    links_in_all: int


#: A persona as it is shown: under the id that exports give it, for the hash of a replaced text stays in the hub.
_SHOWN = "coalesce(w.text_hash, p.id) AS shown, p.text, coalesce(p.hop, 0) AS hop, coalesce(p.language, '') AS language"
_PERSONAS = "JOIN personas AS p USING (id) LEFT JOIN rewritten_people AS w ON w.persona = p.id"

_PEOPLE = f"""
CREATE OR REPLACE TEMP TABLE graph_shown AS
SELECT id, {_SHOWN}, distance, p.ordinal, count(*) OVER () AS total FROM graph_reached {_PERSONAS}
ORDER BY distance, p.ordinal, id LIMIT ?
"""  # noqa: S608 - our own words
_LISTED = "SELECT shown, text, hop, language, distance, total FROM graph_shown ORDER BY distance, ordinal, id"

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


def _read_excerpt(hub: HubFile, *, most_people: int, most_links: int) -> Excerpt:
    """Read the excerpt of personas in the temporary table `graph_reached` (id, distance).

    The nearest come first, the oldest first among them. Their relations come from the table `graph_ends`.
    """
    hub.con.execute(_PEOPLE, [most_people])
    rows = hub.con.execute(_LISTED).fetchall()
    people = tuple(Acquaintance(*row[:-1]) for row in rows)
    hub.con.execute(_MEMBERS)
    hub.con.execute(_PLACES)
    links = hub.con.execute(_LINKS, [most_links]).fetchall()
    return Excerpt(
        people,
        tuple(Link(*row[:-1]) for row in links),
        rows[0][-1] if rows else 0,
        links[0][-1] if links else 0,
    )


def central_excerpt(hub: HubFile, network: Network, *, most_people: int = 600, most_links: int = 6000) -> Excerpt:
    """Return the part of a graph around the best connected personas: breadth first, then from the next not reached.

    The numbers of the personas come from the temporary table that `read_ties` leaves on the same hub.
    """
    codes = _around_the_best(network, most_people)
    with registered(hub.con, {"code": codes}, "graph_codes"):
        hub.con.execute(
            "CREATE OR REPLACE TEMP TABLE graph_reached AS "
            "SELECT id, NULL::INTEGER AS distance FROM graph_people SEMI JOIN graph_codes USING (code)",
        )
    hub.con.execute(_ENDS)
    excerpt = _read_excerpt(hub, most_people=most_people, most_links=most_links)
    return Excerpt(excerpt.people, excerpt.links, network.people, excerpt.links_in_all)


def communities_of(hub: HubFile, labels: Ints) -> dict[str, int]:
    """Return the community of each persona of the excerpt by id, from `labels` by number; 0 is the hub's largest.

    The excerpt is the one that `central_excerpt` read last.
    """
    rows = hub.con.execute("SELECT shown, code FROM graph_shown JOIN graph_people USING (id)").fetchall()
    return {str(person): int(labels[code]) for person, code in rows}


def _around_the_best(network: Network, most: int) -> Ints:
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


#: Fewer characters than this begin too many ids to mean one.
_PREFIX = 4

_FOUND = """
CREATE OR REPLACE TEMP TABLE graph_found AS
SELECT DISTINCT coalesce(f.survivor, p.id) AS id
FROM personas AS p LEFT JOIN rewritten_people AS w ON w.persona = p.id LEFT JOIN graph_folds AS f ON f.persona = p.id
WHERE {condition}
"""
_MATCHES = f"""
SELECT {_SHOWN}, count(*) OVER () FROM graph_found {_PERSONAS} ORDER BY p.ordinal, id LIMIT ?
"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class Found:
    """The people who match, the oldest first, and how many match in all."""

    people: tuple[Acquaintance, ...]
    total: int


def find_people(hub: HubFile, wanted: str, *, most: int = 20) -> Found:
    """Find the personas with this id, with an id that begins with it (at least 4 characters), or with all these words.

    An id is the one that exports show, or the one in the hub. A near-duplicate is found as its survivor. Raises
    `SetupError` for an empty search, and for the id of a persona that a rule rejected.
    """
    words = wanted.lower().split()
    if not words:
        raise SetupError("Nobody is named; give an id, the beginning of one, or words of a description.")
    fold_duplicates(hub)
    for name in ("w.text_hash", "p.id"):
        hub.con.execute(_FOUND.format(condition=f"{name} = ?"), [wanted.strip()])
        if hub.con.execute("FROM graph_found SEMI JOIN graph_away ON persona = id").fetchall():
            raise SetupError(
                f"{wanted.strip()} in {str(hub.path)!r} was rejected by a rule, and is in no graph; "
                "see the table rule_results, and `populace hub undo` with its rule."
            )
        if found := hub.con.execute(_MATCHES, [most]).fetchall():
            break
    else:
        condition = " AND ".join(f"contains(lower(p.text), $word{n})" for n in range(len(words)))
        if len(words) == 1 and len(words[0]) >= _PREFIX:
            condition += " OR starts_with(w.text_hash, $word0) OR starts_with(p.id, $word0)"
        hub.con.execute(_FOUND.format(condition=condition), {f"word{n}": word for n, word in enumerate(words)})
        hub.con.execute("DELETE FROM graph_found WHERE id IN (FROM graph_away)")
        found = hub.con.execute(_MATCHES, [most]).fetchall()
    people = tuple(Acquaintance(*row[:-1]) for row in found)
    return Found(people, found[0][-1] if found else 0)


#: The greatest distance from the centre; paths between people are rarely longer.
_RADIUS = 6

_CENTRE = "CREATE OR REPLACE TEMP TABLE graph_reached AS SELECT id, 0 AS distance FROM graph_found"

#: The people at the current distance, and their near-duplicates.
_RIM = """
CREATE OR REPLACE TEMP TABLE graph_rim AS
WITH rim AS (SELECT id FROM graph_reached WHERE distance = $distance), folded AS (
    SELECT id FROM rim UNION ALL SELECT persona FROM graph_folds SEMI JOIN rim ON rim.id = survivor
)
SELECT id, hash(id) AS number FROM folded
"""

#: A table of its own, because DuckDB scans with all cores for it, and with one for an insert.
_TOUCHING = """
CREATE OR REPLACE TEMP TABLE graph_touching AS
SELECT place FROM graph_ends
WHERE source IN (SELECT number FROM graph_rim) OR target IN (SELECT number FROM graph_rim)
"""

#: Both ends of every relation that touches the rim: one is known already, the other may be new.
_FURTHER = """
INSERT INTO graph_reached
WITH touching AS MATERIALIZED (
    SELECT source, target FROM relations SEMI JOIN graph_touching ON place = relations.rowid
    WHERE source IN (SELECT id FROM graph_rim) OR target IN (SELECT id FROM graph_rim)
), ends AS (
    SELECT source AS id FROM touching UNION SELECT target FROM touching
), living AS (
    SELECT DISTINCT coalesce(f.survivor, ends.id) AS id FROM ends LEFT JOIN graph_folds AS f ON f.persona = ends.id
)
SELECT living.id, $distance + 1 FROM living SEMI JOIN personas ON personas.id = living.id
ANTI JOIN graph_away ON graph_away.persona = living.id ANTI JOIN graph_reached ON graph_reached.id = living.id
"""

_COUNTS = "SELECT count(*) FROM graph_reached GROUP BY distance ORDER BY distance"


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The people within `radius` ties of one person."""

    centre: Acquaintance
    radius: int
    #: People at distance 0, 1, 2, ...: exact, whatever is listed.
    rings: tuple[int, ...]
    #: The nearest of them, the centre first, with the relations between those.
    excerpt: Excerpt


def neighbourhood(
    hub: HubFile, person: str, radius: int = 2, *, most_people: int = 600, most_links: int = 6000
) -> Neighbourhood:
    """Return the neighbourhood of the persona with this id; for a near-duplicate, that of its survivor.

    Raises `SetupError` for an unknown id and for a radius below 1 or above 6, and `SourceError` for a hub that cannot
    be read.
    """
    if not 1 <= radius <= _RADIUS:
        raise SetupError(f"The radius is {radius}; give a number of ties from 1 to {_RADIUS}.")
    found = find_people(hub, person)
    if found.total != 1:
        raise SetupError(f"There is nobody with the id {person!r} in {str(hub.path)!r}; give an id from its personas.")
    hub.con.execute(_CENTRE)
    hub.con.execute(_ENDS)
    for distance in range(radius):
        hub.con.execute(_RIM, {"distance": distance})
        hub.con.execute(_TOUCHING)
        ((added,),) = hub.con.execute(_FURTHER, {"distance": distance}).fetchall()
        if not added:
            break
    rings = tuple(count for (count,) in hub.con.execute(_COUNTS).fetchall())
    excerpt = _read_excerpt(hub, most_people=most_people, most_links=most_links)
    return Neighbourhood(excerpt.people[0], radius, rings, excerpt)
