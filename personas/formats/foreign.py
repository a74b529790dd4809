"""Texts of other files, to compare with our own: run files, hubs, tables (Parquet, Arrow, JSONL, CSV) and plain text.

Each text comes with the file and its row, and files are read in bounded memory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ...core.arrow import iter_batches
from ...core.database import is_database
from ...core.errors import SetupError, SourceError
from ...core.files import uncompressed_suffix
from ...core.inputs import nearest, resolve_file, shown
from ...core.readers import Skipped, SkippedRows, open_bytes, open_table, read_lines, refuse_utf16
from ..hub.file import HubFile, open_hub

#: Columns that hold texts in data sets and benchmarks, in lower case.
_TEXT_COLUMNS = (
    *("text", "synthesized text", "problem", "question", "instruction", "prompt", "input", "content", "query"),
    *("messages", "conversations", "response", "solution", "answer", "output", "completion", "chosen"),
)
#: Where the text of a message stands, in the formats of chats.
_MESSAGE_TEXTS = ("content", "value", "text")
_TABLES = (".parquet", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson", ".csv", ".tsv")
_PLAIN = (".txt", ".md")
_BATCH = 10_000
#: Bytes of plain text that are looked at when it is opened.
_HEAD = 1 << 16

_VIEWS = "SELECT view_name FROM duckdb_views() WHERE view_name = 'outputs'"
_TABLES_OF = "SELECT table_name FROM duckdb_tables()"
_ACCEPTED = "SELECT emission AS row, {text} AS text FROM outputs WHERE status = 'accepted' ORDER BY emission"
_EMITTED = "SELECT emission AS row, {text} AS text FROM emissions ORDER BY emission"
_PEOPLE = "SELECT ordinal AS row, text FROM personas ORDER BY ordinal"
_IMPORTED = """
SELECT p.ordinal AS row, i.attributes ->> $column AS text FROM imports AS i JOIN personas AS p ON p.id = i.persona
ORDER BY i.file, i.row
"""


@dataclass(frozen=True, slots=True)
class ForeignText:
    """A text of another file, and where it stands."""

    #: The file as it was given.
    file: str
    #: Line of a text file, of JSONL or of CSV; row of Parquet; emission of a run; ordinal of a person of a hub. From 1.
    row: int
    text: str
    column: str = "text"

    @property
    def place(self) -> str:
        """File, row and column, for a sentence."""
        return f"{self.file}, row {self.row}" + ("" if self.column == "text" else f", {self.column}")


class ForeignTexts:
    """The texts of files, in the order of files and rows; each iteration reads the files again.

    Of a run these are the outputs that it accepted, of a hub without outputs its people, of a table the cells of
    `columns` (or of each column with a usual name: problem, question, text, messages ...), of plain text its lines.
    The messages of a conversation are texts of their own. A folder means the tables in it.
    """

    def __init__(self, files: Iterable[Path | str], *, columns: Sequence[str] = ()) -> None:
        """Open every file. Raises `SourceError` for one that cannot be read or has none of the columns."""
        self._columns = tuple(columns)
        self._sources = [source for file in files for source in self._open_files(Path(file))]
        if not self._sources:
            raise SetupError("No file to compare with was given; name a run file, a hub or a table.")
        self._tallies: dict[str, SkippedRows] = {}

    def __iter__(self) -> Iterator[ForeignText]:
        self._tallies = {}
        for path, read_cells in self._sources:
            tally = self._tallies[str(path)] = SkippedRows(str(path))
            for row, column, value in read_cells(tally):
                for text in _texts_in(value):
                    yield ForeignText(str(path), row, text, column)

    @property
    def files(self) -> list[str]:
        """The files that are read, each once."""
        return [str(path) for path, _ in self._sources]

    @property
    def skipped(self) -> dict[str, tuple[Skipped, ...]]:
        """By file the rows that the last iteration could not read, with the reason."""
        return {file: tuple(tally) for file, tally in self._tallies.items() if len(tally)}

    def _open_files(self, path: Path) -> Iterator[tuple[Path, "_Cells"]]:
        if path.is_dir():
            found = [file for file in sorted(path.rglob("*")) if uncompressed_suffix(file) in _TABLES]
            if not found:
                raise SourceError(f"{path} is a folder without any table in it; name a file of {', '.join(_TABLES)}.")
            for file in found:
                yield file, _open_table_cells(file, self._columns)
        elif is_database(resolve_file(path)):
            yield path, _open_database(path, self._columns)
        elif uncompressed_suffix(path) in _PLAIN:
            yield path, _open_plain(path)
        else:
            yield path, _open_table_cells(path, self._columns)


def _texts_in(value: Any) -> Iterator[str]:
    """Yield the texts of a cell: itself, or those of its messages."""
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
    elif isinstance(value, dict):
        for name in _MESSAGE_TEXTS:
            yield from _texts_in(value.get(name))


#: Reads the cells of one file as row, column and value; the tally counts the rows that cannot be read.
type _Cells = Callable[[SkippedRows], Iterator[tuple[int, str, Any]]]


def _open_plain(path: Path) -> _Cells:
    """Open plain text, a text a line. Raises `SourceError` for what is UTF-16 or no text."""
    with open_bytes(path) as file:
        head = file.read(_HEAD)
    refuse_utf16(path, head)
    if (place := head.find(0)) >= 0:
        raise SourceError(f"{path} is no text, as its byte {place}, a 0, says; give plain text in UTF-8.")
    return lambda tally: (
        (number, "text", text) for number, text in read_lines(path, lambda line: line.decode().strip(), tally)
    )


def _open_table_cells(path: Path, columns: Sequence[str]) -> _Cells:
    """Open a table for the cells of these columns, or of those with a usual name in each row: JSONL may differ."""
    table = open_table(path)
    there = table.columns()
    if missing := next((name for name in columns if name not in there), None):
        raise SourceError(f"{path} has no column {missing!r}{nearest(missing, there)}; it has {_list_names(there)}.")
    if not columns and not any(map(_is_usual, there)):
        raise SourceError(
            f"{path} does not say which of its columns holds the texts; call that one 'text', or name it "
            f"(`populace data decontaminate --column`): it has {_list_names(there)}."
        )

    def read_cells(tally: SkippedRows) -> Iterator[tuple[int, str, Any]]:
        for number, row in chain.from_iterable(table.batches(tally)):
            for name in columns or filter(_is_usual, row):
                yield number, name, row.get(name)

    return read_cells


def _is_usual(column: str) -> bool:
    return column.strip().lower() in _TEXT_COLUMNS


def _list_names(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names)) or "none"


def _open_database(path: Path, columns: Sequence[str]) -> _Cells:
    """Open a run file, or a hub: its outputs, or else its people."""
    with open_hub(path) as hub:
        has_outputs = _has_rows(hub, "emissions")
        if not has_outputs and not _has_rows(hub, "personas"):
            raise SourceError(f"{path} holds neither outputs nor people; there is nothing to compare with.")

    def read_cells(tally: SkippedRows) -> Iterator[tuple[int, str, Any]]:
        with open_hub(path) as hub:
            for column in columns or ("text",):
                for row, text in _read_column(hub, column, has_outputs=has_outputs):
                    yield row, column, text

    return read_cells


def _read_column(hub: HubFile, column: str, *, has_outputs: bool) -> Iterator[tuple[int, Any]]:
    is_text = column == "text"
    if has_outputs:
        has_view = bool(hub.con.execute(_VIEWS).fetchall())
        query = (_ACCEPTED if has_view else _EMITTED).format(text="text" if is_text else "payload ->> $column")
    else:
        query = _PEOPLE if is_text else _IMPORTED
    with hub.con.cursor() as cursor:
        for batch in iter_batches(cursor.sql(query, params={} if is_text else {"column": column}), _BATCH):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _has_rows(hub: HubFile, table: str) -> bool:
    there = {name for (name,) in hub.con.execute(_TABLES_OF).fetchall()}
    return table in there and bool(hub.con.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall())  # noqa: S608 - ours
