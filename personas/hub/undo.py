"""Undoing verdicts of near-duplicate detection and of rules, and setting them again: rows are marked, never deleted."""

from dataclasses import dataclass

from ..errors import SetupError
from .file import HubFile
from .traces import undo_columns

__all__ = ["TurnedAway", "resolve_persona", "turned_away", "undo_pair", "undo_persona", "undo_rule", "undo_stage"]

_SHORTEST = 4
_PERSONA = "UPDATE duplicates SET undone = $undone WHERE kind = 'persona' AND persona = $id AND undone <> $undone"
_STAGE = "UPDATE duplicates SET undone = $undone WHERE kind = 'persona' AND stage = $stage AND undone <> $undone"
_PAIR = """
UPDATE duplicates SET undone = $undone WHERE kind = 'persona' AND undone <> $undone
AND ((persona = $one AND "of" = $other) OR (persona = $other AND "of" = $one))
"""
_ON_PERSONA = "SELECT count(*) FROM duplicates WHERE kind = 'persona' AND persona = ?"
_ON_PAIR = """
SELECT count(*) FROM duplicates WHERE kind = 'persona'
AND ((persona = $one AND "of" = $other) OR (persona = $other AND "of" = $one))
"""
_RULE = """
UPDATE rulings SET undone = $undone WHERE outcome = 'turned_away' AND rule = $rule AND undone <> $undone
"""
_THOSE = "SELECT DISTINCT persona FROM rulings WHERE outcome = 'turned_away' AND rule = $rule"
_STILL = f"""
SELECT count(*), count(*) FILTER (is_ruled), count(*) FILTER (is_double AND NOT is_ruled) FROM (
    SELECT persona IN (SELECT persona FROM rulings WHERE outcome = 'turned_away' AND NOT undone) AS is_ruled,
           persona IN (SELECT persona FROM duplicates WHERE kind = 'persona' AND NOT undone) AS is_double
    FROM ({_THOSE}) SEMI JOIN personas ON id = persona
)
"""  # noqa: S608 - our own words
_NOT_KEPT = """
SELECT count(DISTINCT persona) FROM rulings ANTI JOIN personas ON id = persona
WHERE outcome IN ('turned_away', 'removed') AND rule = $rule
"""
_OTHERS = f"""
SELECT DISTINCT rule FROM rulings
WHERE outcome = 'turned_away' AND NOT undone AND rule <> $rule AND persona IN ({_THOSE}) ORDER BY rule
"""  # noqa: S608 - our own words
_RULES = "SELECT DISTINCT rule FROM rulings WHERE outcome = 'turned_away' ORDER BY rule"
_STAGES = "SELECT DISTINCT stage FROM duplicates WHERE kind = 'persona' ORDER BY stage"


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """What became of the people whom one rule has turned away, now or once."""

    #: All of them who are in the hub.
    people: int
    #: Those who are turned away at present, by this rule or by others, and these others.
    ruled: int
    others: tuple[str, ...]
    #: Those of the rest who are marked as near-duplicates.
    duplicates: int
    #: Those whose descriptions were not kept, so that they cannot come back.
    gone: int = 0

    @property
    def standing(self) -> int:
        """Those who are people like all others."""
        return self.people - self.ruled - self.duplicates


def turned_away(hub: HubFile, rule: str) -> TurnedAway:
    """How those stand whom this rule has turned away, its undone rulings included."""
    ((people, ruled, duplicates),) = hub.con.execute(_STILL, {"rule": rule}).fetchall()
    others = tuple(str(name) for (name,) in hub.con.execute(_OTHERS, {"rule": rule}).fetchall())
    return TurnedAway(people, ruled, others, duplicates, gone=_number(hub, _NOT_KEPT, {"rule": rule}))


