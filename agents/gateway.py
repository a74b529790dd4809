"""The one door to a model: how many calls are under way, what is sent or asked again, and what is recorded.

ask ──► recalled from the ledger? ──► judged
         └──► turn ──► sent ──► judged and recorded ──► answer
               ▲         ├─ weather (rate limit, dropped, ...): the same again, after a wait without a turn
               └─────────┴─ an answer that cannot be used: asked again, with the complaint and another seed
"""

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime

from ..personas.errors import SetupError
from ..personas.model import Answer, AnswerSchema, Occasion, Outcome
from ..personas.prompt import RenderedPrompt
from .allowance import Allowance
from .backoff import Backoff
from .call import CallKey, Ledger
from .delivery import deliver
from .fault import WireError
from .form import Form, FormKind
from .liveness import Liveness
from .models import ModelHandle
from .pace import Pace
from .replies import Verdict, judge
from .request import Attempt, Request

__all__ = ["Gateway"]

#: Attempts at an endpoint that never answered anything before it counts as unreachable.
_KNOCKS = 3

#: Faults after which the very same request is sent again: they pass.
_WEATHER = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.DROPPED,
        Outcome.TIMEOUT,
        Outcome.UNREACHABLE,
        Outcome.NOT_JSON,
    }
)
#: Answers after which another answer is asked for.
_UNUSABLE = frozenset({Outcome.CUT_JSON, Outcome.NOT_JSON, Outcome.EMPTY, Outcome.LENGTH, Outcome.SCHEMA_MISMATCH})


