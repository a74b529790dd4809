"""The batches of a run, kept in its file."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from ...agents.batch.endpoint import OpenBatch
from .rows import BatchRow
from .runlog import RunLog
from .writer import Statement

__all__ = ["RunBatches"]

_OPENED = "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?, 'open', ?, NULL)"
_OPEN = "WHERE job = $job AND ended_at IS NULL ORDER BY created_at"
_CLOSED = "UPDATE batches SET status = ?, ended_at = ? WHERE nonce = ?"


class RunBatches:
    """The journal of a run's batches; one that is not closed is gone on with when the run is resumed."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    async def opened(self, batch: OpenBatch) -> None:
        """Keep a batch, in place of what was kept under its nonce; return when that is durable."""
        requests = orjson.dumps(batch.custom_ids).decode()
        created = batch.created_at.astimezone(UTC).replace(tzinfo=None)
        values = [batch.nonce, self._log.job, batch.batch_id, batch.endpoint, batch.input_file_id, requests, created]
        await self._written(Statement(_OPENED, values))

    async def closed(self, nonce: str, status: str) -> None:
        """Take note of how a batch ended: durable behind the calls that came of it."""
        await self._written(Statement(_CLOSED, [status, datetime.now(UTC).replace(tzinfo=None), nonce]))

    def open_batches(self) -> Sequence[OpenBatch]:
        """Those of earlier sessions that are not closed."""
        return [
            OpenBatch(
                nonce=row.nonce,
                endpoint=row.endpoint,
                input_file_id=row.input_file or "",
                custom_ids=tuple(orjson.loads(row.requests)),
                created_at=row.created_at.replace(tzinfo=UTC),
                batch_id=row.batch,
            )
            for row in self._log.rows(BatchRow, _OPEN, {"job": self._log.job})
        ]

    async def _written(self, statement: Statement) -> None:
        await asyncio.wrap_future(self._log.commit(statements=[statement]))
