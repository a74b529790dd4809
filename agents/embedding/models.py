"""Embedding models by name.

    openai:MODEL      any OpenAI-compatible endpoint (OPENAI_API_KEY, OPENAI_BASE_URL or a base URL)
    openai:MODEL@512  the same, asked for vectors of 512 numbers, which only some models can give
    gguf:PATH         a model file, served by llama.cpp in a process of our own (extra `local`)
    wordllama         averaged word vectors of 256 numbers, in this process and offline (extra `wordllama`)

There is no built-in generator: without an embedding model nothing pretends to be one.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

from langchain_core.embeddings import Embeddings

from ...core.errors import SetupError, parameter
from ..endpoint.addresses import DEFAULT_BASE_URL, address_of, api_key, check_address, check_allowed, public_address
from ..endpoint.local_server import PATIENCE, SLOTS, LocalServer
from ..endpoint.models import ServedModel
from .vectors import VectorReply, VectorSource, as_vector

#: A model with the dimensions that its vectors are to have.
_SIZED = re.compile(r"(.+)@([1-9][0-9]{0,4})")
#: It costs nothing.
WORDLLAMA = "wordllama"


class EmbeddingHandle(ServedModel[VectorSource]):
    """An embedding model."""


def open_embedder(model: str | Embeddings, *, base_url: str | None = None, timeout: float = 120.0) -> EmbeddingHandle:
    """Open the embedding model of that name, or wrap embeddings of the caller's own.

    `timeout` is in seconds per call. Raises `SetupError` for an unknown name, a missing key or a wrong address.
    """
    if isinstance(model, Embeddings):
        return _open_own(model)
    provider, _, served = model.partition(":")
    if provider == "openai" and served.strip():
        return _open_openai(model, served.strip(), (base_url or os.environ.get("OPENAI_BASE_URL", "")).strip(), timeout)
    if provider == "gguf" and served.strip():
        return _open_gguf(model, served.strip())
    if model == WORDLLAMA:
        return EmbeddingHandle(model, _WordLlama(), at_once=1, patience=PATIENCE)
    raise SetupError(
        f"There is no embedding model named {model!r}; write wordllama, openai:MODEL, with MODEL as the endpoint calls "
        "it, or gguf:PATH, with the path of a model's GGUF file."
    )


def named_embedder(
    model: str | Embeddings | EmbeddingHandle | None, url: str | None, address: str | Sequence[str] | None
) -> EmbeddingHandle | None:
    """Open an embedding model by name at its own `url`, or at the first address of the chat model.

    Raises `SetupError` for a URL without a model.
    """
    if model is None and url is not None:
        raise SetupError(
            f"{parameter('embeddings_url')} is {url!r}, but no embedding model is named; add "
            f"{parameter('embeddings')} NAME."
        )
    if model is None or isinstance(model, EmbeddingHandle):
        return model
    given = url or address or ()
    addresses = given.split() if isinstance(given, str) else given
    return open_embedder(model, base_url=addresses[0] if addresses else None)


def _open_openai(name: str, served: str, given: str, timeout: float) -> EmbeddingHandle:
    if given:
        check_address(given, named="embeddings_url")
    key = api_key(given, named="embeddings_url")
    check_allowed(name, given)
    # aiohttp is imported for such models only.
    from ..endpoint.http_client import HttpConnection
    from .openai import EndpointVectors

    address = (given or DEFAULT_BASE_URL).rstrip("/")
    sized = _SIZED.fullmatch(served)
    parameters = {"model": sized[1], "dimensions": int(sized[2])} if sized else {"model": served}
    connection = HttpConnection(address, key=key.get_secret_value(), timeout=timeout)
    return EmbeddingHandle(name, EndpointVectors(connection, parameters), public_address(address))


def _open_gguf(name: str, path: str) -> EmbeddingHandle:

    from .openai import EndpointVectors

    server = LocalServer(Path(path).expanduser(), embeddings=True)
    source = EndpointVectors(server, {"model": server.path.name})
    return EmbeddingHandle(name, source, at_once=SLOTS, patience=PATIENCE)


def _open_own(embeddings: Embeddings) -> EmbeddingHandle:
    kind = type(embeddings)
    address = address_of(embeddings)
    if address is not None or any(base.__name__ == "OpenAIEmbeddings" for base in kind.__mro__):
        check_allowed(kind.__name__, address or "")
    served = getattr(embeddings, "model", None) or getattr(embeddings, "model_name", None)
    name = f"{kind.__name__}:{served}" if isinstance(served, str) else kind.__name__
    return EmbeddingHandle(name, _Own(embeddings), public_address(address) if address else None)


class _Own(VectorSource):
    """Embeddings of the caller's own; they count no tokens."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        return VectorReply(vectors=[as_vector(found) for found in await self._embeddings.aembed_documents(list(texts))])

    async def aclose(self) -> None:
        close = getattr(self._embeddings, "aclose", None)
        if close is not None:
            await close()


class _WordLlama(VectorSource):
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
        return VectorReply(vectors=[as_vector(vector) if vector.any() else None for vector in found])
