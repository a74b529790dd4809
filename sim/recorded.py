"""What a replay runs on: models that are never asked, and a gateway and vectors that answer from the recording."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import orjson
from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.embedding.embedder import Embedded
from ..agents.embedding.models import EmbeddingHandle
from ..agents.embedding.vectors import text_hash
from ..agents.endpoint.errors import RequestError
from ..agents.endpoint.models import ModelHandle
from ..agents.gateway.budget import Meter
from ..agents.gateway.call import Call, CallKey, RecordedReply
from ..agents.gateway.gateway import Gateway
from ..agents.gateway.limits import Limits
from ..agents.gateway.replies import ParsedReply, judge
from ..agents.gateway.request import Request
from ..personas.errors import RunError
from ..personas.model import Answer, AnswerSchema, Outcome, RequestContext
from ..personas.prompt import RenderedPrompt
from .recall import PURPOSE, EmbeddingRecall
from .runfile.ledger import KNOWN_VECTORS
from .runfile.recording import Marker, Recording
from .runfile.rows import FailureRow, RunRow
from .versions import versions

__all__ = [
    "RecordedEmbedder",
    "RecordedGateway",
    "RecordingEndedError",
    "recorded_embeddings",
    "recorded_model",
    "recorded_recall",
    "recorded_roles",
    "since_then",
]


class RecordedModel(BaseChatModel):
    """A chat model that raises `RunError` whenever it is asked: a replay has all its answers already."""

    @property
    def _llm_type(self) -> str:
        return "recorded"

    def _generate(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RunError(
            "A replay asks no model, and something asked one; let minds ask through the model they are given, which "
            "answers from the run."
        )


def recorded_model(run: RunRow) -> ModelHandle:
    """A handle with the name of the run's model, so that requests and rows are the same; it needs no key."""
    return ModelHandle(run.model, RecordedModel(), run.base_url, run.is_language_model)


def recorded_roles(run: RunRow) -> dict[str, ModelHandle]:
    """The same for the models of the roles that had their own."""
    return {
        role: ModelHandle(one["model"], RecordedModel(), " ".join(one["base_url"]) or None)
        for role, one in orjson.loads(run.roles or "{}").items()
    }


class _RecordedSource:
    async def vectors(self, texts: Sequence[str]) -> NoReturn:
        raise RunError("A replay asks no embedding model, and something asked one.")

    def adapt(self, fault: RequestError) -> bool:
        return False

    async def aclose(self) -> None:
        """Nothing is open."""


def recorded_embeddings(run: RunRow) -> EmbeddingHandle | None:
    """The same for the run's embedding model, if it had one."""
    if run.embedding_model is None:
        return None
    return EmbeddingHandle(run.embedding_model, _RecordedSource(), run.embedding_url)


class RecordingEndedError(RunError):
    """The replay has reached the point where the run was stopped."""


