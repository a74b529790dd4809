"""Verdicts and rule results as rows, undone or set again; changed descriptions, and verdicts that fall with them.

An id never changes: it is the hash of the description with which a person came into the hub. A rewritten description
replaces the text only, and `rewritten_people` has the hash of the present text. It recognises the text when it is
imported again, finds its vectors, and is the id in exports: the hash of a text from which personal data were removed
could be confirmed by guessing the data, so it stays in the hub.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import duckdb
import numpy as np
from arro3.core import Table
from numpy.typing import NDArray

from ...core.arrow import iter_batches, make_table, read_table, to_matrix
from ...core.errors import SetupError
from ..dedup import STAGE, DedupMethod, Duplicates
from ..dedup.near_duplicates import find_in_blocks, near_any
from ..dedup.vectors import COSINE, find_similar_vectors, units
from ..dedup.word_sets import iter_blocks
from ..judgement import Judge, Judgement, RuleResultRow, judge_persona, with_redactions
from ..persona import Persona, content_id
from ..rules import PERSONAL_RULE, Policy, personal_judge
from ..rules.personal import Pseudonyms
from ..rules.quality import rewriting_judge
from .file import HubFile
from .queries import REJECTED, RETAINED, count, registered, table_names
from .redaction import undo_columns

#: How the stage of a verdict by vectors begins; the model's name follows.
COSINE_STAGE = "cosine:"
#: What hubs that do not say it were compared at.
_WORDS = 0.9
_BATCH = 1 << 14

#: Verdicts that no longer hold: the survivor is gone or was rejected, or was marked by the same stage or by words,
#: and its near-duplicates were never compared with its own survivor.
_FALLEN = f"""
CREATE OR REPLACE TEMP TABLE fallen_verdicts AS
SELECT d.persona, d."of", d.stage FROM duplicates AS d
LEFT JOIN personas AS o ON o.id = d."of"
LEFT JOIN ({REJECTED}) AS a ON a.persona = d."of"
LEFT JOIN (
    SELECT persona, bool_or(NOT starts_with(stage, '{COSINE_STAGE}')) AS by_words, list(stage) AS stages
    FROM duplicates WHERE kind = 'persona' AND NOT undone GROUP BY persona
) AS m ON m.persona = d."of"
WHERE d.kind = 'persona' AND NOT d.undone
AND (o.id IS NULL OR a.persona IS NOT NULL OR m.by_words OR list_contains(m.stages, d.stage))
"""  # noqa: S608 - our own words
_DELETED = """
DELETE FROM duplicates AS d USING fallen_verdicts AS f
WHERE d.kind = 'persona' AND NOT d.undone AND d.persona = f.persona AND d."of" = f."of" AND d.stage = f.stage
"""
_WITHDRAWN = """
DELETE FROM duplicates WHERE kind = 'persona' AND NOT undone
AND (persona IN (SELECT unnest($ids)) OR "of" IN (SELECT unnest($ids))) RETURNING persona
"""

#: Everybody whom no rule rejected, and whether the verdicts on them were undone: who was undone is an original.
PEOPLE = f"""
FROM personas AS p LEFT JOIN (
    SELECT persona, {{of_verdicts}}(undone) AS undone FROM duplicates WHERE kind = 'persona' GROUP BY persona
) AS d ON d.persona = p.id
WHERE p.id NOT IN ({REJECTED})
"""  # noqa: S608 - our own words
#: Of them those who are compared: without a verdict that holds.
COMPARED = PEOPLE.format(of_verdicts="bool_and") + "AND d.undone IS DISTINCT FROM false\n"
#: The order of arrival.
ORDER = "ORDER BY p.ordinal, p.rowid"
#: The hash of the present text of everybody, under which vectors are kept.
TEXT_HASHES = """
SELECT id, coalesce(text_hash, id) AS text_hash FROM personas LEFT JOIN rewritten_people ON persona = id
"""

_CHOSEN = "AND p.id IN (SELECT unnest($ids))"
_TEXTS = f"SELECT p.id, p.text, coalesce(d.undone, false) AS undone {COMPARED}"
_VECTORS = f"""
SELECT p.id, v.vector, coalesce(d.undone, false) AS undone {
    COMPARED.replace(
        "FROM personas AS p",
        f"FROM personas AS p JOIN ({TEXT_HASHES}) AS t ON t.id = p.id JOIN ("
        "    SELECT text_hash, arg_max(vector, rowid) AS vector FROM vectors WHERE model = $model GROUP BY text_hash"
        ") AS v ON v.text_hash = t.text_hash",
        1,
    )
}
"""  # noqa: S608 - our own words
# People are named by their ids here: DuckDB 2.0 may crash on a join by the row numbers of rows that the same
# transaction has written.
_INSERT = """
INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
SELECT 'persona', persona, "of", $stage, similarity, false FROM found_again ORDER BY place
"""
_THRESHOLDS = "SELECT stage, arg_max(threshold, ordinal) FROM comparisons GROUP BY stage"
_STAGES = "SELECT DISTINCT stage FROM duplicates WHERE kind = 'persona' ORDER BY stage"


def record_comparison(con: duckdb.DuckDBPyConnection, stage: str, threshold: float, *, anew: bool = False) -> None:
    """Record that a hub was compared by a stage, the latest last; with `anew`, forget earlier comparisons."""
    if anew:
        con.execute("DELETE FROM comparisons")
    else:
        con.execute("DELETE FROM comparisons WHERE stage = ? AND threshold = ?", [stage, threshold])
    con.execute(
        "INSERT INTO comparisons SELECT coalesce(max(ordinal), 0) + 1, ?, ? FROM comparisons", [stage, threshold]
    )


def reconcile_verdicts(con: duckdb.DuckDBPyConnection, entered: Iterable[str] = ()) -> int:
    """Decide again every verdict of a hub that no longer holds, and return the number of personas it marked.

    `entered` are the ids of personas that were not compared before, because they were rewritten or are back. Each
    stage compares at the threshold that it was last used with. All of it happens in the caller's transaction. A hub
    that was never searched for near-duplicates stays as it is.
    """
    people, marked = set(entered), 0
    thresholds = _read_thresholds(con)
    while True:
        # A verdict that falls may be the reason of another: each round begins after the one before.
        con.execute(_FALLEN)
        people.update(persona for (persona,) in con.execute("SELECT persona FROM fallen_verdicts").fetchall())
        con.execute(_DELETED)
        if not people:
            return marked
        marked += _compare_again(con, sorted(people), thresholds)
        people.clear()


def reconcile_rewritten(con: duckdb.DuckDBPyConnection, people: Sequence[str], entered: Iterable[str] = ()) -> None:
    """Reconcile a hub after the descriptions of `people` changed.

    Somebody whose description another one has is a near-duplicate, in every hub. `entered`: see `reconcile_verdicts`.
    """
    if people and not _read_thresholds(con):
        record_comparison(con, STAGE, 1.0)
    reconcile_verdicts(con, [*people, *_withdraw_verdicts(con, people), *entered])


def _withdraw_verdicts(con: duckdb.DuckDBPyConnection, people: Sequence[str]) -> list[str]:
    """Withdraw the verdicts on and of these people, and return the ids of those they were about."""
    return [persona for (persona,) in con.execute(_WITHDRAWN, {"ids": list(people)}).fetchall()] if people else []


def _read_thresholds(con: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Return the last threshold of each stage, words first; verdicts of a run show stages that were not recorded."""
    thresholds = dict(con.execute(_THRESHOLDS).fetchall())
    for (stage,) in con.execute(_STAGES).fetchall():
        thresholds.setdefault(stage, COSINE if stage.startswith(COSINE_STAGE) else _WORDS)
    return dict(sorted(thresholds.items(), key=lambda item: (item[0].startswith(COSINE_STAGE), item[0])))


