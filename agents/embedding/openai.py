"""langchain-openai's `OpenAIEmbeddings` over `HttpClient`; also for a model file that we serve."""

from collections.abc import Sequence
from typing import Any

from langchain_openai import OpenAIEmbeddings
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from ...core.model import Outcome
from ..endpoint.chat_openai import DEFAULT_BASE_URL, httpx_clients
from ..endpoint.errors import MOST_BYTES, FieldReader, RequestError
from ..endpoint.http_client import HttpClient
from ..endpoint.local_server import LocalServer
from .vectors import Vector, VectorReply, as_vector

#: The name of the parameter that some endpoints refuse, whatever status they say it with.
_FORMAT = "encoding_format"


class LeanOpenAIEmbeddings(OpenAIEmbeddings):
    """An `OpenAIEmbeddings` whose asynchronous calls go through one aiohttp session; failures are `RequestError`s.

    Texts go as they are, all in one request: how many and how long is the caller's business.
    """

    check_embedding_ctx_length: bool = False
    max_retries: int = 0
    #: Decoded bytes of a reply that are read at most.
    max_response_bytes: int = MOST_BYTES

    _http: HttpClient | None = PrivateAttr(default=None)
    _plain: bool = PrivateAttr(default=False)

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        """Return the vectors of these texts, in their order. Raises `RequestError` if none came."""
        posted = await self._opened().post("embeddings", self.payload(texts), most=self.max_response_bytes)
        fields = FieldReader(posted.reply)
        tokens = fields.object("usage").count("prompt_tokens")
        return VectorReply(
            vectors=_vectors(posted.reply),
            input_tokens=tokens,
            rate_limits=posted.rate_limits,
            invalid_fields=tuple(fields.invalid),
        )

    async def aembed_documents(
        self, texts: list[str], chunk_size: int | None = None, **kwargs: Any
    ) -> list[list[float]]:
        """Return vectors as lists of numbers. Raises `RequestError` if a text has none."""
        vectors = [vector.tolist() for vector in (await self.vectors(texts)).vectors if vector is not None]
        if len(vectors) != len(texts):
            raise RequestError(
                Outcome.SCHEMA_MISMATCH, f"{len(texts)} texts were sent, and {len(vectors)} vectors came."
            )
        return vectors

    def payload(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return what is posted to `/embeddings`. Like the official client, ask for base64 by default."""
        form = {} if self._plain else {_FORMAT: "base64"}
        return {"input": list(texts), **form, **self._invocation_params}

    def adapt(self, fault: RequestError) -> bool:
        """Return whether to ask again for plain numbers, because the endpoint knows no other form."""
        if self._plain or _FORMAT not in fault.detail or fault.outcome in (Outcome.AUTH, Outcome.RATE_LIMITED):
            return False
        self._plain = True
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    def _opened(self) -> HttpClient:
        if self._http is None:
            key = self.openai_api_key.get_secret_value() if isinstance(self.openai_api_key, SecretStr) else ""
            seconds = self.request_timeout if isinstance(self.request_timeout, float | int) else 120.0
            self._http = HttpClient((self.openai_api_base or DEFAULT_BASE_URL).rstrip("/"), key=key, timeout=seconds)
        return self._http


def _vectors(reply: dict[str, Any]) -> list[Vector | None]:
    data = reply.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise RequestError(Outcome.SERVER_ERROR, "The endpoint's reply holds no list of embeddings.", status=200)
    # Some servers answer in the order in which their workers were done, and say by index what is what.
    order = [entry.get("index") for entry in data]
    if sorted(i for i in order if isinstance(i, int) and not isinstance(i, bool)) == list(range(len(data))):
        data = sorted(data, key=lambda entry: int(entry["index"]))
    return [as_vector(entry.get("embedding")) for entry in data]


class GgufEmbeddings(LeanOpenAIEmbeddings):
    """Asks the model that a `LocalServer` serves. Asynchronous only."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    server: LocalServer = Field(exclude=True, repr=False)

    @classmethod
    def over(cls, server: LocalServer, *, timeout: float) -> "GgufEmbeddings":
        """Build the embedding model of a server that is not started yet. `timeout` is in seconds per call."""
        # The address is that of the first start; until then it leads nowhere.
        return cls(
            server=server,
            model=server.path.name,
            openai_api_base="http://127.0.0.1",
            openai_api_key=SecretStr("none"),
            request_timeout=timeout,
            **httpx_clients(),
        )

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        """Return the vectors of these texts.

        Raises `RequestError` if none came, `EndpointError` if there is no server.
        """
        address = await self.server.started()
        if address != self.openai_api_base:  # each start of the server has a port of its own
            self.openai_api_base = address
            http, self._http = self._http, None
            if http is not None:
                await http.aclose()
        return await super().vectors(texts)

    async def aclose(self) -> None:
        """Close the connections and end the server. The next call starts another one."""
        await super().aclose()
        await self.server.aclose()
