"""Rows as JSONL, CSV and Parquet: Arrow batches with their own types, and people with their imported columns."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from .columns import ColumnType, found_columns, own_names
from .people import ExportedPeople
from .reading import json_text, parse_json

#: Readers of JSONL infer the types from so many rows (polars; pandas and pyarrow from more).
_LOOKED_AT = 100


class PeopleRows:
    """The people of an export as Arrow batches: the hub's own columns, and imported ones with a type each.

    With `types_first` the rows that show the type of a column stand first, where the first hundred in order of
    arrival would not show it: programs that read JSONL tell the types from them.
    """

    def __init__(self, people: ExportedPeople, *, types_first: bool = False) -> None:
        self._people = people
        self.imported = found_columns(people.attributes(), own_names(people.extras))
        self._first: Sequence[int] = ()
        if types_first and people.count > _LOOKED_AT:
            places = {*people.first_places(_LOOKED_AT), *(c.first for c in self.imported if c.first >= _LOOKED_AT)}
            self._first = sorted(places)[:_LOOKED_AT]

    @property
    def own(self) -> Sequence[str]:
        """The hub's own columns, which come before the imported ones."""
        return self._people.columns

    @property
    def as_json(self) -> tuple[str, ...]:
        """The columns, as they are called in the export, whose cells are JSON text."""
        return tuple(column.written for column in self.imported if column.kind is ColumnType.JSON)

    def batches(self) -> Iterator[Any]:
        """The rows, some thousands at a time."""
        for batch in self._people.batches(self._first):
            yield self._typed(batch)

    def _typed(self, batch: Any) -> Any:
        import pyarrow as pa

        place = batch.schema.get_field_index("attributes")
        own = [(name, batch.column(name)) for name in batch.schema.names if name != "attributes"]
        rows = [parse_json(text) if text else {} for text in batch.column(place).to_pylist()] if self.imported else []
        imported = [
            (column.written, pa.array([column.value(row) for row in rows], type=_arrow_type(column.kind)))
            for column in self.imported
        ]
        names, arrays = zip(*own, *imported, strict=True)
        return pa.RecordBatch.from_arrays(list(arrays), names=list(names))


def _arrow_type(kind: ColumnType) -> Any:
    """The Arrow type of a column's values; JSON is text."""
    import pyarrow as pa

    types = {ColumnType.INTEGER: pa.int64(), ColumnType.NUMBER: pa.float64(), ColumnType.BOOLEAN: pa.bool_()}
    if kind.startswith("list of "):
        return pa.list_(types.get(ColumnType(kind.removeprefix("list of ")), pa.string()))
    return types.get(kind, pa.string())


def write_jsonl(batches: Iterable[Any], file: Any) -> None:
    """Write batches as one object a line, each with every column."""
    for batch in batches:
        file.write(b"".join([orjson.dumps(row) + b"\n" for row in batch.to_pylist()]))


def write_csv(batches: Iterable[Any], file: Any) -> None:
    """Write batches as CSV with a header; lists are JSON arrays, and what is not there is an empty cell."""
    for number, batch in enumerate(batches):
        if number == 0:
            names = batch.schema.names
            # Quoted, a mark in a name is not taken for the one that separates columns.
            is_quoted = any(mark in name for name in names for mark in ";\t")
            write_cells([names], file, quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL)
        write_cells(zip(*map(_cells, batch.columns), strict=True), file)


def write_cells(rows: Iterable[Iterable[Any]], file: Any, *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> None:
    """Write rows of cells as lines of CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)
    file.write(text.getvalue().encode())


def _cells(column: Any) -> list[Any]:
    import pyarrow as pa

    cells: list[Any] = column.to_pylist()
    if pa.types.is_integer(column.type) or pa.types.is_string(column.type):
        return cells
    return [None if value is None else _cell(value) for value in cells]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else json_text(value)


def write_csv_types(rows: PeopleRows, name: str, path: Path, notice: str | None) -> None:
    """Write what the columns of the CSV file `name` hold, as CSV on the Web has it (W3C, 2015).

    Lists have the datatype `json`, for their cells are JSON arrays.
    """
    described = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": name,
        **({"dc:description": notice} if notice else {}),
        "tableSchema": {
            "columns": [
                *({"titles": name} for name in rows.own),
                *({"titles": column.written, "datatype": _datatype(column.kind)} for column in rows.imported),
            ]
        },
    }
    path.write_bytes(orjson.dumps(described, option=orjson.OPT_INDENT_2) + b"\n")


def _datatype(kind: ColumnType) -> str:
    return "json" if kind.startswith("list of ") else kind.value


def write_parquet(batches: Iterable[Any], file: Any, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write batches as Parquet; `metadata` becomes that of the file."""
    import pyarrow.parquet as pq

    writer: Any = None
    try:
        for batch in batches:
            if writer is None:
                schema = batch.schema.with_metadata(dict(metadata) if metadata else None)
                writer = pq.ParquetWriter(file, schema, compression="zstd")
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()
