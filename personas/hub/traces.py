"""What else a hub holds of people whose personal data are to go: columns of their rows, biographies, profiles."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from ..rules import Policy, find_personal, without_personal
from ..rules.suspicion import suspects

__all__ = ["clear_imports", "clear_traces", "cleared_attributes"]

_ROWS = 10_000

#: By table, what names the person, and the columns that may tell on them.
_COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "biographies": ("persona", ("text",)),
    "contradictions": ("persona", ("detail", "asked")),
    "elites": ("persona", ("changes",)),
    "imports": ("persona", ("attributes",)),
    "profiles": ("persona", ("occupation", "household", "region", "family_background", "evidence")),
    "relations": ("target", ("label",)),
}
_JSON = ("attributes", "changes", "evidence")


def clear_traces(con: duckdb.DuckDBPyConnection, people: Sequence[str]) -> None:
    """Replace personal data wherever else a hub that is being written tells of these people."""
    there = {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    for table, (key, columns) in _COLUMNS.items():
        for column in columns if table in there else ():
            _clear(con, table, key, column, people)


def clear_imports(con: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Do with the other columns of all rows that were imported what an import under this policy does."""
    there = con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'imports'").fetchall()
    if not there or policy is Policy.KEEP:
        return
    query = "SELECT rowid, attributes::VARCHAR AS text FROM imports WHERE attributes IS NOT NULL ORDER BY rowid"
    changed: list[tuple[int, str | None]] = []
    for batch in con.sql(query).to_arrow_reader(_ROWS):
        for place in suspects(batch["text"].cast(pa.string())):
            row, was = batch["rowid"][place].as_py(), batch["text"][place].as_py()
            if (now := cleared_attributes(was, policy)) != was:
                changed.append((row, now))
    _update(con, "imports", "attributes", changed)


def cleared_attributes(attributes: str, policy: Policy) -> str | None:
    """Other columns of a row, a JSON object, as a policy has them: as they are, replaced, or left out one by one."""
    if policy is Policy.KEEP:
        return attributes
    row = json.loads(attributes)
    if policy is Policy.PSEUDONYMISE or not isinstance(row, dict):
        return _cleared_json(attributes)
    kept = {name: value for name, value in row.items() if _cleared(value) == value}
    if len(kept) == len(row):
        return attributes
    return _written(kept) if kept else None


def _clear(con: duckdb.DuckDBPyConnection, table: str, key: str, column: str, people: Sequence[str]) -> None:
    # The names are ours, and stand above.
    query = f'SELECT rowid, "{column}"::VARCHAR FROM {table} WHERE "{key}" IN (SELECT unnest($people))'  # noqa: S608
    read: Callable[[str], str] = _cleared_json if column in _JSON else _cleared_text
    found = con.execute(f'{query} AND "{column}" IS NOT NULL', {"people": list(people)}).fetchall()
    _update(con, table, column, [(row, now) for row, was in found if (now := read(was)) != was])


def _update(con: duckdb.DuckDBPyConnection, table: str, column: str, changed: Sequence[tuple[int, str | None]]) -> None:
    if not changed:
        return
    rows, texts = zip(*changed, strict=True)
    con.register("cleared", pa.table({"row": pa.array(rows, pa.int64()), "now": pa.array(texts, pa.string())}))
    con.execute(f'UPDATE {table} SET "{column}" = cleared.now FROM cleared WHERE {table}.rowid = cleared."row"')  # noqa: S608
    con.unregister("cleared")


def _cleared_text(text: str) -> str:
    return without_personal(text, find_personal(text))


def _cleared_json(text: str) -> str:
    was = json.loads(text)
    now = _cleared(was)
    return text if now == was else _written(now)


def _cleared(value: Any) -> Any:
    if isinstance(value, str):
        return _cleared_text(value)
    if isinstance(value, list):
        return [_cleared(item) for item in value]
    return {name: _cleared(item) for name, item in value.items()} if isinstance(value, dict) else value


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
