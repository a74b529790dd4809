"""A chat model in a GGUF file: `LeanChatOpenAI` over a server of our own, which its first call starts."""

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field, SecretStr

from .chat_openai import LeanChatOpenAI
from .local_server import LocalServer

__all__ = ["GgufChat"]


class GgufChat(LeanChatOpenAI):
    """Asks the model that a `LocalServer` serves. Asynchronous only."""

    server: LocalServer = Field(exclude=True, repr=False)

    @classmethod
    def over(cls, server: LocalServer, *, timeout: float) -> "GgufChat":
        """The chat model of a server that is not started yet; `timeout` is in seconds a call."""
        # The address is that of the first start; until then it is nobody's.
        return cls(
            server=server,
            model=server.path.name,
            base_url="http://127.0.0.1",
            api_key=SecretStr("none"),
            timeout=timeout,
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
        raise NotImplementedError("A model in a GGUF file is asked asynchronously: use ainvoke.")

    async def aclose(self) -> None:
        """Close the connections and end the server; the next call starts another one."""
        await super().aclose()
        await self.server.aclose()

    async def _move(self, address: str) -> None:
        """Ask at another address from now on: each start of the server has a port of its own."""
        if address != self.openai_api_base:
            self.openai_api_base = address
            wire, self._wire = self._wire, None
            if wire is not None:
                await wire.aclose()
