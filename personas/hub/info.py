"""What is in a hub, in numbers: one look at whole columns, whatever number of people there is."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from ..database import said
from ..errors import SourceError
from .file import HubFile

__all__ = ["HubInfo", "describe_hub"]

#: Values with how often they occur, the most frequent first; None where nothing is stated.
type Counts = tuple[tuple[str | int | None, int], ...]

_MOST = 10
_RULING = "rule || ' ' || replace(outcome, '_', ' ')"
#: What people are counted by, and what other tables are counted.
_BY = ("origin", "hop", "language", "source", "licence", "model")
_TABLES = ("passages", "profiles", "biographies", "imports", "selections")


@dataclass(frozen=True, slots=True)
class HubInfo:
    """The numbers of one hub."""

    path: Path
    #: Size of the file on disk; a run's other rows are in it too.
    bytes: int
    personas: int
    #: Of them, those who stand marked as near-duplicates.
    near_duplicates: int
    relations: int
    #: People by origin, hop, language, source, licence and model: the ten most frequent values of each, and how many
    #: values there are.
    people: dict[str, Counts]
    values: dict[str, int]
    #: Verdicts that stand and verdicts that were undone, by stage.
    stages: Counts
    undone: Counts
    #: What rules of quality and for personal data said, by rule and outcome; undone ones not counted.
    rulings: Counts
    #: Relations by kind.
    kinds: Counts
    #: Rows of other tables that are not empty.
    tables: dict[str, int]
    #: Files whose import was cut off.
    unfinished: tuple[str, ...]

    @property
    def bytes_per_persona(self) -> float | None:
        """Size on disk by persona; None for a hub without anybody."""
        return self.bytes / self.personas if self.personas else None

    def as_rows(self) -> list[tuple[str, str]]:
        """Name and value of everything, in words, as a table for people."""
        each = self.bytes_per_persona
        size = f"{self.bytes:,} bytes" + (f", {each:,.0f} a persona" if each is not None else "")
        by = [(name, _listed(counts, self.values[name])) for name, counts in self.people.items() if counts]
        rows = [
            ("personas", f"{self.personas:,}, {self.near_duplicates:,} of them near-duplicates"),
            *((f"by {name}", listed) for name, listed in by),
            ("duplicates", _listed(self.stages, len(self.stages)) or "none found"),
            ("undone", _listed(self.undone, len(self.undone))),
            ("rulings", _listed(self.rulings, len(self.rulings))),
            ("relations", f"{self.relations:,}"),
            ("by kind", _listed(self.kinds, len(self.kinds))),
            *((name, f"{count:,}") for name, count in self.tables.items()),
            ("cut off", ", ".join(self.unfinished)),
            ("size on disk", size),
        ]
        return [(name, value) for name, value in rows if value]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self) | {"path": str(self.path), "bytes_per_persona": self.bytes_per_persona}


def describe_hub(hub: HubFile) -> HubInfo:
    """The numbers of a hub. Raises `SourceError` for a table whose columns are not a hub's."""
    try:
        return _described(hub)
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise SourceError(
            f"{str(hub.path)!r} has not the tables of a hub: {said(error)}; "
            "import its people into one with `populace hub import`."
        ) from error


def _described(hub: HubFile) -> HubInfo:
    con = hub.con
    there = {str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    grouped = {column: _counted(con.table("personas"), column) for column in _BY}
    verdicts = con.table("duplicates").filter("kind = 'persona'") if "duplicates" in there else None
    standing = verdicts.filter("NOT undone") if verdicts else None
    return HubInfo(
        path=hub.path,
        bytes=hub.path.stat().st_size,
        personas=_rows(con.table("personas")),
        near_duplicates=_number(standing.aggregate("count(DISTINCT persona)")) if standing else 0,
        relations=_rows(con.table("relations")) if "relations" in there else 0,
        people={column: counts[:_MOST] for column, counts in grouped.items()},
        values={column: len(counts) for column, counts in grouped.items()},
        stages=_counted(standing, "stage") if standing else (),
        undone=_counted(verdicts.filter("undone"), "stage") if verdicts else (),
        rulings=_counted(con.table("rulings").filter("NOT undone"), _RULING) if "rulings" in there else (),
        kinds=_counted(con.table("relations"), "kind") if "relations" in there else (),
        tables={name: rows for name in _TABLES if name in there and (rows := _rows(con.table(name)))},
        unfinished=_unfinished(con) if "imported_files" in there else (),
    )


def _counted(rows: duckdb.DuckDBPyRelation, column: str) -> Counts:
    found = rows.aggregate(f"{column} AS value, count(*) AS times").order("times DESC, value").fetchall()
    return tuple((value, times) for value, times in found)


def _rows(rows: duckdb.DuckDBPyRelation) -> int:
    return _number(rows.aggregate("count(*)"))


def _number(rows: duckdb.DuckDBPyRelation) -> int:
    ((number,),) = rows.fetchall()
    return int(number)


def _unfinished(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    rows = con.execute("SELECT name, read_to FROM imported_files WHERE NOT complete ORDER BY file").fetchall()
    return tuple(f"{name} behind line or row {read_to:,}" for name, read_to in rows)


def _listed(counts: Counts, values: int) -> str:
    named = ", ".join(f"{'not stated' if value is None else value} {times:,}" for value, times in counts)
    return f"{named} and {values - len(counts):,} more" if values > len(counts) else named
