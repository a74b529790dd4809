"""What calls cost, the totals of a run, and what stops further calls: prices, meter, budget and breaker."""

import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from ...personas.errors import PausedError, SetupError, parameter
from ...personas.model import Outcome
from ..endpoint.addresses import is_loopback
from ..endpoint.models import ServedModel
from .call import Call
from .limits import Limits

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

    from ..endpoint.response import ModelResponse

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens."""

    input: float
    output: float
    #: For input tokens that the endpoint had cached; None where they cost what the others do.
    cached: float | None = None
    #: Where the prices are from, as "given" or the price library and its version.
    source: str = "given"

    def cost(self, response: "ModelResponse") -> float | None:
        """US dollars for one answer; None when the endpoint did not count its tokens."""
        if response.input_tokens is None or response.output_tokens is None:
            return None
        return self.of(response.input_tokens, response.output_tokens, response.cached_tokens or 0)

    def of(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0) -> float:
        """US dollars for so many tokens; the cached ones are among those of the input."""
        cached = self.input if self.cached is None else self.cached
        fresh = max(0.0, input_tokens - cached_tokens)
        return (fresh * self.input + cached_tokens * cached + output_tokens * self.output) / _MILLION


#: Prices that no plain request for text meets: tools, and media other than text.
_NOT_FOR_TEXT = ("web_searches_", "storage_searches_", "audio", "image", "video", "document", "chars")


def known_prices(model: ServedModel, *, batch: bool = False, writes: bool = True) -> Prices | None:
    """What the model's endpoints charge now, `batch` for a batch; None unless all are a known provider's own.

    A model that writes nothing, as for embeddings, has no price for its output.
    """
    served = model.name.partition(":")[2]
    if not served or any(handle.endpoint is None for handle in model.all):
        return None
    found = {prices_of(served, handle.endpoint or "", batch=batch, writes=writes) for handle in model.all}
    return found.pop() if len(found) == 1 else None


def prices_of(served: str, endpoint: str, *, batch: bool = False, writes: bool = True) -> Prices | None:
    """What a model costs at an endpoint now; None where the library does not know both, or prices no plain tokens."""
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
    return None if price is None else _prices(price, source, writes=writes)


def given_prices(text: str) -> Prices:
    """Prices written as INPUT/OUTPUT or INPUT/OUTPUT/CACHED. Raises `SetupError` for anything else."""
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


def _prices(price: "ModelPrice", source: str, *, writes: bool) -> Prices | None:
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
        if call.raw is None:
            return
        self.answers += 1
        self.input_tokens += call.input_tokens or 0
        self.output_tokens += call.output_tokens or 0
        self.reasoning_tokens += call.reasoning_tokens or 0
        self.cached_tokens += call.cached_tokens or 0
        self.cost += call.cost or 0.0
        self.unpriced += call.cost is None
        self.uncounted += call.output_tokens is None


@dataclass(slots=True)
class Meter:
    """The sums over a run, the sessions before this one included in `total` and in no other."""

    total: Spent = field(default_factory=Spent)
    #: Of this session.
    by_purpose: defaultdict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    #: Requests that were answered without being sent: by the run's own ledger ("ledger") or a store ("cache", "fork").
    recalled: Counter[str] = field(default_factory=Counter)
    #: Calls begun in this session.
    begun: int = 0
    #: What is waited for now because an endpoint is gone, in words; empty where nothing is.
    outage: str = ""
    #: The budget that the run shares with others, if any.
    shared: "SharedBudget | None" = None

    def add(self, call: Call) -> None:
        """Count an attempt that was sent and has ended."""
        self.total.add(call)
        if self.shared is not None:
            self.shared.add(call)
        self.by_purpose[call.purpose].add(call)
        self.outcomes[call.outcome] += 1


#: Of the latest calls, how many are looked at, and how many there must be before they say anything.
_LATEST = 200
_ENOUGH = 100

#: Ends that are no error of the endpoint's: a refusal is an answer, and too many calls are the limiter's concern.
_NO_ERRORS = frozenset({Outcome.OK, Outcome.REFUSAL, Outcome.RATE_LIMITED})


def check_priced(limits: Limits, prices: Prices | None) -> None:
    """Raise `SetupError` for a cap on money without known prices."""
    if limits.max_cost is not None and prices is None:
        raise SetupError(
            f"The cost is to stay below {limits.max_cost:g} dollars, but the model's price is not known; "
            f"give {parameter('prices')} in dollars for a million tokens, or cap it with {parameter('max_calls')} or "
            f"{parameter('max_tokens')}."
        )


class Budget:
    """Lets calls begin as long as what is spent is below every cap; so at most those in flight pass it."""

    def __init__(self, limits: Limits, meter: Meter, prices: Prices | None) -> None:
        """Raises `SetupError` for a cap on money without prices."""
        check_priced(limits, prices)
        self._limits = limits
        self._meter = meter
        self._under_way = 0
        self._is_capped = any(cap is not None for cap in (limits.max_calls, limits.max_tokens, limits.max_cost))

    def begin(self) -> None:
        """Count a call as begun. Raises `PausedError` when the budget is spent."""
        if self._is_capped and (spent := self._spent()):
            self._meter.outcomes[Outcome.BUDGET] += 1
            raise PausedError(spent)
        if self._meter.shared is not None:
            self._meter.shared.begin()
        self._under_way += 1

    def end(self) -> None:
        """Count a call as ended; the meter has its numbers already."""
        self._under_way -= 1
        if self._meter.shared is not None:
            self._meter.shared.end()

    def _spent(self) -> str:
        total, limits = self._meter.total, self._limits
        calls = total.calls + self._under_way
        if limits.max_calls is not None and calls >= limits.max_calls:
            return f"The budget of {limits.max_calls:,} calls is spent; a higher {parameter('max_calls')} goes on."
        caps_tokens = limits.max_tokens is not None or limits.max_cost is not None
        if caps_tokens and 2 * total.uncounted > total.answers:
            return f"The endpoint does not count tokens, so only {parameter('max_calls')} can cap what the run costs."
        if limits.max_tokens is not None and total.tokens >= limits.max_tokens:
            return (
                f"The budget of {limits.max_tokens:,} tokens is spent ({total.tokens:,} were counted); "
                f"a higher {parameter('max_tokens')} goes on."
            )
        if limits.max_cost is not None and total.cost >= limits.max_cost:
            return (
                f"The budget of {limits.max_cost:g} dollars is spent ({total.cost:.4f} by the prices of this run); "
                f"a higher {parameter('max_cost')} goes on."
            )
        return ""


class SharedBudget:
    """One budget of several runs that go on at once: the calls of all of them count. May be used from any thread."""

    def __init__(self, limits: Limits, prices: Prices | None = None, *, spent: Spent | None = None) -> None:
        """`spent` is what earlier sessions used. Raises `SetupError` for a cap on money without prices."""
        self._meter = Meter(spent or Spent())
        self._budget = Budget(limits, self._meter, prices)
        self._lock = Lock()

    def begin(self) -> None:
        """Count a call as begun. Raises `PausedError` when the budget is spent."""
        with self._lock:
            self._budget.begin()

    def end(self) -> None:
        """Count a call as ended."""
        with self._lock:
            self._budget.end()

    def add(self, call: Call) -> None:
        """Count what a call used."""
        with self._lock:
            self._meter.total.add(call)


class Breaker:
    """Stops a run most of whose calls fail, before they cost more."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._latest: deque[bool] = deque()
        self._failed = 0
        self._tripped = ""

    def check(self) -> None:
        """Raise `PausedError` once too many of the latest calls have failed."""
        if self._tripped:
            raise PausedError(self._tripped)

    def note(self, outcome: Outcome, reason: str) -> None:
        """Count a call that has ended."""
        if outcome is Outcome.RATE_LIMITED:
            return
        self._latest.append(outcome not in _NO_ERRORS)
        self._failed += self._latest[-1]
        if len(self._latest) > _LATEST:
            self._failed -= self._latest.popleft()
        latest = len(self._latest)
        if latest >= _ENOUGH and self._failed > self._most * latest and not self._tripped:
            self._tripped = (
                f"{self._failed} of the latest {latest} calls failed, more than the share of {self._most:g} that is "
                f"allowed ({parameter('max_error_rate')}); the last one: {reason or outcome}"
            )
