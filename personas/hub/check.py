"""Judging everybody in a hub by the rules: one row a ruling, nothing lost but personal data that were to go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from ..errors import SetupError
from ..judging import Judge, Ruling
from ..persona import content_id
from ..rules import Policy, personal_judge, quality_judge
from .file import HubFile

__all__ = ["CheckReport", "judge_people"]

_ROWS = 10_000

#: Who has not been ruled upon, near-duplicates included: an undone verdict brings them back.
_UNJUDGED = """
SELECT id, text FROM personas
WHERE NOT EXISTS (FROM rulings WHERE rulings.persona = id AND rule IN (SELECT unnest($rules)))
ORDER BY ordinal
"""

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
}

_REWRITE = """
INSERT INTO personas BY NAME
SELECT p.* REPLACE (c.became AS id, c.now AS text)
FROM personas AS p JOIN changes AS c ON c.persona = p.id
WHERE c.outcome = 'rewritten' AND c.became NOT IN (SELECT id FROM personas)
QUALIFY row_number() OVER (PARTITION BY c.became ORDER BY p.ordinal) = 1
"""

_GONE = """
CREATE OR REPLACE TEMP TABLE gone AS
SELECT persona AS was, any_value(became) FILTER (outcome = 'rewritten') AS now
FROM changes GROUP BY persona HAVING bool_or(outcome IN ('rewritten', 'removed'))
"""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of a check."""

    judged: int
    #: Rulings by rule and outcome.
    rulings: Counter[tuple[str, str]]


def judge_people(
    hub: HubFile, *, quality: bool = True, language: str | None = None, personal: Policy | None = Policy.KEEP
) -> CheckReport:
    """Judge everybody whom no ruling stands on yet, in one transaction.

    Quality turns away, which is a mark that can be undone, or rewrites. Personal data are kept and flagged, replaced,
    or their description is removed. Raises `SetupError` for a hub that is a lived society whose people may not change.
    """
    judges = _judges(quality, language, personal)
    if not judges:
        raise SetupError("There is nothing to check by; leave quality or personal data in.")
    judged, rulings = 0, Counter[tuple[str, str]]()
    with hub.writing() as con:
        con.execute("CREATE OR REPLACE TEMP TABLE changes (persona VARCHAR, rule VARCHAR, reason VARCHAR, "
                    "outcome VARCHAR, became VARCHAR, text VARCHAR, now VARCHAR)")  # fmt: skip
        for people in _people(con):
            judged += len(people)
            rows = [row for persona, text in people for row in _rows(persona, text, judges)]
            rulings.update((row["rule"] or "", row["outcome"] or "") for row in rows)
            _keep(con, rows)
        _check_unlived(con, hub)
        _apply(con)
    return CheckReport(judged, rulings)


def _judges(quality: bool, language: str | None, personal: Policy | None) -> list[tuple[Judge, str]]:
    judges = [(quality_judge(language), "turned_away")] if quality else []
    return [*judges, (personal_judge(personal), "removed")] if personal is not None else judges


def _people(con: duckdb.DuckDBPyConnection) -> Iterator[Sequence[tuple[str, str]]]:
    rules = ["too_short", "too_long", "refusal", "template_leak", "refers_to_unnamed", "first_person",
             "other_language", "personal_data"]  # fmt: skip
    cursor = con.cursor()
    found = cursor.execute(_UNJUDGED, {"rules": rules})
    while people := found.fetchmany(_ROWS):
        yield people


def _rows(persona: str, text: str, judges: Sequence[tuple[Judge, str]]) -> list[dict[str, str | None]]:
    """The rows of all rulings on one description; a later judge sees what an earlier one made of it."""
    rulings: list[tuple[Ruling, str]] = []
    now = text
    for judge, away in judges:
        ruling = judge(now)
        if ruling is None:
            continue
        rulings.append((ruling, "rewritten" if ruling.text is not None else "kept" if ruling.is_kept else away))
        now = ruling.text or now
        if not ruling.is_kept:
            break
    tells = any(ruling.rule == "personal_data" and outcome != "kept" for ruling, outcome in rulings)
    became = content_id(now) if now != text else None
    return [
        {
            "persona": persona,
            "rule": ruling.rule,
            "reason": ruling.reason,
            "outcome": outcome,
            "became": became,
            "text": None if tells else text,
            "now": now if became else None,
        }
        for ruling, outcome in rulings
    ]


def _keep(con: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, str | None]]) -> None:
    if rows:
        schema = con.sql("FROM changes LIMIT 0").to_arrow_table().schema
        con.register("new_changes", pa.Table.from_pylist(list(rows), schema=schema))
        con.execute("INSERT INTO changes FROM new_changes")
        con.unregister("new_changes")


def _check_unlived(con: duckdb.DuckDBPyConnection, hub: HubFile) -> None:
    changed = con.execute("SELECT 1 FROM changes WHERE outcome IN ('rewritten', 'removed') LIMIT 1").fetchone()
    if changed and "steps" in _tables(con) and con.execute("SELECT 1 FROM steps LIMIT 1").fetchone():
        raise SetupError(
            f"The people of {str(hub.path)!r} have lived, and what they did goes by who they were; check them with "
            "--personal keep, or export them to a hub first."
        )


def _tables(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def _apply(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("INSERT INTO rulings SELECT persona, rule, reason, outcome, became, text, false FROM changes")
    con.execute(_REWRITE)
    con.execute(_GONE)
    for table, columns in _REFERENCES.items():
        if table not in _tables(con):
            continue
        for column in columns:
            # The names are ours, and stand above.
            place = f'{table}."{column}"'
            con.execute(f'UPDATE {table} SET "{column}" = now FROM gone WHERE {place} = was AND now IS NOT NULL')  # noqa: S608
            if (table, column) == ("personas", "parent"):
                con.execute("UPDATE personas SET parent = NULL FROM gone WHERE parent = was")
            else:
                con.execute(f"DELETE FROM {table} USING gone WHERE {place} = was")  # noqa: S608
    con.execute("DELETE FROM personas USING gone WHERE id = was")
