"""The gateway to a model and its client: bounds, sends, repeats and records requests, and gives typed answers.

answer ──► _send: budget ──► slot ──► endpoint ──► recorded ──► answer
   ▲                                     │
   └── wait, then the same again ◄───────┴── rate limit, server error, dropped, ...
"""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol, Required, TypedDict, Unpack

import orjson
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage

from ...core.errors import PausedError, SetupError, parameter
from ...core.model import HUMAN, Answer, AnswerSchema, Outcome, RequestContext
from ...core.prompt import RenderedPrompt
from ..endpoint.errors import RequestError
from ..endpoint.models import ModelHandle, ServedModel
from ..endpoint.response import EmptyResponseError, ModelResponse, check_answered, send_chat
from ..endpoint.silence import LONGEST_CALL, SilenceLimit
from .budget import Budget, CallKind, Meter
from .cache import AnswerCache
from .call import AnswerStore, Call, CallKey, Ledger, RequestPart, split_request
from .capabilities import OutputMode
from .concurrency import FIRST, ConcurrencyLimiter, Slot
from .health import Health
from .limits import Backoff, Limits, Prices, RateLimiter, TokenEstimate, estimate_tokens
from .request import Endpoint, ModelRequest, PendingRequest, judge

#: Attempts at an endpoint that has never answered before it counts as unreachable.
_FIRST_ATTEMPTS = 3
#: Seconds to wait for another's equal request that goes by batch.
_BATCH_PATIENCE = 2 * 86_400.0

#: How many times the longest thought so far the next one may be, in tokens, and the most; characters of a token.
_THINKING, _MOST_THINKING, _CHARACTERS = 2, 32_000, 4

#: Replies without an answer after which the next one counts as the model's, which is then asked for another answer.
_EMPTY_REPLIES = 2


class RequestQueue(Protocol):
    """Another way for requests to reach the model than one by one: a batch."""

    def takes(self, context: RequestContext) -> bool:
        """Return whether requests of this context are sent through the queue."""
        ...

    async def deliver(
        self, key: CallKey, chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any]
    ) -> ModelResponse:
        """Return the answer, however long it takes. Raises `RequestError`, and nothing else, if none came."""
        ...

    def recalled(self, key: CallKey) -> None:
        """Record that the ledger has the answer to this request."""
        ...


class CallPolicy(TypedDict, total=False):
    """What bounds, keeps and pays for the calls of a client."""

    ledger: Required[Ledger]
    #: Answers that were paid for elsewhere.
    stores: Sequence[AnswerStore]
    limits: Limits | None
    prices: Prices | None
    #: What earlier sessions spent of the budget.
    meter: Meter | None
    backoff: Backoff | None
    queue: RequestQueue | None


