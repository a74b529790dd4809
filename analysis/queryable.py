"""What analysis asks of a run: that it answers SQL, as the run file's reader does."""

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Queryable", "Rows"]


class Rows(Protocol):
    """The answer to a query: the columns' names and DuckDB types, and the rows."""

    @property
    def columns(self) -> Sequence[str]:
        """Names, in order."""
        ...

    @property
    def types(self) -> Sequence[str]:
        """DuckDB's names of their types."""
        ...

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        """One tuple a row."""
        ...


class Queryable(Protocol):
    """A run that can be asked in SQL, finished or not."""

    @property
    def is_live(self) -> bool:
        """Whether a process is writing the run at this moment."""
        ...

    def query(self, sql: str, params: Sequence[object] = ()) -> Rows:
        """Run one read-only statement, with `?` for each of `params`."""
        ...
