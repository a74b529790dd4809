"""What judges say, as rows of the table rulings."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from ..judgement import Judge, Judgement, RulingRow, judge_persona, with_redactions
from ..persona import Persona
from ..rules import PERSONAL_RULE

__all__ = ["add_rulings", "ruling_rows"]

_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("persona", "rule", "reason", "outcome", "became", "text", "kind", "column")]
    + [
        ("place", pa.int64()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("file", pa.int32()),
        ("row", pa.int64()),
    ]
)
#: What has been said already stays as it was left, undone or not. Of a description that comes again it is the same
#: wherever it comes from; earlier versions did not say where in it.
_ADD = """
INSERT INTO rulings BY NAME
SELECT DISTINCT ON (persona, rule, outcome, kind, "column", place, of_file, of_row)
    * EXCLUDE (of_file, of_row), false AS undone
FROM (
    SELECT *, if("column" IS NULL, NULL, file) AS of_file, if("column" IS NULL, NULL, "row") AS of_row
    FROM new_rulings
) AS n
WHERE NOT EXISTS (
    FROM rulings AS r WHERE r.persona = n.persona AND r.rule = n.rule AND r.outcome = n.outcome
    AND r."column" IS NOT DISTINCT FROM n."column"
    AND (r."column" IS NULL OR (r.file IS NOT DISTINCT FROM n.file AND r."row" IS NOT DISTINCT FROM n."row"))
    AND (r.kind IS NULL OR (r.kind = n.kind AND r.place IS NOT DISTINCT FROM n.place))
)
RETURNING kind, "column", outcome
"""
#: What has been undone in a column and is replaced there again stands again.
_AGAIN = """
UPDATE rulings AS r SET undone = false FROM new_rulings AS n
WHERE r.undone AND r.outcome = 'rewritten' AND r."column" IS NOT NULL AND r.outcome = n.outcome
AND r.persona = n.persona AND r.rule = n.rule AND r."column" = n."column" AND r.kind = n.kind AND r.place = n.place
AND r.file IS NOT DISTINCT FROM n.file AND r."row" IS NOT DISTINCT FROM n."row"
"""


def ruling_rows(text: str, judges: Sequence[Judge]) -> tuple[Judgement, tuple[RulingRow, ...]]:
    """What judges say of a description, all together and as rows; of personal data one row for each piece.

    The rows hold the description as it was where it is changed or turned away, unless personal data were to go for
    good. Where they were replaced, only the rows that say so hold it.
    """
    was = Persona(text)
    judgement = judge_persona(was, judges)
    is_replaced = any(ruling.rule == PERSONAL_RULE and ruling.text for _, ruling in judgement.rulings)
    became = None if judgement.is_erased or judgement.persona.id == was.id else judgement.persona.id
    rows: list[RulingRow] = []
    for persona, ruling in judgement.rulings:
        outcome = ruling.outcome
        has_text = outcome == "rewritten" or (outcome == "turned_away" and not is_replaced)
        row = RulingRow(
            persona,
            ruling.rule,
            ruling.reason,
            outcome,
            became if persona != became else None,
            was.text if has_text and not judgement.is_erased else None,
        )
        rows += with_redactions(row, ruling.changes)
    return judgement, tuple(rows)


def add_rulings(con: duckdb.DuckDBPyConnection, rows: Sequence[RulingRow]) -> list[tuple[str, str | None, str]]:
    """Write rows into a hub that is being written; those that it has are passed over.

    Gives kind, column and outcome of each row on personal data that was written.
    """
    if not rows:
        return []
    columns = {name: [getattr(row, name) for row in rows] for name in _SCHEMA.names}
    con.register("new_rulings", pa.table(columns, schema=_SCHEMA))
    try:
        con.execute(_AGAIN)
        return [said for said in con.execute(_ADD).fetchall() if said[0] is not None]
    finally:
        con.unregister("new_rulings")
