"""What calls cost, the totals of a run, and what stops further calls: prices, meter and budget."""

import asyncio
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal

from ...core.errors import PausedError, SetupError, parameter
from ...core.model import Outcome
from ..endpoint.addresses import is_loopback
from ..endpoint.errors import RequestError
from ..endpoint.models import ServedModel
from .call import Call
from .limits import Limits, Prices

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice


#: Prices that no plain request for text meets: tools, and media other than text.
_NOT_FOR_TEXT = ("web_searches_", "storage_searches_", "audio", "image", "video", "document", "chars")


def known_prices(model: ServedModel[Any], *, batch: bool = False, writes: bool = True) -> Prices | None:
    """Return the current prices of the model's endpoints, or None unless all are a known provider's own.

    `batch` asks for batch prices. A model that writes nothing, such as an embedding model, has no output price.
    """
    served = model.name.partition(":")[2]
    if not served or any(handle.endpoint is None for handle in model.all):
        return None
    found = {prices_of(served, handle.endpoint or "", batch=batch, writes=writes) for handle in model.all}
    return found.pop() if len(found) == 1 else None


def prices_of(served: str, endpoint: str, *, batch: bool = False, writes: bool = True) -> Prices | None:
    """Return the current price of a model at an endpoint, or None if the library does not know it by plain tokens."""
    if is_loopback(endpoint) or not endpoint.startswith("https://"):
        return None
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, model = get_snapshot().find_provider_model(served, None, None, endpoint)
    except LookupError:
        return None
    price = _price_now(model, batch=batch)
    source = f"genai-prices {__version__}, {provider.id}/{model.id}{_by_the_clock(model)}"
    return None if price is None else _read_prices(price, source, writes=writes)


def given_prices(text: str) -> Prices:
    """Read prices written as INPUT/OUTPUT or INPUT/OUTPUT/CACHED. Raises `SetupError` for anything else."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(math.isfinite(n) and n >= 0 for n in numbers):
        raise SetupError(
            "A price is INPUT/OUTPUT or INPUT/OUTPUT/CACHED in dollars for a million tokens, as "
            f"{parameter('prices')} 2.5/10, "
            f"but {text!r} was given."
        )
    return Prices(numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None)


def _price_now(model: "ModelInfo", *, batch: bool) -> "ModelPrice | None":
    context = {"processing": "batch"} if batch else None
    if batch and not any(variant.when == context for variant in model.price_variants or ()):
        return None
    return model.get_prices(datetime.now(UTC), context)


def _by_the_clock(model: "ModelInfo") -> str:
    conditional = model.prices if isinstance(model.prices, list) else []
    return ", as at this time of day" if any(hasattr(p.constraint, "end_time") for p in conditional) else ""


def _read_prices(price: "ModelPrice", source: str, *, writes: bool) -> Prices | None:
    listed = {name: value for name, value in vars(price).items() if value is not None and not _is_aside(name)}
    tiers = sorted({tier.start for value in listed.values() for tier in getattr(value, "tiers", ())})
    dollars = {name: float(getattr(value, "base", value)) for name, value in listed.items()}
    into, out, cached = (dollars.pop(f"{kind}_mtok", None) for kind in ("input", "output", "cache_read"))
    out = 0.0 if out is None and not writes else out
    keeping = [dollars.pop(name) for name in ("cache_write_mtok", "cache_write_1h_mtok") if name in dollars]
    # What is left is charged for in another way, by the request or by a kind of token that is not counted apart.
    if into is None or out is None or dollars:
        return None
    if tiers:
        source += f", for requests of up to {tiers[0]:,} tokens"
    if keeping and keeping[0] > into:
        source += f", without the {keeping[0]:g} for writing to a cache"
    return Prices(into, out, cached, source)


def _is_aside(name: str) -> bool:
    return any(part in name for part in _NOT_FOR_TEXT)


@dataclass(slots=True)
class Spent:
    """The totals of a number of calls; tokens are the endpoint's own counts."""

    #: Calls that were sent and have ended, and those of them that brought an answer, paid for then.
    calls: int = 0
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    #: US dollars of the answers with a known price, and how many answers had none.
    cost: float = 0.0
    unpriced: int = 0
    #: Answers whose tokens the endpoint did not count.
    uncounted: int = 0

    @property
    def tokens(self) -> int:
        """Tokens asked and answered."""
        return self.input_tokens + self.output_tokens

    def add(self, call: Call) -> None:
        """Count one call that was sent."""
        self.calls += 1
        # A reply without an answer may be billed as well.
        self.input_tokens += call.input_tokens or 0
        self.output_tokens += call.output_tokens or 0
        self.reasoning_tokens += call.reasoning_tokens or 0
        self.cached_tokens += call.cached_tokens or 0
        self.cost += call.cost or 0.0
        if call.raw is None:
            return
        self.answers += 1
        self.unpriced += call.cost is None
        self.uncounted += call.output_tokens is None


