"""Tables in files: JSONL, CSV, Parquet, Arrow or a JSON graph, as batches of rows numbered as the file numbers them.

Files are read in bounded memory, also compressed ones. JSON keeps integers exact. Rows that cannot be read are counted
with their reasons, or refused at the first.
"""

import csv
import hashlib
import io
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import batched, chain, islice
from pathlib import Path
from typing import Any

import orjson

from .arrow import ColumnFile
from .errors import SourceError
from .files import DAMAGE, compression_of, open_decompressed, uncompressed_suffix
from .inputs import resolve_file, shown
from .writers import read_cells

_FIRST = 3


@dataclass(slots=True)
class Skipped:
    """The rows that were left out for one reason."""

    reason: str
    rows: int = 0
    #: Lines or rows of the first few.
    first: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        where = ", ".join(map(str, self.first))
        more = ", ..." if self.rows > len(self.first) else ""
        return f"{self.rows:,} because {self.reason} (line or row {where}{more})"


class SkippedRows:
    """Counts the rows of a file that are left out; rows up to `after` have been counted before.

    With a `way_out` it raises `SourceError` at the first, which says it.
    """

    def __init__(self, file: str, skipped: Iterable[Skipped] = (), *, after: int = 0, way_out: str = "") -> None:
        self._file = file
        self._after = after
        self._way_out = way_out
        self._skipped: dict[str, Skipped] = {}
        self.add(skipped)

    def __iter__(self) -> Iterator[Skipped]:
        return iter(self._skipped.values())

    def __len__(self) -> int:
        return sum(skip.rows for skip in self._skipped.values())

    def count(self, reason: str, row: int) -> None:
        """One more row was left out. Raises `SourceError` where there is a way out to be taken first."""
        if row <= self._after:
            return
        if self._way_out:
            raise SourceError(f"{self._file}, line or row {row}: {reason}; {self._way_out}.")
        self.add([Skipped(reason, 1, [row])])

    def add(self, skipped: Iterable[Skipped]) -> None:
        """Count what was counted elsewhere, behind everything that is counted here."""
        for new in skipped:
            skip = self._skipped.setdefault(new.reason, Skipped(new.reason))
            skip.rows += new.rows
            skip.first = (skip.first + new.first)[:_FIRST]

    def take(self) -> tuple[Skipped, ...]:
        """What has been counted since the last call."""
        taken = tuple(self)
        self._skipped = {}
        return taken


#: orjson reads an integer of more than 64 bits as a float; it has 19 digits at least.
_LONG = re.compile(rb"[0-9]{19}")
#: What a table of floats holds and JSON does not: NaN is how such tables write what is missing.
_WORDS = {"NaN": None, "Infinity": "Infinity", "-Infinity": "-Infinity"}
#: A key, as it stands in the text of an object; within a string the same may stand, so there are at most so many.
_KEY = re.compile(rb'"\s*:')


class UnkeptValueError(ValueError):
    """JSON holds what cannot be kept as it is: the message says what, as a clause."""


def parse_json(data: bytes | str) -> Any:
    """The value that JSON text holds, integers exact.

    Raises `ValueError` for what is no JSON, NaN and Infinity among it, and for numbers that no float holds.
    """
    encoded = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if _LONG.search(encoded) is None:
        try:
            return orjson.loads(encoded)
        except orjson.JSONDecodeError:
            pass  # the standard library reads half a character, and tells NaN from what is no JSON
    return json.loads(data, parse_constant=_refuse_constant, parse_float=_parse_float)


def parse_row(line: bytes) -> Any:
    """The same of a row, of which each key must say one thing. Raises `ValueError` also for a key that stands twice."""
    row = parse_json(line)
    if len(_KEY.findall(line)) != _count_keys(row):
        json.loads(line, object_pairs_hook=_check_keys)
    return row


def _count_keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_keys, value.values()))
    return sum(map(_count_keys, value)) if isinstance(value, list) else 0


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise UnkeptValueError("one of its keys stands twice")
        seen.add(key)


def _refuse_constant(word: str) -> None:
    raise UnkeptValueError(f"it holds {word}, which is no JSON; write null, or the word between quotes")


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise UnkeptValueError("it holds a number that is too large to be kept")
    return number


