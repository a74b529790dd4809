"""How many calls are under way: the one place where concurrency is bounded."""

import asyncio
from collections import deque

__all__ = ["Slots"]


class Slots:
    """A fixed number of slots, given out in the order they were asked for."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        #: Slots taken now, and the most that ever were at once.
        self.in_flight = 0
        self.peak = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a slot; it is the caller's until `give`."""
        if self.in_flight < self.limit:
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was our turn already: the next one's, then
                self.give()
            raise

    def give(self) -> None:
        """Give a slot back: straight to whoever has waited longest, if anybody waits."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_flight -= 1
