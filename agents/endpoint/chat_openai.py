"""langchain-openai's `ChatOpenAI` over our own wire: its requests and replies at a fraction of the CPU."""

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr, SecretStr

from ...personas.model import Outcome
from .fault import WireError
from .link import Link
from .wire import Wire

__all__ = ["DEFAULT_BASE_URL", "LeanChatOpenAI"]

DEFAULT_BASE_URL = "https://api.openai.com/v1"


class LeanChatOpenAI(ChatOpenAI):
    """A `ChatOpenAI` whose asynchronous calls go through one aiohttp session; failures are `WireError`s.

    Only the chat-completions API is spoken, never streamed: it is what compatible endpoints have.
    """

    use_responses_api: bool | None = False
    max_retries: int | None = 0

    _wire: Wire | None = PrivateAttr(default=None)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        posted = await self._opened().post("chat/completions", self.payload(messages, stop=stop, **kwargs))
        result = self.read(posted.reply)
        result.llm_output = {**(result.llm_output or {}), "headroom": posted.headroom}
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
        """The result that a chat completion holds. Raises `WireError` when it is none."""
        _check_message(reply)
        try:
            result = self._create_chat_result(reply)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            detail = f"The endpoint's reply is no chat completion ({type(error).__name__}: {error})"[:300]
            raise WireError(Outcome.SERVER_ERROR, detail, status=200) from error
        # Of a plain dict, langchain-openai leaves the refusal out.
        refusal = reply["choices"][0]["message"].get("refusal")
        if refusal:
            result.generations[0].message.additional_kwargs["refusal"] = refusal
        return result

    def link(self, *, whole: bool = True) -> Link:
        """Connections of their own to the same endpoint, with the same key; `whole` as in `Link`."""
        return Link(self._base_url, key=self._key(), timeout=self._seconds(), whole=whole)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._wire is not None:
            await self._wire.aclose()

    @property
    def _base_url(self) -> str:
        return (self.openai_api_base or DEFAULT_BASE_URL).rstrip("/")

    def _opened(self) -> Wire:
        if self._wire is None:
            self._wire = Wire(self._base_url, key=self._key(), timeout=self._seconds())
        return self._wire

    def _key(self) -> str:
        return self.openai_api_key.get_secret_value() if isinstance(self.openai_api_key, SecretStr) else ""

    def _seconds(self) -> float:
        return self.request_timeout if isinstance(self.request_timeout, float | int) else 120.0


def _check_message(reply: dict[str, Any]) -> None:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise WireError(Outcome.SERVER_ERROR, "The endpoint answered without any choice.", status=200)
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise WireError(Outcome.SERVER_ERROR, "The endpoint's choice holds no message.", status=200)
    message.setdefault("role", "assistant")
