"""Exports of Populace read back: fields of a person become fields again, and imported columns columns.

Such rows are recognised by the columns that every export has; no mark in the file is needed.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from arro3.core import Table as Columnar

from ..arrow import table_of
from ..errors import SourceError
from ..files import uncompressed_suffix
from .columns import EXTRA_MARKS, FIELDS, SOURCES, Extra, graph_names, original, own_names, unprefixed
from .options import Columns, Shape
from .people import licences_path, read_licences
from .reading import RowError, SkippedRows, parse_json
from .tables import InputTable, NodeLink, RowBatch

#: Fields of the person in a row, in addition to the columns read from every table.
FIELD_TYPES = {
    "row": "BIGINT",
    "was": "VARCHAR",
    "origin": "VARCHAR",
    "hop": "INTEGER",
    "parent": "VARCHAR",
    **dict.fromkeys(("told_source", "told_licence", "model", "prompt", "told_revision"), "VARCHAR"),
    "licences": "VARCHAR[]",
}
_ORIGINS = ("text", "persona", "import")
_WHOLE = {
    *("occupation_group", "education", "openness", "conscientiousness", "extraversion", "agreeableness"),
    *("neuroticism", "favourite_number"),
}
_LISTS = {"languages", "interests", "values", "life_events", "mentions"}
_NOTHING = (None, "")


class _OwnColumn(str):
    """A column of our own making, equal to nothing but itself: no imported column can have its name."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


_TEXT, _LANGUAGE, _SOURCE, _LICENCE = map(_OwnColumn, ("text", "language", "source", "licence"))


@dataclass(slots=True)
class Fields:
    """What the rows of a batch say of their people, by row."""

    last: int
    fields: list[tuple[Any, ...]] = field(default_factory=list)
    #: By extra, the values of its table's columns, those of its row first.
    extras: dict[Extra, list[tuple[Any, ...]]] = field(default_factory=dict)

    def of(self, extra: Extra) -> Columnar:
        """Return the rows of an extra's table, with the number of the row that each is from as `row`."""
        sources = SOURCES[extra].values()
        return table_of(self.extras[extra], {"row": "BIGINT", **{source: _type(source) for source in sources}})


class FieldTable(InputTable):
    """A table that says more of people than their description; what it says is taken batch by batch."""

    def __init__(self, table: InputTable) -> None:
        super().__init__(table.path)
        self._table = table
        self._read: deque[Fields] = deque()

    @property
    @abstractmethod
    def means(self) -> Columns:
        """What the columns of the rows that it gives mean."""

    @abstractmethod
    def _taken(self, number: int, place: int, row: dict[str, Any], fields: Fields) -> dict[str, Any]:
        """Take the fields out of a row, add them to `fields`, and return the rest."""

    def columns(self) -> Sequence[str]:
        """Return the names of the columns in the file."""
        return self._table.columns()

    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        """Yield all rows; what they say of personas can be taken along with each batch."""
        place = 0
        self._read.clear()
        for batch in self._table.batches(tally):
            fields, rows = Fields(batch[-1][0] if batch else 0), []
            for number, row in batch:
                place += 1
                try:
                    rows.append((number, self._taken(number, place, row, fields)))
                except RowError as error:
                    tally.count(error.reason, number)
            self._read.append(fields)
            if rows:
                yield rows

    def take(self, up_to: int) -> Iterator[Fields]:
        """Yield what the batches up to this row said, each once."""
        while self._read and self._read[0].last <= up_to:
            yield self._read.popleft()


def field_table(table: InputTable, columns: Columns) -> FieldTable | None:
    """Return the table with what it says of personas, or None if it says nothing.

    It says something if Populace wrote it, if it is a graph, or if a file of licences lies beside it.
    """
    if columns.shape is Shape.POPULACE:
        return _HubExport(table)
    if isinstance(table, NodeLink):
        return _Nodes(table, columns)
    beside = licences_path(table.path)
    return _Licensed(table, columns, beside) if beside.is_file() else None


def _csv_types_path(path: Path) -> Path:
    """Return the file with the types of a CSV file's columns, in the format of CSV on the Web."""
    return path.with_name(f"{path.name}-metadata.json")


