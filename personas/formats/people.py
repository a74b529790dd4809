"""The personas of a hub that an export writes, and their columns: the hub's own, those of profiles, and imported ones.

An imported column keeps its name. If that is the name of one of the hub's own columns, underscores are appended to it.
A column whose values are of several types, nested, or integers of more than 64 bits is written as JSON text.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from arro3.core import Table

from ...core.arrow import iter_batches, set_column
from ...core.database import has_tables
from ...core.errors import SetupError
from ...core.readers import parse_json
from ..hub.file import HubFile
from ..hub.queries import SURVIVORS, check_selection, count
from ..profiles.profile import ATTRIBUTES


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


def select_extras(extras: Collection[Extra]) -> str:
    """Return SQL for their columns, to be appended to others."""
    return "".join(
        f', {_TABLES[extra]}."{source}"{"::VARCHAR" if source in _JSON else ""} AS "{name}"'
        for extra in Extra
        if extra in extras
        for name, source in SOURCES[extra].items()
    )


def join_extras(extras: Collection[Extra]) -> str:
    """Return SQL that brings them to the people `k`."""
    return " ".join(_JOINS[extra] for extra in Extra if extra in extras)


#: The hub's own columns that every export has, and those that it may have.
FIELDS = ("id", "text", "origin", "hop", "parent", "language", "source", "licence", "model", "prompt", "revision")
_SOMETIMES = ("licences", "duplicate_of", "rejected", "attributes")
#: What these say of a node is not what a table that was imported may say by the same names.
GRAPH_NAMES = frozenset({"label", "pid", "start", "end", "parents", "slices", "spells", "viz", "key"})


def own_names(extras: Collection[Extra]) -> frozenset[str]:
    """Return the names that are the hub's own in an export with these extras, in lower case."""
    names = (*FIELDS, *_SOMETIMES, *(name for extra in extras for name in SOURCES[extra]))
    return frozenset(name.lower() for name in names)


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


@dataclass(frozen=True, slots=True)
class ImportedColumn:
    """One imported column in an export: its name there, and DuckDB's type of its values.

    The values are in the list `held` of JSON values, at a place that is counted from 1.
    """

    written: str
    kind: str
    place: int

    @property
    def value(self) -> str:
        """SQL for its value."""
        if self.kind == "JSON":
            return f"nullif(held[{self.place}]::VARCHAR, 'null')"
        return f"({self._text_expression})::{self.kind}"

    @property
    def is_wide(self) -> str:
        """SQL that is true if the type does not hold all of its numbers exactly."""
        if self.kind.startswith("DOUBLE"):
            return f"bool_or(regexp_matches({self._text_expression}, '(^|[[,])-?[0-9]{{16,}}([],]|$)'))"
        return (
            f"bool_or({self._text_expression} IS NOT NULL AND TRY_CAST({self._text_expression} AS {self.kind}) IS NULL)"
        )

    @property
    def _text_expression(self) -> str:
        return f"held[{self.place}]" + ("" if self.kind.endswith("[]") else "->>'$'")


def _find_kind(structure: Any) -> str:
    """Return DuckDB's type of values that have this structure; JSON for those that are nested or of several types."""
    is_list = isinstance(structure, list)
    kind = structure[0] if is_list else structure
    if not isinstance(kind, str) or kind == "JSON":
        return "JSON"
    kind = {"NULL": "VARCHAR", "UBIGINT": "BIGINT", "HUGEINT": "BIGINT"}.get(kind, kind)
    return f"{kind}[]" if is_list else kind


_ROWS = 10_000
_IDS = {"id", "parent", "duplicate_of", "elite_of"}
#: Equal texts are one persona, who may have been imported more than once: the first time counts.
_IMPORTS = """
CREATE OR REPLACE TEMP TABLE exported_imports AS
SELECT persona, arg_min(revision, rowid) AS revision, arg_min(attributes, rowid) AS attributes,
       min(attributes::VARCHAR) <> max(attributes::VARCHAR) AS several,
       list(DISTINCT licence) FILTER (licence IS NOT NULL) AS licences
FROM imports GROUP BY persona
"""
_SELECTED = (
    "CREATE OR REPLACE TEMP TABLE exported_selected AS SELECT DISTINCT persona FROM selected WHERE selection = ?"
)
#: A person imported under several licences has all of them.
_PEOPLE = f"""
CREATE OR REPLACE TEMP VIEW exported_people AS
SELECT p.id, p.text, p.origin, p.hop, p.parent, p.language, p.source, p.licence, p.model, p.prompt, i.revision,
       CASE WHEN len(i.licences) > 1 OR i.licences[1] <> p.licence
       THEN list_sort(list_distinct(list_append(i.licences, p.licence))) END AS licences,
       i.attributes, i.several, v.survivor AS duplicate_of, r.rejected, p.ordinal AS arrival
FROM personas AS p
LEFT JOIN exported_imports AS i ON i.persona = p.id
LEFT JOIN ({SURVIVORS}) AS v ON v.persona = p.id
LEFT JOIN (
    SELECT persona, min(rule) AS rejected FROM rule_results WHERE outcome = 'rejected' AND NOT undone GROUP BY persona
) AS r ON r.persona = p.id
"""  # noqa: S608 - our own words
#: Who of them is exported.
_NUMBERS = """
SELECT count(*), count(*) - count(licence), count(*) FILTER (several), count(licences) FROM exported_kept
"""
_RETAINED = "duplicate_of IS NULL AND rejected IS NULL"
_CHOSEN = "id IN (SELECT persona FROM exported_selected)"
_STRUCTURE = """
SELECT json_structure(to_json(list(attributes ORDER BY arrival))) FROM (
    SELECT arg_min(attributes, arrival) AS attributes, min(arrival) AS arrival FROM exported_kept
    WHERE attributes IS NOT NULL GROUP BY json_structure(attributes)
)
"""
_HELD = "(SELECT *, json_extract(attributes, getvariable('exported_paths')) AS held FROM exported_kept)"


