"""The batch queue of a chat model, for requests of some contexts."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from ...personas.errors import SetupError
from ...personas.model import RequestContext
from ..endpoint.models import ModelHandle
from ..endpoint.response import ModelResponse
from ..gateway.call import CallKey
from .client import BatchClient
from .endpoint import BatchJournal
from .queue import BatchQueue

if TYPE_CHECKING:
    from ..endpoint.http_client import HttpConnection

__all__ = ["ChatBatchQueue", "check_batchable", "open_batch_queue"]


class _Payable(Protocol):
    def payload(self, messages: list[BaseMessage], **kwargs: Any) -> dict[str, Any]: ...


class ChatBatchQueue:
    """Takes the requests of some contexts to a `BatchQueue`."""

    def __init__(self, queue: BatchQueue, *, takes: Callable[[RequestContext], bool] = lambda _: True) -> None:
        """`takes` says whether a context can wait, and all others of its kind are asked at once with it."""
        self.queue = queue
        self._takes = takes

    def takes(self, context: RequestContext) -> bool:
        """Whether requests of this context go by batch."""
        return self._takes(context)

    async def deliver(
        self, key: CallKey, chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any]
    ) -> ModelResponse:
        """The answer of `chat`, of the kind that the queue was opened for. Raises `WireError` when none came."""
        return await self.queue.deliver(key, cast("_Payable", chat).payload(messages, **kwargs))

    def recalled(self, key: CallKey) -> None:
        """Take note that the ledger has the answer to this."""
        self.queue.recalled(key)

    async def aclose(self) -> None:
        """Leave what is under way to the next session."""
        await self.queue.aclose()


@runtime_checkable
class _Batchable(Protocol):
    # `LeanChatOpenAI`, which takes seconds to import.
    def read(self, reply: dict[str, Any]) -> ChatResult: ...

    def connection(self, *, whole: bool = True) -> "HttpConnection": ...


def open_batch_queue(model: ModelHandle, *, journal: BatchJournal, **options: Any) -> BatchQueue:
    """The queue at the model's endpoint; `options` as `BatchQueue` takes them.

    Raises `SetupError` for a model that is not reached through an OpenAI-compatible endpoint.
    """
    chat = _batchable(model)
    # Silence is what is bounded, and not the whole: a file may take minutes each way.
    client = BatchClient(chat.connection(whole=False))
    return BatchQueue(client, journal=journal, read=chat.read, **options)


def check_batchable(model: ModelHandle) -> None:
    """Raise `SetupError` for a model that is not reached through an OpenAI-compatible endpoint."""
    _batchable(model)


def _batchable(model: ModelHandle) -> _Batchable:
    if not isinstance(model.chat, _Batchable):
        raise SetupError(f"Model {model.name} takes no batches; they need a model like openai:MODEL.")
    return model.chat
