"""What one resident sees of the snapshot that a step begins with."""

from ..agents.actions import PLAYER
from ..agents.hooks import hook
from ..agents.observation import Heard, Observation, Seen, disclosed
from ..personas.population import Neighbour
from .recall import EmbeddingRecall
from .resident import Resident
from .runfile.rows import MessageRow
from .seeds import rng_for
from .state import SocietyState
from .world import is_cut

__all__ = ["cue_of", "observe"]


def observe(state: SocietyState, resident: Resident, recall: EmbeddingRecall | None = None) -> Observation:
    """The resident's observation: who spoke, who is near, what is news, what comes to mind; capped by the settings.

    Notes are recalled by meaning with `recall`, by words without.
    """
    settings, observes = state.scenario.settings, state.scenario.observes
    inbox = _heard(state, resident) if observes else []
    speakers = list(dict.fromkeys(m.sender for m in inbox if m.sender != PLAYER))
    seen = tuple(
        _seen(f"n{place}", state.residents[agent], tie)
        for place, (agent, tie) in enumerate(_company(state, resident, speakers) if observes else (), start=1)
    )
    keys = {PLAYER: PLAYER} | {n.agent: n.key for n in seen}
    heard = tuple(Heard(keys[m.sender], m.text, m.message) for m in inbox)
    observation = Observation(
        agent=resident.id,
        persona=resident.persona.text,
        task=_task(state, resident),
        neighbours=seen,
        heard=heard,
        news=state.world.told,
        memories=resident.memory.recall(
            cue_of(state, resident),
            settings.recalled,
            vector=recall.cue_of(resident) if recall else None,
        ),
        language=resident.persona.language,
        step=state.world.step,
        state=resident.state,
        world_state=state.world.state,
    )
    with hook(state.scenario, "observe"):
        observed: object = state.scenario.observe(resident, observation, state.world)
        if not isinstance(observed, Observation):
            raise TypeError(f"it must give an Observation, and gave {observed!r:.80}")
    return observed.capped(settings.observation_tokens)


def cue_of(state: SocietyState, resident: Resident) -> str:
    """What the resident's notes are recalled by in this step: what it hears, and the news."""
    return " ".join([*(m.text for m in _heard(state, resident)), *state.world.told])


def _task(state: SocietyState, resident: Resident) -> str:
    with hook(state.scenario, "task"):
        task = state.scenario.task(resident, state.world)
        if not isinstance(task, str):
            raise TypeError(f"it must give a str, and gave {task!r}")
    return task


def _heard(state: SocietyState, resident: Resident) -> list[MessageRow]:
    """The lines that the resident hears in this step: the newest of those that no suspended tie holds back."""
    suspended = state.world.suspended
    inbox = [m for m in resident.inbox if not is_cut(state.graph, m.sender, resident.id, suspended)]
    return inbox[-state.scenario.settings.heard :]


def _seen(key: str, other: Resident, tie: Neighbour | None) -> Seen:
    if tie is None:
        known = disclosed(other.persona.text, "other")
        return Seen(key, other.id, "somebody who spoke to you", "other", known, "somebody")
    return Seen(key, other.id, tie.described, tie.kind, disclosed(other.persona.text, tie.kind), tie.called)


def _company(state: SocietyState, resident: Resident, speakers: list[str]) -> list[tuple[str, Neighbour | None]]:
    # Speakers come first, so that they can be answered; chance picks among the rest when there are too many.
    ties: dict[str, Neighbour] = {}
    for tie in state.graph.neighbours(resident.id):
        if tie.kind not in state.world.suspended:
            ties.setdefault(tie.id, tie)
    others = [agent for agent in ties if agent not in speakers]
    room = max(0, state.scenario.settings.neighbours - len(speakers))
    if len(others) > room:
        rng = rng_for(state.seed, "observe", state.world.step, resident.id)
        others = rng.sample(others, room)
    return [(agent, ties.get(agent)) for agent in [*speakers, *others]]
