"""What a chat model answered, its rate-limit headers included; a failure of any model is a `RequestError`."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult

from ...core.errors import EndpointError, HookError
from ...core.model import Outcome
from .addresses import KeyRedactor, keys_of, redactor_of
from .errors import MOST_TOKENS, FieldReader, RequestError, check_seconds, error_of_status, is_html, read_seconds

_OPENING = re.compile(r"\s*<(think|thinking)>", re.IGNORECASE)
_CLOSING = re.compile(r"</think(?:ing)?>", re.IGNORECASE)


def split_thoughts(text: str) -> tuple[str, str]:
    """Return what is in `<think>` at the beginning of a text, and the answer after it. Both may be empty.

    A block that is not closed was cut off. All of it is thought then, and there is no answer. `</think>` alone means
    that the prompt's template had opened the block.
    """
    thoughts: list[str] = []
    rest = text
    while opening := _OPENING.match(rest):
        inside, end = _find_closed(rest, opening.end(), opening[1])
        thoughts.append(inside)
        rest = rest[end:]
    if not thoughts and not text.lstrip().startswith(("{", "[")) and (closing := _CLOSING.search(text)):
        thoughts, rest = [text[: closing.start()]], text[closing.end() :]
    if not thoughts:
        return "", text
    return "\n\n".join(one.strip() for one in thoughts if one.strip()), rest.lstrip()


def _find_closed(text: str, start: int, tag: str) -> tuple[str, int]:
    """Return the content of a block that begins at `start`, and the position where the block ends."""
    depth = 1
    for mark in re.finditer(rf"<(/?){tag}>", text[start:], re.IGNORECASE):
        depth += -1 if mark[1] else 1
        if depth == 0:
            return text[start : start + mark.start()], start + mark.end()
    # A thought may speak of its own tag: then the last closing one ends it.
    closings = list(_CLOSING.finditer(text, start))
    return (text[start : closings[-1].start()], closings[-1].end()) if closings else (text[start:], len(text))


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPANS = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")

#: Fields of a chat completion's message in which servers give what a model thought.
REASONING_FIELDS = ("reasoning_content", "reasoning")


def rate_limit_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds until there is more of what is spent, by `x-ratelimit-remaining-*` and `x-ratelimit-reset-*`.

    Return 0 if a request and a token are left, or nothing is said of them.
    """
    waits = [
        _parse_seconds(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if _is_zero(headers.get(f"x-ratelimit-remaining-{kind}"))
    ]
    return max(waits, default=0.0)


def _is_zero(number: str | None) -> bool:
    try:
        return number is not None and float(number) <= 0
    except ValueError:
        return False


def _parse_seconds(span: str) -> float:
    """Return the seconds in `1s`, `6m0s`, `120ms` or `7.5`.

    Return 0 for text that cannot be read or is far too long.
    """
    spans = _SPANS.findall(span)
    if spans:
        return check_seconds(sum(float(number) * _UNITS[unit] for number, unit in spans)) or 0.0
    return read_seconds(span) or 0.0


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens by an endpoint's own count; None where it gave none, or none that can be right."""

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cached: int | None = None


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
    #: What a reasoning model thought before it answered; never a part of `raw`.
    reasoning: str | None = None
    #: Seconds until there is more of a rate limit that is spent; 0 where none is.
    rate_limit_wait: float = 0.0
    #: Calls of tools: a JSON list of pairs of a name and arguments, themselves JSON; empty where there are none.
    tool_calls: str = ""
    #: Fields beside the text whose value had the wrong type or was out of range, and which are unknown therefore.
    invalid_fields: tuple[str, ...] = ()


#: Why a model stopped without text of its own accord: such an answer is judged as any other.
#: Why an answer ended that we stopped reading, since it repeated itself.
LOOP = "loop"

_EXPLAINED = frozenset(
    {LOOP, "length", "max_tokens", "content_filter", "refusal", "tool_calls", "function_call", "tool_use"}
)


class EmptyResponseError(RequestError):
    """A reply without an answer in it, which is the endpoint's fault; its tokens may be billed all the same."""

    def __init__(self, response: ModelResponse) -> None:
        what = "an HTML page in place of an answer" if response.raw.strip() else "an empty answer"
        super().__init__(Outcome.EMPTY, f"The endpoint sent {what}, without a reason.", status=200)
        self.partial = response


def check_answered(response: ModelResponse) -> None:
    """Raise `EmptyResponseError` for a response that is empty or a proxy's page, if it gives no reason."""
    is_explained = response.finish_reason in _EXPLAINED or bool(response.reasoning)
    if not is_explained and (not response.raw.strip() or is_html(response.raw)):
        raise EmptyResponseError(response)


async def send_chat(
    chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any], *, within: float | None
) -> ModelResponse:
    """Return the answer of `chat` within this many seconds. None is for `kwargs` that hold a limit of another kind.

    Raises `RequestError` if no answer came, `EndpointError` if a model says itself that it can never answer.
    """
    redactor = redactor_of(keys_of(chat))

    async def answer() -> ModelResponse:
        # The model's own method: a Runnable's ainvoke merges callbacks and config for 0.8 ms a call.
        response = response_of(await chat._agenerate(messages, **kwargs))
        values = {field.name: getattr(response, field.name) for field in fields(response)}
        texts: dict[str, Any] = {name: redactor.redact(v) for name, v in values.items() if isinstance(v, str)}
        return replace(response, **texts)

    return await typed_errors(answer(), within=within, redactor=redactor)


