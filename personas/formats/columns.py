"""The columns of an export: the hub's own, those of profiles and the like, and imported ones with their types.

An imported column keeps its name. If that is the name of one of the hub's own columns, underscores are appended to it.
A column whose values are of several types, nested, or integers of more than 64 bits is written as JSON text.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..profiles.profile import ATTRIBUTES
from ..readers import json_text, parse_json


class Extra(StrEnum):
    """Columns of a person from other tables than personas; each is the name of that table."""

    PROFILES = "profiles"
    BIOGRAPHIES = "biographies"
    ELITES = "elites"


#: The columns of each table, by what they are called in an export.
SOURCES: Mapping[Extra, Mapping[str, str]] = {
    Extra.PROFILES: {name: name for name in (*ATTRIBUTES, "evidence", "only_evident")}
    | {f"profile_{name}": name for name in ("model", "prompt", "made_at")},
    Extra.BIOGRAPHIES: {"biography": "text"}
    | {f"biography_{name}": name for name in ("mentions", "language", "model", "prompt", "made_at")},
    Extra.ELITES: {"elite_of": "original"}
    | {
        f"elite_{name}": name
        for name in ("skill", "tier", "general_domain", "specific_domain", "changes", "model", "prompt", "made_at")
    },
}
_TABLES = {Extra.PROFILES: "r", Extra.BIOGRAPHIES: "b", Extra.ELITES: "e"}
#: Columns that are JSON, and texts of it in exports.
_JSON = ("evidence", "changes")
_JOINS = {
    Extra.PROFILES: "LEFT JOIN profiles AS r ON r.persona = k.id",
    Extra.BIOGRAPHIES: "LEFT JOIN biographies AS b ON b.persona = k.id",
    # Two who were raised may come to the same description: the first of them counts.
    Extra.ELITES: """LEFT JOIN (
        FROM elites QUALIFY row_number() OVER (PARTITION BY persona ORDER BY rowid) = 1
    ) AS e ON e.persona = k.id""",
}


def columns_of(extras: Collection[Extra]) -> str:
    """SQL for their columns, to be appended to others."""
    return "".join(
        f', {_TABLES[extra]}."{source}"{"::VARCHAR" if source in _JSON else ""} AS "{name}"'
        for extra in Extra
        if extra in extras
        for name, source in SOURCES[extra].items()
    )


def joins_of(extras: Collection[Extra]) -> str:
    """SQL that brings them to the people `k`."""
    return " ".join(_JOINS[extra] for extra in Extra if extra in extras)


#: The hub's own columns that every export has, and those that it may have.
FIELDS = ("id", "text", "origin", "hop", "parent", "language", "source", "licence", "model", "prompt", "revision")
_SOMETIMES = ("licences", "duplicate_of", "rejected", "attributes")
#: What these say of a node is not what a table that was imported may say by the same names.
_MEANT = {"label", "pid", "start", "end", "parents", "slices", "spells", "viz", "key"}
#: Beyond it a float does not hold every integer.
_EXACT = 1 << 53


class ColumnType(StrEnum):
    """The type of a column's values, named as Parquet and CSVW name it where they agree."""

    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "double"
    BOOLEAN = "boolean"
    TEXTS = "list of string"
    INTEGERS = "list of integer"
    NUMBERS = "list of double"
    BOOLEANS = "list of boolean"
    JSON = "json"


_SCALARS: Mapping[type, ColumnType] = {
    str: ColumnType.TEXT,
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    float: ColumnType.NUMBER,
}
_LISTS = {
    ColumnType.TEXT: ColumnType.TEXTS,
    ColumnType.INTEGER: ColumnType.INTEGERS,
    ColumnType.NUMBER: ColumnType.NUMBERS,
    ColumnType.BOOLEAN: ColumnType.BOOLEANS,
}
#: Judged before a column is: an integer that no float holds, and a list without anything in it.
_WIDE, _EMPTY = "wide", "empty"


@dataclass(frozen=True, slots=True)
class ImportedColumn:
    """One imported column in an export."""

    name: str
    #: What it is called in the export.
    written: str
    kind: ColumnType
    #: Place, from 0, of the first person with a value that shows its type.
    first: int

    def value(self, row: Mapping[str, Any]) -> Any:
        """What a row says under it, in the column's type; None where there is no value."""
        value = row.get(self.name)
        if value is None:
            return None
        if self.kind is ColumnType.JSON:
            return json_text(value)
        if self.kind is ColumnType.NUMBERS:
            return [float(item) for item in value]
        return float(value) if self.kind is ColumnType.NUMBER else value


def own_names(extras: Collection[Extra]) -> frozenset[str]:
    """The names that are the hub's own in an export with these extras, in lower case."""
    names = (*FIELDS, *_SOMETIMES, *(name for extra in extras for name in SOURCES[extra]))
    return frozenset(name.lower() for name in names)


def graph_names(extras: Collection[Extra]) -> frozenset[str]:
    """The names that an export as a graph has for itself, in lower case."""
    return own_names(extras) | _MEANT


def find_imported_columns(rows: Iterable[str | None], own: Collection[str]) -> tuple[ImportedColumn, ...]:
    """Return the columns of rows that are JSON objects, each with the one type that all of its values have."""
    kinds: dict[str, dict[str, int]] = {}
    for place, row in enumerate(rows):
        if row is None:
            continue
        for name, value in parse_json(row).items():
            if value is not None:
                kinds.setdefault(name, {}).setdefault(_judged(value), place)
    names = free_names(kinds, own)
    return tuple(_column(name, found, names[name]) for name, found in kinds.items())


def free_names(names: Iterable[str], own: Collection[str]) -> dict[str, str]:
    """Map imported names to their names in an export, with underscores appended to those that are in `own`."""
    free = {name: name for name in names}
    used = {name for name in free if name.strip().lower() not in own}
    for name in free.keys() - used:
        written = f"{name}_"
        while written.strip().lower() in own or written in used:
            written += "_"
        used.add(written)
        free[name] = written
    return free


def _column(name: str, found: Mapping[str, int], written: str) -> ImportedColumn:
    # An empty list shows no type.
    shown = {judged: place for judged, place in found.items() if judged != _EMPTY} or found
    return ImportedColumn(name, written, _united(set(found)), min(shown.values()))


def _judged(value: Any) -> str:
    kind = _SCALARS.get(type(value))
    if kind is ColumnType.INTEGER and not -_EXACT <= value <= _EXACT:
        return _WIDE if -(1 << 63) <= value < 1 << 63 else ColumnType.JSON
    if kind is not None:
        return kind
    if isinstance(value, list):
        inner = {_judged(item) for item in value}
        return _LISTS.get(_united(inner), ColumnType.JSON) if inner else _EMPTY
    return ColumnType.JSON


def _united(found: set[str]) -> ColumnType:
    if found <= {ColumnType.INTEGER, _WIDE}:
        return ColumnType.INTEGER
    if found == {ColumnType.INTEGER, ColumnType.NUMBER}:
        return ColumnType.NUMBER
    if found == {_EMPTY}:
        return ColumnType.TEXTS
    found = found - {_EMPTY} if found & set(_LISTS.values()) else found
    return ColumnType(next(iter(found))) if len(found) == 1 and not found & {_WIDE, _EMPTY} else ColumnType.JSON
