"""How many calls are in flight and when the next may start: the one place where concurrency is bounded.

acquire  ──► in the order asked for: an endpoint below its limit and not paused? within the rate limits? ──► Slot
answered ──► that endpoint's limit grows, by one after about as many answers as it allows; where answers are slow, it is
             no more than raises the endpoint's tokens a second (throughput.py)
failed   ──► refused for being too many: its limit shrinks, once for all that were in flight together
release  ──► the request that has waited longest is next, at the endpoint with the most room

At first few calls are in flight, and twice as many after each moment without a fault: a wrong key or address is found
with those. During an outage it is one.
"""

import asyncio
import math
from collections import defaultdict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from statistics import median

from ...core.errors import PausedError
from ...core.model import Outcome
from ..endpoint.errors import RequestError
from ..endpoint.response import ModelResponse
from .health import Health
from .limits import Limits, RateLimiter, TokenEstimate

#: Seconds of a typical call from which on an endpoint is slow. A faster one is sent as many calls as it takes.
_SLOW = 2.0
#: Pieces that must have come while so many calls were written before their rate is known.
_ENOUGH_PIECES = 40
#: What share of the highest rate is as good as it.
_AS_GOOD = 0.9
#: The share of the time in which exactly the most calls ever written at once are written, while others wait.
_QUEUED = 0.5
#: Answers after which what was measured before counts half, and answers whose times are remembered.
_FADING, _TIMED = 20, 20


class Throughput:
    """The rate of one endpoint by the number of calls that it writes at once.

    An endpoint with two slots writes two calls and lets the others wait; one that shares its cores writes twice as many
    calls each half as fast. More calls in flight only make each of them take longer.
    """

    def __init__(self) -> None:
        #: Calls in flight that are of use; infinite until fewer are seen to be as good.
        self.width = math.inf
        #: When the endpoint last sent a piece of any answer.
        self.last_piece = -math.inf
        self._writing: set[Hashable] = set()
        self._now = -math.inf
        self._in_flight = 0
        #: By calls written at once: pieces, seconds, and the seconds in which others waited.
        self._pieces: defaultdict[int, float] = defaultdict(float)
        self._seconds: defaultdict[int, float] = defaultdict(float)
        self._queued: defaultdict[int, float] = defaultdict(float)
        self._took: deque[float] = deque(maxlen=_TIMED)
        self._answers = 0

    def watch(self, now: float, in_flight: int) -> None:
        """Count the time until now. From now on `in_flight` calls are open."""
        if self._in_flight:
            written, passed = len(self._writing), now - self._now
            self._seconds[written] += passed
            self._queued[written] += passed if self._in_flight > written else 0.0
        self._now, self._in_flight = now, in_flight

    def note_pieces(self, call: Hashable, now: float, count: int) -> None:
        """Record pieces of the answer to a call."""
        self.watch(now, self._in_flight)
        self._writing.add(call)
        self._pieces[len(self._writing)] += count
        self.last_piece = now

    def answered(self, took: float) -> None:
        """Learn from an answer that took `took` seconds, before its call ends."""
        self._took.append(took)
        if median(self._took) <= _SLOW:
            self.width = math.inf
        elif self._pieces:
            self._fit_width()
        self._answers += 1
        if self._answers % _FADING == 0:
            for counts in (self._pieces, self._seconds, self._queued):
                for written in counts:
                    counts[written] /= 2

    def end(self, call: Hashable, now: float, in_flight: int) -> None:
        """Count a call as ended."""
        self.watch(now, in_flight)
        self._writing.discard(call)

    def _fit_width(self) -> None:
        rates = {n: self._pieces[n] / self._seconds[n] for n in self._pieces if self._is_known(n)}
        best = max(rates.values(), default=0.0)
        useful = min((n for n, rate in rates.items() if rate >= _AS_GOOD * best), default=0)
        top = max(self._pieces)
        if rates and 2 * useful <= max(rates):
            self.width = min(self.width, useful + 1)
        elif self._is_known(top) and self._queued[top] >= _QUEUED * sum(self._seconds.values()):
            self.width = min(self.width, top + 1)
        elif len(self._writing) >= self.width:
            self.width += 1

    def _is_known(self, written: int) -> bool:
        return self._pieces[written] >= _ENOUGH_PIECES and self._seconds[written] >= _SLOW


