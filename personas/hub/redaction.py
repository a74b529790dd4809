"""Personal data outside descriptions: imported columns, biographies, profiles, relations."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from ...core.arrow import iter_batches, take, to_rows
from ...core.errors import SetupError, parameter
from ..judgement import Redaction, RuleResultRow, with_redactions
from ..rules import PERSONAL_RULE, Policy, personal_changes, reason_of
from ..rules.columns import ColumnKind, json_pointer, kinds_of_columns, rewrite_strings
from ..rules.personal import Pseudonyms, find_record_names, key_path
from ..rules.quality import rows_to_search
from .queries import count, registered

_ROWS = 10_000
#: Rows of a file by which its columns are judged.
SAMPLE = 200

#: By table, the column with the persona's id, and the columns that may hold personal data.
_COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "biographies": ("persona", ("text",)),
    "contradictions": ("persona", ("detail", "asked")),
    "elites": ("persona", ("changes",)),
    "profiles": ("persona", ("occupation", "household", "region", "family_background", "evidence")),
    "relations": ("target", ("label",)),
}
_OUTCOMES = {Policy.KEEP: "kept", Policy.PSEUDONYMISE: "rewritten", Policy.DROP: "removed"}
_IMPORTS = """
SELECT i.rowid, i.persona, i.file, i."row", i.attributes::VARCHAR AS text
FROM imports AS i
WHERE attributes IS NOT NULL ORDER BY i.rowid
"""
_SAMPLE = """
SELECT attributes::VARCHAR FROM imports WHERE file = ? AND attributes IS NOT NULL ORDER BY "row", rowid LIMIT ?
"""
_CHANGED = """
SELECT file, "row", "column", persona, place, "before", "after" FROM rule_results
WHERE rule = $rule AND outcome = 'rewritten' AND "column" IS NOT NULL AND "before" IS NOT NULL AND undone = $redo
ORDER BY file, "row", persona, "column", place
"""
_UNDONE = """
UPDATE rule_results SET undone = NOT $redo
WHERE rule = $rule AND outcome = 'rewritten' AND "column" IS NOT NULL AND undone = $redo
"""

#: The names in the record of each person: in the description, the other columns and what was written of them.
type NamesOf = Mapping[str, Sequence[str]]

_NO_NAMES: NamesOf = {}
_NO_KINDS: Mapping[str, ColumnKind] = {}

type _Piece = tuple[int | None, int | None, str, str, int, str, str]


def judged_attributes(
    attributes: str,
    kinds: Mapping[str, ColumnKind],
    policy: Policy,
    pseudonyms: Pseudonyms | None = None,
    names: Sequence[str] = (),
) -> tuple[str | None, tuple[Redaction, ...]]:
    """Apply a policy to the other columns of a row (a JSON object), and return them with the personal data found.

    `names` are those in the rest of the record.

    The policy keeps each column, rewrites it or leaves it out. The columns are None if none is left.
    """
    # No key is made where no name is replaced.
    now, changes = personal_changes(attributes, kinds, pseudonyms if policy is Policy.PSEUDONYMISE else None, names)
    if not changes or policy is Policy.KEEP:
        return attributes, changes
    if policy is Policy.PSEUDONYMISE:
        return now, changes
    was, rewritten = json.loads(attributes), json.loads(now)
    kept = {name: value for name, value in was.items() if rewritten[name] == value}
    return (_write_json(kept) if kept else None), changes


def attribute_rows(
    persona: str, changes: Sequence[Redaction], policy: Policy, file: int | None, row: int
) -> list[RuleResultRow]:
    """Return the rule results on personal data in one imported row, one for each piece."""
    reason, outcome = reason_of(changes, policy), _OUTCOMES[policy]
    said = RuleResultRow(persona, PERSONAL_RULE, reason, outcome, None, None, file=file, row=row)
    return list(with_redactions(said, changes))


_REPLACED = """
SELECT count(*) FROM rule_results
WHERE rule = $rule AND kind = 'name' AND outcome = 'rewritten' AND NOT undone AND "before" IS NOT NULL
"""


def check_key(path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Raise `SetupError` if a hub or a run has pseudonyms, and the key that they were drawn with is lost."""
    key = key_path(path)
    if key.exists() or not count(con, _REPLACED, {"rule": PERSONAL_RULE}):
        return
    raise SetupError(
        f"{str(path)!r} has pseudonyms, and their key is not there: {str(key)!r}. Put it back, or give a key "
        f"({parameter('key')} FILE; a file that is not there is made), by which names get other pseudonyms from now on."
    )


