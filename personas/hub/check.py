"""Judging everybody in a hub by the rules: one row a ruling, nothing lost but personal data that were to go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from ..errors import SetupError
from ..judging import Judge
from ..rules import PERSONAL_RULE, QUALITY_RULES, Policy, personal_judge, quality_judge
from .file import HubFile
from .rulings import RulingRow, add_rulings, ruling_rows
from .traces import clear_traces, judge_imports

__all__ = ["CheckReport", "judge_people"]

_ROWS = 10_000

#: Whom a judge has not spoken of yet, near-duplicates included: an undone verdict brings them back. Whoever was removed
#: or rewritten and is there has come again, by an import or a merge. Personal data that were kept are looked at anew
#: where they may be kept no longer.
_UNJUDGED = """
WITH again AS (SELECT persona FROM rulings WHERE outcome IN ('rewritten', 'removed') AND "column" IS NULL),
quality AS (SELECT unnest([persona, became]) AS id FROM rulings WHERE rule IN (SELECT unnest($rules))),
kept AS (SELECT unnest([persona, became]) AS id FROM rulings
    WHERE rule = $personal AND outcome = 'kept' AND "column" IS NULL)
SELECT id, text, by_quality, by_personal FROM (
    SELECT id, text, ordinal,
        id IN (FROM again) OR id NOT IN (SELECT id FROM quality WHERE id IS NOT NULL) AS by_quality,
        $is_strict OR id IN (FROM again) OR id NOT IN (SELECT id FROM kept WHERE id IS NOT NULL) AS by_personal
    FROM personas
) WHERE (by_quality AND $has_quality) OR (by_personal AND $has_personal) ORDER BY ordinal
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

#: Tables that know everybody once: of those who become one, the first stays.
_SINGLE = ("biographies", "profiles")
_DOUBLES = """
DELETE FROM {table} WHERE rowid IN (
    SELECT t.rowid FROM {table} AS t LEFT JOIN gone ON was = persona
    QUALIFY row_number() OVER (PARTITION BY coalesce(now, persona) ORDER BY was NULLS FIRST, t.rowid) > 1)
"""
_CHANGES = pa.schema([("was", pa.string()), ("now", pa.string()), ("text", pa.string()), ("tells", pa.bool_())])
_REWRITE = """
INSERT INTO personas BY NAME
SELECT p.* REPLACE (c.now AS id, c.text AS text)
FROM personas AS p JOIN gone AS c ON c.was = p.id
WHERE c.now IS NOT NULL AND c.now NOT IN (SELECT id FROM personas)
QUALIFY row_number() OVER (PARTITION BY c.now ORDER BY p.ordinal) = 1
"""
#: Earlier rulings go with whom they are on, and forget the words of somebody whose data are to be dropped.
_RULINGS = (
    """UPDATE rulings SET text = NULL, "before" = NULL FROM gone
    WHERE tells AND now IS NULL AND (persona = was OR became = was)""",
    "UPDATE rulings SET became = now FROM gone WHERE became = was",
    "UPDATE rulings SET persona = now FROM gone WHERE persona = was AND now IS NOT NULL "
    """AND (outcome = 'turned_away' OR "column" IS NOT NULL)""",
)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of a check."""

    judged: int
    #: Rulings by rule and outcome.
    rulings: Counter[tuple[str, str]]
    #: The pieces of personal data that were found, by kind, column (None: the description) and outcome.
    changes: Counter[tuple[str, str | None, str]] = field(default_factory=Counter)
    #: Tables in which what was replaced or removed may still stand: answers and texts, as resume and replay need them.
    remains: tuple[str, ...] = ()


def judge_people(
    hub: HubFile, *, quality: bool = True, language: str | None = None, personal: Policy | None = Policy.KEEP
) -> CheckReport:
    """Judge everybody of whom a judge has not spoken yet, in one transaction.

    Quality turns away, which is a mark that can be undone and is not set again, or rewrites. Personal data are kept and
    flagged, replaced, or their description is removed; under a stricter policy than before those are judged anew whose
    data were kept. Raises `SetupError` for a hub that is open for reading only, and for a lived society whose people
    may not change.
    """
    if not quality and personal is None:
        raise SetupError("There is nothing to check by; leave quality or personal data in.")
    _check_writable(hub)
    check = _Check(quality_judge(language) if quality else None, personal)
    with hub.writing() as con:
        for people in _people(con, check.wanted):
            for person in people:
                check.judge(*person)
        _check_unlived(hub, check.changes)
        changes = _apply(con, check.rows, check.changes)
        if personal is not None:
            changes += add_rulings(con, judge_imports(con, personal))
        remains = _remains(con) if any(change.tells for change in check.changes) else ()
    return CheckReport(check.judged, check.rulings, Counter(changes), remains)


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a description; `now` and `text` are None where it goes."""

    was: str
    now: str | None
    text: str | None
    #: Whether that is for the sake of personal data.
    tells: bool