#: The statuses that say: too many.
_TOO_MANY = frozenset({429, 503, 529})

#: How far the limit goes below what the endpoint took, and how far it falls in one burst at most.
_BELOW = 0.95
_AT_MOST = 0.5

#: At the width that the endpoint last took, so many times more answers are awaited before one more is tried.
_PATIENCE = 10

#: How many ends are remembered; and of those at a width or more, how many refusals may be chance, and what share
#: where fewer than enough ends at smaller widths tell what chance does.
_REMEMBERED = 100
_BY_CHANCE = 1
_SHARE = 0.2
_ENOUGH = 20

#: Calls begun one after the other that are all refused: then the endpoint is full, and a pause that it asks for holds
#: for all calls. Where one call in twenty is refused by chance, four in a row are so once in 160,000 calls.
_IN_SUCCESSION = 4

#: Faults that may mean that an endpoint is gone, and how many of them in a row do; one refused connection is enough.
_MISSING = frozenset({Outcome.SERVER_ERROR, Outcome.DROPPED, Outcome.TIMEOUT, Outcome.NOT_JSON})
_IN_A_ROW = 5

#: Seconds for which an endpoint that is gone is left out: the first time, and at most.
_OUT, _LONGEST_OUT = 2.0, 60.0

#: After calls of which nothing came in time, the next may be silent twice as long, at most so many times.
_SLOWEST = 4

#: Faults whose request used no tokens; of the others it cannot be known.
_UNUSED = frozenset({Outcome.RATE_LIMITED, Outcome.UNREACHABLE})

#: Calls that are sent at first, and the seconds after which twice as many may be in flight. One answer, or a fault of
#: another kind than those that concern all calls, lifts this limit; a fault that does concern all stops its growth.
FIRST = 4
_DOUBLED_AFTER = 0.025
_CONCERN_ALL = frozenset({Outcome.AUTH, Outcome.NOT_FOUND, Outcome.UNREACHABLE, Outcome.BAD_REQUEST, Outcome.NOT_JSON})


@dataclass(slots=True, eq=False)
class Slot:
    """One call's leave to be in flight at one endpoint, until it is released."""

    endpoint: "EndpointState"
    #: Its place among the calls to this endpoint, the bursts of refusals before it, the calls in flight with it, and
    #: when it started, by the loop's clock.
    ordinal: int
    bursts: int
    width: int
    started: float
    estimate: TokenEstimate
    #: Tokens held for it, and those it used as far as is known.
    held: int
    used: int
    #: How many times the usual silence it may keep.
    slowness: int = 1
    is_released: bool = False