def _compare_again(con: duckdb.DuckDBPyConnection, ids: Sequence[str], thresholds: Mapping[str, float]) -> int:
    """Compare personas, by their ids, with everybody retained, and return the number marked."""
    marked = 0
    for stage, threshold in thresholds.items():
        compare = _compare_vectors if stage.startswith(COSINE_STAGE) else _compare_words
        found = compare(con, ids, threshold, stage)
        marked += len(found)
        if len(found):
            with registered(con, found, "found_again"):
                con.execute(_INSERT, {"stage": stage})
    return marked


def _compare_words(con: duckdb.DuckDBPyConnection, ids: Sequence[str], threshold: float, stage: str) -> Table:
    method = DedupMethod.of_stage(stage)
    least = method.parse_threshold(threshold)
    few = read_table(con.sql(f"{_TEXTS} {_CHOSEN}", params={"ids": ids}))
    if not few.num_rows:
        return few
    read: list[str] = []
    near = near_any(few["text"].to_pylist(), _iter_texts(con, read), least, method=method)
    chosen = {*few["id"].to_pylist(), *(read[place] for place in near)}
    some = read_table(con.sql(f"{_TEXTS} {_CHOSEN} {ORDER}", params={"ids": list(chosen)}))
    return _table_of_found(some, find_in_blocks(iter_text_blocks(some), least, method=method))


