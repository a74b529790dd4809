"""What the terminal shows of a run: progress while it goes, summary and questions when it has ended."""

import shutil
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from populace.agents.procedural import PROCEDURAL_NOTICE
from populace.analysis.questions import QUESTIONS, ask
from populace.analysis.summary import summarise
from populace.analysis.table import render_table, visible
from populace.sim.growth import Growth
from populace.sim.runfile.reader import RunReader, open_run

__all__ = ["RichProgress", "show_run"]


class RichProgress:
    """A bar for the phase that is under way; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._title = ""
        self._done = 0
        self._since = 0.0

    def began(self, title: str, total: int) -> None:
        """Show a new bar."""
        self._finish()
        self._title, self._done, self._since = title, 0, time.monotonic()
        if self._console.is_terminal:
            self._bars.start()
            self._task = self._bars.add_task(title, total=total)

    def advanced(self) -> None:
        """Fill the bar by one."""
        self._done += 1
        if self._task is not None:
            self._bars.advance(self._task)

    def ended(self) -> None:
        """Leave the bars as they are."""
        self._finish()
        if self._task is not None:
            self._bars.stop()

    def _finish(self) -> None:
        if self._title and not self._console.is_terminal:
            seconds = time.monotonic() - self._since
            self._console.print(f"{self._title}: {self._done} in {seconds:.1f} s", highlight=False)
        self._title = ""


def show_run(path: Path) -> None:
    """Print the summary of a run and the answers to three questions."""
    console = Console(width=min(shutil.get_terminal_size((110, 40)).columns, 140), highlight=False)
    with open_run(path) as run:
        summary = summarise(run)
        console.print(f"\n{visible(str(path))}", style="bold", markup=False)
        for name, value in summary.as_rows():
            console.print(f"  {name:<18} {value}", markup=False, soft_wrap=True)
        if shortfall := _shortfall(run):
            console.print(f"\n{shortfall}", markup=False, soft_wrap=True)
        if not summary.is_language_model:
            console.print(f"\n{PROCEDURAL_NOTICE}", style="italic", markup=False)
        for question in QUESTIONS[:3]:
            console.print(f"\n{question.title}", style="bold", markup=False)
            console.print(question.sql, style="dim", markup=False, soft_wrap=True)
            answer = ask(run, question)
            shown = render_table(answer, width=console.width) if answer.rows else f"{question.no_rows}\n"
            console.out(shown, highlight=False, end="")


def _shortfall(run: RunReader) -> str:
    """What is to be said when there are fewer people than were asked for."""
    ((growth, people),) = run.query("SELECT growth_settings, (SELECT count(*) FROM agents) FROM runs").rows
    return Growth.model_validate_json(growth).shortfall(people) if people else ""
