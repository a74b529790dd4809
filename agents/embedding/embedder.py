"""Embeds texts by one model; no text is paid for twice.

embed ──► has a vector, here or elsewhere? ──► it
            └──► put together into requests ──► sent as any call is: limits, retries, budget, a row for each attempt
                    ▲                                  ├──► vectors, kept before anything is made of them
                    └── in halves, what was refused ◄──┴──► no vectors: the outcome and the reason, text by text
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...personas.model import Outcome, RequestContext
from ..gateway.budget import Meter, Prices
from ..gateway.call import AnswerStore, Ledger
from ..gateway.limits import Backoff, Limits
from .client import Batching, EmbeddingClient, PendingEmbedding, Snippet, halves
from .models import EmbeddingHandle
from .vectors import ModelVectors, Vector, VectorStore, text_hash

#: How often a text is sent again on its own when its vector is none.
_REASKS = 2


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a text has no vector."""

    outcome: Outcome
    #: In one sentence.
    reason: str
    #: How often the last request with the text was sent.
    attempts: int = 0


@dataclass(slots=True)
class Embedded:
    """The vectors of a number of texts: each distinct text has one, or the reason why it is missing."""

    vectors: dict[str, Vector] = field(default_factory=dict)
    lost: dict[str, Lost] = field(default_factory=dict)
    #: Texts of which the model was shown the beginning only.
    cut: int = 0

    def matrix(self, texts: Sequence[str]) -> Vector:
        """Return the vectors of these texts as rows. Raises `KeyError` for a text that has none."""
        return np.array([self.vectors[text] for text in texts], dtype=np.float32)


class Embedder:
    """Vectors of one embedding model, under the policy that all calls are under.

    Its endpoint has a limiter and `rpm` and `tpm` of its own; the budget is the meter's, and so the run's.
    """

    def __init__(
        self,
        model: EmbeddingHandle,
        *,
        ledger: Ledger,
        store: VectorStore,
        shared: Sequence[AnswerStore] = (),
        limits: Limits | None = None,
        prices: Prices | None = None,
        meter: Meter | None = None,
        batching: Batching | None = None,
        attempts: int = 6,
        backoff: Backoff | None = None,
    ) -> None:
        """`store` is the run's, `shared` are answers of other runs.

        Raises `SetupError` for a cap on money without `prices`.
        """
        self.model = model
        self._model_vectors = ModelVectors(model.name, model.endpoint or "", store=store, shared=shared)
        self._client = EmbeddingClient(
            model,
            model_vectors=self._model_vectors,
            ledger=ledger,
            limits=limits or Limits.given(),
            prices=prices,
            meter=meter or Meter(),
            attempts=attempts,
            backoff=backoff or Backoff(),
        )
        self._batching = batching or Batching()
        #: Texts in a request that the endpoint was seen to take.
        self._most = self._batching.texts

    @property
    def name(self) -> str:
        """The model by name."""
        return self.model.name

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
        self._client.meter.recalled.update(elsewhere)
        embedded = Embedded({wanted[key]: vector for key, vector in known.items()})
        missing = {key: text for key, text in wanted.items() if key not in known}
        for key in [key for key, text in missing.items() if not text.strip()]:
            embedded.lost[missing.pop(key)] = Lost(Outcome.EMPTY, "There is no vector of an empty text.")
        await self._send(missing, context, embedded)
        return embedded

    async def aclose(self) -> None:
        """Close the model's connections. The next call opens new ones."""
        await self.model.aclose()

    async def _send(self, texts: Mapping[str, str], context: RequestContext, embedded: Embedded) -> None:
        waiting = deque(self._batching.batches(texts))

        async def work() -> None:
            while waiting:
                await self._take(waiting, texts, context, embedded)

        # What is under way when something is raised ends first: it is paid for.
        ends = await asyncio.gather(
            *(work() for _ in range(min(len(waiting), 2 * self._client.limiter.most))), return_exceptions=True
        )
        for error in ends:
            if error is not None:
                raise error

    async def _take(
        self, waiting: deque[tuple[Snippet, ...]], texts: Mapping[str, str], context: RequestContext, embedded: Embedded
    ) -> None:
        """Send one request, and put back what it left."""
        snippets = self._few_enough(waiting)
        for again in range(_REASKS + 1):
            pending = PendingEmbedding.of(self.name, snippets, context, again=again)
            verdict, _ = await self._client.answer(pending)
            waiting.extend(pending.left)
            snippets = pending.snippets
            # What one text made of a request is not to cost the others theirs.
            if verdict.outcome is not Outcome.SCHEMA_MISMATCH or len(snippets) > 1:
                break
        if verdict.value is not None:
            if pending.was_too_many:
                self._most = min(self._most, len(snippets))
            embedded.cut += sum(snippet.is_cut for snippet in snippets)
            embedded.vectors |= {texts[key]: vector for key, vector in verdict.value.vectors.items()}
        elif verdict.outcome is Outcome.SCHEMA_MISMATCH and len(snippets) > 1:
            waiting.extend(halves(snippets))
        else:
            lost = Lost(verdict.outcome, verdict.reason, pending.sent)
            embedded.lost |= {texts[snippet.hash]: lost for snippet in snippets}

    def _few_enough(self, waiting: deque[tuple[Snippet, ...]]) -> tuple[Snippet, ...]:
        """Take the texts of the next request, no more than the endpoint accepts at once."""
        snippets = waiting.popleft()
        if len(snippets) > self._most:
            waiting.appendleft(snippets[self._most :])
        return snippets[: self._most]
