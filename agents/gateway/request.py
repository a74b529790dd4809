"""One request as it is meant, and the row that is kept of each attempt at it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ...personas.model import AnswerSchema, Outcome, RequestContext
from ...personas.prompt import RenderedPrompt, load_prompt
from ..endpoint.response import ModelResponse
from .call import Call, CallKey, RecordedReply, request_hash
from .form import form_text
from .replies import Verdict

__all__ = ["Attempt", "Request"]

_ROOM = (__package__ or "").rpartition(".")[0]

#: How much of an unusable answer the model is shown again, in characters.
_SHOWN = 2000

#: Unusable answers that the model is shown, with the complaint; after the others the same is asked once more.
_SHOWABLE = frozenset({Outcome.NOT_JSON, Outcome.SCHEMA_MISMATCH})


@dataclass(frozen=True, slots=True)
class Request[T]:
    """What is asked of which model; how an endpoint is told the schema is no part of it."""

    model: str
    prompt: RenderedPrompt
    schema: AnswerSchema[T]
    context: RequestContext
    #: The sampling seed: the context's, and one more for every time another answer is asked for.
    seed: int
    max_tokens: int

    @property
    def key(self) -> CallKey:
        """What a paid answer to this very request is found by."""
        digest = request_hash(self.model, self.prompt, self.schema, self.seed, self.max_tokens)
        context = self.context
        return CallKey(context.phase, context.number, context.owner, digest, context.replicate)

    def again(self, first: RenderedPrompt, verdict: Verdict[T], raw: str) -> "Request[T]":
        """The request for another answer than `raw`: another seed, and the complaint where one helps.

        The complaint follows the `first` prompt, so that a conversation never grows beyond one complaint.
        """
        if verdict.outcome not in _SHOWABLE:
            return replace(self, seed=self.seed + 1)
        complaint = verdict.complaint
        if verdict.outcome is Outcome.NOT_JSON:  # there are endpoints that take a schema and never show it
            complaint = f"{complaint}\n\n{form_text(self.schema.json_schema)}"
        reply = load_prompt(_ROOM, "reask").render(complaint=complaint).messages[-1][1]
        shown = raw if len(raw) <= _SHOWN else f"{raw[:_SHOWN]} [...]"
        return replace(self, seed=self.seed + 1, prompt=first.followed_by(shown, reply))


@dataclass(frozen=True, slots=True)
class Attempt:
    """When one attempt at a request was made, before anything is known of its end."""

    key: CallKey
    number: int
    waited: float
    started: datetime

    def call[T](
        self,
        request: Request[T],
        verdict: Verdict[T],
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
        )
