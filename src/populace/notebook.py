"""What shows the progress of a run that Python code begins: a line under a cell of a notebook, a panel, or nothing."""

import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any

from .progress import Rates
from .sim.engine import Progress, SilentProgress

if TYPE_CHECKING:
    from .agents.gateway.gateway import Gateway

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
            from .cli.panel import ProgressPanel

            return ProgressPanel()
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
