"""The model of a replay: it has the name of the one that answered, and is never asked."""

from typing import Any, NoReturn

from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.models import ModelHandle
from ..personas.errors import RunError
from .runfile.rows import RunRow

__all__ = ["UnaskedModel", "unasked_model"]


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
