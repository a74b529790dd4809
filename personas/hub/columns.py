"""Imported columns as typed columns of an export: what they are called there, and of which type they are.

One of them keeps its name, unless the name is one of the hub's own columns, which is told without regard to case: then
`imported_` stands before it. A column whose values are of several types, nested, or integers of more than 64 bits is
written as JSON text, and `.json` stands behind its name. Names that look so already get both once more, so that a name
that is read back is always the one that was imported.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .exact_json import json_text, parse_json
from .extras import EXTRA_MARKS, Extra, names_of

__all__ = [
    "FIELDS",
    "ImportedColumn",
    "Kind",
    "found_columns",
    "is_exported",
    "original",
    "own_names",
    "prefixed",
    "unprefixed",
    "written",
]

#: The hub's own columns that every export has, and those that it may have.
FIELDS = ("id", "text", "origin", "hop", "parent", "language", "source", "licence", "model", "prompt", "revision")
#: `attributes` held all imported columns in the exports of earlier versions.
_SOMETIMES = ("licences", "duplicate_of", "turned_away", "attributes")
_PREFIX = "imported_"
_SUFFIX = ".json"
#: Beyond it a float does not hold every integer.
_EXACT = 1 << 53


class Kind(StrEnum):
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


_SCALARS: Mapping[type, Kind] = {str: Kind.TEXT, bool: Kind.BOOLEAN, int: Kind.INTEGER, float: Kind.NUMBER}
_LISTS = {
    Kind.TEXT: Kind.TEXTS,
    Kind.INTEGER: Kind.INTEGERS,
    Kind.NUMBER: Kind.NUMBERS,
    Kind.BOOLEAN: Kind.BOOLEANS,
}
#: Judged before a column is: an integer that no float holds, and a list without anything in it.
_WIDE, _EMPTY = "wide", "empty"


@dataclass(frozen=True, slots=True)
class ImportedColumn:
    """One imported column in an export."""

    name: str
    #: What it is called in the export.
    written: str
    kind: Kind
    #: Place, from 0, of the first person of whom it says something that shows its type.
    first: int

    def value(self, row: Mapping[str, Any]) -> Any:
        """What a row says under it, in the column's type; None where it says nothing."""
        value = row.get(self.name)
        if value is None:
            return None
        if self.kind is Kind.JSON:
            return json_text(value)
        if self.kind is Kind.NUMBERS:
            return [float(item) for item in value]
        return float(value) if self.kind is Kind.NUMBER else value


def own_names(extras: Collection[Extra]) -> frozenset[str]:
    """The names that are the hub's own in an export with these extras, in lower case."""
    names = (*FIELDS, *_SOMETIMES, *EXTRA_MARKS.values(), *(name for extra in extras for name in names_of(extra)))
    return frozenset(name.lower() for name in names)


def is_exported(columns: Collection[str]) -> bool:
    """Whether these are the columns of an export by a hub: people with all fields."""
    return set(FIELDS) <= set(columns)


def found_columns(rows: Iterable[str | None], own: Collection[str]) -> tuple[ImportedColumn, ...]:
    """The columns of rows that are JSON objects, each with the one type that all of its values have."""
    kinds: dict[str, dict[str, int]] = {}
    for place, row in enumerate(rows):
        if row is None:
            continue
        for name, value in parse_json(row).items():
            if value is not None:
                kinds.setdefault(name, {}).setdefault(_judged(value), place)
    return tuple(_column(name, found, own) for name, found in kinds.items())


def written(name: str, *, is_json: bool, own: Collection[str]) -> str:
    """What an imported column is called in an export whose own columns are `own`."""
    return prefixed(f"{name}{_SUFFIX}" if is_json or name.endswith(_SUFFIX) else name, own)


def original(name: str, own: Collection[str]) -> tuple[str, bool]:
    """The imported column that `written` called so, and whether its cells are JSON text."""
    name = unprefixed(name, own)
    return name.removesuffix(_SUFFIX), name.endswith(_SUFFIX)


def prefixed(name: str, own: Collection[str]) -> str:
    """The name, with `imported_` before it where it would be taken for one of `own`."""
    return f"{_PREFIX}{name}" if _clashes(name, own) else name


def unprefixed(name: str, own: Collection[str]) -> str:
    """The name that `prefixed` has made into this one."""
    return name.removeprefix(_PREFIX) if _clashes(name, own) else name


def _clashes(name: str, own: Collection[str]) -> bool:
    while name.startswith(_PREFIX):
        name = name.removeprefix(_PREFIX)
    return name.strip().lower() in own


def _column(name: str, found: Mapping[str, int], own: Collection[str]) -> ImportedColumn:
    kind = Kind.JSON if name.endswith(_SUFFIX) else _united(set(found))
    # An empty list shows no type.
    shown = {judged: place for judged, place in found.items() if judged != _EMPTY} or found
    return ImportedColumn(name, written(name, is_json=kind is Kind.JSON, own=own), kind, min(shown.values()))


def _judged(value: Any) -> str:
    kind = _SCALARS.get(type(value))
    if kind is Kind.INTEGER and not -_EXACT <= value <= _EXACT:
        return _WIDE if -(1 << 63) <= value < 1 << 63 else Kind.JSON
    if kind is not None:
        return kind
    if isinstance(value, list):
        inner = {_judged(item) for item in value}
        return _LISTS.get(_united(inner), Kind.JSON) if inner else _EMPTY
    return Kind.JSON


def _united(found: set[str]) -> Kind:
    if found <= {Kind.INTEGER, _WIDE}:
        return Kind.INTEGER
    if found == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    if found == {_EMPTY}:
        return Kind.TEXTS
    found = found - {_EMPTY} if found & set(_LISTS.values()) else found
    return Kind(next(iter(found))) if len(found) == 1 and not found & {_WIDE, _EMPTY} else Kind.JSON
