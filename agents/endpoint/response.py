"""What a chat model answered, its rate-limit headers included; a failure of any model is a `RequestError`."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult

from ...personas.errors import EndpointError, HookError
from ...personas.model import Outcome
from .errors import RequestError, error_of_status

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPANS = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """What is left of a rate limit, and the seconds until there is more of it."""

    #: True when not one more request, or no token, is left.
    is_spent: bool
    wait: float


def read_rate_limits(headers: Mapping[str, str]) -> RateLimitHeaders | None:
    """What the `x-ratelimit-remaining-*` and `x-ratelimit-reset-*` headers say; None where there are none."""
    waits = [
        _seconds(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if _is_zero(headers.get(f"x-ratelimit-remaining-{kind}"))
    ]
    if waits:
        return RateLimitHeaders(is_spent=True, wait=max(waits))
    known = any(f"x-ratelimit-remaining-{kind}" in headers for kind in ("requests", "tokens"))
    return RateLimitHeaders(is_spent=False, wait=0.0) if known else None


def _is_zero(number: str | None) -> bool:
    try:
        return number is not None and float(number) <= 0
    except ValueError:
        return False


def _seconds(span: str) -> float:
    """Seconds in `1s`, `6m0s`, `120ms` or `7.5`; 0 for what cannot be read."""
    spans = _SPANS.findall(span)
    if spans:
        return sum(float(number) * _UNITS[unit] for number, unit in spans)
    try:
        return max(0.0, float(span))
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True)
class ModelResponse:
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
    rate_limits: RateLimitHeaders | None = None


async def send_chat(
    chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any], *, within: float
) -> ModelResponse:
    """The answer of `chat` within so many seconds.

    Raises `RequestError` when none came, `EndpointError` when a model says itself that it can never answer.
    """

    async def answer() -> ModelResponse:
        # The model's own method: a Runnable's ainvoke merges callbacks and config for 0.8 ms a call.
        return response_of(await chat._agenerate(messages, **kwargs))

    return await typed_errors(answer(), within=within)


async def typed_errors[T](answer: Awaitable[T], *, within: float) -> T:
    """The answer of a model of any make, within so many seconds; raises what `send_chat` raises."""
    try:
        async with asyncio.timeout(within):
            return await answer
    except (RequestError, EndpointError, HookError):  # the last: a generator that a user gave the stand-in
        raise
    except TimeoutError as error:
        raise RequestError(Outcome.TIMEOUT, f"No answer came within {within:g} seconds.") from error
    except Exception as error:  # a model of any make may raise anything, and one call is not the run
        raise _foreign(error) from error


def _foreign(error: Exception) -> RequestError:
    # The clients of the well-known providers say the HTTP status of a refusal in `status_code`.
    status = getattr(error, "status_code", None)
    words = " ".join(str(error).split())[:300]
    if isinstance(status, int) and status >= 300:
        headers = getattr(getattr(error, "response", None), "headers", None)
        return error_of_status(status, words, headers=headers if isinstance(headers, Mapping) else None)
    return RequestError(Outcome.MODEL_ERROR, f"The model failed with {type(error).__name__}: {words}")


def response_of(result: ChatResult) -> ModelResponse:
    """The answer in a chat model's result."""
    generation = result.generations[0]
    message = generation.message
    text = message.content if isinstance(message.content, str) else str(message.text)
    finish = (generation.generation_info or {}).get("finish_reason") or message.response_metadata.get("finish_reason")
    refusal = message.additional_kwargs.get("refusal")
    usage: Mapping[str, Any] = (message.usage_metadata if isinstance(message, AIMessage) else None) or {}
    return ModelResponse(
        raw=_encodable(str(refusal) if refusal else text),
        # So marked, a refusal that is read back from a run file is still one.
        finish_reason="refusal" if refusal else str(finish) if finish else None,
        input_tokens=_count(usage.get("input_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        reasoning_tokens=_detail(usage.get("output_token_details"), "reasoning"),
        cached_tokens=_detail(usage.get("input_token_details"), "cache_read"),
        rate_limits=(result.llm_output or {}).get("rate_limits"),
    )


def _detail(details: Mapping[str, Any] | None, name: str) -> int | None:
    # langchain-openai puts the service tier before the name: priority_cache_read.
    return next((_count(n) for key, n in (details or {}).items() if key.endswith(name)), None)


def _count(number: object) -> int | None:
    return number if isinstance(number, int) else None


def _encodable(text: str) -> str:
    # Half a surrogate pair can be held by a str and by no file.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
