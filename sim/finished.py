"""What is left when a run has ended: a file that answers SQL."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .runfile.reader import Result, open_run

__all__ = ["FinishedRun"]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that is over: where it is kept, and the hash of everything that happened in it."""

    path: Path
    event_hash: str

    def emissions(self) -> Result:
        """All emissions in their order, with the typed fields of their actions as columns; `.df()` for pandas."""
        with open_run(self.path) as run:
            return run.emissions()

    def sql(self, query: str, params: tuple[Any, ...] = ()) -> Result:
        """The answer of the run file to a query, with `.rows`, `.df()`, `.pl()` and `.arrow()`.

        Raises `QueryError` with the database's own words.
        """
        with open_run(self.path) as run:
            return run.query(query, params)
