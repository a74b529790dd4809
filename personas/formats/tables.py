"""Tables in files, JSONL, CSV, Parquet, Arrow or a JSON graph, as batches of rows numbered as the file numbers them."""

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched, islice
from pathlib import Path
from typing import Any

from ..arrow import ColumnFile, NumberedRows
from ..csv_cells import read_cells
from ..errors import SourceError
from ..files import DAMAGE, uncompressed_suffix
from ..inputs import resolve_file, shown
from .reading import MAX_LINE, Lines, RowError, SkippedRows, UnkeptValueError, finite, parse_row, reading

#: Rows with the line or row at which each begins.
type RowBatch = Sequence[tuple[int, dict[str, Any]]]

_ROWS = 10_000
#: Columns that JSONL has when any of its first so many objects has them; the first object says what others there are.
_STATED = ("language", "licence", "source")
_LOOKED_AT = 1_000
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
    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        """Yield all rows that can be read, some thousands at a time; `tally` counts those that cannot."""


def open_table(path: Path) -> InputTable:
    """Open the table in a file, judging by its first bytes and its name.

    Raises `SourceError` for a folder, an empty file, a hub, and whatever else is not a table.
    """
    with reading(resolve_file(path)) as file:
        head = _head(path, file)
    suffix = uncompressed_suffix(path)
    if head.startswith((b"PAR1", b"ARROW1")) or suffix in (".parquet", ".arrow", ".feather", ".ipc"):
        return _Columnar(path, head)
    if head[8:12] == b"DUCK":
        raise SourceError(f"{path} is a DuckDB file; if it is a hub, unite the two with `populace hub merge`.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path} is UTF-16, as its bytes 0 and 1 say; save it as UTF-8.")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise SourceError(f"{path} is empty; give a file with people in it.")
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


def _head(path: Path, file: Any) -> bytes:
    try:
        head: bytes = file.read(4096)
    except DAMAGE as error:
        raise SourceError(f"{path} is corrupt: not even its beginning can be read ({error}).") from error
    return head


class _JsonLines(InputTable):
    def columns(self) -> Sequence[str]:
        rows = (row for _, row in islice(self._rows(SkippedRows(str(self.path))), _LOOKED_AT))
        if names := list(next(rows, ())):
            # The first object may lack what others state: it may be of an unknown source, for one.
            later = {name for row in rows for name in _STATED if name in row}
            return [*names, *sorted(later.difference(names))]
        raise SourceError(f"{self.path} holds no object; write one a line, such as {{'persona': '...'}}.")

    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        return batched(self._rows(tally), _ROWS)

    def _rows(self, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        with reading(self.path) as file:
            lines = Lines(self.path, file)
            while True:
                try:
                    for line in lines:
                        if not line.isspace():
                            yield lines.number, _object(line)
                    return
                except RowError as error:
                    tally.count(error.reason, lines.number)


def _object(line: bytes) -> dict[str, Any]:
    try:
        row = parse_row(line)
    except UnicodeDecodeError as error:
        raise RowError("the line is not UTF-8") from error
    except UnkeptValueError as error:
        raise RowError(str(error)) from error
    except RecursionError as error:
        raise RowError("the line nests too deeply") from error
    except ValueError as error:
        raise RowError("the line is not JSON") from error
    if not isinstance(row, dict):
        raise RowError("the line is JSON and no object")
    return row


class _CsvTable(InputTable):
    def columns(self) -> Sequence[str]:
        with reading(self.path) as file:
            return self._header(self._open(file)[1])

    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        return batched(self._rows(tally), _ROWS)

    def _open(self, file: Any) -> tuple["_Decoded", Any]:
        with reading(self.path) as beginning:
            head = beginning.read(65_536).decode(errors="replace").lstrip("\ufeff\r\n")
        head = _QUOTED.sub("", head).partition("\n")[0]
        marks = "\t" if uncompressed_suffix(self.path) == ".tsv" else max(",;\t", key=head.count)
        lines = _Decoded(Lines(self.path, file))
        return lines, read_cells(csv.reader(lines, delimiter=marks, strict=True))

    def _header(self, rows: Any) -> list[str]:
        try:
            names: list[str] = next(filter(any, rows), [])
        except (csv.Error, RowError) as error:
            raise SourceError(
                f"{self.path} has no header that can be read: {error}; save it as CSV in UTF-8."
            ) from error
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SourceError(f"{self.path} has two columns {shown(twice)}; give each a name of its own.")
        return names

    def _rows(self, tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        with reading(self.path) as file:
            lines, rows = self._open(file)
            names = self._header(rows)
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
                except RowError as error:
                    tally.count(error.reason, began)


class _Decoded:
    """Lines as text. Reading goes on after a line that cannot be decoded."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    @property
    def number(self) -> int:
        return self._lines.number

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise RowError("the line is not UTF-8") from error


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
            raise SourceError(f"{self.path} is no whole {self._kind} file: {error}.") from error

    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        done = 0
        try:
            types = self._file.types
            unbounded = [name for name, kind in types.items() if "FLOAT" in kind or "DOUBLE" in kind]
            for rows in self._file.rows(list(types), _ROWS):
                yield list(_kept(rows, unbounded, tally))
                done = rows[-1][0]
        except OSError as error:
            raise SourceError(
                f"{self.path} is corrupt: it can be read to row {done:,} and no further ({error}); get the file again."
            ) from error

    @property
    def _kind(self) -> str:
        return "Parquet" if self._is_parquet else "Arrow"


def _kept(rows: NumberedRows, unbounded: Sequence[str], tally: SkippedRows) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows that can be decoded, and count the others; `unbounded` columns may hold NaN and infinities."""
    for number, row in rows:
        if row is None:
            tally.count("the row is not UTF-8, or is damaged", number)
            continue
        for name in unbounded:
            row[name] = finite(row[name])
        yield number, row


_ROWS = 10_000
#: The names that the list of links and the two ends of one go by.
_LINKS = ("edges", "links")


class NodeLink(InputTable):
    """A graph that was read whole; its nodes are numbered from 1."""

    def __init__(self, path: Path, nodes: Sequence[dict[str, Any]], links: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(path)
        self._nodes = nodes
        self._links = links

    def columns(self) -> Sequence[str]:
        """Return the names that any of the nodes has."""
        return list(dict.fromkeys(name for node in self._nodes for name in node))

    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        """Yield all nodes, some thousands at a time."""
        return batched(((number, dict(node)) for number, node in enumerate(self._nodes, 1)), _ROWS)

    def ids(self) -> Iterator[tuple[int, str]]:
        """Yield the number of each node with its id in the file."""
        return ((number, str(node["id"])) for number, node in enumerate(self._nodes, 1))

    def relations(self) -> Iterator[RowBatch]:
        """Yield the links, some thousands at a time, with `source` and `target` as the nodes' names."""
        return batched(((number, dict(link)) for number, link in enumerate(self._links, 1)), _ROWS)


def _open_node_link(path: Path) -> NodeLink | None:
    """Open the graph in a JSON file; None if it holds something else. Raises `SourceError` for half a graph."""
    with reading(path) as file:
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
