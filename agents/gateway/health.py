"""The health of a model: whether it works at all, is gone for a while, or fails too often."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from ...core.errors import EndpointError, PausedError, parameter
from ...core.model import Outcome
from ..endpoint.errors import RequestError, endpoint_error
from .budget import Meter
from .limits import Backoff, Limits

_STOPPING = frozenset({Outcome.AUTH, Outcome.NOT_FOUND})

#: Faults that mean a wrong set-up when no call at all was ever answered.
_DOUBTFUL = frozenset({Outcome.UNREACHABLE, Outcome.BAD_REQUEST, Outcome.NOT_JSON})


#: What a proxy answers whose server is gone: 502 and 503 to every request, the others perhaps to this request alone.
_FOR_ALL = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE})
_STATUSES = _FOR_ALL | {HTTPStatus.GATEWAY_TIMEOUT, *range(520, 528), 530}
_GONE = frozenset({Outcome.UNREACHABLE, Outcome.DROPPED, Outcome.TIMEOUT})
#: What may come from an endpoint that is about to be back; anything else shows that it is.
_NOT_BACK = _GONE | {Outcome.SERVER_ERROR, Outcome.NOT_JSON}

#: Such faults in a row, of two requests at least, after which an endpoint counts as gone; or one refused connection.
_IN_A_ROW = 5
#: Seconds between two tries, at most, where the endpoint asks for no more.
_LONGEST = 10.0


#: Of the latest calls, how many are looked at, and how many there must be before they say anything.
_LATEST = 200
_ENOUGH = 100

#: Ends that are no error of the endpoint's: a refusal is an answer, and too many calls are the limiter's concern.
_NO_ERRORS = frozenset({Outcome.OK, Outcome.REFUSAL, Outcome.RATE_LIMITED})


@dataclass(slots=True)
class Missed:
    """What a request met so far of faults that may be an outage's: the answers that there had been at the first."""

    answers: int | None = None


@dataclass(slots=True)
class _EndpointMisses:
    misses: int = 0
    requests: set[str] = field(default_factory=set)
    is_gone: bool = False


