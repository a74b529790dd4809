"""Sending a request again while that helps: the one place where retries are."""

import asyncio
import random

from ...personas.model import Outcome, RequestContext
from ..endpoint.errors import RequestError
from .backoff import Backoff
from .courier import Carriage, Errand, Served
from .replies import Verdict

__all__ = ["Dispatch"]

#: Attempts at an endpoint that never answered anything before it counts as unreachable.
_KNOCKS = 3

#: Faults after which the very same request is sent again: they pass.
_WEATHER = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.DROPPED,
        Outcome.TIMEOUT,
        Outcome.UNREACHABLE,
        Outcome.NOT_JSON,
    }
)


class Dispatch:
    """Has requests carried until each is answered, or given up after so many `attempts`."""

    def __init__[H: Served](self, carriage: Carriage[H], *, attempts: int, backoff: Backoff) -> None:
        self._carriage = carriage
        self._attempts = attempts
        self._backoff = backoff

    async def answered[T](self, errand: Errand[T]) -> tuple[Verdict[T], str | None]:
        """The verdict on a request, and the answer that it is on: None when none came.

        Raises `EndpointError` when no request can be answered, `PausedError` when no more may be sent.
        """
        failed = 0
        while True:
            try:
                return await self._carriage.send(errand)
            except RequestError as fault:
                if errand.lower(fault) or self._carriage.pace.outage.excuses(fault, errand.missed):
                    continue
                failed += 1
                self._carriage.breaker.note(fault.outcome, fault.detail)
                if not await self._may_repeat(fault, failed, errand.request.context):
                    await self._carriage.liveness.judge(fault)
                    # What the endpoint spoiled was an answer, though nobody has seen it: another one is asked for.
                    return Verdict(fault.outcome, reason=fault.detail), "" if fault.spoiled else None

    async def _may_repeat(self, fault: RequestError, failed: int, context: RequestContext) -> bool:
        """Whether the request is worth sending again; if so, the wait before it is over."""
        allowed = self._attempts
        if fault.outcome is Outcome.UNREACHABLE and not self._carriage.liveness.was_answered:
            allowed = min(allowed, _KNOCKS * len(self._carriage.endpoints))
        if fault.outcome not in _WEATHER or failed >= allowed:
            return False
        # Seeded by the context, so that a run draws no chance of its own; no answer depends on it.
        rng = random.Random(f"{context.seed}:{failed}")  # noqa: S311
        delay = self._backoff.delay(failed, rng, asked=fault.retry_after)
        if delay is None:
            return False
        await asyncio.sleep(delay)
        return True
