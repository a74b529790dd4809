"""A request to a model, the attempts at it, and the pure function that parses what the model wrote.

The same text is parsed the same way live and when it is read back from a run file, so nothing there depends on
how the endpoint was told the schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

import orjson

from ...core.model import Answer, AnswerError, AnswerSchema, Outcome, RequestContext
from ...core.prompt import RenderedPrompt, load_prompt
from ...personas.rules.quality import find_loop
from ..endpoint.errors import RequestError
from ..endpoint.models import ServedModel
from ..endpoint.response import LOOP, ModelResponse
from .call import Call, CallKey, RequestPart, request_hash
from .capabilities import PARAMETERS, OutputMode, OutputModes, ParameterSupport, schema_instructions
from .concurrency import Slot
from .health import Missed
from .json_answer import UnreadableError, find_control_character, quote_answer, read_json_answer

#: How much of a complaint is kept and shown to the model, in characters.
_COMPLAINT = 1500
_PLAINLY = "write a backslash in a JSON string twice, and no control characters"

#: Characters of the repaired commands that are logged.
_REPAIRS = 300

#: Why a model stopped when it did not want to answer; a response says "refusal" of an answer marked as one.
_REFUSALS = frozenset({"content_filter", "refusal"})


def judge[T](text: str, schema: AnswerSchema[T], *, finish_reason: str | None = None) -> Answer[T]:
    """Judge what a model wrote. Never raises, whatever the text and the schema's own check."""
    return replace(_judge_text(text, schema, finish_reason), raw=text)


def _judge_text[T](text: str, schema: AnswerSchema[T], finish_reason: str | None) -> Answer[T]:
    if finish_reason in _REFUSALS:
        return Answer(Outcome.REFUSAL, reason=f"The model refused: {quote_answer(text)}.")
    is_cut = finish_reason in ("length", LOOP)
    if not text.strip() and not is_cut:
        return Answer(Outcome.EMPTY, reason="The model's answer is empty.", complaint="The answer is empty.")
    commands: tuple[str, ...] = ()
    try:
        parsed: object = text
        if schema.text_form is None:
            parsed, commands = read_json_answer(text)
    except UnreadableError as error:
        if is_cut:
            return _cut_answer(text, finish_reason)
        return Answer(error.outcome, reason=str(error), complaint=str(error))
    if schema.text_form is not None and is_cut:
        return _cut_answer(text, finish_reason)  # where a text ends, nothing else shows
    if found := find_control_character(parsed, text):
        return Answer(Outcome.CONTROL_CHARACTERS, reason=f"In the answer {found}.", complaint=f"{found}; {_PLAINLY}")
    return replace(_check_answer(parsed, schema), repair=_describe_repairs(commands))


def _cut_answer[T](text: str, finish_reason: str | None) -> Answer[T]:
    how = "repeated itself and was not read further" if finish_reason == LOOP else "reached the limit of tokens"
    reason = f"The answer {how}, unfinished, after {len(text)} characters."
    return Answer(Outcome.LENGTH, reason=reason)


def _describe_repairs(commands: tuple[str, ...]) -> str:
    return f"backslashes not escaped: {' '.join(commands)[:_REPAIRS]}" if commands else ""


def _check_answer[T](parsed: object, schema: AnswerSchema[T]) -> Answer[T]:
    try:
        fields = schema.text_form.read(parsed) if schema.text_form and isinstance(parsed, str) else parsed
        return Answer(Outcome.OK, schema.validate(fields))
    except Exception as error:  # noqa: BLE001 - a scenario's own check may raise anything, and the answer is paid for
        complaint = _describe_fault(schema, error)[:_COMPLAINT]
        said = "; ".join(complaint.splitlines()).rstrip(".")
        reason = f"The answer does not fit {schema.name}: {said}."
        mistake = error.mistake if isinstance(error, AnswerError) else None
        return Answer(Outcome.SCHEMA_MISMATCH, reason=reason, complaint=complaint, mistake=mistake)


def _describe_fault[T](schema: AnswerSchema[T], error: Exception) -> str:
    try:
        said = schema.complaint(error) if isinstance(error, ValueError) else str(error)
    except Exception:  # noqa: BLE001 - so may the text of what it raises
        said = ""
    return said or f"its check failed with {type(error).__name__}"


_ROOM = (__package__ or "").rpartition(".")[0]

#: Characters of an unusable answer that the model is shown again.
_SHOWN = 2000