def _column_kinds(con: duckdb.DuckDBPyConnection, file: int) -> dict[str, ColumnKind]:
    """Return the kinds stored for the columns of an imported file, or else those of its first rows."""
    if kept := con.execute('SELECT "column", kind FROM imported_columns WHERE file = ?', [file]).fetchall():
        return {column: ColumnKind(kind) for column, kind in kept}
    return kinds_of_columns(text for (text,) in con.execute(_SAMPLE, [file, SAMPLE]).fetchall())


def _kinds_by_file(con: duckdb.DuckDBPyConnection) -> dict[int, dict[str, ColumnKind]]:
    """Return the kinds of the columns of each imported file that has other columns than the description."""
    files = con.execute("SELECT DISTINCT file FROM imports WHERE attributes IS NOT NULL").fetchall()
    return {file: _column_kinds(con, file) for (file,) in files}


def judge_imports(
    con: duckdb.DuckDBPyConnection, policy: Policy, pseudonyms: Pseudonyms | None = None, names: NamesOf = _NO_NAMES
) -> list[RuleResultRow]:
    """Apply this policy to the other columns of all imported rows, as an import would."""
    rows: list[RuleResultRow] = []
    changed: list[tuple[int, str | None]] = []
    kinds = _kinds_by_file(con)
    is_whole = any(kind.is_personal for of_file in kinds.values() for kind in of_file.values()) or bool(names)
    for row in _iter_searched(con, _IMPORTS, is_whole=is_whole) if kinds else ():
        persona, was = row["persona"], row["text"]
        now, changes = judged_attributes(was, kinds[row["file"]], policy, pseudonyms, names.get(persona, ()))
        rows += attribute_rows(persona, changes, policy, row["file"], row["row"]) if changes else ()
        if now != was:
            changed.append((row["rowid"], now))
    _update_rows(con, "imports", "attributes", changed)
    return rows