class ExportedPeople:
    """The people that were asked for, in order of arrival, as batches of rows; also the view `exported_kept`.

    Profiles are among the `extras` if anybody has one. Imported columns are called otherwise where their names are the
    hub's own or `reserved`. Raises `SetupError` for a selection or a table of extras that is not there.
    """

    def __init__(
        self,
        hub: HubFile,
        *,
        select: str | None = None,
        duplicates: bool = False,
        extras: Collection[Extra] = (),
        reserved: Collection[str] = (),
    ) -> None:
        self.hub = hub
        self.duplicates = duplicates
        self._reserved = reserved
        if select is not None:
            check_selection(hub.con, hub.path, select)
        for extra in extras:
            if not has_tables(hub.con, extra):
                raise SetupError(f"{str(hub.path)!r} has no table {extra}; make some with `populace hub enrich`.")
        #: The ids that people whose description was rewritten have in exports: the hash of the text that is shown.
        rewritten = hub.con.execute("SELECT persona, text_hash FROM rewritten_people").fetchall()
        self.shown_ids: Mapping[str, str] = dict(rewritten)
        self._find_people(select)
        ((self.count, self.unlicensed, self.several, licences),) = hub.con.execute(_NUMBERS).fetchall()
        hidden = [] if duplicates else ["duplicate_of", "rejected"]
        self._hidden = ("arrival", "several", "attributes", *hidden, *(() if licences else ("licences",)))
        numbers = {extra: self._count_with(extra) for extra in {Extra.PROFILES, *extras}}
        #: The tables whose columns are added, and how many of the people each has something of.
        self.extras = {extra: numbers[extra] for extra in Extra if extra in extras or numbers.get(extra)}

    @property
    def as_json(self) -> tuple[str, ...]:
        """The columns, as they are called in the export, whose cells are JSON text."""
        return tuple(column.written for column in self.imported if column.kind == "JSON")

    def batches(self) -> Iterator[Any]:
        """Yield the people as Arrow batches of some thousands of rows, with a column for each imported one."""
        con = self.hub.con
        values = "".join(f", {column.value} AS imported_{column.place}" for column in self.imported)
        self._hold_values()  # another export may have set them since
        rows = con.sql(
            f"SELECT k.* EXCLUDE ({', '.join((*self._hidden, 'held'))}){select_extras(self.extras)}{values} "  # noqa: S608 - ours
            f"FROM {_HELD} AS k {join_extras(self.extras)} ORDER BY k.arrival"
        )
        own = rows.columns[: len(rows.columns) - len(self.imported)]
        names = [*own, *(column.written for column in self.imported)]
        for batch in iter_batches(rows, _ROWS):
            yield self._show_ids(batch.rename_columns(names))

    def _show_ids(self, batch: Table) -> Table:
        shown = self.shown_ids
        for name in _IDS.intersection(batch.column_names) if shown else ():
            ids = [shown.get(persona, persona) for persona in batch[name].to_pylist()]
            batch = set_column(batch, name, ids, "VARCHAR")
        if shown and "biography_mentions" in batch.column_names:
            mentions = [[shown.get(one, one) for one in ids or ()] for ids in batch["biography_mentions"].to_pylist()]
            batch = set_column(batch, "biography_mentions", mentions, "VARCHAR[]")
        return batch

    @cached_property
    def imported(self) -> tuple[ImportedColumn, ...]:
        """The imported columns, each with the one type that all of its values have; else they are JSON."""
        ((structure,),) = self.hub.con.execute(_STRUCTURE).fetchall()
        found = parse_json(structure)[0] if structure else {}
        names = free_names(found, {*own_names(self.extras), *self._reserved})
        self._names = list(found)
        columns = [
            ImportedColumn(names[name], _find_kind(one), place) for place, (name, one) in enumerate(found.items(), 1)
        ]
        if not columns:
            return ()
        self._hold_values()
        wide = ", ".join(column.is_wide for column in columns)
        (is_wide,) = self.hub.con.execute(f"SELECT {wide} FROM {_HELD}").fetchall()  # noqa: S608 - our own words
        return tuple(replace(c, kind="JSON") if wide else c for c, wide in zip(columns, is_wide, strict=True))

    def _hold_values(self) -> None:
        """Set the paths of the imported columns, in whose order their values are held."""
        paths = ["/" + name.replace("~", "~0").replace("/", "~1") for name in self._names]
        self.hub.con.execute("SET VARIABLE exported_paths = ?::VARCHAR[]", [paths])

    def _count_with(self, extra: Extra) -> int:
        """Count how many of them have something in that table."""
        query = f"SELECT count(*) FROM exported_kept SEMI JOIN {extra} ON persona = id"  # noqa: S608 - our own names
        return count(self.hub.con, query)

    def _find_people(self, select: str | None) -> None:
        con = self.hub.con
        con.execute(_IMPORTS)
        con.execute(_PEOPLE)
        if select is not None:
            con.execute(_SELECTED, [select]).fetchall()
        kept = _CHOSEN if select is not None else "true" if self.duplicates else _RETAINED
        con.execute(f"CREATE OR REPLACE TEMP VIEW exported_kept AS FROM exported_people WHERE {kept}")
