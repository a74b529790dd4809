"""One request through a chat model: what came back, or a `WireError`, whichever chat model it was."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult

from ...personas.errors import EndpointError
from ...personas.model import Outcome
from .fault import WireError, fault_of_status
from .headroom import Headroom

__all__ = ["Delivery", "deliver", "delivery_of", "faults_typed"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer as it came. Tokens are the endpoint's own count, None where it gave none."""

    #: The text, or the refusal where there is one.
    raw: str
    #: Why the model stopped, in the endpoint's words; "refusal" for an answer that is marked as one.
    finish_reason: str | None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    #: What the endpoint says of its rate limits, if it does.
    headroom: Headroom | None = None


async def deliver(
    chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any], *, within: float
) -> Delivery:
    """The answer of `chat` within so many seconds.

    Raises `WireError` when none came, `EndpointError` when a model says itself that it can never answer.
    """

    async def answer() -> Delivery:
        # The model's own method: a Runnable's ainvoke merges callbacks and config for 0.8 ms a call.
        return delivery_of(await chat._agenerate(messages, **kwargs))

    return await faults_typed(answer(), within=within)


async def faults_typed[T](answer: Awaitable[T], *, within: float) -> T:
    """The answer of a model of any make, within so many seconds; raises what `deliver` raises."""
    try:
        async with asyncio.timeout(within):
            return await answer
    except (WireError, EndpointError):
        raise
    except TimeoutError as error:
        raise WireError(Outcome.TIMEOUT, f"No answer came within {within:g} seconds.") from error
    except Exception as error:  # a model of any make may raise anything, and one call is not the run
        raise _foreign(error) from error


def _foreign(error: Exception) -> WireError:
    # The clients of the well-known providers say the HTTP status of a refusal in `status_code`.
    status = getattr(error, "status_code", None)
    words = " ".join(str(error).split())[:300]
    if isinstance(status, int) and status >= 300:
        headers = getattr(getattr(error, "response", None), "headers", None)
        return fault_of_status(status, words, headers=headers if isinstance(headers, Mapping) else None)
    return WireError(Outcome.MODEL_ERROR, f"The model failed with {type(error).__name__}: {words}")


def delivery_of(result: ChatResult) -> Delivery:
    """The answer in a chat model's result."""
    generation = result.generations[0]
    message = generation.message
    text = message.content if isinstance(message.content, str) else str(message.text)
    finish = (generation.generation_info or {}).get("finish_reason") or message.response_metadata.get("finish_reason")
    refusal = message.additional_kwargs.get("refusal")
    usage: Mapping[str, Any] = (message.usage_metadata if isinstance(message, AIMessage) else None) or {}
    return Delivery(
        raw=_encodable(str(refusal) if refusal else text),
        # So marked, a refusal that is read back from a run file is still one.
        finish_reason="refusal" if refusal else str(finish) if finish else None,
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        reasoning_tokens=_detail(usage.get("output_token_details"), "reasoning"),
        cached_tokens=_detail(usage.get("input_token_details"), "cache_read"),
        headroom=(result.llm_output or {}).get("headroom"),
    )


def _detail(details: Mapping[str, Any] | None, name: str) -> int | None:
    # langchain-openai puts the service tier before the name: priority_cache_read.
    return next((_count(n) for key, n in (details or {}).items() if key.endswith(name)), None)


def _count(number: object) -> int | None:
    return number if isinstance(number, int) else None


def _encodable(text: str) -> str:
    # Half a surrogate pair can be held by a str and by no file.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
