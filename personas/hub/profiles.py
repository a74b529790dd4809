"""Profiles, biographies and elite personas in a hub, and contradictions between the profiles of two tied people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import orjson

from ...core.arrow import table_of
from ..persona import Persona
from ..profiles.biography import Biography, Elite
from ..profiles.profile import ATTRIBUTES, Profile, Tied, read_label
from .queries import SURVIVORS, count, registered

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


@dataclass(frozen=True, slots=True)
class _Contradiction:
    """A condition on a pair `s` (whom the relation leads from) and `t` (the `relation` of `s`) that cannot be true."""

    name: str
    condition: str
    #: SQL for the sentence that says so.
    detail: str
    #: The attribute to ask for again; None where no profile can settle it.
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class AskedContradiction:
    """A contradiction, seen from the persona whose profile is asked for again."""

    asked: str
    other: str
    #: What the model reads: the contradiction, and who the other is.
    text: str


_KIN = ("parent", "child", "grandparent", "grandchild", "sibling")


def _one_of(relations: Sequence[str], kind: str = "kinship") -> str:
    return f"kind = '{kind}' AND NOT is_otherwise AND relation IN ({', '.join(f"'{name}'" for name in relations)})"


_AGES = "format('The {} is aged {}, and the person whose {} that is {}.', label, t_band, label, s_band)"

#: A decade holds those up to nine years apart; mothers are at least 13 or so, and nobody becomes a parent at 80.
_RULES = (
    _Contradiction(
        "parent_age", f"{_one_of(['parent'])} AND (t_age <= s_age OR t_age >= s_age + 90)", _AGES, "age_band"
    ),
    _Contradiction("child_age", f"{_one_of(['child'])} AND (s_age <= t_age OR s_age >= t_age + 90)", _AGES, "age_band"),
    _Contradiction("grandparent_age", f"{_one_of(['grandparent'])} AND t_age < s_age + 20", _AGES, "age_band"),
    _Contradiction("grandchild_age", f"{_one_of(['grandchild'])} AND s_age < t_age + 20", _AGES, "age_band"),
    _Contradiction("sibling_age", f"{_one_of(['sibling'])} AND abs(s_age - t_age) >= 40", _AGES, "age_band"),
    _Contradiction("spouse_age", f"{_one_of(['spouse'])} AND (s_age = 0 OR t_age = 0)", _AGES, "age_band"),
    _Contradiction(
        "colleague_age", f"{_one_of(['employer', 'colleague'], 'work')} AND (s_age = 0 OR t_age = 0)", _AGES, "age_band"
    ),
    _Contradiction(
        "no_common_language",
        "kind IN ('kinship', 'friendship') AND NOT list_has_any(s_tongues, t_tongues)",
        "format('The {} speaks {}, and the person whose {} that is {}.', label, array_to_string(t_tongues, ', '), "
        "label, array_to_string(s_tongues, ', '))",
        "languages",
    ),
    _Contradiction(
        "neighbour_region",
        "kind = 'neighbourhood' AND len(s_places) > 0 AND len(t_places) > 0 AND NOT list_has_any(s_places, t_places)",
        "format('The {} lives in {}, and the person whose {} that is in {}.', label, t_region, label, s_region)",
        "region",
    ),
    _Contradiction(
        "spouse_of_another",
        f"{_one_of(['spouse'])} AND EXISTS (FROM married m WHERE m.source = ties.target AND m.target <> ties.source)",
        "format('The {} is married to somebody else.', label)",
    ),
    _Contradiction(
        "spouse_otherwise",
        f"{_one_of(['spouse'])} AND EXISTS (FROM related k WHERE k.source = ties.target AND k.target = ties.source)",
        "format('The {} is also a blood relation by another tie.', label)",
    ),
    _Contradiction(
        "mutual_employers",
        f"{_one_of(['employer'], 'work')} AND EXISTS (FROM employing e WHERE e.source = ties.target "
        "AND e.target = ties.source AND e.source < e.target)",
        "format('Each of the two is the {} of the other.', label)",
    ),
)

#: The rules by name.
RULES: tuple[str, ...] = tuple(rule.name for rule in _RULES)

_COLUMNS = ("band", "age", "tongues", "region", "places", "age_band_rank", "languages_rank", "region_rank")

# The words of a place count by their first five letters, so that Bavaria and the Bavarian Alps are one.
_RANKED = ("age_band", "languages", "region")
_RANKS = ", ".join(
    f"CASE json_extract_string(evidence, '$.{name}.evidence') WHEN 'assumed' THEN 0 WHEN 'implied' THEN 1 ELSE 2 END "
    f"AS {name}_rank"
    for name in _RANKED
)
_PEOPLE = r"""
SELECT persona, age_band AS band, TRY_CAST(regexp_extract(age_band, '^[0-9]+') AS INTEGER) AS age,
       list_transform(languages, lambda tag: split_part(tag, '-', 1)) AS tongues, region,
       CASE WHEN region IS NOT NULL THEN list_transform(
           list_filter(regexp_split_to_array(lower(region), '[^\p{L}\p{N}]+'), lambda w: length(w) > 2
                       OR length(w) > 0 AND ascii(w) > 127),
           lambda w: left(w, 5)) END AS places,
       {ranks}
