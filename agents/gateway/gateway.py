"""The one door to a model: how many calls are under way, what is sent or asked again, and what is recorded.

ask ──► paid for before, here or elsewhere? ──► judged
         └──► turn ──► sent ──► judged and recorded ──► answer
               ▲         ├─ weather (rate limit, dropped, ...): the same again, after a wait without a turn
               └─────────┴─ an answer that cannot be used: asked again, with the complaint and another seed
"""

from collections.abc import Sequence

from ...personas.errors import SetupError
from ...personas.model import Answer, AnswerSchema, Outcome, RequestContext
from ...personas.prompt import RenderedPrompt
from ..endpoint.models import ModelHandle
from .backoff import Backoff
from .call import AnswerStore, Ledger
from .courier import Courier, Desk, Errand
from .dispatch import Dispatch
from .form import Form
from .limits import Limits
from .meter import Meter
from .prices import Prices
from .replies import Verdict
from .request import Request

__all__ = ["Gateway"]

#: Answers after which another answer is asked for.
_UNUSABLE = frozenset({Outcome.CUT_JSON, Outcome.NOT_JSON, Outcome.EMPTY, Outcome.LENGTH, Outcome.SCHEMA_MISMATCH})


class Gateway:
    """A `PersonaModel` over one chat model, at one endpoint or several that share the load.

    Every attempt is recorded before anything is made of its answer; a request whose paid answer the ledger
    or a store has is not sent. Which answers come does not depend on how many calls are in flight.
    """

    def __init__(
        self,
        model: ModelHandle,
        *,
        ledger: Ledger,
        limits: Limits | None = None,
        stores: Sequence[AnswerStore] = (),
        prices: Prices | None = None,
        meter: Meter | None = None,
        desk: Desk | None = None,
        attempts: int = 6,
        reasks: int = 2,
        answer_tokens: int = 1024,
        backoff: Backoff | None = None,
    ) -> None:
        """`attempts` bounds how often one request is sent, `reasks` how often another answer is asked for.

        `meter` holds what earlier sessions spent of the budget. `answer_tokens` 0 leaves the length to the endpoint.
        Raises `SetupError` for a cap on money without `prices`.
        """
        if attempts < 1:
            raise SetupError(f"The gateway's attempts are {attempts}; give a number above 0.")
        #: The model that is asked.
        self.model = model
        #: What bounds the calls, and what they came to so far.
        self.limits = limits or Limits()
        self.meter = meter or Meter()
        self._reasks = reasks
        self._answer_tokens = answer_tokens
        backoff = backoff or Backoff()
        self._courier = Courier(
            model,
            ledger=ledger,
            stores=stores,
            limits=self.limits,
            prices=prices,
            meter=self.meter,
            backoff=backoff,
            desk=desk,
        )
        self._dispatch = Dispatch(self._courier, attempts=attempts, backoff=backoff)

    @property
    def name(self) -> str:
        """The model by name."""
        return self.model.name

    @property
    def form(self) -> Form:
        """How the model's first endpoint is told the schema, as learnt so far."""
        return self._courier.endpoints[0].form

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
        """Calls under way now."""
        return self._courier.pace.in_flight

    @property
    def waiting(self) -> int:
        """Calls that wait for a turn now."""
        return self._courier.pace.waiting

    @property
    def limit(self) -> int:
        """Calls that may be under way at once, as learnt so far."""
        return self._courier.pace.limit

    @property
    def peak_in_flight(self) -> int:
        """The most calls that were ever under way at once."""
        return self._courier.pace.peak

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """A typed answer, or the outcome and reason why there is none.

        Raises `EndpointError` when no further call can succeed (wrong key, no such model, unreachable), `PausedError`
        when the budget is spent or too many calls fail.
        """
        request = Request(self.name, prompt, schema, context, context.seed, self._answer_tokens)
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
        known = self._courier.recalled(request, key)
        if known is not None:
            return *known, 1
        errand = Errand(request, key)
        verdict, raw = await self._dispatch.answered(errand)
        return verdict, raw, errand.sent
