"""What was imported with people: the attributes by name, each of the kind that all its values are of."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import duckdb

from .quoting import quote_name, quote_text

__all__ = ["Attribute", "Attributes", "Kind", "age_band", "joined_attributes"]

type Kind = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR[]"]

#: Of how many rows the names are looked at before all others are.
_FIRST = 2048
#: Texts with a zero in front, such as postcodes, are no numbers.
_WHOLE = "-?(0|[1-9][0-9]{0,17})"
_NUMBER = "-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?([eE][+-]?[0-9]{1,3})?"
#: What all values of an attribute may be, by the type of the first one.
_KINDS: dict[str, tuple[Kind, ...]] = {"BOOLEAN": ("BOOLEAN",), "ARRAY": ("VARCHAR[]",), "OBJECT": ()}


_NUMBERS: set[Kind] = {"BIGINT", "DOUBLE"}


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute as a column of one kind; where a value is not of it, the column is null."""

    name: str
    kind: Kind

    @property
    def value(self) -> str:
        """SQL for it, asked of `imports`."""
        text = _text(self.name)
        if self.kind == "VARCHAR":
            return text
        asked = f"json_extract(attributes, {_pointer(self.name)})" if self.kind == "VARCHAR[]" else text
        return f"TRY_CAST({asked} AS {self.kind})"

    @property
    def column(self) -> str:
        """Its name in what `joined_attributes` joins."""
        # Names that differ by the case of letters alone are different here, and the same in SQL.
        return quote_name(f"{self.kind} {self.name.encode().hex()}")


class Attributes:
    """The attributes of the people in a hub; with `within`, SQL for ids of personas, of these alone."""

    def __init__(self, con: duckdb.DuckDBPyConnection, *, within: str | None = None) -> None:
        self._con = con
        #: SQL for the rows that are looked at.
        self._rows = f"imports{_where(within, 'attributes IS NOT NULL')}"

    @cached_property
    def names(self) -> list[str]:
        """The names of all of them, sorted."""
        return self._names(self._rows)

    def find(self, name: str) -> tuple[str, ...]:
        """The attributes of that name, the one written so first; SQL does not mind the case of letters."""
        return _alike(name, self._first) or _alike(name, self.names)

    def typed(self, names: tuple[str, ...]) -> tuple[Attribute, ...]:
        """These attributes as numbers where all of them are numbers, or texts of numbers, and so on; else as texts."""
        kinds = [self._kind(name) for name in names]
        if len(set(kinds)) > 1 and not set(kinds) <= _NUMBERS:
            kinds = ["VARCHAR"] * len(names)
        return tuple(map(Attribute, names, kinds))

    def _kind(self, name: str) -> Kind:
        kind_of = f"SELECT json_type(attributes, {_pointer(name)}) FROM {self._rows}"  # noqa: S608 - quoted
        first = self._con.execute(f"{kind_of} AND {_text(name)} IS NOT NULL LIMIT 1").fetchall()
        for kind in _KINDS.get(first[0][0], ("BIGINT", "DOUBLE")) if first else ():
            other = f"SELECT 1 FROM {self._rows} AND {_is_otherwise(name, kind)} LIMIT 1"  # noqa: S608 - quoted
            if not self._con.execute(other).fetchall():
                return kind
        return "VARCHAR"

    @cached_property
    def _first(self) -> list[str]:
        # Of each file a row, for one may write in capitals what another does not.
        of_files = f"rowid IN (SELECT min(rowid) FROM {self._rows} GROUP BY file)"  # noqa: S608 - our own words
        first = f"(SELECT attributes FROM {self._rows} LIMIT {_FIRST})"  # noqa: S608 - our own words
        return self._names(f"(FROM {first} UNION ALL SELECT attributes FROM imports WHERE {of_files})")  # noqa: S608

    def _names(self, rows: str) -> list[str]:
        names = f"SELECT DISTINCT unnest(json_keys(attributes)) AS name FROM {rows} ORDER BY name"  # noqa: S608 - ours
        return [str(name) for (name,) in self._con.execute(names).fetchall()]


def joined_attributes(attributes: list[Attribute], *, is_whole: bool, within: str | None = None) -> str:
    """SQL that brings these to `personas AS p` as columns of `i`, and as `w.attributes` all that a person came with.

    Equal texts are one persona, who may have been imported more than once: the first time that says something counts.
    """
    firsts = ", ".join(f"arg_min({one.value}, rowid) AS {one.column}" for one in attributes)
    each = f"(SELECT persona, {firsts} FROM imports{_where(within)} GROUP BY persona)"  # noqa: S608 - quoted
    # Row ids are compared much faster than what the rows hold.
    rows = f"SELECT min(rowid) FROM imports{_where(within, 'attributes IS NOT NULL')} GROUP BY persona"  # noqa: S608
    whole = f"(SELECT persona, attributes FROM imports WHERE rowid IN ({rows}))"  # noqa: S608 - our own words
    joins = [f"LEFT JOIN {each} AS i ON i.persona = p.id"] if attributes else []
    return " ".join([*joins, f"LEFT JOIN {whole} AS w ON w.persona = p.id"] if is_whole else joins)


def age_band(age: str) -> str:
    """SQL for the band that profiles would have for an age; numbers that are no age have none."""
    decade = f"(floor({age} / 10) * 10)::INTEGER"
    return (
        f"CASE WHEN {age} >= 90 AND {age} <= 130 THEN '90+' "
        f"WHEN {age} >= 0 AND {age} < 90 THEN {decade} || '-' || ({decade} + 9) END"
    )


def _where(within: str | None, *conditions: str) -> str:
    among = [] if within is None else [f"persona IN ({within})"]
    return f" WHERE {' AND '.join((*conditions, *among))}" if conditions or among else ""


def _alike(name: str, names: list[str]) -> tuple[str, ...]:
    return tuple(sorted((one for one in names if one.lower() == name.lower()), key=lambda one: one != name))


def _is_otherwise(name: str, kind: Kind) -> str:
    """SQL that is true where the attribute is there and not of that kind."""
    if kind in ("BIGINT", "DOUBLE"):
        return f"NOT regexp_full_match({_text(name)}, '{_WHOLE if kind == 'BIGINT' else _NUMBER}')"
    return f"json_type(attributes, {_pointer(name)}) <> '{'BOOLEAN' if kind == 'BOOLEAN' else 'ARRAY'}'"


def _text(name: str) -> str:
    return f"json_extract_string(attributes, {_pointer(name)})"


def _pointer(name: str) -> str:
    return quote_text("/" + name.replace("~", "~0").replace("/", "~1"))
