"""First come is kept: who of a group of newcomers is an original, and which original each other one repeats."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pairs import Compared

__all__ = ["Decision", "decide"]

type Counts = NDArray[np.int64]
type Flags = NDArray[np.bool_]

_PORTION = 1 << 20
#: Originals and newcomers are fewer than this power of two.
_SHIFT = 32


@dataclass(frozen=True, slots=True)
class Decision:
    """For each newcomer the original that it repeats, or -1. Newcomers are numbered behind the originals held."""

    of: Counts
    similarity: NDArray[np.float64]


def decide(held: int, first: Counts, fixed: Flags, across: Compared, within: Compared) -> Decision:
    """Judge newcomers in their order against `held` originals and each other.

    `first` has for each newcomer the first with its very set; pairs are given of such first ones alone, `across` of
    held and newcomer, `within` of two newcomers. The `fixed` are originals whatever they repeat. A
    newcomer repeats the most similar original before it, the earliest of equals.
    """
    gone = _gone(first, fixed, across, within)
    of = np.where(gone[first] | (first == np.arange(len(first))) | fixed, -1, first + held)
    decision = Decision(of, np.where(of >= 0, 1.0, 0.0))
    repeats = np.flatnonzero(gone[first] & ~fixed)
    if len(repeats):
        _choose(held, decision, repeats, first, _choices(held, gone, across, within))
    return decision


def _gone(first: Counts, fixed: Flags, across: Compared, within: Compared) -> Flags:
    gone = np.zeros(len(first), dtype=np.bool_)
    gone[across.right] = True
    gone[fixed] = False
    judged = ~fixed[within.right]
    left, right = within.left[judged], within.right[judged]
    order = np.lexsort((left, right))
    # By the time a newcomer's pairs come, everybody before it is decided. Chains make this a loop.
    marks = bytearray(gone.tobytes())
    for at in range(0, len(order), _PORTION):
        part = order[at : at + _PORTION]
        for earlier, later in zip(left[part].tolist(), right[part].tolist(), strict=True):
            if not marks[earlier]:
                marks[later] = 1
    return np.frombuffer(bytes(marks), dtype=np.bool_)


def _choices(held: int, gone: Flags, across: Compared, within: Compared) -> Compared:
    """Each pair of an original and a newcomer that is none, in the order of newcomers and originals."""
    left, right = within.left, within.right
    one, other = gone[right] & ~gone[left], gone[left] & ~gone[right]
    theirs = gone[across.right]
    original = np.concatenate([across.left[theirs], left[one] + held, right[other] + held])
    newcomer = np.concatenate([across.right[theirs], right[one], left[other]])
    similarity = np.concatenate([across.similarity[theirs], within.similarity[one], within.similarity[other]])
    order = np.lexsort((original, newcomer))
    return Compared(original[order], newcomer[order], similarity[order])


def _choose(held: int, decision: Decision, repeats: Counts, first: Counts, choices: Compared) -> None:
    # A later copy of a set may find a better original than its first did: the best so far, at each place.
    place = np.arange(len(choices.left))
    rising = np.lexsort((-place, choices.similarity, choices.right))
    rank = np.empty_like(place)
    rank[rising] = place
    best = rising[np.maximum.accumulate(rank)]
    asked = (first[repeats] << _SHIFT) + repeats + held
    chosen = best[np.searchsorted((choices.right << _SHIFT) + choices.left, asked) - 1]
    decision.of[repeats] = choices.left[chosen]
    decision.similarity[repeats] = choices.similarity[chosen]
