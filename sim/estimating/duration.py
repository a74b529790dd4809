"""How long a run takes, from how long an answer takes."""

import math
from collections import Counter
from collections.abc import Sequence

from ...agents.gateway.limits import Limits
from .life import Life
from .purposes import Purpose
from .span import Span

__all__ = ["duration"]

#: How much longer our own work on a call takes than with the stand-in: the wire has its part.
_OWN = 2


def duration(purposes: Sequence[Purpose], life: Life, latency: Span, longest: float, limits: Limits) -> Span:
    """Seconds that the calls take, if the endpoint answers as fast when as many are under way as are allowed.

    A hop or step begins when the one before it has ended, so each waits for its slowest answer. Our own work, as
    the life with the stand-in shows it, may come on top.
    """
    low = high = 0.0
    for calls in _by_stage(purposes, life):
        low += max(1.0, calls.low / limits.max_in_flight) * latency.low
        high += math.ceil(calls.high / limits.max_in_flight) * latency.high + longest
    calls = sum((p.calls for p in purposes), start=Span.exactly(0.0))
    high += _OWN * life.seconds * calls.high / len(life.answered)
    tokens = sum((p.input + p.output for p in purposes), start=Span.exactly(0.0))
    for used, cap in ((calls, limits.rpm), (tokens, limits.tpm)):
        if cap is not None:  # the first minute's share may be used at once
            low, high = max(low, 60 * (used.low / cap - 1)), max(high, 60 * used.high / cap)
    return Span(low, high)


def _by_stage(purposes: Sequence[Purpose], life: Life) -> list[Span]:
    """The calls of every hop and step, spread over them as in the life that was counted."""
    stages: dict[tuple[str, int], Span] = {}
    for purpose in purposes:
        answers = life.of(purpose.name) or life.of("turn")
        for stage, number in Counter((a.phase, a.number) for a in answers).items():
            calls = purpose.calls * (number / len(answers))
            stages[stage] = stages.get(stage, Span.exactly(0.0)) + calls
    return list(stages.values())
