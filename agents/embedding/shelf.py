"""Where the vectors of one model are kept and found again: in the run, and in answers shared with other runs."""

from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b

import orjson

from ...personas.errors import RunError
from ...personas.model import Outcome, RequestContext
from ..gateway.call import AnswerStore, Call, CallKey
from .vectors import Vector, VectorStore, as_vector

__all__ = ["VectorShelf"]


class VectorShelf:
    """The vectors of one model; all of them have as many dimensions as the first."""

    def __init__(self, model: str, scope: str, *, store: VectorStore, shared: Sequence[AnswerStore]) -> None:
        """`scope` is the address of the model's endpoint, as for an `AnswerStore`."""
        self._model = model
        self._scope = scope
        self._store = store
        self._shared = shared
        #: Numbers in a vector; None until there is one.
        self.dims: int | None = None

    def known(self, hashes: Iterable[str], context: RequestContext) -> tuple[dict[str, Vector], list[str]]:
        """The vectors that there are of these texts, and the sources of those among them that are from elsewhere.

        What comes from elsewhere is kept in the run from now on.
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
        """Keep the vectors that a call brought, with the call."""
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
        """What one text's vector is found by among answers of all kinds."""
        return blake2b(orjson.dumps(["embedding", self._model, text]), digest_size=16).hexdigest()


def _call(model: str, source: str, vectors: Mapping[str, Vector], context: RequestContext) -> Call:
    """The row that says where vectors came from which nobody was asked for."""
    now = datetime.now(UTC)
    return Call(
        phase=context.phase,
        number=context.number,
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
