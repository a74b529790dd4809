"""People whose rewritten descriptions somebody else had already: what was whose, so that they can be two again."""

import json
from collections.abc import Mapping, Sequence

import duckdb

__all__ = ["part", "record_united"]

#: What tells a row of a table from all others, beside the person; of the tables that are not here nothing is recorded.
_KEYS: Mapping[tuple[str, str], Sequence[str]] = {
    ("contradictions", "persona"): ("other", "rule"),
    ("contradictions", "other"): ("persona", "rule"),
    ("duplicates", "persona"): ("of", "stage"),
    ("duplicates", "of"): ("persona", "stage"),
    ("elites", "persona"): ("original", "skill", "tier"),
    ("elites", "original"): ("persona", "skill", "tier"),
    ("imports", "persona"): ("file", "row"),
    ("personas", "parent"): ("id",),
    ("relations", "source"): ("ordinal",),
    ("relations", "target"): ("ordinal",),
    ("rulings", "became"): ("persona", "rule"),
    ("selected", "persona"): ("selection", "ordinal"),
}
#: Rewritten people (`was`) of the temporary table `gone` whose new id somebody else has already, or gets before them.
#: Whom the same rule rewrote before, and who came again by an import or a merge, is nobody else.
_JOINED = """
CREATE OR REPLACE TEMP TABLE joined AS
SELECT was, now FROM (
    SELECT g.was, g.now, row_number() OVER (PARTITION BY g.now ORDER BY p.ordinal) > 1 AS is_later
    FROM gone AS g JOIN personas AS p ON p.id = g.was WHERE g.now IS NOT NULL AND g.is_kept
) WHERE (is_later OR now IN (SELECT id FROM personas))
AND ((was, now) IN (SELECT (persona, became) FROM merged_people)
    OR (was, now) NOT IN (SELECT (persona, became) FROM rulings
        WHERE outcome = 'rewritten' AND NOT undone AND "column" IS NULL AND became IS NOT NULL))
"""
_ROW = """
INSERT INTO merged_people SELECT was, now, 'personas', 'id', to_json(p) FROM joined JOIN personas AS p ON p.id = was
WHERE NOT EXISTS (SELECT 1 FROM merged_people AS u WHERE u.persona = was AND u.became = now AND u."table" = 'personas'
    AND u."column" = 'id')
"""
_KEY = """
INSERT INTO merged_people SELECT was, now, '{table}', '{column}', {key} FROM joined JOIN {table} AS t ON {place} = was
"""
#: Of tables that know everybody once, the row as it is where another stays, else only that there was one.
_ONE = """
INSERT INTO merged_people
SELECT was, now, '{table}', 'persona', CASE WHEN EXISTS (
    SELECT 1 FROM {table} AS o LEFT JOIN gone AS g ON g.was = o.persona
    WHERE coalesce(g.now, o.persona) = joined.now AND o.persona <> joined.was
) THEN to_json(t) ELSE '{{}}'::JSON END
FROM joined JOIN {table} AS t ON t.persona = was
WHERE NOT EXISTS (SELECT 1 FROM merged_people AS u WHERE u.persona = was AND u.became = now AND u."table" = '{table}')
"""
_RESTORE = """
INSERT INTO {table} BY NAME SELECT * REPLACE ($now AS "{column}") FROM (
    SELECT unnest(from_json("row", '{structure}')) FROM merged_people
    WHERE persona = $was AND became = $became AND "table" = '{table}' AND "column" = '{column}' AND "row" <> '{{}}'
)
"""
_MOVE = """
UPDATE {table} AS t SET "{column}" = $now FROM merged_people AS u
WHERE u.persona = $was AND u.became = $became AND u."table" = '{table}' AND u."column" = '{column}'
AND {place} = $became AND u."row"::VARCHAR = {key}::VARCHAR
"""
_FORGET = "DELETE FROM merged_people WHERE persona = $was AND became = $became"


def record_united(con: duckdb.DuckDBPyConnection, tables: set[str], single: Sequence[str]) -> None:
    """Write down what names each of those in `gone` who become somebody else, before it names that one.

    `single` are the tables that know everybody once.
    """
    con.execute(_JOINED)
    if not con.execute("SELECT 1 FROM joined LIMIT 1").fetchall():
        return
    con.execute(_ROW)
    for table in single:
        if table in tables:
            con.execute(_ONE.format(table=table))
    for table, column in _there(tables):
        con.execute(_KEY.format(table=table, column=column, place=f't."{column}"', key=_key(table, column)))


def part(con: duckdb.DuckDBPyConnection, was: str, became: str, now: tuple[str, str], single: Sequence[str]) -> None:
    """Make somebody who was united with `became` a person again, with the id and text `now`, and all they had."""
    given = {"was": was, "became": became, "now": now[0]}
    tables = {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    is_new = not con.execute("SELECT 1 FROM personas WHERE id = ?", [now[0]]).fetchall()
    if is_new:
        con.execute(_RESTORE.format(table="personas", column="id", structure=_structure(con, "personas")), given)
        con.execute("UPDATE personas SET text = ? WHERE id = ?", [now[1], now[0]])
    for table in single:
        if table in tables and is_new:
            con.execute(_RESTORE.format(table=table, column="persona", structure=_structure(con, table)), given)
            con.execute(_MOVE.format(table=table, column="persona", place="t.persona", key="'{}'"), given)
    for table, column in _there(tables):
        place = f't."{column}"'
        con.execute(_MOVE.format(table=table, column=column, place=place, key=_key(table, column)), given)
    con.execute("UPDATE rulings SET became = $now WHERE persona = $was AND became = $became", given)
    if is_new:
        con.execute(_FORGET, {"was": was, "became": became})
    else:
        con.execute("UPDATE merged_people SET became = $now WHERE persona = $was AND became = $became", given)


def _there(tables: set[str]) -> list[tuple[str, str]]:
    return [place for place in _KEYS if place[0] in tables]


def _key(table: str, column: str) -> str:
    named = ", ".join(f"'{name}': t.\"{name}\"" for name in _KEYS[table, column])
    return f"to_json({{{named}}})"


def _structure(con: duckdb.DuckDBPyConnection, table: str) -> str:
    columns = con.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table]
    ).fetchall()
    return json.dumps(dict(columns)).replace("'", "''")
