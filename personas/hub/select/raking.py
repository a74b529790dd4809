"""Raking: sizes of cells such that several marginals are met at once (Deming and Stephan, 1940)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arrays import Numbers

__all__ = ["Margin", "Raked", "rake"]

type Reals = NDArray[np.float64]

_ROUNDS = 2_000
_ENOUGH = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Margin:
    """One variable: the value of each cell (its place among the targets) and what each value is to come to."""

    codes: Numbers
    targets: Reals


@dataclass(frozen=True, slots=True, eq=False)
class Raked:
    """Sizes of the cells, the rounds it took, and by how much the worst value misses its target, of all as 1."""

    sizes: Reals
    rounds: int
    deviation: float


def rake(start: Reals, margins: Sequence[Margin], *, most: Reals | None = None) -> Raked:
    """The sizes nearest to `start` (by relative entropy) that meet the margins, each of which sums up to the same.

    No cell grows beyond `most`: one that would is held there and the others are raked to what remains. Where the
    margins contradict each other in the cells that are there, `deviation` says how far off the result is.
    """
    total = float(margins[0].targets.sum())
    held = np.zeros(len(start), dtype=bool)
    sizes = start * (total / float(start.sum()))
    rounds = 0
    for _ in range(len(start)):
        sizes, took = _raked(sizes, margins, held)
        rounds += took
        over = ~held & (sizes > most * (1 + 1e-12)) if most is not None else held & ~held
        if most is None or not over.any():
            break
        held |= over
        sizes = np.where(over, most, sizes)
    return Raked(sizes, rounds, _deviation(sizes, margins) / total)


def _raked(sizes: Reals, margins: Sequence[Margin], held: NDArray[np.bool_]) -> tuple[Reals, int]:
    kept = np.where(held, sizes, 0.0)
    free = np.where(held, 0.0, sizes)
    rest = [np.maximum(m.targets - _sums(kept, m), 0.0) for m in margins]
    total = float(sum(m.targets.sum() for m in margins)) / len(margins)
    for done in range(1, _ROUNDS + 1):
        before = free
        for margin, target in zip(margins, rest, strict=True):
            sums = _sums(free, margin)
            factors = np.divide(target, sums, out=np.zeros_like(target), where=sums > 0)
            free = free * factors[margin.codes]
        if np.abs(free - before).max(initial=0.0) <= _ENOUGH * total:
            return kept + free, done
    return kept + free, _ROUNDS


def _sums(sizes: Reals, margin: Margin) -> Reals:
    return np.bincount(margin.codes, weights=sizes, minlength=len(margin.targets))


def _deviation(sizes: Reals, margins: Sequence[Margin]) -> float:
    return max(float(np.abs(_sums(sizes, margin) - margin.targets).max()) for margin in margins)
