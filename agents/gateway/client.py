"""Sends requests to the endpoints of one model, with retries, and records every attempt.

answer ──► _send: slot ──► budget ──► endpoint ──► recorded ──► verdict
   ▲                                     │
   └── wait, then the same again ◄───────┴── rate limit, server error, dropped, ...
"""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage

from ...personas.model import Outcome, RequestContext
from ..endpoint.errors import TRANSIENT, RequestError
from ..endpoint.models import ModelHandle, ServedModel
from ..endpoint.response import ModelResponse, send_chat
from .budget import Breaker, Budget, Meter, Prices
from .call import AnswerStore, Call, CallKey, Ledger
from .concurrency import FIRST, ConcurrencyLimiter, Slot
from .limits import Backoff, Limits, RateLimiter
from .outage import Liveness, Outage
from .request import Attempt, Endpoint, ModelRequest, ParsedReply, PendingRequest, judge

#: Attempts at an endpoint that has never answered before it counts as unreachable.
_FIRST_ATTEMPTS = 3


class RequestQueue(Protocol):
    """Another way for requests to reach the model than one by one: a batch."""

    def takes(self, context: RequestContext) -> bool:
        """Whether requests of this context go this way."""
        ...

    async def deliver(
        self, key: CallKey, chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any]
    ) -> ModelResponse:
        """The answer, however long it takes. Raises `RequestError`, and nothing else, when none came."""
        ...

    def recalled(self, key: CallKey) -> None:
        """Take note that the ledger has the answer to this request."""
        ...


