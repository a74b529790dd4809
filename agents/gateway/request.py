"""A request to a model, the attempts at it, and the pure function that parses what the model wrote.

The same text is parsed the same way live and when it is read back from a run file, so nothing there depends on
how the endpoint was told the schema: a code fence, a `<think>` block or prose around the one JSON object is
passed over.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from ...personas.model import AnswerError, AnswerMistake, AnswerSchema, Outcome, RequestContext
from ...personas.prompt import RenderedPrompt, load_prompt
from ..endpoint.errors import RequestError, is_html
from ..endpoint.models import ServedModel
from ..endpoint.response import ModelResponse
from .call import Call, CallKey, RecordedReply, request_hash
from .capabilities import OutputMode, OutputModes, ParameterSupport, schema_instructions
from .outage import Missed

#: How much of a complaint is kept and shown to the model, and of an answer quoted in a reason, in characters.
_COMPLAINT = 1500
_QUOTED = 80

#: Why a model stopped when it did not want to answer; a response says "refusal" of an answer marked as one.
_REFUSALS = frozenset({"content_filter", "refusal"})

_OPENING = re.compile(r"[{\[]")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*+"|["{}\[\]]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ParsedReply[T]:
    """The result of parsing one answer: the value, or the outcome and the reason why it is missing."""

    outcome: Outcome
    value: T | None = None
    #: One sentence; empty when there is a value.
    reason: str = ""
    #: What to tell the model when it is asked again.
    complaint: str = ""
    #: What the schema's own check found, where that has a code.
    mistake: AnswerMistake | None = None


class _UnreadableError(Exception):
    """The text holds no JSON that could be meant."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


def judge[T](text: str, schema: AnswerSchema[T], *, finish_reason: str | None = None) -> ParsedReply[T]:
    """The verdict on what a model wrote. Never raises, whatever the text and the schema's own check."""
    if finish_reason in _REFUSALS:
        return ParsedReply(Outcome.REFUSAL, reason=f"The model refused: {_quoted(text)}.")
    length = finish_reason == "length"
    if not text.strip() and not length:
        return ParsedReply(Outcome.EMPTY, reason="The model's answer is empty.", complaint="The answer is empty.")
    try:
        parsed = _json_in(text)
    except _UnreadableError as error:
        if length:
            reason = f"The answer reached the limit of tokens, unfinished, after {len(text)} characters."
            return ParsedReply(Outcome.LENGTH, reason=reason, complaint="The answer is too long.")
        return ParsedReply(error.outcome, reason=str(error), complaint=str(error))
    return _checked(parsed, schema)


def _checked[T](parsed: object, schema: AnswerSchema[T]) -> ParsedReply[T]:
    try:
        return ParsedReply(Outcome.OK, schema.validate(parsed))
    except Exception as error:  # noqa: BLE001 - a scenario's own check may raise anything, and the answer is paid for
        complaint = _complaint(schema, error)[:_COMPLAINT]
        said = "; ".join(complaint.splitlines()).rstrip(".")
        reason = f"The answer does not fit {schema.name}: {said}."
        mistake = error.mistake if isinstance(error, AnswerError) else None
        return ParsedReply(Outcome.SCHEMA_MISMATCH, reason=reason, complaint=complaint, mistake=mistake)


def _complaint[T](schema: AnswerSchema[T], error: Exception) -> str:
    try:
        said = schema.complaint(error) if isinstance(error, ValueError) else str(error)
    except Exception:  # noqa: BLE001 - so may the text of what it raises
        said = ""
    return said or f"its check failed with {type(error).__name__}"


