"""How many calls are under way and when the next may start: the one place where concurrency is bounded.

take ──► in the order asked for: below the limit of an endpoint? no pause asked for? within the allowance? ──► Turn
answered ──► that endpoint's limit grows, by one after about as many answers as it allows
failed   ──► refused for being too many: its limit shrinks, once for all that were under way together
give     ──► whoever has waited longest is next, at the endpoint with the most room

At first few calls are under way: a wrong key or address is found with those. While all endpoints are gone it is one.
"""

import asyncio
import math
from collections import deque

from ...personas.errors import PausedError
from ...personas.model import Outcome
from ..endpoint.errors import RequestError
from ..endpoint.response import ModelResponse
from .allowance import Allowance, Weight
from .outage import Outage
from .track import Track, Turn

__all__ = ["FIRST", "Pace", "Turn"]

#: Faults whose request used no tokens; of the others it cannot be known.
_UNUSED = frozenset({Outcome.RATE_LIMITED, Outcome.UNREACHABLE})

#: Calls under way at most until one was answered, or failed for another reason than those which concern all of them.
FIRST = 4
_CONCERN_ALL = frozenset({Outcome.AUTH, Outcome.NOT_FOUND, Outcome.UNREACHABLE, Outcome.BAD_REQUEST, Outcome.NOT_JSON})


class Pace:
    """Turns for calls, first come first served, as many at once as the endpoints are seen to take."""

    def __init__(
        self,
        most: int,
        *,
        allowance: Allowance | None = None,
        patience: float = math.inf,
        endpoints: int = 1,
        outage: Outage | None = None,
        first: int | None = None,
    ) -> None:
        """Begins with `most` at once, over all `endpoints`; a pause of more than `patience` seconds is not awaited.

        `first` calls are sent before any was answered, if that is fewer.
        """
        self.most = most
        self.outage = outage or Outage()
        self._first = first
        #: The call that tries whether an endpoint is back.
        self._trying: Turn | None = None
        #: Calls under way now, and the most that ever were at once.
        self.in_flight = 0
        self.peak = 0
        self._tracks = [Track(number, most, patience=patience, alone=endpoints == 1) for number in range(endpoints)]
        self._allowance = allowance or Allowance()
        self._queue: deque[tuple[asyncio.Future[Turn], Weight]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """The calls that may be under way at once, as learnt so far: from 1 to `most`."""
        return min(self.most, sum(track.limit for track in self._tracks))

    @property
    def waiting(self) -> int:
        """Calls that wait for a turn."""
        return len(self._queue)

    async def take(self, weight: Weight) -> Turn:
        """Wait for a turn; it is the caller's until `give`. Raises `PausedError` after an outage that was too long."""
        future: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._queue.append((future, weight))
        self._admit()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # it was our turn already: the next one's, then
                future.result().used = 0
                self.give(future.result())
            self._admit()
            raise

    def answered(self, turn: Turn, delivery: ModelResponse) -> None:
        """Learn from an answer. To be called before `give`."""
        self._first = None
        self.outage.answered()
        turn.used = self._allowance.used_by(turn.weight, delivery)
        turn.track.answered(turn, asyncio.get_running_loop().time(), delivery.rate_limits)

    def failed(self, turn: Turn, fault: RequestError, request: str = "") -> None:
        """Learn from a fault that a request met. To be called before `give`."""
        now = asyncio.get_running_loop().time()
        if fault.outcome not in _CONCERN_ALL:
            self._first = None
        self.outage.failed(turn.track.number, fault, request, now)
        if turn is self._trying:
            self.outage.tried(fault, now)
        if fault.outcome in _UNUSED:
            turn.used = 0
        turn.track.failed(turn, now, fault)

    def give(self, turn: Turn) -> None:
        """Give a turn back, once: to whoever has waited longest, if anybody waits and may start."""
        if turn.is_given:
            return
        turn.is_given = True
        if turn is self._trying:
            self._trying = None
        self.in_flight -= 1
        turn.track.in_flight -= 1
        self._allowance.settle(asyncio.get_running_loop().time(), turn.held, turn.used)
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._has_room():
            future, weight = self._queue[0]
            if not future.done():
                now = asyncio.get_running_loop().time()
                track, opens = self._tried(now) if self.outage.is_on else self._roomiest(now)
                if self.outage.over:
                    future.set_exception(PausedError(self.outage.over))
                    self._queue.popleft()
                    continue
                if track is None:
                    self._wake(opens)
                    return
                opens = self._allowance.opens(now, weight)
                if opens > now:
                    self._wake(opens)
                    return
                turn = self._started(track, now, weight)
                self._trying = turn if self.outage.is_on else None
                future.set_result(turn)
            self._queue.popleft()

    def _has_room(self) -> bool:
        if self.outage.is_on:  # whatever hangs since it began
            return self._trying is None
        return self.in_flight < (self.most if self._first is None else min(self.most, self._first))

    def _tried(self, now: float) -> tuple[Track | None, float]:
        """The endpoint to try during an outage, however many calls hang there; or None, and when to look again."""
        opens = self.outage.opens(now)
        return (None, opens) if opens > now else (self._tracks[self.outage.next_endpoint()], now)

    def _roomiest(self, now: float) -> tuple[Track | None, float]:
        """The endpoint with the most room; or None, and when to look again (infinity: when a turn is given back)."""
        # Where all are gone, each is as good as the other: what is sent then fails for what it is.
        there = [track for track in self._tracks if not track.is_out(now)] or self._tracks
        free = [track for track in there if track.in_flight < track.limit]
        ready = [track for track in free if track.paused_until <= now]
        if ready:
            return min(ready, key=lambda track: track.in_flight / track.limit), now
        return None, min((track.paused_until for track in free), default=math.inf)

    def _started(self, track: Track, now: float, weight: Weight) -> Turn:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        return track.start(weight, self._allowance.start(now, weight))

    def _wake(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Without a moment to wait for, it is a turn given back that admits the next.
        self._timer = asyncio.get_running_loop().call_at(when, self._admit) if when < math.inf else None
