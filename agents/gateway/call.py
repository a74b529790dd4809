"""One attempt at the model, as the gateway reports it; and the ledger that keeps every one of them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import orjson

from ...personas.model import AnswerSchema, Outcome
from ...personas.prompt import RenderedPrompt


@dataclass(frozen=True, slots=True)
class CallKey:
    """What a paid answer is found again by: the context and the whole request."""

    phase: str
    number: int
    owner: str
    request_hash: str
    replicate: int = 0
    job: int = 1


@dataclass(frozen=True, slots=True)
class RequestPart:
    """A part of the messages of requests, which many share: a row of `request_parts`."""

    #: 63 bits of a hash of the role and the text.
    part: int
    #: system, user, assistant, tool, or schema for the form of the answer that was asked for, or the tools.
    role: str
    text: str


def split_request(messages: Iterable[tuple[str, str]], schema: str | None = None) -> tuple[RequestPart, ...]:
    """The parts of messages (role and text), and of the schema of the answer.

    A message but the system's is split at blank lines, so that what prompts share (world, persona, actions) is a part
    of its own. Joined by blank lines, parts of one role in a row are the message.
    """
    parts = [
        (role, text)
        for role, message in messages
        for text in ((message,) if role == "system" else message.split("\n\n"))
    ]
    return tuple([_part_of(*one) for one in (parts if schema is None else [*parts, ("schema", schema)])])


# Most parts of a request are those of the requests before it.
@lru_cache(maxsize=256)
def _part_of(role: str, text: str) -> RequestPart:
    digest = hashlib.blake2b(f"{role}\0{text}".encode(errors="surrogatepass"), digest_size=8).digest()
    return RequestPart(int.from_bytes(digest) >> 1, role, text)


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
    #: Why the outcome is not `ok`, with what the model had written where it was cut; empty otherwise.
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
    #: Which of several answers to the same request this is.
    replicate: int = 0
    #: Where the answer came from: "endpoint", "batch", or a store of answers paid for elsewhere ("cache", "fork").
    source: str = "endpoint"
    #: US dollars by the run's prices; None when there are none, or when the tokens are not known.
    cost: float | None = None
    #: The job on whose behalf the call was made, as numbered in its run file.
    job: int = 1
    #: Temperature and other sampling parameters that were sent, as JSON; None where none were.
    sampling: str | None = None
    #: The role that was asked, as in `RequestContext`.
    role: str = "default"
    #: The code of what the check of the answer found, as in `AnswerMistake`; None where it has none.
    mistake: str | None = None
    #: What a reasoning model thought before it answered, apart from `raw`; None where it gave none.
    reasoning: str | None = None
    #: What was repaired in the answer before it was parsed; empty for nothing, None where there is no answer.
    repair: str | None = None
    #: What the endpoint sent beside the answer that has no valid value (`usage.input_tokens=-7`); None where all had.
    invalid_fields: str | None = None
    #: The parts of the request as it was sent, in their order; None where nothing was sent.
    parts: Sequence[int] | None = None

    @property
    def key(self) -> CallKey:
        """The key under which a resumed run finds this call."""
        return CallKey(self.phase, self.number, self.owner, self.request_hash, self.replicate, self.job)


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """A paid answer, read back from a ledger and parsed again, so that a changed parser costs no call."""

    raw: str
    finish_reason: str | None
    #: Tokens that were paid for it then, as the endpoint counted them.
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    #: What a reasoning model thought before it answered.
    reasoning: str | None = None


class Ledger(Protocol):
    """Keeps every call. `record` must be cheap: it may hand the row to a writer, in order, and return."""

    def keep(self, parts: Sequence[RequestPart]) -> None:
        """Keep those parts of a request that are not kept yet, with the next call that is recorded."""
        ...

    def record(self, call: Call) -> None:
        """Keep one attempt, whatever its outcome. Called before its answer is parsed."""
        ...

    def recall(self, key: CallKey) -> RecordedReply | None:
        """The paid answer of an earlier session to this very request, if there is one."""
        ...


class AnswerStore(Protocol):
    """Answers that were paid for elsewhere: asked after the run's own ledger, and before anything is sent.

    `scope` is the endpoint's address, or "" for a model in the process: two servers may call two models by one name.
    """

    #: What is written in the rows of the answers it gives.
    source: str

    def recall(self, key: CallKey, scope: str) -> RecordedReply | None:
        """The answer to this very request and replicate, if it is there."""
        ...

    def keep(self, call: Call, scope: str) -> None:
        """Take note of an attempt that brought an answer. Must be cheap, as `Ledger.record`."""
        ...


def request_hash(
    model: str,
    prompt: RenderedPrompt,
    schema: AnswerSchema[object],
    seed: int,
    max_tokens: int,
    sampling: Mapping[str, Any] | None = None,
) -> str:
    """A 128-bit hash over the whole request as it is meant, its sampling included where any is given.

    How the schema is sent (strict, JSON mode, in the prompt) is learnt while running and is left out.
    """
    meant: list[Any] = [model, prompt.messages, schema.name, schema.sent, seed, max_tokens]
    if sampling:
        return hashlib.blake2b(
            orjson.dumps([*meant, sampling], option=orjson.OPT_SORT_KEYS), digest_size=16
        ).hexdigest()
    return hashlib.blake2b(orjson.dumps(meant), digest_size=16).hexdigest()
