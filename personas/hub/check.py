"""Judging everybody in a hub by the rules: a row for each result; only dropped personal data are lost."""

from collections import Counter
from dataclasses import dataclass, field, replace

import duckdb

from ...core.errors import SetupError, parameter
from ..judgement import Judge, RuleResultRow
from ..rules import PERSONAL_RULE, QUALITY_RULES, Policy, personal_judge, quality_judge
from ..rules.personal import Pseudonyms
from .file import HubFile
from .queries import RETURNED, table_names
from .redaction import NamesOf, check_key, clear_traces, judge_imports, names_of_people
from .rewrites import add_rule_results, erase_people, reconcile_rewritten, rewrite_people, rule_result_rows

_ROWS = 10_000

#: People without a result of the rules yet, near-duplicates included, since their verdicts can be undone. People who
#: were removed or rewritten and are there returned by an import or a merge, unless that was undone. Kept personal data
#: are checked again where the policy is stricter now.
_UNJUDGED = f"""
WITH again AS ({RETURNED}),
quality AS (SELECT unnest([persona, became]) AS id FROM rule_results WHERE rule IN (SELECT unnest($rules))),
kept AS (SELECT unnest([persona, became]) AS id FROM rule_results
    WHERE rule = $personal AND outcome = 'kept' AND "column" IS NULL),
undone AS (SELECT unnest([persona, became]) AS id FROM rule_results
    WHERE rule = $personal AND outcome = 'rewritten' AND undone AND "column" IS NULL)
SELECT id, text, by_quality, by_personal FROM (
    SELECT id, text, ordinal,
        id IN (FROM again) OR id NOT IN (SELECT id FROM quality WHERE id IS NOT NULL) AS by_quality,
        id NOT IN (SELECT id FROM undone WHERE id IS NOT NULL)
        AND ($is_strict OR id IN (FROM again) OR id NOT IN (SELECT id FROM kept WHERE id IS NOT NULL)) AS by_personal
    FROM personas
) WHERE (by_quality AND $has_quality) OR (by_personal AND $has_personal) ORDER BY ordinal
"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check."""

    judged: int
    #: Rule results by rule and outcome.
    rule_results: Counter[tuple[str, str]]
    #: The pieces of personal data that were found, by kind, column (None: the description) and outcome.
    changes: Counter[tuple[str, str | None, str]] = field(default_factory=Counter)
    #: Tables that may still hold what was replaced or removed: answers and texts, which resume and replay need.
    remains: tuple[str, ...] = ()

    @property
    def most_rejected(self) -> tuple[str, ...]:
        """The rules that rejected more than half of those who were judged."""
        return tuple(
            rule for (rule, outcome), count in sorted(self.rule_results.items())
            if outcome == "rejected" and 2 * count > self.judged
        )  # fmt: skip


def judge_people(
    hub: HubFile,
    *,
    quality: bool = True,
    language: str | None = None,
    personal: Policy | None = Policy.KEEP,
) -> CheckReport:
    """Apply the rules to everybody without their results, in one transaction.

    Quality rules reject or rewrite. A rejection is a mark that can be undone and is not set again. Personal data are
    kept and flagged, replaced, or their description is removed. Under a stricter policy than before, personas whose
    data were kept are judged again. Descriptions in the first person are rejected, except those of one clause, which
    are rewritten; `undo_rule` takes that back. Near-duplicate verdicts that no longer hold are decided again.

    Raises `SetupError` for a hub that is open for reading only, and for a run whose agents may not change.
    """
    if not quality and personal is None:
        raise SetupError("There is nothing to check by; leave quality or personal data in.")
    hub.check_writable("rule results are rows in it")
    judge = quality_judge(language) if quality else None
    if personal is Policy.PSEUDONYMISE:
        check_key(hub.path, hub.con)
    pseudonyms = Pseudonyms.of(hub.path)
    check = _RuleCheck(judge, personal, pseudonyms)
    with hub.writing() as con:
        check.names = names_of_people(con) if personal is not None else {}
        wanted = check.wanted | {"rules": list(QUALITY_RULES), "personal": PERSONAL_RULE}
        found = con.cursor().execute(_UNJUDGED, wanted)
        while people := found.fetchmany(_ROWS):
            for person in people:
                check.judge(*person)
        if (check.texts or check.erased) and hub.has_agents:
            raise SetupError(
                f"The people of {str(hub.path)!r} are agents of a run, whose rows refer to them; check them with "
                f"{parameter('personal', 'keep')}, or export them to a hub first."
            )
        rewrite_people(con, check.texts)
        entered = erase_people(con, check.erased)
        traces = clear_traces(con, check.redacted, pseudonyms, check.names)
        changes = add_rule_results(con, [*check.rows, *traces])
        reconcile_rewritten(con, list(check.texts), entered)
        if personal is not None:
            changes += add_rule_results(con, judge_imports(con, personal, pseudonyms, check.names))
        remains = _find_remains(con) if check.redacted or check.erased else ()
    return CheckReport(check.judged, check.rule_results, Counter(changes), remains)


class _RuleCheck:
    """The results of the rules, and the changes that follow from them."""

    def __init__(self, quality: Judge | None, personal: Policy | None, pseudonyms: Pseudonyms) -> None:
        self._quality = quality
        self._personal, self._pseudonyms = personal, pseudonyms
        #: The names in the record of each person.
        self.names: NamesOf = {}
        self._is_strict = personal not in (None, Policy.KEEP)
        self.judged = 0
        self.rule_results: Counter[tuple[str, str]] = Counter()
        self.rows: list[RuleResultRow] = []
        #: The new descriptions by persona, those of them whose personal data were replaced, and who is to go.
        self.texts: dict[str, str] = {}
        self.redacted: list[str] = []
        self.erased: list[str] = []

    @property
    def wanted(self) -> dict[str, bool]:
        """Which judges there are, as parameters of the query for people without their results."""
        has = {"has_quality": self._quality is not None, "has_personal": self._personal is not None}
        return has | {"is_strict": self._is_strict}

    def judge(self, persona: str, text: str, by_quality: bool, by_personal: bool) -> None:
        """Ask the judges that are to speak of a person."""
        self.judged += 1
        judgement, rows = rule_result_rows(
            text, self._judges(persona, text, by_quality=by_quality, by_personal=by_personal)
        )
        # The id of somebody who is in the hub stays.
        now = [replace(row, persona=persona, became=persona if row.outcome == "rewritten" else None) for row in rows]
        self.rows += now
        self.rule_results.update({(row.rule, row.outcome) for row in now})
        if judgement.is_erased:
            self.erased.append(persona)
        elif judgement.persona.text != text:
            self.texts[persona] = judgement.persona.text
            if any(row.rule == PERSONAL_RULE and row.outcome == "rewritten" for row in now):
                self.redacted.append(persona)

    def _judges(self, persona: str, text: str, *, by_quality: bool, by_personal: bool) -> tuple[Judge, ...]:
        quality = (self._quality,) if self._quality is not None and by_quality else ()
        if self._personal is None:
            return quality
        # A text that a rule of quality rewrites is searched for personal data again.
        is_asked = by_personal or any((said := judge(text)) and said.text for judge in quality)
        if not is_asked:
            return quality
        return (*quality, personal_judge(self._personal, self._pseudonyms, self.names.get(persona, ())))


def _find_remains(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    there = sorted(table_names(con).intersection(("calls", "passages")))
    # The names are ours.
    return tuple(name for name in there if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall())  # noqa: S608