class EndpointState:
    """What is known of one endpoint: how many calls it takes at once, and whether it answers at all."""

    def __init__(self, number: int, most: int, *, patience: float = math.inf, alone: bool = True) -> None:
        """Begin with `most` concurrent calls. A pause of more than `patience` seconds is not waited for.

        `number` is the endpoint's place among the model's endpoints. An endpoint that is `alone` is never left out.
        """
        self.number = number
        #: Calls in flight now, and the moment until which no more are to start.
        self.in_flight = 0
        self.paused_until = -math.inf
        self._alone = alone
        self._most = most
        self._patience = patience
        self._level = float(most)
        self._bursts = 0
        #: Of the last burst: the calls in flight when it began, those refused, and how many the endpoint took.
        self._width = self._refused = 0
        self._took = most
        self._recent: deque[tuple[int, bool]] = deque(maxlen=_REMEMBERED)
        self._begun = 0
        self._live: set[Slot] = set()
        #: The places of the latest calls that were refused.
        self._refusals: deque[int] = deque(maxlen=_REMEMBERED)
        self._out_until = -math.inf
        self._slowness = 1
        #: How fast it writes.
        self.throughput = Throughput()
        self._missed = self._times_out = self._spared = 0

    @property
    def limit(self) -> int:
        """The calls that may be in flight at once, as learnt so far; one, while it is being tried again."""
        return 1 if self._times_out else int(min(self._level, self.throughput.width))

    def is_out(self, now: float) -> bool:
        """Return whether the endpoint is left out because it does not answer."""
        return self._out_until > now

    def start(self, now: float, estimate: TokenEstimate, held: int) -> Slot:
        """Start a call now and return its slot."""
        self.in_flight += 1
        self._begun += 1
        slot = Slot(self, self._begun, self._bursts, self.in_flight, now, estimate, held, held, self._slowness)
        self._live.add(slot)
        self.throughput.watch(now, self.in_flight)
        return slot

    def end(self, slot: Slot, now: float) -> None:
        """Count a call as ended, after what was learnt from it."""
        self.in_flight -= 1
        self.throughput.end(slot, now, self.in_flight)
        self._live.discard(slot)

    def answered(self, slot: Slot, now: float, rate_limit_wait: float) -> None:
        """Learn from an answer. Call this before the slot is released."""
        self._missed = self._times_out = self._spared = 0
        self._recent.append((slot.width, True))
        self.throughput.answered(now - slot.started)
        self._pause_until(now, rate_limit_wait)
        # An answer from before the last burst, or while slots were free, does not show that more calls would succeed.
        if self._level < self._most and slot.bursts == self._bursts and self.in_flight >= self.limit:
            slowly = _PATIENCE if self._took <= self._level < self._took + 1 else 1
            self._level = min(self._most, self._level + 1 / (slowly * self._level))

    def failed(self, slot: Slot, now: float, fault: RequestError) -> None:
        """Learn from a fault. Call this before the slot is released."""
        if fault.status in _TOO_MANY:
            self._recent.append((slot.width, False))
            self._refusals.append(slot.ordinal)
            self._live.discard(slot)
            is_full = self._is_full(slot)
            if slot.bursts == self._bursts and not is_full and self._is_chance(slot.width):
                self._spared += 1
            else:
                self._shrink_limit(slot)
            if is_full:
                self._pause_until(now, fault.retry_after or 0.0)
        else:
            self._pause_until(now, fault.retry_after or 0.0)
        if fault.outcome is Outcome.TIMEOUT and fault.status is None and fault.partial is None:
            self._slowness = min(_SLOWEST, max(self._slowness, 2 * slot.slowness))
        self._count_miss(now, fault)

    def _is_chance(self, width: int) -> bool:
        """Return whether refusals at this width may be chance.

        If they are, they are as frequent with fewer concurrent calls.
        """
        ended, live, refused = self._count_at(width, math.inf)
        others, others_live, elsewhere = self._count_at(0, _BELOW**2 * width)
        if not self._bursts:
            # Refusals come before answers: a call that is in flight yet counts as one that was taken.
            may_be = _SHARE * (ended + live)
        elif others + others_live < _ENOUGH:
            may_be = _SHARE * ended
        else:
            expected = (ended + live) * elsewhere / (others + others_live)
            may_be = expected + 2 * math.sqrt(expected) + 2 * _BY_CHANCE * (elsewhere > 0)
        return refused <= may_be or (refused <= _BY_CHANCE and self._spared < _BY_CHANCE)

    def _is_full(self, slot: Slot) -> bool:
        """Return whether so many calls are refused that every call would be, not only this one."""
        refused = frozenset(self._refusals)
        first = last = slot.ordinal
        while first - 1 in refused:
            first -= 1
        while last + 1 in refused:
            last += 1
        ended, live, number = self._count_at(slot.width, math.inf)
        beyond_chance = number >= _IN_SUCCESSION and number > (ended + live) / 2
        return beyond_chance or last - first + 1 >= min(_IN_SUCCESSION, self._most)

    def _count_at(self, least: int, below: float) -> tuple[int, int, int]:
        """Count, for calls at these widths, how many of the latest ended, are still open, and were refused.

        Widths count concurrent calls, from `least` to just under `below`.
        """
        ends = [ok for width, ok in self._recent if least <= width < below]
        live = sum(least <= slot.width < below for slot in self._live)
        return len(ends), live, len(ends) - sum(ends)

    def _shrink_limit(self, slot: Slot) -> None:
        if slot.bursts == self._bursts:
            self._bursts += 1
            # Refusals that were put down to chance a moment ago, with no answer since, were the first of this burst.
            self._width, self._refused = self.in_flight + self._spared, self._spared
            self._spared = 0
        elif slot.bursts != self._bursts - 1:
            return
        # One burst, one shrink: its later refusals only tell how many of its calls the endpoint took.
        self._refused += 1
        self._took = self._width - self._refused
        self._level = max(1.0, min(self._level, max(_AT_MOST * self._width, _BELOW * self._took)))

    def _pause_until(self, now: float, seconds: float) -> None:
        # A longer pause ends the requests that meet it: those that are waiting may as well fail at once.
        if 0.0 < seconds <= self._patience:
            self.paused_until = max(self.paused_until, now + seconds)

    def _count_miss(self, now: float, fault: RequestError) -> None:
        if fault.outcome is Outcome.UNREACHABLE:
            self._missed = _IN_A_ROW
        elif fault.outcome in _MISSING and fault.status not in _TOO_MANY:
            self._missed += 1
        if self._missed >= _IN_A_ROW and not self._alone and not self.is_out(now):
            self._out_until = now + min(_LONGEST_OUT, _OUT * 2**self._times_out)
            self._times_out += 1


