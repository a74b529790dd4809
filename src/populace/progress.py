"""Progress of a run: how fast its calls and phases go."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from .agents.gateway.budget import Meter

#: Seconds that calls and tokens, and slow ones and the pieces of a phase, are looked back over.
_LATELY, _LONG = 10.0, 60.0
#: Seconds of a typical call from which on calls are slow.
_SLOW = 5.0
#: Pieces of a phase before which nothing is said of how long it will yet take.
_FEW = 3

#: Seconds before which nothing is said: the first answers come all at once.
_EARLY = 1.0


class Rate:
    """How fast a count has grown over the latest seconds."""

    def __init__(self, span: float) -> None:
        #: Seconds that are looked back over.
        self.span = span
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, now: float, count: float) -> float | None:
        """What `count` grew by in a second, as it stands `now`; None while that is too early to say."""
        self._seen.append((now, count))
        # The oldest that is kept lies at the edge of the span or before it, however seldom it is noted.
        while len(self._seen) > 1 and self._seen[1][0] <= now - self.span:
            self._seen.popleft()
        since, before = self._seen[0]
        return (count - before) / (now - since) if now - since >= _EARLY else None


@dataclass(slots=True)
class ProgressPhase:
    """A part of a run that has a number of pieces; `since` is when it began."""

    title: str
    total: int
    since: float
    done: int = 0
    pieces: Rate = field(default_factory=lambda: Rate(_LONG))
    #: Calls of the run that had begun and ended before it.
    begun: int = 0
    ended: int = 0

    def left(self, now: float) -> float | None:
        """Seconds that it will yet take at the pace of the latest minute, or else of all of it; None if unknown."""
        pace = self.pieces.note(now, self.done) or self.done / max(_EARLY, now - self.since)
        is_early = self.done < min(_FEW, self.total) or now - self.since < _EARLY
        return max(0, self.total - self.done) / pace if pace > 0 and not is_early else None


@dataclass(frozen=True, slots=True)
class RateSnapshot:
    """How fast a run goes at one moment; None is what cannot be said yet. Times are in seconds."""

    calls: float | None
    #: Tokens asked and answered; where calls are slow, those that are written, as they come.
    tokens: float | None
    phase: ProgressPhase | None
    #: Of the phase: how long it has taken, and how long it will yet take.
    elapsed: float
    left: float | None
    is_slow: bool = False


class Rates:
    """Watches a meter and the phases of a run. One thread may look while others call and work."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meter = Meter()
        self._calls, self._tokens, self._pieces = Rate(_LATELY), Rate(_LATELY), Rate(_LONG)
        #: The phase that is under way.
        self.phase: ProgressPhase | None = None

    def watch(self, meter: Meter) -> None:
        """From now on look at this meter."""
        self._meter = meter
        self._calls, self._tokens, self._pieces = Rate(_LATELY), Rate(_LATELY), Rate(_LONG)
        self.look()  # what earlier sessions spent is where the count begins, and no speed

    def begin(self, title: str, total: int) -> None:
        """A phase of `total` pieces begins."""
        self.phase = ProgressPhase(title, total, self._clock(), begun=self._meter.begun, ended=self._meter.total.calls)
        self.phase.pieces.note(self.phase.since, 0)

    def advance(self) -> None:
        """One more piece of the phase is done."""
        if self.phase is not None:
            self.phase.done += 1

    def end(self) -> tuple[ProgressPhase, float] | None:
        """The phase that ends now and the seconds it took; None when there was none."""
        phase, self.phase = self.phase, None
        return (phase, self._clock() - phase.since) if phase is not None else None

    def look(self) -> RateSnapshot:
        """How fast it goes now."""
        now, phase, total = self._clock(), self.phase, self._meter.total
        tokens, pieces = self._tokens.note(now, total.tokens), self._pieces.note(now, self._meter.pieces)
        is_slow = self._meter.pieces > 0 and median(self._meter.seconds.copy() or (math.inf,)) > _SLOW
        self._calls.span = _LONG if is_slow else _LATELY
        return RateSnapshot(
            calls=self._calls.note(now, total.calls),
            tokens=pieces if is_slow else tokens,
            is_slow=is_slow,
            phase=phase,
            elapsed=now - phase.since if phase is not None else 0.0,
            left=phase.left(now) if phase is not None and not self._is_early(phase) else None,
        )

    def _is_early(self, phase: ProgressPhase) -> bool:
        # What was recalled is done at once, and says nothing of the calls that are still to be answered.
        return self._meter.begun > phase.begun and self._meter.total.calls < phase.ended + _FEW
