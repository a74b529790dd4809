"""How agents of a finished run recall their notes when they are asked later: by meaning as in the run, or by words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson
from langchain_core.embeddings import Embeddings

from ...agents.embedding.models import EmbeddingHandle, check_embeddings_priced, named_embedder
from ...agents.gateway.budget import Prices, known_prices
from ...agents.gateway.limits import Limits
from ...personas.errors import SetupError, parameter
from ..engine import Engine
from ..hub_jobs.jobs import EMBEDDING_PRICES
from ..observe import EmbeddingRecall
from ..runfile.job_rows import JobRow, RunRow


@dataclass(frozen=True, slots=True)
class LaterRecall:
    """The embedding model by which the agents of a finished run recall now, with its prices."""

    #: None for recall by words.
    model: EmbeddingHandle | None = None
    prices: Prices | None = None

    @classmethod
    def opened(
        cls,
        run: RunRow,
        path: Path,
        embeddings: str | Embeddings | EmbeddingHandle | None,
        *,
        url: str | None = None,
        address: str | Sequence[str] | None = None,
        prices: Prices | None = None,
    ) -> Self:
        """Return the named model, at its own `url` or else at the address of the chat model.

        Raises `SetupError` if it is not the run's model, since agents would then remember other notes.
        """
        model = named_embedder(embeddings, url, address)
        if model is not None and model.name != run.embedding_model:
            was = "by words" if run.embedding_model is None else f"by the embedding model {run.embedding_model}"
            raise SetupError(
                f"The agents of {str(path)!r} recalled their notes {was}, and would remember otherwise with "
                f"{parameter('embeddings', model.name)}; leave it out"
                f"{'' if run.embedding_model is None else ', or give that one'}."
            )
        return cls(model, prices or (None if model is None else known_prices(model, writes=False)))

    @classmethod
    def resumed(
        cls,
        row: JobRow,
        *,
        embeddings: str | Embeddings | EmbeddingHandle | None = None,
        url: str | None = None,
        address: str | Sequence[str] | None = None,
        prices: Prices | None = None,
    ) -> Self:
        """Return the recall of a job that continues, at its earlier address unless another is given.

        Raises `SetupError` if the job began with another model.
        """
        named = embeddings if embeddings is not None else row.embedding_model
        model = named_embedder(named, url or (row.embedding_url if named is not None else None), address)
        if model is not None and model.name != row.embedding_model:
            raise SetupError(
                f"Job {row.job} was begun with recall by {row.embedding_model or 'words'}, and goes on so; leave "
                f"{parameter('embeddings', model.name)} out."
            )
        stored = orjson.loads(row.spec).get(EMBEDDING_PRICES)
        return cls(model, prices or (Prices(**stored) if stored else None))

    def check(self, limits: Limits) -> None:
        """Raise `SetupError` if the cost is capped and the price is not known."""
        if self.model is not None:
            check_embeddings_priced(limits, self.prices, self.model)


def recall_of(engine: Engine) -> EmbeddingRecall | None:
    """Return recall by the engine's embedding model for its job, or None if recall goes by words."""
    return None if engine.embedder is None else EmbeddingRecall(engine.embedder, job=engine.log.job)


def note_on_recall(run: RunRow, path: Path, embeddings: object) -> str:
    """Return a note that agents who recalled by meaning in the run now recall by words.

    Returns "" if nothing differs.
    """
    if embeddings is not None or run.embedding_model is None:
        return ""
    return (
        f"The agents of {str(path)!r} recalled their notes by meaning ({run.embedding_model}); as no embedding model "
        f"is named, they recall by words now. As in the run: {parameter('embeddings', run.embedding_model)}."
    )
