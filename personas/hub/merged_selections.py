"""The selections of several hubs in one: their rows, their people in their places, and a view of each."""

from pathlib import Path

from ..selection.store import make_view
from .file import HubFile
from .queries import registered

__all__ = ["MergedSelections"]

_LONGEST = 63
_SELECTIONS = """
SELECT * REPLACE (spec::VARCHAR AS spec, report::VARCHAR AS report) FROM selections ORDER BY made_at, name
"""
_SELECTED = "FROM selected SEMI JOIN selections ON name = selection"
_NAMED = "CREATE OR REPLACE TEMP TABLE merged_names AS SELECT unnest(?::VARCHAR[]) AS was, unnest(?::VARCHAR[]) AS now"
_TAKE = """
INSERT INTO selections BY NAME
SELECT t.* REPLACE (n.now AS name) FROM {taken} AS t JOIN merged_names AS n ON n.was = t.name
"""
_TAKE_PEOPLE = """
INSERT INTO selected BY NAME
SELECT t.* REPLACE (n.now AS selection) FROM {taken} AS t JOIN merged_names AS n ON n.was = t.selection
"""
_SAME = "SELECT 1 FROM selections WHERE name = ? AND made_at = ? AND spec::VARCHAR = ?"


class MergedSelections:
    """Takes the selections of one hub after another. A name that is taken gets a number behind it.

    What two hubs have from a third, under one name, is one selection.
    """

    def __init__(self, hub: HubFile) -> None:
        self._hub = hub
        rows = hub.con.execute("SELECT lower(table_name) FROM information_schema.tables").fetchall()
        self._taken = {str(name) for (name,) in rows}
        self._kept: list[str] = []
        #: The hub, the old name and the new one of each selection that could not keep its name.
        self.renamed: list[tuple[Path, str, str]] = []

    def take(self, source: HubFile) -> None:
        """Write the selections of one hub, in the caller's transaction; the views come with `make_views`."""
        if not source.con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'selections'").fetchall():
            return
        rows = source.con.sql(_SELECTIONS).to_arrow_table()
        told = zip(*(rows.column(name).to_pylist() for name in ("name", "made_at", "spec")), strict=True)
        con = self._hub.con
        new = [name for name, *rest in told if not con.execute(_SAME, [name, *rest]).fetchall()]
        names = {name: self._name(source.path, name) for name in new}
        con.execute(_NAMED, [list(names), list(names.values())])
        for table, statement in ((rows, _TAKE), (source.con.sql(_SELECTED).to_arrow_table(), _TAKE_PEOPLE)):
            with registered(con, table) as taken:
                con.execute(statement.format(taken=taken))
        self._kept += names.values()

    def make_views(self) -> None:
        """Give each selection the view of its name, once everybody and all profiles are there."""
        for name in self._kept:
            make_view(self._hub.con, name)

    def _name(self, path: Path, name: str) -> str:
        new, number = name, 1
        while new.lower() in self._taken:
            number += 1
            new = f"{name[: _LONGEST - len(str(number)) - 1]}_{number}"
        self._taken.add(new.lower())
        if new != name:
            self.renamed.append((path, name, new))
        return new
