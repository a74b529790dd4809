"""What the terminal shows of a run while it goes: a panel, or plain lines where there is no terminal."""

import sys
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from populace.agents.gateway.rates import Phase, Rates

from .picture import line_of, picture_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from populace.agents.gateway.gateway import Gateway

__all__ = ["Panel"]

#: Seconds between two pictures, between two looks where there is no terminal, and between two of its lines.
_PICTURE, _LOOK, _LINE = 0.25, 1.0, 30.0


class _Console(Console):
    """A console to which nobody need listen."""

    def on_broken_pipe(self) -> None:
        """Be quiet from then on; Rich would close standard output, and exit."""
        self.quiet = True


class Panel:
    """A `Progress` on standard error, drawn by a thread of its own: the run only counts.

    In a terminal it is redrawn four times a second, and phases that have ended stand above it, one line each.
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
        self._told: tuple[Phase | None, int] = (None, 0)
        self._outage = ""

    def opened(self, gateway: "Gateway") -> None:
        """Show what goes through this gateway."""
        self._gateway = gateway
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
