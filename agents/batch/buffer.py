"""Requests that wait for a batch: collected until none has come for a moment, and split into files."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...personas.errors import SetupError
from ...personas.model import Outcome
from ..endpoint.errors import RequestError

if TYPE_CHECKING:
    from .job import BatchJob


#: Requests that a batch may hold by the protocol.
MOST_IN_A_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold."""

    requests: int = MOST_IN_A_BATCH
    #: Of the file; OpenAI takes 200 MB.
    size: int = 190_000_000

    def __post_init__(self) -> None:
        if self.requests <= 0 or self.size <= 0:
            raise SetupError(f"A batch of {self.requests:,} requests and {self.size:,} bytes holds nothing.")

    def split(self, items: Iterable["BatchItem"]) -> Iterator[list["BatchItem"]]:
        """The items by batch, in their order; one that is too large for any batch gets its fault at once."""
        batch: list[BatchItem] = []
        size = 0
        for item in items:
            if len(item.line) > self.size:
                detail = f"The request is {len(item.line):,} bytes long; a batch takes {self.size:,}."
                item.settle(RequestError(Outcome.BAD_REQUEST, detail))
                continue
            if len(batch) == self.requests or size + len(item.line) > self.size:
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += len(item.line)
        if batch:
            yield batch


@dataclass(slots=True, eq=False)
class BatchItem:
    """A request that waits for its answer. Those of an earlier session have no line until they are asked again."""

    custom_id: str
    #: A chat completion, or the reason why there is none: as a value, since no caller may be there to raise it.
    answer: asyncio.Future[dict[str, Any] | Exception]
    line: bytes = b""
    #: The batch that it is in; None while it waits to be in one.
    job: "BatchJob | None" = None
    #: Batches that it was in, of this session.
    rounds: int = 0
    #: How many wait for it now.
    waiters: int = 0

    def settle(self, answer: dict[str, Any] | Exception) -> bool:
        """Give it its answer; False when it had one."""
        if self.answer.done():
            return False
        self.answer.set_result(answer)
        return True


class BatchBuffer:
    """Requests that wait to be in a batch."""

    def __init__(self, send: Callable[[list[BatchItem]], None], *, quiet: float, most: int) -> None:
        """`send` gets all that lie here when none has come for `quiet` seconds, or when there are `most`."""
        self.items: list[BatchItem] = []
        self._send = send
        self._quiet = quiet
        self._most = most
        self._timer: asyncio.TimerHandle | None = None
        self._came = 0.0

    def add(self, item: BatchItem) -> None:
        """Add an item."""
        self.items.append(item)
        loop = asyncio.get_running_loop()
        self._came = loop.time()
        if len(self.items) >= self._most:
            self.flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._quiet, self._ring)

    def flush(self) -> None:
        """Send what there is."""
        items = self.clear()
        if items:
            self._send(items)

    def clear(self) -> list[BatchItem]:
        """Remove and return all items, unsent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        items, self.items = self.items, []
        return items

    def _ring(self) -> None:
        # One timer that looks when the last one came, and not one more for each of 50,000.
        loop = asyncio.get_running_loop()
        self._timer = None
        left = self._came + self._quiet - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._ring)
        else:
            self.flush()
