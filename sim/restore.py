"""Bringing a society back to where its last committed step left it."""

from functools import partial
from typing import TYPE_CHECKING

from ..agents.actions import PLAYER
from .emitted import Emitted, read_emissions
from .runfile import rows
from .runfile.runlog import RunLog
from .world import World

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
    )
    ORDER BY message
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
    society.emitted = Emitted(emissions)
    society.note_emitted(partial(read_emissions, [e for e in emissions if e.step == last], society.scenario.actions))
    ((messages,),) = log.query("SELECT coalesce(max(message), 0) FROM messages")
    society.count_from(emissions=len(emissions), messages=messages)
    for message in log.rows(rows.MessageRow, _UNHEARD, {"player": PLAYER}):
        society.resident(message.recipient).inbox.append(message)
    capacity = society.scenario.settings.memory
    for note in log.rows(rows.MemoryRow, _NEWEST_NOTES, {"capacity": capacity}):
        society.resident(note.agent).memory.note(note.text)
