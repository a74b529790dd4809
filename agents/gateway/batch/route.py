"""What all trips have in common: the client, the journal, and how long what fails is tried again."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ....personas.model import Outcome
from ...endpoint.errors import RequestError
from ..backoff import Backoff
from .client import BatchClient
from .interval import Interval
from .journal import BatchJournal, OpenBatch
from .state import BatchState

__all__ = ["PASSING", "Oddity", "Route", "metadata_of"]

#: Faults that pass.
PASSING = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.DROPPED,
        Outcome.TIMEOUT,
        Outcome.UNREACHABLE,
        Outcome.NOT_JSON,
    }
)


class Oddity(StrEnum):
    """What can be wrong with the lines of a batch's results."""

    #: Not JSON, or without a custom id.
    CUT = "cut"
    #: Of a request that is not in this batch.
    FOREIGN = "foreign"
    #: A second line for a request; the first counts.
    REPEATED = "repeated"
    #: A request without any line, though its batch was completed.
    MISSING = "missing"


def metadata_of(batch: OpenBatch) -> dict[str, str]:
    """What the server is given to keep with a batch."""
    return {"populace": batch.nonce}


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one endpoint's batches and back."""

    client: BatchClient
    journal: BatchJournal
    interval: Interval = field(default_factory=Interval)
    #: Between attempts to send or fetch a file, and how many there are.
    backoff: Backoff = field(default_factory=Backoff)
    attempts: int = 5
    #: Looks at a batch that may fail one after the other.
    looks: int = 60
    oddities: Counter[Oddity] = field(default_factory=Counter)
    #: One file is in memory at a time.
    upload: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def again[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What an attempt gives, made again as long as what it fails of may pass."""
        failed = 0
        while True:
            try:
                return await attempt()
            except RequestError as fault:
                failed += 1
                if not await self.may_repeat(fault, failed):
                    raise

    async def may_repeat(self, fault: RequestError, failed: int) -> bool:
        """Whether something is worth another attempt; if so, the wait before it is over."""
        # No answer depends on how long was waited.
        delay = self.backoff.delay(failed, random.Random(), asked=fault.retry_after)  # noqa: S311
        if fault.outcome not in PASSING or failed >= self.attempts or delay is None:
            return False
        await asyncio.sleep(delay)
        return True

    async def find(self, batch: OpenBatch) -> BatchState | None:
        """The batch in the server's list, by its nonce or its file; None when it is not there."""
        return await self.client.find(batch.input_file_id, metadata_of(batch), batch.created_at.timestamp())

    async def find_if_listed(self, batch: OpenBatch) -> BatchState | None:
        """The same; None also where the server has no list."""
        try:
            return await self.find(batch)
        except RequestError as fault:
            if fault.outcome is Outcome.NOT_FOUND:
                return None
            raise
