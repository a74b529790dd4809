"""Changed descriptions: new ids in every table, people merged by it, and undoing both."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from ..judgement import judge_persona
from ..persona import Persona
from ..rules import PERSONAL_RULE, Policy, personal_judge
from ..rules.pseudonyms import Pseudonyms
from ..rules.quality import rewriting_judge
from .queries import registered, table_names
from .reconcile import withdraw

#: Columns that hold ids of personas, by any table that has one.
_REFERENCES = {
    "agents": ("agent",),
    "biographies": ("persona",),
    "contradictions": ("persona", "other"),
    "duplicates": ("persona", "of"),
    "elites": ("persona", "original"),
    "imports": ("persona",),
    "personas": ("parent",),
    "profiles": ("persona",),
    "relations": ("source", "target"),
    "selected": ("persona",),
    "merged_people": ("became",),
}

#: Tables with one row a person: of those who become one, the first row stays.
_SINGLE = ("biographies", "profiles")
_DOUBLES = """
DELETE FROM {table} WHERE rowid IN (
    SELECT t.rowid FROM {table} AS t LEFT JOIN gone ON was = persona
    QUALIFY row_number() OVER (PARTITION BY coalesce(now, persona) ORDER BY was NULLS FIRST, t.rowid) > 1)
"""

_CHANGES = dict.fromkeys(("was", "now", "text"), "VARCHAR") | dict.fromkeys(("tells", "is_kept"), "BOOLEAN")

_REWRITE = """
INSERT INTO personas BY NAME
SELECT p.* REPLACE (c.now AS id, c.text AS text)
FROM personas AS p JOIN gone AS c ON c.was = p.id
WHERE c.now IS NOT NULL AND c.now NOT IN (SELECT id FROM personas)
QUALIFY row_number() OVER (PARTITION BY c.now ORDER BY p.ordinal) = 1
"""

#: Earlier rule results follow the new ids, and lose the words of people whose data are dropped.
_RULE_RESULTS = (
    """UPDATE rule_results SET text = NULL, "before" = NULL FROM gone
    WHERE tells AND now IS NULL AND (persona = was OR became = was)""",
    "DELETE FROM merged_people USING gone WHERE tells AND NOT is_kept AND merged_people.became = was",
    "UPDATE rule_results SET became = now FROM gone WHERE became = was",
    "UPDATE rule_results SET persona = now FROM gone WHERE persona = was AND now IS NOT NULL "
    """AND (outcome = 'rejected' OR "column" IS NOT NULL)""",
)


@dataclass(frozen=True, slots=True)
class DescriptionChange:
    """What becomes of a description; `now` and `text` are None where it goes."""

    was: str
    now: str | None
    text: str | None
    #: Whether that is for the sake of personal data.
    tells: bool = False
    #: Whether a rule result keeps the description as it was, so that it can be restored.
    is_kept: bool = True


#: The columns that identify a row of a table, besides the person; rows of other tables are not recorded.
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
    ("rule_results", "became"): ("persona", "rule"),
    ("selected", "persona"): ("selection", "ordinal"),
}
#: Rewritten people (`was`) of the temporary table `gone` whose new id another person has, or gets first.
#: Somebody whom the same rule rewrote before, and who was imported or merged again, is the same person.
_JOINED = """
CREATE OR REPLACE TEMP TABLE joined AS
SELECT was, now FROM (
    SELECT g.was, g.now, row_number() OVER (PARTITION BY g.now ORDER BY p.ordinal) > 1 AS is_later
    FROM gone AS g JOIN personas AS p ON p.id = g.was WHERE g.now IS NOT NULL AND g.is_kept
) WHERE (is_later OR now IN (SELECT id FROM personas))
AND ((was, now) IN (SELECT (persona, became) FROM merged_people)
    OR (was, now) NOT IN (SELECT (persona, became) FROM rule_results
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


def _record_merged(con: duckdb.DuckDBPyConnection, tables: set[str], single: Sequence[str]) -> None:
    """Record the rows of those in `gone` who become another person, before their ids change.

    `single` are the tables with one row a person.
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


def _separate(
    con: duckdb.DuckDBPyConnection, was: str, became: str, now: tuple[str, str], single: Sequence[str]
) -> None:
    """Separate a person from `became`, with whom they were merged: id and text `now`, and all their rows."""
    given = {"was": was, "became": became, "now": now[0]}
    tables = table_names(con)
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
    con.execute("UPDATE rule_results SET became = $now WHERE persona = $was AND became = $became", given)
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


#: The rule results that rewrote the people of a change, by the person they are about now; of those who were merged
#: with others (`was`) apart from the rest.
_REWRITTEN = """
WITH wanted AS (SELECT DISTINCT became FROM rule_results WHERE rowid IN (SELECT unnest($rows)))
SELECT r.became, coalesce(u.persona, v.persona) AS was, r.persona, r.rule, r.text, r.undone
FROM rule_results AS r SEMI JOIN wanted USING (became)
LEFT JOIN (SELECT DISTINCT persona, became FROM merged_people) AS u ON u.persona = r.persona AND u.became = r.became
LEFT JOIN (FROM merged_people WHERE "table" = 'rule_results') AS v
    ON v.became = r.became AND v."row" ->> 'persona' = r.persona AND v."row" ->> 'rule' = r.rule
WHERE r.outcome = 'rewritten' ORDER BY r.rowid
"""


#: The names that were replaced in the record of each person.
_NAMES = """
SELECT persona, list(DISTINCT "before") FROM rule_results
WHERE rule = $rule AND kind = 'name' AND "before" IS NOT NULL GROUP BY persona
"""


@dataclass(frozen=True, slots=True)
class _RewrittenRow:
    """One row of `rule_results` that rewrote a description."""

    became: str
    was: str | None
    persona: str
    rule: str
    text: str | None
    undone: bool


def rewrite_again(con: duckdb.DuckDBPyConnection, rows: Sequence[int], pseudonyms: Pseudonyms) -> list[str]:
    """Give personas the descriptions that follow from the rule results still in force, and return their new ids.

    `rows` are row ids of `rule_results` that were undone, or set again. A persona whose rewritten description was equal
    to another's becomes a separate persona again. All of it happens in the caller's transaction.
    """
    found = [_RewrittenRow(*row) for row in con.execute(_REWRITTEN, {"rows": list(rows)}).fetchall()]
    people: dict[tuple[str, str | None], list[_RewrittenRow]] = {}
    for rule_result in found:
        people.setdefault((rule_result.became, rule_result.was), []).append(rule_result)
    names = dict(con.execute(_NAMES, {"rule": PERSONAL_RULE}).fetchall())
    wanted = {who: _described(rule_results, pseudonyms, names) for who, rule_results in people.items()}
    changes = [
        DescriptionChange(became, now[0], now[1]) for (became, was), now in wanted.items()
        if was is None and now is not None and now[0] != became
    ]  # fmt: skip
    stays = {became: now for (became, was), now in wanted.items() if was is None and now is not None}
    entered = [change.now for change in changes if change.now is not None]
    for (became, was), now in wanted.items():
        if was is not None and now is not None and now[0] != stays.get(became, (became, ""))[0]:
            _separate(con, was, became, now, _SINGLE)
            entered.append(now[0])
    if changes:
        change_people(con, changes)
    return entered


def _described(
    rule_results: Iterable[_RewrittenRow], pseudonyms: Pseudonyms, names: Mapping[str, Sequence[str]]
) -> tuple[str, str] | None:
    """Return the id and text of a persona by the rule results in force; None if the original text was not kept."""
    first, *_ = rule_results = list(rule_results)
    if first.text is None:
        return None
    # Of personal data there is a row for each piece.
    holding = list(dict.fromkeys(rule_result.rule for rule_result in rule_results if not rule_result.undone))
    if not holding:
        return first.persona, first.text
    of_record = [name for one in (first.persona, first.became) for name in names.get(one, ())]
    judges = [
        personal_judge(Policy.PSEUDONYMISE, pseudonyms, of_record) if rule == PERSONAL_RULE else rewriting_judge()
        for rule in holding
    ]
    now = judge_persona(Persona(first.text), judges).persona
    return now.id, now.text


def change_people(con: duckdb.DuckDBPyConnection, changes: Sequence[DescriptionChange]) -> None:
    """Give personas other descriptions, and so other ids, in every table of a hub that is being written.

    A persona whose new description somebody already has is merged with them. `reconcile` decides the verdicts on them.
    """
    columns = {name: [getattr(change, name) for change in changes] for name in _CHANGES}
    with registered(con, columns, "changes", _CHANGES):
        con.execute("CREATE OR REPLACE TEMP TABLE gone AS FROM changes")
    _change(con)


def _change(con: duckdb.DuckDBPyConnection) -> None:
    there = table_names(con)
    withdraw(con)
    _record_merged(con, there, _SINGLE)
    con.execute(_REWRITE)
    for statement in _RULE_RESULTS:
        con.execute(statement)
    for table, columns in _REFERENCES.items():
        for column in columns if table in there else ():
            # The names are constants of this module.
            place = f'{table}."{column}"'
            if table in _SINGLE:
                con.execute(_DOUBLES.format(table=table))
            con.execute(f'UPDATE {table} SET "{column}" = now FROM gone WHERE {place} = was AND now IS NOT NULL')  # noqa: S608
            if (table, column) == ("personas", "parent"):
                con.execute("UPDATE personas SET parent = NULL FROM gone WHERE parent = was AND now IS NULL")
            else:
                con.execute(f"DELETE FROM {table} USING gone WHERE {place} = was AND now IS NULL")  # noqa: S608
    # The vector of the old description would reveal what was in it.
    if "vectors" in there:
        con.execute("DELETE FROM vectors USING gone WHERE text_hash = was")
    con.execute("DELETE FROM personas USING gone WHERE id = was")