class ModelClient[H: ServedModel[Any]](ABC):
    """Answers requests with one model, a chat or an embedding model, at one endpoint or several.

    Holds everything that bounds an attempt (slots, rates, budget, breaker) and records each of them.
    """

    #: The parameter by which the address of the model is given.
    address_named: ClassVar[str] = "base_url"

    def __init__(self, model: H, **policy: Unpack[CallPolicy]) -> None:
        """Ask by this model. Raises `SetupError` for a cap on money without prices."""
        #: The model that is asked.
        self.model = model
        #: What bounds the calls, and their totals so far.
        self.limits = limits = policy.get("limits") or Limits()
        self.meter = meter = policy.get("meter") or Meter()
        self._backoff = backoff = policy.get("backoff") or Backoff()
        self._ledger = policy["ledger"]
        self._stores = policy.get("stores") or ()
        self._prices = policy.get("prices")
        self._queue = policy.get("queue")
        self.endpoints = [Endpoint.open(n, handle) for n, handle in enumerate(model.all)]
        if meter.budget is None:
            meter.budget = Budget(limits, meter.total)
        self.budget = meter.budget
        self.budget.check_priced(self._prices)
        self.health = Health(
            limits,
            model=model.name,
            endpoints=[handle.endpoint for handle in model.all],
            named=self.address_named,
            backoff=backoff,
            meter=meter,
        )
        self._rate_limiter = RateLimiter(rpm=limits.rpm, tpm=limits.tpm)
        most = min(limits.max_in_flight, sum(handle.at_once or limits.max_in_flight for handle in model.all))
        self.limiter = ConcurrencyLimiter(
            most,
            rate_limiter=self._rate_limiter,
            patience=backoff.patience,
            endpoints=len(self.endpoints),
            health=self.health,
            first=None if model.endpoint is None else FIRST,
        )
        self._scope = model.endpoint or ""
        self._timeout = max(limits.timeout, model.patience)
        #: Tokens that a reasoning model may think before it answers, besides those of the answer.
        self._thinking = 0
        for handle in model.all:
            handle.limit_responses(limits.max_response_bytes)

    @property
    def name(self) -> str:
        """The model by name."""
        return self.model.name

    async def aclose(self) -> None:
        """Close the connections. The next call opens new ones."""
        await self.model.aclose()

    async def answer[T](self, pending: PendingRequest[T]) -> Answer[T]:
        """Return the answer to a request, or the outcome and reason why none can be used.

        Raises `EndpointError` if no request can be answered, `PausedError` if no more may be sent.
        """
        failed, ahead = 0, False
        while True:
            try:
                return await self._send_attempt(pending, ahead=ahead)
            except RequestError as fault:
                ahead = False
                if pending.adapt(fault) or self.health.is_to_blame(fault, pending.missed):
                    continue
                failed += 1
                self.health.note(fault.outcome, fault.detail)
                if not await self._may_retry(fault, failed, pending.request.context):
                    await self.health.judge(fault)
                    # A spoiled answer is an answer, though its text is unknown: another one is asked for.
                    return Answer(fault.outcome, reason=fault.detail, has_come=fault.spoiled)
                # It has waited its turn already, and then for as long as the endpoint asked.
                ahead = fault.outcome is Outcome.RATE_LIMITED

    async def _may_retry(self, fault: RequestError, failed: int, context: RequestContext) -> bool:
        """Return whether to send the request again. If so, wait first."""
        allowed = self._backoff.attempts
        if fault.outcome is Outcome.UNREACHABLE and not self.health.was_answered:
            allowed = min(allowed, _FIRST_ATTEMPTS * len(self.endpoints))
        # Seeded by the context, because a run draws no random numbers of its own; no answer depends on the wait.
        rng = random.Random(f"{context.seed}:{failed}")  # noqa: S311
        return await self._backoff.may_repeat(fault, failed, rng, most=allowed)

    async def _send_attempt[T](self, pending: PendingRequest[T], *, ahead: bool) -> Answer[T]:
        """Send one attempt, and return its answer.

        Raises `RequestError` if no answer came, `EndpointError` or `PausedError` if nothing may be sent.
        """
        pending.sent += 1
        estimate = self._estimate_request(pending.request)
        try:
            # Before the slot: no slot stays empty while a call waits for what others leave of the budget.
            reservation = await self.budget.reserve_call(
                self._call_kind(pending.request), estimate.prompt, is_divisible=pending.is_divisible
            )
        except PausedError:
            self.meter.outcomes[Outcome.BUDGET] += 1
            raise
        pending.slot, pending.waited = None, 0.0
        try:
            if self._queue is None or not self._queue.takes(pending.request.context):
                queued = time.perf_counter()
                # A first request may lead to a second one, so it starts earlier: the last to end then end together.
                pending.slot = await self.limiter.acquire_slot(estimate, ahead=ahead, defer=pending.request.is_further)
                pending.waited = time.perf_counter() - queued
            with self.health.open_call():
                self.health.check()
                answer = await self._make_attempt(pending)
        finally:
            # The meter has its numbers already.
            self.budget.settle(reservation, pending.call, was_sent=pending.is_sent)
            pending.call, pending.is_sent = None, False
            if pending.slot is not None:
                self.limiter.release(pending.slot)
        if pending.slot is not None:
            # The next request is sent before anything is made of this answer.
            await asyncio.sleep(0)
        return answer

    def _call_kind[T](self, request: ModelRequest[T]) -> CallKind:
        return CallKind(request.model, request.prompt.name, self._most_tokens(request), self._prices)

    def _most_tokens[T](self, request: ModelRequest[T]) -> int:
        """Return the maximum tokens of an answer and the thoughts before it, or 0 for no limit."""
        return request.max_tokens + self._thinking if request.max_tokens else 0

    def _estimate_request[T](self, request: ModelRequest[T]) -> TokenEstimate:
        """Return what the budget and the rate limits reserve for a request. It is empty if neither caps tokens."""
        if not self.budget.needs_tokens and not self._rate_limiter.caps_tokens:
            return TokenEstimate()
        return estimate_tokens(request.prompt, request.schema, self._most_tokens(request))

    async def _make_attempt[T](self, pending: PendingRequest[T]) -> Answer[T]:
        slot = pending.slot
        endpoint = pending.endpoint = self.endpoints[slot.endpoint.number if slot else 0]
        pending.started = datetime.now(UTC)
        self.meter.begun += 1
        pending.is_sent = True
        try:
            response = await self._respond(pending, endpoint)
            if pending.empty < _EMPTY_REPLIES:
                check_answered(response)
        except RequestError as fault:
            pending.empty += isinstance(fault, EmptyResponseError)
            if slot is not None:
                self.limiter.failed(slot, fault, pending.key.request_hash)
            fault.endpoint = endpoint.handle.endpoint
            self.health.was_answered |= fault.spoiled
            lost: Answer[T] = Answer(fault.outcome, reason=_reason_of(fault))
            self._record_attempt(pending, lost, fault.partial, has_answer=False)
            raise
        if slot is not None:
            self.limiter.answered(slot, response)
        self.health.was_answered = True
        answer = self._judge(pending, endpoint, response)
        self._record_attempt(pending, answer, response)
        self.health.note(answer.outcome, answer.reason)
        return answer

    def _record_attempt[T](
        self, pending: PendingRequest[T], answer: Answer[T], response: ModelResponse | None, *, has_answer: bool = True
    ) -> None:
        source = "batch" if pending.slot is None else "endpoint"
        cost = self._prices.cost(response) if self._prices and response else None
        call = pending.call = pending.build_call(answer, response, source=source, cost=cost, has_answer=has_answer)
        self._ledger.keep(pending.parts)
        self._keep(pending, call, answer)
        self.meter.add(call)
        if call.raw is not None:
            for store in self._stores:
                store.keep(call, self._scope)

    @abstractmethod
    async def _respond[T](self, pending: PendingRequest[T], endpoint: Endpoint[H]) -> ModelResponse:
        """Return the response of one endpoint. Raises `RequestError` if none came."""

    @abstractmethod
    def _judge[T](self, pending: PendingRequest[T], endpoint: Endpoint[H], response: ModelResponse) -> Answer[T]:
        """Judge a response."""

    def _keep[T](self, pending: PendingRequest[T], call: Call, answer: Answer[T]) -> None:
        """Record the attempt before its answer is used."""
        self._ledger.record(call)


