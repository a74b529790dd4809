"""The columns of an export: the hub's own, those of profiles and the like, and imported ones with their types.

An imported column keeps its name, unless that is the name of one of the hub's own columns, compared without regard to
case: then `imported_` is put before it. A column whose values are of several types, nested, or integers of more than 64
bits is written as JSON text, and `.json` is appended to its name. Names that look so already get both once more, so
that a name that is read back is always the one that was imported.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..profiles.profile import ATTRIBUTES
from .reading import json_text, parse_json


class Extra(StrEnum):
    """Columns of a person from other tables than personas; each is the name of that table."""

    PROFILES = "profiles"
    BIOGRAPHIES = "biographies"
    ELITES = "elites"


#: By extra, the column of an export that shows that it has it.
EXTRA_MARKS: Mapping[Extra, str] = {
    Extra.PROFILES: "profile_model",
    Extra.BIOGRAPHIES: "biography_model",
    Extra.ELITES: "elite_model",
}
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
_PREFIX = "imported_"
_SUFFIX = ".json"
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
    names = (*FIELDS, *_SOMETIMES, *EXTRA_MARKS.values(), *(name for extra in extras for name in SOURCES[extra]))
    return frozenset(name.lower() for name in names)


def graph_names(extras: Collection[Extra]) -> frozenset[str]:
    """The names that an export as a graph has for itself, in lower case."""
    return own_names(extras) | _MEANT


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
    kind = ColumnType.JSON if name.endswith(_SUFFIX) else _united(set(found))
    # An empty list shows no type.
    shown = {judged: place for judged, place in found.items() if judged != _EMPTY} or found
    return ImportedColumn(name, written(name, is_json=kind is ColumnType.JSON, own=own), kind, min(shown.values()))


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
