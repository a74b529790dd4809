"""The people of a hub that an export is about: everybody, or a selection.

Near-duplicates, and those whom a rule of quality has turned away, are among them when they are asked for, and when a
selection has chosen them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb

from ..database import said
from ..errors import SetupError, SourceError
from .file import HubFile

__all__ = ["People"]

_ROWS = 10_000
#: Equal texts are one persona, who may have been imported more than once: the first time counts.
_IMPORTS = """
CREATE OR REPLACE TEMP TABLE exported_imports AS
SELECT persona, arg_min(revision, rowid) AS revision, arg_min(attributes, rowid)::VARCHAR AS attributes
FROM imports WHERE revision IS NOT NULL OR attributes IS NOT NULL GROUP BY persona
"""
_NO_IMPORTS = "CREATE OR REPLACE TEMP TABLE exported_imports (persona VARCHAR, revision VARCHAR, attributes VARCHAR)"
_VERDICTS = """
CREATE OR REPLACE TEMP TABLE exported_verdicts AS
SELECT persona, arg_max("of", (similarity, "of")) AS duplicate_of FROM duplicates
WHERE kind = 'persona' AND NOT undone GROUP BY persona
"""
_NO_VERDICTS = "CREATE OR REPLACE TEMP TABLE exported_verdicts (persona VARCHAR, duplicate_of VARCHAR)"
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


class People:
    """The people that were asked for, in order of arrival, as batches of rows.

    Raises `SetupError` for a selection that is not there, and `SourceError` when a table is not as a hub has it.
    """

    def __init__(self, hub: HubFile, *, select: str | None = None, duplicates: bool = False) -> None:
        self.hub = hub
        self.duplicates = duplicates
        there = {str(name) for (name,) in hub.con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if select is not None:
            _check_selection(hub, select, there)
        try:
            self._rows = self._people(there, select)
            self.count, self.unlicensed = self._counted()
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise SourceError(f"{str(hub.path)!r} has not the tables of a hub: {said(error)}.") from error

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns."""
        return [*self._in_order().columns]

    def batches(self) -> Iterator[Any]:
        """The people as Arrow batches of some thousands."""
        yield from self._in_order().to_arrow_reader(_ROWS)

    def licences(self) -> list[tuple[Any, ...]]:
        """Licence, source, revision and model, each with the number of people who have them."""
        groups = "licence, source, revision, model, count(*) AS personas"
        return self._rows.aggregate(groups).order("personas DESC, licence, source, revision, model").fetchall()

    def _people(self, there: set[str], select: str | None) -> duckdb.DuckDBPyRelation:
        con = self.hub.con
        con.execute(_IMPORTS if "imports" in there else _NO_IMPORTS)
        con.execute(_VERDICTS if "duplicates" in there else _NO_VERDICTS)
        con.execute(_RULINGS if "rulings" in there else _NO_RULINGS)
        con.execute(_PEOPLE)
        rows = con.view("exported_people")
        if not self.duplicates and select is None:
            rows = rows.filter("duplicate_of IS NULL AND turned_away IS NULL")
        if select is not None:
            con.execute(_SELECTED, [select]).fetchall()
            rows = rows.filter("id IN (SELECT persona FROM exported_selected)")
        return rows

    def _in_order(self) -> duckdb.DuckDBPyRelation:
        kept = "* EXCLUDE (arrival)" if self.duplicates else "* EXCLUDE (arrival, duplicate_of, turned_away)"
        return self._rows.order("arrival").project(kept)

    def _counted(self) -> tuple[int, int]:
        ((people, licensed),) = self._rows.aggregate("count(*), count(licence)").fetchall()
        return int(people), int(people) - int(licensed)


def _check_selection(hub: HubFile, select: str, there: set[str]) -> None:
    rows = hub.con.execute("SELECT name FROM selections ORDER BY name").fetchall() if "selections" in there else []
    names = [str(name) for (name,) in rows]
    if select not in names:
        said_there = f"there are {', '.join(names)}" if names else "there is none; make one with `populace hub select`"
        raise SetupError(f"{str(hub.path)!r} has no selection {select!r}; {said_there}.")
