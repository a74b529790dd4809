"""What one resident sees of the snapshot that a step begins with, and the vectors by which notes are recalled."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ..agents.actions import PLAYER
from ..agents.embedding.embedder import Embedded, Lost
from ..agents.embedding.vectors import Vector
from ..agents.observation import Heard, Observation, Seen, disclosed
from ..personas.errors import RunError, hook
from ..personas.model import RequestContext
from ..personas.population import Neighbour
from .resident import Resident
from .runfile.job_rows import FailureRow
from .runfile.rows import MessageRow
from .seeds import rng_for
from .state import SocietyState
from .world import is_cut

#: The purpose in rows about vectors.
PURPOSE = "embedding"

#: The owner of calls that embed the texts of many agents at once.
_OWNER = "society"


class TextEmbedder(Protocol):
    """Anything that gives texts vectors, as `Embedder` does."""

    async def embed(self, texts: Iterable[str], context: RequestContext) -> Embedded:
        """The vectors of these texts, or why one has none."""
        ...


def _none(step: int) -> Mapping[str, FailureRow]:
    return {}


class EmbeddingRecall:
    """Vectors of the cues of one step; those of notes are kept with the notes, for as long as these are remembered.

    A resident for whom a vector is missing recalls by words in that step, and a row says so.
    """

    def __init__(self, embedder: TextEmbedder, failed: Callable[[int], Mapping[str, FailureRow]] = _none) -> None:
        """`failed` gives the failures of a step that are known beforehand, by resident: those of a replayed run."""
        self._embedder = embedder
        self._failed = failed
        self._cues: dict[str, Vector] = {}

    def cue_of(self, resident: Resident) -> Vector | None:
        """The vector of the resident's cue in this step; None where recall goes by words."""
        return self._cues.get(resident.id)

    async def prepare(
        self, cues: Sequence[tuple[Resident, str]], *, recalled: int, step: int, seed: int
    ) -> list[FailureRow]:
        """Fetch what this step needs to rank `recalled` notes of each resident by its cue.

        Gives the rows of those for whom it failed. Raises `RunError` when the endpoint gives no vector at all.
        """
        settled = self._failed(step)
        self._cues = {}
        choosing = [(r, cue) for r, cue in cues if cue.strip() and r.memory.has_choice(recalled)]
        texts = [t for r, cue in choosing if r.id not in settled for t in (cue, *r.memory.without_vector())]
        context = RequestContext("step", step, _OWNER, seed)
        embedded = await self._embedder.embed(texts, context) if texts else Embedded()
        if len(embedded.lost) > 1 and not embedded.vectors:
            raise RunError(_nothing(embedded, step))
        rows = [settled.get(r.id) or self._given(r, cue, embedded, step) for r, cue in choosing]
        return [row for row in rows if row is not None]

    async def embed_outputs(
        self, outputs: Sequence[tuple[str, str]], *, step: int, seed: int
    ) -> tuple[Mapping[str, Vector], list[FailureRow]]:
        """The vectors of what agents emitted, given as pairs of agent and text; and the rows of those that got none."""
        settled = self._failed(step)
        texts = [text for agent, text in outputs if agent not in settled]
        embedded = await self._embedder.embed(texts, RequestContext("step", step, _OWNER, seed))
        lost = [
            settled.get(agent) or _row(agent, embedded.lost[text], step, "What it emitted was compared by words alone.")
            for agent, text in outputs
            if agent in settled or text in embedded.lost
        ]
        return embedded.vectors, lost

    async def embed(self, texts: Iterable[str], *, seed: int) -> Mapping[str, Vector]:
        """The vectors of texts that were there before the first step; those that get none are left out."""
        return (await self._embedder.embed(texts, RequestContext("step", 0, _OWNER, seed))).vectors

    def _given(self, resident: Resident, cue: str, embedded: Embedded, step: int) -> FailureRow | None:
        needed = (cue, *resident.memory.without_vector())
        resident.memory.give_vectors(embedded.vectors)
        lost = next((embedded.lost[text] for text in needed if text in embedded.lost), None)
        if lost is None:
            self._cues[resident.id] = embedded.vectors[cue]
            return None
        return _row(resident.id, lost, step, "What the agent remembered in this step was chosen by words.")


def _nothing(embedded: Embedded, step: int) -> str:
    *_, last = embedded.lost.values()
    return (
        f"The embedding model gave none of {len(embedded.lost)} texts in step {step} a vector; the last it said was: "
        f"{last.reason} Nothing of step {step} was committed: resume the run when the endpoint is well."
    )


def _row(agent: str, lost: Lost, step: int, instead: str) -> FailureRow:
    return FailureRow(
        phase="step",
        number=step,
        step=step,
        agent=agent,
        owner=agent,
        purpose=PURPOSE,
        outcome=lost.outcome,
        reason=f"{lost.reason} {instead}",
        attempts=lost.attempts,
    )


def observe(state: SocietyState, resident: Resident, recall: EmbeddingRecall | None = None) -> Observation:
    """The resident's observation: who spoke, who is near, what is news, what it recalls; capped by the settings.

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
