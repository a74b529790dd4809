"""A hub of synthetic people with profiles and relations, written straight into its tables from a seed.

Nobody inferred anything: descriptions are those of `people.py`, and profiles are drawn by chance from given shares.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import orjson
import pyarrow as pa
from benchmarks.people import people
from numpy.typing import NDArray

from populace.personas.hub import create_hub
from populace.personas.persona import content_id
from populace.personas.profiles.profile import ATTRIBUTES

type Numbers = NDArray[np.int64]

#: Shares of all people by value, as whole numbers that need not sum up to anything.
REGIONS = {"north": 20, "south": 18, "east": 14, "west": 12, "islands": 9, "capital": 9, "hills": 9, "delta": 9}
AGES = {
    "0-9": 10, "10-19": 11, "20-29": 14, "30-39": 16, "40-49": 14,
    "50-59": 13, "60-69": 11, "70-79": 7, "80-89": 3, "90+": 1,
}  # fmt: skip
#: Occupations with their major group of ISCO-08.
OCCUPATIONS = {
    "nurse": (2, 12), "teacher": (2, 12), "engineer": (2, 10), "cook": (5, 12), "farmer": (6, 16), "clerk": (4, 14),
    "driver": (8, 14), "carpenter": (7, 10), "cleaner": (9, 14), "shop assistant": (5, 20), "electrician": (7, 9),
    "accountant": (2, 7), "manager": (1, 9), "soldier": (0, 3), "technician": (3, 12), "welder": (7, 7),
    "midwife": (2, 3), "fisher": (6, 5), "porter": (9, 9), "secretary": (4, 10), "machinist": (8, 12),
    "physician": (2, 4), "police officer": (5, 6), "programmer": (2, 6), "hairdresser": (5, 6),
}  # fmt: skip
GROUPS = {str(group): sum(share for other, share in OCCUPATIONS.values() if other == group) for group in range(10)}
_HOUSEHOLDS = {
    "alone": 17,
    "couple": 20,
    "couple with children": 30,
    "single parent": 8,
    "with parents": 15,
    "shared": 10,
}
_COLOURS = {"blue": 32, "green": 20, "red": 16, "yellow": 9, "black": 9, "violet": 8, "orange": 6}
_INTERESTS = [
    "football",
    "gardening",
    "chess",
    "choirs",
    "cooking",
    "cycling",
    "radio",
    "poetry",
    "fishing",
    "knitting",
    "films",
    "birds",
    "maps",
    "cards",
]
_VALUES = [
    "benevolence",
    "security",
    "tradition",
    "achievement",
    "universalism",
    "self-direction",
    "hedonism",
    "conformity",
]
_KINDS = ("kinship", "work", "trade", "care", "teaching", "neighbourhood", "rivalry", "service")
_TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
#: Of a hundred people so many are in each hop, from hop 0.
_HOPS = (3, 7, 12, 16, 19, 21, 22)
_UNKNOWN = ("family_background", "life_events")
_MADE_AT = datetime(2026, 1, 1)
_GROUP = 100_000

_PEOPLE = """
INSERT INTO personas
SELECT id, ordinal, text, CASE hop WHEN 0 THEN 'text' ELSE 'persona' END, hop, parent, 'en', NULL, NULL, 'synthetic',
       'synthetic@1'
FROM crowd
"""
_TIES = """
INSERT INTO relations
SELECT row_number() OVER (ORDER BY q.hop, c.source, c.place), p.id, q.id, c.kind, c.kind || ' ' || c.place % 97,
       greatest(1, q.hop)
FROM crowd AS c JOIN personas AS p ON p.ordinal = c.source JOIN personas AS q ON q.ordinal = c.target
ORDER BY q.hop, c.source, c.place
"""
_VERDICTS = """
INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
SELECT 'persona', p.id, q.id, 'minhash', 0.95, false
FROM personas AS p JOIN personas AS q ON q.ordinal = p.ordinal - 1 WHERE p.ordinal % 100 = 0
"""


def make_crowd(path: Path, number: int, ties: int, seed: int) -> None:
    """A new hub of so many people, each with a profile, and so many relations; one in a hundred is a duplicate.

    Relations are as growth leaves them: everybody but those of hop 0 has a parent in the hop before, the relations of
    one person stand together, and what is left leads to whomever chance names.
    """
    rng = np.random.default_rng(seed)
    hops = np.sort(rng.choice(len(_HOPS), number, p=_shares(_HOPS)))
    parents = _parents(hops, rng)
    with create_hub(path) as hub, hub.writing() as con:
        ids = _write_people(con, number, hops, parents, seed)
        for first in range(0, number, _GROUP):
            some = ids[first : first + _GROUP]
            _write(con, _profiles(some, rng), "INSERT INTO profiles BY NAME FROM crowd")
        _write(con, _ties(parents, ties, rng), _TIES)
        con.execute(_VERDICTS)


def _shares(weights: Sequence[int]) -> NDArray[np.float64]:
    return np.array(weights) / sum(weights)


def _parents(hops: Numbers, rng: np.random.Generator) -> Numbers:
    """The place of each one's parent, from 0; -1 in hop 0. Children of one parent stand together."""
    parents = np.full(len(hops), -1, dtype=np.int64)
    for hop in range(1, len(_HOPS)):
        first, last, behind = np.searchsorted(hops, [hop - 1, hop, hop + 1])
        if first < last:
            parents[last:behind] = np.sort(rng.integers(first, last, behind - last))
    return parents


