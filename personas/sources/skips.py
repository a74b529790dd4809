"""What is wrong with a document or one of its rows: raised where it was named, counted where it was only found."""

from collections import Counter
from enum import StrEnum

from ..errors import SourceError

__all__ = ["DocumentError", "Skip", "Skips"]

_EXAMPLES = 20


class Skip(StrEnum):
    """Why something is not read."""

    ENDING = "of another kind"
    HIDDEN = "hidden"
    LOOP = "reached before"
    UNREADABLE = "unreadable"
    BINARY = "binary"
    ENCODING = "in another encoding"
    CORRUPT = "damaged"
    EMPTY = "empty"
    LONG = "too long"
    COLUMN = "without the column"
    ROW = "rows without a text"


class DocumentError(SourceError):
    """A document that cannot be read, or not to its end; `kind` says why in a word."""

    def __init__(self, kind: Skip, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Skips:
    """What was passed over: how many of each kind, and the sentences of the first twenty."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self.counts: Counter[Skip] = Counter()
        self.examples: list[str] = []

    def add(self, fault: DocumentError) -> None:
        """Count `fault`. Raises it instead where nothing may be passed over."""
        if self._strict:
            raise fault
        self.count(fault.kind, str(fault))

    def count(self, kind: Skip, sentence: str) -> None:
        """Count something that is passed over even where faults are errors."""
        self.counts[kind] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(sentence)

    @property
    def total(self) -> int:
        """Files, folders and rows that were passed over."""
        return self.counts.total()

    def summary(self) -> str:
        """How many were passed over and why, in one sentence; empty when none were."""
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in self.counts.most_common())
        return f"{self.total:,} skipped: {kinds}." if kinds else ""