def _reason_of(fault: RequestError) -> str:
    """Return what a call's row says of a fault, with what was written before it.

    That text is not an answer and is never used as one.
    """
    if fault.partial is None or not fault.partial.raw or isinstance(fault, EmptyResponseError):
        return fault.detail
    return f"{fault.detail} The model had written: {fault.partial.raw}"


#: Roles of messages by LangChain's names.
_ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


def _parts_of(messages: Sequence[BaseMessage], arguments: Mapping[str, Any]) -> tuple[RequestPart, ...]:
    form = arguments.get("response_format") or arguments.get("tools")
    told = [(_ROLES[one.type], _text_of(one)) for one in messages]
    return split_request(told, orjson.dumps(form).decode() if form else None)


def _text_of(message: BaseMessage) -> str:
    calls = message.additional_kwargs.get("tool_calls")
    return str(message.content) if not calls else orjson.dumps(calls).decode()


#: Outcomes after which another answer is asked for.
_UNUSABLE = frozenset(
    {
        Outcome.CUT_JSON,
        Outcome.NOT_JSON,
        Outcome.EMPTY,
        Outcome.LENGTH,
        Outcome.SCHEMA_MISMATCH,
        Outcome.CONTROL_CHARACTERS,
    }
)
#: How often, at most, another answer is asked for.
_REASKS = 2


