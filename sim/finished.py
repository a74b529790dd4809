"""What is left when a run has ended: a file that answers SQL."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..personas.query import Tabular, html_table
from .runfile.reader import Result, open_run

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FinishedRun"]


_NUMBERS = """
SELECT scenario, seed, CASE WHEN is_language_model THEN model ELSE model || ' (no language model)' END AS model,
       status, (SELECT count(*) FROM agents) AS agents, (SELECT count(*) FROM relations) AS relations,
       (SELECT count(*) FROM steps) AS steps, (SELECT count(*) FROM emissions) AS emissions,
       (SELECT count(*) FROM failures) AS failures, (SELECT count(*) FROM calls) AS calls
FROM runs
"""


@dataclass(frozen=True, slots=True)
class FinishedRun(Tabular):
    """A run that is over: where it is kept, and the hash of everything that happened in it.

    As a table (`df()`, `pl()`, `arrow()`) it is its emissions.
    """

    path: Path
    event_hash: str
    #: What should be known of how it came about, as that it had been there already; empty where nothing.
    note: str = ""

    def arrow(self) -> "pa.Table":
        """All emissions in their order, as an Arrow table."""
        return self.emissions().arrow()

    def _repr_html_(self) -> str:
        """The run in numbers, for a notebook."""
        numbers = self.sql(_NUMBERS)
        rows = [*zip(numbers.columns, numbers.rows[0], strict=True), ("event hash", self.event_hash)]
        note = [("note", self.note)] if self.note else []
        return html_table((str(self.path), ""), [*rows, *note], most=100)

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
