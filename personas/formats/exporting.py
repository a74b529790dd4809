"""Writing the people of a hub to files that others read; what is written is there whole or not at all."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import orjson

from ..arrow import write_parquet
from ..errors import SetupError, StorageError, parameter
from ..files import compression_of, open_compressed, uncompressed_suffix, whole_file
from ..hub.file import HubFile
from .columns import Extra
from .hub_folder import write_hub_folder
from .people import ExportedPeople
from .relations import relations_of, relations_path, write_graph, write_relations
from .row_files import (
    PeopleRows,
    write_csv,
    write_jsonl,
)


class ExportFormat(StrEnum):
    """What an export is written as."""

    #: One object, or row, with every column that a hub has of a person, and every column that was imported.
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    #: People and relations.
    GRAPHML = "graphml"
    GEXF = "gexf"
    JSON = "json"
    #: A folder with all tables, from which `populace hub import` makes an equal hub.
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    path: Path
    format: ExportFormat
    people: int
    #: Relations written, into the same file or a second one; None for formats that cannot hold any.
    relations: int | None
    #: The people who came without any licence.
    unlicensed: int
    #: How many of them have a profile, a biography and so on, for each of the extras that the file has.
    extras: tuple[tuple[Extra, int], ...] = ()
    #: The second file with the relations; None where they are in the same file, or there are none.
    relations_path: Path | None = None
    #: Columns whose cells are JSON text, because their values are nested, of several types, or too long integers.
    as_json: tuple[str, ...] = ()
    #: People who were imported in several rows that differ, and who are written as the first of them has them.
    several: int = 0
    #: Relations that could not come along, because the format has no place for them.
    left_relations: int = 0
    #: Tables, for a folder of a whole hub.
    tables: int = 0


_GRAPHS = (ExportFormat.GRAPHML, ExportFormat.GEXF, ExportFormat.JSON)
_ROWS = (ExportFormat.JSONL, ExportFormat.CSV, ExportFormat.PARQUET)

#: Opens what is written to, for bytes.
type Opened = Callable[[], Any]


def export_hub(
    hub: HubFile,
    path: Path,
    *,
    format: ExportFormat | None = None,  # noqa: A002 - the word that users type
    select: str | None = None,
    duplicates: bool = False,
    extras: Collection[Extra] = (),
    notice: str | None = None,
) -> ExportReport:
    """Write the personas of a hub, or of one of its selections, in order of arrival, to a new file.

    The default format is that of the file's ending. Near-duplicates and personas that a rule has rejected are left out,
    unless `duplicates` is true or the selection has them. Profiles are among the columns if somebody has one, and the
    other `extras` if they are named. JSONL, CSV and Parquet have each imported column with its own type (see
    `personas.formats.columns`), and relations in a second file beside them. In JSONL the first rows may be those that
    show the types of columns, before the order of arrival. `hub` writes a folder with all that the hub holds. `notice`,
    the sentence to show wherever these personas are shown, goes into the file if the format has a place for it. Raises
    `SetupError` for a file that exists, a format that is unknown or has no place for the extras, an unknown selection,
    and if there is nobody to export. Raises `StorageError` if the file cannot be written.
    """
    chosen = format or _by_name(path)
    beside = [relations_path(path)] if chosen in _ROWS else []
    for taken in (path, *beside):
        if taken.exists() or taken.is_symlink():
            raise SetupError(f"{str(taken)!r} exists already; give another path for the export.")
    if chosen is ExportFormat.HUB:
        return _export_whole(hub, path, select=select, extras=extras, notice=notice)
    people = _find_people(hub, select=select, duplicates=duplicates, extras=extras)
    with ExitStack() as stack:
        part = stack.enter_context(_whole(path))
        packing = None if chosen is ExportFormat.PARQUET else compression_of(path)
        report = _write(people, chosen, path, partial(open_compressed, part, packing), notice)
        if chosen in _ROWS:
            report = _write_relations(people, chosen, report, stack)
    return report


def stream_hub(
    hub: HubFile,
    out: BinaryIO,
    *,
    format: ExportFormat = ExportFormat.JSONL,  # noqa: A002 - the word that users type
    select: str | None = None,
    duplicates: bool = False,
    extras: Collection[Extra] = (),
    notice: str | None = None,
) -> ExportReport:
    """Write what `export_hub` writes to a stream of bytes, without a second file.

    Raises `SetupError` as `export_hub` does, and for a whole hub.
    """
    if format is ExportFormat.HUB:
        raise SetupError("A whole hub is written to a folder, and not to a stream; give a path.")
    people = _find_people(hub, select=select, duplicates=duplicates, extras=extras)
    report = _write(people, format, Path("-"), partial(_stays_open, out), notice)
    return report if format in _GRAPHS else replace(report, left_relations=len(relations_of(people)))


def _find_people(hub: HubFile, *, select: str | None, duplicates: bool, extras: Any) -> ExportedPeople:
    people = ExportedPeople(hub, select=select, duplicates=duplicates, extras=extras)
    if not people.count:
        raise SetupError(f"There is nobody to export in {str(hub.path)!r}{f' under {select!r}' if select else ''}.")
    return people


def _write(
    people: ExportedPeople,
    chosen: ExportFormat,
    path: Path,
    opened: Opened,
    notice: str | None,
) -> ExportReport:
    """Write the personas themselves, and return the report."""
    report = ExportReport(path, chosen, people.count, None, people.unlicensed, _beside(people))
    if chosen in _GRAPHS:
        relations = write_graph(people, chosen.value, opened=opened, notice=notice)
        return replace(report, relations=relations, several=people.several)
    rows = PeopleRows(people, types_first=chosen is ExportFormat.JSONL)
    if chosen is ExportFormat.PARQUET:
        metadata = {"populace": orjson.dumps({"format": 1} | ({"notice": notice} if notice else {})).decode()}
        with TemporaryDirectory(prefix="populace-") as folder, opened() as file:
            write_parquet(rows.batches(), whole := Path(folder, "people.parquet"), metadata)
            with whole.open("rb") as written:
                copyfileobj(written, file)
    else:
        with opened() as file:
            (write_csv if chosen is ExportFormat.CSV else write_jsonl)(rows.batches(), file)
    return replace(report, as_json=rows.as_json, several=people.several)


def _write_relations(
    people: ExportedPeople, chosen: ExportFormat, report: ExportReport, stack: ExitStack
) -> ExportReport:
    relations = relations_of(people)
    if not (number := len(relations)):
        return report
    path = relations_path(report.path)
    part = stack.enter_context(_whole(path))
    packing = None if chosen is ExportFormat.PARQUET else compression_of(path)
    write_relations(relations, chosen.value, part, packing)
    return replace(report, relations=number, relations_path=path)


def _export_whole(
    hub: HubFile, path: Path, *, select: str | None, extras: Collection[Extra], notice: str | None
) -> ExportReport:
    if select is not None or extras:
        raise SetupError(
            f"The format hub writes all that a hub holds; give neither {parameter('select')} nor "
            f"{parameter('extras')} with it."
        )
    people = ExportedPeople(hub, duplicates=True)
    written = write_hub_folder(hub, path, notice=notice)
    relations = written.get("relations", 0)
    return ExportReport(path, ExportFormat.HUB, people.count, relations, people.unlicensed, tables=len(written))


def _beside(people: ExportedPeople) -> tuple[tuple[Extra, int], ...]:
    """Add profiles to the columns if anybody has one, and count how many people have each of the extras."""
    numbers = {extra: people.number_with(extra) for extra in {Extra.PROFILES, *people.extras}}
    people.extras = tuple(extra for extra in Extra if extra in people.extras or numbers.get(extra))
    return tuple((extra, numbers[extra]) for extra in people.extras)


def _by_name(path: Path) -> ExportFormat:
    suffix = uncompressed_suffix(path).removeprefix(".")
    if suffix in ExportFormat and suffix != ExportFormat.HUB:
        return ExportFormat(suffix)
    formats = ", ".join(ExportFormat)
    raise SetupError(
        f"{str(path)!r} does not say by its ending what to write; give {parameter('format')}, one of {formats}."
    )


@contextmanager
def _stays_open(out: BinaryIO) -> Iterator[BinaryIO]:
    yield out


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes `path` if the block succeeds and is removed if it fails."""
    if not path.parent.is_dir():
        raise SetupError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it first.")
    try:
        with whole_file(path) as part:
            yield part
    except OSError as error:
        raise StorageError(
            f"{str(path)!r} cannot be written ({error.strerror or error}); make room, or send it elsewhere."
        ) from error
