"""Rule results as rows; undoing verdicts and rule results, or setting them again. Rows are marked, never deleted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from ...core.database import has_tables
from ...core.errors import SetupError
from ..growth import Judge, Judgement, RuleResultRow, judge_persona, with_redactions
from ..persona import Persona
from ..rules import PERSONAL_RULE, Policy
from ..rules.personal import Pseudonyms
from .file import HubFile, hub_table, make_hub_schema
from .queries import RETAINED, count, registered
from .redaction import clear_traces, judge_imports, names_of_people, undo_columns
from .rewrites import derive_texts, reconcile, reconcile_rewritten, rewrite_people

if TYPE_CHECKING:
    from arro3.core import Table


_TYPES = {
    **dict.fromkeys(("persona", "rule", "reason", "outcome", "became", "text", "kind", "column"), "VARCHAR"),
    "place": "BIGINT",
    "before": "VARCHAR",
    "after": "VARCHAR",
    "file": "INTEGER",
    "row": "BIGINT",
}
#: What has been said already stays as it was left, undone or not. Of a description that comes again it is the same
#: wherever it comes from.
_ADD = """
INSERT INTO rule_results BY NAME
SELECT DISTINCT ON (persona, rule, outcome, kind, "column", place, of_file, of_row)
    * EXCLUDE (of_file, of_row), false AS undone
