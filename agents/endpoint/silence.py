"""Ends a call to an endpoint that has been silent for too long, however long the call takes."""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: Seconds that a call may take, however fast its answer is written.
LONGEST_CALL = 3600.0
#: Without a piece of the answer, comments that keep the connection alive count for so many times the silence allowed.
_KEPT_ALIVE = 10
#: Seconds that an endpoint may take to close a stream whose answer is complete.
_TO_CLOSE = 5.0


class SilenceLimit:
    """As a context manager, raises `TimeoutError` in its block after so many seconds without a sign of life.

    Each piece of the answer starts the count again. Until the first one, so does a piece that the endpoint writes for
    another call: this one waits in the endpoint's queue.
    """

    def __init__(
        self,
        seconds: float,
        *,
        last_of_all: Callable[[], float] = lambda: -math.inf,
        on_pieces: Callable[[int], None] | None = None,
    ) -> None:
        """Take `last_of_all`, which gives the time of the endpoint's last piece for any call.

        `on_pieces` is told the number of new pieces.
        """
        self.seconds = seconds
        self._last_of_all = last_of_all
        self._on_pieces = on_pieces
        self._timeout = asyncio.timeout(None)
        self._has_written = False
        self._started = self._written = self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._started = self._written = self._heard = self._loop.time()
        await self._timeout.__aenter__()
        self._check_silence()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    @property
    def reason(self) -> str:
        """Why the call was ended, in one sentence."""
        if self._loop.time() >= self._started + LONGEST_CALL:
            return f"The answer was not complete after {LONGEST_CALL:g} seconds."
        if self._has_written:
            return f"Nothing more of the answer came for {self.seconds:g} seconds."
        return f"No answer came within {self.seconds:g} seconds."

    def note(self, pieces: int) -> None:
        """Record that bytes came, with this many pieces of the answer in them."""
        now = self._loop.time()
        if pieces:
            self._has_written = True
            self._written = now
            if self._on_pieces is not None:
                self._on_pieces(pieces)
        if now - self._written <= _KEPT_ALIVE * self.seconds:
            self._heard = now

    def wait_briefly(self) -> None:
        """Wait only briefly from now on, because the answer is complete."""
        if self.seconds > _TO_CLOSE:
            self.seconds = _TO_CLOSE
            self._check_silence()

    def _check_silence(self) -> None:
        since = self._heard if self._has_written else max(self._heard, self._last_of_all())
        due = min(since + self.seconds, self._started + LONGEST_CALL)
        if self._timer is not None:
            self._timer.cancel()
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._check_silence)
        else:
            self._timeout.reschedule(self._loop.time())