class RecordedGateway(Gateway):
    """Answers from a recording. Answers are judged anew, and what was never answered fails as it failed then."""

    def __init__(
        self,
        model: ModelHandle,
        recording: Recording,
        *,
        answer_tokens: int,
        roles: Mapping[str, ModelHandle] | None = None,
        meter: Meter | None = None,
    ) -> None:
        limits = Limits.model_validate_json(recording.run.limits) if recording.run.limits else None
        meter = meter or Meter()
        by_role = {
            role: RecordedGateway(one, recording, answer_tokens=answer_tokens, meter=meter)
            for role, one in (roles or {}).items()
        }
        super().__init__(
            model, ledger=_Nothing(), limits=limits, answer_tokens=answer_tokens, meter=meter, roles=by_role
        )
        self._recording = recording

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """The answer, or the outcome and reason, that the run had.

        Raises `RunError` for a request that the run never made, `RecordingEndedError` behind its last complete step.
        """
        if (other := self.roles.get(context.role)) is not None:
            return await other.ask(prompt, schema, context)
        await asyncio.sleep(0)  # lets a cancelled replay stop
        self._check_recorded(context)
        request = self.request(prompt, schema, context)
        if not self._recording.knows(request.key):
            raise self._stray(prompt, context)
        verdict, raw, attempts = self._ended(request)
        # Whether another answer was asked for is said by the record, whatever the gateway's policy was then.
        while verdict.value is None and raw is not None:
            request = request.again(prompt, verdict, raw)
            if not self._recording.knows(request.key):
                break
            verdict, raw, more = self._ended(request)
            attempts += more
        return Answer(verdict.outcome, verdict.value, verdict.reason, attempts, raw or "")

    def _ended[T](self, request: Request[T]) -> tuple[ParsedReply[T], str | None, int]:
        end = self._recording.end(request.key)
        self.meter.recalled["ledger"] += 1
        if end.raw is not None:
            return judge(end.raw, request.schema, finish_reason=end.finish_reason), end.raw, end.attempts
        # Without an answer that is an answer the endpoint itself could not read: another one was asked for.
        spoiled = "" if end.outcome is Outcome.CUT_JSON else None
        return ParsedReply(end.outcome, reason=end.reason), spoiled, end.attempts

    def _check_recorded(self, context: RequestContext) -> None:
        # Of what was never completed there may be answers, and nothing that they could be compared with.
        if not self._recording.covers(context.phase, context.number):
            last = self._recording.markers[-1].where
            raise RecordingEndedError(f"The replay ends behind {last}, where the run was stopped.")

    def _stray(self, prompt: RenderedPrompt, context: RequestContext) -> RunError:
        recording = self._recording
        where = Marker(context.phase, context.number, "").where
        return RunError(
            f"In {where} the replay asks for {context.owner} (prompt {prompt.name}@{prompt.version}) something that "
            f"the run in {str(recording.path)!r} never asked: the prompt, the scenario or Populace has changed since "
            f"({since_then(orjson.loads(recording.run.versions))}); replay it with those that it was made with."
        )


class _Nothing:
    """The ledger of a gateway that makes no call."""

    def record(self, call: Call) -> None:
        raise RunError(f"A replay makes no call, and one was made for {call.owner} (prompt {call.purpose}).")

    def recall(self, key: CallKey) -> RecordedReply | None:
        return None


def since_then(then: Mapping[str, str]) -> str:
    """The versions that made a run beside those of now, where they differ."""
    now = versions()
    changed = [
        f"{name} {then.get(name, 'none')} then and {now[name]} now" for name in now if then.get(name) != now[name]
    ]
    return ", ".join(changed) or f"populace {now['populace']} and all libraries as they were"


_FAILED = "WHERE phase = 'step' AND number = $number AND purpose = $purpose"


class RecordedEmbedder:
    """Gives each text the vector that the run had, and asks nobody."""

    def __init__(self, recording: Recording, model: str) -> None:
        self._recording = recording
        self._model = model

    async def embed(self, texts: Iterable[str], context: RequestContext) -> Embedded:
        """The recorded vectors. Raises `RunError` for a text that the run had none of."""
        wanted = {text_hash(text): text for text in texts}
        found = self._recording.query(KNOWN_VECTORS, {"model": self._model, "hashes": list(wanted)})
        vectors = {wanted[key]: np.array(vector, dtype=np.float32) for key, vector in found}
        missing = [text for text in wanted.values() if text not in vectors]
        if missing:
            raise RunError(
                f"In {context.phase} {context.number} the replay needs the vector of a text that the run in "
                f"{str(self._recording.path)!r} never had ({missing[0][:80]!r}): the prompt, the scenario or Populace "
                f"has changed since; replay it with those that it was made with."
            )
        return Embedded(vectors)

    def failed(self, step: int) -> Mapping[str, FailureRow]:
        """The agents for whom no vectors came in this step of the run, with their rows."""
        rows = self._recording.rows(FailureRow, _FAILED, {"number": step, "purpose": PURPOSE})
        return {row.owner: row for row in rows}


def recorded_recall(recording: Recording) -> EmbeddingRecall | None:
    """What reminds the residents of a replay by meaning; None where words did."""
    model = recording.run.embedding_model
    if model is None:
        return None
    embedder = RecordedEmbedder(recording, model)
    return EmbeddingRecall(embedder, embedder.failed)