class Gateway(ModelClient[ModelHandle]):
    """A `PersonaModel` over one chat model, at one endpoint or several that share the load.

    Requests of a role that has a model of its own go to that one's gateway, which has limits of its own.

    Every attempt is recorded before anything is made of its answer. A request whose paid answer the ledger
    or a store holds is not sent. Which answers come does not depend on how many calls are in flight.
    """

    def __init__(
        self,
        model: ModelHandle,
        *,
        answer_tokens: int = 1024,
        roles: Mapping[str, "Gateway"] | None = None,
        **policy: Unpack[CallPolicy],
    ) -> None:
        """Ask by this model under a `CallPolicy`.

        `answer_tokens` 0 leaves the length to the endpoint. `roles` are the gateways of other models by role; they
        share the budget, and so the meter. Raises `ValueError` for a role with another meter.
        """
        super().__init__(model, **policy)
        #: Gateways of the other roles.
        self.roles = dict(roles or {})
        for role, gateway in self.roles.items():
            if gateway.meter is not self.meter:
                raise ValueError(f"The gateway of the role {role} counts its calls in another meter than the default.")
        self._answer_tokens = answer_tokens

    @property
    def calls(self) -> int:
        """Requests sent in this session."""
        return self.meter.begun

    @property
    def recalled(self) -> int:
        """Requests that were not sent, because their answers were paid for before."""
        return self.meter.recalled.total()

    @property
    def in_flight(self) -> int:
        """Calls in flight now, of all roles."""
        return sum(one.limiter.in_flight for one in self._all_gateways)

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot now, of all roles."""
        return sum(one.limiter.waiting for one in self._all_gateways)

    @property
    def limit(self) -> int:
        """Calls that may be in flight at once, of all roles, as learnt so far."""
        return sum(one.limiter.limit for one in self._all_gateways)

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """Return a typed answer, or the outcome and reason why there is none.

        Raises `EndpointError` if no further call can succeed (wrong key, no such model, unreachable). Raises
        `PausedError` if the budget is spent or too many calls fail.
        """
        asked = self.roles.get(context.role, self)
        if context.role == HUMAN and asked is self:
            raise SetupError(f"Somebody is to answer, and nobody is there; say who, as {parameter('human', 'human')}.")
        return await asked._ask(prompt, schema, context)

    async def _ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        request = self.request(prompt, schema, context)
        attempts = reasks = refusals = cuts = 0
        while True:
            key = request.key
            known: Answer[T] | None = self._recall(request, key)
            sent = 1
            if known is None:
                async with self._claim(request, key) as is_shared:
                    known = self._recall(request, key) if is_shared else None
                    if known is None:
                        pending = PendingRequest(request, key)
                        known = await self.answer(pending)
                        sent = pending.sent
            attempts += sent
            is_refusal = known.outcome is Outcome.REFUSAL and refusals < self.limits.retry_refusals
            is_cut = known.outcome is Outcome.LENGTH
            is_unusable = known.outcome in _UNUSABLE and reasks < _REASKS and not (is_cut and cuts)
            if not known.has_come or not (is_refusal or is_unusable):
                return replace(known, attempts=attempts)
            refusals += is_refusal
            reasks += is_unusable
            cuts += is_cut
            request = request.again(prompt, known)

    def request[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> ModelRequest[T]:
        """Build the first request that is made for an answer."""
        return ModelRequest(self.name, prompt, schema, context, context.seed, self._answer_tokens, self.limits.sampling)

    async def aclose(self) -> None:
        """Close the connections of all models. The next call opens new ones."""
        for one in self._all_gateways:
            await one.model.aclose()

    @property
    def _all_gateways(self) -> tuple["Gateway", ...]:
        return (self, *self.roles.values())

    @cached_property
    def _takes_tasks(self) -> bool:
        """Whether the model is the stand-in, which is told what it is asked for; no endpoint is sent that."""
        return bool(getattr(self.endpoints[0].handle.served, "takes_tasks", False))

    def _recall[T](self, request: ModelRequest[T], key: CallKey) -> Answer[T] | None:
        """Return the answer if it was already paid for, in this run or elsewhere."""
        reply = self._ledger.recall(key)
        source = "ledger"
        if reply is not None and self._queue is not None:
            self._queue.recalled(key)
        if reply is None:
            found = ((store.source, store.recall(key, self._scope)) for store in self._stores)
            source, reply = next(((name, kept) for name, kept in found if kept is not None), (source, None))
        if self._answer_cache is not None:
            self.meter.damaged = self._answer_cache.damaged
        if reply is None:
            return None
        self.meter.recalled[source] += 1
        answer = judge(reply.raw, request.schema, finish_reason=reply.finish_reason)
        if source != "ledger":
            modes = self.endpoints[0].output_modes
            parts = _parts_of(*modes.arguments(modes.mode_for(request.schema), request.prompt, request.schema))
            self._ledger.keep(parts)
            known = PendingRequest(request, key, sent=1, parts=parts)
            self._ledger.record(known.build_call(answer, reply, source=source, cost=0.0))
        return answer

    @asynccontextmanager
    async def _claim[T](self, request: ModelRequest[T], key: CallKey) -> AsyncIterator[bool]:
        """Keep others that share the cache from sending an equal request. Yield whether it may be answered by now.

        A request of a batch may take a day, and is waited for that long.
        """
        if self._answer_cache is None:
            yield False
            return
        by_queue = self._queue is not None and self._queue.takes(request.context)
        async with self._answer_cache.claim(key, self._scope, patience=_BATCH_PATIENCE if by_queue else LONGEST_CALL):
            yield True

    @cached_property
    def _answer_cache(self) -> AnswerCache | None:
        return next((store for store in self._stores if isinstance(store, AnswerCache)), None)

    async def _respond[T](self, pending: PendingRequest[T], endpoint: Endpoint[ModelHandle]) -> ModelResponse:
        request, number, by_queue = pending.request, endpoint.number, pending.slot is None
        pending.mode = pending.fallbacks.get(number) or endpoint.output_modes.mode_for(
            request.schema,
            native=not by_queue and not request.is_again and getattr(endpoint.handle.served, "takes_tools", False),
        )
        pending.left_out = endpoint.output_modes.left_out
        messages, kwargs = endpoint.output_modes.arguments(pending.mode, request.prompt, request.schema)
        pending.parts = _parts_of(messages, kwargs)
        chat = endpoint.handle.served
        pending.arguments = endpoint.parameters.arguments(
            seed=request.seed,
            max_tokens=self._most_tokens(request),
            stream=not by_queue and getattr(chat, "can_stream", False),
            without=pending.without.get(number, frozenset()),
        )
        kwargs |= {**request.sampling, **pending.arguments}
        if "extra_body" in request.sampling and "extra_body" in pending.arguments:
            kwargs["extra_body"] = request.sampling["extra_body"] | pending.arguments["extra_body"]
        if self._takes_tasks:
            kwargs |= {"task": request.prompt.name, "generators": request.schema.generators}
            if request.schema.text_form is not None:
                kwargs["text_schema"] = request.schema
        if by_queue and self._queue is not None:
            return await self._queue.deliver(pending.key, chat, messages, kwargs)
        slot = pending.slot
        within = self._timeout * (slot.slowness if slot else 1)
        if slot is not None and "stream" in kwargs:
            kwargs["silence"] = self._silence_limit(slot, within)
        response = await send_chat(chat, messages, kwargs, within=None if "silence" in kwargs else within)
        if pending.mode is OutputMode.TOOLS and request.schema.native is not None:
            return endpoint.output_modes.read_native(request.schema.native, response)
        return response

    def _silence_limit(self, slot: Slot, within: float) -> SilenceLimit:
        throughput, loop = slot.endpoint.throughput, asyncio.get_running_loop()

        def note(pieces: int) -> None:
            throughput.note_pieces(slot, loop.time(), pieces)
            self.meter.pieces += pieces

        return SilenceLimit(within, last_of_all=lambda: throughput.last_piece, on_pieces=note)

    def _judge[T](
        self, pending: PendingRequest[T], endpoint: Endpoint[ModelHandle], response: ModelResponse
    ) -> Answer[T]:
        thought = response.reasoning_tokens or len(response.reasoning or "") // _CHARACTERS
        self._thinking = max(self._thinking, min(_MOST_THINKING, _THINKING * thought))
        endpoint.output_modes.learn(pending.mode, pending.request.schema)
        endpoint.parameters.learn(pending.without.get(endpoint.number, frozenset()), pending.arguments)
        answer = judge(response.raw, pending.request.schema, finish_reason=response.finish_reason)
        if not pending.request.is_again:  # the second time, a complaint says the form
            endpoint.output_modes.note_outcome(pending.mode, answer.outcome, response.raw)
        return answer
