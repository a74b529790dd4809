"""The part of a whole graph that is drawn: whoever is around the best connected."""

from collections import deque

import numpy as np
import pyarrow as pa

from ..file import HubFile
from .ends import list_ends
from .excerpt import Excerpt, read_excerpt
from .folds import fetch
from .network import Network
from .ties import Ints

__all__ = ["central_excerpt", "communities_of"]


def central_excerpt(hub: HubFile, network: Network, *, most_people: int = 600, most_links: int = 6000) -> Excerpt:
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
    list_ends(hub)
    excerpt = read_excerpt(hub, most_people=most_people, most_links=most_links)
    return Excerpt(excerpt.people, excerpt.links, network.people, excerpt.links_in_all)


def communities_of(hub: HubFile, excerpt: Excerpt, labels: Ints) -> dict[str, int]:
    """The community of each person of an excerpt by id, out of `labels` by number, 0 for the largest of the hub.

    Takes the numbers of the people from the table that `central_excerpt` takes them from.
    """
    ids = [person.id for person in excerpt.people]
    rows = fetch(hub, "SELECT id, code FROM graph_people WHERE id IN (SELECT unnest(?::VARCHAR[]))", [ids])
    return {str(person): int(labels[int(str(code))]) for person, code in rows}


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
