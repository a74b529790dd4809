"""Changed descriptions: new ids in every table, people merged by it, and undoing both."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import duckdb
import numpy as np
from arro3.core import Table
from numpy.typing import NDArray

from ...core.arrow import iter_batches, make_table, read_table, to_matrix
from ..dedup import DedupMethod, Duplicates
from ..dedup.near_duplicates import find_in_blocks, near_any
from ..dedup.vectors import COSINE, find_similar_vectors, units
from ..dedup.word_sets import iter_blocks
from ..judgement import judge_persona
from ..persona import Persona
from ..rules import PERSONAL_RULE, Policy, personal_judge
from ..rules.pseudonyms import Pseudonyms
from ..rules.quality import rewriting_judge
from .queries import REJECTED, registered, table_names

#: How the stage of a verdict by vectors begins; the model's name follows.
COSINE_STAGE = "cosine:"
#: What hubs that do not say it were compared at.
_WORDS = 0.9
_BATCH = 1 << 14

_PENDING = "CREATE TEMP TABLE IF NOT EXISTS pending_verdicts (persona VARCHAR, stage VARCHAR, similarity DOUBLE)"
#: Verdicts that no longer hold: the survivor is gone or was rejected, or was marked by the same stage or by words,
#: and its near-duplicates were never compared with its own survivor.
_FALLEN = f"""
CREATE OR REPLACE TEMP TABLE fallen_verdicts AS
SELECT d.persona, d."of", d.stage, d.similarity FROM duplicates AS d
LEFT JOIN personas AS o ON o.id = d."of"
LEFT JOIN ({REJECTED}) AS a ON a.persona = d."of"
LEFT JOIN (
    SELECT persona, bool_or(NOT starts_with(stage, '{COSINE_STAGE}')) AS by_words, list(stage) AS stages
    FROM duplicates WHERE kind = 'persona' AND NOT undone GROUP BY persona
) AS m ON m.persona = d."of"
WHERE d.kind = 'persona' AND NOT d.undone
AND (o.id IS NULL OR a.persona IS NOT NULL OR m.by_words OR list_contains(m.stages, d.stage))
"""  # noqa: S608 - our own words
_TAKEN = "INSERT INTO pending_verdicts SELECT persona, stage, similarity FROM fallen_verdicts"
_DELETED = """
DELETE FROM duplicates AS d USING fallen_verdicts AS f
WHERE d.kind = 'persona' AND NOT d.undone AND d.persona = f.persona AND d."of" = f."of" AND d.stage = f.stage
"""

#: Verdicts on, and of, those in the temporary table `gone` (was, now), by the ids that they will have.
_OF_GONE = (
    """kind = 'persona' AND NOT undone AND (persona IN (SELECT was FROM gone) OR "of" IN (SELECT was FROM gone))"""
)
_TAKEN_FROM_GONE = f"""
INSERT INTO pending_verdicts
SELECT CASE WHEN g.was IS NULL THEN d.persona ELSE g.now END, d.stage, d.similarity
FROM (FROM duplicates WHERE {_OF_GONE}) AS d LEFT JOIN gone AS g ON g.was = d.persona
"""  # noqa: S608 - our own words
_DELETED_OF_GONE = f"DELETE FROM duplicates WHERE {_OF_GONE}"  # noqa: S608 - our own words

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

# People are named by their ids here: DuckDB 2.0 may crash on a join by the row numbers of rows that the same
# transaction has written.
_OPEN = f"""
SELECT p.id, list(w.stage), list(w.similarity)
FROM (SELECT p.id {COMPARED}) AS p JOIN pending_verdicts AS w ON w.persona = p.id GROUP BY p.id
"""  # noqa: S608 - our own words
_CHOSEN = "AND p.id IN (SELECT unnest($ids))"
_TEXTS = f"SELECT p.id, p.text, coalesce(d.undone, false) AS undone {COMPARED}"
_VECTORS = f"""
SELECT p.id, v.vector, coalesce(d.undone, false) AS undone {
    COMPARED.replace(
        "FROM personas AS p",
        "FROM personas AS p JOIN ("
        "    SELECT text_hash, arg_max(vector, rowid) AS vector FROM vectors WHERE model = $model GROUP BY text_hash"
        ") AS v ON v.text_hash = p.id",
        1,
    )
}
"""  # noqa: S608 - our own words
_INSERT = """
INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
SELECT 'persona', persona, "of", $stage, similarity, false FROM found_again ORDER BY place
"""
_RECORDED = "SELECT stage, threshold FROM comparisons ORDER BY ordinal"
_FOUND = "SELECT stage, min(similarity) FROM duplicates WHERE kind = 'persona' GROUP BY stage ORDER BY stage"


def record_comparison(con: duckdb.DuckDBPyConnection, stage: str, threshold: float, *, anew: bool = False) -> None:
    """Record that a hub was compared by a stage, the latest last; with `anew`, forget earlier comparisons."""
    if anew:
        con.execute("DELETE FROM comparisons")
    else:
        con.execute("DELETE FROM comparisons WHERE stage = ? AND threshold = ?", [stage, threshold])
    con.execute(
        "INSERT INTO comparisons SELECT coalesce(max(ordinal), 0) + 1, ?, ? FROM comparisons", [stage, threshold]
    )


def withdraw(con: duckdb.DuckDBPyConnection) -> None:
    """Withdraw the verdicts on and of everybody in the temporary table `gone`, for `reconcile` to decide."""
    con.execute(_PENDING)
    _complete_comparisons(con)
    con.execute(_TAKEN_FROM_GONE)
    con.execute(_DELETED_OF_GONE)


def reconcile(con: duckdb.DuckDBPyConnection, entered: Iterable[str] = ()) -> int:
    """Decide again every verdict of a hub that no longer holds, and return the number of personas it marked.

    `entered` are the ids of personas that were not compared before, because they were rewritten or are back. All of it
    happens in the caller's transaction. A hub that was never searched for near-duplicates stays as it is.
    """
    con.execute(_PENDING)
    _complete_comparisons(con)
    with registered(con, {"id": list(entered)}, "entered_people"):
        con.execute("INSERT INTO pending_verdicts SELECT id, NULL, NULL FROM entered_people")
    comparisons, marked = _Comparisons.read(con), 0
    while True:
        # A verdict that falls may be the reason of another: each round begins after the one before.
        for statement in (_FALLEN, _TAKEN, _DELETED):
            con.execute(statement)
        people = {who: tuple(zip(stages, likes, strict=True)) for who, stages, likes in con.execute(_OPEN).fetchall()}
        con.execute("DELETE FROM pending_verdicts")
        if not people:
            return marked
        marked += _decide(con, people, comparisons)


@dataclass(frozen=True, slots=True)
class _Comparisons:
    """The thresholds that were used, by stage, the latest last."""

    thresholds: Mapping[str, Sequence[float]]

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection) -> "_Comparisons":
        found: dict[str, list[float]] = defaultdict(list)
        for stage, threshold in con.execute(_RECORDED).fetchall():
            found[stage].append(threshold)
        return cls(found)

    @property
    def stages(self) -> list[str]:
        """Words first, as they are compared first."""
        return sorted(self.thresholds, key=lambda stage: (stage.startswith(COSINE_STAGE), stage))

    def threshold(self, stage: str, fallen: Iterable[tuple[str | None, float | None]]) -> float:
        """Return the threshold at which a stage compares a persona.

        It is the last one used, or a lower one if the fallen verdict was found at it.
        """
        used = self.thresholds[stage]
        likes = [like for name, like in fallen if like is not None and name == stage]
        own = [threshold for threshold in used if likes and threshold <= max(likes)]
        return min(max(own), used[-1]) if own else used[-1]


def _complete_comparisons(con: duckdb.DuckDBPyConnection) -> None:
    """Record the comparisons of a run or another program, as far as its verdicts show them."""
    known = {stage for stage, _ in con.execute(_RECORDED).fetchall()}
    for stage, least in con.execute(_FOUND).fetchall():
        if stage not in known:
            usual = COSINE if stage.startswith(COSINE_STAGE) else _WORDS
            record_comparison(con, stage, min(usual, max(least, 0.5)))


type _PeopleToCompare = Mapping[str, Sequence[tuple[str | None, float | None]]]


def _decide(con: duckdb.DuckDBPyConnection, people: _PeopleToCompare, comparisons: _Comparisons) -> int:
    """Compare personas, by their ids, with everybody retained, and return the number marked."""
    marked = 0
    for stage in comparisons.stages:
        alike: dict[float, list[str]] = defaultdict(list)
        for persona, fallen in people.items():
            alike[comparisons.threshold(stage, fallen)].append(persona)
        for threshold, ids in sorted(alike.items(), reverse=True):
            compare = _by_vectors if stage.startswith(COSINE_STAGE) else _by_words
            found = compare(con, ids, threshold, stage)
            marked += len(found)
            if len(found):
                with registered(con, found, "found_again"):
                    con.execute(_INSERT, {"stage": stage})
    return marked


def _by_words(con: duckdb.DuckDBPyConnection, ids: Sequence[str], threshold: float, stage: str) -> Table:
    method = DedupMethod.of_stage(stage)
    least = method.parse_threshold(threshold)
    few = read_table(con.sql(f"{_TEXTS} {_CHOSEN}", params={"ids": ids}))
    if not few.num_rows:
        return few
    read: list[str] = []
    near = near_any(few["text"].to_pylist(), _texts(con, read), least, method=method)
    chosen = {*few["id"].to_pylist(), *(read[place] for place in near)}
    some = read_table(con.sql(f"{_TEXTS} {_CHOSEN} {ORDER}", params={"ids": list(chosen)}))
    return _found(some, find_in_blocks(blocks(some), least, method=method))


def blocks(people: Table) -> Iterator[tuple[list[str], NDArray[np.bool_]]]:
    """Yield blocks of `text`, with flags for personas whose verdicts were `undone`, for `find_in_blocks`."""
    undone, at = np.asarray(people["undone"]), 0
    for block in iter_blocks(people["text"].to_pylist()):
        yield block, undone[at : at + len(block)]
        at += len(block)


def _texts(con: duckdb.DuckDBPyConnection, read: list[str]) -> Iterator[str]:
    """Yield the texts of everybody compared, and add their ids to the list `read`."""
    for batch in iter_batches(con.sql(_TEXTS), _BATCH):
        read += batch["id"].to_pylist()
        yield from batch["text"].to_pylist()


def _by_vectors(con: duckdb.DuckDBPyConnection, ids: Sequence[str], threshold: float, stage: str) -> Table:
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
    return _found(table, find_similar_vectors(vectors, threshold, fixed=np.asarray(table["undone"]), exact=True))


def _found(people: Table, found: Duplicates) -> Table:
    """Return the near-duplicates found among personas as rows of ids, in order of arrival."""
    ids, rows = people["id"].to_pylist(), np.asarray(found.rows, np.int64)
    persona, of = ([ids[place] for place in places] for places in (rows, found.of))
    return make_table({"place": rows, "persona": persona, "of": of, "similarity": found.similarity})


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
