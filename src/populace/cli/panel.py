"""What the terminal shows of a run while it goes: a panel, or plain lines where there is no terminal."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel as Frame
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from populace.agents.endpoint.addresses import is_loopback
from populace.agents.gateway.budget import Spent
from populace.core.model import Outcome
from populace.progress import ProgressPhase, Rates

if TYPE_CHECKING:
    from populace.agents.gateway.gateway import Gateway
    from populace.progress import ProgressPhase, RateSnapshot

#: From this width on the purposes are beside the numbers, and with more columns; beyond the second it only gets airy.
_WIDE, _WIDEST = 120, 160

#: Purposes that have a row of their own.
_PURPOSES = 5

_GENERATOR = "built-in generator, not a language model; tokens are words"

#: Where answers came from that were not paid for now.
_RECALLED = {"ledger": "this run's file", "cache": "the cache", "fork": "the run it was forked from"}


def picture_of(look: "RateSnapshot", gateway: "Gateway | None", *, width: int) -> RenderableType:
    """The panel, for a terminal of this width."""
    parts: list[RenderableType] = [_bar(look.phase, look)] if look.phase is not None else []
    if gateway is not None:
        if gateway.meter.outage:
            parts.append(Text(gateway.meter.outage, style="yellow"))
        if pace := ", ".join(_pace(look, gateway)):
            parts.append(Text(pace))
        facts, purposes = _facts(gateway), _purposes(gateway, is_wide=width >= _WIDE)
        parts += [_beside(facts, purposes)] if width >= _WIDE else [facts, *([purposes] if purposes else [])]
    title = Text(gateway.name if gateway is not None else "populace")
    return Frame(Group(*parts), title=title, title_align="left", border_style="dim", width=min(width, _WIDEST))


def line_of(look: "RateSnapshot", gateway: "Gateway | None") -> str:
    """The same in one line, where there is no terminal."""
    said = [f"{look.phase.done:,} of {look.phase.total:,}"] if look.phase is not None else []
    if look.left is not None:
        said.append(f"about {_clock(look.left)} left")
    if gateway is not None:
        said += [*_pace(look, gateway), *_money(gateway), *_budget(gateway), *_outcomes(gateway), *_recalled(gateway)]
    return f"{look.phase.title if look.phase is not None else 'Run'}: {', '.join(said)}"


def _bar(phase: "ProgressPhase", look: "RateSnapshot") -> Table:
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


def _pace(look: "RateSnapshot", gateway: "Gateway") -> Iterator[str]:
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


def _purposes(gateway: "Gateway", *, is_wide: bool) -> Table | None:
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
    if is_wide:
        heads += ["cached in", "reasoning"]
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
        "cached in": f"{spent.cached_tokens:,}",
        "reasoning": f"{spent.reasoning_tokens:,}",
        "dollars": f"{spent.cost:,.4f}",
    }


def _sum(parts: list[Spent]) -> Spent:
    total = Spent()
    for part in parts:
        for name in Spent.__slots__:
            setattr(total, name, getattr(total, name) + getattr(part, name))
    return total


def _beside(left: RenderableType, right: RenderableType | None) -> RenderableType:
    if right is None:
        return left
    both = Table.grid(padding=(0, 4), expand=True)
    both.add_column(ratio=1)
    both.add_column()
    both.add_row(left, right)
    return both


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