class Gateway:
    """A `PersonaModel` over one chat model.

    Every attempt is recorded before anything is made of its answer; a request whose paid answer the ledger
    has is not sent. Which answers come does not depend on how many calls are in flight.
    """

    def __init__(
        self,
        model: ModelHandle,
        *,
        ledger: Ledger,
        max_in_flight: int = 64,
        rpm: int | None = None,
        tpm: int | None = None,
        timeout: float = 120.0,
        attempts: int = 6,
        reasks: int = 2,
        max_tokens: int = 1024,
        backoff: Backoff | None = None,
    ) -> None:
        """`attempts` bounds how often one request is sent, `reasks` how often another answer is asked for.

        `max_in_flight` is where the number of calls under way begins and what it never passes; `rpm` and `tpm`
        cap the requests and tokens of any minute. `timeout` is in seconds; `max_tokens` 0 leaves the length to
        the endpoint. Raises `SetupError` for a number with which nothing could be done.
        """
        numbers = {"max_in_flight": max_in_flight, "attempts": attempts, "timeout": timeout, "rpm": rpm, "tpm": tpm}
        for name, number in numbers.items():
            if number is not None and number <= 0:
                raise SetupError(f"The gateway's {name} is {number}; give a number above 0.")
        #: The model that is asked, and how its endpoint is told the schema, as learnt so far.
        self.model = model
        self.form = Form()
        #: Requests sent, requests answered from the ledger, and how those that were sent ended.
        self.calls = 0
        self.recalled = 0
        self.outcomes: Counter[Outcome] = Counter()
        self._ledger = ledger
        self._liveness = Liveness(model.name, model.endpoint)
        self._timeout = timeout
        self._attempts = attempts
        self._reasks = reasks
        self._max_tokens = max_tokens
        self._backoff = backoff or Backoff()
        self._allowance = Allowance(rpm=rpm, tpm=tpm)
        self._pace = Pace(max_in_flight, allowance=self._allowance, patience=self._backoff.patience)

    @property
    def name(self) -> str:
        """The model by name."""
        return self.model.name

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._pace.in_flight

    @property
    def limit(self) -> int:
        """Calls that may be under way at once, as learnt so far."""
        return self._pace.limit

    @property
    def peak_in_flight(self) -> int:
        """The most calls that were ever under way at once."""
        return self._pace.peak

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], occasion: Occasion) -> Answer[T]:
        """A typed answer, or the outcome and reason why there is none.

        Raises `EndpointError` when no further call can succeed (wrong key, no such model, unreachable).
        """
        request = Request(self.name, prompt, schema, occasion, occasion.seed, self._max_tokens)
        attempts = reasks = 0
        while True:
            verdict, raw, sent = await self._answered(request)
            attempts += sent
            if raw is None or verdict.outcome not in _UNUSABLE or reasks == self._reasks:
                return Answer(verdict.outcome, verdict.value, verdict.reason, attempts, raw or "")
            reasks += 1
            request = request.again(prompt, verdict, raw)

    async def aclose(self) -> None:
        """Close the model's connections; the next call opens new ones."""
        await self.model.aclose()

    async def _answered[T](self, request: Request[T]) -> tuple[Verdict[T], str | None, int]:
        """The verdict on a request, the answer it is on (None when none came), and how often it was sent."""
        key = request.key
        reply = self._ledger.recall(key)
        if reply is not None:
            self.recalled += 1
            return judge(reply.raw, request.schema, finish_reason=reply.finish_reason), reply.raw, 1
        kind = self.form.kind_for(request.schema)
        sent = failed = 0
        while True:
            sent += 1
            try:
                verdict, raw = await self._sent(request, key, kind, sent)
            except WireError as fault:
                lower = self.form.below(kind, fault, request.schema)
                if lower is not None:
                    kind = lower
                    continue
                failed += 1
                if not await self._may_repeat(fault, failed, request.occasion):
                    await self._liveness.judge(fault)
                    # What the endpoint spoiled was an answer, though nobody has seen it: another one is asked for.
                    return Verdict(fault.outcome, reason=fault.detail), "" if fault.spoiled else None, sent
            else:
                return verdict, raw, sent

    async def _sent[T](self, request: Request[T], key: CallKey, kind: FormKind, number: int) -> tuple[Verdict[T], str]:
        messages, kwargs = self.form.told(kind, request.prompt, request.schema)
        kwargs["seed"] = request.seed
        if request.max_tokens:
            kwargs["max_tokens"] = request.max_tokens
        queued = time.perf_counter()
        turn = await self._pace.take(self._allowance.weigh(request))
        flight = self._liveness.take_off()
        try:
            self._liveness.check()
            attempt = Attempt(key, number, time.perf_counter() - queued, datetime.now(UTC))
            self.calls += 1
            delivery = await deliver(self.model.chat, messages, kwargs, within=self._timeout)
            self._pace.answered(turn, delivery)
        except WireError as fault:
            self._pace.failed(turn, fault)
            self.outcomes[fault.outcome] += 1
            self._ledger.record(attempt.call(request, fault.outcome, fault.detail, endpoint=self.model.endpoint))
            self._liveness.was_answered |= fault.spoiled
            raise
        finally:
            self._pace.give(turn)
            self._liveness.land(flight)
        self._liveness.was_answered = True
        self.form.learn(kind, request.schema)
        verdict = judge(delivery.raw, request.schema, finish_reason=delivery.finish_reason)
        self.outcomes[verdict.outcome] += 1
        self._ledger.record(
            attempt.call(request, verdict.outcome, verdict.reason, endpoint=self.model.endpoint, delivery=delivery)
        )
        return verdict, delivery.raw

    async def _may_repeat(self, fault: WireError, failed: int, occasion: Occasion) -> bool:
        """Whether the request is worth sending again; if so, the wait before it is over."""
        allowed = self._attempts
        if fault.outcome is Outcome.UNREACHABLE and not self._liveness.was_answered:
            allowed = min(allowed, _KNOCKS)
        if fault.outcome not in _WEATHER or failed >= allowed:
            return False
        # Seeded by the occasion, so that a run draws no chance of its own; no answer depends on it.
        rng = random.Random(f"{occasion.seed}:{failed}")  # noqa: S311
        delay = self._backoff.delay(failed, rng, asked=fault.retry_after)
        if delay is None:
            return False
        await asyncio.sleep(delay)
        return True