class Health:
    """What answers and faults so far say of a model: whether it works at all, is gone for a while, or fails too often.

    Times are the event loop's, in seconds. While an outage `is_on`, one call at a time is let through, at moments that
    `ready_at` gives; the others wait. The first answer ends it. With a `wait` of 0 there is none.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        model: str = "",
        endpoints: Sequence[str | None] = (None,),
        named: str = "base_url",
        backoff: Backoff | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Take the addresses of the endpoints, and `named`, the parameter that gives them."""
        self._limits = limits
        self._model = model
        self._addresses = endpoints
        self._named = named
        self._place = f"Model {model} at {' and '.join(map(str, endpoints))}"
        self._backoff = backoff or Backoff()
        self._meter = meter or Meter()
        #: Whether any call of this session was ever answered, and whether one of an earlier session was.
        self.was_answered = False
        self._was_answered_before = self._meter.total.answers > 0
        self._calls: set[asyncio.Future[None]] = set()
        self._stopped = ""
        self._endpoints = [_EndpointMisses() for _ in endpoints]
        self._answers = 0
        self._tries = 0
        self._next = self._until = math.inf
        #: The first of the faults since the endpoints last answered.
        self._missed_at = -math.inf
        self._rng = random.Random(len(endpoints))  # noqa: S311 - no result depends on when a call is sent
        #: Whether an outage is going on, and the last fault in words.
        self.is_on = False
        self._last = ""
        #: The sentence with which the run pauses, once it was waited for in vain.
        self.over = ""
        #: Of the latest calls, whether they failed, and how many did; the sentence with which the run pauses then.
        self._latest: deque[bool] = deque()
        self._failed = 0
        self._tripped = ""

    def check(self) -> None:
        """Raise the `EndpointError` that stopped an earlier call, or `PausedError` once too many calls have failed."""
        if self._stopped:
            raise EndpointError(self._stopped)
        if self._tripped:
            raise PausedError(self._tripped)

    @contextmanager
    def open_call(self) -> Iterator[None]:
        """Count a call as open within the block."""
        call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.add(call)
        try:
            yield
        finally:
            self._calls.discard(call)
            if not call.done():
                call.set_result(None)

    async def judge(self, fault: RequestError) -> None:
        """Raise `EndpointError` if a fault, the last one of its request, means that no call can succeed.

        A doubtful fault waits for the calls that are open now. One bad request among good ones is only that request's
        fault.
        """
        if fault.outcome in _DOUBTFUL and not self.was_answered and self._calls:
            await asyncio.wait(set(self._calls))
        if not self._stopped and (fault.outcome in _STOPPING or (fault.outcome in _DOUBTFUL and not self.was_answered)):
            where = fault.endpoint or self._addresses[0]
            self._stopped = str(endpoint_error(fault, model=self._model, endpoint=where, named=self._named))
        if self._stopped:
            raise EndpointError(self._stopped)

    def note(self, outcome: Outcome, reason: str) -> None:
        """Count a call that has ended."""
        if outcome is Outcome.RATE_LIMITED:
            return
        self._latest.append(outcome not in _NO_ERRORS)
        self._failed += self._latest[-1]
        if len(self._latest) > _LATEST:
            self._failed -= self._latest.popleft()
        latest, most = len(self._latest), self._limits.max_error_rate
        if latest >= _ENOUGH and self._failed > most * latest and not self._tripped:
            self._tripped = (
                f"{self._failed} of the latest {latest} calls failed, more than the share of {most:g} that is "
                f"allowed ({parameter('max_error_rate')}); the last one: {reason or outcome}"
            )

    def answered(self, started: float = math.inf) -> None:
        """Record an answer to a call started then. It does not count if the call was sent before the first fault."""
        if started >= self._missed_at:
            self._answers += 1
            self._end_outage()

    def failed(self, number: int, fault: RequestError, request: str, now: float) -> None:
        """Record a fault that `request` met at endpoint `number`."""
        if fault.outcome not in _NOT_BACK and fault.status not in _STATUSES:
            self._end_outage()
        if self._limits.wait <= 0 or not _may_be_gone(fault):
            return
        endpoint = self._endpoints[number]
        self._missed_at = now if self._missed_at == -math.inf else self._missed_at
        endpoint.misses += 1
        endpoint.requests.add(request)
        enough = endpoint.misses >= _IN_A_ROW and (len(endpoint.requests) > 1 or fault.status in _FOR_ALL)
        endpoint.is_gone |= fault.outcome is Outcome.UNREACHABLE or enough
        self._last = fault.detail
        was_there = self.was_answered or self._was_answered_before  # else it is an address that was never right
        if not self.is_on and was_there and all(e.is_gone for e in self._endpoints):
            self.is_on, self._until = True, now + self._limits.wait
            self._meter.outage = (
                f"{self._place} is gone ({fault.detail.rstrip('.')}); one call at a time tries whether it is back, "
                "for "
                f"{self._limits.wait:g} s at most ({parameter('wait')})"
            )
            self._plan_try(now, fault)

    def note_try(self, fault: RequestError, now: float) -> None:
        """Record that the one call that was let through met a fault. Another one may try later."""
        if self.is_on:
            self._plan_try(now, fault)

    def ready_at(self, now: float) -> float:
        """Return the time when the next call may try, which is `now` if it may.

        After the end of the wait, `over` says why none may.
        """
        if now >= self._until and self.is_on and not self.over:
            self.over = (
                f"{self._place} has given no answer for {self._limits.wait:g} s ({parameter('wait')} waits longer): "
                f"{self._last.rstrip('.')}."
            )
        return now if self._next <= now else min(self._next, self._until)

    def is_to_blame(self, fault: RequestError, missed: Missed) -> bool:
        """Return whether the outage is to blame for a fault, so that the fault does not count against its request.

        A request that is dropped or takes too long while others are answered may itself be the reason.
        """
        if not _may_be_gone(fault) and not (self.is_on and fault.outcome in _NOT_BACK):
            return False
        if missed.answers is None:
            missed.answers = self._answers
        is_of_all = fault.outcome is Outcome.UNREACHABLE or fault.status in _FOR_ALL
        return self.is_on and (is_of_all or missed.answers == self._answers)

    def next_endpoint(self) -> int:
        """Return the number of the endpoint that the next call is to try."""
        return self._tries % len(self._endpoints)

    def _end_outage(self) -> None:
        if any(endpoint.misses for endpoint in self._endpoints):
            self._endpoints = [_EndpointMisses() for _ in self._endpoints]
            self._missed_at = -math.inf
        if self.is_on:
            self.is_on, self._tries, self._meter.outage = False, 0, ""

    def _plan_try(self, now: float, fault: RequestError) -> None:
        self._tries += 1
        asked = fault.retry_after or 0.0
        delay = self._backoff.delay(self._tries, self._rng)
        self._next = now + max(asked, min(_LONGEST, delay or 0.0))


def _may_be_gone(fault: RequestError) -> bool:
    return fault.outcome in _GONE or fault.status in _STATUSES
