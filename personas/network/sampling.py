"""Drawing people from a network so that ties remain among them: by snowball, ego network or community."""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..errors import SourceError
from ..hub.file import HubFile
from ..hub.queries import registered
from .communities import detect_communities
from .network import Network
from .ties import Ints, read_ties

if TYPE_CHECKING:
    from ..hub.read import DrawSpec

__all__ = ["DrawnIds", "draw_ids", "draw_people"]

#: How many of their neighbours a person names at a time.
_NAMED = 3
#: Neighbours from which on a person names them in one order, drawn once: drawing it again takes time with their square.
_MANY = 1_000


def draw_people(network: Network, spec: "DrawSpec") -> Ints:
    """The numbers of the people drawn, in rising order; all of them where there are no more than asked for.

    People without ties are drawn last, at random. Where one part of the network is used up, the draw begins again in
    another, so it takes time with the people drawn and not with those there are, communities apart.
    """
    if network.people <= spec.people:
        return np.arange(network.people)
    if spec.how == "random" or not len(network):
        chosen = random.Random(spec.seed).sample(range(network.people), spec.people)  # noqa: S311 - no secret
        return np.sort(np.array(chosen, np.int64))
    rng = np.random.default_rng(spec.seed)
    tied = network.degrees > 0
    starts = np.concatenate([rng.permutation(np.flatnonzero(tied)), rng.permutation(np.flatnonzero(~tied))])
    labels = detect_communities(network, rng) if spec.how == "community" else np.zeros(network.people, np.int64)
    walk = _Walk(network, labels, _NAMED if spec.how == "snowball" else network.people, rng)
    for start in starts:
        for _ in walk.begin(int(start)):
            if walk.count == spec.people:
                return np.flatnonzero(walk.is_taken)
    return np.flatnonzero(walk.is_taken)


@dataclass(frozen=True, slots=True)
class DrawnIds:
    """The people drawn from a hub, and how many people and ties it has; `ties` are those between the people drawn."""

    ids: list[str]
    of_people: int
    ties: int
    of_ties: int


def draw_ids(hub: HubFile, spec: "DrawSpec") -> DrawnIds | None:
    """The people drawn from a hub of whom only ids and ties are read; None where nobody is left out.

    Raises `SourceError` for a file whose tables are not those of a hub that Populace wrote.
    """
    ties = read_ties(hub)
    if ties.people <= spec.people:
        return None
    chosen = draw_people(Network.of_pairs(ties.people, ties.source, ties.target), spec)
    with registered(hub.con, pa.table({"code": chosen})) as codes:
        query = f"SELECT id FROM graph_people SEMI JOIN {codes} USING (code) ORDER BY code"  # noqa: S608 - our own name
        ids = [str(persona) for (persona,) in hub.con.execute(query).fetchall()]
    if len(ids) != len(chosen):
        raise SourceError(f"{str(hub.path)!r} has people with one id; import it into a new hub.")
    is_in = np.zeros(ties.people, np.bool_)
    is_in[chosen] = True
    remain = int((is_in[ties.source] & is_in[ties.target]).sum())
    return DrawnIds(ids, ties.people, remain, len(ties))


class _Walk:
    """Takes person after person along ties, within one label."""

    def __init__(self, network: Network, labels: Ints, named: int, rng: np.random.Generator) -> None:
        self._places, self._others = network.matrix.indptr, network.matrix.indices
        self._labels = labels
        self._named = named
        self._rng = rng
        #: Of people with many neighbours, those still to be named, in order.
        self._unnamed: dict[int, Iterator[int]] = {}
        self.is_taken = np.zeros(network.people, np.bool_)
        self.count = 0

    def begin(self, start: int) -> Iterator[int]:
        """Take everybody who can be reached from there, the nearest first; nobody when the start is taken."""
        if self.is_taken[start]:
            return
        yield self._take(start)
        waiting = deque([start])
        while waiting:
            person = waiting.popleft()
            named, has_more = self._name(person)
            for friend in named:
                yield self._take(friend)
                waiting.append(friend)
            if has_more:
                waiting.append(person)

    def _take(self, person: int) -> int:
        self.is_taken[person] = True
        self.count += 1
        return person

    def _name(self, person: int) -> tuple[list[int], bool]:
        """The next neighbours of a person who are not taken, at random, and whether there may be more."""
        if person not in self._unnamed:
            known = self._others[self._places[person] : self._places[person + 1]]
            is_near = (self._labels[known] == self._labels[person]) & ~self.is_taken[known]
            untaken = self._rng.permutation(np.asarray(known[is_near], np.int64))
            if len(untaken) <= max(_MANY, self._named):
                return untaken[: self._named].tolist(), len(untaken) > self._named
            self._unnamed[person] = iter(untaken.tolist())
        named = []
        for friend in self._unnamed[person]:
            if not self.is_taken[friend]:
                named.append(friend)
                if len(named) == self._named:
                    break
        return named, len(named) == self._named
