"""What an embedding model makes of a text, how alike two of those are, and what keeps them."""

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..endpoint.errors import RequestError
from ..endpoint.response import RateLimitHeaders
from ..gateway.call import Call

__all__ = ["Vector", "VectorReply", "VectorSource", "VectorStore", "as_vector", "cosine", "text_hash", "unit"]

type Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VectorReply:
    """What an endpoint sent for some texts: an entry for each, None where that is no vector."""

    vectors: Sequence[Vector | None]
    #: The endpoint's own count; None where it gave none.
    input_tokens: int | None = None
    #: What the endpoint says of its rate limits, if it does.
    rate_limits: RateLimitHeaders | None = None


class VectorSource(Protocol):
    """An embedding model at one endpoint."""

    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        """The vectors of these texts, in their order. Raises `WireError` when none came."""
        ...

    def lower(self, fault: RequestError) -> bool:
        """Whether to send the same again at once, in a form that the endpoint may rather take."""
        ...

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        ...


class VectorStore(Protocol):
    """Keeps vectors by the hash of their text (`text_hash`) and the name of the model that made them."""

    def known(self, hashes: Iterable[str], model: str) -> Mapping[str, Vector]:
        """Those of these texts that have a vector."""
        ...

    def keep(self, call: Call, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors together with the call that brought them, all or nothing. Must be cheap, as `Ledger.record`."""
        ...


def as_vector(embedding: object) -> Vector | None:
    """The vector in numbers, or in base64 of little-endian 32-bit floats; None for what is neither, or not finite."""
    try:
        if isinstance(embedding, str):
            vector = np.frombuffer(b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
        else:
            with np.errstate(over="ignore"):
                vector = np.asarray(embedding, dtype=np.float32)
    except (binascii.Error, TypeError, ValueError, OverflowError):
        return None
    return vector if vector.ndim == 1 and vector.size and np.isfinite(vector).all() else None


def text_hash(text: str) -> str:
    """The 128-bit hash, in hexadecimal, by which the vector of a text is found again."""
    # Half a surrogate pair can be held by a str and has no bytes of its own.
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def unit(vector: Vector) -> Vector:
    """The vector at length 1, a copy; one without length stays as it is."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    scaled: Vector = (vector / (length or 1.0)).astype(np.float32)
    return scaled


def cosine(a: Vector, b: Vector) -> float:
    """The cosine of two vectors of length 1, to six decimals, so that no rounding decides between equals."""
    return round(float(np.dot(a, b)), 6)