#: Calls whose seconds are remembered.
_LATEST = 20


@dataclass(slots=True)
class Meter:
    """The sums over a run, the sessions before this one included in `total` and in no other."""

    total: Spent = field(default_factory=Spent)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    #: Requests that were answered without being sent: by the run's own ledger ("ledger") or a store ("cache", "fork").
    recalled: Counter[str] = field(default_factory=Counter)
    #: Rows of the cache that were ignored because they are damaged.
    damaged: int = 0
    #: Calls begun in this session, the pieces of answers that were streamed, and the seconds of the latest calls.
    begun: int = 0
    pieces: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_LATEST))
    #: What is waited for now because an endpoint is gone, in words; empty where nothing is.
    outage: str = ""
    #: What the calls are held to; the first client that counts here opens one where there is none.
    budget: "Budget | None" = None

    def add(self, call: Call) -> None:
        """Count an attempt that was sent and has ended."""
        self.total.add(call)
        if self.budget is not None and self.budget.parent is not None:
            self.budget.parent.count(call)
        self.outcomes[call.outcome] += 1
        self.seconds.append((call.ended_at - call.started_at).total_seconds())


def check_priced(limits: Limits, prices: Prices | None, model: str = "the model", *, named: str = "prices") -> None:
    """Raise `SetupError` for a cap on money without known prices. `named` is the parameter that gives them."""
    if limits.max_cost is not None and prices is None:
        raise SetupError(
            f"The cost is to stay below {limits.max_cost:g} dollars, but the price of {model} is not known; give "
            f"{parameter(named)} in dollars for a million tokens (0 for a server of your own), or cap it with "
            f"{parameter('max_calls')} or {parameter('max_tokens')}."
        )


#: Answers of one kind that are remembered; how many there must be before they tell what the next one takes; and the
#: share of them that took no more than is then expected.
_REMEMBERED = 200
_TOLD = 5
_QUANTILE = 0.95
#: Real tokens to an estimated one of a prompt before any were counted: at most (one a byte), and for a call alone.
_RATIO_AT_MOST, _RATIO_ALONE = 4.0, 4 / 3
#: Tokens expected of a first answer that has no limit; until it is there, no other call of its kind is sent.
_UNLIMITED = 1_024

#: Ends after which nobody knows whether the call was paid for.
_UNKNOWN = frozenset({Outcome.TIMEOUT, Outcome.DROPPED})


@dataclass(frozen=True, slots=True)
class CallKind:
    """Calls that are expected to take about the same: of one purpose, to one model."""

    model: str
    purpose: str
    #: Tokens of an answer at most; 0 where the endpoint decides.
    limit: int
    prices: Prices | None = None


