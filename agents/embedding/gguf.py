"""An embedding model in a GGUF file: `LeanOpenAIEmbeddings` over a server of our own, which its first call starts."""

from collections.abc import Sequence

from pydantic import ConfigDict, Field, SecretStr

from ..endpoint.local_server import LocalServer
from .openai import LeanOpenAIEmbeddings
from .vectors import VectorReply

__all__ = ["GgufEmbeddings"]


class GgufEmbeddings(LeanOpenAIEmbeddings):
    """Asks the model that a `LocalServer` serves. Asynchronous only."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    server: LocalServer = Field(exclude=True, repr=False)

    @classmethod
    def over(cls, server: LocalServer, *, timeout: float) -> "GgufEmbeddings":
        """The embedding model of a server that is not started yet; `timeout` is in seconds a call."""
        # The address is that of the first start; until then it is nobody's.
        return cls(
            server=server,
            model=server.path.name,
            openai_api_base="http://127.0.0.1",
            openai_api_key=SecretStr("none"),
            request_timeout=timeout,
        )

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        """The vectors of these texts. Raises `WireError` when none came, `EndpointError` when there is no server."""
        address = await self.server.started()
        if address != self.openai_api_base:  # each start of the server has a port of its own
            self.openai_api_base = address
            http, self._http = self._http, None
            if http is not None:
                await http.aclose()
        return await super().vectors(texts)

    async def aclose(self) -> None:
        """Close the connections and end the server; the next call starts another one."""
        await super().aclose()
        await self.server.aclose()
