"""Profiles, biographies and elite personas in a hub: written a chunk at a time, read for the prompts of others."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import orjson

from ..persona import Persona
from ..profiles.biography import Biography, Elite
from ..profiles.profile import ATTRIBUTES, Profile, Tied
from .queries import SURVIVORS, registered

_PERSONAS = """
SELECT text, origin, hop, parent, language, source, licence, model, prompt
FROM personas WHERE id IN (SELECT unnest(?)) ORDER BY ordinal
"""

#: Tied people who are shown of one person.
_MOST_TIED = 12
#: Ties to a near-duplicate lead to its survivor; kin first, as they constrain each other most.
_TIED = f"""
WITH kept AS (SELECT persona, survivor AS living FROM ({SURVIVORS})),
wanted AS (SELECT DISTINCT unnest(?) AS persona), reached AS (
    SELECT persona AS id, persona FROM wanted
    UNION ALL SELECT kept.persona, living FROM kept JOIN wanted ON wanted.persona = living
), seen AS (
    SELECT persona, target AS other, label, true AS is_theirs, kind, ordinal FROM relations JOIN reached ON id = source
    UNION ALL
    SELECT persona, source, label, false, kind, ordinal FROM relations JOIN reached ON id = target
), ties AS (
    SELECT seen.* REPLACE (coalesce(living, other) AS other) FROM seen LEFT JOIN kept ON kept.persona = other
)
SELECT persona, other, label, is_theirs, text FROM ties JOIN personas ON id = other
WHERE other <> persona
QUALIFY row_number() OVER (PARTITION BY persona ORDER BY kind <> 'kinship', ties.ordinal, is_theirs) <= ?
ORDER BY persona, kind <> 'kinship', ties.ordinal, is_theirs
"""  # noqa: S608 - our own words

_NEW_ELITES = """
INSERT INTO personas
SELECT id, (SELECT coalesce(max(ordinal), 0) FROM personas) + row_number() OVER (ORDER BY place), text,
       origin, hop, parent, language, source, licence, model, prompt
FROM (SELECT * FROM raised QUALIFY row_number() OVER (PARTITION BY id ORDER BY place) = 1) r
WHERE id NOT IN (SELECT id FROM personas)
"""
_PERSONA_COLUMNS = ("id", "text", "origin", "hop", "parent", "language", "source", "licence", "model", "prompt")


def read_personas(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> list[Persona]:
    """The personas with these ids, in their order of arrival."""
    found = con.execute(_PERSONAS, [list(ids)]).fetchall()
    names = ("text", *_PERSONA_COLUMNS[2:])
    return [Persona(**dict(zip(names, row, strict=True))) for row in found]


def read_values(con: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Profiles as values by attribute, by persona; people without one are left out."""
    columns = ", ".join(f'"{name}"' for name in ATTRIBUTES)
    query = f"SELECT persona, {columns} FROM profiles WHERE persona IN (SELECT unnest(?))"  # noqa: S608 - our own names
    found = con.execute(query, [list(ids)]).fetchall()
    return {persona: dict(zip(ATTRIBUTES, row, strict=True)) for persona, *row in found}


def read_tied(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, list[Tied]]:
    """The people tied to each of these, either way, at most 12 of each: kin first, then in order of arrival."""
    rows = con.execute(_TIED, [list(ids), _MOST_TIED]).fetchall()
    values = read_values(con, {row[1] for row in rows})
    tied: dict[str, list[Tied]] = {persona: [] for persona in ids}
    for persona, other, label, is_theirs, text in rows:
        if all(known.persona != other for known in tied[persona]):
            tied[persona].append(Tied(other, label, is_theirs, text, values.get(other, {})))
    return tied


def write_profiles(con: duckdb.DuckDBPyConnection, profiles: Sequence[Profile], made_at: datetime) -> None:
    """Keep these profiles, each replacing an earlier one of the same persona."""
    columns = {name: [p.value(name) for p in profiles] for name in ATTRIBUTES}
    _put_rows(
        con,
        "profiles",
        {
            "persona": [p.persona for p in profiles],
            **columns,
            "evidence": [_format_evidence(p) for p in profiles],
            "only_evident": [p.only_evident for p in profiles],
            "model": [p.model for p in profiles],
            "prompt": [p.prompt for p in profiles],
            "made_at": [made_at] * len(profiles),
        },
    )


def write_biographies(con: duckdb.DuckDBPyConnection, biographies: Sequence[Biography], made_at: datetime) -> None:
    """Keep these biographies, each replacing an earlier one of the same persona."""
    names = ("persona", "text", "mentions", "language", "model", "prompt")
    columns: dict[str, list[Any]] = {name: [getattr(b, name) for b in biographies] for name in names}
    _put_rows(con, "biographies", columns | {"made_at": [made_at] * len(biographies)})


def write_elites(con: duckdb.DuckDBPyConnection, elites: Sequence[Elite], made_at: datetime) -> None:
    """Keep these elite personas: as personas, unless they are there already, and what was changed."""
    people = {name: [getattr(e.persona, name) for e in elites] for name in _PERSONA_COLUMNS}
    with registered(con, {**people, "place": range(len(elites))}, "raised"):
        con.execute(_NEW_ELITES)
    columns: dict[str, list[Any]] = {
        "persona": [e.persona.id for e in elites],
        **{name: [getattr(e, name) for e in elites] for name in ("original", "skill", "tier")},
        **{name: [getattr(e, name) for e in elites] for name in ("general_domain", "specific_domain")},
        "changes": [orjson.dumps([c.model_dump() for c in e.changes]).decode() for e in elites],
        "model": [e.persona.model for e in elites],
        "prompt": [e.persona.prompt for e in elites],
        "made_at": [made_at] * len(elites),
    }
    same = "(original, skill, tier) IN (SELECT (original, skill, tier) FROM new_rows)"
    _put_rows(con, "elites", columns, before=f"DELETE FROM elites WHERE {same}")  # noqa: S608 - our own words


def _put_rows(
    con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, Sequence[Any]], *, before: str | None = None
) -> None:
    there = con.sql(f"FROM {table} LIMIT 0")
    types = dict(zip(there.columns, there.types, strict=True))
    with registered(con, {name: columns[name] for name in types}, "new_rows", types):
        replacing = "" if before else "OR REPLACE"
        if before:
            con.execute(before)
        con.execute(f"INSERT {replacing} INTO {table} FROM new_rows")


def _format_evidence(profile: Profile) -> str:
    by_name = {
        name: {"evidence": a.evidence, "words": a.words} if a.words else {"evidence": a.evidence}
        for name, a in profile.attributes.items()
    }
    return orjson.dumps(by_name).decode()


def read_done(con: duckdb.DuckDBPyConnection, table: str, ids: Sequence[str], *, before: datetime) -> set[str]:
    """Those of these personas who have a row made earlier in a table keyed by persona."""
    query = f"SELECT persona FROM {table} WHERE made_at < ? AND persona IN (SELECT unnest(?))"  # noqa: S608 - our own names
    return {persona for (persona,) in con.execute(query, [before, list(ids)]).fetchall()}
