"""A journal of batches in memory, for tests of what a killed session leaves behind."""

from collections.abc import Sequence

from populace.agents.batch.client import OpenBatch


class MemoryJournal:
    """Keeps batches by nonce, and how those ended that are closed."""

    def __init__(self) -> None:
        self.batches: dict[str, OpenBatch] = {}
        self.ended: dict[str, str] = {}

    async def opened(self, batch: OpenBatch) -> None:
        self.batches[batch.nonce] = batch

    async def closed(self, nonce: str, status: str) -> None:
        self.ended[nonce] = status

    def open_batches(self) -> Sequence[OpenBatch]:
        return [batch for nonce, batch in self.batches.items() if nonce not in self.ended]
