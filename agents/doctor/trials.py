"""The forms in which an endpoint can be told a schema, tried in the order and by the rules of the gateway."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from ...personas.model import AnswerSchema, Outcome
from ...personas.prompt import RenderedPrompt
from ..gateway.form import Form, FormKind
from ..gateway.replies import judge
from .probe import Probe, Reply

__all__ = ["Trial", "trial", "trials"]

#: Ends of an answer that say more about its limit of length than about its form.
_TOO_LONG = frozenset({Outcome.LENGTH, Outcome.CUT_JSON})


class Animal(BaseModel):
    """What is asked for."""

    name: str = Field(min_length=2, max_length=30)
    legs: int = Field(ge=0, le=1000)
    is_wild: bool


_SCHEMA = AnswerSchema.of(Animal)
_PROMPT = RenderedPrompt("doctor", 1, (("user", "Which animal is it that says moo? Answer in the form that is set."),))


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of asking in one form."""

    kind: FormKind
    #: How the answer was judged, or how the call failed.
    outcome: Outcome
    #: Whether the endpoint took the form at all, whatever it answered.
    is_taken: bool
    #: Why the outcome is not `ok`.
    why: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether the answer failed for its length, of which a run allows more."""
        return self.outcome in _TOO_LONG


async def trials(probe: Probe, form: Form, kwargs: dict[str, Any]) -> Sequence[Trial]:
    """Every form from the best down to the one that the endpoint takes, which is tried twice if it misses.

    `form` learns from it what a gateway's would, and `kwargs` go with every request.
    """
    done: list[Trial] = []
    kind: FormKind | None = form.kind_for(_SCHEMA)
    while kind is not None:
        reply, tried = await _tried(probe, form, kind, kwargs)
        done.append(tried)
        if reply.fault is None:
            form.learn(kind, _SCHEMA)
        kind = form.below(kind, reply.fault, _SCHEMA) if reply.fault is not None else None
    if done[-1].is_taken and done[-1].outcome is not Outcome.OK:
        done.append(await trial(probe, form, done[-1].kind, kwargs))
    return done


async def trial(probe: Probe, form: Form, kind: FormKind, kwargs: dict[str, Any]) -> Trial:
    """What becomes of asking in this form."""
    return (await _tried(probe, form, kind, kwargs))[1]


async def _tried(probe: Probe, form: Form, kind: FormKind, kwargs: dict[str, Any]) -> tuple[Reply, Trial]:
    messages, told = form.told(kind, _PROMPT, _SCHEMA)
    reply = await probe.ask(messages, {**kwargs, **told})
    if reply.delivery is None:
        fault = reply.fault
        outcome = fault.outcome if fault is not None else Outcome.EMPTY
        # What the endpoint spoiled was an answer in this form.
        return reply, Trial(kind, outcome, is_taken=fault is not None and fault.spoiled, why=reply.why)
    verdict = judge(reply.delivery.raw, _SCHEMA, finish_reason=reply.delivery.finish_reason)
    return reply, Trial(kind, verdict.outcome, is_taken=True, why=verdict.reason)
