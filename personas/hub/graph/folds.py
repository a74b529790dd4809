"""Who stands for whom, and who for nobody: near-duplicates and those turned away, as temporary tables."""

import duckdb

from ...database import said
from ...errors import SourceError
from ..file import HubFile
from ..standing import away_of, repeats_of

__all__ = ["fetch", "fold_duplicates"]

_REPEATS = "CREATE OR REPLACE TEMP TABLE graph_folds AS {}"
_CHAINED = "SELECT min(a.persona) FROM graph_folds AS a SEMI JOIN graph_folds AS b ON b.persona = a.survivor"

#: Each round follows chains twice as far.
_FOLLOWED = """
CREATE OR REPLACE TEMP TABLE graph_folds AS
SELECT a.persona, coalesce(b.survivor, a.survivor) AS survivor
FROM graph_folds AS a LEFT JOIN graph_folds AS b ON b.persona = a.survivor
"""
_ROUNDS = 32

_AWAY = "CREATE OR REPLACE TEMP TABLE graph_away AS {}"
#: Whoever was turned away takes their ties along, a near-duplicate too.
_GONE = "DELETE FROM graph_folds WHERE persona IN (FROM graph_away)"


def fold_duplicates(hub: HubFile) -> None:
    """Fill the temporary tables `graph_folds` (persona, survivor) with near-duplicates, and `graph_away` (persona).

    `graph_away` has those whom a rule turned away: they and their ties are in no graph.

    Raises `SourceError` for verdicts that lead in a circle, and for a hub whose tables lack a column.
    """
    tables = {str(name) for (name,) in fetch(hub, "SELECT table_name FROM duckdb_tables() WHERE NOT temporary")}
    if "relations" not in tables:
        raise SourceError(f"{str(hub.path)!r} has no table relations, so there is no graph; grow or import some.")
    fetch(hub, _AWAY.format(away_of(tables)))
    fetch(hub, _REPEATS.format(repeats_of(tables)))
    for _ in range(_ROUNDS):
        ((chained,),) = fetch(hub, _CHAINED)
        if chained is None:
            fetch(hub, _GONE)
            return
        fetch(hub, _FOLLOWED)
    raise SourceError(
        f"{str(hub.path)!r}: the near-duplicate verdicts on {chained} lead in a circle; undo one of them."
    )


def fetch(hub: HubFile, sql: str, params: object = None) -> list[tuple[object, ...]]:
    """The rows that answer a statement. Raises `SourceError` when a table or column is not as a hub has it."""
    try:
        return hub.con.execute(sql, params).fetchall()
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise SourceError(
            f"The graph of {str(hub.path)!r} cannot be read: {said(error)}; "
            "give a hub that Populace wrote, or import it."
        ) from error
