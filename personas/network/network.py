"""The relations of a hub as arrays, the simple undirected network they make, and a random one to compare it with.

A million people take no Python object each.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from ...core.arrow import Ints
from ..hub.file import HubFile, fetch, fold_duplicates
from ..persona import RelationKind

#: The kinds in the order of their codes in `Ties.kind`.
KINDS = tuple(kind.value for kind in RelationKind)
_AWAY = -2

_PEOPLE = """
CREATE OR REPLACE TEMP TABLE graph_people AS
SELECT id, (row_number() OVER (ORDER BY ordinal, id) - 1)::BIGINT AS code, hop::BIGINT AS hop,
       (dense_rank() OVER (ORDER BY language) - 1)::BIGINT AS language
FROM personas ANTI JOIN graph_folds AS f ON f.persona = id ANTI JOIN graph_away AS a ON a.persona = id
"""

#: The number of an id's survivor: -2 for people rejected.
_CODES = """
CREATE OR REPLACE TEMP TABLE graph_ids AS
SELECT coalesce(p.id, f.persona) AS id,
       CASE WHEN a.persona IS NOT NULL THEN -2 ELSE coalesce(g.code, -1) END AS code,
       p.id IS NOT NULL AS is_there, f.persona IS NOT NULL AS is_folded
FROM personas AS p FULL JOIN graph_folds AS f ON f.persona = p.id
LEFT JOIN graph_people AS g ON g.id = coalesce(f.survivor, p.id)
LEFT JOIN graph_away AS a ON a.persona = coalesce(p.id, f.persona)
"""
_LEFT_OUT = """
SELECT count(*) FILTER (is_folded AND code <> -2), count(*) FILTER (code = -2) FROM graph_ids WHERE is_there
"""

#: Relations of the same ends, kind and label count once, with the earliest hop.
_TIES = """
CREATE OR REPLACE TEMP TABLE graph_ties AS
SELECT coalesce(s.code, -1) AS source, coalesce(t.code, -1) AS target,
       coalesce(nullif(list_position($kinds, lower(r.kind)), 0), len($kinds))::BIGINT - 1 AS kind,
       arg_min(r.hop, r.ordinal)::BIGINT AS hop, count(*) AS times
FROM relations AS r LEFT JOIN graph_ids AS s ON s.id = r.source LEFT JOIN graph_ids AS t ON t.id = r.target
GROUP BY 1, 2, 3, r.label
"""


@dataclass(frozen=True, slots=True)
class Ties:
    """The survivors of a hub by number (0 is the first to arrive) and the relations between them, one entry each."""

    #: Survivors, near-duplicates folded into them, and people whom rules rejected.
    people: int
    folded: int
    rejected: int
    #: Of each relation, the numbers of its two people, the place of its kind in `KINDS`, and its hop.
    source: Ints
    target: Ints
    kind: Ints
    hop: Ints
    #: Of each person, the hop and a number for the language.
    person_hop: Ints
    person_language: Ints
    #: Rows left out: loops, repetitions of another row, relations of people who were rejected, and relations with an
    #: end that is not in the hub.
    loops: int
    repeated: int
    rejected_ties: int
    unplaced: int

    def __len__(self) -> int:
        return len(self.source)


def read_ties(hub: HubFile) -> Ties:
    """Read all relations of a hub between survivors; leave the temporary table `graph_people` (id, code) behind.

    Near-duplicates are replaced by the persona they repeat, as in `PersonaGraph`. Rejected personas are left out with
    all ties. Raises `SourceError`.
    """
    fold_duplicates(hub)
    fetch(hub, _PEOPLE)
    fetch(hub, _CODES)
    people = hub.con.execute("SELECT hop, language FROM graph_people ORDER BY code").fetchnumpy()
    ((folded, rejected),) = hub.con.execute(_LEFT_OUT).fetchall()
    rows = _read_columns(hub)
    placed = (rows["source"] >= 0) & (rows["target"] >= 0)
    is_away = (rows["source"] == _AWAY) | (rows["target"] == _AWAY)
    is_loop = placed & (rows["source"] == rows["target"])
    kept = np.flatnonzero(placed & ~is_loop)
    # DuckDB groups in no fixed order, and seeded figures depend on it.
    kept = kept[np.lexsort([rows[name][kept] for name in ("hop", "kind", "target", "source")])]
    return Ties(
        people=len(people["hop"]),
        folded=int(folded),
        rejected=int(rejected),
        source=rows["source"][kept],
        target=rows["target"][kept],
        kind=rows["kind"][kept],
        hop=rows["hop"][kept],
        person_hop=_whole_numbers(people["hop"]),
        person_language=_whole_numbers(people["language"]),
        loops=int(rows["times"][is_loop].sum()),
        repeated=int((rows["times"][kept] - 1).sum()),
        rejected_ties=int(rows["times"][is_away].sum()),
        unplaced=int(rows["times"][~placed & ~is_away].sum()),
    )


def _read_columns(hub: HubFile) -> dict[str, Ints]:
    fetch(hub, _TIES, {"kinds": list(KINDS)})
    found = hub.con.execute("FROM graph_ties").fetchnumpy()
    hub.con.execute("DROP TABLE graph_ties")
    hub.con.execute("DROP TABLE graph_ids")
    return {name: _whole_numbers(values) for name, values in found.items()}


def distinct(values: Ints) -> Ints:
    """Return the different values in rising order; for millions, several times faster than numpy's `unique`."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def _whole_numbers(values: NDArray[np.generic]) -> Ints:
    # A column with nulls comes masked; a hub that was imported may lack hops, which are 0 then.
    return np.ma.filled(values, 0).astype(np.int64)


@dataclass(frozen=True)
class Network:
    """An undirected graph without loops in which a pair is tied or not: `first[i] < second[i]` are tie i's ends."""

    people: int
    first: Ints
    second: Ints

    @classmethod
    def of_pairs(cls, people: int, a: Ints, b: Ints) -> Self:
        """Build the network of personas 0 to `people` - 1 in which each of these pairs is tied, however often named."""
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
    """Return the sizes of the components, largest first.

    Weak components are reached if every tie may be walked both ways. Strong components are reached along the direction
    of the ties, there and back.
    """
    arcs = coo_array((np.ones(len(source), np.int8), (source, target)), shape=(people, people)).tocsr()
    _, labels = connected_components(arcs, directed=True, connection="strong" if strong else "weak")
    return np.sort(np.bincount(labels))[::-1]


def random_network(people: int, ties: int, rng: np.random.Generator) -> Network:
    """Draw exactly `ties` of all pairs of personas, every choice equally likely: G(n, m) of Erdos and Renyi 1959.

    `ties` is at most people * (people - 1) / 2.
    """
    pairs = people * (people - 1) // 2
    if 2 * ties > pairs:
        low, high = np.triu_indices(people, 1)
        kept = rng.choice(pairs, ties, replace=False)
        return Network.of_pairs(people, low[kept].astype(np.int64), high[kept].astype(np.int64))
    drawn = np.zeros(0, np.int64)
    # Fewer than half of all pairs are taken, so each round yields at least half of the missing ones.
    while len(drawn) < ties:
        a, b = rng.integers(0, people, (2, ties - len(drawn) + 16))
        fresh = (np.minimum(a, b) * people + np.maximum(a, b))[a != b]
        drawn = distinct(np.concatenate([drawn, fresh]))
    kept = rng.permutation(drawn)[:ties]
    return Network.of_pairs(people, kept // max(1, people), kept % max(1, people))
