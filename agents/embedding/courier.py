"""One attempt at a request for vectors, under the same policy as any other call."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import orjson

from ...personas.model import AnswerSchema, Outcome, RequestContext
from ...personas.prompt import RenderedPrompt
from ..endpoint.errors import RequestError
from ..endpoint.response import ModelResponse, typed_errors
from ..gateway.call import Call
from ..gateway.courier import Carriage, Endpoint, Errand
from ..gateway.pace import Turn
from ..gateway.replies import Verdict
from ..gateway.request import Request
from .models import EmbeddingHandle
from .shelf import VectorShelf
from .texts import Snippet, halves
from .vectors import Vector, VectorReply

__all__ = ["Arrived", "EmbeddingCourier", "EmbeddingErrand"]

#: How servers say, mostly with status 500, that it is the texts which they cannot work on.
_TOO_LONG = re.compile(r"too (?:large|long)|context (?:length|size)|maximum (?:sequence|input) length", re.IGNORECASE)
_OF_THE_TEXTS = re.compile(rf"{_TOO_LONG.pattern}|\bNaN\b", re.IGNORECASE)

#: And how they say that it is their number.
_TOO_MANY = re.compile(
    r"allowed batch size|too many (?:texts|inputs)|array (?:is )?too long|at most \d+ texts", re.IGNORECASE
)

#: A text of fewer tokens is not too long for any model.
_SHORT = 128


@dataclass(frozen=True, slots=True)
class Arrived:
    """Vectors that came and are what they should be, by the hashes of their texts."""

    vectors: Mapping[str, Vector]


@dataclass(frozen=True, slots=True)
class _Sent(ModelResponse):
    """An answer of vectors; its text is a note of what they are."""

    vectors: Sequence[Vector | None] = ()


@dataclass(slots=True)
class EmbeddingErrand(Errand[Arrived]):
    """A request for vectors on its way; it may come down to a part of its texts, and the others are `left`."""

    snippets: tuple[Snippet, ...] = ()
    left: list[tuple[Snippet, ...]] = field(default_factory=list)
    #: Whether the endpoint refused it for the number of its texts.
    was_too_many: bool = False

    @classmethod
    def of(cls, model: str, snippets: tuple[Snippet, ...], context: RequestContext, *, again: int) -> "EmbeddingErrand":
        """The errand for these texts; `again` counts how often they were sent and gave no vectors."""
        request = _request(model, snippets, replace(context, seed=context.seed + again))
        return cls(request, request.key, snippets=snippets)

    def lower(self, fault: RequestError) -> bool:
        """Whether to send it again at once, in another form or with half of its texts."""
        if self.endpoint is not None and self.endpoint.handle.source.lower(fault):
            return True
        is_theirs = fault.outcome is Outcome.BAD_REQUEST or _OF_THE_TEXTS.search(fault.detail)
        if not is_theirs:
            return False
        if len(self.snippets) == 1:
            return self._shorten(fault)
        self.was_too_many |= fault.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or bool(_TOO_MANY.search(fault.detail))
        self.snippets, others = halves(self.snippets)
        self.left.append(others)
        self._begin_anew()
        return True

    def _shorten(self, fault: RequestError) -> bool:
        """Whether to send the one text again, cut to half, because the model takes none so long."""
        (snippet,) = self.snippets
        if not _TOO_LONG.search(fault.detail) or snippet.tokens < _SHORT:
            return False
        self.snippets = (snippet.first_half(),)
        self._begin_anew()
        return True

    def _begin_anew(self) -> None:
        self.request = _request(self.request.model, self.snippets, self.request.context)
        self.key, self.sent = self.request.key, 0


class EmbeddingCourier(Carriage[EmbeddingHandle]):
    """Takes requests to the endpoint of one embedding model; what comes is kept before anything is made of it."""

    def __init__(self, model: EmbeddingHandle, *, shelf: VectorShelf, **policy: Any) -> None:
        super().__init__(model, stores=(), **policy)
        self._shelf = shelf

    async def _delivered[T](
        self, errand: Errand[T], endpoint: Endpoint[EmbeddingHandle], turn: Turn | None
    ) -> ModelResponse:
        texts = [text for _, text in errand.request.prompt.messages]
        reply = await typed_errors(endpoint.handle.source.vectors(texts), within=self._timeout)
        counted = reply.input_tokens is not None
        cut = sum(snippet.is_cut for snippet in errand.snippets) if isinstance(errand, EmbeddingErrand) else 0
        return _Sent(
            raw=_note(reply, cut),
            finish_reason=None,
            input_tokens=reply.input_tokens,
            output_tokens=0 if counted else None,
            rate_limits=reply.rate_limits,
            vectors=reply.vectors,
        )

    def _judged[T](self, errand: Errand[T], endpoint: Endpoint[EmbeddingHandle], delivery: ModelResponse) -> Verdict[T]:
        try:
            arrived = errand.request.schema.validate(delivery.vectors if isinstance(delivery, _Sent) else ())
            self._shelf.fit(arrived.vectors.values() if isinstance(arrived, Arrived) else ())
        except ValueError as error:
            return Verdict(Outcome.SCHEMA_MISMATCH, reason=str(error))
        return Verdict(Outcome.OK, arrived)

    def _keep[T](self, errand: Errand[T], call: Call, verdict: Verdict[T]) -> None:
        if isinstance(verdict.value, Arrived):
            self._shelf.keep(call, verdict.value.vectors)
        else:
            super()._keep(errand, call, verdict)


def _request(model: str, snippets: Sequence[Snippet], context: RequestContext) -> Request[Arrived]:
    hashes = [snippet.hash for snippet in snippets]

    def arrived(vectors: object) -> Arrived:
        return Arrived(_checked(hashes, vectors if isinstance(vectors, Sequence) else ()))

    prompt = RenderedPrompt("embedding", 1, tuple(("user", snippet.text) for snippet in snippets))
    # Nothing is written; a limit of 0 would stand for none.
    return Request(model, prompt, AnswerSchema("vectors", {}, arrived), context, context.seed, max_tokens=1)


def _checked(hashes: Sequence[str], vectors: Sequence[Vector | None]) -> dict[str, Vector]:
    if len(vectors) != len(hashes):
        raise ValueError(f"{len(hashes)} texts were sent, and {len(vectors)} vectors came.")
    checked = {key: vector for key, vector in zip(hashes, vectors, strict=True) if vector is not None}
    if len(checked) < len(hashes):
        broken = len(hashes) - len(checked)
        raise ValueError(f"{broken} of {len(hashes)} vectors are none: no numbers, or not finite ones.")
    return checked


def _note(reply: VectorReply, cut: int) -> str:
    """What is kept as the answer's text, since the vectors have a table of their own."""
    dims = sorted({vector.size for vector in reply.vectors if vector is not None})
    note = {"vectors": len(reply.vectors), "dims": dims[0] if len(dims) == 1 else dims}
    return orjson.dumps(note | ({"cut": cut} if cut else {})).decode()
