"""Finding a person by id, by the beginning of one, or by words of the description."""

from dataclasses import dataclass

from ...errors import SetupError
from ..file import HubFile
from .excerpt import Acquaintance
from .folds import fetch, fold_duplicates

__all__ = ["Found", "find_people"]

#: Fewer characters than this begin too many ids to mean one.
_PREFIX = 4

_EXACT = """
SELECT p.id, p.text, coalesce(p.hop, 0), coalesce(p.language, ''), 1
FROM personas AS p
WHERE p.id = coalesce((SELECT survivor FROM graph_folds WHERE persona = $wanted), $wanted)
"""

_SEARCH = """
WITH hits AS (
    SELECT DISTINCT coalesce(f.survivor, h.id) AS id
    FROM (SELECT id FROM personas WHERE {condition}) AS h
    LEFT JOIN graph_folds AS f ON f.persona = h.id
)
SELECT p.id, p.text, coalesce(p.hop, 0), coalesce(p.language, ''), count(*) OVER ()
FROM hits JOIN personas AS p ON p.id = hits.id ANTI JOIN graph_away ON graph_away.persona = p.id
ORDER BY p.ordinal, p.id
LIMIT $most
"""


@dataclass(frozen=True, slots=True)
class Found:
    """The people who match, the oldest first, and how many match in all."""

    people: tuple[Acquaintance, ...]
    total: int


def find_people(hub: HubFile, wanted: str, *, most: int = 20) -> Found:
    """Who has this id, or an id that begins so (4 characters at least), or all these words in the description.

    A near-duplicate is found as whom it repeats. Raises `SetupError` when nothing is wanted, and for the id of somebody
    whom a rule turned away.
    """
    words = wanted.lower().split()
    if not words:
        raise SetupError("Nobody is named; give an id, the beginning of one, or words of a description.")
    fold_duplicates(hub)
    found = fetch(hub, _EXACT, {"wanted": wanted.strip()})
    if not found:
        conditions = [f"contains(lower(text), $word{n})" for n in range(len(words))]
        params = {"most": most} | {f"word{n}": word for n, word in enumerate(words)}
        condition = " AND ".join(conditions)
        if len(words) == 1 and len(words[0]) >= _PREFIX:
            condition += " OR starts_with(id, $word0)"
        found = fetch(hub, _SEARCH.format(condition=condition), params)
    elif fetch(hub, "FROM graph_away WHERE persona = ?", [found[0][0]]):
        raise SetupError(
            f"{found[0][0]} in {str(hub.path)!r} was turned away by a rule, and is in no graph; "
            "see the table rulings, and `populace hub undo` with its rule."
        )
    people = tuple(Acquaintance(*row[:-1]) for row in found)  # type: ignore[arg-type]
    return Found(people, int(str(found[0][-1])) if found else 0)