@dataclass(slots=True)
class _Use:
    """The calls of one kind: those in flight, and what the latest answered ones took."""

    kind: CallKind
    #: Real tokens to an estimated one of prompts, of all kinds of calls to the model.
    ratios: deque[float]
    in_flight: int = 0
    #: Estimated tokens of the prompts in flight.
    prompts: int = 0
    _outputs: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def learn(self, prompt: int, asked: int, answered: int) -> None:
        """Record the tokens of a call whose prompt was estimated at `prompt` tokens."""
        self.ratios.append(asked / max(1, prompt))
        self._outputs.append(answered)

    def expected(self, calls: int, prompts: int, *, alone: bool = False) -> tuple[float, float]:
        """Return the input and output tokens that calls with this many estimated prompt tokens are expected to take."""
        if not calls:
            return 0.0, 0.0
        ratio = max(self.ratios, default=_RATIO_ALONE if alone else _RATIO_AT_MOST)
        if len(self._outputs) >= _TOLD:
            each: float = sorted(self._outputs)[math.ceil(_QUANTILE * len(self._outputs)) - 1]
        elif self.kind.limit:
            each = self.kind.limit
        else:
            each = max(self._outputs, default=_UNLIMITED) if alone else math.inf
        return prompts * ratio, calls * each

    def dollars(self, asked: float, answered: float) -> float:
        """Return the price of tokens of this kind in US dollars."""
        return self.kind.prices.of(asked, answered) if self.kind.prices is not None else 0.0


@dataclass(slots=True, eq=False)
class Reservation:
    """What a budget keeps free for one call, from when it has room for it until it is settled."""

    kind: CallKind
    #: Estimated tokens of the prompt.
    prompt: int
    #: Whether the caller can send a part of the call.
    is_divisible: bool = False
    #: Whether the budget has had room for it.
    is_held: bool = False
    #: The reservation in the budget that several runs share.
    shared: "Reservation | None" = None
    #: Done once a call that has to wait may go on, or is refused.
    woken: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def wake_up(self, refusal: Exception | None) -> None:
        """Let the call go on, or refuse it. May be called from any thread."""
        with suppress(RuntimeError):  # its loop is closed, and its caller gone
            self.woken.get_loop().call_soon_threadsafe(self._end_wait, refusal)

    def _end_wait(self, refusal: Exception | None) -> None:
        if self.woken.done():
            return
        if refusal is not None:
            self.woken.set_exception(refusal)
        else:
            self.woken.set_result(None)


