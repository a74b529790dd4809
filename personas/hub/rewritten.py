"""People whose descriptions rules have rewritten: what each is with some of these rulings undone, or holding again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from ..judgement import judge_persona
from ..persona import Persona
from ..rules import PERSONAL_RULE, Policy, personal_judge
from ..rules.quality import rewriting_judge
from .check import SINGLE, DescriptionChange, change_people
from .united import part

__all__ = ["rewrite_again"]

#: The rulings that rewrote anybody whom a change is about, by the person they are about now; of those who were united
#: with others (`was`) apart from the rest.
_REWRITTEN = """
WITH wanted AS (SELECT DISTINCT became FROM rulings WHERE rowid IN (SELECT unnest($rows)))
SELECT r.became, coalesce(u.persona, v.persona) AS was, r.persona, r.rule, r.text, r.undone
FROM rulings AS r SEMI JOIN wanted USING (became)
LEFT JOIN (SELECT DISTINCT persona, became FROM merged_people) AS u ON u.persona = r.persona AND u.became = r.became
LEFT JOIN (FROM merged_people WHERE "table" = 'rulings') AS v
    ON v.became = r.became AND v."row" ->> 'persona' = r.persona AND v."row" ->> 'rule' = r.rule
WHERE r.outcome = 'rewritten' ORDER BY r.rowid
"""


@dataclass(frozen=True, slots=True)
class _Ruling:
    """One row of rulings that rewrote a description."""

    became: str
    was: str | None
    persona: str
    rule: str
    text: str | None
    undone: bool


def rewrite_again(con: duckdb.DuckDBPyConnection, rows: Sequence[int]) -> list[str]:
    """Give people the descriptions that they have by those rulings that are not undone; says their ids then.

    `rows` are rows of `rulings` that were undone, or set again. Whom a rewritten description made one with somebody
    else is a person again. All of it happens in the caller's transaction.
    """
    found = [_Ruling(*row) for row in con.execute(_REWRITTEN, {"rows": list(rows)}).fetchall()]
    people: dict[tuple[str, str | None], list[_Ruling]] = {}
    for ruling in found:
        people.setdefault((ruling.became, ruling.was), []).append(ruling)
    wanted = {who: _described(rulings) for who, rulings in people.items()}
    changes = [
        DescriptionChange(became, now[0], now[1]) for (became, was), now in wanted.items()
        if was is None and now is not None and now[0] != became
    ]  # fmt: skip
    stays = {became: now for (became, was), now in wanted.items() if was is None and now is not None}
    entered = [change.now for change in changes if change.now is not None]
    for (became, was), now in wanted.items():
        if was is not None and now is not None and now[0] != stays.get(became, (became, ""))[0]:
            part(con, was, became, now, SINGLE)
            entered.append(now[0])
    if changes:
        change_people(con, changes)
    return entered


def _described(rulings: Iterable[_Ruling]) -> tuple[str, str] | None:
    """Id and text of a person by the rulings that hold; None where the text that they began with was not kept."""
    first, *_ = rulings = list(rulings)
    if first.text is None:
        return None
    # Of personal data there is a row for each piece.
    holding = list(dict.fromkeys(ruling.rule for ruling in rulings if not ruling.undone))
    if not holding:
        return first.persona, first.text
    judges = [
        personal_judge(Policy.PSEUDONYMISE) if rule == PERSONAL_RULE else rewriting_judge() for rule in holding
    ]  # fmt: skip
    now = judge_persona(Persona(first.text), judges).persona
    return now.id, now.text
