"""The gateway to a model: bounds, sends, repeats and records requests, and gives typed answers.

ask ──► paid for before, here or elsewhere? ──► answer
         └──► client: budget, slot ──► sent ──► judged ──► recorded ──► answer
                ▲                        │          └── unusable: asked again, with the complaint and another seed
                └────── transient ◄──────┘
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...core.errors import SetupError, parameter
from ...core.model import HUMAN, Answer, AnswerSchema, Outcome, RequestContext
from ...core.prompt import RenderedPrompt
from ..endpoint.models import ModelHandle
from .budget import Meter, Prices
from .call import AnswerStore, Ledger
from .capabilities import OutputMode
from .client import ChatClient, RequestQueue
from .limits import Backoff, Limits
from .request import ModelRequest, PendingRequest

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


class Gateway:
    """A `PersonaModel` over one chat model, at one endpoint or several that share the load.

    Requests of a role that has a model of its own go to that one's gateway, which has limits of its own.

    Every attempt is recorded before anything is made of its answer. A request whose paid answer the ledger
    or a store holds is not sent. Which answers come does not depend on how many calls are in flight.
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
        queue: RequestQueue | None = None,
        answer_tokens: int = 1024,
        backoff: Backoff | None = None,
        roles: Mapping[str, "Gateway"] | None = None,
    ) -> None:
        """Ask by this model.

        `meter` holds what earlier sessions spent of the budget. `answer_tokens` 0 leaves the length to the endpoint.
        `roles` are the gateways of other models by role; they share the budget, and so the meter.
        Raises `SetupError` for a cap on money without `prices`, `ValueError` for a role with another meter.
        """
        #: The model that is asked.
        self.model = model
        #: What bounds the calls, and their totals so far.
        self.limits = limits or Limits()
        self.meter = meter or Meter()
        #: Gateways of the other roles.
        self.roles = dict(roles or {})
        for role, gateway in self.roles.items():
            if gateway.meter is not self.meter:
                raise ValueError(f"The gateway of the role {role} counts its calls in another meter than the default.")
        self._sampling = self.limits.sampling
        self._answer_tokens = answer_tokens
        self._client = ChatClient(
            model,
            ledger=ledger,
            stores=stores,
            limits=self.limits,
            prices=prices,
            meter=self.meter,
            backoff=backoff or Backoff(),
            queue=queue,
        )

    @property
    def name(self) -> str:
        """The model by name."""
        return self.model.name

    @property
    def output_mode(self) -> OutputMode:
        """How the model's first endpoint is asked for structured output, as learnt so far."""
        return self._client.endpoints[0].output_modes.mode

    @property
    def parameters_left_out(self) -> frozenset[str]:
        """Parameters that the model's first endpoint does not take, as learnt so far."""
        return self._client.endpoints[0].parameters.without

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
        return sum(one._client.limiter.in_flight for one in self._all)

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot now, of all roles."""
        return sum(one._client.limiter.waiting for one in self._all)

    @property
    def limit(self) -> int:
        """Calls that may be in flight at once, of all roles, as learnt so far."""
        return sum(one._client.limiter.limit for one in self._all)

    @property
    def peak_in_flight(self) -> int:
        """The most calls to the default model that were ever in flight at once."""
        return self._client.limiter.peak

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
            known: Answer[T] | None = self._client.recall(request, key)
            sent = 1
            if known is None:
                async with self._client.claim(request, key) as is_shared:
                    known = self._client.recall(request, key) if is_shared else None
                    if known is None:
                        pending = PendingRequest(request, key)
                        known = await self._client.answer(pending)
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
        return ModelRequest(self.name, prompt, schema, context, context.seed, self._answer_tokens, self._sampling)

    async def aclose(self) -> None:
        """Close the connections of all models. The next call opens new ones."""
        for one in self._all:
            await one.model.aclose()

    @property
    def _all(self) -> tuple["Gateway", ...]:
        return (self, *self.roles.values())
