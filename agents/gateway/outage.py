"""Whether an endpoint works at all, how long to wait while all endpoints are gone, and when most calls fail."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from ...core.errors import EndpointError, PausedError, parameter
from ...core.model import Outcome
from ..endpoint.errors import RequestError, endpoint_error
from .budget import Meter
from .limits import Backoff

_STOPPING = frozenset({Outcome.AUTH, Outcome.NOT_FOUND})

#: Faults that mean a wrong set-up when no call at all was ever answered.
_DOUBTFUL = frozenset({Outcome.UNREACHABLE, Outcome.BAD_REQUEST, Outcome.NOT_JSON})


class Liveness:
    """What the calls so far say of one model at one endpoint."""

    def __init__(self, model: str, endpoint: str | None, *, named: str = "base_url") -> None:
        """Take `named`, the parameter that gives the address of the endpoint."""
        self._named = named
        self._model = model
        self._endpoint = endpoint
        self._calls: set[asyncio.Future[None]] = set()
        self._stopped = ""
        #: Whether any call was ever answered.
        self.was_answered = False

    def check(self) -> None:
        """Raise the `EndpointError` that stopped an earlier call, if there is one. No further call can succeed then."""
        if self._stopped:
            raise EndpointError(self._stopped)

    def begin_call(self) -> asyncio.Future[None]:
        """Count a call as open until `end_call`."""
        call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.add(call)
        return call

    def end_call(self, call: asyncio.Future[None]) -> None:
        """Count a call as ended."""
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
        self.check()
        if fault.outcome in _STOPPING or (fault.outcome in _DOUBTFUL and not self.was_answered):
            where = fault.endpoint or self._endpoint
            self._stopped = str(endpoint_error(fault, model=self._model, endpoint=where, named=self._named))
            self.check()


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


@dataclass(slots=True)
class Missed:
    """What a request met so far of faults that may be an outage's: the answers that there had been at the first."""

    answers: int | None = None


@dataclass(slots=True)
class _EndpointMisses:
    misses: int = 0
    requests: set[str] = field(default_factory=set)
    is_gone: bool = False


class Outage:
    """Whether the endpoints are there, as answers and faults so far show it. Times are the event loop's, in seconds.

    While it `is_on`, one call at a time is let through, at moments that `opens` gives; the others wait. The first
    answer ends it. With `wait` 0 there is none.
    """

    def __init__(
        self,
        wait: float = 0.0,
        *,
        endpoints: int = 1,
        place: str = "",
        backoff: Backoff | None = None,
        meter: Meter | None = None,
        was_answered: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take `was_answered`, which tells an endpoint that is gone from an address that was never right."""
        self._wait = wait
        self._place = place or "the model's endpoint"
        self._backoff = backoff or Backoff()
        self._meter = meter or Meter()
        self._was_answered = was_answered
        self._endpoints = [_EndpointMisses() for _ in range(endpoints)]
        self._answers = 0
        self._tries = 0
        self._next = self._until = math.inf
        #: The first of the faults since the endpoints last answered.
        self._missed_at = -math.inf
        self._rng = random.Random(endpoints)  # noqa: S311 - no result depends on when a call is sent
        #: Whether one is going on, and the last fault in words.
        self.is_on = False
        self._last = ""
        #: The sentence with which the run pauses, once it was waited for in vain.
        self.over = ""

    def answered(self, started: float = math.inf) -> None:
        """Record an answer to a call started then. It does not count if the call was sent before the first fault."""
        if started >= self._missed_at:
            self._answers += 1
            self._end_outage()

    def failed(self, number: int, fault: RequestError, request: str, now: float) -> None:
        """Record a fault that `request` met at endpoint `number`."""
        if fault.outcome not in _NOT_BACK and fault.status not in _STATUSES:
            self._end_outage()
        if self._wait <= 0 or not _may_be_gone(fault):
            return
        endpoint = self._endpoints[number]
        self._missed_at = now if self._missed_at == -math.inf else self._missed_at
        endpoint.misses += 1
        endpoint.requests.add(request)
        enough = endpoint.misses >= _IN_A_ROW and (len(endpoint.requests) > 1 or fault.status in _FOR_ALL)
        endpoint.is_gone |= fault.outcome is Outcome.UNREACHABLE or enough
        self._last = fault.detail
        if not self.is_on and all(e.is_gone for e in self._endpoints) and self._was_answered():
            self.is_on, self._until = True, now + self._wait
            self._meter.outage = (
                f"{self._place} is gone ({fault.detail.rstrip('.')}); one call at a time tries whether it is back, "
                "for "
                f"{self._wait:g} s at most ({parameter('wait')})"
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
                f"{self._place} has given no answer for {self._wait:g} s ({parameter('wait')} waits longer): "
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


#: Of the latest calls, how many are looked at, and how many there must be before they say anything.
_LATEST = 200
_ENOUGH = 100

#: Ends that are no error of the endpoint's: a refusal is an answer, and too many calls are the limiter's concern.
_NO_ERRORS = frozenset({Outcome.OK, Outcome.REFUSAL, Outcome.RATE_LIMITED})


class Breaker:
    """Stops a run most of whose calls fail, before they cost more."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._latest: deque[bool] = deque()
        self._failed = 0
        self._tripped = ""

    def check(self) -> None:
        """Raise `PausedError` once too many of the latest calls have failed."""
        if self._tripped:
            raise PausedError(self._tripped)

    def note(self, outcome: Outcome, reason: str) -> None:
        """Count a call that has ended."""
        if outcome is Outcome.RATE_LIMITED:
            return
        self._latest.append(outcome not in _NO_ERRORS)
        self._failed += self._latest[-1]
        if len(self._latest) > _LATEST:
            self._failed -= self._latest.popleft()
        latest = len(self._latest)
        if latest >= _ENOUGH and self._failed > self._most * latest and not self._tripped:
            self._tripped = (
                f"{self._failed} of the latest {latest} calls failed, more than the share of {self._most:g} that is "
                f"allowed ({parameter('max_error_rate')}); the last one: {reason or outcome}"
            )
