"""The queue of requests that a chat model answers by batch.

deliver ──► in an open batch? ──────────────────────────────────────► its line ──► answer ──► batch closed
              └─► collected, until none has come for a moment ──► batch ─┘  └─ undone? ──► another batch
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from ...core.errors import SetupError
from ...core.model import Outcome, RequestContext
from ..endpoint.errors import MOST_BYTES, RequestError
from ..endpoint.models import ModelHandle
from ..endpoint.response import ModelResponse, response_of
from ..gateway.call import CallKey
from ..gateway.limits import Backoff
from .client import BatchClient, BatchEndpoint, BatchJournal, OpenBatch, PollInterval, custom_id, write_line
from .job import BatchItem, BatchJob, BatchLimits

if TYPE_CHECKING:
    from ..endpoint.http_client import HttpConnection

#: The status of a batch whose answers were all taken before this was written down.
_READ = "read"


class BatchQueue:
    """Delivers answers by batch: the `RequestQueue` of a gateway whose model is not asked call by call.

    Callers must ask for everything at once: a batch holds what was asked for together. The batches that the
    journal knows are waited for rather than sent again.
    """

    def __init__(
        self,
        client: BatchClient,
        *,
        journal: BatchJournal,
        read: Callable[[dict[str, Any]], ChatResult],
        quiet: float = 0.5,
        interval: PollInterval | None = None,
        limits: BatchLimits | None = None,
        rounds: int = 3,
        backoff: Backoff | None = None,
        looks: int = 60,
        takes: Callable[[RequestContext], bool] = lambda _: True,
    ) -> None:
        """`read` makes a chat model's result of a chat completion, or raises `RequestError`.

        `takes` says whether a context can wait, and all others of its kind are asked at once with it.
        A batch is sent when no request has come for `quiet` seconds. `rounds` bounds how many batches one request
        is put into when they leave it undone, `looks` how many looks at a batch may fail one after the other.
        """
        self._limits = limits or BatchLimits()
        self._endpoint = BatchEndpoint(
            client, journal, interval=interval or PollInterval(), backoff=backoff or Backoff(attempts=5), looks=looks
        )
        self._read = read
        #: Returns whether requests of a context are sent in batches.
        self.takes = takes
        self._rounds = rounds
        #: Every request that waits or whose answer was not taken yet.
        self._items: dict[str, BatchItem] = {}
        #: Items that wait to be in a batch together, and what sends them once no more come.
        self._collected: list[BatchItem] = []
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = quiet
        #: Items for which the endpoint's queue has no room until another batch has ended.
        self._postponed: list[BatchItem] = []
        self._jobs: dict[BatchJob, asyncio.Task[None]] = {}
        #: How many wait for an answer; `_left` is set when there are none.
        self._asking = 0
        self._left = asyncio.Event()
        self._has_resumed = False
        #: The error for further requests once nothing is sent any more.
        self._over: Exception | None = None

    async def deliver(
        self, key: CallKey, chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any]
    ) -> ModelResponse:
        """Return the answer of `chat`, the model that the queue was opened for. Raises `RequestError` if none came."""
        return await self.post(key, cast("_Batchable", chat).payload(messages, **kwargs))

    async def post(self, key: CallKey, payload: Mapping[str, Any]) -> ModelResponse:
        """Return the answer to what would be posted to `/chat/completions`. Raises `RequestError` if none came.

        The caller must record the answer before it awaits anything else. Only then does its batch count as read.
        """
        self._resume_batches()
        name = custom_id(key)
        item = self._items.get(name) or _make_item(name)
        item.waiters += 1
        self._asking += 1
        try:
            self._enqueue_item(item, payload)
            # Shielded: another may wait for the same.
            answer = await asyncio.shield(item.answer)
        finally:
            item.waiters -= 1
            self._asking -= 1
            if not self._asking:
                self._left.set()
        # Taken: the same request, should it come again, is sent again.
        self._drop_item(item)
        # Called when the caller's step is over, and so after it has recorded the answer.
        asyncio.get_running_loop().call_soon(self._claim_item, item)
        if isinstance(answer, Exception):
            # One fault may end many requests: each raises it from its own place.
            raise answer.with_traceback(None)
        return response_of(self._read(answer))

    def recalled(self, key: CallKey) -> None:
        """Record that an earlier session took the answer to this request. No batch needs to stay open for it."""
        self._resume_batches()
        item = self._items.get(custom_id(key))
        if item is not None and not item.waiters:
            self._drop_item(item)
            self._claim_item(item)

    async def aclose(self) -> None:
        """Leave the queue. Open batches keep running at the server and stay in the journal for the next session."""
        self._take_unsent()
        # What has no answer yet stays under way; what was read to the end is closed.
        under_way = {job for job in self._jobs if job.rest()}
        ended = RequestError(Outcome.DROPPED, "The run ended before this request's batch did.")
        self._end_items(ended, list(self._items.values()))
        if self._asking:
            self._left.clear()
            await self._left.wait()
        # Again, for those that have just taken their answer.
        await asyncio.sleep(0)
        for job, task in self._jobs.items():
            if job in under_way or job.items:
                task.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        await self._endpoint.client.aclose()

    def _end_items(self, why: Exception, items: Iterable[BatchItem]) -> None:
        self._over = why
        for item in items:
            item.settle(why)

    def _take_unsent(self) -> list[BatchItem]:
        """Remove and return all items that are in no batch."""
        items = [*self._take_collected(), *self._postponed]
        self._postponed = []
        return items

    def _resume_batches(self) -> None:
        """Register, once, the batches of earlier sessions at this endpoint."""
        if self._has_resumed:
            return
        self._has_resumed = True
        endpoint = self._endpoint
        known = [batch for batch in endpoint.journal.open_batches() if batch.endpoint == endpoint.client.endpoint]
        # The newest first: a request in two of them was asked again because the older one had no answer for it.
        for batch in sorted(known, key=lambda batch: batch.created_at, reverse=True):
            self._adopt_batch(batch, [_make_item(name) for name in batch.custom_ids if name not in self._items])

    def _adopt_batch(self, batch: OpenBatch, items: list[BatchItem]) -> None:
        """Register a batch of an earlier session. It is looked up when one of its requests is asked."""
        job = BatchJob(self._endpoint, items, batch=batch)
        for item in items:
            self._items[item.custom_id] = item
        self._close_if_read(job)

    def _enqueue_item(self, item: BatchItem, payload: Mapping[str, Any]) -> None:
        item.line = item.line or write_line(item.custom_id, payload)
        if self._items.get(item.custom_id) is not item:
            self._items[item.custom_id] = item
            if self._over is not None:
                item.settle(self._over)
            else:
                self._collect_item(item)
        elif item.job is not None and not item.job.status and item.job not in self._jobs:
            self._start_job(item.job)

    def _take_collected(self) -> list[BatchItem]:
        if self._timer is not None:
            self._timer.cancel()
        items, self._collected, self._timer = self._collected, [], None
        return items

    def _send_collected(self) -> None:
        items = self._take_collected()
        # Requests without a waiting caller are not paid for.
        for item in items:
            if not item.waiters:
                self._drop_item(item)
        for batch in self._limits.split(item for item in items if item.waiters):
            for item in batch:
                item.rounds += 1
            self._start_job(BatchJob(self._endpoint, batch))

    def _start_job(self, job: BatchJob) -> None:
        self._jobs[job] = asyncio.get_running_loop().create_task(self._run_job(job))

    async def _run_job(self, job: BatchJob) -> None:
        try:
            has_room = True
            try:
                if not job.status:
                    await job.run()
                self._forward_rest(job)
            except RequestError as fault:
                has_room = self._tell_stopped(job, fault)
            if has_room:
                self._collect_postponed()
            job.check_claims()
            if job.status and job.batch is not None:
                await job.claimed.wait()
                await self._endpoint.journal.closed(job.batch.nonce, job.status)
        except Exception as error:  # noqa: BLE001 - callers that wait for an answer must get the error
            self._end_items(error, (*job.rest(), *self._take_unsent()))
        finally:
            self._jobs.pop(job, None)

    def _forward_rest(self, job: BatchJob) -> None:
        """Send what a batch left undone in another batch, as long as that is worth it."""
        for item in job.rest():
            job.claim(item)
            if not item.waiters:
                self._drop_item(item)
            elif self._over is not None or item.rounds >= self._rounds:
                item.settle(job.left_undone())
            else:
                self._collect_item(item)

    def _tell_stopped(self, job: BatchJob, fault: RequestError) -> bool:
        """Tell the items of a batch that it failed.

        Return False if they wait for room in the endpoint's queue instead.
        """
        others = any(not other.status for other in self._jobs if other is not job)
        if fault.outcome is Outcome.RATE_LIMITED and job.status and others and self._over is None:
            for item in job.rest():
                job.claim(item)
                item.rounds -= 1
                self._postponed.append(item)
            return False
        for item in job.rest():
            item.settle(fault)
        if job.batch is not None and not job.status:
            # It is still under way: a request that comes again waits for it again.
            batch, job.batch = job.batch, None
            answered = {n: p for n, p in job.items.items() if isinstance(p.answer.result(), dict)}
            self._adopt_batch(batch, [answered.get(name) or _make_item(name) for name in job.items])
        return True

    def _collect_postponed(self) -> None:
        items, self._postponed = self._postponed, []
        for item in items:
            self._collect_item(item)

    def _collect_item(self, item: BatchItem) -> None:
        item.job = None
        self._collected.append(item)
        if self._timer is not None:
            self._timer.cancel()
        quiet = 0.0 if len(self._collected) >= self._limits.requests else self._quiet
        self._timer = asyncio.get_running_loop().call_later(quiet, self._send_collected)

    def _drop_item(self, item: BatchItem) -> None:
        if self._items.get(item.custom_id) is item:
            del self._items[item.custom_id]

    def _claim_item(self, item: BatchItem) -> None:
        if item.job is not None and not item.waiters:
            item.job.claim(item)
            self._close_if_read(item.job)

    def _close_if_read(self, job: BatchJob) -> None:
        """Close a batch if all its answers were taken."""
        if not job.items and not job.status and job.batch is not None and job not in self._jobs:
            job.status = _READ
            self._start_job(job)


def _make_item(name: str) -> BatchItem:
    return BatchItem(name, asyncio.get_running_loop().create_future())


@runtime_checkable
class _Batchable(Protocol):
    # `LeanChatOpenAI`, which takes seconds to import.
    def payload(self, messages: list[BaseMessage], **kwargs: Any) -> dict[str, Any]: ...

    def read(self, reply: dict[str, Any]) -> ChatResult: ...

    def connection(self, *, whole: bool = True) -> "HttpConnection": ...


def open_batch_queue(
    model: ModelHandle, *, journal: BatchJournal, longest_line: int = MOST_BYTES, **options: Any
) -> BatchQueue:
    """Open the queue at the model's endpoint.

    `longest_line` is the maximum length of a result in bytes, and `options` are those of `BatchQueue`. Raises
    `SetupError` for a model that is not reached through an OpenAI-compatible endpoint.
    """
    chat = _check_batchable_chat(model)
    # Silence is what is bounded, and not the whole: a file may take minutes each way.
    client = BatchClient(chat.connection(whole=False), longest_line=longest_line)
    return BatchQueue(client, journal=journal, read=chat.read, **options)


def check_batchable(model: ModelHandle) -> None:
    """Raise `SetupError` for a model that is not reached through an OpenAI-compatible endpoint."""
    _check_batchable_chat(model)


def _check_batchable_chat(model: ModelHandle) -> _Batchable:
    if not isinstance(model.served, _Batchable):
        raise SetupError(f"Model {model.name} takes no batches; they need a model like openai:MODEL.")
    return model.served
