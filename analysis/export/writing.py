"""Rows into one file, which is there whole or not at all, or into a folder of Parquet files, which can be resumed.

A folder is made beside its place, as `NAME.partial`, and takes its name when it is complete. Each of its files holds
the rows of a range of outputs, so an export that was stopped continues after the last file, to the same contents.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import orjson
from arro3.core import ChunkedArray, DataType, Table

from ...core.arrow import duckdb_type, open_parquet, parquet, set_column, to_rows, write_parquet
from ...core.errors import SetupError, StorageError
from ...core.files import compression_of, open_compressed, private_umask, whole_file
from ...core.writers import json_text, write_cells
from ...personas.judgement import Redaction
from ...personas.rules.personal import find_record_names, personal_changes
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
    rows: Table
    #: The kinds that were found in each row, in alphabetical order; an empty list for most.
    kinds: list[list[str]]

    @property
    def counts(self) -> Counter[str]:
        """How many rows hold each kind."""
        return Counter(kind for kinds in self.kinds for kind in kinds)


def search_personal(rows: Table, *, redact: Pseudonyms | None, skip: Sequence[bool] = ()) -> Searched:
    """Look for personal data in all columns, within nested values too, and replace them, names by these pseudonyms.

    Rows that `skip` marks are left as they are.

    A row is searched twice: for the names in all its columns, then in each column for their other forms.
    """
    kinds: list[set[str]] = [set() for _ in range(len(rows))]
    columns = [_Texts(column) for column in rows.columns]
    names = _names_of_rows(columns, len(rows))
    for name, column, texts in zip(rows.column_names, rows.columns, columns, strict=True):
        found = dict[tuple[int, tuple[str, ...]], _Changed]()
        replaced = list(column.to_pylist()) if redact else []
        for row, n in enumerate(texts.places):
            if texts.values[n] is None or (skip and skip[row]) or (n not in texts.suspects and not names[row]):
                continue
            key = (n, names[row])
            if key not in found:
                found[key] = personal_changes(texts.values[n], pseudonyms=redact, wholes=names[row], with_keys=True)
            after, changes = found[key]
            kinds[row].update(str(change.kind) for change in changes)
            if redact and changes:
                replaced[row] = after if texts.are_plain else orjson.loads(after)
        if redact and found:
            rows = set_column(rows, name, replaced, texts.kind)
    return Searched(rows, [sorted(found) for found in kinds])


type _Changed = tuple[str, tuple[Redaction, ...]]


class _Texts:
    """The values of a column as text, each once: descriptions of personas stand in many rows, and are searched once."""

    def __init__(self, column: ChunkedArray) -> None:
        from ...personas.rules.quality import rows_to_search

        self.kind = duckdb_type(column)
        self.are_plain = self.kind == "VARCHAR"
        values = column.to_pylist() if self.are_plain else map(_as_json, column.to_pylist())
        numbers: dict[Any, int] = {}
        #: The number of the value in each row.
        self.places = [numbers.setdefault(value, len(numbers)) for value in values]
        self.values = list(numbers)
        #: Numbers of the values that may hold personal data.
        self.suspects = set(rows_to_search(self.values))


def _as_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _names_of_rows(columns: Sequence[_Texts], rows: int) -> list[tuple[str, ...]]:
    """The names in all columns of each row."""
    names: list[tuple[str, ...]] = [()] * rows
    for texts in columns:
        found = {n: find_record_names(texts.values[n], {}) for n in texts.suspects}
        for row, n in enumerate(texts.places):
            if found.get(n):
                names[row] = (*names[row], *found[n])
    return [tuple(dict.fromkeys(of_row)) for of_row in names]


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
) -> None:
    """Write rows to one new file for each side, and make a card beside them once all are written.

    `embedded` are columns, and fields within them, that hold JSON text. In JSONL they become what it says.
    """
    with ExitStack() as stack:
        writers = {side: stack.enter_context(_writer(path, ending, embedded, metadata)) for side, path in files.items()}
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
) -> Iterator[_WriteTable]:
    with _whole(path) as part:
        if ending == ".parquet":
            with open_parquet(part, {"populace": metadata}) as write:
                yield write
            return
        with open_compressed(part, compression_of(path)) as file:
            yield (_CsvFile(file) if ending == ".csv" else _Jsonl(file, embedded))


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


#: The columns by whose values rows are counted together.
KEYS = (
    "run",
    "kind",
    "model",
    "response_model",
    "prompt_version",
    "sampling",
    "licence",
    "persona_language",
    "procedural",
)


@dataclass(slots=True)
class ExportCounts:
    """Numbers of rows, by what they have in common and by why others were left out."""

    #: Rows by side and then by the values of `KEYS`.
    groups: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    #: Outputs that were left out, by reason.
    left_out: Counter[str] = field(default_factory=Counter)
    #: Rows in which personal data were found, by kind; and those rows altogether.
    personal: Counter[str] = field(default_factory=Counter)
    personal_rows: int = 0
    tokens: int = 0
    #: Cells of CSV that a spreadsheet would take for a formula.
    formulas: int = 0
    _personas: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return sum(self.groups.values())

    @property
    def personas(self) -> int:
        """Different personas whose outputs were written."""
        return len(self._personas)

    def by(self, *names: str) -> dict[tuple[Any, ...], int]:
        """Rows by some of `KEYS` and `side`, most first."""
        places = [("side", *KEYS).index(name) for name in names]
        found: Counter[tuple[Any, ...]] = Counter()
        for key, number in self.groups.items():
            found[tuple(key[place] for place in places)] += number
        return dict(sorted(found.items(), key=lambda item: (-item[1], tuple(map(str, item[0])))))

    def count(self, side: str, facts: Table) -> None:
        """Count rows that are written; `facts` has `KEYS` and the persona of each."""
        for key in zip(*(facts[name].to_pylist() for name in KEYS), strict=True):
            self.groups[(side, *key)] += 1
        self._personas.update(facts["persona"].to_pylist())

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads, but for the personas."""
        return {
            "groups": [[*key, number] for key, number in self.groups.items()],
            "left_out": dict(self.left_out),
            "personal": dict(self.personal),
            "personal_rows": self.personal_rows,
            "tokens": self.tokens,
        }

    @classmethod
    def from_json(cls, noted: dict[str, Any], written: Iterable[Path]) -> Self:
        """The tally that was noted when the files of rows that are `written` were complete."""
        tally = cls(
            Counter({tuple(key): number for *key, number in noted["groups"]}),
            Counter(noted["left_out"]),
            Counter(noted["personal"]),
            noted["personal_rows"],
            noted["tokens"],
        )
        for path in written:
            with parquet(path, "DISTINCT persona") as rows:
                tally._personas.update(persona for (persona,) in rows.fetchall())
        return tally
