"""Writing the people of a hub to files that others read; what is written is there whole or not at all."""

import csv
import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from ..errors import SetupError, StorageError
from ..files import whole_file
from ..packing import packed, packing_of, plain_suffix
from .extras import NESTED, Extra
from .file import HubFile
from .flat import flat
from .formats import Shape
from .people import People
from .published import PublishedRows
from .published_files import check_ending, write_published

__all__ = ["ExportFormat", "ExportReport", "export_hub"]


class ExportFormat(StrEnum):
    """What an export is written as."""

    #: Persona Hub's own: one object a line with the one key `persona`; licences stand in a file beside it.
    PERSONA = "persona.jsonl"
    #: One object, or row, with every column that a hub has of a person.
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    #: The rows that were imported in one of these shapes, as they were: JSONL, CSV or Parquet by the file's ending.
    TASKS = "tasks"
    ELITE = "elite"
    NEMOTRON = "nemotron"
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
    #: Rows, for the formats in which a person may have several; None for the others.
    rows: int | None
    #: People who were left out because they have no row in this format.
    without: int
    #: Ties, for the formats of graphs; None for the others.
    relations: int | None
    #: The file beside it that names the licences, where the format has no place for them.
    licences: Path | None
    #: The people who came without any licence.
    unlicensed: int
    #: How many of them have a profile, a biography and so on, for what stands beside them in the file.
    beside: tuple[tuple[Extra, int], ...] = ()


_PUBLISHED = (ExportFormat.TASKS, ExportFormat.ELITE, ExportFormat.NEMOTRON)
#: The Arrow types whose values are cells of CSV as they are.
_PLAIN = ("string", "int8", "int32", "int64", "bool")
#: What has no place for more than what it is made of.
_BARE = (ExportFormat.PERSONA, *_PUBLISHED)
_GRAPHS = (ExportFormat.GRAPHML, ExportFormat.GEXF, ExportFormat.JSON)


def export_hub(
    hub: HubFile,
    path: Path,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - the word that users type
    select: str | None = None,
    duplicates: bool = False,
    extras: Collection[Extra] = (),
) -> ExportReport:
    """Write the people of a hub, or of one of its selections, in order of arrival, to a new file.

    The format is that of the file's ending when none is given. Near-duplicates, and whom a rule
    of quality has turned away, are left out unless `duplicates`, or unless the
    selection has them. Profiles are among the columns wherever somebody has one, and the other `extras` when they are
    named; lists are lists in JSONL and Parquet, and joined by semicolons elsewhere. The formats `tasks`, `elite` and
    `nemotron` give back the rows that were imported so (`elite` also whom `enrich --raise` made); whoever has none is
    left out, and counted.
    Raises `SetupError` for a file that exists, a format that is unknown or has no place for the extras, a selection
    that is not there, and when there is nobody to export; `StorageError` when the file cannot be written.
    """
    chosen = format or _by_name(path)
    if path.exists() or path.is_symlink():
        raise SetupError(f"{str(path)!r} exists already; give another path for the export.")
    if extras and chosen in _BARE:
        raise SetupError(f"{chosen} has no place for {' and '.join(extras)}; write jsonl, csv, parquet or a graph.")
    people = People(hub, select=select, duplicates=duplicates, extras=extras)
    if not people.count:
        raise SetupError(f"There is nobody to export in {str(hub.path)!r}{f' under {select!r}' if select else ''}.")
    if chosen in _PUBLISHED:
        return _export_published(people, path, chosen)
    beside = () if chosen in _BARE else _beside(people)
    relations = None
    with _whole(path) as part:
        if chosen in _GRAPHS:
            from .graph_files import write_graph

            relations = write_graph(people, part, chosen.value, packed=partial(packed, part, packing_of(path)))
        elif chosen is ExportFormat.PARQUET:
            _write_parquet(people, part)
        else:
            with packed(part, packing_of(path)) as file:
                _WRITERS[chosen](people, file)
        licences = _write_licences(people, path) if chosen is ExportFormat.PERSONA else None
    return ExportReport(path, chosen, people.count, None, 0, relations, licences, people.unlicensed, beside)


def _beside(people: People) -> tuple[tuple[Extra, int], ...]:
    """Give the people their profiles, if any of them has one, and count whatever stands beside them."""
    numbers = {extra: people.number_with(extra) for extra in {Extra.PROFILES, *people.extras}}
    people.extras = tuple(extra for extra in Extra if extra in people.extras or numbers.get(extra))
    return tuple((extra, numbers[extra]) for extra in people.extras)


def _export_published(people: People, path: Path, form: ExportFormat) -> ExportReport:
    ending = check_ending(path, form)
    rows = PublishedRows(people, Shape(form))
    if not rows.rows:
        raise SetupError(
            f"Nobody to be exported from {str(people.hub.path)!r} has a row of the format {form}, and what such rows "
            "say beside the description is not made up; write persona.jsonl, or jsonl with all that is known."
        )
    with _whole(path) as part:
        write_published(rows, part, ending, packed=partial(packed, part, packing_of(path)))
        licences = _write_licences(rows, path)
    without = people.count - rows.people
    return ExportReport(path, form, rows.people, rows.rows, without, None, licences, rows.unlicensed)


def _by_name(path: Path) -> ExportFormat:
    suffix = plain_suffix(path).removeprefix(".")
    name = path.name.lower()
    if name.startswith("persona.jsonl") or ".persona.jsonl" in name:
        return ExportFormat.PERSONA
    if suffix in ExportFormat and suffix not in _PUBLISHED:
        return ExportFormat(suffix)
    formats = ", ".join(ExportFormat)
    raise SetupError(f"{str(path)!r} does not say by its ending what to write; give --format, one of {formats}.")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well, and is gone when it does not."""
    if not path.parent.is_dir():
        raise SetupError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it first.")
    try:
        with whole_file(path) as part:
            yield part
    except OSError as error:
        raise StorageError(
            f"{str(path)!r} cannot be written ({error.strerror or error}); make room, or send it elsewhere."
        ) from error


def _write_persona(people: People, file: Any) -> None:
    for texts in people.texts():
        file.write(b"".join(orjson.dumps({"persona": text}) + b"\n" for text in texts))


def _write_jsonl(people: People, file: Any) -> None:
    nested = [name for name in people.columns if name in NESTED]
    for batch in people.batches():
        rows = batch.to_pylist()
        for name in nested:
            _parse(rows, name)
        file.write(b"".join([orjson.dumps(row) + b"\n" for row in rows]))


def _parse(rows: list[dict[str, Any]], name: str) -> None:
    for row in rows:
        if (value := row[name]) is not None:
            row[name] = orjson.loads(value)


def _write_csv(people: People, file: Any) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(people.columns)
    for batch in people.batches():
        rows.writerows(zip(*map(_cells, batch.columns), strict=True))
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()


def _cells(column: Any) -> list[Any]:
    cells: list[Any] = column.to_pylist()
    is_plain = str(column.type) in _PLAIN
    return cells if is_plain else [None if value is None else flat(value) for value in cells]


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


def _write_licences(people: People | PublishedRows, path: Path) -> Path:
    beside = path.with_name(f"{path.name}.LICENSES.csv")
    with beside.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("licence", "source", "revision", "model", "personas"))
        rows.writerows(people.licences())
    return beside
