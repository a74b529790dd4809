"""Published rows as a file: JSONL, CSV or Parquet, each column with the type that its values have."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from ..errors import SetupError
from ..files import uncompressed_suffix
from .published import PublishedRows

__all__ = ["check_ending", "write_published"]

_ENDINGS = (".jsonl", ".ndjson", ".csv", ".parquet")
_WHOLE = {"BIGINT", "UBIGINT"}


def check_ending(path: Path, form: str) -> str:
    """The ending of a file to write. Raises `SetupError` for one that says of no table how it is written."""
    ending = uncompressed_suffix(path)
    if ending not in _ENDINGS:
        raise SetupError(f"{form} is written as JSONL, CSV or Parquet; give {str(path)!r} such an ending.")
    return ending


def write_published(rows: PublishedRows, part: Path, ending: str, *, packed: Callable[[], Any]) -> None:
    """Write the rows as the file's ending says. Raises `SetupError` for values that no column of Parquet can hold."""
    if ending == ".parquet":
        _write_parquet(rows, part)
        return
    with packed() as file:
        (_write_csv if ending == ".csv" else _write_jsonl)(rows, file)


def _write_jsonl(rows: PublishedRows, file: Any) -> None:
    for batch in rows.batches():
        file.write(b"".join(orjson.dumps(row) + b"\n" for row in batch))


def _write_csv(rows: PublishedRows, file: Any) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.types)
    for batch in rows.batches():
        writer.writerows([_cell(value) for value in row.values()] for row in batch)
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _write_parquet(rows: PublishedRows, part: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _arrow_type(name, types)) for name, types in rows.types.items()])
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for batch in rows.batches():
            try:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            except (pa.ArrowException, OverflowError) as error:
                raise SetupError(f"Parquet cannot hold all values of these rows ({error}); write JSONL.") from error


def _arrow_type(name: str, types: set[str]) -> Any:
    import pyarrow as pa

    stated = types - {"NULL"}
    if stated <= {"VARCHAR"}:
        return pa.string()
    if stated <= {*_WHOLE, "DOUBLE"}:
        return pa.int64() if stated <= _WHOLE else pa.float64()
    if stated == {"BOOLEAN"}:
        return pa.bool_()
    if stated <= {"['VARCHAR']", "['NULL']"}:
        return pa.list_(pa.string())
    raise SetupError(f"The values of {name!r} are of several types, or nested, which Parquet cannot hold; write JSONL.")
