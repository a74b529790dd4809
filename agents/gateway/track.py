"""One endpoint as the answers so far show it: how many calls it takes at once, and whether it is there at all."""

import math
from collections import deque
from dataclasses import dataclass

from ...personas.model import Outcome
from ..endpoint.errors import RequestError
from ..endpoint.response import RateLimitHeaders
from .allowance import Weight

__all__ = ["Track", "Turn"]

#: The statuses that say: too many.
_TOO_MANY = frozenset({429, 503, 529})

#: How far the limit goes below what the endpoint took, and how far it falls in one burst at most.
_BELOW = 0.95
_AT_MOST = 0.5

#: At the width that the endpoint last took, so many times more answers are awaited before one more is tried.
_PATIENCE = 10

#: How many ends are remembered; and of those at a width or more, how many refusals may be chance, and what share.
_REMEMBERED = 100
_BY_CHANCE = 1
_SHARE = 0.2

#: Faults that may mean that an endpoint is gone, and how many of them in a row do; one is enough when nobody is there.
_MISSING = frozenset({Outcome.SERVER_ERROR, Outcome.DROPPED, Outcome.TIMEOUT, Outcome.NOT_JSON})
_IN_A_ROW = 5

#: Seconds for which an endpoint that is gone is left out: the first time, and at most.
_OUT, _LONGEST_OUT = 2.0, 60.0


@dataclass(slots=True)
class Turn:
    """One call's leave to be under way at one endpoint, until it is given back."""

    track: "Track"
    #: How many bursts of refusals there had been when it began, and how many calls were then under way with it.
    bursts: int
    width: int
    weight: Weight
    #: Tokens held for it, and those it used as far as is known.
    held: int
    used: int
    is_given: bool = False


class Track:
    """What is known of one endpoint; `number` is its place among those of the model."""

    def __init__(self, number: int, most: int, *, patience: float = math.inf, alone: bool = True) -> None:
        """Begins with `most` at once. A pause of more than `patience` seconds is not waited for.

        An endpoint that is `alone` is never left out: there is nobody to take its place.
        """
        self.number = number
        #: Calls under way now, and the moment until which the endpoint asked for none.
        self.in_flight = 0
        self.paused_until = -math.inf
        self._alone = alone
        self._most = most
        self._patience = patience
        self._level = float(most)
        self._bursts = 0
        #: Of the last burst: the calls under way when it began, those refused, and how many the endpoint took.
        self._width = self._refused = 0
        self._took = most
        self._recent: deque[tuple[int, bool]] = deque(maxlen=_REMEMBERED)
        self._out_until = -math.inf
        self._missed = self._times_out = self._spared = 0

    @property
    def limit(self) -> int:
        """The calls that may be under way at once, as learnt so far; one, while it is being tried again."""
        return 1 if self._times_out else int(self._level)

    def is_out(self, now: float) -> bool:
        """Whether it is left out because nobody is there."""
        return self._out_until > now

    def start(self, weight: Weight, held: int) -> Turn:
        """A turn that begins now."""
        self.in_flight += 1
        return Turn(self, self._bursts, self.in_flight, weight, held, held)

    def answered(self, turn: Turn, now: float, headroom: RateLimitHeaders | None) -> None:
        """Learn from an answer. To be called before the turn is given back."""
        self._missed = self._times_out = self._spared = 0
        self._recent.append((turn.width, True))
        if headroom is not None and headroom.is_spent:
            self._pause(now, headroom.wait)
        # An answer from before the last burst, or while turns were to spare, says nothing of what more would do.
        if self.limit < self._most and turn.bursts == self._bursts and self.in_flight >= self.limit:
            slowly = _PATIENCE if self._took <= self._level < self._took + 1 else 1
            self._level = min(self._most, self._level + 1 / (slowly * self._level))

    def failed(self, turn: Turn, now: float, fault: RequestError) -> None:
        """Learn from a fault. To be called before the turn is given back."""
        if fault.status in _TOO_MANY:
            self._recent.append((turn.width, False))
            if turn.bursts == self._bursts and self._takes(turn.width):
                self._spared += 1
            else:
                self._shrink(turn)
        self._pause(now, fault.retry_after or 0.0)
        self._miss(now, fault)

    def _takes(self, width: int) -> bool:
        # An endpoint that refuses by chance refuses as often with fewer calls under way: that is no reason for fewer.
        ends = [ok for w, ok in self._recent if w >= width]
        refused = len(ends) - sum(ends)
        return refused <= _SHARE * len(ends) or (refused <= _BY_CHANCE and self._spared < _BY_CHANCE)

    def _shrink(self, turn: Turn) -> None:
        if turn.bursts == self._bursts:
            self._bursts += 1
            # Refusals that were put down to chance a moment ago, with no answer since, were the first of this burst.
            self._width, self._refused = self.in_flight + self._spared, self._spared
            self._spared = 0
        elif turn.bursts != self._bursts - 1:
            return
        # One burst, one shrink: its later refusals only tell how many of its calls the endpoint took.
        self._refused += 1
        self._took = self._width - self._refused
        self._level = max(1.0, min(self._level, max(_AT_MOST * self._width, _BELOW * self._took)))

    def _pause(self, now: float, seconds: float) -> None:
        # A longer pause ends the requests that meet it: those that are waiting may as well be told at once.
        if 0.0 < seconds <= self._patience:
            self.paused_until = max(self.paused_until, now + seconds)

    def _miss(self, now: float, fault: RequestError) -> None:
        if fault.outcome is Outcome.UNREACHABLE:
            self._missed = _IN_A_ROW
        elif fault.outcome in _MISSING and fault.status not in _TOO_MANY:
            self._missed += 1
        if self._missed >= _IN_A_ROW and not self._alone and not self.is_out(now):
            self._out_until = now + min(_LONGEST_OUT, _OUT * 2**self._times_out)
            self._times_out += 1