FROM (
    SELECT *, if("column" IS NULL, NULL, file) AS of_file, if("column" IS NULL, NULL, "row") AS of_row
    FROM new_rule_results
) AS n
WHERE NOT EXISTS (
    FROM rule_results AS r WHERE r.persona = n.persona AND r.rule = n.rule AND r.outcome = n.outcome
    AND r."column" IS NOT DISTINCT FROM n."column" AND r.became IS NOT DISTINCT FROM n.became
    AND (r."column" IS NULL OR (r.file IS NOT DISTINCT FROM n.file AND r."row" IS NOT DISTINCT FROM n."row"))
    AND (r.kind IS NULL OR (r.kind = n.kind AND r.place IS NOT DISTINCT FROM n.place))
)
RETURNING kind, "column", outcome
"""
#: A replacement in a column that was undone and is made again holds again.
_AGAIN = """
UPDATE rule_results AS r SET undone = false FROM new_rule_results AS n
WHERE r.undone AND r.outcome = 'rewritten' AND r."column" IS NOT NULL AND r.outcome = n.outcome
AND r.persona = n.persona AND r.rule = n.rule AND r."column" = n."column" AND r.kind = n.kind AND r.place = n.place
AND r.file IS NOT DISTINCT FROM n.file AND r."row" IS NOT DISTINCT FROM n."row"
"""


def rule_result_rows(text: str, judges: Sequence[Judge]) -> tuple[Judgement, tuple[RuleResultRow, ...]]:
    """Apply judges to a description, and return their judgement and its rows; personal data has one row per piece.

    The rows of a changed or rejected description hold the original text, unless personal data were to be erased for
    good. If personal data were replaced, only the rows that say so hold it.
    """
    was = Persona(text)
    judgement = judge_persona(was, judges)
    is_replaced = any(result.rule == PERSONAL_RULE and result.text for _, result in judgement.rule_results)
    became = None if judgement.is_erased or judgement.persona.id == was.id else judgement.persona.id
    rows: list[RuleResultRow] = []
    for persona, result in judgement.rule_results:
        outcome = result.outcome
        has_text = outcome == "rewritten" or (outcome == "rejected" and not is_replaced)
        row = RuleResultRow(
            persona,
            result.rule,
            result.reason,
            outcome,
            became if persona != became else None,
            was.text if has_text and not judgement.is_erased else None,
        )
        rows += with_redactions(row, result.changes)
    return judgement, tuple(rows)


def add_rule_results(
    con: duckdb.DuckDBPyConnection, rows: Sequence[RuleResultRow]
) -> list[tuple[str, str | None, str]]:
    """Write rows into a hub that is being written; rows that it already has are skipped.

    Return the kind, column and outcome of each row on personal data that was written.
    """
    if not rows:
        return []
    columns = {name: [getattr(row, name) for row in rows] for name in _TYPES}
    with registered(con, columns, "new_rule_results", _TYPES):
        con.execute(_AGAIN)
        return [said for said in con.execute(_ADD).fetchall() if said[0] is not None]


_SHORTEST = 4
_PAIR = """(persona = $one AND "of" = $other) OR (persona = $other AND "of" = $one)"""
_RULE = """
UPDATE rule_results SET undone = $undone WHERE outcome = 'rejected' AND rule = $rule AND undone <> $undone
"""
#: Rule results that rewrote a description which was kept as it was.
_REWRITTEN = """
SELECT rowid FROM rule_results
WHERE outcome = 'rewritten' AND rule = $rule AND undone <> $undone AND text IS NOT NULL AND became IS NOT NULL
AND "column" IS NULL
"""
_BACK = "SELECT persona FROM rule_results WHERE outcome = 'rejected' AND rule = $rule AND NOT undone"
_SET = "UPDATE rule_results SET undone = $undone WHERE rowid IN (SELECT unnest($rows))"
_THOSE = "SELECT DISTINCT persona FROM rule_results WHERE outcome = 'rejected' AND rule = $rule"
_COUNTED = f"""
SELECT count(*), count(*) FILTER ({RETAINED}) FROM personas WHERE id IN ({_THOSE})
"""  # noqa: S608 - our own words
_NOT_KEPT = """
SELECT count(DISTINCT persona) FROM rule_results ANTI JOIN personas ON id = persona
WHERE outcome IN ('rejected', 'removed') AND rule = $rule
"""
_RULES = """
SELECT DISTINCT rule FROM rule_results
WHERE outcome = 'rejected'
OR (outcome = 'rewritten' AND (text IS NOT NULL OR ("column" IS NOT NULL AND "before" IS NOT NULL))) ORDER BY rule
"""
_STAGES = "SELECT DISTINCT stage FROM duplicates WHERE kind = 'persona' ORDER BY stage"


@dataclass(frozen=True, slots=True)
class RejectedPeople:
    """The present state of all people whom one rule has rejected at any time."""

    #: All of them who are in the hub, and those of them who are retained: no rule rejects them, no verdict marks them.
    people: int
    retained: int
    #: Those whose descriptions were not kept, so that they cannot come back.
    gone: int


def count_rejected(hub: HubFile, rule: str) -> RejectedPeople:
    """Return the state of the personas that this rule has rejected, including its undone results."""
    ((people, retained),) = hub.con.execute(_COUNTED, {"rule": rule}).fetchall()
    return RejectedPeople(people, retained, count(hub.con, _NOT_KEPT, {"rule": rule}))


def undo_persona(hub: HubFile, persona: str, *, redo: bool = False) -> int:
    """Undo the verdicts that mark this persona as a near-duplicate (`redo`: set them again), and return their number.

    `persona` is an id, or its beginning. Raises `SetupError` if nobody has it, or no verdict is about them.
    """
    found = resolve_persona(hub, persona)
    missing = f"Persona {found} is nobody's near-duplicate in {str(hub.path)!r}; there is nothing to undo."
    return _update_verdicts(hub, "persona = $id", {"id": found}, missing, redo=redo)


def undo_stage(hub: HubFile, stage: str, *, redo: bool = False) -> int:
    """Undo the verdicts of a stage (`redo`: set them again), and return their number.

    Raises `SetupError` for a stage that found nothing.
    """
    stages = [str(name) for (name,) in hub.con.execute(_STAGES).fetchall()]
    there = f"there are verdicts of {', '.join(stages)}" if stages else "there are no verdicts at all"
    missing = f"{str(hub.path)!r} has no verdict of a stage {stage!r}; {there}."
    return _update_verdicts(hub, "stage = $stage", {"stage": stage}, missing, redo=redo)


def undo_rule(hub: HubFile, rule: str, *, redo: bool = False) -> int:
    """Undo the results of a rule that rejected or rewrote personas (`redo`: set them again), and return their number.

    A persona that another rule also rejects, or that is a near-duplicate, stays left out: see `count_rejected`. A
    rewritten description is restored, unless other rules have rewritten it too or it was not kept. Near-duplicate
    verdicts that the change concerns are decided again.

    Raises `SetupError` for a rule that did nothing that can be undone, and for rewritten agents of a run.
    """
    rules = [str(name) for (name,) in hub.con.execute(_RULES).fetchall()]
    if rule not in rules:
        gone = count(hub.con, _NOT_KEPT, {"rule": rule})
        if gone:
            raise SetupError(
                f"Nobody whom {rule!r} rejected from {str(hub.path)!r} can come back, for their descriptions were not "
                f"kept: {gone:,} in all."
            )
        there = f"{', '.join(rules)} did" if rules else "no rule did"
        raise SetupError(f"The rule {rule!r} rejected nobody in {str(hub.path)!r}; {there}.")
    given = {"rule": rule, "undone": not redo}
    with hub.writing() as con:
        rows = [row for (row,) in con.execute(_REWRITTEN, given).fetchall()]
        if rows and hub.has_agents:
            raise SetupError(
                f"The people of {str(hub.path)!r} are agents of a run, whose rows refer to them; {rule!r} can be "
                "undone in a hub that they are exported to."
            )
        # Columns first: rule results on them go with the people whose descriptions change.
        columns = undo_columns(con, rule, redo=redo)
        back = [] if redo else [persona for (persona,) in con.execute(_BACK, {"rule": rule}).fetchall()]
        ((changed,),) = con.execute(_RULE, given).fetchall()
        if rows:
            con.execute(_SET, {"undone": not redo, "rows": rows})
        texts = derive_texts(con, rule, Pseudonyms.of(hub.path)) if rows else {}
        rewrite_people(con, texts)
        reconcile_rewritten(con, list(texts), back)
    return columns + int(changed) + len(rows)


def undo_pair(hub: HubFile, one: str, other: str, *, redo: bool = False) -> int:
    """Undo the verdicts between two personas (`redo`: set them again), in either order, and return their number.

    Raises `SetupError` if there is none.
    """
    pair: dict[str, object] = {"one": resolve_persona(hub, one), "other": resolve_persona(hub, other)}
    missing = f"No verdict in {str(hub.path)!r} is about {pair['one']} and {pair['other']}; look in duplicates."
    return _update_verdicts(hub, _PAIR, pair, missing, redo=redo)


def resolve_persona(hub: HubFile, beginning: str) -> str:
    """Return the id with this beginning.

    Raises `SetupError` if none or several have it, or if it is shorter than four digits.
    """
    if len(beginning) < _SHORTEST:
        raise SetupError(
            f"{beginning!r} is too short for the id of a persona; give at least {_SHORTEST} of its digits."
        )
    query = "SELECT id FROM personas WHERE starts_with(id, ?) ORDER BY id LIMIT 3"
    ids = [str(found) for (found,) in hub.con.execute(query, [beginning.lower()]).fetchall()]
    if not ids:
        raise SetupError(f"Nobody in {str(hub.path)!r} has an id that begins with {beginning!r}; ids are in personas.")
    if len(ids) > 1 and ids[0] != beginning:
        raise SetupError(f"Several ids begin with {beginning!r}, such as {' and '.join(ids[:2])}; give more of it.")
    return ids[0]


def _update_verdicts(hub: HubFile, condition: str, given: dict[str, object], missing: str, *, redo: bool) -> int:
    """Undo the verdicts that meet a condition, or set them again. Raises `SetupError`, as `missing` says, for none."""
    those = f"kind = 'persona' AND ({condition})"
    if not count(hub.con, f"SELECT count(*) FROM duplicates WHERE {those}", given):  # noqa: S608 - our own words
        raise SetupError(missing)
    with hub.writing() as con:
        update = f"UPDATE duplicates SET undone = $undone WHERE undone <> $undone AND {those}"  # noqa: S608 - ours
        ((changed,),) = con.execute(update, given | {"undone": not redo}).fetchall()
        reconcile(con)
    return int(changed)


#: The tables that are taken along, and how each is narrowed to the people in `read_people`, or to none, and ordered.
_READ = {
    "imports": """{among} ORDER BY file, "row\"""",
    "imported_files": "WHERE file IN (SELECT file FROM imports {among}) ORDER BY file",
    "imported_columns": """WHERE file IN (SELECT file FROM imports {among}) ORDER BY file, "column\"""",
    "profiles": "{among} ORDER BY persona",
    "biographies": "{among} ORDER BY persona",
}
_AMONG = "SEMI JOIN read_people ON persona = id"


