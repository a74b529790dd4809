"""How many rows of a file were left out, and why: counted, with the lines of the first few."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import SourceError

__all__ = ["Skipped", "Tally"]

_FIRST = 3


@dataclass(slots=True)
class Skipped:
    """The rows that were left out for one reason."""

    reason: str
    rows: int = 0
    #: Lines or rows of the first few.
    first: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        where = ", ".join(map(str, self.first))
        more = ", ..." if self.rows > len(self.first) else ""
        return f"{self.rows:,} because {self.reason} (line or row {where}{more})"


class Tally:
    """Counts the rows of a file that are left out; rows up to `after` have been counted before.

    With a `way_out` it raises `SourceError` at the first, which says it.
    """

    def __init__(self, file: str, skipped: Iterable[Skipped] = (), *, after: int = 0, way_out: str = "") -> None:
        self._file = file
        self._after = after
        self._way_out = way_out
        self._skipped: dict[str, Skipped] = {}
        self.add(skipped)

    def __iter__(self) -> Iterator[Skipped]:
        return iter(self._skipped.values())

    def __len__(self) -> int:
        return sum(skip.rows for skip in self._skipped.values())

    def count(self, reason: str, row: int) -> None:
        """One more row was left out. Raises `SourceError` where there is a way out to be taken first."""
        if row <= self._after:
            return
        if self._way_out:
            raise SourceError(f"{self._file}, line or row {row}: {reason}; {self._way_out}.")
        self.add([Skipped(reason, 1, [row])])

    def add(self, skipped: Iterable[Skipped]) -> None:
        """Count what was counted elsewhere, behind everything that is counted here."""
        for new in skipped:
            skip = self._skipped.setdefault(new.reason, Skipped(new.reason))
            skip.rows += new.rows
            skip.first = (skip.first + new.first)[:_FIRST]

    def take(self) -> tuple[Skipped, ...]:
        """What has been counted, and begin anew."""
        taken = tuple(self)
        self._skipped = {}
        return taken