class _Check:
    """What judges say of people, and what is to become of them."""

    def __init__(self, quality: Judge | None, personal: Policy | None) -> None:
        self._quality = quality
        self._personal = personal_judge(personal) if personal is not None else None
        self._is_strict = personal not in (None, Policy.KEEP)
        self.judged = 0
        self.rulings: Counter[tuple[str, str]] = Counter()
        self.rows: list[RulingRow] = []
        self.changes: list[_Change] = []

    @property
    def wanted(self) -> dict[str, bool]:
        """Which judges there are, as the query for whom they have not spoken of asks for them."""
        has = {"has_quality": self._quality is not None, "has_personal": self._personal is not None}
        return has | {"is_strict": self._is_strict}

    def judge(self, persona: str, text: str, by_quality: bool, by_personal: bool) -> None:
        """Ask the judges that are to speak of a person."""
        self.judged += 1
        judgement, rows = ruling_rows(text, self._judges(text, by_quality=by_quality, by_personal=by_personal))
        self.rows += rows
        self.rulings.update((ruling.rule, ruling.outcome) for _, ruling in judgement.rulings)
        tells = any(row.rule == PERSONAL_RULE and row.outcome != "kept" for row in rows)
        if judgement.is_erased:
            self.changes.append(_Change(persona, None, None, tells))
        elif judgement.persona.text != text:
            self.changes.append(_Change(persona, judgement.persona.id, judgement.persona.text, tells))

    def _judges(self, text: str, *, by_quality: bool, by_personal: bool) -> tuple[Judge, ...]:
        quality = (self._quality,) if self._quality is not None and by_quality else ()
        if self._personal is None:
            return quality
        # What quality rewrites is new to whoever looks for personal data.
        is_asked = by_personal or any((said := judge(text)) and said.text for judge in quality)
        return (*quality, self._personal) if is_asked else quality


def _remains(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    there = sorted(_tables(con).intersection(("calls", "passages")))
    # The names are ours.
    return tuple(name for name in there if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall())  # noqa: S608


def _people(con: duckdb.DuckDBPyConnection, wanted: dict[str, bool]) -> Iterator[Sequence[tuple[str, str, bool, bool]]]:
    rules = {"rules": list(QUALITY_RULES), "personal": PERSONAL_RULE}
    found = con.cursor().execute(_UNJUDGED, wanted | rules)
    while people := found.fetchmany(_ROWS):
        yield people


def _check_writable(hub: HubFile) -> None:
    query = "SELECT readonly FROM duckdb_databases() WHERE database_name = current_database()"
    if hub.con.execute(query).fetchall() == [(True,)]:
        raise SetupError(
            f"{str(hub.path)!r} is open for reading only, and rulings are rows in it; open it with write=True."
        )


def _check_unlived(hub: HubFile, changes: Sequence[_Change]) -> None:
    if changes and hub.has_lived:
        raise SetupError(
            f"The people of {str(hub.path)!r} have lived, and what they did goes by who they were; check them with "
            "--personal keep, or export them to a hub first."
        )


def _tables(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def _apply(
    con: duckdb.DuckDBPyConnection, rows: Sequence[RulingRow], changes: Sequence[_Change]
) -> list[tuple[str, str | None, str]]:
    said = list(rows)
    if changes:
        columns = [[getattr(change, name) for change in changes] for name in _CHANGES.names]
        con.register("changes", pa.table(columns, schema=_CHANGES))
        con.execute("CREATE OR REPLACE TEMP TABLE gone AS FROM changes")
        con.unregister("changes")
        _change(con)
        said += clear_traces(con, [change.now for change in changes if change.tells and change.now is not None])
    return add_rulings(con, said)


def _change(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_REWRITE)
    for statement in _RULINGS:
        con.execute(statement)
    there = _tables(con)
    for table, columns in _REFERENCES.items():
        for column in columns if table in there else ():
            # The names are ours, and stand above.
            place = f'{table}."{column}"'
            if table in _SINGLE:
                con.execute(_DOUBLES.format(table=table))
            con.execute(f'UPDATE {table} SET "{column}" = now FROM gone WHERE {place} = was AND now IS NOT NULL')  # noqa: S608
            if (table, column) == ("personas", "parent"):
                con.execute("UPDATE personas SET parent = NULL FROM gone WHERE parent = was AND now IS NULL")
            else:
                con.execute(f"DELETE FROM {table} USING gone WHERE {place} = was AND now IS NULL")  # noqa: S608
    # A rewritten description has another vector, and the old one tells of what was in it.
    if "vectors" in there:
        con.execute("DELETE FROM vectors USING gone WHERE text_hash = was")
    con.execute("DELETE FROM personas USING gone WHERE id = was")
