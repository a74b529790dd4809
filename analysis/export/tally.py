"""What is counted of an export while it is written: the numbers of its card are those of its rows."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from arro3.core import Table

from ...personas.arrow import parquet

#: The columns by whose values rows are counted together.
KEYS = (
    "run",
    "kind",
    "model",
    "response_model",
    "prompt_version",
    "sampling",
    "licence",
    "persona_language",
    "procedural",
)


@dataclass(slots=True)
class ExportCounts:
    """Numbers of rows, by what they have in common and by why others were left out."""

    #: Rows by side and then by the values of `KEYS`.
    groups: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    #: Outputs that were left out, by reason.
    left_out: Counter[str] = field(default_factory=Counter)
    #: Rows in which personal data were found, by kind; and those rows altogether.
    personal: Counter[str] = field(default_factory=Counter)
    personal_rows: int = 0
    tokens: int = 0
    #: Cells of CSV that a spreadsheet would take for a formula.
    formulas: int = 0
    _personas: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return sum(self.groups.values())

    @property
    def personas(self) -> int:
        """Different personas whose outputs were written."""
        return len(self._personas)

    def by(self, *names: str) -> dict[tuple[Any, ...], int]:
        """Rows by some of `KEYS` and `side`, most first."""
        places = [("side", *KEYS).index(name) for name in names]
        found: Counter[tuple[Any, ...]] = Counter()
        for key, number in self.groups.items():
            found[tuple(key[place] for place in places)] += number
        return dict(sorted(found.items(), key=lambda item: (-item[1], tuple(map(str, item[0])))))

    def count(self, side: str, facts: Table) -> None:
        """Count rows that are written; `facts` has `KEYS` and the persona of each."""
        for key in zip(*(facts[name].to_pylist() for name in KEYS), strict=True):
            self.groups[(side, *key)] += 1
        self._personas.update(facts["persona"].to_pylist())

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads, but for the personas."""
        return {
            "groups": [[*key, number] for key, number in self.groups.items()],
            "left_out": dict(self.left_out),
            "personal": dict(self.personal),
            "personal_rows": self.personal_rows,
            "tokens": self.tokens,
        }

    @classmethod
    def from_json(cls, noted: dict[str, Any], written: Iterable[Path]) -> Self:
        """The tally that was noted when the files of rows that are `written` were complete."""
        tally = cls(
            Counter({tuple(key): number for *key, number in noted["groups"]}),
            Counter(noted["left_out"]),
            Counter(noted["personal"]),
            noted["personal_rows"],
            noted["tokens"],
        )
        for path in written:
            with parquet(path, "DISTINCT persona") as rows:
                tally._personas.update(persona for (persona,) in rows.fetchall())
        return tally