class ModelClient[H: ServedModel](ABC):
    """Answers requests with one model, a chat or an embedding model, at one endpoint or several.

    Holds everything that bounds an attempt (slots, rates, budget, breaker) and records each of them.
    """

    #: The parameter by which the address of the model is given.
    address_named: ClassVar[str] = "base_url"

    def __init__(
        self,
        model: H,
        *,
        ledger: Ledger,
        stores: Sequence[AnswerStore],
        limits: Limits,
        prices: Prices | None,
        meter: Meter,
        attempts: int,
        backoff: Backoff,
        queue: RequestQueue | None = None,
    ) -> None:
        self.endpoints = [Endpoint(n, handle) for n, handle in enumerate(model.all)]
        self.meter = meter
        self.budget = Budget(limits, meter, prices)
        self.breaker = Breaker(limits.max_error_rate)
        self.liveness = Liveness(model.name, model.endpoint, named=self.address_named)
        self._rate_limiter = RateLimiter(rpm=limits.rpm, tpm=limits.tpm)
        most = min(limits.max_in_flight, sum(handle.at_once or limits.max_in_flight for handle in model.all))
        before = meter.total.answers
        outage = Outage(
            limits.wait,
            endpoints=len(self.endpoints),
            place=f"Model {model.name} at {' and '.join(str(handle.endpoint) for handle in model.all)}",
            backoff=backoff,
            meter=meter,
            was_answered=lambda: self.liveness.was_answered or before > 0,
        )
        self.limiter = ConcurrencyLimiter(
            most,
            rate_limiter=self._rate_limiter,
            patience=backoff.patience,
            endpoints=len(self.endpoints),
            outage=outage,
            first=None if model.endpoint is None else FIRST,
        )
        self._ledger = ledger
        self._stores = stores
        self._scope = model.endpoint or ""
        self._prices = prices
        self._attempts = attempts
        self._backoff = backoff
        self._timeout = max(limits.timeout, model.patience)
        self._queue = queue

    async def answer[T](self, pending: PendingRequest[T]) -> tuple[ParsedReply[T], str | None]:
        """The verdict on a request and the answer it judges, None when no answer came.

        Raises `EndpointError` when no request can be answered, `PausedError` when no more may be sent.
        """
        failed, ahead = 0, False
        while True:
            try:
                return await self._send(pending, ahead=ahead)
            except RequestError as fault:
                ahead = False
                if pending.adapt(fault) or self.limiter.outage.excuses(fault, pending.missed):
                    continue
                failed += 1
                self.breaker.note(fault.outcome, fault.detail)
                if not await self._may_retry(fault, failed, pending.request.context):
                    await self.liveness.judge(fault)
                    # A spoiled answer is an answer, though its text is unknown: another one is asked for.
                    return ParsedReply(fault.outcome, reason=fault.detail), "" if fault.spoiled else None
                # It has waited its turn already, and then for as long as the endpoint asked.
                ahead = fault.outcome is Outcome.RATE_LIMITED

    async def _may_retry(self, fault: RequestError, failed: int, context: RequestContext) -> bool:
        """Whether to send the request again; if so, the wait before that is over."""
        allowed = self._attempts
        if fault.outcome is Outcome.UNREACHABLE and not self.liveness.was_answered:
            allowed = min(allowed, _FIRST_ATTEMPTS * len(self.endpoints))
        if fault.outcome not in TRANSIENT or failed >= allowed:
            return False
        # Seeded by the context, because a run draws no random numbers of its own; no answer depends on the wait.
        rng = random.Random(f"{context.seed}:{failed}")  # noqa: S311
        delay = self._backoff.delay(failed, rng, asked=fault.retry_after)
        if delay is None:
            return False
        await asyncio.sleep(delay)
        return True

    async def _send[T](self, pending: PendingRequest[T], *, ahead: bool) -> tuple[ParsedReply[T], str]:
        """One attempt: the verdict on an answer, and the answer.

        Raises `RequestError` when no answer came, `EndpointError` or `PausedError` when nothing may be sent.
        """
        pending.sent += 1
        slot, waited = None, 0.0
        if self._queue is None or not self._queue.takes(pending.request.context):
            queued = time.perf_counter()
            asked = pending.request
            estimate = self._rate_limiter.estimate(asked.prompt, asked.schema, asked.max_tokens)
            # A first request may lead to a second one, so it starts earlier: the last to end then end together.
            slot = await self.limiter.acquire(estimate, ahead=ahead, defer=pending.request.is_further)
            waited = time.perf_counter() - queued
        call = self.liveness.begin_call()
        try:
            self.liveness.check()
            self.breaker.check()
            self.budget.begin()
            pending.is_under_way = True
            verdict, response = await self._attempt(pending, slot, waited)
        finally:
            self._end(pending, slot)
            self.liveness.end_call(call)
        if slot is not None:
            # The next request is sent before anything is made of this answer.
            await asyncio.sleep(0)
        return verdict, response.raw

    async def _attempt[T](
        self, pending: PendingRequest[T], slot: Slot | None, waited: float
    ) -> tuple[ParsedReply[T], ModelResponse]:
        endpoint = pending.endpoint = self.endpoints[slot.endpoint.number if slot else 0]
        attempt = Attempt(pending.key, pending.sent, waited, datetime.now(UTC))
        self.meter.begun += 1
        try:
            response = await self._respond(pending, endpoint, by_queue=slot is None)
        except RequestError as fault:
            if slot is not None:
                self.limiter.failed(slot, fault, pending.key.request_hash)
            fault.endpoint = endpoint.handle.endpoint
            self.liveness.was_answered |= fault.spoiled
            self._record(pending, attempt, ParsedReply(fault.outcome, reason=fault.detail), None, by_queue=slot is None)
            raise
        if slot is not None:
            self.limiter.answered(slot, response)
        self.liveness.was_answered = True
        verdict = self._judge(pending, endpoint, response)
        self._record(pending, attempt, verdict, response, by_queue=slot is None)
        self.breaker.note(verdict.outcome, verdict.reason)
        return verdict, response

    def _end[T](self, pending: PendingRequest[T], slot: Slot | None) -> None:
        """Count an attempt as ended: the meter has its numbers already."""
        if pending.is_under_way:
            pending.is_under_way = False
            self.budget.end()
        if slot is not None:
            self.limiter.release(slot)

    def _record[T](
        self,
        pending: PendingRequest[T],
        attempt: Attempt,
        verdict: ParsedReply[T],
        response: ModelResponse | None,
        *,
        by_queue: bool,
    ) -> None:
        call = attempt.call(
            pending.request,
            verdict,
            response,
            endpoint=pending.endpoint.handle.endpoint if pending.endpoint else None,
            source="batch" if by_queue else "endpoint",
            cost=self._prices.cost(response) if self._prices and response else None,
        )
        self._keep(pending, call, verdict)
        self.meter.add(call)
        if call.raw is not None:
            for store in self._stores:
                store.keep(call, self._scope)

    @abstractmethod
    async def _respond[T](self, pending: PendingRequest[T], endpoint: Endpoint[H], *, by_queue: bool) -> ModelResponse:
        """The response of one endpoint. Raises `RequestError` when none came."""

    @abstractmethod
    def _judge[T](self, pending: PendingRequest[T], endpoint: Endpoint[H], response: ModelResponse) -> ParsedReply[T]:
        """The verdict on a response."""

    def _keep[T](self, pending: PendingRequest[T], call: Call, verdict: ParsedReply[T]) -> None:
        """Record the attempt, before anything is made of its answer."""
        self._ledger.record(call)


