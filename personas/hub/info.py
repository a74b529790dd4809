"""What is in a hub, in numbers: one look at whole columns, whatever number of people there is."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .queries import NEAR_DUPLICATES, REJECTED, RETAINED

#: Values with how often they occur, the most frequent first; None where nothing is stated.
type NumberedValues = tuple[tuple[str | int | None, int], ...]

#: Answers a statement with its rows.
type HubQuery = Callable[[str], Sequence[tuple[Any, ...]]]

_MOST = 10
_RULE_RESULT = "rule || ' ' || replace(outcome, '_', ' ')"
#: What people are counted by, and what other tables are counted.
#: Growth counts people by the hop that asked, which may ask about people of any earlier one.
_NAMES = {"hop": "hops from text"}
_BY = ("origin", "hop", "language", "source", "licence", "model")
#: Of these an imported person may have several, one in each row of imports.
_SEVERAL = ("source", "licence")
_TABLES = ("passages", "profiles", "contradictions", "biographies", "elites", "imports", "selections", "vectors")
#: Other tables that say which model wrote a row.
_WITH_MODEL = ("profiles", "biographies", "elites")
_VERDICTS = "duplicates WHERE kind = 'persona'"


@dataclass(frozen=True, slots=True)
class HubInfo:
    """The numbers of one hub."""

    path: Path
    #: Size of the file on disk; a run's other rows are in it too.
    bytes: int
    personas: int
    #: Of them, those who are neither near-duplicates nor rejected by a rule.
    retained: int
    #: Those whom rules have rejected, and of the rest the near-duplicates.
    near_duplicates: int
    rejected: int
    relations: int
    #: People by origin, hop, language, source, licence and model: the ten most frequent values of each, and how many
    #: values there are. People with several sources or licences count for each of them.
    people: dict[str, NumberedValues]
    values: dict[str, int]
    #: Verdicts that hold and verdicts that were undone, by stage.
    stages: NumberedValues
    undone: NumberedValues
    #: What rules of quality and for personal data said, by rule and outcome; undone ones not counted.
    rule_results: NumberedValues
    #: Relations by kind.
    kinds: NumberedValues
    #: Rows of other tables that are not empty.
    tables: dict[str, int]
    #: Files whose import was cut off.
    unfinished: tuple[str, ...]
    #: Whether the stand-in, which is no language model, wrote about any of them.
    by_stand_in: bool

    @property
    def bytes_per_persona(self) -> float | None:
        """Size on disk by persona; None for a hub without anybody."""
        return self.bytes / self.personas if self.personas else None

    def as_rows(self) -> list[tuple[str, str]]:
        """Name and value of everything, in words, as a table for people."""
        each = self.bytes_per_persona
        size = f"{self.bytes:,} bytes" + (f", {each:,.0f} a persona" if each is not None else "")
        by = [(name, _format_counts(counts, self.values[name])) for name, counts in self.people.items() if counts]
        away = f", {self.rejected:,} rejected by rules" if self.rejected else ""
        retained = f"; {self.retained:,} retained" if self.retained != self.personas else ""
        rows = [
            ("personas", f"{self.personas:,}, {self.near_duplicates:,} of them near-duplicates{away}{retained}"),
            *((_NAMES.get(name, f"by {name}"), listed) for name, listed in by),
            ("duplicates", _format_counts(self.stages, len(self.stages)) or "none found"),
            ("undone", _format_counts(self.undone, len(self.undone))),
            ("rule_results", _format_counts(self.rule_results, len(self.rule_results))),
            ("relations", f"{self.relations:,}"),
            ("by kind", _format_counts(self.kinds, len(self.kinds))),
            *((name, f"{count:,}") for name, count in self.tables.items()),
            ("cut off", ", ".join(self.unfinished)),
            ("size on disk", size),
        ]
        return [(name, value) for name, value in rows if value]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self) | {"path": str(self.path), "bytes_per_persona": self.bytes_per_persona}


def describe(path: Path, ask: HubQuery) -> HubInfo:
    """The numbers of the hub at `path`; `ask` answers statements, in this process or another."""
    there = {str(name) for (name,) in ask("SELECT table_name FROM duckdb_tables()")}
    grouped = {column: _count_values(ask, _people_by(column, there), column) for column in _BY}
    holding = f"{_VERDICTS} AND NOT undone"
    return HubInfo(
        path=path,
        bytes=sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}.wal")) if file.exists()),
        personas=_count_rows(ask, "count(*) FROM personas"),
        retained=_count_rows(ask, f"count(*) FROM personas WHERE {RETAINED}"),
        near_duplicates=_count_rows(ask, f"count(*) FROM personas SEMI JOIN ({NEAR_DUPLICATES}) ON persona = id"),
        rejected=_count_rows(ask, f"count(*) FROM personas SEMI JOIN ({REJECTED}) ON persona = id"),
        relations=_count_rows(ask, "count(*) FROM relations"),
        people={column: counts[:_MOST] for column, counts in grouped.items()},
        values={column: len(counts) for column, counts in grouped.items()},
        stages=_count_values(ask, f"{holding} GROUP BY stage", "stage"),
        undone=_count_values(ask, f"{_VERDICTS} AND undone GROUP BY stage", "stage"),
        rule_results=_count_values(ask, "rule_results WHERE NOT undone GROUP BY ALL", _RULE_RESULT),
        kinds=_count_values(ask, "relations GROUP BY kind", "kind"),
        tables={
            name: rows for name in _TABLES if name in there and (rows := _count_rows(ask, f"count(*) FROM {name}"))
        },
        unfinished=_list_unfinished(ask) if "imported_files" in there else (),
        by_stand_in=any(
            _count_rows(ask, f"count(*) FROM {name} WHERE model = 'procedural'")
            for name in ("personas", *_WITH_MODEL)
            if name in there
        ),
    )


# The names in these statements are constants of this module.
def _people_by(column: str, there: set[str]) -> str:
    if column not in _SEVERAL or "imports" not in there:
        return f"personas GROUP BY {column}"
    more = f"""SELECT DISTINCT i.persona, i.{column} FROM imports AS i JOIN personas AS p ON p.id = i.persona
        WHERE i.{column} IS NOT NULL AND i.{column} IS DISTINCT FROM p.{column}"""  # noqa: S608
    return f"(SELECT id, {column} FROM personas UNION ALL {more}) GROUP BY {column}"  # noqa: S608


def _count_values(ask: HubQuery, rows: str, value: str) -> NumberedValues:
    found = ask(f"SELECT {value} AS value, count(*) AS times FROM {rows} ORDER BY times DESC, value")  # noqa: S608
    return tuple((value, times) for value, times in found)


def _count_rows(ask: HubQuery, what: str) -> int:
    ((number,),) = ask(f"SELECT {what}")
    return int(number)


def _list_unfinished(ask: HubQuery) -> tuple[str, ...]:
    rows = ask("SELECT name, read_to FROM imported_files WHERE NOT complete ORDER BY file")
    return tuple(f"{name} behind line or row {read_to:,}" for name, read_to in rows)


def _format_counts(counts: NumberedValues, values: int) -> str:
    named = ", ".join(f"{'not stated' if value is None else value} {times:,}" for value, times in counts)
    return f"{named} and {values - len(counts):,} more" if values > len(counts) else named
