"""Reading a selection as if it were the whole hub."""

from pathlib import Path

import duckdb

from ...errors import SourceError
from .people import quote_name, quote_text

__all__ = ["narrow"]

#: Those chosen, and everybody who duplicates one of them: what is said of these is said of those.
_CHOSEN = """
CREATE TEMP TABLE chosen AS
WITH RECURSIVE found(persona) AS (
    SELECT persona FROM {hub}.selected WHERE selection = {name}
    UNION
    SELECT d.persona FROM {hub}.duplicates AS d JOIN found ON d."of" = found.persona
    WHERE d.kind = 'persona' AND NOT d.undone
)
SELECT persona, persona IN (SELECT persona FROM {hub}.selected WHERE selection = {name}) AS is_chosen FROM found
"""
_VIEWS = """
CREATE TEMP VIEW personas AS
    SELECT * FROM {hub}.personas WHERE id IN (SELECT persona FROM temp.chosen WHERE is_chosen);
CREATE TEMP VIEW duplicates AS
    SELECT * FROM {hub}.duplicates WHERE kind = 'persona' AND NOT undone
    AND persona IN (SELECT persona FROM temp.chosen WHERE NOT is_chosen)
    AND "of" IN (SELECT persona FROM temp.chosen);
CREATE TEMP VIEW relations AS
    SELECT * FROM {hub}.relations
    WHERE source IN (SELECT persona FROM temp.chosen) AND target IN (SELECT persona FROM temp.chosen);
"""


def narrow(con: duckdb.DuckDBPyConnection, path: Path, selection: str) -> None:
    """Let personas, relations and duplicates mean, on this connection, those of a selection of the hub at `path`.

    Relations stay where both people are chosen, or duplicate somebody who is. Raises `SourceError` when the hub keeps
    no such selection.
    """
    ((database,),) = con.execute("SELECT current_database()").fetchall()
    there = _selections(con)
    if selection not in there:
        known = f"there are: {', '.join(there)}" if there else "make one with `populace hub select --name`"
        raise SourceError(f"{path} keeps no selection {selection!r}; {known}.")
    # Temporary views come before what the file has under the same names.
    hub = f"{quote_name(database)}.main"
    con.execute(_CHOSEN.format(hub=hub, name=quote_text(selection)))
    con.execute(_VIEWS.format(hub=hub))


def _selections(con: duckdb.DuckDBPyConnection) -> list[str]:
    if not con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'selections'").fetchall():
        return []
    return [str(name) for (name,) in con.execute("SELECT name FROM selections ORDER BY name").fetchall()]