class ChatClient(ModelClient[ModelHandle]):
    """Sends requests to the endpoints of one chat model."""

    @cached_property
    def _takes_tasks(self) -> bool:
        """Whether the model is the stand-in, which is told what it is asked for; no endpoint is sent that."""
        return bool(getattr(self.endpoints[0].handle.chat, "takes_tasks", False))

    def recall[T](self, request: ModelRequest[T], key: CallKey) -> tuple[ParsedReply[T], str] | None:
        """The verdict on an answer that was paid for before, in this run or elsewhere, and the answer."""
        reply = self._ledger.recall(key)
        source = "ledger"
        if reply is not None and self._queue is not None:
            self._queue.recalled(key)
        if reply is None:
            found = ((store.source, store.recall(key, self._scope)) for store in self._stores)
            source, reply = next(((name, kept) for name, kept in found if kept is not None), (source, None))
        if reply is None:
            return None
        self.meter.recalled[source] += 1
        verdict = judge(reply.raw, request.schema, finish_reason=reply.finish_reason)
        if source != "ledger":
            attempt = Attempt(key, 1, 0.0, datetime.now(UTC))
            self._ledger.record(attempt.call(request, verdict, reply, source=source, cost=0.0))
        return verdict, reply.raw

    async def _respond[T](
        self, pending: PendingRequest[T], endpoint: Endpoint[ModelHandle], *, by_queue: bool
    ) -> ModelResponse:
        request, number = pending.request, endpoint.number
        pending.mode = pending.fallbacks.get(number) or endpoint.output_modes.mode_for(request.schema)
        messages, kwargs = endpoint.output_modes.arguments(pending.mode, request.prompt, request.schema)
        pending.arguments = endpoint.parameters.arguments(
            seed=request.seed, max_tokens=request.max_tokens, without=pending.without.get(number, frozenset())
        )
        kwargs |= {**request.sampling, **pending.arguments}
        if "extra_body" in request.sampling and "extra_body" in pending.arguments:
            kwargs["extra_body"] = request.sampling["extra_body"] | pending.arguments["extra_body"]
        if self._takes_tasks:
            kwargs |= {"task": request.prompt.name, "generators": request.schema.generators}
        if by_queue and self._queue is not None:
            return await self._queue.deliver(pending.key, endpoint.handle.chat, messages, kwargs)
        return await send_chat(endpoint.handle.chat, messages, kwargs, within=self._timeout)

    def _judge[T](
        self, pending: PendingRequest[T], endpoint: Endpoint[ModelHandle], response: ModelResponse
    ) -> ParsedReply[T]:
        endpoint.output_modes.learn(pending.mode, pending.request.schema)
        endpoint.parameters.learn(pending.without.get(endpoint.number, frozenset()))
        return judge(response.raw, pending.request.schema, finish_reason=response.finish_reason)