def names_of_people(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Return the names in the record of each persona that has any, by id."""
    found: dict[str, tuple[str, ...]] = {}

    def add(persona: str, text: str, kinds: Mapping[str, ColumnKind] = _NO_KINDS) -> None:
        if names := find_record_names(text, kinds):
            found[persona] = (*found.get(persona, ()), *names)

    kinds = _kinds_by_file(con)
    has_names = any(ColumnKind.NAME in of_file.values() for of_file in kinds.values())
    for row in _iter_searched(con, _IMPORTS, is_whole=has_names) if kinds else ():
        add(row["persona"], row["text"], kinds[row["file"]])
    others = [(table, key, column) for table, (key, columns) in _COLUMNS.items() for column in columns]
    for table, key, column in (("personas", "id", "text"), *others):
        query = f'SELECT "{key}" AS persona, "{column}"::VARCHAR AS text FROM {table} WHERE "{column}" IS NOT NULL'  # noqa: S608 - our own names
        for row in _iter_searched(con, query):
            add(row["persona"], row["text"])
    return {persona: tuple(dict.fromkeys(names)) for persona, names in found.items()}


def _iter_searched(con: duckdb.DuckDBPyConnection, query: str, *, is_whole: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the rows whose column `text` may hold personal data; all rows if `is_whole`."""
    for batch in iter_batches(con.sql(query), _ROWS):
        places = range(batch.num_rows) if is_whole else rows_to_search(batch["text"])
        yield from to_rows(take(batch, places))


def clear_traces(
    con: duckdb.DuckDBPyConnection,
    people: Sequence[str],
    pseudonyms: Pseudonyms | None = None,
    names: NamesOf = _NO_NAMES,
) -> list[RuleResultRow]:
    """Replace personal data of these personas in the other tables of a hub; the rule results name the table."""
    rows: list[RuleResultRow] = []
    for table, (key, columns) in _COLUMNS.items():
        for column in columns:
            rows += _clear_column(con, table, key, column, people, pseudonyms, names)
    return rows


def undo_columns(con: duckdb.DuckDBPyConnection, rule: str, *, redo: bool = False) -> int:
    """Undo replacements in imported columns and other tables (`redo`: make them again), and return their number.

    A value that has been changed since is left as it is. The caller manages the transaction.
    """
    pieces: list[_Piece] = con.execute(_CHANGED, {"rule": rule, "redo": redo}).fetchall()
    if not pieces:
        return 0
    imported = [piece for piece in pieces if piece[0] is not None]
    _undo_imports(con, imported, redo=redo)
    for (column, persona), said in groupby((p for p in pieces if p[0] is None), key=lambda p: (p[2], p[3])):
        _undo_trace(con, column, persona, list(said), redo=redo)
    con.execute(_UNDONE, {"rule": rule, "redo": redo})
    return len(pieces)


def _undo_imports(con: duckdb.DuckDBPyConnection, pieces: Sequence[_Piece], *, redo: bool) -> None:
    changed: list[tuple[int, str | None]] = []
    query = 'SELECT rowid, attributes::VARCHAR FROM imports WHERE file = ? AND "row" = ? AND attributes IS NOT NULL'
    for (file, row), said in groupby(pieces, key=lambda piece: piece[:2]):
        by_column = {column: list(of) for column, of in groupby(said, key=lambda piece: piece[2])}
        for place, was in con.execute(query, [file, row]).fetchall():
            changed.append((place, _turn_strings(was, by_column, redo=redo)))
    _update_rows(con, "imports", "attributes", changed)


def _undo_trace(
    con: duckdb.DuckDBPyConnection, named: str, persona: str, said: Sequence[_Piece], *, redo: bool
) -> None:
    table, _, column = named.partition(".")
    column, _, where = column.partition("/")
    if table not in _COLUMNS:
        return
    # The names are constants of this module.
    query = f'SELECT rowid, "{column}"::VARCHAR FROM {table} WHERE "{_COLUMNS[table][0]}" = ?'  # noqa: S608
    changed: list[tuple[int, str | None]] = []
    for place, was in con.execute(query, [persona]).fetchall():
        changed.append((place, _turn_strings(was, {where: said}, redo=redo)))
    _update_rows(con, table, column, changed)


def _turn_strings(text: str, pieces: Mapping[str, Sequence[_Piece]], *, redo: bool) -> str:
    return rewrite_strings(text, lambda path, value: _turn_value(value, pieces.get(json_pointer(path), ()), redo=redo))


def _turn_value(value: str, pieces: Sequence[_Piece], *, redo: bool) -> str:
    """Return the value with its replacements undone, or redone; unchanged if it was edited since."""
    now = value
    # Places are those of the words as they were: from the front all before a place is as it was, from the back also.
    for *_, place, before, after in reversed(pieces) if redo else pieces:
        old, new = (before, after) if redo else (after, before)
        if not now.startswith(old, place):
            return value
        now = now[:place] + new + now[place + len(old) :]
    return now


def _clear_column(
    con: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    column: str,
    people: Sequence[str],
    pseudonyms: Pseudonyms | None,
    names: NamesOf,
) -> list[RuleResultRow]:
    # The names are constants of this module.
    query = f'SELECT rowid, "{key}", "{column}"::VARCHAR FROM {table} WHERE "{key}" IN (SELECT unnest($people))'  # noqa: S608
    found = con.execute(f'{query} AND "{column}" IS NOT NULL', {"people": list(people)}).fetchall()
    rows: list[RuleResultRow] = []
    changed: list[tuple[int, str | None]] = []
    for place, persona, was in found:
        now, changes = personal_changes(was, {}, pseudonyms, names.get(persona, ()))
        if changes:
            named = [replace(c, column="/".join(filter(None, (f"{table}.{column}", c.column)))) for c in changes]
            said = RuleResultRow(
                persona, PERSONAL_RULE, reason_of(changes, Policy.PSEUDONYMISE), "rewritten", None, None
            )
            rows += with_redactions(said, named)
            changed.append((place, now))
    _update_rows(con, table, column, changed)
    return rows


def _update_rows(
    con: duckdb.DuckDBPyConnection, table: str, column: str, changed: Sequence[tuple[int, str | None]]
) -> None:
    if not changed:
        return
    rows, texts = zip(*changed, strict=True)
    with registered(con, {"row": rows, "now": texts}, "cleared"):
        con.execute(f'UPDATE {table} SET "{column}" = cleared.now FROM cleared WHERE {table}.rowid = cleared."row"')  # noqa: S608


def _write_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
