"""Networks drawn by a seed among people 0 to N - 1: pairs of the tied, each pair once."""

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

import networkx as nx
import numpy as np

from ...core.arrow import Ints, Matrix
from ...core.errors import SetupError, parameter
from .network import distinct, random_network
from .spec import MOST_TIES, NetworkSpec

type Pair = tuple[int, int]
#: Draws for each of some people somebody who is like them.
type Alike = Callable[[Ints], Ints]

#: Swaps of two ties for each tie of the configuration model: enough for the network to forget the one it began as.
_SWAPS = 10
#: Rounds in which ties are drawn anew that repeat others, before any people will do.
_ROUNDS = 50
#: Share of woven ties that lead to somebody of the same value, where they close no triangle.
_WOVEN_ALIKE = 0.8
#: People whose nearest are searched for at a time.
_BLOCK = 1_024


def draw_regular(spec: NetworkSpec, people: int, rng: random.Random) -> list[Pair]:
    """Draw a complete graph, a ring, Watts and Strogatz 1998, or Barabasi and Albert 1999.

    People stand on the ring, and arrive, in an order of chance.
    """
    spec.check_people(people)
    if spec.kind == "complete":
        return list(combinations(range(people), 2))
    order = rng.sample(range(people), people)
    if spec.kind == "barabasi-albert":
        graph = nx.barabasi_albert_graph(people, spec.degree, seed=rng)
    else:
        graph = nx.watts_strogatz_graph(people, spec.degree, spec.probability, seed=rng)
    return [(order[one], order[other]) for one, other in graph.edges]


def draw_configuration(people: int, grown: Iterable[Pair], rng: random.Random) -> list[Pair]:
    """Draw the configuration model: each person has as many ties as in `grown`, and who is tied to whom is chance.

    Two ties swap their ends, over and over, but never so that a loop or a double tie comes of it (Milo and others
    2003).
    """
    ties = sorted({(min(a, b), max(a, b)) for a, b in grown if a != b})
    there = {a * people + b for a, b in ties}
    for _ in range(_SWAPS * len(ties) if len(ties) > 1 else 0):
        first, second = int(rng.random() * len(ties)), int(rng.random() * len(ties))
        (a, b), (c, d) = ties[first], ties[second]
        if rng.random() < 0.5:
            c, d = d, c
        one, other = (a, d) if a < d else (d, a), (c, b) if c < b else (b, c)
        keys = one[0] * people + one[1], other[0] * people + other[1]
        if a == d or c == b or keys[0] in there or keys[1] in there:
            continue
        there -= {a * people + b, min(c, d) * people + max(c, d)}
        there.update(keys)
        ties[first], ties[second] = one, other
    return ties


def draw_woven(spec: NetworkSpec, grown: Iterable[Pair], values: Sequence[str], rng: random.Random) -> list[Pair]:
    """Draw ties beside the grown ones, until people have `spec.degree` ties on average.

    While fewer of all triples are closed than `spec.probability`, a tie closes one: two people who have somebody in
    common, as friends of friends meet. Any other tie leads to somebody of the same value, four times in five, or to
    anybody. Grown ties stay, however many they are.
    """
    people = len(values)
    spec.check_people(people)
    near: list[list[int]] = [[] for _ in range(people)]
    ties: set[Pair] = set()
    closed = triples = 0

    def add_tie(one: int, other: int) -> None:
        nonlocal closed, triples
        closed += 3 * len(set(near[one]).intersection(near[other]))
        triples += len(near[one]) + len(near[other])
        near[one].append(other)
        near[other].append(one)
        ties.add((min(one, other), max(one, other)))

    for one, other in sorted({(min(pair), max(pair)) for pair in grown if pair[0] != pair[1]}):
        add_tie(one, other)
    alike: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        alike.setdefault(value, []).append(place)
    wanted = people * spec.degree // 2
    for _ in range(_ROUNDS * wanted):
        if len(ties) >= wanted:
            break
        one = rng.randrange(people)
        if closed < spec.probability * triples and near[one]:
            other = rng.choice(near[rng.choice(near[one])])
        else:
            own = alike[values[one]]
            other = rng.choice(own) if rng.random() < _WOVEN_ALIKE else rng.randrange(people)
        if one != other and (min(one, other), max(one, other)) not in ties:
            add_tie(one, other)
    return sorted(ties)


