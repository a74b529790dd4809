"""Texts as files can hold them, and what they hold of people: JSON of payloads, halves of characters, personal data."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
from arro3.core import ChunkedArray, Table

from ...personas.arrow import duckdb_type, set_column
from ...personas.judgement import Redaction
from ...personas.rules.personal import find_record_names, personal_changes
from ...personas.rules.pseudonyms import Pseudonyms

_SURROGATE = re.compile("[\ud800-\udfff]")


class PersonalPolicy(StrEnum):
    """What happens to outputs in which personal data are found."""

    #: They are exported, and the column `personal` says what kinds were found.
    FLAG = "flag"
    #: They are left out, and counted.
    DROP = "drop"
    #: The data are replaced: equal names by equal invented ones, everything else by its kind, as `[email]`.
    REDACT = "redact"


def clean(text: str) -> str:
    r"""The text as UTF-8 can hold it: halves of characters that were cut become U+FFFD.

    >>> clean("a\ud83d\ude00b\ud83d") == "a\U0001f600b\ufffd"
    True
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parse_payload(text: str) -> Any:
    """What JSON text holds, with every string as UTF-8 can hold it; the text itself where it is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return _cleaned(json.loads(text))
    except (ValueError, RecursionError):
        return clean(text)


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case list():
            return [_cleaned(one) for one in value]
        case dict():
            return {clean(key): _cleaned(one) for key, one in value.items()}
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Searched:
    """Columns in which personal data were looked for."""

    #: The columns, with the data replaced where that was asked for.
    rows: Table
    #: The kinds that were found in each row, in alphabetical order; an empty list for most.
    kinds: list[list[str]]

    @property
    def counts(self) -> Counter[str]:
        """How many rows hold each kind."""
        return Counter(kind for kinds in self.kinds for kind in kinds)


def search_personal(rows: Table, *, redact: Pseudonyms | None, skip: Sequence[bool] = ()) -> Searched:
    """Look for personal data in all columns, within nested values too, and replace them, names by these pseudonyms.

    Rows that `skip` marks are left as they are.

    A row is searched twice: for the names in all its columns, then in each column for their other forms.
    """
    kinds: list[set[str]] = [set() for _ in range(len(rows))]
    columns = [_Texts(column) for column in rows.columns]
    names = _names_of_rows(columns, len(rows))
    for name, column, texts in zip(rows.column_names, rows.columns, columns, strict=True):
        found = dict[tuple[int, tuple[str, ...]], _Changed]()
        replaced = list(column.to_pylist()) if redact else []
        for row, n in enumerate(texts.places):
            if texts.values[n] is None or (skip and skip[row]) or (n not in texts.suspects and not names[row]):
                continue
            key = (n, names[row])
            if key not in found:
                found[key] = personal_changes(texts.values[n], pseudonyms=redact, wholes=names[row], with_keys=True)
            after, changes = found[key]
            kinds[row].update(str(change.kind) for change in changes)
            if redact and changes:
                replaced[row] = after if texts.are_plain else orjson.loads(after)
        if redact and found:
            rows = set_column(rows, name, replaced, texts.kind)
    return Searched(rows, [sorted(found) for found in kinds])


type _Changed = tuple[str, tuple[Redaction, ...]]


class _Texts:
    """The values of a column as text, each once: descriptions of personas stand in many rows, and are searched once."""

    def __init__(self, column: ChunkedArray) -> None:
        from ...personas.rules.prefilter import rows_to_search

        self.kind = duckdb_type(column)
        self.are_plain = self.kind == "VARCHAR"
        values = column.to_pylist() if self.are_plain else map(_as_json, column.to_pylist())
        numbers: dict[Any, int] = {}
        #: The number of the value in each row.
        self.places = [numbers.setdefault(value, len(numbers)) for value in values]
        self.values = list(numbers)
        #: Numbers of the values that may hold personal data.
        self.suspects = set(rows_to_search(self.values))


def _as_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _names_of_rows(columns: Sequence[_Texts], rows: int) -> list[tuple[str, ...]]:
    """The names in all columns of each row."""
    names: list[tuple[str, ...]] = [()] * rows
    for texts in columns:
        found = {n: find_record_names(texts.values[n], {}) for n in texts.suspects}
        for row, n in enumerate(texts.places):
            if found.get(n):
                names[row] = (*names[row], *found[n])
    return [tuple(dict.fromkeys(of_row)) for of_row in names]