FROM profiles WHERE persona IN (SELECT source FROM living UNION SELECT target FROM living)
"""

_TIES = f"""
SELECT r.source, r.target, r.kind, r.label, r.ordinal, m.relation, coalesce(m.is_otherwise, false) AS is_otherwise,
       {", ".join(f"{side}.{name} AS {side}_{name}" for side in "st" for name in _COLUMNS)}, s_in, t_in
FROM living r
JOIN people s ON s.persona = r.source JOIN people t ON t.persona = r.target
LEFT JOIN meanings m ON m.label = r.label AND m.one = r.s_language AND m.other = r.t_language
"""  # noqa: S608 - our own words

_KEPT = f"SELECT persona, survivor AS living FROM ({SURVIVORS})"  # noqa: S608 - our own words

_LIVING = f"""
CREATE OR REPLACE TEMP TABLE living AS
WITH kept AS ({_KEPT})
SELECT ties.*, ties.source IN (FROM scope) AS s_in, ties.target IN (FROM scope) AS t_in, s.language AS s_language,
       t.language AS t_language
FROM (
    SELECT coalesce(s.living, r.source) AS source, coalesce(t.living, r.target) AS target, r.kind, r.label, r.ordinal
    FROM relations r LEFT JOIN kept s ON s.persona = r.source LEFT JOIN kept t ON t.persona = r.target
) ties JOIN personas s ON s.id = ties.source JOIN personas t ON t.id = ties.target
WHERE ties.source <> ties.target AND (s_in OR t_in)
"""  # noqa: S608 - our own words
_UNJUDGED = """
SELECT count(*) FROM living r ANTI JOIN meanings m
ON m.label = r.label AND m.one = r.s_language AND m.other = r.t_language WHERE kind = 'kinship'
"""
_LABELS = "SELECT DISTINCT label, s_language AS one, t_language AS other FROM living WHERE kind IN ('kinship', 'work')"


def find_contradictions(con: duckdb.DuckDBPyConnection, ids: Sequence[str], found_at: datetime) -> int:
    """Search all ties of these personas, replace earlier findings by the new ones, and return their number.

    A finding is open if a profile can be asked for again: the less evident of the two, and one of these personas. It is
    kept if both descriptions state what contradicts, or if no profile can settle it.
    """
    _find_all(con, ids)
    con.execute("DELETE FROM contradictions WHERE persona IN (FROM scope) OR other IN (FROM scope)")
    con.execute(
        "INSERT INTO contradictions SELECT source, target, rule, detail, asked, "
        "CASE WHEN asked IS NULL THEN 'kept' ELSE 'open' END, ? FROM found ORDER BY ordinal, rule",
        [found_at],
    )
    return count(con, "SELECT count(*) FROM found")


def check_again(con: duckdb.DuckDBPyConnection, ids: Sequence[str], found_at: datetime) -> None:
    """Close open findings on these personas: resolved if the contradiction is gone, else kept; new ones are kept."""
    _find_all(con, ids)
    con.execute("""
        UPDATE contradictions c SET status = CASE WHEN EXISTS (
            FROM found f WHERE f.source = c.persona AND f.target = c.other AND f.rule = c.rule
        ) THEN 'kept' ELSE 'resolved' END
        WHERE status = 'open' AND (persona IN (FROM scope) OR other IN (FROM scope))
    """)
    con.execute(
        "INSERT INTO contradictions SELECT source, target, rule, detail, NULL, 'kept', ? FROM found f WHERE NOT EXISTS "
        "(FROM contradictions c WHERE c.persona = f.source AND c.other = f.target AND c.rule = f.rule "
        "AND c.status = 'kept') ORDER BY ordinal, rule",
        [found_at],
    )


def unjudged(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> int:
    """Count the ties of kin of these personas whose label is unknown in all known languages."""
    _make_scope(con, ids)
    return count(con, _UNJUDGED)


def findings_to_ask(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> list[AskedContradiction]:
    """Return the open findings on profiles of these personas, by persona, with the other's text."""
    rows = con.execute(
        """
        SELECT asked, id, detail, asked = persona, text
        FROM contradictions c JOIN personas p ON p.id = CASE WHEN asked = persona THEN other ELSE persona END
        WHERE status = 'open' AND asked IN (SELECT unnest(?))
        ORDER BY asked, c.rowid
        """,
        [list(ids)],
    ).fetchall()
    return [
        AskedContradiction(asked, beside, _format_finding(detail, text, is_source))
        for asked, beside, detail, is_source, text in rows
    ]


