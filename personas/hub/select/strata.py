"""Strata: candidates sorted into the combinations of values that occur among them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import Numbers
from .candidates import Category

__all__ = ["Strata", "stratify"]

#: Up to here combinations are counted in a table of all there could be, which is ten times faster than sorting them.
_TABLE = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """The combinations that occur, and to which each candidate belongs."""

    columns: tuple[str, ...]
    #: One row a stratum: the place of its value in each category, -1 for nothing known.
    cells: Numbers
    #: How many candidates are in each.
    counts: Numbers
    #: The stratum of each candidate.
    codes: Numbers
    values: tuple[tuple[str, ...], ...]

    def label(self, stratum: int) -> tuple[str | None, ...]:
        """The values that a stratum stands for; None for nothing known."""
        return tuple(
            values[code] if code >= 0 else None for values, code in zip(self.values, self.cells[stratum], strict=True)
        )

    def __len__(self) -> int:
        return len(self.counts)


def stratify(categories: Sequence[Category], size: int) -> Strata:
    """The strata of `size` candidates, in the order of their values; one for all without categories."""
    combined = np.zeros(size, dtype=np.int64)
    for category in categories:
        if len(combined) and int(combined.max()) > 2**62 // (len(category.values) + 1):
            combined = np.unique(combined, return_inverse=True)[1].astype(np.int64)
        combined = combined * (len(category.values) + 1) + category.codes + 1
    codes, counts = _dense(combined)
    first = np.empty(len(counts), dtype=np.int64)
    first[codes[::-1]] = np.arange(size - 1, -1, -1)
    cells = np.stack([category.codes[first] for category in categories], axis=1) if categories else None
    return Strata(
        tuple(category.name for category in categories),
        cells if cells is not None else np.zeros((len(counts), 0), dtype=np.int64),
        counts,
        codes,
        tuple(category.values for category in categories),
    )


def _dense(combined: Numbers) -> tuple[Numbers, Numbers]:
    """Numbers without gaps in the same order, and how often each occurs."""
    if len(combined) and int(combined.max()) < _TABLE:
        counted = np.bincount(combined)
        present = np.flatnonzero(counted)
        places = np.zeros(len(counted), dtype=np.int64)
        places[present] = np.arange(len(present))
        return places[combined], counted[present]
    _, codes, counts = np.unique(combined, return_inverse=True, return_counts=True)
    return codes.astype(np.int64), counts.astype(np.int64)
