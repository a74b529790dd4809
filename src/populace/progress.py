"""Progress of a run: how fast calls and phases go, and the line that shows it under a cell of a notebook."""

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from .agents.gateway.budget import Meter
from .sim.engine import Progress, SilentProgress

if TYPE_CHECKING:
    from .agents.gateway.gateway import Gateway


#: Seconds that calls and tokens, and the pieces of a phase, are looked back over.
_LATELY, _OF_A_PHASE = 10.0, 60.0

#: Seconds before which nothing is said: the first answers come all at once.
_EARLY = 1.0


class Rate:
    """How fast a count has grown over the latest seconds."""

    def __init__(self, span: float) -> None:
        self._span = span
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, now: float, count: float) -> float | None:
        """What `count` grew by in a second, as it stands `now`; None while that is too early to say."""
        self._seen.append((now, count))
        # The oldest that is kept lies at the edge of the span or before it, however seldom it is noted.
        while len(self._seen) > 1 and self._seen[1][0] <= now - self._span:
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
    pieces: Rate = field(default_factory=lambda: Rate(_OF_A_PHASE))

    def left(self, now: float) -> float | None:
        """Seconds that it will yet take at the pace of the latest minute, or else of all of it; None if unknown."""
        pace = self.pieces.note(now, self.done) or self.done / max(_EARLY, now - self.since)
        return max(0, self.total - self.done) / pace if pace > 0 and now - self.since >= _EARLY else None


@dataclass(frozen=True, slots=True)
class RateSnapshot:
    """How fast a run goes at one moment; None is what cannot be said yet. Times are in seconds."""

    calls: float | None
    tokens: float | None
    phase: ProgressPhase | None
    #: Of the phase: how long it has taken, and how long it will yet take.
    elapsed: float
    left: float | None


class Rates:
    """Watches a meter and the phases of a run. One thread may look while others call and work."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meter = Meter()
        self._calls, self._tokens = Rate(_LATELY), Rate(_LATELY)
        #: The phase that is under way.
        self.phase: ProgressPhase | None = None

    def watch(self, meter: Meter) -> None:
        """From now on look at this meter."""
        self._meter = meter
        self._calls, self._tokens = Rate(_LATELY), Rate(_LATELY)
        self.look()  # what earlier sessions spent is where the count begins, and no speed

    def begin(self, title: str, total: int) -> None:
        """A phase of `total` pieces begins."""
        self.phase = ProgressPhase(title, total, self._clock())
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
        return RateSnapshot(
            calls=self._calls.note(now, total.calls),
            tokens=self._tokens.note(now, total.tokens),
            phase=phase,
            elapsed=now - phase.since if phase is not None else 0.0,
            left=phase.left(now) if phase is not None else None,
        )


#: Seconds between two updates of the line.
_EVERY = 0.5


def default_progress(wanted: Progress | bool | None) -> Progress:
    """What shows progress: what is given; without it a line in a notebook, and nothing elsewhere.

    True gives the panel of the command line where there is no notebook, False shows nothing anywhere.
    """
    if isinstance(wanted, bool) or wanted is None:
        if wanted is not False and _in_notebook():
            return NotebookProgress()
        if wanted:
            from .cli.panel import Panel

            return Panel()
        return SilentProgress()
    return wanted


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process; IPython in a terminal is none."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


class NotebookProgress:
    """A `Progress` that shows one line: the phase, how far it is, and how fast."""

    def __init__(self) -> None:
        self._rates = Rates()
        self._gateway: Gateway | None = None
        self._ended: list[str] = []
        self._handle: Any = None
        self._shown = 0.0

    def opened(self, gateway: "Gateway") -> None:
        """Show what goes through this gateway."""
        self._gateway = gateway
        self._rates.watch(gateway.meter)

    def began(self, title: str, total: int) -> None:
        """Begin to show another phase."""
        self._end_phase()
        self._rates.begin(title, total)
        self._show()

    def advanced(self) -> None:
        """Count one more piece; the line is updated twice a second."""
        self._rates.advance()
        if time.monotonic() - self._shown >= _EVERY:
            self._show()

    def ended(self) -> None:
        """Leave what each phase took under the cell."""
        self._end_phase()
        self._display("; ".join(self._ended))

    def _end_phase(self) -> None:
        if (ended := self._rates.end()) is not None:
            phase, seconds = ended
            self._ended.append(f"{phase.title}: {phase.done:,} in {seconds:.1f} s")

    def _show(self) -> None:
        from .cli.panel import line_of

        self._display(line_of(self._rates.look(), self._gateway))

    def _display(self, line: str) -> None:
        from IPython.display import HTML, display  # type: ignore[import-not-found]

        self._shown, shown = time.monotonic(), HTML(f"<code>{escape(line)}</code>")
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)
