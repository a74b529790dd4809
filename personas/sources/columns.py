"""Tables in columns: Parquet and Arrow, read a batch at a time and only the columns that matter."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .document import Document, Format
from .skips import DocumentError, Skip
from .tables import column_of, row_text
from .text import Text, Wishes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_columns"]

_BATCH = 512
_ALSO = frozenset({"id", "language", "lang", "licence", "license", "title", "source", "url"})


def read_columns(document: Document, wishes: Wishes, *, first: int = 0) -> Iterator[Text]:
    """A text a row, from row `first` on (from 1); rows that give none are counted."""
    read = _parquet_batches if document.format is Format.PARQUET else _arrow_batches
    with _explained(document):
        column = ""
        for number, batch in read(document, wishes, first):
            column = column or column_of(document, batch.schema.names, wishes)
            _check_text(document, batch.schema.field(column))
            batch.validate(full=True)  # what is damaged may point anywhere in memory
            for row, values in enumerate(batch.to_pylist(), start=number):
                if row >= first and (text := row_text(document, row, values, column, wishes, unit="row")):
                    yield text


def _parquet_batches(document: Document, wishes: Wishes, first: int) -> Iterator[tuple[int, "pa.RecordBatch"]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(document.path) as file:
        names = _wanted(document, file.schema_arrow.names, wishes)
        number = 1
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number + rows > first:
                yield from _numbered(file.iter_batches(_BATCH, [group], names, use_threads=False), number)
            number += rows


def _arrow_batches(document: Document, wishes: Wishes, first: int) -> Iterator[tuple[int, "pa.RecordBatch"]]:
    import pyarrow as pa

    with pa.OSFile(str(document.path)) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        if is_file:
            reader = pa.ipc.open_file(file)
            batches: Iterator[Any] = (reader.get_batch(n) for n in range(reader.num_record_batches))
        else:
            batches = reader = pa.ipc.open_stream(file)
        names = _wanted(document, reader.schema.names, wishes)
        yield from _numbered((part for batch in batches for part in _parts(batch.select(names))), 1)


def _parts(batch: "pa.RecordBatch") -> Iterator["pa.RecordBatch"]:
    """A batch may hold a whole file: as Python's values it would be many times as large."""
    yield from (batch.slice(at, _BATCH) for at in range(0, batch.num_rows, _BATCH))


def _numbered(batches: Iterator[Any], number: int) -> Iterator[tuple[int, "pa.RecordBatch"]]:
    for batch in batches:
        yield number, batch
        number += batch.num_rows


def _wanted(document: Document, names: Sequence[str], wishes: Wishes) -> list[str]:
    column = column_of(document, names, wishes)
    return [name for name in names if name == column or name.strip().casefold() in _ALSO]


def _check_text(document: Document, field: "pa.Field") -> None:
    import pyarrow.types as kinds

    kind = field.type.value_type if kinds.is_dictionary(field.type) else field.type
    if not (kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)):
        said = f"{document.label}: column {field.name!r} holds {kind}, which is no text"
        raise DocumentError(Skip.COLUMN, f"{said}; name another with `populace grow --column`.")


@contextmanager
def _explained(document: Document) -> Iterator[None]:
    """Puts what Arrow says of a file into one sentence."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        why = " ".join(str(error).split())[:120].rstrip(". ")
        is_missing = isinstance(error, PermissionError | FileNotFoundError)
        kind = Skip.UNREADABLE if is_missing else Skip.CORRUPT
        raise DocumentError(
            kind, f"{document.label} cannot be read as {document.format} ({why}); give a whole file."
        ) from error
