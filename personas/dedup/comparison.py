"""Comparing sets of words exactly, pair by pair, many pairs at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import portions, stretches
from .threshold import Threshold

__all__ = ["Sets", "compare"]

type Numbers = NDArray[np.uint64]
type Counts = NDArray[np.int64]
type Flags = NDArray[np.bool_]

_HALF, _LOWER = np.uint64(32), np.uint64(0xFFFF_FFFF)
_HASH_BITS = np.uint64(48)
#: Words and pairs that are compared at once; a pair's number and a word's hash share 64 bits.
_WORDS, _PAIRS = 1 << 21, 1 << 15
#: Words in both sets of a pair from which it is worth a look whether they can be near at all.
_LONG = 256
#: Places in which a set of words is marked for that look.
_MARKS = np.uint64((1 << 16) - 1)


@dataclass(frozen=True, slots=True)
class Sets:
    """What is known of numbered sets: their words stand at `starts` in `words`."""

    words: Numbers
    starts: Counts
    sizes: Counts
    parities: Numbers


def compare(pairs: Numbers, others: Sets, sets: Sets, threshold: Threshold) -> tuple[Numbers, NDArray[np.float64]]:
    """Those of the sorted pairs that are near-duplicates, and their Jaccard similarities.

    The upper half of a pair's number is a set of `others`, the lower half one of `sets`.
    """
    left, right = (pairs >> _HALF).view(np.int64), (pairs & _LOWER).view(np.int64)
    total = others.sizes[left] + sets.sizes[right]
    if len(total) and total.max() > _LONG:
        likely = _likely(left, right, others, sets, threshold)
        pairs, left, right, total = pairs[likely], left[likely], right[likely], total[likely]
    shared = np.zeros(len(pairs), dtype=np.int64)
    for part in portions(total, _WORDS, _PAIRS):
        shared[part] = _shared(left[part], right[part], others, sets)
    union = total - shared
    near = threshold.reached(shared, union)
    return pairs[near], (np.where(union == 0, 1, shared) / np.maximum(union, 1))[near]


def _shared(left: Counts, right: Counts, others: Sets, sets: Sets) -> Counts:
    """How many words the two sets of each pair have in common: equal neighbours when both are sorted together."""
    numbers = np.arange(len(left), dtype=np.uint64) << _HASH_BITS
    words = np.concatenate(
        [
            others.words[stretches(others.starts[left], others.sizes[left])] | np.repeat(numbers, others.sizes[left]),
            sets.words[stretches(sets.starts[right], sets.sizes[right])] | np.repeat(numbers, sets.sizes[right]),
        ]
    )
    words.sort()
    twice = words[1:][words[1:] == words[:-1]] >> _HASH_BITS
    return np.bincount(twice.view(np.int64), minlength=len(left))


def _likely(left: Counts, right: Counts, others: Sets, sets: Sets, threshold: Threshold) -> Flags:
    """The pairs that may have enough words in common: among long texts few of those that share a key do."""
    may = np.ones(len(left), dtype=np.bool_)
    marks = np.zeros(int(_MARKS) + 1, dtype=np.bool_)
    runs = np.flatnonzero(np.diff(left, prepend=-1))
    for first, end in zip(runs.tolist(), [*runs[1:].tolist(), len(left)], strict=True):
        one, size = int(others.starts[left[first]]), int(others.sizes[left[first]])
        mine = others.words[one : one + size] & _MARKS
        marks[mine] = True
        for part in portions(sets.sizes[right[first:end]] + 1, _WORDS):
            some = right[first:end][part]
            ends = np.cumsum(sets.sizes[some])
            met = np.append(0, np.cumsum(marks[sets.words[stretches(sets.starts[some], sets.sizes[some])] & _MARKS]))
            shared = met[ends] - met[ends - sets.sizes[some]]
            may[first:end][part] = threshold.reached(shared, size + sets.sizes[some] - shared)
        marks[mine] = False
    return may
