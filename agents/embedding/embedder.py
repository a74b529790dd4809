"""Embeds texts by one model; no text is paid for twice.

embed ──► has a vector, here or elsewhere? ──► it
            └──► put together into requests ──► sent as any call is: limits, retries, budget, a row for each attempt
                    ▲                                  ├──► vectors, kept before anything is made of them
                    └── in halves, what was refused ◄──┴──► no vectors: the outcome and the reason, text by text
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, ClassVar, Unpack

import numpy as np
import orjson

from ...core.model import Answer, Outcome, RequestContext
from ..endpoint.errors import RequestError
from ..endpoint.response import ModelResponse, typed_errors
from ..gateway.call import AnswerStore, Call
from ..gateway.client import CallPolicy, ModelClient
from ..gateway.request import Endpoint, ModelRequest, PendingRequest
from .models import EmbeddingHandle
from .vectors import ModelVectors, Vector, VectorReply, VectorStore, build_request, text_hash

#: Bytes of UTF-8 that are reckoned as one token: prose has four and more, other scripts and code have less.
_BYTES = 3


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text as it is sent, by the hash of the whole."""

    hash: str
    text: str
    #: Whether some of it was left out.
    is_cut: bool = False

    @property
    def tokens(self) -> int:
        """About how many tokens it has, reckoned on the safe side."""
        return -(-len(self.text.encode("utf-8", "replace")) // _BYTES)


@dataclass(frozen=True, slots=True)
class Batching:
    """How much one request holds at most; tokens are estimated on the safe side."""

    texts: int = 256
    tokens: int = 8_000
    #: Tokens of one text; what is longer is cut.
    longest: int = 8_191

    def batches(self, texts: Mapping[str, str]) -> Iterator[tuple[Snippet, ...]]:
        """Yield the texts, given by their hashes, in requests. A text that is too long for the others goes alone."""
        batch: list[Snippet] = []
        tokens = 0
        for snippet in self._cut_texts(texts.items()):
            if batch and (len(batch) == self.texts or tokens + snippet.tokens > self.tokens):
                yield tuple(batch)
                batch, tokens = [], 0
            batch.append(snippet)
            tokens += snippet.tokens
        if batch:
            yield tuple(batch)

    def _cut_texts(self, texts: Iterable[tuple[str, str]]) -> Iterator[Snippet]:
        most = self.longest * _BYTES
        for key, text in texts:
            data = text.encode("utf-8", "replace")
            yield (
                Snippet(key, data.decode()) if len(data) <= most else Snippet(key, _cut_head(data[:most]), is_cut=True)
            )


def _cut_head(data: bytes) -> str:
    """Cut the text after its last whole word, or after a whole character if it has no spaces."""
    text = data.decode(errors="ignore")
    border = max(text.rfind(" "), text.rfind("\n"))
    return text[:border] if border > len(text) // 2 else text


def split_request(snippets: Sequence[Snippet]) -> tuple[tuple[Snippet, ...], tuple[Snippet, ...]]:
    """Split one request into two, the shorter texts first. The text that was too much is likely in the second."""
    ordered = sorted(snippets, key=lambda snippet: snippet.tokens)
    middle = len(ordered) // 2
    return tuple(ordered[:middle]), tuple(ordered[middle:])


#: How servers say, mostly with status 500, that it is the texts which they cannot work on.
_TOO_LONG = re.compile(r"too (?:large|long)|context (?:length|size)|maximum (?:sequence|input) length", re.IGNORECASE)
_OF_THE_TEXTS = re.compile(rf"{_TOO_LONG.pattern}|\bNaN\b", re.IGNORECASE)

#: And how they say that it is their number.
_TOO_MANY = re.compile(
    r"allowed batch size|too many (?:texts|inputs)|array (?:is )?too long|at most \d+ texts", re.IGNORECASE
)

#: A text of fewer tokens is not too long for any model.
_SHORT = 128


#: The vectors that came and are what they should be, by the hashes of their texts.
type ReceivedVectors = dict[str, Vector]


@dataclass(slots=True)
class PendingEmbedding(PendingRequest[ReceivedVectors]):
    """A request for vectors; it may be reduced to a part of its texts, and the others are `left`."""

    snippets: tuple[Snippet, ...] = ()
    left: list[tuple[Snippet, ...]] = field(default_factory=list)
    #: Whether the endpoint refused it for the number of its texts.
    was_too_many: bool = False

    @classmethod
    def of(
        cls, model: str, snippets: tuple[Snippet, ...], context: RequestContext, *, again: int
    ) -> "PendingEmbedding":
        """Build the request for these texts. `again` counts how often they were sent without getting vectors."""
        request = _make_request(model, snippets, replace(context, seed=context.seed + again))
        return cls(request, request.key, snippets=snippets)

    @property
    def is_divisible(self) -> bool:
        """Whether it has several texts."""
        return len(self.snippets) > 1

    def adapt(self, fault: RequestError) -> bool:
        """Change the request to another encoding or to half of its texts. Return False if neither would help."""
        if self.endpoint is not None and self.endpoint.handle.served.adapt(fault):
            return True
        is_theirs = fault.outcome in (Outcome.BAD_REQUEST, Outcome.TOO_LARGE) or _OF_THE_TEXTS.search(fault.detail)
        if not is_theirs:
            return False
        if len(self.snippets) == 1:
            return self._shorten_text(fault)
        self.was_too_many |= fault.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or bool(_TOO_MANY.search(fault.detail))
        self.snippets, others = split_request(self.snippets)
        self.left.append(others)
        self._begin_anew()
        return True

    def _shorten_text(self, fault: RequestError) -> bool:
        """Cut a single text to half if the model does not take one so long. Return whether to send it again."""
        (snippet,) = self.snippets
        if not _TOO_LONG.search(fault.detail) or snippet.tokens < _SHORT:
            return False
        data = snippet.text.encode("utf-8", "replace")
        self.snippets = (replace(snippet, text=_cut_head(data[: len(data) // 2]), is_cut=True),)
        self._begin_anew()
        return True

    def _begin_anew(self) -> None:
        self.request = _make_request(self.request.model, self.snippets, self.request.context)
        self.key, self.sent = self.request.key, 0


def _make_request(model: str, snippets: Sequence[Snippet], context: RequestContext) -> ModelRequest[ReceivedVectors]:
    hashes = [snippet.hash for snippet in snippets]

    def check_arrived(vectors: object) -> ReceivedVectors:
        return _check_vectors(hashes, vectors if isinstance(vectors, Sequence) else ())

    return build_request(model, (snippet.text for snippet in snippets), check_arrived, context)


def _check_vectors(hashes: Sequence[str], vectors: Sequence[Vector | None]) -> dict[str, Vector]:
    if len(vectors) != len(hashes):
        raise ValueError(f"{len(hashes)} texts were sent, and {len(vectors)} vectors came.")
    checked = {key: vector for key, vector in zip(hashes, vectors, strict=True) if vector is not None}
    if len(checked) < len(hashes):
        broken = len(hashes) - len(checked)
        raise ValueError(f"{broken} of {len(hashes)} vectors are none: no numbers, or not finite ones.")
    return checked


def _note_vectors(reply: VectorReply, cut: int) -> str:
    """Return what is kept as the answer's text, since the vectors have a table of their own."""
    dims = sorted({vector.size for vector in reply.vectors if vector is not None})
    note = {"vectors": len(reply.vectors), "dims": dims[0] if len(dims) == 1 else dims}
    return orjson.dumps(note | ({"cut": cut} if cut else {})).decode()


#: How often a text is sent again on its own when its vector is none.
_REASKS = 2


@dataclass(slots=True)
class Embedded:
    """The vectors of a number of texts: each distinct text has one, or the reason why it is missing."""

    vectors: dict[str, Vector] = field(default_factory=dict)
    lost: dict[str, Answer[Any]] = field(default_factory=dict)
    #: Texts of which the model was shown the beginning only.
    cut: int = 0

    def matrix(self, texts: Sequence[str]) -> Vector:
        """Return the vectors of these texts as rows. Raises `KeyError` for a text that has none."""
        return np.array([self.vectors[text] for text in texts], dtype=np.float32)


class Embedder(ModelClient[EmbeddingHandle]):
    """Vectors of one embedding model, kept before anything is made of them, under the policy of all calls.

    Its endpoint has a limiter and `rpm` and `tpm` of its own; the budget is the meter's, and so the run's.
    """

    address_named: ClassVar[str] = "embeddings_url"

    def __init__(
        self,
        model: EmbeddingHandle,
        *,
        store: VectorStore,
        shared: Sequence[AnswerStore] = (),
        batching: Batching | None = None,
        **policy: Unpack[CallPolicy],
    ) -> None:
        """`store` is the run's, and `shared` are answers of other runs."""
        super().__init__(model, **policy)
        self._model_vectors = ModelVectors(model.name, model.endpoint or "", store=store, shared=shared)
        self._batching = batching or Batching()
        #: Texts in a request that the endpoint was seen to take.
        self._most = self._batching.texts

    @property
    def dims(self) -> int | None:
        """Numbers in a vector; None until there is one."""
        return self._model_vectors.dims

    async def embed(self, texts: Iterable[str], context: RequestContext) -> Embedded:
        """Return the vectors of these texts. Send equal texts once, and skip those that already have a vector.

        Raises `EndpointError` if no text can get one. Raises `PausedError` if the budget is spent or too many calls
        fail.
        """
        wanted = {text_hash(text): text for text in texts}
        known, elsewhere = self._model_vectors.known(wanted, context)
        self.meter.recalled.update(elsewhere)
        embedded = Embedded({wanted[key]: vector for key, vector in known.items()})
        missing = {key: text for key, text in wanted.items() if key not in known}
        for key in [key for key, text in missing.items() if not text.strip()]:
            reason = "There is no vector of an empty text."
            embedded.lost[missing.pop(key)] = Answer(Outcome.EMPTY, reason=reason, attempts=0)
        await self._send_texts(missing, context, embedded)
        return embedded

    async def _send_texts(self, texts: Mapping[str, str], context: RequestContext, embedded: Embedded) -> None:
        waiting = deque(self._batching.batches(texts))

        async def send_waiting() -> None:
            while waiting:
                await self._take_request(waiting, texts, context, embedded)

        # What is under way when something is raised ends first: it is paid for.
        ends = await asyncio.gather(
            *(send_waiting() for _ in range(min(len(waiting), 2 * self.limiter.most))), return_exceptions=True
        )
        for error in ends:
            if error is not None:
                raise error

    async def _take_request(
        self, waiting: deque[tuple[Snippet, ...]], texts: Mapping[str, str], context: RequestContext, embedded: Embedded
    ) -> None:
        """Send one request, and put back what it left."""
        snippets = self._few_enough(waiting)
        for again in range(_REASKS + 1):
            pending = PendingEmbedding.of(self.name, snippets, context, again=again)
            answer = await self.answer(pending)
            waiting.extend(pending.left)
            snippets = pending.snippets
            # What one text made of a request is not to cost the others theirs.
            if answer.outcome is not Outcome.SCHEMA_MISMATCH or len(snippets) > 1:
                break
        if answer.value is not None:
            if pending.was_too_many:
                self._most = min(self._most, len(snippets))
            embedded.cut += sum(snippet.is_cut for snippet in snippets)
            embedded.vectors |= {texts[key]: vector for key, vector in answer.value.items()}
        elif answer.outcome is Outcome.SCHEMA_MISMATCH and len(snippets) > 1:
            waiting.extend(split_request(snippets))
        else:
            lost = replace(answer, attempts=pending.sent)
            embedded.lost |= {texts[snippet.hash]: lost for snippet in snippets}

    def _few_enough(self, waiting: deque[tuple[Snippet, ...]]) -> tuple[Snippet, ...]:
        """Take the texts of the next request, no more than the endpoint accepts at once."""
        snippets = waiting.popleft()
        if len(snippets) > self._most:
            waiting.appendleft(snippets[self._most :])
        return snippets[: self._most]

    async def _respond[T](self, pending: PendingRequest[T], endpoint: Endpoint[EmbeddingHandle]) -> ModelResponse:
        texts = [text for _, text in pending.request.prompt.messages]
        reply = await typed_errors(endpoint.handle.served.vectors(texts), within=self._timeout)
        cut = sum(snippet.is_cut for snippet in pending.snippets) if isinstance(pending, PendingEmbedding) else 0
        return replace(reply, raw=_note_vectors(reply, cut), output_tokens=None if reply.input_tokens is None else 0)

    def _judge[T](
        self, pending: PendingRequest[T], endpoint: Endpoint[EmbeddingHandle], response: ModelResponse
    ) -> Answer[T]:
        try:
            arrived = pending.request.schema.validate(response.vectors if isinstance(response, VectorReply) else ())
            self._model_vectors.fit(arrived.values() if isinstance(arrived, dict) else ())
        except ValueError as error:
            return Answer(Outcome.SCHEMA_MISMATCH, reason=str(error))
        return Answer(Outcome.OK, arrived)

    def _keep[T](self, pending: PendingRequest[T], call: Call, answer: Answer[T]) -> None:
        if isinstance(answer.value, dict):
            self._model_vectors.keep(call, answer.value)
        else:
            super()._keep(pending, call, answer)
