"""Writing the people of a hub to files that others read; what is written is there whole or not at all."""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from ..errors import SetupError, StorageError
from .file import HubFile
from .people import People
from .stream import plain_suffix

__all__ = ["ExportFormat", "ExportReport", "export_hub"]


class ExportFormat(StrEnum):
    """What an export is written as."""

    #: Persona Hub's own: one object a line with the one key `persona`; licences stand in a file beside it.
    PERSONA = "persona.jsonl"
    #: One object, or row, with every column that a hub has of a person.
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    #: People and relations.
    GRAPHML = "graphml"
    GEXF = "gexf"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    path: Path
    format: ExportFormat
    people: int
    #: Ties, for the formats of graphs; None for the others.
    relations: int | None
    #: The file beside it that names the licences, where the format has no place for them.
    licences: Path | None
    #: The people who came without any licence.
    unlicensed: int


_GRAPHS = (ExportFormat.GRAPHML, ExportFormat.GEXF, ExportFormat.JSON)


def export_hub(
    hub: HubFile,
    path: Path,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - the word that users type
    select: str | None = None,
    duplicates: bool = False,
) -> ExportReport:
    """Write the people of a hub, or of one of its selections, in order of arrival, to a new file.

    The format is that of the file's ending when none is given. Near-duplicates, and whom a rule
    of quality has turned away, are left out unless `duplicates`, or unless the
    selection has them.
    Raises `SetupError` for a file that exists, a format that is unknown, a selection that is not there, and a hub in
    which there is nobody to export; `StorageError` when the file cannot be written.
    """
    chosen = format or _by_name(path)
    if path.exists():
        raise SetupError(f"{str(path)!r} exists already; give another path for the export.")
    people = People(hub, select=select, duplicates=duplicates)
    if not people.count:
        raise SetupError(f"There is nobody to export in {str(hub.path)!r}{f' under {select!r}' if select else ''}.")
    relations = None
    with _whole(path) as part:
        if chosen in _GRAPHS:
            from .graph_files import write_graph

            relations = write_graph(people, part, chosen.value, packed=_open(part, path))
        elif chosen is ExportFormat.PARQUET:
            _write_parquet(people, part)
        else:
            with _open(part, path)() as file:
                _WRITERS[chosen](people, file)
        licences = _write_licences(people, path) if chosen is ExportFormat.PERSONA else None
    return ExportReport(path, chosen, people.count, relations, licences, people.unlicensed)


def _by_name(path: Path) -> ExportFormat:
    suffix = plain_suffix(path).removeprefix(".")
    if path.name.lower().startswith("persona.jsonl"):
        return ExportFormat.PERSONA
    if suffix in ExportFormat and suffix != "persona.jsonl":
        return ExportFormat(suffix)
    formats = ", ".join(ExportFormat)
    raise SetupError(f"{str(path)!r} does not say by its ending what to write; give --format, one of {formats}.")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well, and is gone when it does not."""
    if not path.parent.is_dir():
        raise SetupError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it first.")
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"{str(path)!r} cannot be written ({error.strerror or error}); make room, or send it elsewhere."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _open(part: Path, path: Path) -> Callable[[], Any]:
    """What opens the part for writing bytes, packed as the final name says."""
    match path.suffix.lower():
        case ".gz":
            # Without a name and a time in it, the same people make the same bytes.
            return lambda: _Closing(gzip.GzipFile("", "wb", 6, raw := part.open("wb"), mtime=0), raw)
        case ".bz2":
            return lambda: bz2.open(part, "wb")
        case ".xz":
            return lambda: lzma.open(part, "wb")
        case ".zst":
            import pyarrow as pa

            return lambda: pa.output_stream(str(part), compression="zstd")
        case _:
            return lambda: part.open("wb")


class _Closing:
    """A file that lies in another: both are closed with it."""

    def __init__(self, inner: Any, outer: Any) -> None:
        self._inner, self._outer = inner, outer

    def __enter__(self) -> Any:
        return self._inner

    def __exit__(self, *error: object) -> None:
        self._inner.close()
        self._outer.close()


def _write_persona(people: People, file: Any) -> None:
    for batch in people.batches():
        texts = batch.column("text").to_pylist()
        file.write(b"".join(orjson.dumps({"persona": text}) + b"\n" for text in texts))


def _write_jsonl(people: People, file: Any) -> None:
    for batch in people.batches():
        file.write(b"".join(orjson.dumps(_parsed(row)) + b"\n" for row in batch.to_pylist()))


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    if row.get("attributes") is not None:
        row["attributes"] = orjson.loads(row["attributes"])
    return row


def _write_csv(people: People, file: Any) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(people.columns)
    for batch in people.batches():
        rows.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()


def _write_parquet(people: People, part: Path) -> None:
    import pyarrow.parquet as pq

    writer: Any = None
    try:
        for batch in people.batches():
            writer = writer or pq.ParquetWriter(part, batch.schema, compression="zstd")
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()


_WRITERS: dict[ExportFormat, Callable[[People, Any], None]] = {
    ExportFormat.PERSONA: _write_persona,
    ExportFormat.JSONL: _write_jsonl,
    ExportFormat.CSV: _write_csv,
}


def _write_licences(people: People, path: Path) -> Path:
    beside = path.with_name(f"{path.name}.LICENSES.csv")
    with beside.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("licence", "source", "revision", "model", "personas"))
        rows.writerows(people.licences())
    return beside
