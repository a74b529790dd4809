"""The licences of exported rows in a file beside them, for formats that have no place for licences in a row."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ..errors import SourceError

__all__ = ["Licences", "licences_path", "read_licences", "row_ranges", "write_licences"]

_FIELDS = ("licence", "source", "revision", "model", "personas", "rows")
_RANGES = re.compile(r"[0-9]+(-[0-9]+)?( [0-9]+(-[0-9]+)?)*")
#: `numbered` has licence, source, revision, model and the number n of each row.
_ISLANDS = """
SELECT licence, source, revision, model,
       string_agg(CASE WHEN low = high THEN low::VARCHAR ELSE low || '-' || high END, ' ' ORDER BY low)
FROM (
    SELECT licence, source, revision, model, min(n) AS low, max(n) AS high FROM (
        SELECT *, n - row_number() OVER (PARTITION BY licence, source, revision, model ORDER BY n) AS island
        FROM {numbered}
    ) GROUP BY licence, source, revision, model, island
) GROUP BY ALL
"""

type Group = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Licences:
    """What one group of rows has in common; None for what is not known of it."""

    licence: str | None
    source: str | None
    revision: str | None
    model: str | None


def licences_path(path: Path) -> Path:
    """Where the licences of the rows in `path` lie."""
    return path.with_name(f"{path.name}.LICENSES.csv")


def row_ranges(con: duckdb.DuckDBPyConnection, numbered: str) -> Mapping[Group, str]:
    """Which rows each licence, source, revision and model have, from 1, such as `1-40 45`."""
    return {tuple(group): rows for *group, rows in con.execute(_ISLANDS.format(numbered=numbered)).fetchall()}


def write_licences(path: Path, groups: Sequence[Group], ranges: Mapping[Group, str]) -> None:
    """Write one row for each licence, source, revision, model and number of people, with the rows that have them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_FIELDS)
        rows.writerows((*group, ranges[tuple(group[:4])]) for group in groups)


def read_licences(path: Path) -> Iterator[tuple[int, int, Licences]]:
    """The first and the last row of each range of rows, and what they have in common; by nothing that the file says.

    Exports of earlier versions did not say which rows have what: then everything that all rows share is given for all
    of them, and the model also where only some have it, so that nobody takes a stand-in's text for another's.
    Raises `SourceError` for a file that is not as `write_licences` has it.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not set(_FIELDS[:4]) <= rows[0].keys():
        raise SourceError(f"{path} has not the columns {', '.join(_FIELDS[:4])}; mend it, or take it away.")
    if "rows" not in rows[0]:
        yield 1, 1 << 62, _shared([_licences(row) for row in rows])
        return
    for row in rows:
        if not _RANGES.fullmatch(row["rows"] or ""):
            raise SourceError(f"{path} says of rows {row['rows']!r}, which are no ranges such as 1-40 45; mend it.")
        for one in row["rows"].split(" "):
            low, _, high = one.partition("-")
            yield int(low), int(high or low), _licences(row)


def _licences(row: Mapping[str, str | None]) -> Licences:
    return Licences(*(row[name] or None for name in _FIELDS[:4]))


def _shared(groups: Sequence[Licences]) -> Licences:
    licence, source, revision = (
        found.pop() if len(found := {getattr(group, name) for group in groups}) == 1 else None
        for name in ("licence", "source", "revision")
    )
    models = sorted({group.model for group in groups if group.model is not None})
    model = "procedural" if "procedural" in models else models[0] if len(models) == 1 else None
    return Licences(licence, source, revision, model)
