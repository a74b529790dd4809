"""Rows that several files have: kept in a hub once, with everything that any of the files states of them."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import duckdb
import orjson

from ...core.arrow import table_of
from ...core.readers import parse_json
from ..hub.queries import count, registered

_ROWS = 10_000
_LAST = (1 << 31) - 1
#: More candidates than these are compared in sixteen portions, by the first digit of their ids.
_AT_ONCE = 50_000

_CANDIDATES = """
CREATE OR REPLACE TEMP TABLE repeat_candidates AS
WITH new_rows AS (SELECT DISTINCT persona FROM imports WHERE file = $file AND "row" > $after),
old_rows AS (
    SELECT DISTINCT persona FROM imports SEMI JOIN new_rows USING (persona) WHERE file <> $file AND file <= $last
)
SELECT i.rowid AS place, i.file, i."row", i.persona, i.attributes::VARCHAR AS attributes, i.licence, i.revision,
       CASE WHEN i.source <> f.name THEN i.source END AS source
FROM imports AS i SEMI JOIN old_rows USING (persona) LEFT JOIN imported_files AS f ON f.file = i.file
WHERE (i.file <> $file OR i."row" > $after) AND i.file <= $last
"""
_PORTION = """
SELECT place, file, "row", persona, attributes, licence, revision, source FROM repeat_candidates
WHERE starts_with(persona, $digit) ORDER BY file, "row"
"""
_TAKEN = "SELECT first_file, first_row FROM repeated_rows WHERE file = $file"
_FOUND = {
    "gone": "BIGINT",
    "row": "BIGINT",
    "kept": "BIGINT",
    "first_file": "INTEGER",
    "first_row": "BIGINT",
    **dict.fromkeys(("licence", "revision", "source"), "VARCHAR"),
}
#: The statements that fold them. A source with the name of its file is one that was not given.
_WRITTEN = (
    """UPDATE repeated_rows SET first_file = r.first_file, first_row = r.first_row FROM repeats_found AS r
    WHERE repeated_rows.first_file = $file AND r."row" = repeated_rows.first_row""",
    'INSERT INTO repeated_rows SELECT $file, "row", first_file, first_row FROM repeats_found',
    """UPDATE personas SET source = r.source FROM repeats_found AS r JOIN imports AS i ON i.rowid = r.kept
    WHERE personas.id = i.persona AND personas.source = i.source AND r.source IS NOT NULL""",
    """UPDATE imports SET licence = coalesce(imports.licence, r.licence),
        revision = coalesce(imports.revision, r.revision), source = coalesce(r.source, imports.source)
    FROM repeats_found AS r WHERE imports.rowid = r.kept""",
    "DELETE FROM imports WHERE rowid IN (SELECT gone FROM repeats_found)",
)
_LICENCES = """
UPDATE personas SET licence = stated.licence FROM (
    SELECT persona, arg_min(licence, (file, "row")) AS licence FROM imports WHERE licence IS NOT NULL GROUP BY persona
) AS stated WHERE personas.id = stated.persona AND personas.licence IS NULL
"""


@dataclass(slots=True)
class _EarlierRow:
    """A row that an earlier file has brought, with what is known of its source."""

    place: int
    file: int
    row: int
    licence: str | None
    revision: str | None
    source: str | None

    def takes(self, licence: str | None, revision: str | None, source: str | None) -> bool:
        """Whether nothing that is stated of another row contradicts what is stated of this one."""
        pairs = ((self.licence, licence), (self.revision, revision), (self.source, source))
        return all(one is None or other is None or one == other for one, other in pairs)


def fold_repeats(con: duckdb.DuckDBPyConnection, file: int, *, after: int = 0, last: int | None = None) -> int:
    """Keep rows of a file behind line or row `after` once where others had them; says how many these were.

    Two rows are one when they have the same description and the same other columns, whatever format they were read
    from, and when nothing that is stated of their sources differs: licence, revision and, where it was given, name.
    What one of them states and the other does not is kept. A row that a file has twice is two rows in the hub too.
    The other files are all those up to number `last`, or all there are.
    """
    con.execute(_CANDIDATES, {"file": file, "after": after, "last": _LAST if last is None else last})
    candidates = count(con, "SELECT count(*) FROM repeat_candidates")
    taken = set(con.execute(_TAKEN, {"file": file}).fetchall()) if candidates else set()
    folded = 0
    for digit in ("",) if candidates <= _AT_ONCE else "0123456789abcdef":
        found = list(_match_rows(con, file, digit, taken)) if candidates else []
        folded += len(found)
        if found:
            _write_folds(con, file, found)
    con.execute("DROP TABLE repeat_candidates")
    return folded


def fill_licences(con: duckdb.DuckDBPyConnection) -> None:
    """Give people without a licence the first that any of their rows has."""
    con.execute(_LICENCES)


def _match_rows(
    con: duckdb.DuckDBPyConnection, file: int, digit: str, taken: set[tuple[int, int]]
) -> Iterator[tuple[Any, ...]]:
    """The rows of `file` that earlier files had, each with the row that it repeats, as `_FOUND` has them."""
    earlier: defaultdict[bytes, list[_EarlierRow]] = defaultdict(list)
    later = []
    for place, of, row, persona, attributes, licence, revision, source in _read_portion(con, digit):
        key = _row_key(persona, attributes)
        if of == file:
            later.append((key, place, row, licence, revision, source))
        elif (of, row) not in taken:
            earlier[key].append(_EarlierRow(place, of, row, licence, revision, source))
    for key, place, row, *stated in later:
        known = earlier.get(key, [])
        match = next((one for one in known if one.takes(*stated)), None)
        if match is not None:
            known.remove(match)
            licence, revision, source = stated
            yield place, row, match.place, match.file, match.row, licence, revision, source


def _read_portion(con: duckdb.DuckDBPyConnection, digit: str) -> Iterator[tuple[Any, ...]]:
    found = con.execute(_PORTION, {"digit": digit})
    while rows := found.fetchmany(_ROWS):
        yield from rows


def _row_key(persona: str, attributes: str | None) -> bytes:
    """Equal for rows with the same description and columns, be a number written as a number or as text."""
    columns = parse_json(attributes) if attributes is not None else {}
    flat = sorted((name, _flatten_value(value)) for name, value in columns.items())
    return blake2b(orjson.dumps((persona, flat)), digest_size=16).digest()


def _flatten_value(value: object) -> str:
    if isinstance(value, str):
        return value.lower() if value in ("True", "False") else value
    # Sorted, so that the order of names in an object makes no difference.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _write_folds(con: duckdb.DuckDBPyConnection, file: int, found: Sequence[tuple[Any, ...]]) -> None:
    with registered(con, table_of(found, _FOUND), "repeats_found"):
        for statement in _WRITTEN:
            con.execute(statement, {"file": file} if "$file" in statement else None)
