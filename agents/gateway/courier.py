"""One attempt at a request: it waits for its turn, is sent, judged, recorded, and what it showed is learnt."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage

from ...personas.model import RequestContext
from ..endpoint.errors import RequestError
from ..endpoint.models import ModelHandle
from ..endpoint.response import ModelResponse, send_chat
from .allowance import Allowance
from .backoff import Backoff
from .budget import Breaker, Budget
from .call import AnswerStore, Call, CallKey, Ledger
from .dialect import Dialect
from .form import Form, FormKind
from .limits import Limits
from .liveness import Liveness
from .meter import Meter
from .outage import Missed, Outage
from .pace import FIRST, Pace, Turn
from .prices import Prices
from .replies import Verdict, judge
from .request import Attempt, Request

__all__ = ["Carriage", "Courier", "Desk", "Endpoint", "Errand", "Served"]


class Desk(Protocol):
    """Another way for requests to reach the model than one by one: a batch."""

    def takes(self, context: RequestContext) -> bool:
        """Whether requests of this context go this way."""
        ...

    async def deliver(
        self, key: CallKey, chat: BaseChatModel, messages: list[BaseMessage], kwargs: Mapping[str, Any]
    ) -> ModelResponse:
        """The answer, however long it takes. Raises `WireError`, and nothing else, when none came."""
        ...

    def recalled(self, key: CallKey) -> None:
        """Take note that the ledger has the answer to this."""
        ...


class Served(Protocol):
    """What has to be known of a model, of whatever kind, before anything is sent to it."""

    @property
    def name(self) -> str:
        """The model by name."""
        ...

    @property
    def endpoint(self) -> str | None:
        """The base URL, without key; None for a model in the process."""
        ...

    @property
    def at_once(self) -> int | None:
        """Calls that it works on at once; None where that is for the endpoint to show."""
        ...

    @property
    def patience(self) -> float:
        """Seconds that each call is to be given at least."""
        ...

    @property
    def all(self) -> tuple[Self, ...]:
        """The model at all of its endpoints."""
        ...


@dataclass(slots=True)
class Errand[T]:
    """A request on its way to an answer, over all the attempts that it takes."""

    request: Request[T]
    key: CallKey
    sent: int = 0
    #: The endpoint of the last attempt, and the form that it was asked in.
    endpoint: "Endpoint[Any] | None" = None
    kind: FormKind = FormKind.STRICT
    #: The forms that this very request has come down to, by endpoint; and the parameters that it goes without.
    lowered: dict[int, FormKind] = field(default_factory=dict)
    without: dict[int, frozenset[str]] = field(default_factory=dict)
    is_under_way: bool = False
    #: The optional parameters of the last attempt.
    told: Mapping[str, Any] = field(default_factory=dict)
    missed: Missed = field(default_factory=Missed)

    def lower(self, fault: RequestError) -> bool:
        """Whether to send it again at once, in a form or with parameters that the endpoint may rather take."""
        if self.endpoint is None:
            return False
        number = self.endpoint.number
        blamed = self.endpoint.dialect.blamed(fault, self.told)
        if blamed is not None:
            self.without[number] = self.without.get(number, frozenset()) | {blamed}
            return True
        lower = self.endpoint.form.below(self.kind, fault, self.request.schema)
        if lower is None:
            return False
        self.lowered[number] = lower
        return True


@dataclass(frozen=True, slots=True)
class Endpoint[H: Served]:
    """One place where the model is served, and how it is told schema and parameters, as learnt so far."""

    number: int
    handle: H
    form: Form = field(default_factory=Form)
    dialect: Dialect = field(default_factory=Dialect)


class Carriage[H: Served](ABC):
    """Takes requests to the endpoints of one model, of whatever kind: all that bounds and records an attempt."""

    def __init__(
        self,
        model: H,
        *,
        ledger: Ledger,
        stores: Sequence[AnswerStore],
        limits: Limits,
        prices: Prices | None,
        meter: Meter,
        backoff: Backoff,
        desk: Desk | None = None,
    ) -> None:
        self.endpoints = [Endpoint(n, handle) for n, handle in enumerate(model.all)]
        self.meter = meter
        self.budget = Budget(limits, meter, prices)
        self.breaker = Breaker(limits.max_error_rate)
        self.liveness = Liveness(model.name, model.endpoint)
        self._allowance = Allowance(rpm=limits.rpm, tpm=limits.tpm)
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
        self.pace = Pace(
            most,
            allowance=self._allowance,
            patience=backoff.patience,
            endpoints=len(self.endpoints),
            outage=outage,
            first=None if model.endpoint is None else FIRST,
        )
        self._ledger = ledger
        self._stores = stores
        self._scope = model.endpoint or ""
        self._prices = prices
        self._timeout = max(limits.timeout, model.patience)
        self._desk = desk

    async def send[T](self, errand: Errand[T]) -> tuple[Verdict[T], str]:
        """The verdict on an answer, and the answer. Raises `WireError` when none came, `RunError` when none can."""
        errand.sent += 1
        if self._desk is not None and self._desk.takes(errand.request.context):
            return await self._begun(errand, None, 0.0)
        queued = time.perf_counter()
        turn = await self.pace.take(self._allowance.weigh(errand.request))
        try:
            return await self._begun(errand, turn, time.perf_counter() - queued)
        finally:
            self.pace.give(turn)

    async def _begun[T](self, errand: Errand[T], turn: Turn | None, waited: float) -> tuple[Verdict[T], str]:
        flight = self.liveness.take_off()
        try:
            self.liveness.check()
            self.breaker.check()
            self.budget.begin()
            errand.is_under_way = True
            try:
                return await self._attempted(errand, turn, waited)
            finally:
                self._ended(errand)
        finally:
            self.liveness.land(flight)

    def _ended[T](self, errand: Errand[T]) -> None:
        """Count an attempt as ended, once: what it came to is in the meter by now, or nothing came."""
        if errand.is_under_way:
            errand.is_under_way = False
            self.budget.end()

    async def _attempted[T](self, errand: Errand[T], turn: Turn | None, waited: float) -> tuple[Verdict[T], str]:
        errand.endpoint = self.endpoints[turn.track.number if turn else 0]
        attempt = Attempt(errand.key, errand.sent, waited, datetime.now(UTC))
        self.meter.begun += 1
        try:
            delivery = await self._delivered(errand, errand.endpoint, turn)
        except RequestError as fault:
            if turn is not None:
                self.pace.failed(turn, fault, errand.key.request_hash)
            fault.endpoint = errand.endpoint.handle.endpoint
            self.liveness.was_answered |= fault.spoiled
            self._record(errand, attempt, Verdict(fault.outcome, reason=fault.detail), None, turn)
            raise
        if turn is not None:
            self.pace.answered(turn, delivery)
        self.liveness.was_answered = True
        verdict = self._judged(errand, errand.endpoint, delivery)
        self._record(errand, attempt, verdict, delivery, turn)
        self.breaker.note(verdict.outcome, verdict.reason)
        self._ended(errand)
        if turn is not None:
            self.pace.give(turn)
            # Whoever has the turn now is sent on its way before anything is made of this answer.
            await asyncio.sleep(0)
        return verdict, delivery.raw

    def _record[T](
        self,
        errand: Errand[T],
        attempt: Attempt,
        verdict: Verdict[T],
        delivery: ModelResponse | None,
        turn: Turn | None,
    ) -> None:
        call = attempt.call(
            errand.request,
            verdict,
            delivery,
            endpoint=errand.endpoint.handle.endpoint if errand.endpoint else None,
            source="batch" if turn is None else "endpoint",
            cost=self._prices.cost(delivery) if self._prices and delivery else None,
        )
        self._keep(errand, call, verdict)
        self.meter.add(call)
        if call.raw is not None:
            for store in self._stores:
                store.keep(call, self._scope)

    @abstractmethod
    async def _delivered[T](self, errand: Errand[T], endpoint: Endpoint[H], turn: Turn | None) -> ModelResponse:
        """The answer of one endpoint. Raises `WireError` when none came."""

    @abstractmethod
    def _judged[T](self, errand: Errand[T], endpoint: Endpoint[H], delivery: ModelResponse) -> Verdict[T]:
        """What the answer is good for."""

    def _keep[T](self, errand: Errand[T], call: Call, verdict: Verdict[T]) -> None:
        """Record the attempt, before anything is made of its answer."""
        self._ledger.record(call)


class Courier(Carriage[ModelHandle]):
    """Takes requests to the endpoints of one chat model."""

    def recalled[T](self, request: Request[T], key: CallKey) -> tuple[Verdict[T], str] | None:
        """The verdict on an answer that was paid for before, in this run or elsewhere, and the answer."""
        reply = self._ledger.recall(key)
        source = "ledger"
        if reply is not None and self._desk is not None:
            self._desk.recalled(key)
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

    async def _delivered[T](
        self, errand: Errand[T], endpoint: Endpoint[ModelHandle], turn: Turn | None
    ) -> ModelResponse:
        request = errand.request
        errand.kind = errand.lowered.get(endpoint.number) or endpoint.form.kind_for(request.schema)
        messages, kwargs = endpoint.form.told(errand.kind, request.prompt, request.schema)
        errand.told = endpoint.dialect.told(
            seed=request.seed, max_tokens=request.max_tokens, without=errand.without.get(endpoint.number, frozenset())
        )
        kwargs |= errand.told
        if getattr(endpoint.handle.chat, "takes_tasks", False):  # the stand-in: no endpoint is sent these
            kwargs |= {"task": request.prompt.name, "generators": request.schema.generators}
        if turn is None and self._desk is not None:
            return await self._desk.deliver(errand.key, endpoint.handle.chat, messages, kwargs)
        return await send_chat(endpoint.handle.chat, messages, kwargs, within=self._timeout)

    def _judged[T](self, errand: Errand[T], endpoint: Endpoint[ModelHandle], delivery: ModelResponse) -> Verdict[T]:
        endpoint.form.learn(errand.kind, errand.request.schema)
        endpoint.dialect.learn(errand.without.get(endpoint.number, frozenset()))
        return judge(delivery.raw, errand.request.schema, finish_reason=delivery.finish_reason)
