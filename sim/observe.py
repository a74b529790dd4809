"""What one resident sees of the snapshot that a step begins with."""

from typing import TYPE_CHECKING

from ..agents.actions import PLAYER
from ..agents.hooks import hook
from ..agents.observation import Heard, Observation, Seen
from .seeds import rng_for
from .world import is_cut

if TYPE_CHECKING:
    from ..personas.population import Neighbour
    from .resident import Resident
    from .runfile.rows import MessageRow
    from .society import Society

__all__ = ["cue_of", "observe"]


def observe(society: "Society", resident: "Resident") -> Observation:
    """The resident's observation: who spoke, who is near, what is news, what comes to mind; capped by the settings."""
    settings = society.scenario.settings
    inbox = _heard(society, resident)
    speakers = list(dict.fromkeys(m.sender for m in inbox if m.sender != PLAYER))
    seen = tuple(
        _seen(f"n{place}", society.resident(agent), tie)
        for place, (agent, tie) in enumerate(_company(society, resident, speakers), start=1)
    )
    keys = {PLAYER: PLAYER} | {n.agent: n.key for n in seen}
    heard = tuple(Heard(keys[m.sender], m.text, m.message) for m in inbox)
    news = society.world.told
    return Observation(
        agent=resident.id,
        persona=resident.persona.text,
        task=_task(society, resident),
        neighbours=seen,
        heard=heard,
        news=news,
        memories=resident.memory.recall(
            cue_of(society, resident),
            settings.recalled,
            vector=society.vectors.cue_of(resident) if society.vectors else None,
        ),
    ).capped(settings.observation_tokens)


def cue_of(society: "Society", resident: "Resident") -> str:
    """What the resident is reminded by in this step: what it hears, and the news."""
    return " ".join([*(m.text for m in _heard(society, resident)), *society.world.told])


def _task(society: "Society", resident: "Resident") -> str:
    with hook(society.scenario, "task"):
        task = society.scenario.task(resident, society.world)
        if not isinstance(task, str):
            raise TypeError(f"it must give a str, and gave {task!r}")
    return task


def _heard(society: "Society", resident: "Resident") -> "list[MessageRow]":
    """The lines that the resident hears in this step: the newest of those that nothing keeps from it."""
    suspended = society.world.suspended
    inbox = [m for m in resident.inbox if not is_cut(society.graph, m.sender, resident.id, suspended)]
    return inbox[-society.scenario.settings.heard :]


def _seen(key: str, other: "Resident", tie: "Neighbour | None") -> Seen:
    if tie is None:
        return Seen(key, other.id, "somebody who spoke to you", "other", other.persona.text, "somebody")
    return Seen(key, other.id, tie.described, tie.kind, other.persona.text, tie.called)


def _company(society: "Society", resident: "Resident", speakers: list[str]) -> list[tuple[str, "Neighbour | None"]]:
    # Whoever spoke comes first, so that they can be answered; chance picks among the rest when there are too many.
    ties: dict[str, Neighbour] = {}
    for tie in society.graph.neighbours(resident.id):
        if tie.kind not in society.world.suspended:
            ties.setdefault(tie.id, tie)
    others = [agent for agent in ties if agent not in speakers]
    room = max(0, society.scenario.settings.neighbours - len(speakers))
    if len(others) > room:
        rng = rng_for(society.seed, "observe", society.world.step, resident.id)
        others = rng.sample(others, room)
    return [(agent, ties.get(agent)) for agent in [*speakers, *others]]
