"""What the terminal shows of a run while it goes: a panel, or plain lines where there is no terminal."""

import math
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import chain
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
    from populace.agents.gateway.client import Gateway
    from populace.agents.gateway.limits import Limits

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


class RunPace:
    """Watches the meter and the phase of a run. One thread may look while others call and work; times are seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meter = Meter()
        self.begin("", 0)
        self.watch(self._meter)

    def watch(self, meter: Meter) -> None:
        """Look at this meter from now on; what earlier sessions spent is where its counts begin."""
        self._meter = meter
        self._calls, self._tokens, self._streamed = Rate(_LATELY), Rate(_LATELY), Rate(_LATELY)
        #: Calls and tokens a second; None while it is too early to say. Tokens of slow calls count as they are written.
        self.calls: float | None = None
        self.tokens: float | None = None
        self.is_slow = False
        self.look()

    def begin(self, title: str, total: int) -> None:
        """Begin a phase of `total` pieces; without a title there is none."""
        self.title, self.total, self.done = title, total, 0
        self._since = self._clock()
        self._pieces = Rate(_LONG)
        self._done = self._pieces.note(self._since, 0)
        self._begun, self._ended = self._meter.begun, self._meter.total.calls

    def advance(self) -> None:
        """Count one more piece of the phase."""
        self.done += 1

    def look(self) -> None:
        """Take note of the counts as they stand now."""
        now, total = self._clock(), self._meter.total
        tokens, streamed = self._tokens.note(now, total.tokens), self._streamed.note(now, self._meter.pieces)
        self._done = self._pieces.note(now, self.done)
        self.is_slow = self._meter.pieces > 0 and median(self._meter.seconds.copy() or (math.inf,)) > _SLOW
        self._calls.span = _LONG if self.is_slow else _LATELY
        self.calls = self._calls.note(now, total.calls)
        self.tokens = streamed if self.is_slow else tokens

    @property
    def elapsed(self) -> float:
        """Return how long the phase has taken."""
        return self._clock() - self._since

    @property
    def left(self) -> float | None:
        """Return how long the phase will yet take at the pace of the latest minute, or of all; None if unknown."""
        pace = self._done or self.done / max(_EARLY, self.elapsed)
        # What was recalled is done at once, and says nothing of the calls that are still to be answered.
        is_recalled = self._meter.begun > self._begun and self._meter.total.calls < self._ended + _FEW
        if pace <= 0 or is_recalled or self.done < min(_FEW, self.total) or self.elapsed < _EARLY:
            return None
        return max(0, self.total - self.done) / pace


#: Beyond this width the panel only gets airy.
_WIDEST = 120

_GENERATOR = "built-in generator, not a language model; tokens are words"

#: Where answers came from that were not paid for now.
_RECALLED = {"ledger": "this run's file", "cache": "the cache", "fork": "the run it was forked from"}


def draw_panel(pace: RunPace, gateway: "Gateway | None", *, width: int) -> RenderableType:
    """Draw the panel for a terminal of this width."""
    parts: list[RenderableType] = [_draw_bar(pace)] if pace.title else []
    if gateway is not None:
        if gateway.meter.outage:
            parts.append(Text(gateway.meter.outage, style="yellow"))
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column()
        for label, said in _read_facts(pace, gateway).items():
            if said:
                facts.add_row(label, Text(", ".join(said)))
        parts.append(facts)
    title = Text(gateway.name if gateway is not None else "populace")
    return Frame(Group(*parts), title=title, title_align="left", border_style="dim", width=min(width, _WIDEST))


def format_line(pace: RunPace, gateway: "Gateway | None") -> str:
    """Return what the panel says in one line, for where there is no terminal."""
    left = pace.left
    said = [f"{pace.done:,} of {pace.total:,}"] + ([f"about {_format_clock(left)} left"] if left is not None else [])
    if gateway is not None:
        said += chain.from_iterable(_read_facts(pace, gateway).values())
    return f"{pace.title}: {', '.join(said)}"


def _draw_bar(pace: RunPace) -> Table:
    bar = Table.grid(padding=(0, 2), expand=True)
    bar.add_column(no_wrap=True, min_width=8)
    bar.add_column(ratio=1)
    for _ in range(2):
        bar.add_column(justify="right", no_wrap=True)
    left = round(pace.left or 0)
    times = _format_clock(pace.elapsed) + (f", about {_format_clock(left)} left" if left else "")
    filled = ProgressBar(max(1, pace.total), pace.done, complete_style="cyan", finished_style="green")
    bar.add_row(Text(pace.title, style="bold"), filled, f"{pace.done:,} of {pace.total:,}", times)
    return bar


def _read_facts(pace: RunPace, gateway: "Gateway") -> dict[str, list[str]]:
    """Return what is known of the calls, by label."""
    meter, is_model = gateway.meter, gateway.model.is_language_model
    unit = "tokens" if is_model else "words"
    # Copies: the run adds to them meanwhile. What the budget kept back was no call.
    outcomes = sorted(meter.outcomes.copy().items(), key=lambda kept: (kept[0] is not Outcome.OK, -kept[1]))
    recalled = [f"{count:,} from {_RECALLED.get(source, source)}" for source, count in meter.recalled.copy().items()]
    damaged = [f"{meter.damaged:,} damaged rows of the cache ignored"] if meter.damaged else []
    total = meter.total
    spent = [f"{total.calls:,} calls", f"{total.input_tokens:,} {unit} in", f"{total.output_tokens:,} {unit} out"]
    return {
        "pace": _read_pace(pace, gateway, unit) if gateway.calls else [],
        "spent": spent if total.calls else [],
        "money": _read_money(total) if is_model and total.answers else [],
        "budget": _read_budget(gateway.limits, total),
        "outcomes": [f"{n:,} {one.replace('_', ' ')}" for one, n in outcomes if one is not Outcome.BUDGET],
        "recalled": recalled + damaged,
        "note": [_GENERATOR] if gateway.calls and not is_model else [],
    }


def _read_pace(pace: RunPace, gateway: "Gateway", unit: str) -> list[str]:
    said = []
    if pace.calls is not None:
        said.append(f"{60 * pace.calls:,.1f} calls/min" if pace.is_slow else f"{pace.calls:,.1f} calls/s")
    if pace.tokens is not None:
        said.append(f"{pace.tokens:,.0f} {unit}/s{' written' * pace.is_slow}")
    if pace.title:
        said += [f"{gateway.in_flight:,} of {gateway.limit:,} in flight", f"{gateway.waiting:,} waiting"]
    return said


def _read_money(total: Spent) -> list[str]:
    if total.unpriced == total.answers:
        return ["price unknown"]
    unknown = [f"{total.unpriced:,} answers of unknown price"] if total.unpriced else []
    return [f"{_format_dollars(total.cost)} so far", *unknown]


def _read_budget(limits: "Limits", total: Spent) -> list[str]:
    caps = ((limits.max_calls, total.calls, "calls"), (limits.max_tokens, total.tokens, "tokens"))
    said = [f"{max(0, most - spent):,} of {most:,} {unit} left" for most, spent, unit in caps if most is not None]
    if limits.max_cost is not None:
        said.append(
            f"{_format_dollars(max(0.0, limits.max_cost - total.cost))} of {_format_dollars(limits.max_cost)} left"
        )
    return said


def _format_dollars(amount: float) -> str:
    return f"${amount:,.4f}" if amount < 10 else f"${amount:,.2f}"


def _format_clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))).removeprefix("0:").removeprefix("0") or "0"


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
        self._pace = RunPace()
        self._gateway: Gateway | None = None
        self._ended: deque[str] = deque()
        self._stop = Event()
        self._thread: Thread | None = None
        self._live: Live | None = None
        #: Lines of this phase that were printed.
        self._told = 0
        self._outage = ""

    def opened(self, gateway: "Gateway") -> None:
        """Show what goes through this gateway; first of all where calls go that leave this machine."""
        self._gateway = gateway
        for handle in gateway.model.all:
            if handle.endpoint and not is_loopback(handle.endpoint):
                where = f"Calls to {handle.name} go to {handle.endpoint}, with the key in OPENAI_API_KEY if it is set."
                with suppress(OSError):  # the terminal is gone, and the run goes on
                    self._console.print(where, markup=False, soft_wrap=True)
        self._pace.watch(gateway.meter)

    def began(self, title: str, total: int) -> None:
        """Begin to show another phase."""
        self._end_phase()
        self._pace.begin(title, total)
        if self._thread is None:
            self._stop.clear()
            self._thread = Thread(target=self._draw_until_stopped, name="panel", daemon=True)
            self._thread.start()

    def advanced(self) -> None:
        """Count one more piece."""
        self._pace.advance()

    def ended(self) -> None:
        """Draw how it ended, and leave the terminal as it was."""
        self._end_phase()
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _end_phase(self) -> None:
        if self._pace.title:
            self._ended.append(f"{self._pace.title}: {self._pace.done} in {self._pace.elapsed:.1f} s")
            self._pace.begin("", 0)
            self._told = 0

    def _draw_until_stopped(self) -> None:
        try:
            if self._is_live:
                self._draw_live()
            else:
                self._until_stopped(self._print_lines, every=_LOOK)
        except OSError:
            return  # the terminal is gone, and the run goes on

    def _draw_live(self) -> None:
        live = Live(
            console=self._console,
            auto_refresh=False,
            get_renderable=self._draw_picture,
            # What a scenario prints belongs above the panel, unless it goes somewhere else.
            redirect_stdout=sys.stdout.isatty(),
            vertical_overflow="crop",
        )
        with live:
            self._until_stopped(lambda: self._show_live(live), every=_PICTURE)

    def _until_stopped(self, act: Callable[[], None], *, every: float) -> None:
        act()
        while not self._stop.wait(every):
            act()
        act()

    def _show_live(self, live: Live) -> None:
        if not self._print_ended():
            live.refresh()

    def _print_lines(self) -> None:
        self._print_ended()
        outage = self._gateway.meter.outage if self._gateway is not None else ""
        if outage != self._outage:
            self._outage = outage
            self._console.print(outage or "The endpoint is back.", markup=False, soft_wrap=True)
        self._pace.look()
        if self._pace.title and self._pace.elapsed >= (self._told + 1) * _LINE:
            self._told = int(self._pace.elapsed // _LINE)
            self._console.print(format_line(self._pace, self._gateway), markup=False, soft_wrap=True)

    def _print_ended(self) -> bool:
        lines = [self._ended.popleft() for _ in range(len(self._ended))]
        if lines:
            self._console.print("\n".join(lines), markup=False, soft_wrap=True)
        return bool(lines)

    def _draw_picture(self) -> "RenderableType":
        self._pace.look()
        return draw_panel(self._pace, self._gateway, width=self._console.width)
