"""Vectors from an OpenAI-compatible endpoint, or from a model file that we serve."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.model import Outcome
from ..endpoint.errors import MOST_BYTES, FieldReader, RequestError
from ..endpoint.http_client import HttpConnection
from ..endpoint.local_server import LocalServer
from .vectors import Vector, VectorReply, VectorSource, as_vector

#: The name of the parameter that some endpoints refuse, whatever status they say it with.
_FORMAT = "encoding_format"


class EndpointVectors(VectorSource):
    """The vectors of an endpoint.

    Texts go as they are, all in one request: how many and how long is the caller's business.
    """

    def __init__(self, at: HttpConnection | LocalServer, parameters: Mapping[str, Any]) -> None:
        """Take the `parameters` of each request: the model, and dimensions if any are asked for."""
        self._at = at
        self._parameters = parameters
        self._plain = False
        #: Decoded bytes of a reply that are read at most.
        self.max_response_bytes = MOST_BYTES

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        """Return the vectors of these texts, in their order.

        Raises `RequestError` if none came, `EndpointError` if a model file cannot be served.
        """
        http = self._at if isinstance(self._at, HttpConnection) else await self._at.connect()
        # Like the official client, ask for base64 by default.
        form = {} if self._plain else {_FORMAT: "base64"}
        payload = {"input": list(texts), **form, **self._parameters}
        posted = await http.post("embeddings", payload, most=self.max_response_bytes)
        fields = FieldReader(posted.reply)
        tokens = fields.object("usage").count("prompt_tokens")
        return VectorReply(
            vectors=_read_vectors(posted.reply),
            input_tokens=tokens,
            rate_limit_wait=posted.rate_limit_wait,
            invalid_fields=tuple(fields.invalid),
        )

    def adapt(self, fault: RequestError) -> bool:
        """Return whether to ask again for plain numbers, because the endpoint knows no other form."""
        if self._plain or _FORMAT not in fault.detail or fault.outcome in (Outcome.AUTH, Outcome.RATE_LIMITED):
            return False
        self._plain = True
        return True

    async def aclose(self) -> None:
        """Close the connections, and end the server of a model file. The next call opens new ones."""
        await self._at.aclose()


def _read_vectors(reply: dict[str, Any]) -> list[Vector | None]:
    data = reply.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise RequestError(Outcome.SERVER_ERROR, "The endpoint's reply holds no list of embeddings.", status=200)
    # Some servers answer in the order in which their workers were done, and say by index what is what.
    order = [entry.get("index") for entry in data]
    if sorted(i for i in order if isinstance(i, int) and not isinstance(i, bool)) == list(range(len(data))):
        data = sorted(data, key=lambda entry: int(entry["index"]))
    return [as_vector(entry.get("embedding")) for entry in data]
