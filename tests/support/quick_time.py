"""An event loop in which waiting takes no time: its clock jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Jumping(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("everybody waits, and for nothing that will ever happen")
        if not events:
            self.now += max(0.0, timeout or 0.0)
        return events


class _QuickLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def seconds() -> float:
    """The running loop's clock; in such a loop it starts at 0."""
    return asyncio.get_running_loop().time()


def in_no_time[T](work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, whatever it waits for."""
    with asyncio.Runner(loop_factory=_QuickLoop) as runner:
        return runner.run(work)
