"""Rows into one file, which is there whole or not at all, or into a folder of Parquet files, which can be resumed.

A folder is made beside its place, as `NAME.partial`, and takes its name when it is complete. Each of its files holds
the rows of a range of outputs, so an export that was stopped continues after the last file, to the same contents.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from arro3.core import DataType, Table

from ...personas.arrow import open_parquet, to_rows, write_parquet
from ...personas.errors import SetupError, StorageError
from ...personas.files import compression_of, open_compressed, private_umask, whole_file
from ...personas.writers import json_text, write_cells
from .texts import parse_payload

#: A Parquet file of a folder is closed when it holds so many rows or bytes.
_SHARD_ROWS, _SHARD_BYTES = 100_000, 1 << 26
_PROGRESS = "progress.json"


@dataclass(frozen=True, slots=True)
class ExportPosition:
    """How far an export has come: the run, from 0, and the last emission of it that was looked at."""

    part: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Rows by the side of the split, `train` where there is none, and the position after them."""

    sides: Mapping[str, Table]
    position: ExportPosition


def write_rows(
    rows: Iterable[SplitRows],
    files: Mapping[str, Path],
    ending: str,
    *,
    embedded: frozenset[str],
    metadata: str,
    card: tuple[Path, Callable[[], str]],
    as_record: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> None:
    """Write rows to one new file for each side, and make a card beside them once all are written.

    `embedded` are columns, and fields within them, that hold JSON text. In JSONL they become what it says. `as_record`
    makes the records of a JSON list.
    """
    with ExitStack() as stack:
        writers = {
            side: stack.enter_context(_writer(path, ending, embedded, metadata, as_record))
            for side, path in files.items()
        }
        for some in rows:
            for side, table in some.sides.items():
                writers[side](table)
        path, text = card
        stack.enter_context(_whole(path)).write_text(text(), encoding="utf-8")


type _WriteTable = Callable[[Table], None]


@contextmanager
def _writer(
    path: Path,
    ending: str,
    embedded: frozenset[str],
    metadata: str,
    as_record: Callable[[dict[str, Any]], dict[str, Any]] | None,
) -> Iterator[_WriteTable]:
    with _whole(path) as part:
        if ending == ".parquet":
            with open_parquet(part, {"populace": metadata}) as write:
                yield write
            return
        with open_compressed(part, compression_of(path)) as file:
            if as_record is not None:
                with _json_list(file, as_record) as write:
                    yield write
                return
            yield (_CsvFile(file) if ending == ".csv" else _Jsonl(file, embedded))


@contextmanager
def _json_list(file: Any, as_record: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[_WriteTable]:
    begins = b"[\n"

    def write(table: Table) -> None:
        nonlocal begins
        for row in to_rows(table):
            file.write(begins + orjson.dumps(as_record(row)))
            begins = b",\n"

    yield write
    file.write(b"\n]\n" if begins == b",\n" else b"[]\n")


class _Jsonl:
    def __init__(self, file: Any, embedded: frozenset[str]) -> None:
        self._file, self._embedded = file, embedded

    def __call__(self, table: Table) -> None:
        embedded = self._embedded & set(table.column_names)
        has_messages = any(DataType.is_list(column.type) for column in table.columns)
        lines = []
        for row in to_rows(table):
            for name in embedded:
                row[name] = parse_payload(row[name]) if row[name] is not None else None
            lines.append(orjson.dumps(_without_nothing(row, self._embedded) if has_messages else row))
        self._file.write(b"\n".join([*lines, b""]))


def _without_nothing(row: dict[str, Any], embedded: frozenset[str]) -> dict[str, Any]:
    """Return the row without the message fields that are not used."""
    return {
        name: [_pruned(one, embedded) for one in value] if isinstance(value, list) and name not in embedded else value
        for name, value in row.items()
    }


def _pruned(value: Any, embedded: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_pruned(one, embedded) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: parse_payload(one) if key in embedded else _pruned(one, embedded)
        for key, one in value.items()
        if one is not None
    }


class _CsvFile:
    def __init__(self, file: Any) -> None:
        self._file, self._has_head = file, False

    def __call__(self, table: Table) -> None:
        if not self._has_head:
            write_cells([table.column_names], self._file, quoting=1)
            self._has_head = True
        # All cells are quoted: some readers take a bare carriage return for the end of a row.
        write_cells(
            zip(*(map(_cell, column.to_pylist()) for column in table.columns), strict=True), self._file, quoting=1
        )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


class ShardFolder:
    """A folder of Parquet files that is being made.

    Raises `SetupError` when the folder is there, or when what was begun of it was asked for otherwise.
    """

    def __init__(self, path: Path, *, asked: str, prefix: str, metadata: str) -> None:
        """Prepare the export.

        `asked` says all that the contents depend on. `prefix` is the folder, within it, of the files of rows.
        """
        self.path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._asked, self._prefix, self._metadata = asked, prefix, metadata
        self._waiting: dict[str, list[Table]] = {}
        self._number = 0
        #: Where the export goes on, and what had been counted by then; None for one that begins.
        self.begun: tuple[ExportPosition, dict[str, Any]] | None = None
        self._open()

    def write(self, rows: Iterable[SplitRows], tally: Callable[[], dict[str, Any]]) -> None:
        """Write rows to as many files as they need; `tally` gives the counts up to the latest rows."""
        position = ExportPosition()
        for some in rows:
            position = some.position
            for side, table in some.sides.items():
                self._waiting.setdefault(side, []).append(table)
            tables = [table for tables in self._waiting.values() for table in tables]
            if sum(map(len, tables)) >= _SHARD_ROWS or sum(table.nbytes for table in tables) >= _SHARD_BYTES:
                self._close_shard(position, tally())
        if any(len(table) for tables in self._waiting.values() for table in tables):
            self._close_shard(position, tally())

    def finish(self, card: str) -> None:
        """Add the card, and give the folder its name."""
        with self._written():
            with whole_file(self._partial / "README.md", replace=True) as part:
                part.write_text(card, encoding="utf-8")
            (self._partial / _PROGRESS).unlink(missing_ok=True)
            self._partial.rename(self.path)

    def files(self) -> list[Path]:
        """List the files of rows that are complete."""
        return sorted((self._partial / self._prefix).glob("*.parquet"))

    def discard(self) -> None:
        """Remove the folder where nothing was written to it."""
        if not self._number:
            with suppress(OSError):
                (self._partial / _PROGRESS).unlink(missing_ok=True)
                if self._prefix:
                    (self._partial / self._prefix).rmdir()
                self._partial.rmdir()

    def _open(self) -> None:
        with self._written():
            if (self._partial / _PROGRESS).is_file():
                self._go_on()
                return
            if self._partial.exists():
                raise SetupError(
                    f"{str(self._partial)!r} is in the way of the export; remove it, or give another path."
                )
            with private_umask(self._partial):
                (self._partial / self._prefix).mkdir(parents=True)
            self._note(ExportPosition(), {})

    def _go_on(self) -> None:
        noted = orjson.loads((self._partial / _PROGRESS).read_bytes())
        if noted["asked"] != self._asked:
            raise SetupError(
                f"{str(self._partial)!r} holds an export that was stopped and was asked for otherwise; give the same "
                "runs and options to go on with it, or remove it."
            )
        self._number = noted["shards"]
        if self._number:
            self.begun = ExportPosition(noted["part"], noted["after"]), noted["tally"]

    def _close_shard(self, position: ExportPosition, tally: dict[str, Any]) -> None:
        with self._written():
            for side, tables in sorted(self._waiting.items()):
                if any(map(len, tables)):
                    path = self._partial / self._prefix / f"{side}-{self._number:05d}.parquet"
                    with whole_file(path, replace=True) as part:
                        write_parquet(iter(tables), part, {"populace": self._metadata})
            self._waiting.clear()
            self._number += 1
            self._note(position, tally)

    def _note(self, position: ExportPosition, tally: dict[str, Any]) -> None:
        noted = {
            "asked": self._asked, "part": position.part, "after": position.after, "shards": self._number, "tally": tally
        }  # fmt: skip
        with whole_file(self._partial / _PROGRESS, replace=True) as part:
            part.write_bytes(orjson.dumps(noted))

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{str(self.path)!r} cannot be written ({error.strerror or error}); make room, or send it elsewhere."
            ) from error


def check_new(path: Path) -> None:
    """Raise `SetupError` when there is something at a path, or no folder for it."""
    if path.exists() or path.is_symlink():
        raise SetupError(f"{str(path)!r} exists already; give another path for the export.")
    if not path.parent.is_dir():
        raise SetupError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it first.")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes `path` if the block succeeds and is removed if it fails."""
    check_new(path)
    try:
        with whole_file(path) as part:
            yield part
    except OSError as error:
        raise StorageError(
            f"{str(path)!r} cannot be written ({error.strerror or error}); make room, or send it elsewhere."
        ) from error
