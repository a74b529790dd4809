"""A few bounded calls to one endpoint, counted and timed, whose failures are results too."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from ...personas.model import Outcome
from ..endpoint.body import check_for_error, parse_object
from ..endpoint.delivery import Delivery, delivery_of
from ..endpoint.fault import WireError
from ..endpoint.link import Link
from ..endpoint.models import ModelHandle

__all__ = ["Probe", "Reply"]

#: Faults that may be chance: such a call is made once more.
_CHANCE = frozenset({Outcome.SERVER_ERROR, Outcome.DROPPED})


@dataclass(frozen=True, slots=True)
class Reply:
    """How one call ended: with a delivery or a fault, after so many seconds."""

    seconds: float
    delivery: Delivery | None = None
    fault: WireError | None = None
    #: Whether the model called a tool.
    called_tool: bool = False

    @property
    def why(self) -> str:
        """What was wrong, in one sentence; empty when there is an answer."""
        return "" if self.fault is None else f"{self.fault.detail.rstrip('.')}."


@dataclass(slots=True)
class Probe:
    """Asks one endpoint; nothing waits longer than `within` seconds."""

    handle: ModelHandle
    within: float
    #: Requests that were sent, of every kind.
    calls: int = 0
    #: The answers that came, one after another.
    answers: list[Reply] = field(default_factory=list)

    async def ask(self, messages: list[BaseMessage], kwargs: Mapping[str, Any], *, alone: bool = True) -> Reply:
        """The reply to a chat request. One that is not sent `alone` says nothing about how long an answer takes."""
        reply = await self._asked(messages, kwargs)
        if reply.fault is not None and reply.fault.outcome in _CHANCE:
            reply = await self._asked(messages, kwargs)
        if reply.delivery is not None and alone:
            self.answers.append(reply)
        return reply

    async def fetch(self, path: str, payload: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that the endpoint sends from `path`, to what is posted there if anything is.

        Raises `WireError` when it sends none.
        """
        link = _link_of(self.handle.chat)
        if link is None:
            raise WireError(Outcome.NOT_FOUND, "The model is no OpenAI-compatible endpoint.")
        self.calls += 1
        try:
            async with asyncio.timeout(self.within):
                return await _fetched(link, path, payload)
        except TimeoutError as error:
            raise self._timeout() from error
        finally:
            await link.aclose()

    async def _asked(self, messages: list[BaseMessage], kwargs: Mapping[str, Any]) -> Reply:
        self.calls += 1
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.within):
                result = await self.handle.chat._agenerate(messages, **kwargs)
        except WireError as fault:
            return Reply(time.perf_counter() - started, fault=fault)
        except TimeoutError:
            return Reply(time.perf_counter() - started, fault=self._timeout())
        message = result.generations[0].message
        called = isinstance(message, AIMessage) and bool(message.tool_calls)
        return Reply(time.perf_counter() - started, delivery_of(result), called_tool=called)

    def _timeout(self) -> WireError:
        return WireError(Outcome.TIMEOUT, f"No answer came within {self.within:g} seconds.")


def _link_of(chat: BaseChatModel) -> Link | None:
    # By then the chat model has been asked, and what takes long to import is there.
    from ..endpoint.chat_openai import LeanChatOpenAI

    return chat.link() if isinstance(chat, LeanChatOpenAI) else None


async def _fetched(link: Link, path: str, payload: Mapping[str, Any] | None) -> dict[str, Any]:
    method, data = ("GET", None) if payload is None else ("POST", orjson.dumps(payload))
    headers = {"Content-Type": "application/json"} if data else None
    with link.faults():
        request = link.session().request(method, link.url(path), data=data, headers=headers, allow_redirects=False)
        async with request as response:
            body = await response.read()
    if response.status != 200:
        raise link.refused(response.status, body, response.headers)
    reply = parse_object(body)
    check_for_error(reply, key=link.key)
    return reply