async def typed_errors[T](answer: Awaitable[T], *, within: float | None, redactor: KeyRedactor | None = None) -> T:
    """Return the answer of a model of any make within this many seconds. Raises what `send_chat` raises."""
    try:
        async with asyncio.timeout(within):
            return await answer
    except (RequestError, EndpointError, HookError):  # the last: a generator that a user gave the stand-in
        raise
    except TimeoutError as error:
        raise RequestError(Outcome.TIMEOUT, f"No answer came within {within or 0:g} seconds.") from error
    except Exception as error:  # a model of any make may raise anything, and one call is not the run
        raise _foreign_error(error, redactor or redactor_of(())) from error


def _foreign_error(error: Exception, redactor: KeyRedactor) -> RequestError:
    # The clients of the well-known providers say the HTTP status of a refusal in `status_code`.
    status = getattr(error, "status_code", None)
    words = _make_encodable(" ".join(redactor.redact(str(error)).split())[:300])
    if isinstance(status, int) and status >= 300:
        headers = getattr(getattr(error, "response", None), "headers", None)
        return error_of_status(status, words, headers=headers if isinstance(headers, Mapping) else None)
    return RequestError(Outcome.MODEL_ERROR, f"The model failed with {type(error).__name__}: {words}")


def response_of(result: ChatResult) -> ModelResponse:
    """Return the answer in a chat model's result."""
    generation = result.generations[0]
    message = generation.message
    text = message.content if isinstance(message.content, str) else str(message.text)
    finish = (generation.generation_info or {}).get("finish_reason") or message.response_metadata.get("finish_reason")
    refusal = message.additional_kwargs.get("refusal")
    thoughts, text = split_thoughts(text)
    reasoning = "\n\n".join(part for part in (_reasoning_of(message), thoughts) if part)
    output = result.llm_output or {}
    invalid = list(output.get("invalid_fields", ()))
    tokens = output.get("token_counts") or _count_tokens(message, invalid)
    told = FieldReader({"finish_reason": finish}, invalid=invalid).text("finish_reason")
    return ModelResponse(
        raw=_make_encodable(str(refusal) if refusal else text),
        # So marked, a refusal that is read back from a run file is still one.
        finish_reason="refusal" if refusal else told or None,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        cached_tokens=tokens.cached,
        reasoning=_make_encodable(reasoning) or None,
        rate_limit_wait=output.get("rate_limit_wait", 0.0),
        tool_calls=_make_encodable(output.get("tool_calls", "")),
        invalid_fields=tuple(invalid),
    )


def _reasoning_of(message: BaseMessage) -> str:
    """Return the reasoning that a message holds apart from its text, in any of the forms in use."""
    given = message.additional_kwargs
    for name in REASONING_FIELDS:
        if isinstance(thought := given.get(name), str) and thought.strip():
            return thought.strip()
    blocks = message.content if isinstance(message.content, list) else ()
    parts = (block.get(kind) for block in blocks if isinstance(block, dict) for kind in ("thinking", "reasoning"))
    return "\n\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _count_tokens(message: BaseMessage, invalid: list[str]) -> TokenCounts:
    metadata = message.usage_metadata if isinstance(message, AIMessage) else None
    usage = FieldReader(metadata, path="usage.", invalid=invalid)
    prompt = usage.count("input_tokens")
    return TokenCounts(
        prompt,
        usage.count("output_tokens"),
        usage.object("output_token_details").count_ending("reasoning"),
        usage.object("input_token_details").count_ending("cache_read", MOST_TOKENS if prompt is None else prompt),
    )


def _make_encodable(text: str) -> str:
    # Half a surrogate pair can be held by a str and by no file.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
