"""What is wrong with a document or one of its rows: raised where it was named, counted where it was only found."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..errors import SourceError

__all__ = ["DocumentError", "Skip", "Skipped", "Skips", "in_words"]

_EXAMPLES = 20
_EXAMPLES_OF_A_KIND = 3


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
    JSON = "lines that are not JSON"
    COLUMNS = "rows with other columns than the header"


@dataclass(frozen=True, slots=True)
class Skipped:
    """How much of one kind was passed over, with sentences on the first of it: which file, which row, and why."""

    kind: Skip
    number: int
    examples: tuple[str, ...]


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
        self._numbers: Counter[Skip] = Counter()
        self._sentences: dict[Skip, list[str]] = {}

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
        self._numbers[kind] += 1
        sentences = self._sentences.setdefault(kind, [])
        if len(sentences) < _EXAMPLES_OF_A_KIND:
            sentences.append(sentence)

    def take(self) -> tuple[Skipped, ...]:
        """What was passed over since this was last asked, by kind."""
        if not self._numbers:
            return ()
        numbers, self._numbers = self._numbers, Counter()
        sentences, self._sentences = self._sentences, {}
        return tuple(Skipped(kind, number, tuple(sentences[kind])) for kind, number in numbers.items())

    @property
    def total(self) -> int:
        """Files, folders and rows that were passed over."""
        return self.counts.total()

    def summary(self) -> str:
        """How many were passed over and why, in one sentence; empty when none were."""
        return in_words(self.counts.most_common())


def in_words(counts: Iterable[tuple[str, int]]) -> str:
    """How many were passed over and why, in one sentence; empty when none were."""
    found = list(counts)
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in found)
    return f"{sum(number for _, number in found):,} skipped: {kinds}." if found else ""
