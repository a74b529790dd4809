"""The vectors of a replay: those that are in the recording, and the failures that it had."""

from collections.abc import Iterable, Mapping

import numpy as np

from ..agents.embedding.embedder import Embedded
from ..agents.embedding.vectors import text_hash
from ..personas.errors import RunError
from ..personas.model import RequestContext
from .recall import PURPOSE, EmbeddingRecall
from .runfile.ledger import KNOWN_VECTORS
from .runfile.recording import Recording
from .runfile.rows import FailureRow

__all__ = ["RecordedEmbedder", "recorded_recall"]

_FAILED = "WHERE phase = 'step' AND number = $number AND purpose = $purpose"


class RecordedEmbedder:
    """Gives each text the vector that the run had, and asks nobody."""

    def __init__(self, recording: Recording, model: str) -> None:
        self._recording = recording
        self._model = model

    async def embed(self, texts: Iterable[str], context: RequestContext) -> Embedded:
        """The recorded vectors. Raises `RunError` for a text that the run had none of."""
        wanted = {text_hash(text): text for text in texts}
        found = self._recording.query(KNOWN_VECTORS, {"model": self._model, "hashes": list(wanted)})
        vectors = {wanted[key]: np.array(vector, dtype=np.float32) for key, vector in found}
        missing = [text for text in wanted.values() if text not in vectors]
        if missing:
            raise RunError(
                f"In {context.phase} {context.number} the replay needs the vector of a text that the run in "
                f"{str(self._recording.path)!r} never had ({missing[0][:80]!r}): the prompt, the scenario or Populace "
                f"has changed since; replay it with those that it was made with."
            )
        return Embedded(vectors)

    def failed(self, step: int) -> Mapping[str, FailureRow]:
        """The agents for whom no vectors came in this step of the run, with their rows."""
        rows = self._recording.rows(FailureRow, _FAILED, {"number": step, "purpose": PURPOSE})
        return {row.owner: row for row in rows}


def recorded_recall(recording: Recording) -> EmbeddingRecall | None:
    """What reminds the residents of a replay by meaning; None where words did."""
    model = recording.run.embedding_model
    if model is None:
        return None
    embedder = RecordedEmbedder(recording, model)
    return EmbeddingRecall(embedder, embedder.failed)
