"""The models of a run and what bounds their use: opened and checked before anything is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.batch import check_batchable
from ..agents.embedding.models import EmbeddingHandle, check_embeddings_priced, embedding_handle
from ..agents.endpoint.models import ModelHandle, open_model
from ..agents.gateway.budget import check_priced
from ..agents.gateway.limits import Limits
from ..agents.gateway.prices import Prices, known_prices
from ..personas.errors import RunFileError, SetupError
from .runfile.rows import RunRow

__all__ = ["ModelSetup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSetup:
    """The chat model and the embedding model of a run, with their prices, limits and cache."""

    model: ModelHandle
    embeddings: EmbeddingHandle | None
    limits: Limits
    prices: Prices | None
    embeddings_prices: Prices | None
    #: File shared with other runs.
    cache: Path | None
    #: Whether requests go through the endpoint's batch interface where they can.
    batch: bool

    @classmethod
    def opened(
        cls,
        *,
        model: str | BaseChatModel | ModelHandle,
        base_url: str | Sequence[str] | None,
        limits: Limits | None,
        prices: Prices | None,
        cache: Path | None,
        batch: bool,
        embeddings: str | Embeddings | EmbeddingHandle | None,
        embeddings_url: str | None,
        embeddings_prices: Prices | None,
    ) -> Self:
        """The models by name or as they are; prices are looked up where they are not given.

        Raises `SetupError` for a model that is unknown, an address that no model is asked at, a cap on money without
        prices, and for batches that the model does not know.
        """
        handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
        embedder = embedding_handle(embeddings, embeddings_url or base_url)
        if embedder is None and embeddings_url is not None:
            raise SetupError(
                f"--embeddings-url is {embeddings_url!r}, but no embedding model is named; add --embeddings NAME."
            )
        if base_url and embedder is None and handle.name == "procedural":
            raise SetupError(f"procedural is asked nowhere, so {base_url!r} is for no model; name one with --model.")
        setup = cls(
            model=handle,
            embeddings=embedder,
            limits=limits or Limits(),
            prices=prices or known_prices(handle),
            embeddings_prices=embeddings_prices or (known_prices(embedder, writes=False) if embedder else None),
            cache=cache,
            batch=batch,
        )
        setup._check()
        return setup

    def check_embeddings_of(self, run: RunRow, path: Path | str) -> None:
        """Raise `RunFileError` when the run in `path` was begun with another embedding model."""
        if self.embeddings is not None and self.embeddings.name != run.embedding_model:
            raise RunFileError(
                f"The run in {str(path)!r} was begun with the embedding model {run.embedding_model} and would remember "
                f"otherwise with {self.embeddings.name}; resume it as it was, or begin another."
            )

    def columns(self) -> Mapping[str, Any]:
        """What the run's row in `runs` says of them."""
        return {
            "model": self.model.name,
            "is_language_model": self.model.is_language_model,
            "base_url": self.model.endpoints,
            "max_in_flight": self.limits.max_in_flight,
            "limits": self.limits.model_dump_json(),
            "prices": orjson.dumps(self.prices).decode() if self.prices else None,
            "cache": str(self.cache) if self.cache else None,
            "batch": self.batch,
            "embedding_model": self.embeddings.name if self.embeddings else None,
            "embedding_url": self.embeddings.endpoint if self.embeddings else None,
        }

    def _check(self) -> None:
        check_priced(self.limits, self.prices)
        if self.batch:
            check_batchable(self.model)
        if self.embeddings is not None:
            check_embeddings_priced(self.limits, self.embeddings_prices, self.embeddings)