def replace_nonfinite(value: Any) -> Any:
    """The value with None for NaN and the words for infinities, however deep they are in it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _WORDS[json.dumps(value)]
    if isinstance(value, list):
        return [replace_nonfinite(item) for item in value]
    return {name: replace_nonfinite(item) for name, item in value.items()} if isinstance(value, dict) else value


#: Bytes that a line may have. Longer ones are passed over without being held.
MAX_LINE = 16 << 20

_CHUNK = 1 << 20
#: Bytes from which the separator of a CSV file is told.
_HEAD = 1 << 16


class RowError(Exception):
    """One row cannot be read, and the next one can; `reason` says why in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_readable(path: Path) -> None:
    """Raise `SourceError` when there is no such file, or it cannot be opened."""
    with _refuse_unreadable(path), resolve_file(path).open("rb"):
        pass


def hash_file(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file's bytes and how many there are. Raises `SourceError` when there is no such file."""
    with _refuse_unreadable(path), resolve_file(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


class Lines:
    """The lines of a file as bytes, numbered from 1: `number` is that of the line handed out last.

    `name` is what messages call the file. A line longer than `MAX_LINE` raises `RowError`; the next line follows when
    the next one is asked for.
    """

    def __init__(self, name: object, file: io.BufferedReader) -> None:
        self.name, self.number = name, 0
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            line = self._file.readline(MAX_LINE)
            if not line:
                raise StopIteration
            self.number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                self._pass_over()
        except DAMAGE as error:
            raise SourceError(
                f"{self.name} is corrupt: it can be read to line {self.number:,} and no further ({error}); "
                "get the file again."
            ) from error
        return line.removeprefix(b"\xef\xbb\xbf") if self.number == 1 else line

    def peek(self) -> str:
        """Return the next lines, some ten thousand bytes of them, without reading them."""
        return self._file.peek(_HEAD)[:_HEAD].decode(errors="replace")

    def _pass_over(self) -> None:
        while (rest := self._file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
            pass
        raise RowError(f"the line is longer than {MAX_LINE >> 20} MiB")


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, decompressed when its name says so. Raises `SourceError` when it cannot be opened."""
    with ExitStack() as stack:
        with _refuse_unreadable(path):
            raw: io.BufferedReader = io.BufferedReader(stack.enter_context(path.open("rb", buffering=0)), _CHUNK)
        packing = compression_of(path)
        yield io.BufferedReader(open_decompressed(raw, packing, stack), _CHUNK) if packing else raw


@contextmanager
def _refuse_unreadable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error}); check its rights.") from error


#: Rows with the line or row at which each begins.
type RowBatch = Sequence[tuple[int, dict[str, Any]]]

_ROWS = 10_000
#: Columns that JSONL has when any of its first so many objects has them; the first object says what others there are.
_STATED = ("language", "licence", "source")
_LOOKED_AT = 1_000
_NOT_UTF8 = "the line is not UTF-8"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# Python's own limit for a cell is 128 KiB.
csv.field_size_limit(MAX_LINE)
#: How a graph in JSON begins, whatever its name.
_GRAPH = re.compile(rb'\{\s*"(directed|multigraph|graph|nodes|links|edges)"\s*:\s*(true|false|\{|\[)')


class InputTable(ABC):
    """One file of rows, which are read from the file each time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Return the names of the columns; for JSONL those of the first object.

        Raises `SourceError` if there is no row.
        """

    @abstractmethod
    def _read_rows(self, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield all rows that can be read, with their numbers."""

    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        """Yield all rows that can be read, some thousands at a time; `tally` counts those that cannot."""
        return batched(self._read_rows(tally), _ROWS)


def open_table(path: Path) -> InputTable:
    """Open the table in a file, judging by its first bytes and its name.

    Raises `SourceError` for a folder, an empty file, a hub, and whatever else is not a table.
    """
    with open_bytes(resolve_file(path)) as file:
        head = _read_head(path, file)
    suffix = uncompressed_suffix(path)
    if head.startswith((b"PAR1", b"ARROW1")) or suffix in (".parquet", ".arrow", ".feather", ".ipc"):
        return _Columnar(path, head)
    if head[8:12] == b"DUCK":
        raise SourceError(f"{path} is a DuckDB file; if it is a hub, unite the two with `populace hub merge`.")
    refuse_utf16(path, head)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise SourceError(f"{path} is empty; give a file with rows.")
    is_graph = text.startswith(b"{") and (suffix == ".json" or _GRAPH.match(text))
    if is_graph and (graph := _open_node_link(path)) is not None:
        return graph
    if text.startswith(b"{") or suffix in (".jsonl", ".ndjson"):
        return _JsonLines(path)
    if text.startswith(b"["):
        raise SourceError(f"{path} is one JSON array; write one object a line (JSONL), as `jq -c '.[]'` does.")
    if suffix in (".csv", ".tsv"):
        return _CsvTable(path)
    known = ".jsonl, .ndjson, .csv, .tsv, .parquet, .arrow, .feather"
    raise SourceError(f"{path} is no table that is known by its name or by how it begins; give one of {known}.")


def read_rows(path: Path, way_out: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of the table in a file, each with its line or row number.

    Raises `SourceError` for what is not a table, and at the first row that cannot be read, with the `way_out`.
    """
    for batch in open_table(path).batches(SkippedRows(str(path), way_out=way_out)):
        yield from batch


def read_lines[T](path: Path, parse: Callable[[bytes], T], tally: SkippedRows) -> Iterator[tuple[int, T]]:
    """Yield the parsed lines of a file with their numbers; `tally` counts those that `parse` cannot read."""
    with open_bytes(path) as file:
        yield from _parse_lines(Lines(path, file), parse, tally)


def _parse_lines[T](lines: Lines, parse: Callable[[bytes], T], tally: SkippedRows) -> Iterator[tuple[int, T]]:
    while True:
        try:
            for line in lines:
                yield lines.number, parse(line)
            return
        except UnicodeDecodeError:
            tally.count(_NOT_UTF8, lines.number)
        except RowError as error:
            tally.count(error.reason, lines.number)


def refuse_utf16(path: Path, head: bytes) -> None:
    """Raise `SourceError` if a file begins as UTF-16 does."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path} is UTF-16, as its bytes 0 and 1 say; save it as UTF-8.")


def _read_head(path: Path, file: Any) -> bytes:
    try:
        head: bytes = file.read(4096)
    except DAMAGE as error:
        raise SourceError(f"{path} is corrupt: not even its beginning can be read ({error}).") from error
    return head


class _JsonLines(InputTable):
    def columns(self) -> Sequence[str]:
        rows = (row for _, row in islice(self._read_rows(SkippedRows(str(self.path))), _LOOKED_AT))
        if names := list(next(rows, ())):
            # The first object may lack what others state: it may be of an unknown source, for one.
            later = {name for row in rows for name in _STATED if name in row}
            return [*names, *sorted(later.difference(names))]
        raise SourceError(f"{self.path} holds no object; write one a line, such as {{'persona': '...'}}.")

    def _read_rows(self, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        with open_bytes(self.path) as file:
            yield from read_json_lines(Lines(self.path, file), tally)


def read_json_lines(lines: Lines, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects on these lines with their numbers; `tally` counts the lines that hold none."""
    return ((number, row) for number, row in _parse_lines(lines, _parse_object, tally) if row is not None)


def _parse_object(line: bytes) -> dict[str, Any] | None:
    """Return the object on a line; None for a blank line."""
    if line.isspace():
        return None
    try:
        row = parse_row(line)
    except UnicodeDecodeError:
        raise
    except UnkeptValueError as error:
        raise RowError(str(error)) from error
    except RecursionError as error:
        raise RowError("the line nests too deeply") from error
    except ValueError as error:
        raise RowError("the line is not JSON") from error
    if not isinstance(row, dict):
        raise RowError("the line is JSON and no object")
    return row


def find_separator(head: str) -> str:
    """Return the separator of a CSV file: the comma, semicolon or tab that its header has most often outside quotes."""
    return max(",;\t", key=_QUOTED.sub("", head).partition("\n")[0].count)


class _CsvTable(InputTable):
    @property
    def _is_tsv(self) -> bool:
        return uncompressed_suffix(self.path) == ".tsv"

    def columns(self) -> Sequence[str]:
        with open_bytes(self.path) as file:
            return _open_csv(Lines(self.path, file), is_tsv=self._is_tsv)[0]

    def _read_rows(self, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        with open_bytes(self.path) as file:
            yield from read_csv_lines(Lines(self.path, file), tally, is_tsv=self._is_tsv)


def _open_csv(lines: Lines, *, is_tsv: bool) -> tuple[list[str], Any]:
    """Return the header and a reader of the rows behind it. Raises `SourceError` for a header that cannot be read."""
    separator = "\t" if is_tsv else find_separator(lines.peek().lstrip("\ufeff\r\n"))
    rows = read_cells(csv.reader(map(bytes.decode, lines), delimiter=separator, strict=True))
    try:
        names: list[str] = next(filter(any, rows), [])
    except (csv.Error, RowError, UnicodeDecodeError) as error:
        raise SourceError(f"{lines.name} has no header that can be read: {error}; save it as CSV in UTF-8.") from error
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{lines.name} has two columns {shown(twice)}; give each a name of its own.")
    return names, rows


def read_csv_lines(lines: Lines, tally: SkippedRows, *, is_tsv: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows behind the header, each with the number of its first line; `tally` counts those that are none.

    Raises `SourceError` for a header that cannot be read.
    """
    names, rows = _open_csv(lines, is_tsv=is_tsv)
    while True:
        began = lines.number + 1
        try:
            values = next(rows)
            if len(values) == len(names):
                yield began, dict(zip(names, values, strict=True))
            elif values:
                raise RowError("the row has other columns than the header")
        except StopIteration:
            return
        except csv.Error as error:
            tally.count(f"the row is not CSV: {error}", began)
        except UnicodeDecodeError:
            tally.count(_NOT_UTF8, began)
        except RowError as error:
            tally.count(error.reason, began)


class _Columnar(InputTable):
    """Parquet and Arrow: their rows are numbered from 1."""

    def __init__(self, path: Path, head: bytes) -> None:
        super().__init__(path)
        if uncompressed_suffix(path) != path.suffix.lower():
            raise SourceError(f"{path} is opened twice: Parquet and Arrow pack what they hold; unpack it first.")
        self._is_parquet = head.startswith(b"PAR1") or path.suffix.lower() == ".parquet"

        self._file = ColumnFile(path, is_parquet=self._is_parquet)

    def columns(self) -> Sequence[str]:
        try:
            return list(self._file.types)
        except OSError as error:
            raise SourceError(f"{self.path} is no whole {self._format_name} file: {error}.") from error

    def _read_rows(self, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        try:
            types = self._file.types
            unbounded = [name for name, kind in types.items() if "FLOAT" in kind or "DOUBLE" in kind]
            for number, row in chain.from_iterable(self._file.rows(list(types), _ROWS)):
                if row is None:
                    tally.count("the row is not UTF-8, or is damaged", number)
                    continue
                for name in unbounded:  # they may hold NaN and infinities
                    row[name] = replace_nonfinite(row[name])
                yield number, row
        except OSError as error:
            raise SourceError(
                f"{self.path} is corrupt: it can be read to row {number:,} and no further ({error}); "
                "get the file again."
            ) from error

    @property
    def _format_name(self) -> str:
        return "Parquet" if self._is_parquet else "Arrow"


#: The names that the list of links and the two ends of one go by.
_LINKS = ("edges", "links")


class NodeLink(InputTable):
    """A graph that was read whole; its nodes are numbered from 1."""

    def __init__(self, path: Path, nodes: Sequence[dict[str, Any]], links: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(path)
        self.nodes = nodes
        self.links = links

    def columns(self) -> Sequence[str]:
        """Return the names that any of the nodes has."""
        return list(dict.fromkeys(name for node in self.nodes for name in node))

    def _read_rows(self, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        return ((number, dict(node)) for number, node in enumerate(self.nodes, 1))


def _open_node_link(path: Path) -> NodeLink | None:
    """Open the graph in a JSON file; None if it holds something else. Raises `SourceError` for half a graph."""
    with open_bytes(path) as file:
        try:
            held = parse_row(file.read())
        except UnkeptValueError as error:
            raise SourceError(f"{path} cannot be read: {error}.") from error
        except (ValueError, RecursionError):
            return None
    if not isinstance(held, dict) or not isinstance(held.get("nodes"), list):
        return None
    nodes, links = held["nodes"], next((held[name] for name in _LINKS if name in held), None)
    if not isinstance(links, list):
        raise SourceError(f"{path} has nodes and no list of {' or '.join(_LINKS)}; give a whole graph.")
    for kind, rows, needed in (("node", nodes, ("id",)), ("link", links, ("source", "target"))):
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict) or any(row.get(name) is None for name in needed):
                raise SourceError(
                    f"{path}, {kind} {number}: {shown(row)} has not {' and '.join(needed)}; "
                    "write it as networkx.node_link_data does."
                )
    if not nodes:
        raise SourceError(f"{path} is a graph without any node; give one with people in it.")
    return NodeLink(path, nodes, links)
