"""One attempt at the model, as the gateway reports it; and the ledger that keeps every one of them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from ..personas.model import AnswerSchema, Outcome
from ..personas.prompt import RenderedPrompt

__all__ = ["Call", "CallKey", "Ledger", "RecordedReply", "request_hash"]


@dataclass(frozen=True, slots=True)
class CallKey:
    """What a paid answer is found again by: the occasion and the whole request."""

    phase: str
    number: int
    owner: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt: a row of `calls`. Times are UTC; tokens are the endpoint's own count, None where it gave none."""

    #: "growth" or "step", and the hop or step within it.
    phase: str
    number: int
    #: Passage or persona on whose behalf the call was made.
    owner: str
    #: What the call was for: the name of its prompt.
    purpose: str
    prompt_version: int
    request_hash: str
    #: 1 for the first attempt at this very request.
    attempt: int
    outcome: Outcome
    #: Why the outcome is not `ok`; empty otherwise.
    reason: str
    #: The model's text (or refusal) exactly as it came; None when nothing came that was paid for.
    raw: str | None
    finish_reason: str | None
    model: str
    endpoint: str | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    started_at: datetime
    ended_at: datetime
    #: Seconds waited for a slot before it started.
    waited: float

    @property
    def key(self) -> CallKey:
        """The key under which a resumed run finds this call."""
        return CallKey(self.phase, self.number, self.owner, self.request_hash)


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """A paid answer, read back from a ledger and judged anew: so changing a parser costs no call."""

    raw: str
    finish_reason: str | None


class Ledger(Protocol):
    """Keeps every call. `record` must be cheap: it may hand the row to a writer, in order, and return."""

    def record(self, call: Call) -> None:
        """Keep one attempt, whatever became of it. Called before anything is made of its answer."""
        ...

    def recall(self, key: CallKey) -> RecordedReply | None:
        """The paid answer of an earlier session to this very request, if there is one."""
        ...


def request_hash(model: str, prompt: RenderedPrompt, schema: AnswerSchema[object], seed: int, max_tokens: int) -> str:
    """A 128-bit hash over the whole request as it is meant.

    How an endpoint is told the schema (strict, JSON mode, in the prompt) is learnt while running and is left out.
    """
    meant = [model, prompt.messages, schema.name, schema.json_schema, seed, max_tokens]
    return hashlib.blake2b(orjson.dumps(meant), digest_size=16).hexdigest()
