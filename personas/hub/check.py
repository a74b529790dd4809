"""Judging everybody in a hub by the rules: a row for each result; only dropped personal data are lost."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import duckdb

from ...core.errors import SetupError, parameter
from ..judgement import Judge, Judgement, RuleResultRow
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
    judged, rows, results = 0, list[RuleResultRow](), Counter[tuple[str, str]]()
    #: The new descriptions by persona, those of them whose personal data were replaced, and who is to go.
    texts, redacted, erased = dict[str, str](), list[str](), list[str]()
    with hub.writing() as con:
        names = names_of_people(con) if personal is not None else {}
        for persona, text, judgement, now in _iter_judged(con, judge, personal, pseudonyms, names):
            judged += 1
            rows += now
            results.update({(row.rule, row.outcome) for row in now})
            if judgement.is_erased:
                erased.append(persona)
            elif judgement.persona.text != text:
                texts[persona] = judgement.persona.text
                if any(row.rule == PERSONAL_RULE and row.outcome == "rewritten" for row in now):
                    redacted.append(persona)
        if (texts or erased) and hub.has_agents:
            raise SetupError(
                f"The people of {str(hub.path)!r} are agents of a run, whose rows refer to them; check them with "
                f"{parameter('personal', 'keep')}, or export them to a hub first."
            )
        rewrite_people(con, texts)
        entered = erase_people(con, erased)
        changes = add_rule_results(con, [*rows, *clear_traces(con, redacted, pseudonyms, names)])
        reconcile_rewritten(con, list(texts), entered)
        if personal is not None:
            changes += add_rule_results(con, judge_imports(con, personal, pseudonyms, names))
        remains = _find_remains(con) if redacted or erased else ()
    return CheckReport(judged, results, Counter(changes), remains)


def _iter_judged(
    con: duckdb.DuckDBPyConnection,
    quality: Judge | None,
    personal: Policy | None,
    pseudonyms: Pseudonyms,
    names: NamesOf,
) -> Iterator[tuple[str, str, Judgement, list[RuleResultRow]]]:
    """Judge everybody of whom a judge is to speak, and yield their id and text, the judgement and its rows."""
    has = {"has_quality": quality is not None, "has_personal": personal is not None}
    has["is_strict"] = personal not in (None, Policy.KEEP)
    found = con.cursor().execute(_UNJUDGED, has | {"rules": list(QUALITY_RULES), "personal": PERSONAL_RULE})
    while people := found.fetchmany(_ROWS):
        for persona, text, by_quality, by_personal in people:
            judges = [quality] if quality is not None and by_quality else []
            # A text that a rule of quality rewrites is searched for personal data again.
            if personal is not None and (by_personal or any((said := judge(text)) and said.text for judge in judges)):
                judges.append(personal_judge(personal, pseudonyms, names.get(persona, ())))
            judgement, rows = rule_result_rows(text, judges)
            # The id of somebody who is in the hub stays.
            now = [
                replace(row, persona=persona, became=persona if row.outcome == "rewritten" else None) for row in rows
            ]
            yield persona, text, judgement, now


def _find_remains(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    there = sorted(table_names(con).intersection(("calls", "passages")))
    # The names are ours.
    return tuple(name for name in there if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall())  # noqa: S608
