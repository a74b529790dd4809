"""Rows of a file made into what a hub holds: description, its hash, and everything else as JSON."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..rules.languages import detect_languages
from .composed import UnsaidError
from .exact_json import json_text
from .formats import Columns, Shape
from .tables import Batch, Table
from .tally import Skipped, Tally
from .wish import ImportWish

__all__ = ["Prepared", "prepared"]

_SCHEMA = pa.schema(
    [
        ("place", pa.int32()),
        ("id", pa.string()),
        ("row", pa.int64()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("attributes", pa.string()),
    ]
)

_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")

type _Row = tuple[str, int, str, str | None, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Some thousands of rows, ready to be written; `place` counts them from 1."""

    rows: pa.Table
    #: The line or row up to which the file has been read.
    read_to: int
    #: What was left out among them.
    skipped: tuple[Skipped, ...]


def prepared(table: Table, columns: Columns, wish: ImportWish, *, after: int) -> Iterator[Prepared]:
    """All rows of a table behind line or row `after`, batch by batch; the last of them may be empty.

    Raises `SourceError` for a file that is corrupt and, when the wish is strict, for a row that cannot be imported.
    """
    tally = Tally(str(table.path), after=after, way_out=wish.way_out if wish.strict else "")
    reader = _RowReader(columns, wish)
    for batch in table.batches(tally):
        if batch and batch[-1][0] > after:
            left = [row for row in batch if row[0] > after]
            after = left[-1][0]
            yield Prepared(_with_languages(_arrow(_read(left, reader, tally))), after, tally.take())
    yield Prepared(_arrow([]), after, tally.take())


def _arrow(rows: list[_Row]) -> pa.Table:
    places = pa.array(range(1, len(rows) + 1), type=pa.int32())
    fields = zip(*rows, strict=True) if rows else ((),) * (len(_SCHEMA) - 1)
    types = [field.type for field in _SCHEMA][1:]
    arrays = [pa.array(values, type=kind) for values, kind in zip(fields, types, strict=True)]
    return pa.Table.from_arrays([places, *arrays], schema=_SCHEMA)


def _with_languages(rows: pa.Table) -> pa.Table:
    """The rows, with the language of each text of which nobody has stated it, as far as it can be told."""
    if not rows["language"].null_count:
        return rows
    texts, languages = rows["text"].combine_chunks(), rows["language"].combine_chunks()
    if languages.null_count == len(languages):
        languages = detect_languages(texts)
    else:
        mask = languages.is_null()
        languages = pc.replace_with_mask(languages, mask, detect_languages(texts.filter(mask)))
    return rows.set_column(rows.schema.get_field_index("language"), "language", languages)


def _read(batch: Batch, reader: "_RowReader", tally: Tally) -> list[_Row]:
    rows: list[_Row] = []
    for number, row in batch:
        try:
            rows.append(reader.read(number, row))
        except _UnusableError as error:
            tally.count(error.args[0], number)
    return rows


class _UnusableError(Exception):
    """A row cannot be imported; its one argument says why."""


class _RowReader:
    """Takes rows apart. It is called for each of millions of rows: what can be decided before is."""

    def __init__(self, columns: Columns, wish: ImportWish) -> None:
        self._columns = columns
        self._language = wish.language or (columns.composer.language if columns.composer is not None else None)
        self._licence = wish.licence
        self._max_length = wish.max_length
        self._nothing = (None, "", "None") if columns.shape is Shape.ELITE else (None, "")

    def read(self, number: int, row: dict[str, Any]) -> _Row:
        """The row as a hub holds it; takes out of `row` what is no attribute. Raises `_UnusableError`."""
        columns = self._columns
        text = self._text(self._composed(row) if columns.text is None else row.pop(columns.text, None))
        # The same as personas.persona.content_id, which a test holds; plain ASCII is in NFC as it stands.
        line = " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
        if not line:
            raise _UnusableError("there is no text")
        try:
            digest = blake2b(line.encode(), digest_size=16).hexdigest()
        except UnicodeEncodeError as error:
            raise _UnusableError("the text has half a character in it") from error
        language = self._tag(row.pop(columns.language, None)) if columns.language else self._language
        source = _stated(row.pop(columns.source, None)) if columns.source else None
        licence = _stated(row.pop(columns.licence, None)) if columns.licence else None
        return digest, number, text, language, source, licence or self._licence, self._attributes(row) if row else None

    def _composed(self, row: dict[str, Any]) -> str | None:
        try:
            return self._columns.composer.text(row) if self._columns.composer is not None else None
        except UnsaidError as error:
            raise _UnusableError(error.args[0]) from error

    def _text(self, value: object) -> str:
        if not isinstance(value, str):
            raise _UnusableError("there is no text" if value is None else "the text is no string")
        if len(value) > self._max_length:
            raise _UnusableError(f"the text is longer than {self._max_length:,} characters")
        return value

    def _tag(self, value: object) -> str | None:
        if value in (None, ""):
            return self._language
        if not isinstance(value, str) or not _TAG.fullmatch(value):
            raise _UnusableError("its language is no BCP 47 tag")
        return value

    def _attributes(self, row: dict[str, Any]) -> str | None:
        kept = {name: value for name, value in row.items() if value not in self._nothing}
        try:
            return json_text(kept) if kept else None
        except (TypeError, ValueError, RecursionError) as error:
            raise _UnusableError("a column cannot be written as JSON") from error


def _stated(value: object) -> str | None:
    return None if value in (None, "") else str(value)
