"""Embedding models by name, and their vectors: how they are read, compared and found again.

    openai:MODEL      any OpenAI-compatible endpoint (OPENAI_API_KEY, OPENAI_BASE_URL or a base URL)
    openai:MODEL@512  the same, asked for vectors of 512 numbers, which only some models can give
    gguf:PATH         a model file, served by llama.cpp in a process of our own (extra `local`)
    wordllama         averaged word vectors of 256 numbers, in this process and offline (extra `wordllama`)

There is no built-in generator: without an embedding model nothing pretends to be one.
"""

import asyncio
import binascii
import hashlib
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
from langchain_core.embeddings import Embeddings
from langchain_openai import OpenAIEmbeddings
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from ...core.errors import RunError, SetupError, parameter
from ...core.model import Outcome, RequestContext
from ..endpoint.addresses import address_of, api_key, check_address, check_allowed, public_address
from ..endpoint.chat_openai import DEFAULT_BASE_URL, httpx_clients
from ..endpoint.errors import MOST_BYTES, FieldReader, RequestError
from ..endpoint.http_client import HttpClient
from ..endpoint.local_server import LocalServer
from ..endpoint.response import RateLimitHeaders
from ..gateway.budget import Prices
from ..gateway.call import AnswerStore, Call, CallKey
from ..gateway.limits import Limits

type Vector = NDArray[np.float32]

#: Numbers in a vector; no model has a tenth of them.
_MOST_DIMS = 2**17


@dataclass(frozen=True, slots=True)
class VectorReply:
    """What an endpoint sent for some texts: an entry for each, None where that is no vector."""

    vectors: Sequence[Vector | None]
    #: The endpoint's own count; None where it gave none.
    input_tokens: int | None = None
    #: What the endpoint says of its rate limits, if it does.
    rate_limits: RateLimitHeaders | None = None
    #: What had no valid value beside the vectors, as in `ModelResponse`.
    invalid_fields: tuple[str, ...] = ()


class VectorSource(Protocol):
    """An embedding model at one endpoint."""

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        """Return the vectors of these texts, in their order. Raises `RequestError` if none came."""
        ...

    def adapt(self, fault: RequestError) -> bool:
        """Return whether to send the same again at once, in a form that the endpoint is more likely to take."""
        ...

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        ...


