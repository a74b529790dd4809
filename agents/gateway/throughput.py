"""How many calls at once a slow endpoint makes use of, learnt from the pieces of the answers that it streams."""

import math
from collections import defaultdict, deque
from collections.abc import Hashable
from statistics import median

#: Seconds of a typical call from which on an endpoint is slow. A faster one is sent as many calls as it takes.
_SLOW = 2.0
#: Pieces that must have come while so many calls were written before their rate is known.
_ENOUGH = 40
#: What share of the highest rate is as good as it.
_AS_GOOD = 0.9
#: The share of the time in which exactly the most calls ever written at once are written, while others wait.
_QUEUED = 0.5
#: Answers after which what was measured before counts half, and answers whose times are remembered.
_FADING, _REMEMBERED = 20, 20


class Throughput:
    """The rate of one endpoint by the number of calls that it writes at once.

    An endpoint with two slots writes two calls and lets the others wait; one that shares its cores writes twice as many
    calls each half as fast. More calls in flight only make each of them take longer.
    """

    def __init__(self) -> None:
        #: Calls in flight that are of use; infinite until fewer are seen to be as good.
        self.width = math.inf
        #: When the endpoint last sent a piece of any answer.
        self.last_piece = -math.inf
        self._writing: set[Hashable] = set()
        self._now = -math.inf
        self._in_flight = 0
        #: By calls written at once: pieces, seconds, and the seconds in which others waited.
        self._pieces: defaultdict[int, float] = defaultdict(float)
        self._seconds: defaultdict[int, float] = defaultdict(float)
        self._queued: defaultdict[int, float] = defaultdict(float)
        self._took: deque[float] = deque(maxlen=_REMEMBERED)
        self._answers = 0

    def watch(self, now: float, in_flight: int) -> None:
        """Count the time until now. From now on `in_flight` calls are open."""
        if self._in_flight:
            written, passed = len(self._writing), now - self._now
            self._seconds[written] += passed
            self._queued[written] += passed if self._in_flight > written else 0.0
        self._now, self._in_flight = now, in_flight

    def note_pieces(self, call: Hashable, now: float, count: int) -> None:
        """Record pieces of the answer to a call."""
        self.watch(now, self._in_flight)
        self._writing.add(call)
        self._pieces[len(self._writing)] += count
        self.last_piece = now

    def answered(self, took: float) -> None:
        """Learn from an answer that took `took` seconds, before its call ends."""
        self._took.append(took)
        if median(self._took) <= _SLOW:
            self.width = math.inf
        elif self._pieces:
            self._fit()
        self._answers += 1
        if self._answers % _FADING == 0:
            for counts in (self._pieces, self._seconds, self._queued):
                for written in counts:
                    counts[written] /= 2

    def end(self, call: Hashable, now: float, in_flight: int) -> None:
        """Count a call as ended."""
        self.watch(now, in_flight)
        self._writing.discard(call)

    def _fit(self) -> None:
        rates = {n: self._pieces[n] / self._seconds[n] for n in self._pieces if self._is_known(n)}
        best = max(rates.values(), default=0.0)
        useful = min((n for n, rate in rates.items() if rate >= _AS_GOOD * best), default=0)
        top = max(self._pieces)
        if rates and 2 * useful <= max(rates):
            self.width = min(self.width, useful + 1)
        elif self._is_known(top) and self._queued[top] >= _QUEUED * sum(self._seconds.values()):
            self.width = min(self.width, top + 1)
        elif len(self._writing) >= self.width:
            self.width += 1

    def _is_known(self, written: int) -> bool:
        return self._pieces[written] >= _ENOUGH and self._seconds[written] >= _SLOW
