"""Where requests wait for the batch that they go with, and for their answer out of it.

deliver ──► in an open batch? ──────────────────────────────────────► its line ──► answer ──► batch closed
              └─► collected, until none has come for a moment ──► batch ─┘  └─ undone? ──► another batch
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from langchain_core.outputs import ChatResult

from ....personas.errors import SetupError
from ....personas.model import Outcome
from ...endpoint.errors import RequestError
from ...endpoint.response import ModelResponse, response_of
from ..backoff import Backoff
from ..call import CallKey
from .client import BatchClient
from .interval import Interval
from .journal import BatchJournal, OpenBatch
from .line import custom_id, write_line
from .parcel import BatchLimits, Parcel
from .progress import BatchProgress
from .route import Oddity, Route
from .tray import Tray
from .trip import Trip

__all__ = ["BatchDesk"]

#: The status of a batch whose answers were all taken before this was written down.
_READ = "read"


class BatchDesk:
    """Delivers answers by batch, in place of a model that is asked call by call.

    Whoever asks must ask everything at once: a batch holds what was asked for together. The batches that the
    journal knows are waited for rather than sent again.
    """

    def __init__(
        self,
        client: BatchClient,
        *,
        journal: BatchJournal,
        read: Callable[[dict[str, Any]], ChatResult],
        quiet: float = 0.5,
        interval: Interval | None = None,
        limits: BatchLimits | None = None,
        rounds: int = 3,
        backoff: Backoff | None = None,
        looks: int = 60,
    ) -> None:
        """`read` makes a chat model's result of a chat completion, or raises `WireError`.

        A batch is sent when no request has come for `quiet` seconds. `rounds` bounds how many batches one request
        is put into when they leave it undone, `looks` how many looks at a batch may fail one after the other.
        Raises `SetupError` for a number with which nothing could be done.
        """
        for name, number in {"rounds": rounds, "looks": looks}.items():
            if number <= 0:
                raise SetupError(f"The batch desk's {name} is {number}; give a number above 0.")
        self._limits = limits or BatchLimits()
        self._route = Route(client, journal, interval=interval or Interval(), backoff=backoff or Backoff(), looks=looks)
        self._read = read
        self._rounds = rounds
        #: Every request that waits or whose answer nobody has taken yet.
        self._parcels: dict[str, Parcel] = {}
        self._tray = Tray(self._send, quiet=quiet, most=self._limits.requests)
        #: Parcels for which the endpoint's queue has no room until another batch has ended.
        self._shelved: list[Parcel] = []
        self._trips: dict[Trip, asyncio.Task[None]] = {}
        #: How many wait for an answer; `_left` is set when there are none.
        self._asking = 0
        self._left = asyncio.Event()
        self._has_resumed = False
        #: What whoever asks is told once nothing is sent any more.
        self._over: Exception | None = None

    @property
    def oddities(self) -> Counter[Oddity]:
        """What was wrong with lines of results so far."""
        return self._route.oddities

    @property
    def waiting(self) -> int:
        """Requests that are in no batch yet."""
        return len(self._tray.parcels) + len(self._shelved)

    @property
    def progress(self) -> list[BatchProgress]:
        """How far each batch is that is under way."""
        return [BatchProgress.of(trip) for trip in self._trips if not trip.status]

    async def deliver(self, key: CallKey, payload: Mapping[str, Any]) -> ModelResponse:
        """The answer to what would be posted to `/chat/completions`. Raises `WireError` when none came.

        What came must be recorded before the caller awaits anything else: then its batch counts as read.
        """
        self._resume()
        name = custom_id(key)
        parcel = self._parcels.get(name) or _parcel(name)
        parcel.askers += 1
        self._asking += 1
        try:
            self._see_to(parcel, payload)
            # Shielded: another may wait for the same.
            answer = await asyncio.shield(parcel.answer)
        finally:
            parcel.askers -= 1
            self._asking -= 1
            if not self._asking:
                self._left.set()
        # Taken: who asks the same again, be it at once, asks anew.
        self._drop(parcel)
        # Called when the caller's step is over, and so after it has recorded the answer.
        asyncio.get_running_loop().call_soon(self._claim, parcel)
        if isinstance(answer, Exception):
            # One fault may end many requests: each raises it from its own place.
            raise answer.with_traceback(None)
        return response_of(self._read(answer))

    def recalled(self, key: CallKey) -> None:
        """Take note that an earlier session took the answer to this: no batch need be kept open for it."""
        self._resume()
        parcel = self._parcels.get(custom_id(key))
        if parcel is not None and not parcel.askers:
            self._drop(parcel)
            self._claim(parcel)

    def flush(self) -> None:
        """Send what has come so far, without waiting for more."""
        self._tray.flush()

    async def cancel(self) -> None:
        """Tell the server to stop all batches that are under way. Who waits gets what was done, or a fault."""
        self._end(_dropped("The batches were cancelled before this request was done."), self._unsent())
        for trip in list(self._trips):
            await trip.cancel()

    async def aclose(self) -> None:
        """Leave: batches that are under way stay so at the server, and in the journal for the next session."""
        self._unsent()
        # What has no answer yet stays under way; what was read to the end is closed.
        under_way = {trip for trip in self._trips if trip.rest()}
        self._end(_dropped("The run ended before this request's batch did."), list(self._parcels.values()))
        if self._asking:
            self._left.clear()
            await self._left.wait()
        # Once more, for those that have just taken their answer.
        await asyncio.sleep(0)
        for trip, task in self._trips.items():
            if trip in under_way or trip.parcels:
                task.cancel()
        await asyncio.gather(*self._trips.values(), return_exceptions=True)
        await self._route.client.aclose()

    def _end(self, why: Exception, parcels: Iterable[Parcel]) -> None:
        self._over = why
        for parcel in parcels:
            parcel.settle(why)

    def _unsent(self) -> list[Parcel]:
        """Take away all that is in no batch."""
        shelved, self._shelved = self._shelved, []
        return [*self._tray.clear(), *shelved]

    def _resume(self) -> None:
        """Take note, once, of the batches of earlier sessions at this endpoint."""
        if self._has_resumed:
            return
        self._has_resumed = True
        route = self._route
        known = [batch for batch in route.journal.open_batches() if batch.endpoint == route.client.endpoint]
        # The newest first: a request in two of them was asked again because the older one had no answer for it.
        for batch in sorted(known, key=lambda batch: batch.created_at, reverse=True):
            self._adopt(batch, [_parcel(name) for name in batch.custom_ids if name not in self._parcels])

    def _adopt(self, batch: OpenBatch, parcels: list[Parcel]) -> None:
        """Know a batch again. Nobody looks for it until one of its requests is asked."""
        trip = Trip(self._route, parcels, batch=batch)
        for parcel in parcels:
            self._parcels[parcel.custom_id] = parcel
        self._close_if_read(trip)

    def _see_to(self, parcel: Parcel, payload: Mapping[str, Any]) -> None:
        parcel.line = parcel.line or write_line(parcel.custom_id, payload)
        if self._parcels.get(parcel.custom_id) is not parcel:
            self._parcels[parcel.custom_id] = parcel
            if self._over is not None:
                parcel.settle(self._over)
            else:
                self._tray.add(parcel)
        elif parcel.trip is not None and not parcel.trip.status and parcel.trip not in self._trips:
            self._start(parcel.trip)

    def _send(self, parcels: list[Parcel]) -> None:
        # Nothing is paid for that nobody waits for any more.
        for parcel in parcels:
            if not parcel.askers:
                self._drop(parcel)
        for batch in self._limits.split(parcel for parcel in parcels if parcel.askers):
            for parcel in batch:
                parcel.rounds += 1
            self._start(Trip(self._route, batch))

    def _start(self, trip: Trip) -> None:
        self._trips[trip] = asyncio.get_running_loop().create_task(self._travel(trip))

    async def _travel(self, trip: Trip) -> None:
        try:
            has_room = True
            try:
                if not trip.status:
                    await trip.run()
                self._forward(trip)
            except RequestError as fault:
                has_room = self._stopped(trip, fault)
            if has_room:
                self._unshelve()
            trip.check_claims()
            if trip.status and trip.batch is not None:
                await trip.claimed.wait()
                await self._route.journal.closed(trip.batch.nonce, trip.status)
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it, or they wait for ever
            self._end(error, (*trip.rest(), *self._unsent()))
        finally:
            self._trips.pop(trip, None)

    def _forward(self, trip: Trip) -> None:
        """Send what a batch left undone with another one, as long as that is worth it."""
        for parcel in trip.rest():
            trip.claim(parcel)
            if not parcel.askers:
                self._drop(parcel)
            elif self._over is not None or parcel.rounds >= self._rounds:
                parcel.settle(trip.left_undone())
            else:
                self._collect(parcel)

    def _stopped(self, trip: Trip, fault: RequestError) -> bool:
        """Tell the parcels of a batch that failed; False when they wait for room in the endpoint's queue instead."""
        others = any(not other.status for other in self._trips if other is not trip)
        if fault.outcome is Outcome.RATE_LIMITED and trip.status and others and self._over is None:
            for parcel in trip.rest():
                trip.claim(parcel)
                parcel.rounds -= 1
                self._shelved.append(parcel)
            return False
        for parcel in trip.rest():
            parcel.settle(fault)
        if trip.batch is not None and not trip.status:
            # It is still under way: who asks again waits for it again.
            batch, trip.batch = trip.batch, None
            answered = {n: p for n, p in trip.parcels.items() if isinstance(p.answer.result(), dict)}
            self._adopt(batch, [answered.get(name) or _parcel(name) for name in trip.parcels])
        return True

    def _unshelve(self) -> None:
        parcels, self._shelved = self._shelved, []
        for parcel in parcels:
            self._collect(parcel)

    def _collect(self, parcel: Parcel) -> None:
        parcel.trip = None
        self._tray.add(parcel)

    def _drop(self, parcel: Parcel) -> None:
        if self._parcels.get(parcel.custom_id) is parcel:
            del self._parcels[parcel.custom_id]

    def _claim(self, parcel: Parcel) -> None:
        if parcel.trip is not None and not parcel.askers:
            parcel.trip.claim(parcel)
            self._close_if_read(parcel.trip)

    def _close_if_read(self, trip: Trip) -> None:
        """Close a batch at which nobody needs to look any more."""
        if not trip.parcels and not trip.status and trip.batch is not None and trip not in self._trips:
            trip.status = _READ
            self._start(trip)


def _dropped(why: str) -> RequestError:
    return RequestError(Outcome.DROPPED, why)


def _parcel(name: str) -> Parcel:
    return Parcel(name, asyncio.get_running_loop().create_future())