def _json_in(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # A model that thinks aloud begins with that; an answer that begins as JSON may well speak of it.
        return _one_object(text if text.lstrip().startswith("{") else text.rpartition("</think>")[2])


def _one_object(text: str) -> object:
    if is_html(text):
        raise _UnreadableError(Outcome.NOT_JSON, "The answer is an HTML page, not JSON.")
    found = list(_objects(text))
    if len(found) == 1:
        return found[0]
    if found:
        raise _UnreadableError(Outcome.NOT_JSON, f"The answer holds {len(found)} JSON objects where one is asked for.")
    if _is_open(text):
        raise _UnreadableError(Outcome.CUT_JSON, f"The answer's JSON ends early, after {len(text)} characters.")
    raise _UnreadableError(Outcome.NOT_JSON, f"The answer is not JSON: {_quoted(text)}.")


def _objects(text: str) -> Iterator[object]:
    for start, end in _spans(text):
        try:
            parsed = orjson.loads(text[start:end])
        except orjson.JSONDecodeError:
            continue
        if isinstance(parsed, dict):
            yield parsed


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every outermost bracketed stretch; the end of a truncated one is past the text."""
    depth = start = position = 0
    # Quotation marks of the prose around an object need not be closed: outside brackets only brackets count.
    while match := (_MARK if depth else _OPENING).search(text, position):
        mark, position = match[0], match.end()
        if mark == '"':
            break
        if mark in "{[":
            start = start if depth else match.start()
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                yield start, position
    if depth:
        yield start, len(text) + 1


def _is_open(text: str) -> bool:
    spans = list(_spans(text))
    return bool(spans) and spans[-1][1] > len(text)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _QUOTED else f"{line[:_QUOTED]}...")


_ROOM = (__package__ or "").rpartition(".")[0]

#: Characters of an unusable answer that the model is shown again.
_SHOWN = 2000

#: Unusable answers that the model is shown together with the complaint; after any other, the same prompt is sent again.
_SHOWABLE = frozenset({Outcome.NOT_JSON, Outcome.SCHEMA_MISMATCH})


@dataclass(frozen=True, slots=True)
class ModelRequest[T]:
    """What a model is asked. How the schema is sent is no part of it."""

    model: str
    prompt: RenderedPrompt
    schema: AnswerSchema[T]
    context: RequestContext
    #: The sampling seed: the context's, plus one for every further answer that is asked for.
    seed: int
    max_tokens: int
    #: Temperature and further parameters, as keyword arguments of a chat model.
    sampling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> CallKey:
        """The key under which a paid answer to this very request is found."""
        digest = request_hash(self.model, self.prompt, self.schema, self.seed, self.max_tokens, self.sampling)
        context = self.context
        return CallKey(context.phase, context.number, context.owner, digest, context.replicate, context.job)

    @property
    def is_further(self) -> bool:
        """Whether it follows an answer to an earlier request: a revision, or a request for another answer."""
        return self.seed != self.context.seed or any(role == "assistant" for role, _ in self.prompt.messages)

    def again(self, first: RenderedPrompt, verdict: ParsedReply[T], raw: str) -> "ModelRequest[T]":
        """The request for another answer than `raw`: with another seed, and the complaint where one helps.

        The complaint follows the `first` prompt, so that a conversation never holds more than one complaint.
        """
        if verdict.outcome not in _SHOWABLE:
            return replace(self, seed=self.seed + 1)
        complaint = verdict.complaint
        if verdict.outcome is Outcome.NOT_JSON:  # some endpoints take a schema and never show it to the model
            complaint = f"{complaint}\n\n{schema_instructions(self.schema.json_schema)}"
        reply = load_prompt(_ROOM, "reask").render(complaint=complaint).messages[-1][1]
        shown = raw if len(raw) <= _SHOWN else f"{raw[:_SHOWN]} [...]"
        return replace(self, seed=self.seed + 1, prompt=first.followed_by(shown, reply))


@dataclass(frozen=True, slots=True)
class Endpoint[H: ServedModel]:
    """One place where the model is served, and what is known so far of the requests that it takes."""

    number: int
    handle: H
    output_modes: OutputModes = field(default_factory=OutputModes)
    parameters: ParameterSupport = field(default_factory=ParameterSupport)


@dataclass(slots=True)
class PendingRequest[T]:
    """A request that has no answer yet, over all attempts at it."""

    request: ModelRequest[T]
    key: CallKey
    #: Attempts so far.
    sent: int = 0
    #: Of the last attempt: the endpoint, the output mode and the optional parameters.
    endpoint: Endpoint[Any] | None = None
    mode: OutputMode = OutputMode.STRICT
    arguments: Mapping[str, Any] = field(default_factory=dict)
    #: By endpoint: the output mode that this request fell back to, and the parameters that were refused.
    fallbacks: dict[int, OutputMode] = field(default_factory=dict)
    without: dict[int, frozenset[str]] = field(default_factory=dict)
    #: Whether an attempt is counted by the budget now.
    is_under_way: bool = False
    missed: Missed = field(default_factory=Missed)

    def adapt(self, fault: RequestError) -> bool:
        """Change the request to a form that the endpoint may take; False when the fault is not about its form."""
        if self.endpoint is None:
            return False
        number = self.endpoint.number
        blamed = self.endpoint.parameters.blamed(fault, self.arguments)
        if blamed is not None:
            self.without[number] = self.without.get(number, frozenset()) | {blamed}
            return True
        fallback = self.endpoint.output_modes.fallback(self.mode, fault, self.request.schema)
        if fallback is None:
            return False
        self.fallbacks[number] = fallback
        return True


@dataclass(frozen=True, slots=True)
class Attempt:
    """When one attempt at a request began."""

    key: CallKey
    number: int
    waited: float
    started: datetime

    def call[T](
        self,
        request: ModelRequest[T],
        verdict: ParsedReply[T],
        answer: ModelResponse | RecordedReply | None,
        *,
        endpoint: str | None = None,
        source: str = "endpoint",
        cost: float | None = None,
    ) -> Call:
        """The row of this attempt; `answer` is None when none came."""
        return Call(
            phase=self.key.phase,
            number=self.key.number,
            job=self.key.job,
            owner=self.key.owner,
            purpose=request.prompt.name,
            prompt_version=request.prompt.version,
            request_hash=self.key.request_hash,
            attempt=self.number,
            outcome=verdict.outcome,
            reason=verdict.reason,
            raw=answer.raw if answer else None,
            finish_reason=answer.finish_reason if answer else None,
            model=request.model,
            endpoint=endpoint,
            input_tokens=answer.input_tokens if answer else None,
            output_tokens=answer.output_tokens if answer else None,
            reasoning_tokens=answer.reasoning_tokens if answer else None,
            cached_tokens=answer.cached_tokens if answer else None,
            started_at=self.started,
            ended_at=datetime.now(UTC),
            waited=self.waited,
            replicate=self.key.replicate,
            source=source,
            cost=cost,
            sampling=orjson.dumps(request.sampling).decode() if request.sampling else None,
            role=request.context.role,
            mistake=verdict.mistake,
        )
