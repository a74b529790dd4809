"""The people of a hub that an export is about: everybody, or a selection.

Near-duplicates, and those whom a rule of quality has turned away, are among them when they are asked for, and when a
selection has chosen them.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import duckdb

from ..database import said
from ..errors import SetupError, SourceError
from .extras import Extra, columns_of, joins_of
from .file import HubFile
from .standing import repeats_of

__all__ = ["People"]

_ROWS = 10_000
#: Equal texts are one persona, who may have been imported more than once: the first time counts.
_IMPORTS = """
CREATE OR REPLACE TEMP TABLE exported_imports AS
SELECT persona, arg_min(revision, rowid) AS revision, arg_min(attributes, rowid)::VARCHAR AS attributes
FROM imports WHERE revision IS NOT NULL OR attributes IS NOT NULL GROUP BY persona
"""
_NO_IMPORTS = "CREATE OR REPLACE TEMP TABLE exported_imports (persona VARCHAR, revision VARCHAR, attributes VARCHAR)"
_VERDICTS = "CREATE OR REPLACE TEMP TABLE exported_verdicts AS SELECT persona, survivor AS duplicate_of FROM ({})"
_RULINGS = """
CREATE OR REPLACE TEMP TABLE exported_rulings AS
SELECT persona, min(rule) AS turned_away FROM rulings WHERE outcome = 'turned_away' AND NOT undone GROUP BY persona
"""
_NO_RULINGS = "CREATE OR REPLACE TEMP TABLE exported_rulings (persona VARCHAR, turned_away VARCHAR)"
_SELECTED = (
    "CREATE OR REPLACE TEMP TABLE exported_selected AS SELECT DISTINCT persona FROM selected WHERE selection = ?"
)
_PEOPLE = """
CREATE OR REPLACE TEMP VIEW exported_people AS
SELECT p.id, p.text, p.origin, p.hop, p.parent, p.language, p.source, p.licence, p.model, p.prompt,
       i.revision, i.attributes, v.duplicate_of, r.turned_away, p.ordinal AS arrival
FROM personas AS p
LEFT JOIN exported_imports AS i ON i.persona = p.id
LEFT JOIN exported_verdicts AS v ON v.persona = p.id
LEFT JOIN exported_rulings AS r ON r.persona = p.id
"""
#: Who of them is exported.
_STANDING = "duplicate_of IS NULL AND turned_away IS NULL"
_CHOSEN = "id IN (SELECT persona FROM exported_selected)"


class People:
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
        #: What stands beside them.
        self.extras = tuple(extras)
        tables = hub.con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        self._tables = {str(name) for (name,) in tables}
        if select is not None:
            _check_selection(hub, select, self._tables)
        self._check_extras()
        try:
            self._rows = self._people(self._tables, select)
            self.count, self.unlicensed = self._counted()
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise SourceError(f"{str(hub.path)!r} has not the tables of a hub: {said(error)}.") from error

    def has(self, table: str) -> bool:
        """Whether the hub has a table of this name."""
        return table in self._tables

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns, those of extras behind `own`."""
        return [*self._in_order().columns]

    @property
    def own(self) -> Sequence[str]:
        """The names of the columns that every export has."""
        return [*self._rows.project(self._hidden()).columns]

    def batches(self) -> Iterator[Any]:
        """The people as Arrow batches of some thousands."""
        yield from self._in_order().to_arrow_reader(_ROWS)

    def texts(self) -> Iterator[list[str]]:
        """Their descriptions, some thousands at a time."""
        for batch in self._rows.order("arrival").project("text").to_arrow_reader(_ROWS):
            yield batch.column(0).to_pylist()

    def number_with(self, extra: Extra) -> int:
        """How many of them have something in that table."""
        if not self.has(extra):
            return 0
        counted = f"SELECT count(*) FROM exported_kept SEMI JOIN {extra} ON persona = id"  # noqa: S608 - our own names
        return int(self.hub.con.execute(counted).fetchall()[0][0])

    def licences(self) -> list[tuple[Any, ...]]:
        """Licence, source, revision and model, each with the number of people who have them."""
        groups = "licence, source, revision, model, count(*) AS personas"
        return self._rows.aggregate(groups).order("personas DESC, licence, source, revision, model").fetchall()

    def _people(self, there: set[str], select: str | None) -> duckdb.DuckDBPyRelation:
        con = self.hub.con
        con.execute(_IMPORTS if "imports" in there else _NO_IMPORTS)
        con.execute(_VERDICTS.format(repeats_of(there)))
        con.execute(_RULINGS if "rulings" in there else _NO_RULINGS)
        con.execute(_PEOPLE)
        if select is not None:
            con.execute(_SELECTED, [select]).fetchall()
        kept = _CHOSEN if select is not None else "true" if self.duplicates else _STANDING
        con.execute(f"CREATE OR REPLACE TEMP VIEW exported_kept AS FROM exported_people WHERE {kept}")
        return con.view("exported_kept")

    def _in_order(self) -> duckdb.DuckDBPyRelation:
        columns = f"k.{self._hidden()}{columns_of(self.extras)}"
        return self.hub.con.sql(
            f"SELECT {columns} FROM exported_kept AS k {joins_of(self.extras)} ORDER BY k.arrival"  # noqa: S608 - ours
        )

    def _hidden(self) -> str:
        return "* EXCLUDE (arrival)" if self.duplicates else "* EXCLUDE (arrival, duplicate_of, turned_away)"

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
