"""Who is tied to whom, either way: the undirected simple graph on which most figures stand."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from .ties import Ints, distinct

__all__ = ["Network", "components"]


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
