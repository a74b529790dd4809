"""A gateway that sends nothing: every request ends as it ended in the run that is being replayed."""

import asyncio
from collections.abc import Mapping

import orjson

from ..agents.endpoint.models import ModelHandle
from ..agents.gateway.call import Call, CallKey, RecordedReply
from ..agents.gateway.gateway import Gateway
from ..agents.gateway.replies import Verdict, judge
from ..agents.gateway.request import Request
from ..personas.errors import RunError
from ..personas.model import Answer, AnswerSchema, Outcome, RequestContext
from ..personas.prompt import RenderedPrompt
from .runfile.recording import Marker, Recording
from .versions import versions

__all__ = ["RecordEndedError", "RecordedGateway", "since_then"]


class RecordEndedError(RunError):
    """The replay has come to where the run was stopped."""


class RecordedGateway(Gateway):
    """Answers from a recording. Answers are judged anew, and what was never answered fails as it failed then."""

    def __init__(self, model: ModelHandle, recording: Recording, *, answer_tokens: int) -> None:
        super().__init__(model, ledger=_Nothing(), answer_tokens=answer_tokens)
        self._recording = recording
        self._longest = answer_tokens

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """The answer, or the outcome and reason, that the run had.

        Raises `RunError` for a request that the run never made, `RecordEndedError` behind its last complete step.
        """
        await asyncio.sleep(0)  # whoever wants to stop the replay must have a turn
        self._check_recorded(context)
        request = Request(self.name, prompt, schema, context, context.seed, self._longest)
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

    def _ended[T](self, request: Request[T]) -> tuple[Verdict[T], str | None, int]:
        end = self._recording.end(request.key)
        self.meter.recalled["ledger"] += 1
        if end.raw is not None:
            return judge(end.raw, request.schema, finish_reason=end.finish_reason), end.raw, end.attempts
        # Without an answer that is an answer the endpoint itself could not read: another one was asked for.
        spoiled = "" if end.outcome is Outcome.CUT_JSON else None
        return Verdict(end.outcome, reason=end.reason), spoiled, end.attempts

    def _check_recorded(self, context: RequestContext) -> None:
        # Of what was never completed there may be answers, and nothing that they could be compared with.
        if not self._recording.covers(context.phase, context.number):
            last = self._recording.markers[-1].where
            raise RecordEndedError(f"The replay ends behind {last}, where the run was stopped.")

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
