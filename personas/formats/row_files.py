"""People as rows of JSONL, CSV and Parquet, with all columns."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

import orjson
from arro3.core import Table as Columnar

from ..arrow import set_column, to_rows
from ..csv_cells import write_csv_rows
from ..readers import json_text, parse_json
from .columns import ColumnType, find_imported_columns, own_names
from .people import ExportedPeople

#: Readers of JSONL infer the types from so many rows (polars; pandas and pyarrow from more).
_LOOKED_AT = 100


class PeopleRows:
    """The people of an export as Arrow batches: the hub's own columns, and imported ones with a type each.

    With `types_first` the rows that show the type of a column stand first, where the first hundred in order of
    arrival would not show it: programs that read JSONL tell the types from them.
    """

    def __init__(self, people: ExportedPeople, *, types_first: bool = False) -> None:
        self._people = people
        self.imported = find_imported_columns(people.attributes(), own_names(people.extras))
        self._first: Sequence[int] = ()
        if types_first and people.count > _LOOKED_AT:
            places = {*people.first_places(_LOOKED_AT), *(c.first for c in self.imported if c.first >= _LOOKED_AT)}
            self._first = sorted(places)[:_LOOKED_AT]

    @property
    def as_json(self) -> tuple[str, ...]:
        """The columns, as they are called in the export, whose cells are JSON text."""
        return tuple(column.written for column in self.imported if column.kind is ColumnType.JSON)

    def batches(self) -> Iterator[Any]:
        """The rows, some thousands at a time."""
        for batch in self._people.batches(self._first):
            yield self._typed(batch)

    def _typed(self, batch: Columnar) -> Columnar:
        texts: Any = batch["attributes"].to_pylist() if self.imported else ()
        rows = [parse_json(text) if text else {} for text in texts]
        batch = batch.drop_columns(["attributes"])
        for column in self.imported:
            batch = set_column(batch, column.written, [column.value(row) for row in rows], _sql_type(column.kind))
        return batch


def _sql_type(kind: ColumnType) -> str:
    """Return DuckDB's type of a column's values; JSON is text."""
    types = {ColumnType.INTEGER: "BIGINT", ColumnType.NUMBER: "DOUBLE", ColumnType.BOOLEAN: "BOOLEAN"}
    if kind.startswith("list of "):
        return types.get(ColumnType(kind.removeprefix("list of ")), "VARCHAR") + "[]"
    return types.get(kind, "VARCHAR")


def write_jsonl(batches: Iterable[Any], file: Any) -> None:
    """Write batches as one object a line, each with every column."""
    for batch in batches:
        file.write(b"".join([orjson.dumps(row) + b"\n" for row in to_rows(batch)]))


def write_csv(batches: Iterable[Any], file: Any) -> None:
    """Write batches as CSV with a header; lists are JSON arrays, and what is not there is an empty cell."""
    for number, batch in enumerate(batches):
        if number == 0:
            names = batch.column_names
            # Quoted, a mark in a name is not taken for the one that separates columns.
            is_quoted = any(mark in name for name in names for mark in ";\t")
            write_cells([names], file, quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL)
        write_cells(zip(*map(_cells, batch.columns), strict=True), file)


def write_cells(rows: Iterable[Iterable[Any]], file: Any, *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> None:
    """Write rows of cells as lines of CSV."""
    text = io.StringIO(newline="")
    write_csv_rows(rows, text, quoting=quoting)
    file.write(text.getvalue().encode())


def _cells(column: Any) -> list[Any]:
    return [value if value is None or type(value) in (int, str) else _cell(value) for value in column.to_pylist()]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else json_text(value)
