"""What the calls of a run came to so far: by purpose, by outcome, in tokens and in money."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from ...personas.model import Outcome
from .call import Call

__all__ = ["Meter", "Spent"]


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