def read_details(con: duckdb.DuckDBPyConnection, people: Mapping[str, str]) -> "Mapping[str, Table]":
    """Read the rows about people by their ids in the file; `people` gives the ids under which they are returned.

    A table without any is left out.
    """
    # Tables of the same names in a database that is no hub mean something else.
    if not has_tables(con, "hub_migrations"):
        return {}
    wanted = [name for name in _READ if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall()]  # noqa: S608 - ours
    if not wanted:
        return {}
    from ...core.arrow import read_table

    with registered(con, {"id": list(people)}, "read_people"):
        tables = {name: read_table(con.sql(_query(name, _AMONG))) for name in wanted}
    return details_of({name: table for name, table in tables.items() if table.num_rows}, people)


def read_all_details(ask: "Callable[[str], Table]") -> "Mapping[str, Table]":
    """The same of everybody in a file that answers SQL by `ask`."""
    there = set(ask("SELECT table_name FROM duckdb_tables()")["table_name"].to_pylist())
    names = [name for name in _READ if name in there and "hub_migrations" in there]
    tables = {name: ask(_query(name)) for name in names}
    return {name: table for name, table in tables.items() if table.num_rows}


def _query(name: str, among: str = "") -> str:
    return hub_table(name).query(_READ[name].format(among=among))