class _HubExport(FieldTable):
    """Rows that `populace hub export` wrote as JSONL, CSV, Parquet or a JSON graph."""

    def __init__(self, table: InputTable) -> None:
        super().__init__(table)
        there = table.columns()
        self._extras = [extra for extra, mark in EXTRA_MARKS.items() if mark in there]
        is_graph = isinstance(table, NodeLink)
        own = graph_names(self._extras) if is_graph else own_names(self._extras)
        self._own = own
        types = {} if is_graph else _csv_types(table.path)
        #: What is called otherwise than it was, or is text of something else, is looked up once.
        self._plan: dict[str, tuple[str, Callable[[Any], Any] | None] | None] = {}
        self._is_graph, self._types = is_graph, types

    @property
    def means(self) -> Columns:
        return Columns(Shape.POPULACE, _TEXT, _LANGUAGE, _SOURCE, _LICENCE)

    def _taken(self, number: int, place: int, row: dict[str, Any], fields: Fields) -> dict[str, Any]:
        said = {name: value if (value := row.get(name)) not in _NOTHING else None for name in FIELDS}
        origin = said["origin"] or "import"
        if origin not in _ORIGINS:
            raise RowError("its origin is none of text, persona and import")
        licences = _listed(row.get("licences"))
        extras = {extra: _extra(extra, row) for extra in self._extras if row.get(EXTRA_MARKS[extra]) not in _NOTHING}
        kept = self._imported(row)
        fields.fields.append(
            (
                *(number, _text(said["id"]), origin, _whole("hop", said["hop"]) or 0, _text(said["parent"])),
                *(_text(said["source"]), None, _text(said["model"]), _text(said["prompt"]), _text(said["revision"])),
                licences,
            )
        )
        for extra, values in extras.items():
            fields.extras.setdefault(extra, []).append((number, *values))
        kept[_TEXT], kept[_LANGUAGE], kept[_SOURCE], kept[_LICENCE] = (
            said[name] for name in ("text", "language", "source", "licence")
        )
        return kept

    def _imported(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the columns that were imported, under their names."""
        kept: dict[str, Any] = {}
        plan = self._plan
        for name, value in row.items():
            if value is None or value == "":
                continue
            if name not in plan:
                plan[name] = self._planned(name)
            if (planned := plan[name]) is None:
                continue
            called, read = planned
            try:
                kept[called] = value if read is None else read(value)
            except (ValueError, TypeError) as error:
                raise RowError(f"its {name!r} is not of the type that the column has") from error
        return kept

    def _planned(self, name: str) -> tuple[str, Callable[[Any], Any] | None] | None:
        """Return what a column was called, and how its cells are read; None for the hub's own."""
        if name.strip().lower() in self._own:
            return None
        if self._is_graph:
            return unprefixed(name, self._own), None
        called, is_json = original(name, self._own)
        return called, parse_json if is_json else self._types.get(name)


class _Nodes(FieldTable):
    """The nodes of a graph that another program wrote: its relations name them by their ids there."""

    def __init__(self, table: InputTable, columns: Columns) -> None:
        super().__init__(table)
        self._columns = columns

    @property
    def means(self) -> Columns:
        return self._columns

    def _taken(self, number: int, place: int, row: dict[str, Any], fields: Fields) -> dict[str, Any]:
        fields.fields.append((number, str(row["id"]), *(None,) * (len(FIELD_TYPES) - 2)))
        return row


class _Licensed(FieldTable):
    """Rows whose licences are in a second file."""

    def __init__(self, table: InputTable, columns: Columns, beside: Path) -> None:
        super().__init__(table)
        self._columns = columns
        try:
            self._ranges = sorted(read_licences(beside), key=lambda one: one[:2])
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{beside} cannot be read ({error}); mend it, or take it away.") from error
        self._at = 0

    @property
    def means(self) -> Columns:
        return self._columns

    def _taken(self, number: int, place: int, row: dict[str, Any], fields: Fields) -> dict[str, Any]:
        # Lines of JSONL are rows; a row of CSV may have several lines, and only its place is sure.
        at = place if uncompressed_suffix(self.path) in (".csv", ".tsv") else number
        while self._at < len(self._ranges) and self._ranges[self._at][1] < at:
            self._at += 1
        if self._at < len(self._ranges) and self._ranges[self._at][0] <= at:
            said = self._ranges[self._at][2]
            licences = said.licence.split("; ") if said.licence and "; " in said.licence else None
            licence = licences[0] if licences else said.licence
            told = (None, None, None, None, said.source, licence, said.model, None, said.revision, licences)
            fields.fields.append((number, *told))
        return row

    def batches(self, tally: SkippedRows) -> Iterator[RowBatch]:
        self._at = 0
        return super().batches(tally)


def _csv_types(path: Path) -> Mapping[str, Callable[[Any], Any]]:
    """Read the parsers of CSV columns from the file that `write_csv_types` wrote; empty without it."""
    beside = _csv_types_path(path)
    if uncompressed_suffix(path) not in (".csv", ".tsv") or not beside.is_file():
        return {}
    read: dict[str, Callable[[Any], Any]] = {"integer": int, "double": float, "boolean": _is_true, "json": parse_json}
    try:
        columns = orjson.loads(beside.read_bytes())["tableSchema"]["columns"]
        return {c["titles"]: read[c["datatype"]] for c in columns if c.get("datatype", "string") in read}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{beside} does not say the types of columns as CSV on the Web has it; mend it, or take it away."
        ) from error


def _is_true(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError(value)
    return value.lower() == "true"


def _extra(extra: Extra, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(_own_value(source, row.get(name)) for name, source in SOURCES[extra].items())


def _own_value(source: str, value: Any) -> Any:
    if value in _NOTHING:
        return None
    if source in _WHOLE:
        return _whole(source, value)
    if source in _LISTS:
        return _listed(value)
    if source == "only_evident":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    return _text(value)


def _whole(name: str, value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except (ValueError, TypeError) as error:
        raise RowError(f"its {name} is no whole number") from error


def _listed(value: Any) -> list[str] | None:
    """Return the list in a value, or in a cell: a JSON array or words between semicolons."""
    if value in _NOTHING:
        return None
    if isinstance(value, str):
        try:
            value = parse_json(value) if value.startswith("[") else value.split("; ")
        except ValueError:
            value = value.split("; ")
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else orjson.dumps(value).decode()


def _type(source: str) -> str:
    if source in _WHOLE:
        return "BIGINT"
    if source in _LISTS:
        return "VARCHAR[]"
    return "BOOLEAN" if source == "only_evident" else "VARCHAR"
