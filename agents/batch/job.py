"""Batches: what one may hold, and one that is under way."""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ...core.model import Outcome
from ..endpoint.errors import TRANSIENT, RequestError
from .client import BatchEndpoint, BatchState, OpenBatch, metadata_of, read_line

#: Requests that a batch may hold by the protocol.
MOST_IN_A_BATCH = 50_000


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold."""

    requests: int = MOST_IN_A_BATCH
    #: Of the file; OpenAI takes 200 MB.
    size: int = 190_000_000

    def split(self, items: Iterable["BatchItem"]) -> Iterator[list["BatchItem"]]:
        """Yield the items by batch, in their order. An item that is too large for any batch gets its fault at once."""
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
    #: A chat completion, or the error: as a value, since no caller may be waiting to have it raised.
    answer: asyncio.Future[dict[str, Any] | Exception]
    line: bytes = b""
    #: The batch that it is in; None while it waits to be in one.
    job: "BatchJob | None" = None
    #: Batches that it was in, of this session.
    rounds: int = 0
    #: How many wait for it now.
    waiters: int = 0

    def settle(self, answer: dict[str, Any] | Exception) -> bool:
        """Give the item its answer. Return False if it already had one."""
        if self.answer.done():
            return False
        self.answer.set_result(answer)
        return True


#: Lines that may stand in a file of results besides two for each request.
_SPARE_LINES = 1000


async def fetch_lines(endpoint: BatchEndpoint, file_id: str, names: Set[str], items: Mapping[str, BatchItem]) -> None:
    """Give each item what a file of results holds for it, as soon as its line arrives.

    `names` are the custom ids of the whole batch. Those whose answer was already taken no longer have an item.
    """

    async def read() -> bool:
        return await _read_file(endpoint, file_id, names, items)

    if await endpoint.again(read):
        # What is cut is paid for all the same, and it may have been the way here that cut it.
        await endpoint.again(read)


async def _read_file(endpoint: BatchEndpoint, file_id: str, names: Set[str], items: Mapping[str, BatchItem]) -> bool:
    """Return whether a line was cut. A line that is too long, of another batch or a second one is passed over."""
    is_cut, seen = False, set[str]()
    async with aclosing(endpoint.client.lines(file_id)) as lines:
        # A file without an end is left once it holds more than the batch could have brought.
        left = _SPARE_LINES + 2 * len(names)
        async for written in lines:
            if (left := left - 1) < 0:
                break
            if written is None:
                continue
            line = read_line(written, key=endpoint.client.key)
            if line is None:
                is_cut |= bool(written.strip())
            elif line.custom_id in names and line.custom_id not in seen:
                seen.add(line.custom_id)
                item = items.get(line.custom_id)
                if item is not None and line.answer is not None:
                    item.settle(line.answer)
    return is_cut


#: Statuses of our own: a batch that was announced and never made, one that the server refused to make, and one that
#: the server has forgotten.
_NEVER_MADE = "never_made"
_REFUSED = "refused"
_FORGOTTEN = "forgotten"


class BatchJob:
    """A batch and the items in it. Items get their answers as the lines arrive."""

    def __init__(self, endpoint: BatchEndpoint, items: Iterable[BatchItem], *, batch: OpenBatch | None = None) -> None:
        """Take the items of a batch. With `batch`, one that was opened before, look for it instead of sending it."""
        self._endpoint = endpoint
        #: Those whose answer was not taken yet.
        self.items = {item.custom_id: item for item in items}
        #: The custom ids of all that are or were in it.
        self.names = frozenset(self.items)
        for item in self.items.values():
            item.job = self
        #: What the journal knows; None before it knows anything.
        self.batch = batch
        #: What the server said last.
        self.state: BatchState | None = None
        #: How it ended; empty as long as there may be more to come of it.
        self.status = ""
        #: Set when it has ended and all answers were taken.
        self.claimed = asyncio.Event()

    async def run(self) -> None:
        """Run the batch to its end. Items without an answer then have none in this batch.

        Raises the `RequestError` for which the batch failed or could not be made. Raises it also if the batch could
        not be followed any further; its status is empty then.
        """
        state = await self._make_batch()
        if state is None:
            self.status = _NEVER_MADE
        elif not await self._has_ended(state.id):
            self.status = _FORGOTTEN
        else:
            await self._fetch_results()

    def rest(self) -> list[BatchItem]:
        """Return the items without an answer."""
        return [item for item in self.items.values() if not item.answer.done()]

    def left_undone(self) -> RequestError:
        """Return the reason why an item has no answer after a run that raised nothing."""
        if self.state is not None and self.state.has_ended:
            return self.state.left_undone()
        return RequestError(Outcome.DROPPED, "The endpoint knows nothing of the batch that held this request.")

    def claim(self, item: BatchItem) -> None:
        """Record that this job no longer handles an item."""
        self.items.pop(item.custom_id, None)
        self.check_claims()

    def check_claims(self) -> None:
        """Set `claimed` if the job has a status and no items are left."""
        if self.status and not self.items:
            self.claimed.set()

    async def _make_batch(self) -> BatchState | None:
        """Send the batch, or find it at the server. Return None if an earlier session never made it."""
        if self.batch is None:
            batch = await self._announce_batch()
            state = await self._create_batch(batch)
        elif self.batch.batch_id is not None:
            return BatchState(id=self.batch.batch_id, status="unknown")
        else:
            batch, found = self.batch, await self._find_listed(self.batch)
            if found is None:
                return None
            state = found
        self.batch = replace(batch, batch_id=state.id)
        await self._endpoint.journal.opened(self.batch)
        return state

    async def _announce_batch(self) -> OpenBatch:
        endpoint = self._endpoint
        async with endpoint.upload:
            file_id = await endpoint.again(lambda: endpoint.client.upload([p.line for p in self.items.values()]))
        nonce = secrets.token_hex(16)
        batch = OpenBatch(nonce, endpoint.client.endpoint, file_id, tuple(self.items), datetime.now(UTC))
        await endpoint.journal.opened(batch)
        self.batch = batch
        return batch

    async def _create_batch(self, batch: OpenBatch) -> BatchState:
        endpoint, failed, is_certain = self._endpoint, 0, True
        while True:
            try:
                return await endpoint.client.create(batch.input_file_id, metadata_of(batch))
            except RequestError as fault:
                failed += 1
                # After any other refusal there may be a batch all the same.
                is_certain &= fault.status is not None and 400 <= fault.status < 500
                may_repeat = await endpoint.backoff.may_repeat(fault, failed)
                if not is_certain and (found := await self._find_listed(batch)) is not None:
                    return found
                if not may_repeat:
                    self.status = _REFUSED if is_certain else ""
                    raise

    async def _find_listed(self, batch: OpenBatch) -> BatchState | None:
        """Find the batch if it was made although its id never reached us."""
        endpoint = self._endpoint
        found = await endpoint.again(lambda: endpoint.find_if_listed(batch))
        if found is None:
            # It may have been on its way still, or be made and not listed yet.
            await asyncio.sleep(endpoint.interval.first)
            found = await endpoint.again(lambda: endpoint.find_if_listed(batch))
        return found

    async def _has_ended(self, batch_id: str) -> bool:
        """Wait until the batch has ended. Return False if the server has forgotten it."""
        endpoint, looks, failed = self._endpoint, 0, 0
        while True:
            asked = None
            try:
                self.state = await endpoint.client.state(batch_id)
                failed = 0
                if self.state.has_ended:
                    return True
            except RequestError as fault:
                failed += 1
                if fault.outcome is Outcome.NOT_FOUND and await self._is_forgotten():
                    return False
                if fault.outcome not in TRANSIENT or failed >= endpoint.looks:
                    raise
                asked = fault.retry_after
            await asyncio.sleep(endpoint.interval.wait(looks, asked=asked))
            looks += 1

    async def _is_forgotten(self) -> bool:
        # Where even the list is not found it is the address that is wrong, and nothing is known of the batch.
        batch, endpoint = self.batch, self._endpoint
        return batch is not None and await endpoint.again(lambda: endpoint.find(batch)) is None

    async def _fetch_results(self) -> None:
        state = self.state
        if state is None:
            return
        for file_id in (state.output_file_id, state.error_file_id):
            if file_id and self.rest():
                await fetch_lines(self._endpoint, file_id, self.names, self.items)
        self.status = state.status
        if state.status == "failed" and self.rest():
            raise state.describe_failure(key=self._endpoint.client.key)
