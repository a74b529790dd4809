"""langchain-openai's `ChatOpenAI` over `HttpClient`, at a fraction of its CPU; also for a model file that we serve."""

import ssl
from functools import cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import Field, PrivateAttr, SecretStr

from ...personas.model import Outcome
from .errors import RequestError
from .http_client import HttpClient, HttpConnection
from .local_server import LocalServer

DEFAULT_BASE_URL = "https://api.openai.com/v1"


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def httpx_clients() -> dict[str, Any]:
    """The HTTP clients of a langchain-openai model, for calls that do not go through `HttpClient`, by parameter.

    Those of langchain-openai each read all certificates of the system, which takes some 20 ms; these share them, and
    trust what aiohttp trusts.
    """
    return {
        "http_client": DefaultHttpxClient(verify=_tls()),
        "http_async_client": DefaultAsyncHttpxClient(verify=_tls()),
    }


class LeanChatOpenAI(ChatOpenAI):
    """A `ChatOpenAI` whose asynchronous calls go through one aiohttp session; failures are `RequestError`s.

    Only the chat-completions API is spoken, never streamed: it is what compatible endpoints have.
    """

    use_responses_api: bool | None = False
    max_retries: int | None = 0

    _http: HttpClient | None = PrivateAttr(default=None)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        posted = await self._opened().post("chat/completions", self.payload(messages, stop=stop, **kwargs))
        result = self.read(posted.reply)
        result.llm_output = {**(result.llm_output or {}), "rate_limits": posted.rate_limits}
        return result

    def payload(self, messages: list[BaseMessage], *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """What is posted to `/chat/completions` for these messages; a batch holds the same."""
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        payload["stream"] = False
        # Compatible endpoints mostly know the older name only, and langchain-openai always writes the newer.
        if "max_completion_tokens" in payload and self._base_url != DEFAULT_BASE_URL:
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        payload.update(payload.pop("extra_body", None) or {})
        return payload

    def read(self, reply: dict[str, Any]) -> ChatResult:
        """The result that a chat completion holds. Raises `RequestError` for any other reply."""
        _check_message(reply)
        try:
            result = self._create_chat_result(reply)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            detail = f"The endpoint's reply is no chat completion ({type(error).__name__}: {error})"[:300]
            raise RequestError(Outcome.SERVER_ERROR, detail, status=200) from error
        # Of a plain dict, langchain-openai leaves the refusal out.
        refusal = reply["choices"][0]["message"].get("refusal")
        if refusal:
            result.generations[0].message.additional_kwargs["refusal"] = refusal
        return result

    def connection(self, *, whole: bool = True) -> HttpConnection:
        """Connections of their own to the same endpoint, with the same key; `whole` as in `HttpConnection`."""
        return HttpConnection(self._base_url, key=self._key(), timeout=self._seconds() or 120.0, whole=whole)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    @property
    def _base_url(self) -> str:
        return (self.openai_api_base or DEFAULT_BASE_URL).rstrip("/")

    def _opened(self) -> HttpClient:
        http = self._http  # a private attribute of a pydantic model takes its time
        if http is None:
            http = self._http = HttpClient(self._base_url, key=self._key(), timeout=self._seconds())
        return http

    def _key(self) -> str:
        return self.openai_api_key.get_secret_value() if isinstance(self.openai_api_key, SecretStr) else ""

    def _seconds(self) -> float | None:
        return self.request_timeout if isinstance(self.request_timeout, float | int) else None


def _check_message(reply: dict[str, Any]) -> None:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise RequestError(Outcome.SERVER_ERROR, "The endpoint answered without any choice.", status=200)
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise RequestError(Outcome.SERVER_ERROR, "The endpoint's choice holds no message.", status=200)
    message.setdefault("role", "assistant")


class GgufChat(LeanChatOpenAI):
    """Asks the model that a `LocalServer` serves. Asynchronous only."""

    server: LocalServer = Field(exclude=True, repr=False)

    @classmethod
    def over(cls, server: LocalServer, *, timeout: float) -> "GgufChat":
        """The chat model of a server that is not started yet; `timeout` is in seconds a call."""
        # The address is that of the first start; until then it leads nowhere.
        return cls(
            server=server,
            model=server.path.name,
            base_url="http://127.0.0.1",
            api_key=SecretStr("none"),
            timeout=timeout,
            **httpx_clients(),
        )

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await self._move(await self.server.started())
        return await super()._agenerate(messages, stop, run_manager, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # What LangChain expects of a model without a synchronous call: the server is started in the running event loop.
        raise NotImplementedError("A model in a GGUF file is asked asynchronously: use ainvoke.")

    async def aclose(self) -> None:
        """Close the connections and end the server; the next call starts another one."""
        await super().aclose()
        await self.server.aclose()

    async def _move(self, address: str) -> None:
        """Ask at another address from now on: each start of the server has a port of its own."""
        if address != self.openai_api_base:
            self.openai_api_base = address
            http, self._http = self._http, None
            if http is not None:
                await http.aclose()