def iter_text_blocks(people: Table) -> Iterator[tuple[list[str], NDArray[np.bool_]]]:
    """Yield blocks of `text`, with flags for personas whose verdicts were `undone`, for `find_in_blocks`."""
    undone, at = np.asarray(people["undone"]), 0
    for block in iter_blocks(people["text"].to_pylist()):
        yield block, undone[at : at + len(block)]
        at += len(block)


def _iter_texts(con: duckdb.DuckDBPyConnection, read: list[str]) -> Iterator[str]:
    """Yield the texts of everybody compared, and add their ids to the list `read`."""
    for batch in iter_batches(con.sql(_TEXTS), _BATCH):
        read += batch["id"].to_pylist()
        yield from batch["text"].to_pylist()


def _compare_vectors(con: duckdb.DuckDBPyConnection, ids: Sequence[str], threshold: float, stage: str) -> Table:
    model = {"model": stage.removeprefix(COSINE_STAGE)}
    some = read_table(con.sql(f"{_VECTORS} {_CHOSEN}", params=model | {"ids": ids}))
    if not some.num_rows:
        return some
    few, chosen = units(to_matrix(some["vector"])), set(some["id"].to_pylist())
    for batch in iter_batches(con.sql(_VECTORS, params=model), _BATCH):
        likes = units(to_matrix(batch["vector"])) @ few.T
        # Which pairs count is decided below, by rounded cosines.
        chosen.update(compress(batch["id"].to_pylist(), (likes >= threshold - 1e-5).any(axis=1)))
    table = read_table(con.sql(f"{_VECTORS} {_CHOSEN} {ORDER}", params=model | {"ids": list(chosen)}))
    vectors = to_matrix(table["vector"])
    fixed = np.asarray(table["undone"])
    return _table_of_found(table, find_similar_vectors(vectors, threshold, fixed=fixed, exact=True))


def _table_of_found(people: Table, found: Duplicates) -> Table:
    """Return the near-duplicates found among personas as rows of ids, in order of arrival."""
    ids, rows = people["id"].to_pylist(), np.asarray(found.rows, np.int64)
    persona, of = ([ids[place] for place in places] for places in (rows, found.of))
    return make_table({"place": rows, "persona": persona, "of": of, "similarity": found.similarity})


#: The vector of the old description would reveal what was in it.
_REWRITE = (
    f"""DELETE FROM vectors WHERE text_hash IN (
        SELECT t.text_hash FROM ({TEXT_HASHES}) AS t SEMI JOIN new_texts AS n ON n.id = t.id)""",  # noqa: S608
    "DELETE FROM rewritten_people WHERE persona IN (SELECT id FROM new_texts)",
    "INSERT INTO rewritten_people SELECT id, text_hash FROM new_texts WHERE id <> text_hash",
    "UPDATE personas SET text = new_texts.text FROM new_texts WHERE personas.id = new_texts.id",
)