def details_of(tables: "Mapping[str, Table]", people: Mapping[str, str]) -> "Mapping[str, Table]":
    """Those of such rows that are about some of the people, whose ids are keys, under the ids that they have now."""
    if not tables:
        return {}
    from ...core.arrow import set_column, take_known

    about = {}
    for name, table in tables.items():
        if "persona" in table.column_names:
            kept = take_known(table, "persona", people)
            about[name] = set_column(kept, "persona", [people[was] for was in kept["persona"].to_pylist()])
    if "imports" in about:
        used = set(about["imports"]["file"].to_pylist())
        for name in tables.keys() & {"imported_files", "imported_columns"}:
            about[name] = take_known(tables[name], "file", used)
    return {name: table for name, table in about.items() if table.num_rows}


def write_details(
    con: duckdb.DuckDBPyConnection,
    tables: "Mapping[str, Table]",
    personal: Policy = Policy.KEEP,
    pseudonyms: Pseudonyms | None = None,
) -> None:
    """Write such rows into a run file, which gets the tables of a hub for it; replacing any that it has.

    What a policy for personal data takes out of descriptions is taken out of them too.
    """
    make_hub_schema(con)
    for name, table in tables.items():
        con.execute(f"DELETE FROM {name}")  # noqa: S608 - our own names
        with registered(con, table, "kept_beside"):
            # Of two people who have become one, the first is the one who is described.
            once = "" if name in ("imports", "imported_columns") else "ON CONFLICT DO NOTHING"
            con.execute(f"INSERT INTO {name} BY NAME FROM kept_beside {once}")
    if personal is not Policy.KEEP:
        about = [table["persona"].to_pylist() for table in tables.values() if "persona" in table.column_names]
        people = sorted({str(one) for column in about for one in column})
        names = names_of_people(con)
        columns = judge_imports(con, personal, pseudonyms, names)
        add_rule_results(con, [*columns, *clear_traces(con, people, pseudonyms, names)])
