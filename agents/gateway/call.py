"""One attempt at the model, as the gateway reports it; and the ledger that keeps every one of them."""

# ruff: noqa: E501 - what a table and a column mean is one string

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Protocol

import orjson

from ...core.model import AnswerSchema, Outcome
from ...core.prompt import RenderedPrompt
from ..endpoint.response import ModelResponse


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
    """What requests are made of: each part once, or a few times in files of millions, however many requests share it."""

    part: Annotated[int, "63 bits of a hash of role and text", "BIGINT"]
    role: Annotated[str, "system, user, assistant, tool, or schema: the form of the answer or the tools"]
    text: Annotated[
        str, "The text: a message of the system, a paragraph or section of another one, or the form as JSON"
    ]


def split_request(messages: Iterable[tuple[str, str]], schema: str | None = None) -> tuple[RequestPart, ...]:
    """Split messages (role and text), and the schema of the answer, into parts.

    Every message except the system's is split at blank lines. What prompts share (world, persona, actions) is then a
    part of its own. To get a message back, join its consecutive parts with blank lines.
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
    """Every attempt at the model, written before its answer is parsed; and every answer taken from elsewhere."""

    # fmt: off
    phase: Annotated[str, "Part of the job, as in phases"]
    number: Annotated[int, "Hop of growth, step of the society, or 1, as in markers"]
    owner: Annotated[str, "Passage or persona (of a job on outputs, emission) on whose behalf it was made; society or hub for vectors that were fetched for many at once"]
    purpose: Annotated[str, "Name of the prompt"]
    prompt_version: Annotated[int, "Version of the prompt"]
    request_hash: Annotated[str, "128-bit hash of the whole request as it was meant"]
    attempt: Annotated[int, "1 for the first attempt at this very request"]
    outcome: Annotated[Outcome, "ok, rate_limited, server_error, dropped, unreachable, timeout, cut_json, not_json, schema_mismatch, control_characters, empty, refusal, length, auth, not_found, bad_request, model_error or too_large"]
    reason: Annotated[str, "Why the outcome is not ok; empty otherwise"]
    raw: Annotated[str | None, "The answer exactly as it came; null when none came; of embeddings a note of what came, whose vectors are in vectors"]
    finish_reason: Annotated[str | None, "Why the model stopped, in the endpoint's words"]
    model: Annotated[str, "Model asked"]
    endpoint: Annotated[str | None, "Endpoint asked, without key; null for a model in the process"]
    input_tokens: Annotated[int | None, "Tokens of the request, as the endpoint counted them; null when it did not", "BIGINT"]
    output_tokens: Annotated[int | None, "Tokens of the answer; null when not counted", "BIGINT"]
    reasoning_tokens: Annotated[int | None, "Of the output tokens, those spent on reasoning; null when not counted", "BIGINT"]
    cached_tokens: Annotated[int | None, "Of the input tokens, those the endpoint had cached; null when not counted", "BIGINT"]
    started_at: Annotated[datetime, "UTC"]
    ended_at: Annotated[datetime, "UTC"]
    waited: Annotated[float, "Seconds waited for a free slot"]
    replicate: Annotated[int, "Which of several answers to the same request it is, from 0"] = 0
    source: Annotated[str, "endpoint or batch when it was sent; cache or fork for an answer that was paid for elsewhere"] = "endpoint"
    cost: Annotated[float | None, "US dollars by the prices of the job, 0 for an answer paid for elsewhere; null when prices or tokens are not known"] = None
    job: Annotated[int, "Job, as in jobs"] = 1
    sampling: Annotated[str | None, "Temperature, top_p and further parameters that were sent, as JSON; null where the endpoint's own were used", "JSON"] = None
    role: Annotated[str, "Role that was asked: default, solver or grader; the last two are the default model where they have none of their own"] = "default"
    mistake: Annotated[str | None, "What a check found in an answer of the right form, as a code: misquotation (evidence that is not in the description) or inconsistency (a biography that contradicts what is known); null otherwise"] = None
    reasoning: Annotated[str | None, "What a reasoning model thought before it answered: no part of raw or of the answer; null where it gave none"] = None
    repair: Annotated[str | None, "What was repaired in the answer before it was parsed: LaTeX commands and other backslashes that were not escaped in JSON; empty where nothing was, null where there is no answer"] = None
    invalid_fields: Annotated[str | None, "What the endpoint sent beside the answer that has no valid value and is unknown therefore, as usage.prompt_tokens=-7; null where all of it is valid"] = None
    parts: Annotated[Sequence[int] | None, "Parts of the request as it was sent, as in request_parts; null where nothing was. The view requests has it whole", "BIGINT[]"] = None
    # fmt: on

    @property
    def key(self) -> CallKey:
        """The key under which a resumed run finds this call."""
        return CallKey(self.phase, self.number, self.owner, self.request_hash, self.replicate, self.job)


class Ledger(Protocol):
    """Keeps every call. `record` must be cheap: it may hand the row to a writer, in order, and return."""

    def keep(self, parts: Sequence[RequestPart]) -> None:
        """Keep the parts of a request that are not kept yet, with the next call that is recorded."""
        ...

    def record(self, call: Call) -> None:
        """Record one attempt, whatever its outcome. Called before its answer is parsed."""
        ...

    def recall(self, key: CallKey) -> ModelResponse | None:
        """Return the paid answer of an earlier session to this exact request, if there is one.

        It is parsed again, so that a changed parser costs no call.
        """
        ...


class AnswerStore(Protocol):
    """Answers that were paid for elsewhere: asked after the run's own ledger, and before anything is sent.

    `scope` is the endpoint's address, or "" for a model in the process: two servers may call two models by one name.
    """

    #: What is written in the rows of the answers it gives.
    source: str

    def recall(self, key: CallKey, scope: str) -> ModelResponse | None:
        """Return the answer to this exact request and replicate, if it is there."""
        ...

    def keep(self, call: Call, scope: str) -> None:
        """Record an attempt that brought an answer. Must be cheap, like `Ledger.record`."""
        ...


def request_hash(
    model: str,
    prompt: RenderedPrompt,
    schema: AnswerSchema[object],
    seed: int,
    max_tokens: int,
    sampling: Mapping[str, Any] | None = None,
) -> str:
    """Return a 128-bit hash of the whole request as intended, with its sampling if any is given.

    How the schema is sent (strict, JSON mode, in the prompt) is learnt while running and is left out.
    """
    meant: list[Any] = [model, prompt.messages, schema.name, schema.sent, seed, max_tokens]
    if sampling:
        return hashlib.blake2b(
            orjson.dumps([*meant, sampling], option=orjson.OPT_SORT_KEYS), digest_size=16
        ).hexdigest()
    return hashlib.blake2b(orjson.dumps(meant), digest_size=16).hexdigest()
