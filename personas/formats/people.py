"""The personas of a hub that an export writes, all of them or a selection."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import duckdb

from ..arrow import iter_batches
from ..database import said
from ..errors import SetupError, SourceError
from ..hub.file import HubFile
from ..hub.queries import survivors_in, table_names
from .columns import Extra, columns_of, joins_of

_ROWS = 10_000
#: Equal texts are one persona, who may have been imported more than once: the first time counts.
_IMPORTS = """
CREATE OR REPLACE TEMP TABLE exported_imports AS
SELECT persona, arg_min(revision, rowid) AS revision, arg_min(attributes, rowid)::VARCHAR AS attributes,
       min(attributes::VARCHAR) <> max(attributes::VARCHAR) AS several
FROM imports WHERE revision IS NOT NULL OR attributes IS NOT NULL GROUP BY persona
"""
_NO_IMPORTS = """
CREATE OR REPLACE TEMP TABLE exported_imports (
    persona VARCHAR, revision VARCHAR, attributes VARCHAR, several BOOLEAN)
"""
_ONE_LICENCE = """
SELECT count(DISTINCT licence) < 2 FROM (
    SELECT unnest([min(licence), max(licence)]) AS licence FROM imports
    UNION ALL SELECT unnest([min(licence), max(licence)]) FROM personas)
"""
#: A person imported under several licences has all of them.
_LICENCES = """
CREATE OR REPLACE TEMP TABLE exported_licences AS
SELECT persona, list_sort(list_distinct(list(i.licence) || list(p.licence))) AS licences
FROM imports AS i JOIN personas AS p ON p.id = i.persona
WHERE i.licence IS NOT NULL GROUP BY persona HAVING len(licences) > 1
"""
_NO_LICENCES = "CREATE OR REPLACE TEMP TABLE exported_licences (persona VARCHAR, licences VARCHAR[])"
_VERDICTS = "CREATE OR REPLACE TEMP TABLE exported_verdicts AS SELECT persona, survivor AS duplicate_of FROM ({})"
_RULE_RESULTS = """
CREATE OR REPLACE TEMP TABLE exported_rule_results AS
SELECT persona, min(rule) AS rejected FROM rule_results WHERE outcome = 'rejected' AND NOT undone GROUP BY persona
"""
_NO_RULE_RESULTS = "CREATE OR REPLACE TEMP TABLE exported_rule_results (persona VARCHAR, rejected VARCHAR)"
_SELECTED = (
    "CREATE OR REPLACE TEMP TABLE exported_selected AS SELECT DISTINCT persona FROM selected WHERE selection = ?"
)
_PEOPLE = """
CREATE OR REPLACE TEMP VIEW exported_people AS
SELECT p.id, p.text, p.origin, p.hop, p.parent, p.language, p.source, p.licence, p.model, p.prompt,
       i.revision, l.licences, i.attributes, i.several, v.duplicate_of, r.rejected, p.ordinal AS arrival
