"""What judges say, as rows of the table rulings."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from ..judging import Judge, Judgement, judged
from ..persona import Persona
from ..rules import PERSONAL_RULE

__all__ = ["RulingRow", "add_rulings", "ruling_rows"]

_SCHEMA = pa.schema([(name, pa.string()) for name in ("persona", "rule", "reason", "outcome", "became", "text")])
#: What has been said already stays as it was left, undone or not.
_ADD = """
INSERT INTO rulings
SELECT persona, rule, any_value(reason), outcome, any_value(became), any_value(text), false FROM new_rulings AS n
WHERE NOT EXISTS (FROM rulings AS r WHERE r.persona = n.persona AND r.rule = n.rule AND r.outcome = n.outcome)
GROUP BY persona, rule, outcome
"""


@dataclass(frozen=True, slots=True)
class RulingRow:
    """One row; its fields are the table's columns."""

    persona: str
    rule: str
    reason: str
    outcome: str
    became: str | None
    text: str | None


def ruling_rows(text: str, judges: Sequence[Judge]) -> tuple[Judgement, tuple[RulingRow, ...]]:
    """What judges say of a description, all together and as rows.

    The rows hold the description as it was, where it is changed or turned away, and no personal data are to go.
    """
    was = Persona(text)
    judgement = judged(was, judges)
    is_open = not judgement.is_erased and not any(r.rule == PERSONAL_RULE and r.text for _, r in judgement.rulings)
    became = None if judgement.is_erased or judgement.persona.id == was.id else judgement.persona.id
    return judgement, tuple(
        RulingRow(
            persona,
            ruling.rule,
            ruling.reason,
            ruling.outcome,
            became if persona != became else None,
            was.text if is_open and ruling.outcome != "kept" else None,
        )
        for persona, ruling in judgement.rulings
    )


def add_rulings(con: duckdb.DuckDBPyConnection, rows: Sequence[RulingRow]) -> None:
    """Write rows into a hub that is being written; those that it has are passed over."""
    if not rows:
        return
    columns = {name: [getattr(row, name) for row in rows] for name in _SCHEMA.names}
    con.register("new_rulings", pa.table(columns, schema=_SCHEMA))
    try:
        con.execute(_ADD)
    finally:
        con.unregister("new_rulings")