def draw_blocks(blocks: Sequence[str], spec: NetworkSpec, rng: np.random.Generator) -> list[Pair]:
    """Draw the stochastic block model: two people are tied with one probability in a block, with another between two.

    `blocks` has the block of each person. For each pair of blocks the number of ties is drawn, then which of all pairs
    they are: networkx looks at each pair of people, which takes minutes for 100,000.
    """
    codes = np.unique(np.array(blocks), return_inverse=True)[1]
    members = [np.flatnonzero(codes == block) for block in range(int(codes.max()) + 1)]
    sizes = np.array([len(own) for own in members], float)
    within = float((sizes * (sizes - 1)).sum()) / 2
    between = (len(blocks) * (len(blocks) - 1)) / 2 - within
    expected = spec.probability * within + spec.between * between
    if expected > MOST_TIES:
        raise SetupError(
            f"{parameter('network')}: these probabilities make some {round(expected):,} ties among {len(blocks):,} "
            f"people, and a society holds {MOST_TIES:,} at most; take smaller probabilities, or fewer people."
        )
    found: list[Pair] = []
    for one, other in combinations(members, 2):
        number = int(rng.binomial(len(one) * len(other), spec.between))
        chosen = _draw_numbers(len(one) * len(other), number, rng)
        found += zip(one[chosen // len(other)].tolist(), other[chosen % len(other)].tolist(), strict=True)
    for own in members:
        number = int(rng.binomial(len(own) * (len(own) - 1) // 2, spec.probability))
        drawn = random_network(len(own), number, rng)
        found += zip(own[drawn.first].tolist(), own[drawn.second].tolist(), strict=True)
    return found


def _draw_numbers(pairs: int, number: int, rng: np.random.Generator) -> Ints:
    """Draw so many different numbers below `pairs`, every choice equally likely."""
    if 2 * number > pairs:
        return rng.permutation(pairs)[:number].astype(np.int64)
    drawn = np.zeros(0, np.int64)
    while len(drawn) < number:
        drawn = distinct(np.concatenate([drawn, rng.integers(0, pairs, number - len(drawn) + 16)]))
    return rng.permutation(drawn)[:number]


def draw_alike(spec: NetworkSpec, values: Sequence[str | None], rng: np.random.Generator) -> list[Pair]:
    """Draw ties of which a share is between people of one value, and the rest between anybody.

    People whose value is not known are tied to anybody.
    """
    people = len(values)
    known = {value: place for place, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    codes = np.array([-1 if value is None else known[value] for value in values], np.int64)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(known)))
    sizes = np.bincount(codes[codes >= 0], minlength=len(known))

    def alike(ones: Ints) -> Ints:
        own = codes[ones]
        place = (rng.random(len(ones)) * np.where(own < 0, people, sizes[own])).astype(np.int64)
        # People whose value is not known are in no group: their place is anybody's.
        return np.where(own < 0, place, order[np.where(own < 0, 0, starts[own] + place)])

    return _draw_ties(spec, people, alike, rng)


def draw_near(spec: NetworkSpec, vectors: Matrix, rng: np.random.Generator) -> list[Pair]:
    """Draw the same by vectors of length 1: a person is alike with the K nearest, by cosine."""
    people = len(vectors)
    spec.check_people(people)
    nearest = np.empty((people, spec.degree), np.int64)
    for start in range(0, people, _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -2.0
        nearest[start : start + len(block)] = np.argpartition(-block, spec.degree - 1, axis=1)[:, : spec.degree]

    def alike(ones: Ints) -> Ints:
        place = (rng.random(len(ones)) * spec.degree).astype(np.int64)
        return nearest[ones, place]

    return _draw_ties(spec, people, alike, rng)


def _draw_ties(spec: NetworkSpec, people: int, alike: Alike, rng: np.random.Generator) -> list[Pair]:
    spec.check_people(people)
    wanted, pairs = people * spec.degree // 2, people * (people - 1) // 2
    drawn, turn = np.zeros(0, np.int64), 0
    while len(drawn) < wanted:
        lacking = wanted - len(drawn)
        if turn > _ROUNDS and 4 * wanted > pairs:  # nearly everybody is tied to everybody: draw among who is not
            low, high = np.triu_indices(people, 1)
            free = np.setdiff1d(low.astype(np.int64) * people + high, drawn)
            drawn = np.sort(np.concatenate([drawn, rng.permutation(free)[:lacking]]))
            break
        ones, anybody = rng.integers(0, people, (2, lacking))
        # Small groups may hold no more ties among themselves.
        is_alike = (rng.random(lacking) < spec.probability) & (turn < _ROUNDS)
        others = np.where(is_alike, alike(ones), anybody)
        keys = (np.minimum(ones, others) * people + np.maximum(ones, others))[ones != others]
        drawn, turn = distinct(np.concatenate([drawn, keys])), turn + 1
    return list(zip((drawn // people).tolist(), (drawn % people).tolist(), strict=True))


def unit(vectors: Matrix) -> Matrix:
    """Return the vectors, each of length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