FROM personas AS p
LEFT JOIN exported_licences AS l ON l.persona = p.id
LEFT JOIN exported_imports AS i ON i.persona = p.id
LEFT JOIN exported_verdicts AS v ON v.persona = p.id
LEFT JOIN exported_rule_results AS r ON r.persona = p.id
"""
#: Who of them is exported.
_RETAINED = "duplicate_of IS NULL AND rejected IS NULL"
_CHOSEN = "id IN (SELECT persona FROM exported_selected)"


class ExportedPeople:
    """The people that were asked for, in order of arrival, as batches of rows; also the view `exported_kept`.

    Raises `SetupError` for a selection or a table of extras that is not there, and `SourceError` when a table is not
    as a hub has it.
    """

    def __init__(
        self,
        hub: HubFile,
        *,
        select: str | None = None,
        duplicates: bool = False,
        extras: Collection[Extra] = (),
    ) -> None:
        self.hub = hub
        self.duplicates = duplicates
        #: The tables whose columns are added.
        self.extras = tuple(extras)
        self._tables = table_names(hub.con)
        if select is not None:
            _check_selection(hub, select, self._tables)
        self._check_extras()
        try:
            self._rows = self._people(self._tables, select)
            self.count, self.unlicensed = self._counted()
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise SourceError(f"{str(hub.path)!r} has not the tables of a hub: {said(error)}.") from error

    def has(self, table: str) -> bool:
        """Return whether the hub has a table of this name."""
        return table in self._tables

    @property
    def columns(self) -> Sequence[str]:
        """The names of the hub's own columns, those of extras last; imported columns are in `attributes`."""
        return [name for name in self._in_order().columns if name != "attributes"]

    def batches(self, first: Sequence[int] = ()) -> Iterator[Any]:
        """Yield the people as Arrow batches of some thousands; those at the places `first`, from 0, come before all."""
        yield from iter_batches(self._in_order(first), _ROWS)

    def attributes(self) -> Iterator[str | None]:
        """Yield the imported columns of each persona as a JSON object."""
        for batch in iter_batches(self._rows.order("arrival").project("attributes"), _ROWS):
            yield from batch["attributes"].to_pylist()

    def first_places(self, within: int) -> list[int]:
        """Return the place of the first persona with a value for each own column that the first ones lack.

        The first ones are the first `within`. Columns that nobody has give no place.
        """
        if self.count <= within:
            return []
        rows = self._in_order().project("* EXCLUDE (attributes), row_number() OVER () - 1 AS place")
        found = [
            _first(name, str(kind)) for name, kind in zip(rows.columns, rows.types, strict=True) if name != "place"
        ]
        (places,) = rows.aggregate(", ".join(found)).fetchall()
        return [place for place in places if place is not None and place >= within]

    @property
    def several(self) -> int:
        """How many of them were imported in several rows that differ; they are written as the first has them."""
        return len(self._rows.filter("several").project("id").fetchall())

    def number_with(self, extra: Extra) -> int:
        """Count how many of them have something in that table."""
        if not self.has(extra):
            return 0
        counted = f"SELECT count(*) FROM exported_kept SEMI JOIN {extra} ON persona = id"  # noqa: S608 - our own names
        return int(self.hub.con.execute(counted).fetchall()[0][0])

    def _people(self, there: set[str], select: str | None) -> duckdb.DuckDBPyRelation:
        con = self.hub.con
        con.execute(_IMPORTS if "imports" in there else _NO_IMPORTS)
        is_one = "imports" not in there or con.execute(_ONE_LICENCE).fetchall()[0][0]
        con.execute(_NO_LICENCES if is_one else _LICENCES)
        self._has_licences = bool(con.execute("FROM exported_licences LIMIT 1").fetchall())
        con.execute(_VERDICTS.format(survivors_in(there)))
        con.execute(_RULE_RESULTS if "rule_results" in there else _NO_RULE_RESULTS)
        con.execute(_PEOPLE)
        if select is not None:
            con.execute(_SELECTED, [select]).fetchall()
        kept = _CHOSEN if select is not None else "true" if self.duplicates else _RETAINED
        con.execute(f"CREATE OR REPLACE TEMP VIEW exported_kept AS FROM exported_people WHERE {kept}")
        return con.view("exported_kept")

    def _in_order(self, first: Sequence[int] = ()) -> duckdb.DuckDBPyRelation:
        columns = f"k.{self._hidden()}{columns_of(self.extras)}"
        order = "k.arrival"
        if first:
            places = ", ".join(map(str, first))
            order = f"(row_number() OVER (ORDER BY k.arrival) - 1) NOT IN ({places}), k.arrival"
        return self.hub.con.sql(
            f"SELECT {columns} FROM exported_kept AS k {joins_of(self.extras)} ORDER BY {order}"  # noqa: S608 - ours
        )

    def _hidden(self) -> str:
        hidden = ["arrival", "several"]
        if not self.duplicates:
            hidden += ["duplicate_of", "rejected"]
        if not self._has_licences:
            hidden.append("licences")
        return f"* EXCLUDE ({', '.join(hidden)})"

    def _check_extras(self) -> None:
        for extra in self.extras:
            if not self.has(extra):
                raise SetupError(f"{str(self.hub.path)!r} has no table {extra}; make some with `populace hub enrich`.")

    def _counted(self) -> tuple[int, int]:
        ((people, licensed),) = self._rows.aggregate("count(*), count(licence)").fetchall()
        return int(people), int(people) - int(licensed)


def _check_selection(hub: HubFile, select: str, there: set[str]) -> None:
    rows = hub.con.execute("SELECT name FROM selections ORDER BY name").fetchall() if "selections" in there else []
    names = [str(name) for (name,) in rows]
    if select not in names:
        said_there = f"there are {', '.join(names)}" if names else "there is none; make one with `populace hub select`"
        raise SetupError(f"{str(hub.path)!r} has no selection {select!r}; {said_there}.")


def _first(name: str, kind: str) -> str:
    quoted = f'"{name}"'
    said = f"len({quoted}) > 0" if kind.endswith("[]") else f"{quoted} IS NOT NULL"
    return f"min(place) FILTER ({said}) AS {quoted}"
