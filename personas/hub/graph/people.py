"""The people a reader wants to see by name: the best connected, and the centre of each large community."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..file import HubFile
from .folds import fetch
from .network import Network
from .ties import Ints, Ties, distinct

__all__ = ["Central", "Community", "read_central", "read_communities"]

_TEXTS = """
SELECT g.code, p.id, p.text, g.hop
FROM graph_codes AS c JOIN graph_people AS g USING (code) JOIN personas AS p ON p.id = g.id
"""


@dataclass(frozen=True, slots=True)
class Central:
    """One of the best connected people."""

    id: str
    text: str
    hop: int
    neighbours: int
    #: Others to whom this person has relations, and from whom.
    outgoing: int
    incoming: int


@dataclass(frozen=True, slots=True)
class Community:
    """One of the largest communities, and its member with the most neighbours."""

    people: int
    #: Ties between its members.
    ties: int
    id: str
    text: str


def read_central(hub: HubFile, network: Network, ties: Ties, top: int) -> tuple[Central, ...]:
    """The `top` people with the most neighbours, of equals the oldest first; nobody without a tie."""
    codes = [code for code in _best(network.degrees, top) if network.degrees[code]]
    people = _read(hub, codes)
    outgoing = {code: len(distinct(ties.target[ties.source == code])) for code in codes}
    incoming = {code: len(distinct(ties.source[ties.target == code])) for code in codes}
    return tuple(Central(*people[code], int(network.degrees[code]), outgoing[code], incoming[code]) for code in codes)


def read_communities(hub: HubFile, network: Network, labels: Ints, top: int) -> tuple[Community, ...]:
    """The `top` largest communities of two and more; labels are numbered by size, the largest 0."""
    if not len(labels):
        return ()
    sizes = np.bincount(labels)
    within = labels[network.first][labels[network.first] == labels[network.second]]
    ties = np.bincount(within, minlength=len(sizes))
    shown = np.flatnonzero(sizes[:top] > 1).tolist()
    members = [np.flatnonzero(labels == label) for label in shown]
    centres = [int(found[network.degrees[found].argmax()]) for found in members]
    people = _read(hub, centres)
    return tuple(
        Community(int(sizes[label]), int(ties[label]), *people[code][:2])
        for label, code in zip(shown, centres, strict=True)
    )


def _best(degrees: Ints, top: int) -> list[int]:
    return [int(code) for code in np.argsort(-degrees, kind="stable")[:top]]


def _read(hub: HubFile, codes: list[int]) -> dict[int, tuple[str, str, int]]:
    """Id, description and hop of each of the people with these numbers."""
    hub.con.register("graph_codes", pa.table({"code": pa.array(codes, pa.int64())}))
    rows = fetch(hub, _TEXTS)
    hub.con.unregister("graph_codes")
    return {int(str(code)): (str(i), str(text), int(str(hop or 0))) for code, i, text, hop in rows}
