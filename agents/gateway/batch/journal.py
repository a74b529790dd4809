"""The batches that are under way, kept where a killed run finds them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

__all__ = ["BatchJournal", "OpenBatch"]


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
        """Keep a batch, in place of what was kept under its nonce. Returns when a kill can no longer lose it."""
        ...

    async def closed(self, nonce: str, status: str) -> None:
        """Take note that nothing more is to be had from a batch, and how it ended.

        Must not be durable before the calls that were recorded earlier: they are what came of it.
        """
        ...

    def open_batches(self) -> Sequence[OpenBatch]:
        """Those of earlier sessions that are not closed."""
        ...
