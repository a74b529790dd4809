"""The batch desk of a model, where the model has one."""

from typing import Any, Protocol, runtime_checkable

from langchain_core.outputs import ChatResult

from ....personas.errors import SetupError
from ...endpoint.http_client import HttpConnection
from ...endpoint.models import ModelHandle
from .client import BatchClient
from .desk import BatchDesk
from .journal import BatchJournal

__all__ = ["check_batchable", "open_desk"]


@runtime_checkable
class _Batchable(Protocol):
    # `LeanChatOpenAI`, which takes seconds to import.
    def read(self, reply: dict[str, Any]) -> ChatResult: ...

    def connection(self, *, whole: bool = True) -> HttpConnection: ...


def open_desk(model: ModelHandle, *, journal: BatchJournal, **options: Any) -> BatchDesk:
    """The desk at the model's endpoint; `options` as `BatchDesk` takes them.

    Raises `SetupError` for a model that is not reached through an OpenAI-compatible endpoint.
    """
    chat = _batchable(model)
    # Silence is what is bounded, and not the whole: a file may take minutes each way.
    client = BatchClient(chat.connection(whole=False))
    return BatchDesk(client, journal=journal, read=chat.read, **options)


def check_batchable(model: ModelHandle) -> None:
    """Raise `SetupError` for a model that is not reached through an OpenAI-compatible endpoint."""
    _batchable(model)


def _batchable(model: ModelHandle) -> _Batchable:
    if not isinstance(model.chat, _Batchable):
        raise SetupError(f"Model {model.name} takes no batches; they need a model like openai:MODEL.")
    return model.chat
