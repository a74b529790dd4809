"""Whether like is tied to like, and whether ties are returned."""

import numpy as np

from .network import Network
from .ties import KINDS, Ints, distinct

__all__ = [
    "degree_assortativity",
    "kind_assortativity",
    "nominal_assortativity",
    "numeric_assortativity",
    "reciprocity",
]


def reciprocity(people: int, source: Ints, target: Ints) -> float | None:
    """Share of the directed ties (distinct ordered pairs) that also lead back, 0 to 1; None without any tie.

    networkx calls it `overall_reciprocity`; Wasserman and Faust 1994, section 13.
    """
    arcs = distinct(source * people + target)
    if not len(arcs):
        return None
    back = (arcs % people) * people + arcs // people
    both = np.sort(np.concatenate([arcs, back]))
    return float((both[1:] == both[:-1]).sum() / len(arcs))


def degree_assortativity(network: Network) -> float | None:
    """Newman's r: the correlation of the numbers of neighbours at the two ends of a tie, -1 to 1.

    Above 0 the well connected are tied to each other, below 0 to the poorly connected. None when everybody has
    equally many. Newman 2002, Physical Review Letters 89, 208701.
    """
    return numeric_assortativity(network, network.degrees)


def numeric_assortativity(network: Network, values: Ints) -> float | None:
    """Pearson's correlation of a number over the two ends of a tie, each tie taken both ways; None without variance.

    Newman 2003, Physical Review E 67, 026126, equation 21.
    """
    a, b = values[network.first].astype(np.float64), values[network.second].astype(np.float64)
    if not len(a):
        return None
    both = np.concatenate([a, b])
    mean, variance = both.mean(), both.var()
    if np.ptp(both) == 0:
        return None
    return float(((a - mean) * (b - mean)).mean() / variance)


def nominal_assortativity(network: Network, values: Ints) -> float | None:
    """Newman's r of a category: ties within a category beyond those expected by chance, over the most possible.

    (sum e_ii - sum a_i^2) / (1 - sum a_i^2), where e_ij is the share of ends of ties, each taken both ways, that lead
    from i to j and a_i the share at i; None when all are of one category. Newman 2003, equation 2.
    """
    a, b = values[network.first], values[network.second]
    if not len(a):
        return None
    share = np.bincount(np.concatenate([a, b])) / (2 * len(a))
    return _beyond_chance(float((a == b).mean()), float((share**2).sum()))


def kind_assortativity(people: int, source: Ints, target: Ints, kind: Ints) -> float | None:
    """Newman's r of the kinds of two relations that share a person: above 0, people have relations of one kind.

    The nominal assortativity of the graph whose nodes are relations, with one edge between two of them for
    each person at an end of both. None when no two meet, or all are of one kind.
    """
    ends = np.concatenate([source, target]) * len(KINDS) + np.concatenate([kind, kind])
    held = np.bincount(ends, minlength=people * len(KINDS)).reshape(people, len(KINDS)).astype(np.float64)
    each = held.sum(axis=1, keepdims=True)
    pairs = float((each * (each - 1)).sum())
    if pairs == 0:
        return None
    share = (held * (each - 1)).sum(axis=0) / pairs
    return _beyond_chance(float((held * (held - 1)).sum()) / pairs, float((share**2).sum()))


def _beyond_chance(found: float, expected: float) -> float | None:
    return None if expected > 1 - 1e-12 else (found - expected) / (1 - expected)
