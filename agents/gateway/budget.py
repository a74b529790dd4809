"""What the calls of a run came to, and what stops further ones: the budget and the breaker."""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

from ...personas.errors import PausedError, SetupError, parameter
from ...personas.model import Outcome
from .call import Call
from .limits import Limits
from .prices import Prices

__all__ = ["Breaker", "Budget", "Meter", "Spent", "check_priced"]


@dataclass(slots=True)
class Spent:
    """What a number of calls came to; tokens are the endpoint's own counts."""

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

    def add(self, call: Call) -> None:
        """Count an attempt that was sent and has ended."""
        self.total.add(call)
        self.by_purpose[call.purpose].add(call)
        self.outcomes[call.outcome] += 1


#: Of the latest calls, how many are looked at, and how many there must be before they say anything.
_LATEST = 200
_ENOUGH = 100

#: Ends that are no error of the endpoint's: a refusal is an answer, and what is too much is the pace's concern.
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
        self._under_way += 1

    def end(self) -> None:
        """Count a call as ended; what it came to is in the meter by now."""
        self._under_way -= 1

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
