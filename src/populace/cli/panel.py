"""What the terminal shows of a run while it goes: a panel, or plain lines where there is no terminal."""

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel as Frame
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from populace.agents.endpoint.addresses import is_loopback
from populace.agents.gateway.budget import Meter, Spent
from populace.core.model import Outcome

if TYPE_CHECKING:
    from populace.agents.gateway.gateway import Gateway

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


#: Beyond this width the panel only gets airy.
_WIDEST = 120

#: Purposes that have a row of their own.
_PURPOSES = 5

_GENERATOR = "built-in generator, not a language model; tokens are words"

#: Where answers came from that were not paid for now.
_RECALLED = {"ledger": "this run's file", "cache": "the cache", "fork": "the run it was forked from"}


def picture_of(look: RateSnapshot, gateway: "Gateway | None", *, width: int) -> RenderableType:
    """The panel, for a terminal of this width."""
    parts: list[RenderableType] = [_bar(look.phase, look)] if look.phase is not None else []
    if gateway is not None:
        if gateway.meter.outage:
            parts.append(Text(gateway.meter.outage, style="yellow"))
        if pace := ", ".join(_pace(look, gateway)):
            parts.append(Text(pace))
        purposes = _purposes(gateway)
        parts += [_facts(gateway), *([purposes] if purposes else [])]
    title = Text(gateway.name if gateway is not None else "populace")
    return Frame(Group(*parts), title=title, title_align="left", border_style="dim", width=min(width, _WIDEST))


def line_of(look: RateSnapshot, gateway: "Gateway | None") -> str:
    """The same in one line, where there is no terminal."""
    said = [f"{look.phase.done:,} of {look.phase.total:,}"] if look.phase is not None else []
    if look.left is not None:
        said.append(f"about {_clock(look.left)} left")
    if gateway is not None:
        said += [*_pace(look, gateway), *_money(gateway), *_budget(gateway), *_outcomes(gateway), *_recalled(gateway)]
    return f"{look.phase.title if look.phase is not None else 'Run'}: {', '.join(said)}"


def _bar(phase: ProgressPhase, look: RateSnapshot) -> Table:
    bar = Table.grid(padding=(0, 2), expand=True)
    bar.add_column(no_wrap=True, min_width=8)
    bar.add_column(ratio=1)
    for _ in range(2):
        bar.add_column(justify="right", no_wrap=True)
    left = round(look.left or 0)
    times = _clock(look.elapsed) + (f", about {_clock(left)} left" if left else "")
    done = f"{phase.done:,} of {phase.total:,}"
    filled = ProgressBar(max(1, phase.total), phase.done, complete_style="cyan", finished_style="green")
    bar.add_row(Text(phase.title, style="bold"), filled, done, times)
    return bar


def _facts(gateway: "Gateway") -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    rows = {
        "money": _money(gateway),
        "budget": _budget(gateway),
        "outcomes": _outcomes(gateway),
        "recalled": _recalled(gateway),
        "note": [] if gateway.model.is_language_model or not gateway.calls else [_GENERATOR],
    }
    for label, said in rows.items():
        if parts := list(said):
            facts.add_row(label, Text(", ".join(parts)))
    return facts


def _pace(look: RateSnapshot, gateway: "Gateway") -> Iterator[str]:
    if not gateway.calls:
        return
    if look.calls is not None:
        yield f"{60 * look.calls:,.1f} calls/min" if look.is_slow else f"{look.calls:,.1f} calls/s"
    if look.tokens is not None:
        yield f"{look.tokens:,.0f} {_unit(gateway)}/s{' written' if look.is_slow else ''}"
    if look.phase is not None:
        yield f"{gateway.in_flight:,} of {gateway.limit:,} in flight"
        yield f"{gateway.waiting:,} waiting"


def _money(gateway: "Gateway") -> Iterator[str]:
    total = gateway.meter.total
    if not gateway.model.is_language_model or not total.answers:
        return
    if total.unpriced == total.answers:
        yield "price unknown"
        return
    yield f"{_dollars(total.cost)} so far"
    if total.unpriced:
        yield f"{total.unpriced:,} answers of unknown price"


def _budget(gateway: "Gateway") -> Iterator[str]:
    limits, total = gateway.limits, gateway.meter.total
    for most, spent, unit in ((limits.max_calls, total.calls, "calls"), (limits.max_tokens, total.tokens, "tokens")):
        if most is not None:
            yield f"{max(0, most - spent):,} of {most:,} {unit} left"
    if limits.max_cost is not None:
        yield f"{_dollars(max(0.0, limits.max_cost - total.cost))} of {_dollars(limits.max_cost)} left"


def _outcomes(gateway: "Gateway") -> Iterator[str]:
    # A copy: the run adds to it meanwhile. What the budget kept back was no call.
    counts = dict(gateway.meter.outcomes)
    counts.pop(Outcome.BUDGET, None)
    for outcome, count in sorted(counts.items(), key=lambda kept: (kept[0] is not Outcome.OK, -kept[1])):
        yield f"{count:,} {outcome.replace('_', ' ')}"


def _recalled(gateway: "Gateway") -> Iterator[str]:
    for source, count in dict(gateway.meter.recalled).items():
        yield f"{count:,} from {_RECALLED.get(source, source)}"
    if gateway.meter.damaged:
        yield f"{gateway.meter.damaged:,} damaged rows of the cache ignored"


