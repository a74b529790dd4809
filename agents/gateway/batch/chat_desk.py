"""The batch desk as the gateway knows one: for messages, and for some contexts only."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage

from ....personas.model import RequestContext
from ...endpoint.response import ModelResponse
from ..call import CallKey
from .desk import BatchDesk

__all__ = ["ChatDesk"]


class _Payable(Protocol):
    def payload(self, messages: list[BaseMessage], **kwargs: Any) -> dict[str, Any]: ...


class ChatDesk:
    """Takes the requests of some contexts to a `BatchDesk`."""

    def __init__(self, desk: BatchDesk, *, takes: Callable[[RequestContext], bool] = lambda _: True) -> None:
        """`takes` says whether a context can wait, and all others of its kind are asked at once with it."""
        self.desk = desk
        self._takes = takes

    def takes(self, context: RequestContext) -> bool:
        """Whether requests of this context go by batch."""
        return self._takes(context)

    async def deliver(
        self, key: CallKey, chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any]
    ) -> ModelResponse:
        """The answer of `chat`, of the kind that the desk was opened for. Raises `WireError` when none came."""
        return await self.desk.deliver(key, cast("_Payable", chat).payload(messages, **kwargs))

    def recalled(self, key: CallKey) -> None:
        """Take note that the ledger has the answer to this."""
        self.desk.recalled(key)

    async def aclose(self) -> None:
        """Leave what is under way to the next session."""
        await self.desk.aclose()
