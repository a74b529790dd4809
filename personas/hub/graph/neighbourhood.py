"""The people around one person, ties walked both ways, near-duplicates folded: one scan of the relations."""

from dataclasses import dataclass

from ...errors import SetupError
from ..file import HubFile
from .ends import list_ends
from .excerpt import Acquaintance, Excerpt, read_excerpt
from .find import find_people
from .folds import fetch

__all__ = ["Neighbourhood", "neighbourhood"]

#: Ties from the centre, at most: paths between people are hardly ever longer.
_RADIUS = 6

_CENTRE = "CREATE OR REPLACE TEMP TABLE graph_reached AS SELECT ?::VARCHAR AS id, 0 AS distance"

#: Those at the rim, and the near-duplicates for whom they stand.
_RIM = """
CREATE OR REPLACE TEMP TABLE graph_rim AS
WITH rim AS (SELECT id FROM graph_reached WHERE distance = $distance), standing AS (
    SELECT id FROM rim UNION ALL SELECT persona FROM graph_folds SEMI JOIN rim ON rim.id = survivor
)
SELECT id, hash(id) AS number FROM standing
"""

#: A table of its own, because DuckDB scans with all cores for it, and with one for an insert.
_TOUCHING = """
CREATE OR REPLACE TEMP TABLE graph_touching AS
SELECT place FROM graph_ends
WHERE source IN (SELECT number FROM graph_rim) OR target IN (SELECT number FROM graph_rim)
"""

#: Both ends of whatever touches the rim: of these, one is known already and the other perhaps new.
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
    """Everybody within `radius` ties of one person."""

    centre: Acquaintance
    radius: int
    #: People at distance 0, 1, 2, ...: exact, whatever is listed.
    rings: tuple[int, ...]
    #: The nearest of them, the centre first, with the relations between those.
    excerpt: Excerpt


def neighbourhood(
    hub: HubFile, person: str, radius: int = 2, *, most_people: int = 600, most_links: int = 6000
) -> Neighbourhood:
    """The neighbourhood of the person with this id; of a near-duplicate, that of whom it repeats.

    Raises `SetupError` for an unknown id and for a radius below 1 or above 6, and `SourceError` for a hub that
    cannot be read.
    """
    if not 1 <= radius <= _RADIUS:
        raise SetupError(f"The radius is {radius}; give a number of ties from 1 to {_RADIUS}.")
    found = find_people(hub, person)
    if found.total != 1:
        raise SetupError(f"There is nobody with the id {person!r} in {str(hub.path)!r}; give an id from its personas.")
    fetch(hub, _CENTRE, [found.people[0].id])
    list_ends(hub)
    for distance in range(radius):
        fetch(hub, _RIM, {"distance": distance})
        fetch(hub, _TOUCHING)
        ((added,),) = fetch(hub, _FURTHER, {"distance": distance})
        if not added:
            break
    rings = tuple(int(str(count)) for (count,) in fetch(hub, _COUNTS))
    excerpt = read_excerpt(hub, most_people=most_people, most_links=most_links)
    return Neighbourhood(excerpt.people[0], radius, rings, excerpt)
