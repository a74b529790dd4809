"""Who stands in a hub, as SQL: everybody whom no rule turned away and no verdict marks as somebody's near-duplicate.

This is the one definition: information, exports, selections, graphs, merges, societies and reports read it from here.
"""

from collections.abc import Container

__all__ = ["AWAY", "MARKED", "REPEATS", "STANDING", "VERDICTS", "away_of", "marked_of", "repeats_of", "standing_of"]

_NOBODY = "SELECT NULL::VARCHAR AS persona WHERE false"

#: Those whom a rule turned away (`persona`).
AWAY = "SELECT DISTINCT persona FROM rulings WHERE outcome = 'turned_away' AND NOT undone"


def away_of(tables: Container[str]) -> str:
    """`AWAY` for a file with these tables: hubs of earlier versions have no table of rulings."""
    return AWAY if "rulings" in tables else _NOBODY


def _verdicts(away: str) -> str:
    return (
        'SELECT persona, "of", stage, similarity FROM duplicates '  # noqa: S608 - our own words
        f"""WHERE kind = 'persona' AND NOT undone AND "of" NOT IN ({away})"""
    )


def _repeats(verdicts: str) -> str:
    return f'SELECT persona, arg_max("of", (similarity, "of")) AS survivor FROM ({verdicts}) GROUP BY persona'  # noqa: S608


def repeats_of(tables: Container[str]) -> str:
    """`REPEATS` for a file with these tables."""
    if "duplicates" not in tables:
        return "SELECT NULL::VARCHAR AS persona, NULL::VARCHAR AS survivor WHERE false"
    return _repeats(_verdicts(away_of(tables)))


def marked_of(tables: Container[str]) -> str:
    """`MARKED` for a file with these tables."""
    return f"SELECT persona FROM ({repeats_of(tables)}) WHERE persona NOT IN ({away_of(tables)})"  # noqa: S608


def standing_of(tables: Container[str]) -> str:
    """`STANDING` for a file with these tables."""
    return f"id NOT IN ({away_of(tables)}) AND id NOT IN (SELECT persona FROM ({repeats_of(tables)}))"  # noqa: S608


_ALL = ("rulings", "duplicates")
#: The verdicts on people that hold: a verdict that was undone does not, nor one that names somebody whom a rule turned
#: away, so that a near-duplicate is never left out together with the person whom it repeats.
VERDICTS = _verdicts(AWAY)
#: Each near-duplicate once (`persona`), and whom it repeats (`survivor`), who may be a near-duplicate too: of several
#: verdicts on one person the most similar counts, as in the view `survivors` of a run file.
REPEATS = repeats_of(_ALL)
#: The near-duplicates whom no rule turned away (`persona`).
MARKED = marked_of(_ALL)
#: Condition on `id`: who stands.
STANDING = standing_of(_ALL)
