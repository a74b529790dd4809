"""Who stands for whom, and who for nobody: near-duplicates and those turned away, as temporary tables."""

import duckdb

from ...database import said
from ...errors import SourceError
from ..file import HubFile

__all__ = ["fetch", "fold_duplicates"]

#: Of several verdicts on one person the most similar counts, as in the view `survivors` of a run file.
_VERDICTS = """
CREATE OR REPLACE TEMP TABLE graph_folds AS
SELECT persona, arg_max("of", (similarity, "of")) AS survivor
FROM duplicates
WHERE kind = 'persona' AND NOT undone
GROUP BY persona
"""

_NONE = "CREATE OR REPLACE TEMP TABLE graph_folds (persona VARCHAR, survivor VARCHAR)"
_CHAINED = "SELECT min(a.persona) FROM graph_folds AS a SEMI JOIN graph_folds AS b ON b.persona = a.survivor"

#: Each round follows chains twice as far.
_FOLLOWED = """
CREATE OR REPLACE TEMP TABLE graph_folds AS
SELECT a.persona, coalesce(b.survivor, a.survivor) AS survivor
FROM graph_folds AS a LEFT JOIN graph_folds AS b ON b.persona = a.survivor
"""
_ROUNDS = 32

_AWAY = """
CREATE OR REPLACE TEMP TABLE graph_away AS
SELECT DISTINCT persona FROM rulings WHERE outcome = 'turned_away' AND NOT undone
"""
_NONE_AWAY = "CREATE OR REPLACE TEMP TABLE graph_away (persona VARCHAR)"


def fold_duplicates(hub: HubFile) -> None:
    """Fill the temporary tables `graph_folds` (persona, survivor) with near-duplicates, and `graph_away` (persona).

    `graph_away` has those whom a rule of quality turned away; they and their ties are in no graph.

    Raises `SourceError` for verdicts that lead in a circle, and for a hub whose tables lack a column.
    """
    tables = {name for (name,) in fetch(hub, "SELECT table_name FROM duckdb_tables() WHERE NOT temporary")}
    if "relations" not in tables:
        raise SourceError(f"{str(hub.path)!r} has no table relations, so there is no graph; grow or import some.")
    fetch(hub, _AWAY if "rulings" in tables else _NONE_AWAY)
    fetch(hub, _VERDICTS if "duplicates" in tables else _NONE)
    for _ in range(_ROUNDS):
        ((chained,),) = fetch(hub, _CHAINED)
        if chained is None:
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
