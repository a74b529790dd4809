"""Recall by meaning: embedding vectors of the cues and notes of a step, fetched together before agents observe."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ..agents.embedding.embedder import Embedded, Lost
from ..agents.embedding.vectors import Vector
from ..personas.errors import RunError
from ..personas.model import RequestContext
from .resident import Resident
from .runfile.rows import FailureRow

__all__ = ["PURPOSE", "EmbeddingRecall", "TextEmbedder"]

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

        Gives the rows of those for whom it failed. Raises `RunError` when the endpoint gives nobody anything.
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

    def _given(self, resident: Resident, cue: str, embedded: Embedded, step: int) -> FailureRow | None:
        needed = (cue, *resident.memory.without_vector())
        resident.memory.give_vectors(embedded.vectors)
        lost = next((embedded.lost[text] for text in needed if text in embedded.lost), None)
        if lost is None:
            self._cues[resident.id] = embedded.vectors[cue]
            return None
        return _row(resident.id, lost, step)


def _nothing(embedded: Embedded, step: int) -> str:
    *_, last = embedded.lost.values()
    return (
        f"The embedding model gave none of {len(embedded.lost)} texts in step {step} a vector; the last it said was: "
        f"{last.reason} Nothing of step {step} was committed: resume the run when the endpoint is well."
    )


def _row(agent: str, lost: Lost, step: int) -> FailureRow:
    return FailureRow(
        phase="step",
        number=step,
        step=step,
        agent=agent,
        owner=agent,
        purpose=PURPOSE,
        outcome=lost.outcome,
        reason=f"{lost.reason} What the agent remembered in this step was chosen by words.",
        attempts=lost.attempts,
    )