class Budget:
    """Lets a call be sent if every cap holds even when all calls in flight take what is expected of them.

    Expected are the counted tokens of the prompt and an answer as long as 95 % of those of its kind, or as its limit
    while few were seen. A call that does not fit waits for calls in flight to take less. If none are in flight, the
    budget is spent: this call and all later ones are refused. May be used from any thread; a budget with a `parent`
    reserves there too.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        spent: Spent | None = None,
        *,
        parent: "Budget | None" = None,
    ) -> None:
        """Take `spent`, what calls have used so far. Their meter, or `count`, adds to it."""
        self.limits = limits or Limits()
        self.spent = spent if spent is not None else Spent()
        self.parent = parent
        #: What calls are expected to have used whose end was not seen, and the tokens of answers nobody counted.
        self.unseen = Spent()
        self._lock = RLock()
        self._uses: dict[CallKind, _Use] = {}
        self._ratios: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._in_flight = 0
        self._waiting: deque[Reservation] = deque()
        #: Why no call is admitted any more; empty while some may be.
        self._refusal = ""
        self._caps_tokens = self.limits.max_tokens is not None or self.limits.max_cost is not None
        self._is_capped = self._caps_tokens or self.limits.max_calls is not None

    @property
    def needs_tokens(self) -> bool:
        """Whether it has to be told how many tokens a prompt has."""
        return self._caps_tokens or (self.parent is not None and self.parent.needs_tokens)

    @property
    def text(self) -> str:
        """What is spent, as a sentence; empty before the first call, and where nothing is capped."""
        spent, unseen = self.spent, self.unseen
        if not self._is_capped or not spent.calls + unseen.calls:
            return ""
        cost = f", ${spent.cost:.4f}" if spent.cost else ""
        said = f"Spent: {_count_noun(spent.calls, 'call')}, {spent.tokens:,} tokens{cost}"
        if unseen.tokens or unseen.calls:
            dollars = f", ${unseen.cost:.4f}" if unseen.cost else ""
            said += f"; and up to {unseen.tokens:,} tokens{dollars} by calls whose use is not known"
        return f"{said}."

    @property
    def is_over(self) -> bool:
        """Whether a call was refused, or all are, here or in the parent."""
        return bool(self._refusal) or (self.parent is not None and self.parent.is_over)

    def check_priced(self, prices: Prices | None) -> None:
        """Raise `SetupError` for a cap on money, here or in the parent, without known prices."""
        check_priced(self.limits, prices)
        if self.parent is not None:
            self.parent.check_priced(prices)

    def check(self) -> None:
        """Raise `PausedError` if nothing is left for another call, whatever it takes."""
        with self._lock:
            refusal = self._refusal or self._explain_exhausted()
        if refusal:
            raise PausedError(refusal)
        if self.parent is not None:
            self.parent.check()

    def stop(self, why: str) -> None:
        """Refuse all further calls. Calls already sent go on to their end."""
        with self._lock:
            self._refusal = self._refusal or why
            self._admit_waiting()

    async def reserve_call(self, kind: CallKind, prompt: int = 0, *, is_divisible: bool = False) -> Reservation:
        """Wait until the budget covers a call, and reserve that. Raises `PausedError` if the budget is spent.

        `prompt` is the estimated number of input tokens. For a divisible call, raises `RequestError` with the outcome
        `TOO_LARGE` if the budget may cover a part of it.
        """
        mine = await self._reserve_call(kind, prompt, is_divisible=is_divisible)
        if self.parent is not None:
            try:
                mine.shared = await self.parent.reserve_call(kind, prompt, is_divisible=is_divisible)
            except BaseException:
                self._settle_call(mine, None, was_sent=False)
                raise
        return mine

    def settle(self, reservation: Reservation, call: Call | None, *, was_sent: bool) -> None:
        """End a reservation. `call` was counted already, or is None if its end was not seen or it was not sent."""
        self._settle_call(reservation, call, was_sent=was_sent)
        if self.parent is not None and reservation.shared is not None:
            self.parent._settle_call(reservation.shared, call, was_sent=was_sent)

    def count(self, call: Call) -> None:
        """Add what a call used to the total spent."""
        with self._lock:
            self.spent.add(call)

    async def _reserve_call(self, kind: CallKind, prompt: int, *, is_divisible: bool) -> Reservation:
        mine = Reservation(kind, prompt, is_divisible)
        with self._lock:
            if self._is_capped or self._refusal:
                self._waiting.append(mine)
                self._admit_waiting()
            else:
                self._hold_room(mine)
        try:
            if not mine.is_held:
                await mine.woken
        except asyncio.CancelledError:
            with self._lock:
                if mine.is_held:
                    self._settle_call(mine, None, was_sent=False)
                elif mine in self._waiting:
                    self._waiting.remove(mine)
            raise
        return mine

    def _use_of(self, kind: CallKind) -> _Use:
        found = self._uses.get(kind)
        if found is None:
            found = self._uses[kind] = _Use(kind, self._ratios[kind.model])
        return found

    def _hold_room(self, reservation: Reservation) -> None:
        use = self._use_of(reservation.kind)
        use.in_flight += 1
        use.prompts += reservation.prompt
        self._in_flight += 1
        reservation.is_held = True

    def _settle_call(self, reservation: Reservation, call: Call | None, *, was_sent: bool) -> None:
        with self._lock:
            use = self._uses[reservation.kind]
            use.in_flight -= 1
            use.prompts -= reservation.prompt
            self._in_flight -= 1
            if call is not None and call.input_tokens is not None and call.output_tokens is not None:
                use.learn(reservation.prompt, call.input_tokens, call.output_tokens)
            elif was_sent and (call is None or call.raw is not None or call.outcome in _UNKNOWN):
                asked, answered = use.expected(1, reservation.prompt, alone=True)
                self.unseen.calls += call is None
                self.unseen.input_tokens += math.ceil(asked)
                self.unseen.output_tokens += math.ceil(answered)
                self.unseen.cost += use.dollars(asked, answered)
            self._admit_waiting()

    def _admit_waiting(self) -> None:
        """Wake waiting calls in order of arrival, as long as the first of them fits."""
        while self._waiting:
            first = self._waiting[0]
            if first.woken.cancelled():
                self._waiting.popleft()
                continue
            self._refusal = self._refusal or self._explain_exhausted()
            if not self._refusal and (lacking := self._find_lacking(first)) is not None:
                if self._in_flight:
                    return
                if first.is_divisible:
                    self._waiting.popleft()
                    first.wake_up(RequestError(Outcome.TOO_LARGE, lacking()))
                    continue
                self._refusal = lacking()
            self._waiting.popleft()
            if not self._refusal:
                self._hold_room(first)
            first.wake_up(PausedError(self._refusal) if self._refusal else None)

    def _explain_exhausted(self) -> str:
        """Explain why no call may be sent, whatever the current ones take. Return "" if one may."""
        total, limits = self.spent, self.limits
        calls = total.calls + self.unseen.calls + self._in_flight
        if limits.max_calls is not None and calls >= limits.max_calls:
            return f"The budget of {limits.max_calls:,} calls is spent; a higher {parameter('max_calls')} goes on."
        if self._caps_tokens and 2 * total.uncounted > total.answers:
            return f"The endpoint does not count tokens, so only {parameter('max_calls')} can cap what the run costs."
        tokens, cost = total.tokens + self.unseen.tokens, total.cost + self.unseen.cost
        if limits.max_tokens is not None and tokens >= limits.max_tokens:
            return _explain_refusal("max_tokens", limits.max_tokens, tokens)
        if limits.max_cost is not None and cost >= limits.max_cost:
            return _explain_refusal("max_cost", limits.max_cost, cost)
        return ""

    def _find_lacking(self, call: Reservation) -> Callable[[], str] | None:
        """Return what explains which cap a call would exceed next to the current ones, or None if it fits."""
        if not self._caps_tokens:
            return None
        use = self._use_of(call.kind)
        asked, answered = use.expected(1, call.prompt, alone=not self._in_flight)
        held, held_cost = self._expected_use()
        cost = use.dollars(asked, answered)
        most, used = self.limits.max_tokens, self.spent.tokens + self.unseen.tokens
        if most is not None and used + held + asked + answered > most:
            return partial(_explain_refusal, "max_tokens", most, used, asked + answered, asked, answered)
        dollars, paid = self.limits.max_cost, self.spent.cost + self.unseen.cost
        if dollars is not None and paid + held_cost + cost > dollars:
            return partial(_explain_refusal, "max_cost", dollars, paid, cost, asked, answered)
        return None

    def _expected_use(self) -> tuple[float, float]:
        """Return the tokens and dollars that all current calls are expected to take."""
        tokens = cost = 0.0
        for use in self._uses.values():
            asked, answered = use.expected(use.in_flight, use.prompts)
            tokens += asked + answered
            cost += use.dollars(asked, answered)
        return tokens, cost


def _explain_refusal(
    cap: Literal["max_tokens", "max_cost"],
    most: float,
    used: float,
    takes: float = 0,
    asked: float = 0,
    answered: float = 0,
) -> str:
    """Explain why a budget of tokens or money admits no call.

    `takes` is what the next call may use, or 0 if nothing is left.
    """
    is_cost = cap == "max_cost"
    budget = f"{most:g} dollars" if is_cost else f"{most:,} tokens"
    goes_on = f"a higher {parameter(cap)} goes on."
    next_call = f"{takes:.2g} dollars" if is_cost else f"{math.ceil(takes):,}"
    next_call += f" ({math.ceil(asked):,} tokens asked, {math.ceil(answered):,} answered at most)"
    if not used:
        return (
            f"The budget of {budget} does not cover one call, which may take {next_call}; nothing was sent: {goes_on}"
        )
    counted = f"{used:.4f} by the prices of this run" if is_cost else f"{used:,.0f} were counted"
    left = f", and the next call may take {next_call}" if takes else ""
    return f"The budget of {budget} is spent ({counted}{left}); {goes_on}"


def _count_noun(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
