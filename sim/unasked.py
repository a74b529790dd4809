"""The models of a replay: they have the names of those that answered, and are never asked."""

from collections.abc import Sequence
from typing import Any, NoReturn

from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.embedding.models import EmbeddingHandle
from ..agents.endpoint.errors import RequestError
from ..agents.endpoint.models import ModelHandle
from ..personas.errors import RunError
from .runfile.rows import RunRow

__all__ = ["UnaskedModel", "unasked_embeddings", "unasked_model"]


class UnaskedModel(BaseChatModel):
    """A chat model that raises `RunError` whenever it is asked: a replay has all its answers already."""

    @property
    def _llm_type(self) -> str:
        return "unasked"

    def _generate(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RunError(
            "A replay asks no model, and something asked one; let minds ask through the model they are given, which "
            "answers from the run."
        )


def unasked_model(run: RunRow) -> ModelHandle:
    """A handle that says it is the run's model, so that requests and rows are the same, and needs no key."""
    return ModelHandle(run.model, UnaskedModel(), run.base_url, run.is_language_model)


class _UnaskedSource:
    async def vectors(self, texts: Sequence[str]) -> NoReturn:
        raise RunError("A replay asks no embedding model, and something asked one.")

    def adapt(self, fault: RequestError) -> bool:
        return False

    async def aclose(self) -> None:
        """Nothing is open."""


def unasked_embeddings(run: RunRow) -> EmbeddingHandle | None:
    """The same for the run's embedding model, if it had one."""
    if run.embedding_model is None:
        return None
    return EmbeddingHandle(run.embedding_model, _UnaskedSource(), run.embedding_url)