def undo_persona(hub: HubFile, persona: str, *, redo: bool = False) -> int:
    """How many verdicts were undone that mark this persona as a near-duplicate (`redo`: that stand again).

    `persona` is an id, or its beginning. Raises `SetupError` when nobody has it, or no verdict is about them.
    """
    found = resolve_persona(hub, persona)
    if not _number(hub, _ON_PERSONA, [found]):
        raise SetupError(f"Persona {found} is nobody's near-duplicate in {str(hub.path)!r}; there is nothing to undo.")
    return _update(hub, _PERSONA, {"id": found, "undone": not redo})


def undo_stage(hub: HubFile, stage: str, *, redo: bool = False) -> int:
    """How many verdicts of a stage were undone (`redo`: stand again).

    Raises `SetupError` for a stage that found nothing.
    """
    stages = [str(name) for (name,) in hub.con.execute(_STAGES).fetchall()]
    if stage not in stages:
        there = f"there are verdicts of {', '.join(stages)}" if stages else "there are no verdicts at all"
        raise SetupError(f"{str(hub.path)!r} has no verdict of a stage {stage!r}; {there}.")
    return _update(hub, _STAGE, {"stage": stage, "undone": not redo})


def undo_rule(hub: HubFile, rule: str, *, redo: bool = False) -> int:
    """How many rulings were undone by which a rule of quality turned somebody away (`redo`: hold again).

    Whoever another rule turns away too, or who is a near-duplicate, is not back by that: see `turned_away`.

    Raises `SetupError` for a rule that turned nobody away.
    """
    with hub.writing() as con:
        columns = undo_columns(con, rule, redo=redo)
    rules = [str(name) for (name,) in hub.con.execute(_RULES).fetchall()]
    if rule not in rules and columns:
        return columns
    if rule not in rules:
        gone = _number(hub, _NOT_KEPT, {"rule": rule})
        if gone:
            raise SetupError(
                f"Nobody whom {rule!r} sent away from {str(hub.path)!r} can come back, for their descriptions were not "
                f"kept: {gone:,} in all."
            )
        there = f"{', '.join(rules)} did" if rules else "no rule did"
        raise SetupError(f"The rule {rule!r} turned nobody away in {str(hub.path)!r}; {there}.")
    return columns + _update(hub, _RULE, {"rule": rule, "undone": not redo})


def undo_pair(hub: HubFile, one: str, other: str, *, redo: bool = False) -> int:
    """How many verdicts between two personas were undone (`redo`: stand again), whichever of them is the later one.

    Raises `SetupError` when there is none.
    """
    pair = {"one": resolve_persona(hub, one), "other": resolve_persona(hub, other)}
    if not _number(hub, _ON_PAIR, pair):
        raise SetupError(
            f"No verdict in {str(hub.path)!r} is about {pair['one']} and {pair['other']}; look in duplicates."
        )
    return _update(hub, _PAIR, {**pair, "undone": not redo})


def resolve_persona(hub: HubFile, beginning: str) -> str:
    """The id that begins so. Raises `SetupError` when none or several do, or when it is shorter than four digits."""
    if len(beginning) < _SHORTEST:
        raise SetupError(
            f"{beginning!r} is too short for the id of a persona; give at least {_SHORTEST} of its digits."
        )
    query = "SELECT id FROM personas WHERE starts_with(id, ?) ORDER BY id LIMIT 3"
    ids = [str(found) for (found,) in hub.con.execute(query, [beginning.lower()]).fetchall()]
    if not ids:
        raise SetupError(f"Nobody in {str(hub.path)!r} has an id that begins with {beginning!r}; ids are in personas.")
    if len(ids) > 1 and ids[0] != beginning:
        raise SetupError(f"Several ids begin with {beginning!r}, such as {' and '.join(ids[:2])}; give more of it.")
    return ids[0]


def _update(hub: HubFile, statement: str, given: dict[str, object]) -> int:
    with hub.writing() as con:
        ((changed,),) = con.execute(statement, given).fetchall()
    return int(changed)


def _number(hub: HubFile, query: str, given: object) -> int:
    ((number,),) = hub.con.execute(query, given).fetchall()
    return int(number)
