"""Undoing verdicts of near-duplicate detection, and setting them again: rows are marked, never deleted."""

from ..errors import SetupError
from .file import HubFile

__all__ = ["resolve_persona", "undo_pair", "undo_persona", "undo_rule", "undo_stage"]

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
_RULES = "SELECT DISTINCT rule FROM rulings WHERE outcome = 'turned_away' ORDER BY rule"
_STAGES = "SELECT DISTINCT stage FROM duplicates WHERE kind = 'persona' ORDER BY stage"


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
    """How many people a rule of quality had turned away are back (`redo`: are turned away again).

    Raises `SetupError` for a rule that turned nobody away.
    """
    rules = [str(name) for (name,) in hub.con.execute(_RULES).fetchall()]
    if rule not in rules:
        there = f"{', '.join(rules)} did" if rules else "no rule did"
        raise SetupError(f"The rule {rule!r} turned nobody away in {str(hub.path)!r}; {there}.")
    return _update(hub, _RULE, {"rule": rule, "undone": not redo})


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
