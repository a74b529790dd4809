"""Texts as files can hold them, and what they hold of people: JSON of payloads, halves of characters, personal data."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
import pyarrow as pa

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
    rows: pa.Table
    #: The kinds that were found in each row, in alphabetical order; an empty list for most.
    kinds: list[list[str]]

    @property
    def counts(self) -> Counter[str]:
        """How many rows hold each kind."""
        return Counter(kind for kinds in self.kinds for kind in kinds)


def search_personal(rows: pa.Table, *, redact: Pseudonyms | None, skip: Sequence[bool] = ()) -> Searched:
    """Look for personal data in all columns, within nested values too, and replace them, names by these pseudonyms.

    Rows that `skip` marks are left as they are.

    A row is searched twice: for the names in all its columns, then in each column for their other forms.
    """
    from ...personas.rules.prefilter import rows_to_search

    kinds: list[set[str]] = [set() for _ in range(len(rows))]
    # Descriptions of personas stand in many rows, and are searched once.
    columns = [_texts_of(column).dictionary_encode() for column in rows.columns]
    suspected = [set(rows_to_search(column.dictionary)) for column in columns]
    names = _names_of_rows(columns, suspected)
    for place, (encoded, suspects) in enumerate(zip(columns, suspected, strict=True)):
        column = rows.column(place)
        is_text = pa.types.is_string(column.type)
        values, found = encoded.dictionary.to_pylist(), dict[tuple[int, tuple[str, ...]], _Changed]()
        replaced = column.to_pylist() if redact else []
        for row, n in enumerate(encoded.indices.to_pylist()):
            if n is None or (skip and skip[row]) or (n not in suspects and not names[row]):
                continue
            key = (n, names[row])
            if key not in found:
                found[key] = personal_changes(values[n], pseudonyms=redact, wholes=names[row], with_keys=True)
            after, changes = found[key]
            kinds[row].update(str(change.kind) for change in changes)
            if redact and changes:
                replaced[row] = after if is_text else orjson.loads(after)
        if redact and found:
            rows = rows.set_column(place, rows.field(place), pa.array(replaced, type=column.type))
    return Searched(rows, [sorted(found) for found in kinds])


type _Changed = tuple[str, tuple[Redaction, ...]]


def _texts_of(column: pa.ChunkedArray) -> pa.Array:
    """The values as text: JSON of those that are none."""
    if pa.types.is_string(column.type):
        return column.combine_chunks()
    return pa.array((orjson.dumps(value).decode() for value in column.to_pylist()), pa.string())


def _names_of_rows(columns: Sequence[pa.DictionaryArray], suspected: Sequence[set[int]]) -> list[tuple[str, ...]]:
    """The names in all columns of each row."""
    names: list[tuple[str, ...]] = [() for _ in range(len(columns[0]) if columns else 0)]
    for encoded, suspects in zip(columns, suspected, strict=True):
        found = {n: find_record_names(encoded.dictionary[n].as_py(), {}) for n in suspects}
        for row, n in enumerate(encoded.indices.to_pylist()):
            if found.get(n):
                names[row] = (*names[row], *found[n])
    return [tuple(dict.fromkeys(of_row)) for of_row in names]