class VectorStore(Protocol):
    """Keeps vectors by the hash of their text (`text_hash`) and the name of the model that made them."""

    def known(self, hashes: Iterable[str], model: str) -> Mapping[str, Vector]:
        """Return the vectors of those of these texts that have one."""
        ...

    def keep(self, call: Call, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors together with the call that brought them, all or nothing.

        Must be cheap, like `Ledger.record`.
        """
        ...


def as_vector(embedding: object) -> Vector | None:
    """Read a vector from numbers, or from base64 of little-endian 32-bit floats.

    Return None for anything else, and for values that are not finite.
    """
    try:
        if isinstance(embedding, str):
            vector = np.frombuffer(b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
        else:
            with np.errstate(over="ignore"):
                vector = np.asarray(embedding, dtype=np.float32)
    except (binascii.Error, TypeError, ValueError, OverflowError):
        return None
    return vector if vector.ndim == 1 and 0 < vector.size <= _MOST_DIMS and np.isfinite(vector).all() else None


def text_hash(text: str) -> str:
    """Return the 128-bit hash, in hexadecimal, that identifies the vector of a text."""
    # Half a surrogate pair can be held by a str and has no bytes of its own.
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def unit(vector: Vector) -> Vector:
    """Return a copy of the vector scaled to length 1. A vector of length 0 keeps its values."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    scaled: Vector = (vector / (length or 1.0)).astype(np.float32)
    return scaled


def cosine(a: Vector, b: Vector) -> float:
    """Return the cosine of two vectors of length 1.

    It is rounded to six decimals, so that rounding errors do not decide between equals.
    """
    return round(float(np.dot(a, b)), 6)


class ModelVectors:
    """The vectors of one model; all of them have as many dimensions as the first."""

    def __init__(self, model: str, scope: str, *, store: VectorStore, shared: Sequence[AnswerStore]) -> None:
        """Take `scope`, the address of the model's endpoint, as for an `AnswerStore`."""
        self._model = model
        self._scope = scope
        self._store = store
        self._shared = shared
        #: Numbers in a vector; None until there is one.
        self.dims: int | None = None

    def known(self, hashes: Iterable[str], context: RequestContext) -> tuple[dict[str, Vector], list[str]]:
        """Return the known vectors of these texts, and the sources of those that come from elsewhere.

        Vectors from elsewhere are kept in the run from now on.
        """
        wanted = list(hashes)
        found = dict(self._store.known(wanted, self._model))
        try:
            self.fit(found.values())
        except ValueError as error:
            raise RunError(
                f"The vectors that the run has of model {self._model} are not of one kind: {error} Another model is "
                "served under its name now; begin another run."
            ) from error
        elsewhere = []
        for store in self._shared:
            here = self._recalled(store, [key for key in wanted if key not in found], context)
            if here:
                self._store.keep(_call(self._model, store.source, here, context), here)
                elsewhere.append(store.source)
                found |= here
        return found, elsewhere

    def keep(self, call: Call, vectors: Mapping[str, Vector]) -> None:
        """Keep the vectors that a call brought, together with the call."""
        self._store.keep(call, vectors)
        for store in self._shared:
            for key, vector in vectors.items():
                raw = b64encode(vector.astype("<f4").tobytes()).decode()
                # The tokens are the whole call's, and it is in the run.
                one = replace(call, request_hash=self._shared_hash(key), raw=raw, input_tokens=None, output_tokens=None)
                store.keep(one, self._scope)

    def fit(self, vectors: Iterable[Vector]) -> None:
        """Raise `ValueError` unless these vectors have the dimensions that all others have."""
        for size in {vector.size for vector in vectors}:
            if size != (self.dims or size):
                raise ValueError(f"A vector of {size} numbers came, and those before it had {self.dims}.")
            self.dims = size

    def _recalled(self, store: AnswerStore, hashes: Collection[str], context: RequestContext) -> dict[str, Vector]:
        found = {}
        for key in hashes:
            asked = CallKey(context.phase, context.number, context.owner, self._shared_hash(key))
            reply = store.recall(asked, self._scope)
            vector = as_vector(reply.raw) if reply else None
            if vector is not None and vector.size == (self.dims or vector.size):
                self.dims = vector.size
                found[key] = vector
        return found

    def _shared_hash(self, text: str) -> str:
        """Return the hash that identifies one text's vector among answers of all kinds."""
        return blake2b(orjson.dumps(["embedding", self._model, text]), digest_size=16).hexdigest()


def _call(model: str, source: str, vectors: Mapping[str, Vector], context: RequestContext) -> Call:
    """Build the row for vectors that were taken from a store instead of a model."""
    now = datetime.now(UTC)
    return Call(
        phase=context.phase,
        number=context.number,
        job=context.job,
        owner=context.owner,
        purpose="embedding",
        prompt_version=1,
        request_hash=blake2b(orjson.dumps([model, sorted(vectors)]), digest_size=16).hexdigest(),
        attempt=1,
        outcome=Outcome.OK,
        reason="",
        raw=orjson.dumps({"vectors": len(vectors), "dims": next(iter(vectors.values())).size}).decode(),
        finish_reason=None,
        model=model,
        endpoint=None,
        input_tokens=None,
        output_tokens=None,
        reasoning_tokens=None,
        cached_tokens=None,
        started_at=now,
        ended_at=now,
        waited=0.0,
        source=source,
        cost=0.0,
    )


#: A model with the dimensions that its vectors are to have.
_SIZED = re.compile(r"(.+)@([1-9][0-9]{0,4})")
_WORDLLAMA = "wordllama"
#: Seconds for a call of a model on this machine: it may have to be loaded first.
_LOCAL_PATIENCE = 1800.0


@dataclass(frozen=True, slots=True)
class EmbeddingHandle:
    """An embedding model, and what a run keeps of where its vectors came from."""

    name: str
    source: VectorSource
    #: The base URL without key or credentials; None for a model in the process.
    endpoint: str | None = None
    #: Calls that it works on at once; None where that is learnt from the endpoint.
    at_once: int | None = None
    #: Seconds that each call is to be given at least.
    patience: float = 0.0

    @property
    def all(self) -> tuple["EmbeddingHandle", ...]:
        """The handle alone: an embedding model is asked at one endpoint."""
        return (self,)

    def limit_responses(self, most: int) -> None:
        """Limit the decoded bytes that are read of a response, if it comes over our own connections."""
        if hasattr(self.source, "max_response_bytes"):
            self.source.max_response_bytes = most

    async def aclose(self) -> None:
        """Close the model's connections, if it has any."""
        await self.source.aclose()


def open_embedder(model: str | Embeddings, *, base_url: str | None = None, timeout: float = 120.0) -> EmbeddingHandle:
    """Open the embedding model of that name, or wrap embeddings of the caller's own.

    `timeout` is in seconds per call. Raises `SetupError` for an unknown name, a missing key or a wrong address.
    """
    if isinstance(model, Embeddings):
        return _own(model)
    provider, _, served = model.partition(":")
    if provider == "openai" and served.strip():
        return _openai(model, served.strip(), (base_url or os.environ.get("OPENAI_BASE_URL", "")).strip(), timeout)
    if provider == "gguf" and served.strip():
        return _gguf(model, served.strip())
    if model == _WORDLLAMA:
        return EmbeddingHandle(model, _WordLlama(), at_once=1, patience=_LOCAL_PATIENCE)
    raise SetupError(
        f"There is no embedding model named {model!r}; write wordllama, openai:MODEL, with MODEL as the endpoint calls "
        "it, or gguf:PATH, with the path of a model's GGUF file."
    )


def embedding_handle(
    model: str | Embeddings | EmbeddingHandle | None, address: str | Sequence[str] | None
) -> EmbeddingHandle | None:
    """Open an embedding model by name, at the first of several addresses. Return a handle or None as it is."""
    if model is None or isinstance(model, EmbeddingHandle):
        return model
    addresses = address.split() if isinstance(address, str) else address
    return open_embedder(model, base_url=addresses[0] if addresses else None)


def named_embedder(
    model: str | Embeddings | EmbeddingHandle | None, url: str | None, address: str | Sequence[str] | None
) -> EmbeddingHandle | None:
    """Open an embedding model at its own `url`, or where the chat model is.

    Raises `SetupError` for a URL without a model.
    """
    if model is None and url is not None:
        raise SetupError(
            f"{parameter('embeddings_url')} is {url!r}, but no embedding model is named; add "
            f"{parameter('embeddings')} NAME."
        )
    return embedding_handle(model, url or address)


def check_embeddings_priced(limits: Limits, prices: Prices | None, model: EmbeddingHandle) -> None:
    """Raise `SetupError` for a cap on money if the price of the embedding model is not known."""
    if limits.max_cost is not None and prices is None and model.name != _WORDLLAMA:
        raise SetupError(
            f"The cost is to stay below {limits.max_cost:g} dollars, but the price of embedding model {model.name} is "
            f"not known; give {parameter('embeddings_prices')} in dollars for a million tokens (0 for a server of "
            "your own), or "
            f"cap it with {parameter('max_calls')} or {parameter('max_tokens')}."
        )


def _openai(name: str, served: str, given: str, timeout: float) -> EmbeddingHandle:
    if given:
        check_address(given, named="embeddings_url")
    key = api_key(given, named="embeddings_url")
    check_allowed(name, given)
    # langchain-openai takes seconds to import: only for such models.
    from ..endpoint.chat_openai import DEFAULT_BASE_URL, httpx_clients

    address = given or DEFAULT_BASE_URL
    sized = _SIZED.fullmatch(served)
    source = LeanOpenAIEmbeddings(
        model=sized[1] if sized else served,
        dimensions=int(sized[2]) if sized else None,
        openai_api_base=address,
        openai_api_key=key,
        request_timeout=timeout,
        **httpx_clients(),
    )
    return EmbeddingHandle(name, source, public_address(address))


def _gguf(name: str, path: str) -> EmbeddingHandle:
    from ..endpoint.local_server import LocalServer

    # What is wrong with the file is said before langchain-openai takes its seconds to import.
    server = LocalServer(Path(path).expanduser(), embeddings=True)

    source = GgufEmbeddings.over(server, timeout=_LOCAL_PATIENCE)
    return EmbeddingHandle(name, source, at_once=server.slots, patience=_LOCAL_PATIENCE)


def _own(embeddings: Embeddings) -> EmbeddingHandle:
    kind = type(embeddings)
    address = address_of(embeddings)
    if address is not None or any(base.__name__ == "OpenAIEmbeddings" for base in kind.__mro__):
        check_allowed(kind.__name__, address or "")
    served = getattr(embeddings, "model", None) or getattr(embeddings, "model_name", None)
    name = f"{kind.__name__}:{served}" if isinstance(served, str) else kind.__name__
    return EmbeddingHandle(name, _Own(embeddings), public_address(address) if address else None)


class _Own:
    """Embeddings of the caller's own; they count no tokens."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        return VectorReply([as_vector(found) for found in await self._embeddings.aembed_documents(list(texts))])

    def adapt(self, fault: RequestError) -> bool:
        return False

    async def aclose(self) -> None:
        close = getattr(self._embeddings, "aclose", None)
        if close is not None:
            await close()


class _WordLlama:
    """WordLlama's vectors (MIT); the weights are in its wheel, so nothing is downloaded."""

    def __init__(self) -> None:
        """Load the model of the package. Raises `SetupError` if the package is not installed."""
        try:
            import wordllama
        except ImportError:
            raise SetupError("wordllama is not installed; install it with: pip install 'populace[wordllama]'") from None
        package = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(disable_download=True, cache_dir=package)

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        # A text without words has a vector of zeros, which is none.
        encodable = [text.encode("utf-8", "replace").decode() for text in texts]
        found = await asyncio.to_thread(self._model.embed, encodable)
        return VectorReply([as_vector(vector) if vector.any() else None for vector in found])

    def adapt(self, fault: RequestError) -> bool:
        return False

    async def aclose(self) -> None:
        """Keep the model, which holds no connection."""


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
        return VectorReply(_vectors(posted.reply), tokens, posted.rate_limits, tuple(fields.invalid))

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
