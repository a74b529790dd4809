"""Vectors of texts: how they are read and compared, and how those of one model are found in the run and in stores."""

import binascii
import hashlib
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from ...core.errors import RunError
from ...core.model import Answer, AnswerSchema, Outcome, RequestContext
from ...core.prompt import RenderedPrompt
from ..endpoint.errors import RequestError
from ..endpoint.response import ModelResponse
from ..gateway.call import AnswerStore, Call, CallKey
from ..gateway.request import ModelRequest, PendingRequest

type Vector = NDArray[np.float32]

#: Numbers in a vector; no model has a tenth of them.
_MOST_DIMS = 2**17


@dataclass(frozen=True, slots=True)
class VectorReply(ModelResponse):
    """What an endpoint sent for some texts; `raw` is a note of what came, once it is recorded."""

    raw: str = ""
    finish_reason: str | None = None
    #: An entry for each text, None where that is no vector.
    vectors: Sequence[Vector | None] = ()


class VectorSource(ABC):
    """An embedding model at one endpoint."""

    @abstractmethod
    async def vectors(self, texts: Sequence[str]) -> VectorReply:
        """Return the vectors of these texts, in their order. Raises `RequestError` if none came."""

    def adapt(self, fault: RequestError) -> bool:
        """Return whether to send the same again at once, in a form that the endpoint is more likely to take."""
        return False


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


def measure_cosine(a: Vector, b: Vector) -> float:
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
            here = self._recall_vectors(store, [key for key in wanted if key not in found], context)
            if here:
                self._store.keep(_recalled_call(self._model, store.source, here, context), here)
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

    def _recall_vectors(
        self, store: AnswerStore, hashes: Collection[str], context: RequestContext
    ) -> dict[str, Vector]:
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


def build_request[T](
    model: str, texts: Iterable[str], check: Callable[[object], T], context: RequestContext
) -> ModelRequest[T]:
    """Build the request for the vectors of these texts. `check` reads what came."""
    prompt = RenderedPrompt("embedding", 1, tuple(("user", text) for text in texts))
    # Nothing is written; a limit of 0 would mean none.
    return ModelRequest(model, prompt, AnswerSchema("vectors", {}, check), context, context.seed, max_tokens=1)


def _recalled_call(model: str, source: str, vectors: Mapping[str, Vector], context: RequestContext) -> Call:
    """Build the row for vectors that were taken from a store instead of a model."""
    digest = blake2b(orjson.dumps([model, sorted(vectors)]), digest_size=16).hexdigest()
    request = build_request(model, (), str, context)
    note = orjson.dumps({"vectors": len(vectors), "dims": next(iter(vectors.values())).size}).decode()
    key = CallKey(context.phase, context.number, context.owner, digest, job=context.job)
    known = PendingRequest(request, key, sent=1)
    return known.build_call(Answer(Outcome.OK), ModelResponse(note, None), source=source, cost=0.0)
