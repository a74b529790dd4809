"""What all jobs of one endpoint share: the client, the journal of open batches, and how long a failure is retried."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ...personas.model import Outcome
from ..endpoint.errors import TRANSIENT, RequestError
from ..gateway.limits import Backoff
from .client import BatchClient, BatchState


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that was sent, or is just about to be."""

    #: Ours, also in the batch's metadata: by it a batch is found whose id we were killed before we heard.
    nonce: str
    #: The base URL without key or credentials.
    endpoint: str
    input_file_id: str
    #: One a request, in the order of the file; `custom_id` of a `CallKey` gives them.
    custom_ids: tuple[str, ...]
    created_at: datetime
    #: The server's; None from just before the batch is made until its id is known.
    batch_id: str | None = None


class BatchJournal(Protocol):
    """Keeps every batch until it is closed."""

    async def opened(self, batch: OpenBatch) -> None:
        """Keep a batch in place of what was kept under its nonce. Return only when a kill can no longer lose it."""
        ...

    async def closed(self, nonce: str, status: str) -> None:
        """Record that a batch will give nothing more, and how it ended.

        This must not be durable before the calls that were recorded earlier, which are its results.
        """
        ...

    def open_batches(self) -> Sequence[OpenBatch]:
        """Return the batches of earlier sessions that are not closed."""
        ...


@dataclass(frozen=True, slots=True)
class PollInterval:
    """Waits that grow from poll to poll. All in seconds."""

    first: float = 5.0
    most: float = 60.0
    growth: float = 1.5

    def wait(self, looks: int, *, asked: float | None = None) -> float:
        """Return the seconds to wait after `looks` looks (from 0), never less than the server asks for."""
        # Bounded first: a large power is no float.
        return max(asked or 0.0, min(self.most, self.first * self.growth ** min(looks, 100)))


class LineFault(StrEnum):
    """What can be wrong with the lines of a batch's results."""

    #: Not JSON, or without a custom id.
    CUT = "cut"
    #: Of a request that is not in this batch.
    FOREIGN = "foreign"
    #: Longer than a response may be; what it held is not known.
    TOO_LONG = "too_long"
    #: A second line for a request; the first counts.
    REPEATED = "repeated"
    #: A request without any line, though its batch was completed.
    MISSING = "missing"


def metadata_of(batch: OpenBatch) -> dict[str, str]:
    """Return the metadata that the server keeps with a batch."""
    return {"populace": batch.nonce}


@dataclass(frozen=True, slots=True)
class BatchEndpoint:
    """One endpoint's batches: client, journal, polling and retries."""

    client: BatchClient
    journal: BatchJournal
    interval: PollInterval = field(default_factory=PollInterval)
    #: Between attempts to send or fetch a file, and how many there are.
    backoff: Backoff = field(default_factory=Backoff)
    attempts: int = 5
    #: Looks at a batch that may fail one after the other.
    looks: int = 60
    line_faults: Counter[LineFault] = field(default_factory=Counter)
    #: One file is in memory at a time.
    upload: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def again[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what an attempt gives, repeating it as long as its fault may pass."""
        failed = 0
        while True:
            try:
                return await attempt()
            except RequestError as fault:
                failed += 1
                if not await self.may_repeat(fault, failed):
                    raise

    async def may_repeat(self, fault: RequestError, failed: int) -> bool:
        """Return whether a failed attempt is worth repeating. If it is, wait first."""
        # No answer depends on how long was waited.
        delay = self.backoff.delay(failed, random.Random(), asked=fault.retry_after)  # noqa: S311
        if fault.outcome not in TRANSIENT or failed >= self.attempts or delay is None:
            return False
        await asyncio.sleep(delay)
        return True

    async def find(self, batch: OpenBatch) -> BatchState | None:
        """Find the batch in the server's list by its nonce or its file. Return None if it is not there."""
        return await self.client.find(batch.input_file_id, metadata_of(batch), batch.created_at.timestamp())

    async def find_if_listed(self, batch: OpenBatch) -> BatchState | None:
        """Find the batch as `find` does. Return None also if the server has no list."""
        try:
            return await self.find(batch)
        except RequestError as fault:
            if fault.outcome is Outcome.NOT_FOUND:
                return None
            raise
