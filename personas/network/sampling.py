"""Drawing people from a network so that ties remain among them: by snowball, ego network or community."""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from ..errors import SourceError
from ..hub.file import HubFile
from ..hub.queries import registered
from ..hub.read import Drawn, DrawWish, Hub
from .communities import detect_communities
from .network import Network
from .ties import Ints, read_ties

__all__ = ["draw_from", "draw_in", "draw_people"]

#: How many of those they know a person brings at a time.
_NAMED = 3


def draw_people(network: Network, wish: DrawWish) -> Ints:
    """The numbers of the people drawn, in rising order; all of them where there are no more than are wished for.

    Whoever has no tie is drawn last, and by chance. Where one part of the network is used up, the draw begins anew in
    another, so that it takes time with the people drawn and not with those there are, communities apart.
    """
    if network.people <= wish.people:
        return np.arange(network.people)
    if wish.how == "random" or not len(network):
        chosen = random.Random(wish.seed).sample(range(network.people), wish.people)  # noqa: S311 - no secret
        return np.sort(np.array(chosen, np.int64))
    rng = np.random.default_rng(wish.seed)
    tied = network.degrees > 0
    starts = np.concatenate([rng.permutation(np.flatnonzero(tied)), rng.permutation(np.flatnonzero(~tied))])
    labels = detect_communities(network, rng) if wish.how == "community" else np.zeros(network.people, np.int64)
    walk = _Walk(network, labels, _NAMED if wish.how == "snowball" else network.people, rng)
    for start in starts:
        for _ in walk.begin(int(start)):
            if walk.count == wish.people:
                return np.flatnonzero(walk.is_taken)
    return np.flatnonzero(walk.is_taken)


class _Walk:
    """Takes person after person along ties, within one label."""

    def __init__(self, network: Network, labels: Ints, named: int, rng: np.random.Generator) -> None:
        self._places, self._others = network.matrix.indptr, network.matrix.indices
        self._labels = labels
        self._named = named
        self._rng = rng
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
            friends = self._untaken(person)
            named = self._rng.permutation(friends)[: self._named]
            for friend in named:
                yield self._take(int(friend))
                waiting.append(int(friend))
            if len(named) < len(friends):
                waiting.append(person)

    def _take(self, person: int) -> int:
        self.is_taken[person] = True
        self.count += 1
        return person

    def _untaken(self, person: int) -> Ints:
        known = self._others[self._places[person] : self._places[person + 1]]
        is_near = (self._labels[known] == self._labels[person]) & ~self.is_taken[known]
        return np.asarray(known[is_near], np.int64)


def draw_from(hub: Hub, wish: DrawWish) -> Hub:
    """The part of some people that was drawn, with the relations among them; `drawn` says what remained."""
    places = {persona.id: place for place, persona in enumerate(hub.personas)}
    ends = [(places[r.source], places[r.target]) for r in hub.relations if r.source in places and r.target in places]
    source, target = np.array(ends, np.int64).reshape(-1, 2).T
    chosen = draw_people(Network.of_pairs(len(places), source, target), wish)
    if len(chosen) == len(places):
        return hub
    kept = {hub.personas[place].id for place in chosen}
    relations = tuple(r for r in hub.relations if r.source in kept and r.target in kept)
    return Hub(
        tuple(hub.personas[place] for place in chosen),
        relations,
        Drawn(wish.how, len(chosen), len(places), len(relations), len(ends)),
        hub.beside,
    )


def draw_in(hub: HubFile, wish: DrawWish, narrow_to: Callable[[Sequence[str]], None]) -> Drawn | None:
    """Draw among the people of a hub without reading them; `narrow_to` is given the ids when not all are drawn.

    Raises `SourceError` for a file whose tables are not those of a hub that Populace wrote.
    """
    ties = read_ties(hub)
    if ties.people <= wish.people:
        return None
    chosen = draw_people(Network.of_pairs(ties.people, ties.source, ties.target), wish)
    with registered(hub.con, pa.table({"code": chosen})) as codes:
        query = f"SELECT id FROM graph_people SEMI JOIN {codes} USING (code) ORDER BY code"  # noqa: S608 - our own name
        ids = [str(persona) for (persona,) in hub.con.execute(query).fetchall()]
    if len(ids) != len(chosen):
        raise SourceError(f"{str(hub.path)!r} has people with one id; import it into a new hub.")
    narrow_to(ids)
    is_in = np.zeros(ties.people, np.bool_)
    is_in[chosen] = True
    remain = int((is_in[ties.source] & is_in[ties.target]).sum())
    return Drawn(wish.how, len(chosen), ties.people, remain, len(ties))