def _write_people(con: duckdb.DuckDBPyConnection, number: int, hops: Numbers, parents: Numbers, seed: int) -> list[str]:
    ids: list[str] = []
    texts = _distinct(number, seed)
    for first in range(0, number, _GROUP):
        some = [next(texts) for _ in range(min(_GROUP, number - first))]
        ids += [content_id(text) for text in some]
        there = range(first, len(ids))
        columns = {
            "id": ids[first:],
            "ordinal": pa.array(range(first + 1, len(ids) + 1), pa.int32()),
            "text": some,
            "hop": pa.array(hops[first : len(ids)], pa.int32()),
            "parent": pa.array([ids[parents[place]] if parents[place] >= 0 else None for place in there], pa.string()),
        }
        _write(con, pa.table(columns), _PEOPLE)
    return ids


def _distinct(number: int, seed: int) -> Iterator[str]:
    """Descriptions none of which occurs twice: equal texts would be one person."""
    seen: set[str] = set()
    for text in people(2 * number + 100, seed):
        if text not in seen:
            seen.add(text)
            yield text


def _profiles(ids: Sequence[str], rng: np.random.Generator) -> pa.Table:
    number = len(ids)
    names = list(OCCUPATIONS)
    work = rng.choice(len(names), number, p=_shares([share for _, share in OCCUPATIONS.values()]))
    groups = np.array([group for group, _ in OCCUPATIONS.values()], dtype=np.int8)
    traits = {name: rng.integers(1, 6, number, dtype=np.int8) for name in _TRAITS}
    columns = {
        "persona": pa.array(ids, pa.string()),
        "age_band": _drawn(AGES, number, rng),
        "occupation": pa.array(names).take(pa.array(work)),
        "occupation_group": groups[work],
        "education": rng.integers(0, 9, number, dtype=np.int8),
        "household": _drawn(_HOUSEHOLDS, number, rng),
        "region": _drawn(REGIONS, number, rng),
        "languages": _listed(["en", "fr", "sw", "hi", "es"], 1, number, rng),
        "interests": _listed(_INTERESTS, 3, number, rng),
        "values": _listed(_VALUES, 2, number, rng),
        **traits,
        "favourite_colour": _drawn(_COLOURS, number, rng),
        "favourite_number": rng.integers(0, 100, number, dtype=np.int32),
        "evidence": pa.array([_EVIDENCE] * number, pa.string()),
        "only_evident": np.zeros(number, dtype=np.bool_),
        "model": ["synthetic"] * number,
        "prompt": ["synthetic@1"] * number,
        "made_at": pa.array([_MADE_AT] * number, pa.timestamp("us")),
    }
    return pa.table(columns)


#: What a real profile says of every attribute; here everything is assumed, as nothing was inferred from anything.
_EVIDENCE = orjson.dumps(
    {name: {"evidence": "unknown" if name in _UNKNOWN else "assumed"} for name in ATTRIBUTES}
).decode()


def _drawn(shares: dict[str, int], number: int, rng: np.random.Generator) -> pa.Array:
    places = rng.choice(len(shares), number, p=_shares(list(shares.values())))
    return pa.array(list(shares)).take(pa.array(places))


def _listed(values: Sequence[str], each: int, number: int, rng: np.random.Generator) -> pa.Array:
    # Neighbours in the list, so that nobody has one of them twice.
    places = (rng.integers(0, len(values), number)[:, None] + np.arange(each)) % len(values)
    ends = pa.array(np.arange(0, each * number + 1, each), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(list(values)).take(pa.array(places.ravel())))


def _ties(parents: Numbers, ties: int, rng: np.random.Generator) -> pa.Table:
    """Sources and targets by ordinal: first everybody's parent, then the rest by chance."""
    children = np.flatnonzero(parents >= 0)[:ties]
    left = ties - len(children)
    sources = np.concatenate([parents[children], rng.integers(0, len(parents), left)])
    targets = np.concatenate([children, rng.integers(0, len(parents), left)])
    targets = np.where(targets == sources, (targets + 1) % len(parents), targets)
    kinds = pa.array(_KINDS).take(pa.array(rng.integers(0, len(_KINDS), ties)))
    return pa.table({"place": np.arange(ties), "source": sources + 1, "target": targets + 1, "kind": kinds})


def _write(con: duckdb.DuckDBPyConnection, table: pa.Table, statement: str) -> None:
    con.register("crowd", table)
    con.execute(statement)
    con.unregister("crowd")
