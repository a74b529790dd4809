"""Reading a part of the people, a selection or those who were drawn, as if it were the whole hub."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from ...errors import SourceError
from .people import quote_name, quote_text

__all__ = ["narrow", "narrow_to"]

#: Those chosen, and everybody who duplicates one of them: what is said of these is said of those.
_CHOSEN = """
CREATE OR REPLACE TEMP TABLE chosen AS
WITH RECURSIVE found(persona) AS (
    {those}
    UNION
    SELECT d.persona FROM {hub}.duplicates AS d JOIN found ON d."of" = found.persona
    WHERE d.kind = 'persona' AND NOT d.undone
)
SELECT persona, persona IN ({those}) AS is_chosen FROM found
"""
_VIEWS = """
CREATE OR REPLACE TEMP VIEW personas AS
    SELECT * FROM {hub}.personas WHERE id IN (SELECT persona FROM temp.chosen WHERE is_chosen);
CREATE OR REPLACE TEMP VIEW duplicates AS
    SELECT * FROM {hub}.duplicates WHERE kind = 'persona' AND NOT undone
    AND persona IN (SELECT persona FROM temp.chosen WHERE NOT is_chosen)
    AND "of" IN (SELECT persona FROM temp.chosen);
CREATE OR REPLACE TEMP VIEW relations AS
    SELECT * FROM {hub}.relations
    WHERE source IN (SELECT persona FROM temp.chosen) AND target IN (SELECT persona FROM temp.chosen);
"""


def narrow(con: duckdb.DuckDBPyConnection, path: Path, selection: str) -> None:
    """Let personas, relations and duplicates mean, on this connection, those of a selection of the hub at `path`.

    Relations stay where both people are chosen, or duplicate somebody who is. Raises `SourceError` when the hub keeps
    no such selection.
    """
    there = _selections(con)
    if selection not in there:
        known = f"there are: {', '.join(there)}" if there else "make one with `populace hub select --name`"
        raise SourceError(f"{path} keeps no selection {selection!r}; {known}.")
    hub = _main(con)
    _narrow(con, hub, f"SELECT persona FROM {hub}.selected WHERE selection = {quote_text(selection)}")  # noqa: S608 - quoted


def narrow_to(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    """The same for the people with these ids."""
    con.execute("CREATE OR REPLACE TEMP TABLE narrowed_to AS SELECT unnest($ids) AS persona", {"ids": list(ids)})
    _narrow(con, _main(con), "SELECT persona FROM temp.narrowed_to")


def _main(con: duckdb.DuckDBPyConnection) -> str:
    ((database,),) = con.execute("SELECT current_database()").fetchall()
    return f"{quote_name(database)}.main"


def _narrow(con: duckdb.DuckDBPyConnection, hub: str, those: str) -> None:
    # Temporary views come before what the file has under the same names.
    con.execute(_CHOSEN.format(hub=hub, those=those))
    con.execute(_VIEWS.format(hub=hub))


def _selections(con: duckdb.DuckDBPyConnection) -> list[str]:
    if not con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'selections'").fetchall():
        return []
    return [str(name) for (name,) in con.execute("SELECT name FROM selections ORDER BY name").fetchall()]
