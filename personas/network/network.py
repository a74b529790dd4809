"""The undirected simple graph of who is tied to whom, and two random graphs to compare it with."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from .ties import Ints, distinct

__all__ = ["Network", "components", "preferential_network", "random_network"]


@dataclass(frozen=True)
class Network:
    """An undirected graph without loops in which a pair is tied or not: `first[i] < second[i]` are tie i's ends."""

    people: int
    first: Ints
    second: Ints

    @classmethod
    def of_pairs(cls, people: int, a: Ints, b: Ints) -> Self:
        """The network of people 0 to `people` - 1 in which each of these pairs is tied, however often it is named."""
        apart = a != b
        low, high = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
        pairs = distinct(low * people + high)
        return cls(people, pairs // max(1, people), pairs % max(1, people))

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def matrix(self) -> csr_array:
        """The symmetric adjacency matrix of ones, its columns sorted within each row."""
        ends = (np.concatenate([self.first, self.second]), np.concatenate([self.second, self.first]))
        matrix = coo_array((np.ones(2 * len(self)), ends), shape=(self.people, self.people)).tocsr()
        matrix.sort_indices()
        return matrix

    @cached_property
    def degrees(self) -> Ints:
        """How many others each person is tied to."""
        return np.bincount(self.first, minlength=self.people) + np.bincount(self.second, minlength=self.people)

    @cached_property
    def parts(self) -> NDArray[np.int32]:
        """The number of the connected component of each person."""
        _, labels = connected_components(self.matrix, directed=False)
        return np.asarray(labels)


def components(people: int, source: Ints, target: Ints, *, strong: bool = False) -> Ints:
    """Sizes of the components, largest first.

    Weak: reached from one another when every tie may be walked both ways. Strong: along the direction of the
    ties, there and back.
    """
    arcs = coo_array((np.ones(len(source), np.int8), (source, target)), shape=(people, people)).tocsr()
    _, labels = connected_components(arcs, directed=True, connection="strong" if strong else "weak")
    return np.sort(np.bincount(labels))[::-1]


def random_network(people: int, ties: int, rng: np.random.Generator) -> Network:
    """Exactly `ties` of all pairs of people, every choice equally likely: G(n, m) of Erdos and Renyi 1959.

    `ties` is at most people * (people - 1) / 2.
    """
    pairs = people * (people - 1) // 2
    if 2 * ties > pairs:
        low, high = np.triu_indices(people, 1)
        kept = rng.choice(pairs, ties, replace=False)
        return Network.of_pairs(people, low[kept].astype(np.int64), high[kept].astype(np.int64))
    drawn = np.zeros(0, np.int64)
    # Fewer than half of all pairs are taken, so each round brings at least half of what is missing.
    while len(drawn) < ties:
        a, b = rng.integers(0, people, (2, ties - len(drawn) + 16))
        fresh = (np.minimum(a, b) * people + np.maximum(a, b))[a != b]
        drawn = distinct(np.concatenate([drawn, fresh]))
    kept = rng.permutation(drawn)[:ties]
    return Network.of_pairs(people, kept // max(1, people), kept % max(1, people))


def preferential_network(people: int, ties: int, rng: np.random.Generator) -> Network:
    """People arrive one by one and tie themselves to earlier ones in proportion to the ties those have.

    Barabasi and Albert 1999, drawn as in Batagelj and Brandes 2005: the far end of each tie is one of all ends so
    far. The newcomers share `ties` evenly; ties that repeat a pair or close a loop are dropped, so there are
    somewhat fewer.
    """
    if people < 2 or not ties:
        return Network.of_pairs(people, np.zeros(0, np.int64), np.zeros(0, np.int64))
    newcomer = 1 + np.arange(ties, dtype=np.int64) * (people - 1) // ties
    # Ends stand in a row: 2i is tie i's newcomer, 2i + 1 the person whom it chose.
    chosen = (rng.random(ties) * 2 * np.arange(ties)).astype(np.int64)
    chosen[0] = -1
    return Network.of_pairs(people, newcomer, _resolved(newcomer, chosen))


def _resolved(newcomer: Ints, chosen: Ints) -> Ints:
    """The person behind each choice: a choice of an end that was itself chosen is followed to a newcomer's."""
    end = chosen.copy()
    while True:
        # The first tie leads to person 0; odd places are choices, even ones newcomers.
        follow = np.flatnonzero((end >= 0) & (end % 2 == 1))
        if not len(follow):
            break
        end[follow] = end[end[follow] // 2]
    return np.where(end < 0, 0, newcomer[np.maximum(end, 0) // 2])