class ConcurrencyLimiter:
    """Slots for calls, first come first served, as many at once as the endpoints are seen to take."""

    def __init__(
        self,
        most: int,
        *,
        rate_limiter: RateLimiter | None = None,
        patience: float = math.inf,
        endpoints: int = 1,
        health: Health | None = None,
        first: int | None = None,
    ) -> None:
        """Begin with `most` concurrent calls over all `endpoints`.

        A pause of more than `patience` seconds is not awaited. `first` calls are sent at once if that is fewer. None
        sends as many as the limit allows.
        """
        self.most = most
        self.health = health or Health(Limits(wait=0))
        self._first = first
        self._doubling: asyncio.TimerHandle | None = None
        self._may_double = True
        #: The call that tries whether an endpoint is back.
        self._trying: Slot | None = None
        #: Calls in flight now, and the most that ever were at once.
        self.in_flight = 0
        self.peak = 0
        self._states = [
            EndpointState(number, most, patience=patience, alone=endpoints == 1) for number in range(endpoints)
        ]
        self._rate_limiter = rate_limiter or RateLimiter()
        self._queue: deque[tuple[asyncio.Future[Slot], TokenEstimate]] = deque()
        #: Requests that start only when none waits in the queue above.
        self._deferred: deque[tuple[asyncio.Future[Slot], TokenEstimate]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """The calls that may be in flight at once, as learnt so far: from 1 to `most`."""
        return min(self.most, sum(state.limit for state in self._states))

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot."""
        return len(self._queue) + len(self._deferred)

    async def acquire_slot(self, estimate: TokenEstimate, *, ahead: bool = False, defer: bool = False) -> Slot:
        """Wait for a slot, which is the caller's until `release`. Raises `PausedError` after too long an outage.

        A request that is `ahead` goes before all that wait. It has waited for its slot before and was refused. With
        `defer` it waits until no other request does.
        """
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        if ahead:
            self._queue.appendleft((future, estimate))
        else:
            (self._deferred if defer else self._queue).append((future, estimate))
        self._admit_waiting()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # the slot was ours already: the next request's, then
                future.result().used = 0
                self.release(future.result())
            self._admit_waiting()
            raise

    def answered(self, slot: Slot, response: ModelResponse) -> None:
        """Learn from an answer. Call this before `release`."""
        self._first = None
        self.health.answered(slot.started)
        slot.used = self._rate_limiter.used_by(slot.estimate, response)
        slot.endpoint.answered(slot, asyncio.get_running_loop().time(), response.rate_limit_wait)

    def failed(self, slot: Slot, fault: RequestError, request: str = "") -> None:
        """Learn from a fault that a request met. Call this before `release`."""
        now = asyncio.get_running_loop().time()
        if fault.outcome not in _CONCERN_ALL:
            self._first = None
        self._may_double = False
        self.health.failed(slot.endpoint.number, fault, request, now)
        if slot is self._trying:
            self.health.note_try(fault, now)
        if fault.outcome in _UNUSED:
            slot.used = 0
        slot.endpoint.failed(slot, now, fault)

    def release(self, slot: Slot) -> None:
        """Give a slot back, once. It goes to the request that has waited longest, if one waits and may start."""
        if slot.is_released:
            return
        slot.is_released = True
        if slot is self._trying:
            self._trying = None
        self.in_flight -= 1
        now = asyncio.get_running_loop().time()
        slot.endpoint.end(slot, now)
        self._rate_limiter.settle(now, slot.held, slot.used)
        self._admit_waiting()

    def _admit_waiting(self) -> None:
        while (queue := self._queue or self._deferred) and self._has_room():
            future, estimate = queue[0]
            if not future.done():
                now = asyncio.get_running_loop().time()
                state, ready_at = self._endpoint_to_try(now) if self.health.is_on else self._find_roomiest(now)
                if self.health.over:
                    future.set_exception(PausedError(self.health.over))
                    queue.popleft()
                    continue
                if state is None:
                    self._wake_at(ready_at)
                    return
                ready_at = self._rate_limiter.ready_at(now, estimate)
                if ready_at > now:
                    self._wake_at(ready_at)
                    return
                slot = self._start_call(state, now, estimate)
                self._trying = slot if self.health.is_on else None
                future.set_result(slot)
            queue.popleft()

    def _has_room(self) -> bool:
        if self.health.is_on:  # however many calls hang since it began
            return self._trying is None
        if self._first is None or self.in_flight < min(self.most, self._first):
            return self.in_flight < self.most
        if self._doubling is None and self._may_double:
            self._doubling = asyncio.get_running_loop().call_later(_DOUBLED_AFTER, self._double_first)
        return False

    def _double_first(self) -> None:
        self._doubling = None
        if self._first is not None and self._may_double:
            self._first *= 2
            self._admit_waiting()

    def _endpoint_to_try(self, now: float) -> tuple[EndpointState | None, float]:
        """Return the endpoint to try during an outage, however many calls hang there, and the time to look again.

        The endpoint is None if it is too early to try.
        """
        ready_at = self.health.ready_at(now)
        return (None, ready_at) if ready_at > now else (self._states[self.health.next_endpoint()], now)

    def _find_roomiest(self, now: float) -> tuple[EndpointState | None, float]:
        """Return the endpoint with the most room, and the time to look again.

        The endpoint is None if all are full. The time is infinity if a slot must be released first.
        """
        # Where all are gone, each is as good as the other: what is sent then fails for what it is.
        there = [state for state in self._states if not state.is_out(now)] or self._states
        free = [state for state in there if state.in_flight < state.limit]
        ready = [state for state in free if state.paused_until <= now]
        if ready:
            return min(ready, key=lambda state: state.in_flight / state.limit), now
        return None, min((state.paused_until for state in free), default=math.inf)

    def _start_call(self, state: EndpointState, now: float, estimate: TokenEstimate) -> Slot:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        return state.start(now, estimate, self._rate_limiter.start(now, estimate))

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Without a moment to wait for, it is a released slot that admits the next request.
        self._timer = asyncio.get_running_loop().call_at(when, self._admit_waiting) if when < math.inf else None
