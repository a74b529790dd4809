"""langchain-openai's `ChatOpenAI` over aiohttp, at a fraction of its CPU; also for a model file that we serve."""

import json
import ssl
from contextlib import suppress
from functools import cache
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import Field, PrivateAttr, SecretStr

from ...core.model import Outcome
from .addresses import DEFAULT_BASE_URL
from .errors import MOST_BYTES, MOST_TOKENS, FieldReader, RequestError, parse_object
from .http_client import HttpConnection, HttpReply, StreamedReply
from .local_server import LocalServer
from .response import REASONING_FIELDS, TokenCounts, response_of
from .silence import LONGEST_CALL, SilenceLimit


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def httpx_clients() -> dict[str, Any]:
    """Return the HTTP clients of a langchain-openai model by parameter, for calls that do not go through aiohttp.

    The clients of langchain-openai each read all certificates of the system, which takes some 20 ms. These share
    them, and trust what aiohttp trusts.
    """
    return {
        "http_client": DefaultHttpxClient(verify=_tls_context()),
        "http_async_client": DefaultAsyncHttpxClient(verify=_tls_context()),
    }


class LeanChatOpenAI(ChatOpenAI):
    """A `ChatOpenAI` whose asynchronous calls go through one aiohttp session; failures are `RequestError`s.

    Only the chat-completions API is spoken: it is what compatible endpoints have. It is streamed where `stream` is
    asked for, and `silence` then bounds the call.
    """

    #: Whether a request may ask for a stream.
    can_stream: ClassVar[bool] = True
    #: Whether a request may have tools.
    takes_tools: ClassVar[bool] = True

    use_responses_api: bool | None = False
    max_retries: int | None = 0

    #: Decoded bytes of a reply that are read at most.
    max_response_bytes: int = MOST_BYTES
    #: What serves the model where it is a file; it is then asked asynchronously only.
    server: LocalServer | None = Field(None, exclude=True, repr=False)

    _http: HttpConnection | None = PrivateAttr(default=None)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        silence = kwargs.pop("silence", None)
        payload = self.payload(messages, stop=stop, **kwargs)
        http = await self.server.connect() if self.server else self._open_connection()
        if payload["stream"]:
            posted = await self._stream_reply(
                http, payload, silence or SilenceLimit(self._read_timeout() or LONGEST_CALL)
            )
        else:
            posted = await http.post("chat/completions", payload, most=self.max_response_bytes)
        result = self.read(posted.reply)
        result.llm_output = {**(result.llm_output or {}), "rate_limit_wait": posted.rate_limit_wait}
        return result

    async def _stream_reply(self, http: HttpConnection, payload: dict[str, Any], silence: SilenceLimit) -> HttpReply:
        streamed = StreamedReply(self.max_response_bytes)
        try:
            return await http.stream("chat/completions", payload, streamed, silence)
        except RequestError as fault:
            if streamed.pieces:
                with suppress(RequestError):
                    fault.partial = response_of(self.read(parse_object(http.redactor.redact_body(streamed.body()))))
            raise

    def payload(self, messages: list[BaseMessage], *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """Build what is posted to `/chat/completions` for these messages. A batch holds the same."""
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        payload["stream"] = kwargs.get("stream") is True
        # Compatible endpoints mostly know the older name only, and langchain-openai always writes the newer.
        if "max_completion_tokens" in payload and self._base_url != DEFAULT_BASE_URL:
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        payload.update(payload.pop("extra_body", None) or {})
        return payload

    def read(self, reply: dict[str, Any]) -> ChatResult:
        """Return the result that a chat completion holds. Raises `RequestError` for any other reply."""
        valid, tokens, invalid = _valid_completion(reply)
        try:
            result = self._create_chat_result(valid)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
            detail = f"The endpoint's reply is no chat completion ({type(error).__name__}: {error})"[:300]
            raise RequestError(Outcome.SERVER_ERROR, detail, status=200) from error
        # Of a plain dict, langchain-openai leaves these out.
        message = valid["choices"][0]["message"]
        given = {name: message[name] for name in ("refusal", *REASONING_FIELDS) if message.get(name)}
        result.generations[0].message.additional_kwargs.update(given)
        _tell_usage(result, tokens)
        result.llm_output = {**(result.llm_output or {}), "token_counts": tokens, "invalid_fields": invalid}
        if calls := _calls_in(message.get("tool_calls")):
            result.llm_output["tool_calls"] = json.dumps(calls)
        return result

    def connection(self, *, whole: bool = True) -> HttpConnection:
        """Return separate connections to the same endpoint, with the same key. `whole` is as in `HttpConnection`."""
        return HttpConnection(self._base_url, key=self._read_key(), timeout=self._read_timeout() or 120.0, whole=whole)

    async def aclose(self) -> None:
        """Close the connections and end the server. The next call opens new ones."""
        if self._http is not None:
            await self._http.aclose()
        if self.server is not None:
            await self.server.aclose()

    @property
    def _base_url(self) -> str:
        return (self.openai_api_base or DEFAULT_BASE_URL).rstrip("/")

    def _open_connection(self) -> HttpConnection:
        http = self._http  # a private attribute of a pydantic model takes its time
        if http is None:
            http = self._http = HttpConnection(self._base_url, key=self._read_key(), timeout=self._read_timeout())
        return http

    def _read_key(self) -> str:
        return self.openai_api_key.get_secret_value() if isinstance(self.openai_api_key, SecretStr) else ""

    def _read_timeout(self) -> float | None:
        return self.request_timeout if isinstance(self.request_timeout, float | int) else None


#: Characters of a refusal: as long as an answer may be.
_LONGEST_REFUSAL = 10**6


def _valid_completion(reply: dict[str, Any]) -> tuple[dict[str, Any], TokenCounts, list[str]]:
    """Return the first choice of a chat completion with its valid fields, the token counts, and the invalid fields.

    Raises `RequestError` if there is no choice, or no text in it.
    """
    fields = FieldReader(reply)
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise RequestError(Outcome.SERVER_ERROR, "The endpoint answered without any choice.", status=200)
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        raise RequestError(Outcome.SERVER_ERROR, "The endpoint's choice holds no message.", status=200)
    beside = FieldReader(choice, path="choices[0].", invalid=fields.invalid)
    said = {**message, "role": "assistant", "name": None, "id": None, "content": _content_of(message)}
    said["refusal"] = beside.object("message").text("refusal", _LONGEST_REFUSAL)
    for name in ("tool_calls", "function_call", "audio"):
        if not isinstance(said.get(name), list if name == "tool_calls" else dict) and said.pop(name, None) is not None:
            fields.reject(f"choices[0].message.{name}", message[name])
    valid = {name: fields.text(name) for name in ("id", "model", "system_fingerprint", "service_tier")}
    first = {"index": 0, "finish_reason": beside.text("finish_reason"), "message": said}
    if isinstance(choice.get("logprobs"), dict):
        first["logprobs"] = choice["logprobs"]
    return valid | {"choices": [first]}, _count_tokens(fields), fields.invalid


def _calls_in(told: object) -> list[tuple[str, str]]:
    """Return the name and the arguments, as JSON, of each call that has both."""
    functions = [one.get("function") for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    calls = [(one.get("name"), one.get("arguments")) for one in functions if isinstance(one, dict)]
    # Some servers send the arguments as an object.
    written = [(name, json.dumps(given) if isinstance(given, dict) else given) for name, given in calls]
    return [(name, given) for name, given in written if isinstance(name, str) and isinstance(given, str)]


def _tell_usage(result: ChatResult, tokens: TokenCounts) -> None:
    # LangChain knows no unknown counts: whoever asks this model without a gateway gets those that are whole.
    message = result.generations[0].message
    if isinstance(message, AIMessage) and tokens.input is not None and tokens.output is not None:
        message.usage_metadata = UsageMetadata(
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            total_tokens=tokens.input + tokens.output,
            input_token_details={} if tokens.cached is None else {"cache_read": tokens.cached},
            output_token_details={} if tokens.reasoning is None else {"reasoning": tokens.reasoning},
        )


def _count_tokens(fields: FieldReader) -> TokenCounts:
    usage = fields.object("usage")
    prompt = usage.count("prompt_tokens")
    return TokenCounts(
        prompt,
        usage.count("completion_tokens"),
        usage.object("completion_tokens_details").count("reasoning_tokens"),
        # Those in the cache are among those of the prompt.
        usage.object("prompt_tokens_details").count("cached_tokens", MOST_TOKENS if prompt is None else prompt),
    )


def _content_of(message: dict[str, Any]) -> str | list[Any] | None:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list) and all(
        isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("text", ""), str)) for part in content
    ):
        return content
    detail = f"The endpoint's message holds {type(content).__name__} in place of text."
    raise RequestError(Outcome.SERVER_ERROR, detail, status=200)