def rewrite_people(con: duckdb.DuckDBPyConnection, texts: Mapping[str, str]) -> None:
    """Give personas, by their ids, other descriptions; `reconcile_rewritten` decides the verdicts on them."""
    if not texts:
        return
    hashes = [content_id(text) for text in texts.values()]
    with registered(con, {"id": list(texts), "text": list(texts.values()), "text_hash": hashes}, "new_texts"):
        for statement in _REWRITE:
            con.execute(statement)


#: Columns that hold ids of personas, by any table that has one.
_REFERENCES = {
    "agents": ("agent",),
    "biographies": ("persona",),
    "contradictions": ("persona", "other"),
    "duplicates": ("persona", "of"),
    "elites": ("persona", "original"),
    "imports": ("persona",),
    "profiles": ("persona",),
    "relations": ("source", "target"),
    "rewritten_people": ("persona",),
    "selected": ("persona",),
    "personas": ("id",),
}
_ERASE = (
    f"""DELETE FROM vectors WHERE text_hash IN (
        SELECT text_hash FROM ({TEXT_HASHES}) WHERE id IN (SELECT unnest($ids)))""",  # noqa: S608 - our own words
    """UPDATE rule_results SET text = NULL, "before" = NULL
    WHERE persona IN (SELECT unnest($ids)) OR became IN (SELECT unnest($ids))""",
    "UPDATE personas SET parent = NULL WHERE parent IN (SELECT unnest($ids))",
)


def erase_people(con: duckdb.DuckDBPyConnection, people: Sequence[str]) -> list[str]:
    """Delete personas with all that refers to them, and return those whose near-duplicate verdicts went with them."""
    if not people:
        return []
    waiting = _withdraw_verdicts(con, people)
    there, ids = table_names(con), {"ids": list(people)}
    for statement in _ERASE:
        con.execute(statement, ids)
    for table, columns in _REFERENCES.items():
        for column in columns if table in there else ():
            # The names are constants of this module.
            con.execute(f'DELETE FROM {table} WHERE "{column}" IN (SELECT unnest($ids))', ids)  # noqa: S608
    return waiting


#: The results that rewrote the descriptions of people whom the rule $rule rewrote.
_REWRITTEN = """
SELECT became, rule, text, undone FROM rule_results
WHERE outcome = 'rewritten' AND "column" IS NULL AND became IN (SELECT id FROM personas)
AND became IN (SELECT became FROM rule_results WHERE rule = $rule AND outcome = 'rewritten' AND text IS NOT NULL)
ORDER BY rowid
"""
#: The names that were replaced in the record of each person.
_NAMES = """
SELECT persona, list(DISTINCT "before") FROM rule_results
WHERE rule = $rule AND kind = 'name' AND "before" IS NOT NULL GROUP BY persona
"""


def derive_texts(con: duckdb.DuckDBPyConnection, rule: str, pseudonyms: Pseudonyms) -> dict[str, str]:
    """Derive the descriptions of everybody whom a rule rewrote from the results that are not undone, by id."""
    originals: dict[str, str] = {}
    holding: dict[str, dict[str, None]] = {}
    for persona, of_rule, text, undone in con.execute(_REWRITTEN, {"rule": rule}).fetchall():
        if text is not None:
            originals.setdefault(persona, text)
        # Of personal data there is a row for each piece.
        holding.setdefault(persona, {}).update({} if undone else {of_rule: None})
    names = dict(con.execute(_NAMES, {"rule": PERSONAL_RULE}).fetchall())
    texts = {}
    for persona, text in originals.items():
        of_record = [*names.get(content_id(text), ()), *names.get(persona, ())]
        judges = [
            personal_judge(Policy.PSEUDONYMISE, pseudonyms, of_record) if one == PERSONAL_RULE else rewriting_judge()
            for one in holding[persona]
        ]
        texts[persona] = judge_persona(Persona(text), judges).persona.text
    return texts


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
_RULE = """
UPDATE rule_results SET undone = $undone WHERE outcome = 'rejected' AND rule = $rule AND undone <> $undone
"""
#: Rule results that rewrote a description which was kept as it was.
_VERDICTS_REWRITTEN = """
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
        rows = [row for (row,) in con.execute(_VERDICTS_REWRITTEN, given).fetchall()]
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
        reconcile_verdicts(con)
    return int(changed)