def _format_finding(detail: str, other: str, is_source: bool) -> str:
    # The sentence names the one whom the relation leads to first.
    place = "second" if is_source else "first"
    return f"{detail} This person is the {place} of the two; the other: {other[:300]}"


def _find_all(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    """Make the temporary tables `scope` and `found`."""
    _make_scope(con, ids)
    rules = "\nUNION ALL\n".join(map(_rule_query, _RULES))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE found AS
        WITH people AS ({_PEOPLE.replace("{ranks}", _RANKS)}),
        ties AS MATERIALIZED ({_TIES}),
        married AS (SELECT source, target FROM ties WHERE {_one_of(["spouse"])}),
        related AS (SELECT source, target FROM ties WHERE {_one_of(_KIN)}),
        employing AS (SELECT source, target FROM ties WHERE {_one_of(["employer"], "work")}),
        every AS ({rules})
        SELECT source, target, rule, any_value(detail) AS detail, any_value(asked) AS asked, min(ordinal) AS ordinal
        FROM every GROUP BY source, target, rule
    """)  # noqa: S608 - our own words


def _make_scope(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    """Make temporary tables of the personas, their ties, and what the labels of these say."""
    with registered(con, {"persona": ids}, "scope_ids"):
        con.execute("CREATE OR REPLACE TEMP TABLE scope AS FROM scope_ids")
    con.execute(_LIVING)
    _read_labels(con)


_MEANINGS = dict.fromkeys(("label", "one", "other", "relation"), "VARCHAR") | {"is_otherwise": "BOOLEAN"}


def _read_labels(con: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table `meanings` (label, one, other, relation, is_otherwise): labels with two languages."""
    found = [(*row, read_label(row[0], row[1:])) for row in con.execute(_LABELS).fetchall()]
    read = [(label, one, other, said.relation, said.is_otherwise) for label, one, other, said in found if said]
    with registered(con, table_of(read, _MEANINGS), "read_labels"):
        con.execute("CREATE OR REPLACE TEMP TABLE meanings AS FROM read_labels")


def _rule_query(rule: _Contradiction) -> str:
    return (
        f"SELECT source, target, ordinal, '{rule.name}' AS rule, {rule.detail} AS detail, {_asked_sql(rule)} AS asked "  # noqa: S608
        f"FROM ties WHERE {rule.condition}"
    )


def _asked_sql(rule: _Contradiction) -> str:
    if rule.attribute is None:
        return "CAST(NULL AS VARCHAR)"
    s, t = f"s_{rule.attribute}_rank", f"t_{rule.attribute}_rank"
    return f"""CASE
        WHEN s_in AND {s} < 2 AND NOT (t_in AND {t} < 2 AND {t} <= {s}) THEN source
        WHEN t_in AND {t} < 2 THEN target END"""
