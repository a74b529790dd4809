"""How many calls are under way and when the next may start: the one place where concurrency is bounded.

take ──► in the order asked for: below the limit? no pause asked for? within the allowance? ──► Turn ──► give
answered ──► the limit grows, by one after about as many answers as it allows
failed   ──► refused for being too many: the limit shrinks, once for all that were under way together
"""

import asyncio
import math
from collections import deque
from dataclasses import dataclass

from ..personas.model import Outcome
from .allowance import Allowance, Weight
from .delivery import Delivery
from .fault import WireError

__all__ = ["Pace", "Turn"]

#: The statuses that say: too many.
_TOO_MANY = frozenset({429, 503, 529})

#: Faults whose request used no tokens; of the others it cannot be known.
_UNUSED = frozenset({Outcome.RATE_LIMITED, Outcome.UNREACHABLE})

#: How far the limit goes below what the endpoint took, and how far it falls in one burst at most.
_BELOW = 0.95
_AT_MOST = 0.5

#: At the width that the endpoint last took, so many times more answers are awaited before one more is tried.
_PATIENCE = 10


@dataclass(slots=True)
class Turn:
    """One call's leave to be under way, until it is given back."""

    #: How many bursts of refusals there had been when it began.
    bursts: int
    weight: Weight
    #: Tokens held for it, and those it used as far as is known.
    held: int
    used: int


class Pace:
    """Turns for calls, first come first served, as many at once as the endpoint is seen to take."""

    def __init__(self, most: int, *, allowance: Allowance | None = None, patience: float = math.inf) -> None:
        """Begins with `most` at once. A pause of more than `patience` seconds is not waited for."""
        self.most = most
        #: Calls under way now, and the most that ever were at once.
        self.in_flight = 0
        self.peak = 0
        self._allowance = allowance or Allowance()
        self._patience = patience
        self._level = float(most)
        self._bursts = 0
        #: Of the last burst: the calls under way when it began, those refused, and how many the endpoint took.
        self._width = self._refused = 0
        self._took = most
        self._paused_until = -math.inf
        self._queue: deque[tuple[asyncio.Future[Turn], Weight]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """The calls that may be under way at once, as learnt so far: from 1 to `most`."""
        return int(self._level)

    async def take(self, weight: Weight) -> Turn:
        """Wait for a turn; it is the caller's until `give`."""
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

    def answered(self, turn: Turn, delivery: Delivery) -> None:
        """Learn from an answer. To be called before `give`."""
        turn.used = self._allowance.used_by(turn.weight, delivery)
        # An answer from before the last burst, or while turns were to spare, says nothing of what more would do.
        if self.limit < self.most and turn.bursts == self._bursts and self.in_flight >= self.limit:
            slowly = _PATIENCE if self._took <= self._level < self._took + 1 else 1
            self._level = min(self.most, self._level + 1 / (slowly * self._level))

    def failed(self, turn: Turn, fault: WireError) -> None:
        """Learn from a fault. To be called before `give`."""
        if fault.outcome in _UNUSED:
            turn.used = 0
        if fault.status in _TOO_MANY:
            self._shrink(turn)
        asked = fault.retry_after or 0.0
        # A longer pause ends the requests that meet it: those that are waiting may as well be told at once.
        if 0.0 < asked <= self._patience:
            self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + asked)

    def give(self, turn: Turn) -> None:
        """Give a turn back: to whoever has waited longest, if anybody waits and may start."""
        self.in_flight -= 1
        self._allowance.settle(asyncio.get_running_loop().time(), turn.held, turn.used)
        self._admit()

    def _shrink(self, turn: Turn) -> None:
        if turn.bursts == self._bursts:
            self._bursts += 1
            self._width, self._refused = self.in_flight, 0
        elif turn.bursts != self._bursts - 1:
            return
        # One burst, one shrink: its later refusals only tell how many of its calls the endpoint took.
        self._refused += 1
        self._took = self._width - self._refused
        self._level = max(1.0, min(self._level, max(_AT_MOST * self._width, _BELOW * self._took)))

    def _admit(self) -> None:
        while self._queue and self.in_flight < self.limit:
            future, weight = self._queue[0]
            if not future.done():
                now = asyncio.get_running_loop().time()
                opens = max(self._paused_until, self._allowance.opens(now, weight))
                if opens > now:
                    self._wake(opens)
                    return
                future.set_result(self._started(now, weight))
            self._queue.popleft()

    def _started(self, now: float, weight: Weight) -> Turn:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        held = self._allowance.start(now, weight)
        return Turn(self._bursts, weight, held, held)

    def _wake(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Without a moment to wait for, it is a turn given back that admits the next.
        self._timer = asyncio.get_running_loop().call_at(when, self._admit) if when < math.inf else None