#: Unusable answers that the model is shown together with the complaint; after any other, the same prompt is sent again.
_SHOWABLE = frozenset({Outcome.NOT_JSON, Outcome.CONTROL_CHARACTERS, Outcome.SCHEMA_MISMATCH})


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
    #: Whether it was asked before, and no usable answer came.
    is_again: bool = False

    @property
    def key(self) -> CallKey:
        """The key under which a paid answer to this very request is found."""
        digest = request_hash(self.model, self.prompt, self.schema, self.seed, self.max_tokens, self.sampling)
        context = self.context
        return CallKey(context.phase, context.number, context.owner, digest, context.replicate, context.job)

    @property
    def is_further(self) -> bool:
        """Whether it follows an answer to an earlier request: a revision, or a request for another answer."""
        return self.is_again or any(role == "assistant" for role, _ in self.prompt.messages)

    def again(self, first: RenderedPrompt, answer: Answer[T]) -> "ModelRequest[T]":
        """Build the request for another answer, with another seed, and the complaint if one helps.

        The complaint follows the `first` prompt, so that a conversation never holds more than one complaint. An
        answer that was cut is allowed twice as many tokens, unless it repeats itself.
        """
        if answer.outcome is Outcome.LENGTH and not find_loop(answer.raw):
            return replace(self, max_tokens=2 * self.max_tokens, is_again=True)
        if answer.outcome not in _SHOWABLE:
            return replace(self, seed=self.seed + 1, is_again=True)
        complaint = answer.complaint
        if answer.outcome is Outcome.NOT_JSON:  # some endpoints take a schema and never show it to the model
            complaint = f"{complaint}\n\n{schema_instructions(self.schema.json_schema)}"
        asking = "reask" if self.schema.text_form is None else "reask_text"
        reply = load_prompt(_ROOM, asking).render(complaint=complaint).messages[-1][1]
        shown = answer.raw if len(answer.raw) <= _SHOWN else f"{answer.raw[:_SHOWN]} [...]"
        return replace(self, seed=self.seed + 1, prompt=first.followed_by(shown, reply), is_again=True)


@dataclass(frozen=True, slots=True)
class Endpoint[H: ServedModel[Any]]:
    """One place where the model is served, and what is known so far of the requests that it takes."""

    number: int
    handle: H
    output_modes: OutputModes = field(default_factory=OutputModes)
    parameters: ParameterSupport = field(default_factory=ParameterSupport)

    @classmethod
    def open(cls, number: int, handle: H) -> Self:
        """Open the endpoint of a model. If the model takes no parameters, that is known from the start."""
        if getattr(handle, "takes_parameters", True):
            return cls(number, handle, OutputModes(takes_all=getattr(handle.served, "takes_tasks", False)))
        parameters = ParameterSupport()
        parameters.learn(PARAMETERS)
        return cls(number, handle, OutputModes(OutputMode.PROMPT), parameters)


@dataclass(slots=True)
class PendingRequest[T]:
    """A request that has no answer yet, over all attempts at it."""

    request: ModelRequest[T]
    key: CallKey
    #: Attempts so far.
    sent: int = 0
    #: Of the last attempt: the endpoint, the slot (None in a batch), the seconds waited for it, when it began, the
    #: output mode, the bounds left out and the optional parameters.
    endpoint: Endpoint[Any] | None = None
    slot: Slot | None = None
    waited: float = 0.0
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    mode: OutputMode = OutputMode.STRICT
    left_out: frozenset[str] = frozenset()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    #: By endpoint: the output mode that this request fell back to, and the parameters that were refused.
    fallbacks: dict[int, OutputMode] = field(default_factory=dict)
    without: dict[int, frozenset[str]] = field(default_factory=dict)
    #: Of the attempt that is under way: whether it was sent, its row and its parts.
    is_sent: bool = False
    call: Call | None = None
    parts: Sequence[RequestPart] = ()
    missed: Missed = field(default_factory=Missed)
    #: Replies so far that held no answer, without a reason.
    empty: int = 0

    @property
    def is_divisible(self) -> bool:
        """Whether a part of it can be sent, to which `adapt` reduces it."""
        return False

    def adapt(self, fault: RequestError) -> bool:
        """Change the request to a form that the endpoint may take. Return False if the fault is not about its form."""
        if self.endpoint is None:
            return False
        number = self.endpoint.number
        parameters = self.endpoint.parameters
        blamed = parameters.find_blamed(fault, self.arguments)
        if blamed is None:
            fallback = self.endpoint.output_modes.choose_fallback(self.mode, fault, self.request.schema, self.left_out)
            if fallback is not None:
                self.fallbacks[number] = fallback
                return True
            if not parameters.may_refuse_stream(fault, self.arguments):
                return False
            blamed = "stream"
            self.fallbacks.pop(number, None)  # no form was to blame
        self.without[number] = self.without.get(number, frozenset()) | {blamed}
        return True

    def build_call(
        self,
        answer: Answer[T],
        reply: ModelResponse | None,
        *,
        source: str = "endpoint",
        cost: float | None = None,
        has_answer: bool = True,
    ) -> Call:
        """Build the row of the last attempt.

        `reply` is None if none came. Without `has_answer`, only its tokens count.
        """
        return Call(
            **asdict(self.key),
            purpose=self.request.prompt.name,
            prompt_version=self.request.prompt.version,
            attempt=self.sent,
            outcome=answer.outcome,
            reason=answer.reason,
            raw=reply.raw if reply and has_answer else None,
            reasoning=reply.reasoning if reply else None,
            repair=answer.repair if reply and has_answer else None,
            finish_reason=reply.finish_reason if reply else None,
            model=self.request.model,
            endpoint=self.endpoint.handle.endpoint if self.endpoint else None,
            input_tokens=reply.input_tokens if reply else None,
            output_tokens=reply.output_tokens if reply else None,
            reasoning_tokens=reply.reasoning_tokens if reply else None,
            cached_tokens=reply.cached_tokens if reply else None,
            started_at=self.started,
            ended_at=datetime.now(UTC),
            waited=self.waited,
            source=source,
            cost=cost,
            sampling=orjson.dumps(self.request.sampling).decode() if self.request.sampling else None,
            role=self.request.context.role,
            mistake=answer.mistake,
            invalid_fields=(", ".join(reply.invalid_fields) or None) if reply else None,
            parts=[one.part for one in self.parts] or None,
        )