def _purposes(gateway: "Gateway") -> Table | None:
    spent = sorted(gateway.meter.by_purpose.copy().items(), key=lambda kept: -kept[1].calls)
    if not spent:
        return None
    rows = spent[:_PURPOSES]
    if len(spent) > _PURPOSES:
        rows.append((f"{len(spent) - _PURPOSES} others", _sum([s for _, s in spent[_PURPOSES:]])))
    if len(spent) > 1:
        rows.append(("all", _sum([s for _, s in spent])))
    has_price = gateway.model.is_language_model and any(s.unpriced < s.answers for _, s in spent)
    unit = _unit(gateway)
    heads = ["purpose", "calls", f"{unit} in", f"{unit} out", "dollars" if has_price else ""]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in filter(None, heads):
        table.add_column(head, justify="left" if head == "purpose" else "right", no_wrap=head == "purpose")
    for name, s in rows:
        cells = {"purpose": name, **_cells(s, unit)}
        table.add_row(*(cells[head] for head in filter(None, heads)), style="bold" if name == "all" else "")
    return table


def _cells(spent: Spent, unit: str) -> dict[str, str]:
    return {
        "calls": f"{spent.calls:,}",
        f"{unit} in": f"{spent.input_tokens:,}",
        f"{unit} out": f"{spent.output_tokens:,}",
        "dollars": f"{spent.cost:,.4f}",
    }


def _sum(parts: list[Spent]) -> Spent:
    total = Spent()
    for part in parts:
        for name in Spent.__slots__:
            setattr(total, name, getattr(total, name) + getattr(part, name))
    return total


def _unit(gateway: "Gateway") -> str:
    return "tokens" if gateway.model.is_language_model else "words"


def _dollars(amount: float) -> str:
    return f"${amount:,.4f}" if amount < 10 else f"${amount:,.2f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


#: Seconds between two pictures, between two looks where there is no terminal, and between two of its lines.
_PICTURE, _LOOK, _LINE = 0.25, 1.0, 30.0


class _Console(Console):
    """A console whose output may be closed while it is written to."""

    def on_broken_pipe(self) -> None:
        """Be quiet from then on; Rich would close standard output, and exit."""
        self.quiet = True


class ProgressPanel:
    """A `Progress` on standard error, drawn by a thread of its own: the run only counts.

    In a terminal it is redrawn four times a second, and phases that have ended are above it, one line each.
    Elsewhere those lines are all, and one about every half minute of a phase that takes longer.
    """

    def __init__(self, console: Console | None = None) -> None:
        """`console` is standard error where none is given."""
        self._console = console or _Console(stderr=True, highlight=False)
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._rates = Rates()
        self._gateway: Gateway | None = None
        self._ended: deque[str] = deque()
        self._stop = Event()
        self._thread: Thread | None = None
        self._live: Live | None = None
        #: The phase whose lines were printed last, and how many.
        self._told: tuple[ProgressPhase | None, int] = (None, 0)
        self._outage = ""

    def opened(self, gateway: "Gateway") -> None:
        """Show what goes through this gateway; first of all where calls go that leave this machine."""
        self._gateway = gateway
        for handle in gateway.model.all:
            if handle.endpoint and not is_loopback(handle.endpoint):
                where = f"Calls to {handle.name} go to {handle.endpoint}, with the key in OPENAI_API_KEY if it is set."
                with suppress(OSError):  # the terminal is gone, and the run goes on
                    self._console.print(where, markup=False, soft_wrap=True)
        self._rates.watch(gateway.meter)

    def began(self, title: str, total: int) -> None:
        """Begin to show another phase."""
        self._end_phase()
        self._rates.begin(title, total)
        if self._thread is None:
            self._stop.clear()
            self._thread = Thread(target=self._draw, name="panel", daemon=True)
            self._thread.start()

    def advanced(self) -> None:
        """Count one more piece."""
        self._rates.advance()

    def ended(self) -> None:
        """Draw how it ended, and leave the terminal as it was."""
        self._end_phase()
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _end_phase(self) -> None:
        if (ended := self._rates.end()) is not None:
            phase, seconds = ended
            self._ended.append(f"{phase.title}: {phase.done} in {seconds:.1f} s")

    def _draw(self) -> None:
        try:
            if self._is_live:
                self._draw_live()
            else:
                self._until_stopped(self._tell, every=_LOOK)
        except OSError:
            return  # the terminal is gone, and the run goes on

    def _draw_live(self) -> None:
        live = Live(
            console=self._console,
            auto_refresh=False,
            get_renderable=self._picture,
            # What a scenario prints belongs above the panel, unless it goes somewhere else.
            redirect_stdout=sys.stdout.isatty(),
            vertical_overflow="crop",
        )
        with live:
            self._until_stopped(lambda: self._show(live), every=_PICTURE)

    def _until_stopped(self, act: Callable[[], None], *, every: float) -> None:
        act()
        while not self._stop.wait(every):
            act()
        act()

    def _show(self, live: Live) -> None:
        if not self._print_ended():
            live.refresh()

    def _tell(self) -> None:
        self._print_ended()
        outage = self._gateway.meter.outage if self._gateway is not None else ""
        if outage != self._outage:
            self._outage = outage
            self._console.print(outage or "The endpoint is back.", markup=False, soft_wrap=True)
        look = self._rates.look()
        before = self._told[1] if self._told[0] is look.phase else 0
        if look.phase is not None and look.elapsed >= (before + 1) * _LINE:
            self._told = (look.phase, int(look.elapsed // _LINE))
            self._console.print(line_of(look, self._gateway), markup=False, soft_wrap=True)

    def _print_ended(self) -> bool:
        lines = [self._ended.popleft() for _ in range(len(self._ended))]
        if lines:
            self._console.print("\n".join(lines), markup=False, soft_wrap=True)
        return bool(lines)

    def _picture(self) -> "RenderableType":
        return picture_of(self._rates.look(), self._gateway, width=self._console.width)
