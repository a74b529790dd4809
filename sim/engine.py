"""What a running society stands on: the run file, the model behind its gateway, and an event loop of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from threading import Event
from types import TracebackType
from typing import Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..agents.gateway import Gateway
from ..agents.models import ModelHandle
from .event_hash import EventHash
from .progress import Progress
from .runfile.ledger import RunLedger
from .runfile.live import LiveSql
from .runfile.rows import Row
from .runfile.runlog import RunLog

__all__ = ["Engine"]

#: How long an interrupted run waits for what is under way to take notice.
_PATIENCE_SECONDS = 5.0


class Engine:
    """Holds what has to be opened before a run and closed after it, whatever happens between.

    The event loop runs in a thread of its own, so that `call` works in a notebook, where a loop runs already.
    """

    def __init__(
        self,
        log: RunLog,
        model: ModelHandle,
        *,
        max_in_flight: int,
        rpm: int | None = None,
        tpm: int | None = None,
        answer_tokens: int,
        events: EventHash,
        progress: Progress,
    ) -> None:
        self.log = log
        self.model = model
        self.events = events
        self.progress = progress
        #: Turns under way at once: more than calls, so that a free slot finds a prompt that is ready.
        self.workers = 2 * max_in_flight
        self._ledger = RunLedger(log)
        self.gateway = Gateway(
            model, ledger=self._ledger, max_in_flight=max_in_flight, rpm=rpm, tpm=tpm, max_tokens=answer_tokens
        )
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None

    def __enter__(self) -> Self:
        """Open the loop, and the door for SQL from other processes."""
        self._stack.callback(self.log.close)
        self._stack.enter_context(LiveSql(self.log))
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._stack.callback(lambda: self.call(self.gateway.aclose))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all of it, in the opposite order."""
        self.progress.ended()
        self._stack.__exit__(kind, error, trace)

    def call[T](self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of an async function, run in the engine's loop and waited for here.

        Whoever is interrupted while waiting (Ctrl-C) leaves nothing running behind.
        """
        if self._portal is None:
            raise RuntimeError("the engine is not open: use it in a with statement")
        ended = Event()

        async def watched() -> T:
            try:
                return await work()
            finally:
                ended.set()

        future = self._portal.start_task_soon(watched)
        try:
            return future.result()
        except BaseException:
            # What is closed next must not be opened again by a call that was about to begin.
            if future.cancel():
                ended.wait(_PATIENCE_SECONDS)
            raise

    async def commit(self, *rows: Row, finished: tuple[str, int]) -> None:
        """Write the rows and everything before them in one transaction; return when they are durable."""
        await asyncio.wrap_future(self.log.commit(rows))
        self._ledger.forget(*finished)
