"""Texts as files can hold them, and what they hold of people: JSON of payloads, halves of characters, personal data."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
import pyarrow as pa

from ...personas.rules.personal import personal_changes
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


def search_personal(rows: pa.Table, *, redact: Pseudonyms | None) -> Searched:
    """Look for personal data in all columns, within nested values too, and replace them, names by these pseudonyms."""
    from ...personas.rules.prefilter import rows_to_search

    kinds: list[set[str]] = [set() for _ in range(len(rows))]
    for place, column in enumerate(rows.columns):
        is_text = pa.types.is_string(column.type)
        as_json = () if is_text else (orjson.dumps(value).decode() for value in column.to_pylist())
        texts = column.combine_chunks() if is_text else pa.array(as_json, pa.string())
        # Descriptions of personas stand in many rows, and are searched once.
        encoded = texts.dictionary_encode()
        values = encoded.dictionary
        found = {n: personal_changes(values[n].as_py(), pseudonyms=redact) for n in rows_to_search(values)}
        found = {n: (after, changes) for n, (after, changes) in found.items() if changes}
        if not found:
            continue
        replaced = column.to_pylist() if redact else []
        for row, n in enumerate(encoded.indices.to_pylist()):
            if n in found:
                after, changes = found[n]
                kinds[row].update(str(change.kind) for change in changes)
                if redact:
                    replaced[row] = after if is_text else orjson.loads(after)
        if redact:
            rows = rows.set_column(place, rows.field(place), pa.array(replaced, type=column.type))
    return Searched(rows, [sorted(found) for found in kinds])
