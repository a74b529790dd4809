"""Bringing a society back to where its last committed step left it."""

from functools import partial
from typing import TYPE_CHECKING

from ..agents.action_check import novelty_of
from ..agents.actions import PLAYER
from ..personas.persona import RelationKind
from .emitted import Emitted, read_emissions
from .runfile import rows
from .runfile.runlog import RunLog
from .world import World, is_cut

if TYPE_CHECKING:
    from .society import Society

__all__ = ["restore"]

#: Lines a resident has not acted on yet: a neighbour's are heard a step after they are spoken, a visitor's at once.
_UNHEARD = """
    WHERE message IN (
        SELECT m.message FROM messages AS m
        LEFT JOIN (SELECT agent, max(step) AS step FROM observations GROUP BY agent) AS last ON last.agent = m.recipient
        WHERE m.recipient <> $player
          AND (last.step IS NULL OR m.step > last.step OR (m.step = last.step AND m.sender <> $player))
    ) OR message IN (SELECT unnest($kept))
    ORDER BY message
"""

_SUSPENDED = """
SELECT step, from_json(world_state -> 'suspended', '["VARCHAR"]') FROM steps
WHERE json_array_length(world_state, '$.suspended') > 0
"""
#: Lines whose recipients had turns since, in each of which some kind of tie was suspended.
_MAYBE_KEPT = """
SELECT m.message, m.sender, m.recipient, list(o.step)
FROM messages AS m JOIN observations AS o ON o.agent = m.recipient AND o.step > m.step
WHERE m.sender <> $player GROUP BY ALL HAVING bool_and(o.step IN (SELECT unnest($steps)))
"""

_NEWEST_NOTES = """
    QUALIFY row_number() OVER (PARTITION BY agent ORDER BY step DESC, ordinal DESC) <= $capacity
    ORDER BY step, agent, ordinal
"""


def restore(society: "Society", log: RunLog) -> None:
    """Give the residents their notes and unheard lines, the world its state, and the index everything emitted."""
    last = log.last_step()
    if last is None:
        return
    (state,) = log.query("SELECT world_state FROM steps WHERE step = $step", {"step": last})[0]
    society.world = World.model_validate_json(state)
    emissions = log.rows(rows.EmissionRow, "ORDER BY emission")
    uncompared = {action.name for action in society.scenario.actions if novelty_of(action) == "none"}
    society.emitted = Emitted(emission for emission in emissions if emission.kind not in uncompared)
    latest = [emission for emission in emissions if emission.step == last]
    society.emitted.note_latest(partial(read_emissions, latest, society.scenario.actions))
    ((messages,),) = log.query("SELECT coalesce(max(message), 0) FROM messages")
    society.count_from(emissions=len(emissions), messages=messages)
    for message in log.rows(rows.MessageRow, _UNHEARD, {"player": PLAYER, "kept": _kept(society, log)}):
        society.resident(message.recipient).inbox.append(message)
    capacity = society.scenario.settings.memory
    for note in log.rows(rows.MemoryRow, _NEWEST_NOTES, {"capacity": capacity}):
        society.resident(note.agent).memory.note(note.text)


def _kept(society: "Society", log: RunLog) -> list[int]:
    """The lines that suspended ties have kept from being heard in every turn that their recipients had since."""
    suspended = {step: {RelationKind(kind) for kind in kinds} for step, kinds in log.query(_SUSPENDED)}
    if not suspended:
        return []
    found = log.query(_MAYBE_KEPT, {"player": PLAYER, "steps": list(suspended)})
    return [
        message
        for message, sender, recipient, steps in found
        if all(is_cut(society.graph, sender, recipient, suspended[step]) for step in steps)
    ]
