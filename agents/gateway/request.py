"""One request to a model, its way through the attempts that it takes, and the row that is kept of each attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from ...personas.model import AnswerSchema, Outcome, RequestContext
from ...personas.prompt import RenderedPrompt, load_prompt
from ..endpoint.errors import RequestError
from ..endpoint.models import ServedModel
from ..endpoint.response import ModelResponse
from .call import Call, CallKey, RecordedReply, request_hash
from .capabilities import OutputMode, OutputModes, ParameterSupport, schema_instructions
from .outage import Missed
from .replies import ParsedReply

_ROOM = (__package__ or "").rpartition(".")[0]

#: Characters of an unusable answer that the model is shown again.
_SHOWN = 2000

#: Unusable answers that the model is shown together with the complaint; after any other, the same prompt is sent again.
_SHOWABLE = frozenset({Outcome.NOT_JSON, Outcome.SCHEMA_MISMATCH})


@dataclass(frozen=True, slots=True)
class Request[T]:
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

    def again(self, first: RenderedPrompt, verdict: ParsedReply[T], raw: str) -> "Request[T]":
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

    request: Request[T]
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
        request: Request[T],
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
