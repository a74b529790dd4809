"""A cap on what may be used within any minute."""

import math
from collections import deque

__all__ = ["Window"]

#: Seconds that a use counts. One more than a minute: between our clock and the endpoint's lies the way there.
_SPAN = 61.0


class Window:
    """At most so much in any 60 seconds, by a clock that the caller reads (seconds, never going back).

    What is held counts from `hold` until a minute after `release`: wherever between the two the endpoint puts
    it on its own account, it stays below the cap.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        #: What counts now: held, or released within the last minute.
        self.used = 0
        self._leaving: deque[tuple[float, int]] = deque()

    def opens(self, now: float, amount: int) -> float:
        """When to ask again whether `amount`, at most the cap, fits: `now` when it does.

        Infinity means that a release must come first.
        """
        while self._leaving and self._leaving[0][0] <= now:
            self.used -= self._leaving.popleft()[1]
        if self.used + amount <= self.most:
            return now
        return self._leaving[0][0] if self._leaving else math.inf

    def hold(self, amount: int) -> None:
        """Count `amount` from now on."""
        self.used += amount

    def release(self, now: float, held: int, used: int) -> None:
        """End a hold, of which `used` was needed in truth; that much counts for a minute yet."""
        self.used += used - held
        self._leaving.append((now + _SPAN, used))
