"""What a corpus of planted near-duplicates is, and what is truly alike in it: all pairs, compared one by one."""

from pathlib import Path

import numpy as np
from benchmarks.joining import NEAR
from benchmarks.people import planted
from numpy.typing import NDArray

from populace.core.text import words
from populace.personas.dedup import NearDuplicates, find_duplicates


def write_corpus(corpus: Path, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Write the texts; gives for each the earlier text it was made of, or -1, and whether the two are near."""
    of, near = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    with corpus.open("w", encoding="utf-8") as lines:
        for row, person in enumerate(planted(count, seed)):
            lines.write(person.text + "\n")
            if person.of is not None:
                of[row], near[row] = person.of, person.shared * 10 >= person.union * 9
    return of, near


def disagreeing(texts: list[str]) -> int:
    """Texts on which the join and the comparison of all pairs disagree."""
    sets = [words(text) for text in texts]
    vocabulary = {word: place for place, word in enumerate(set().union(*sets))}
    matrix = np.zeros((len(sets), len(vocabulary)), dtype=np.float32)
    for row, some in enumerate(sets):
        matrix[row, [vocabulary[word] for word in some]] = 1
    sizes = matrix.sum(axis=1)
    gone: list[int] = []
    for row in range(len(sets)):
        shared = matrix[:row] @ matrix[row]
        likely = 10 * shared >= 9 * (sizes[:row] + sizes[row] - shared)
        likely[gone] = False
        if likely.any():
            gone.append(row)
    return len(set(gone) ^ set(find_duplicates(texts, threshold=NEAR).rows.tolist()))


def count_false(texts: list[str], removed: set[int]) -> int:
    """Removed texts that no other text is near to."""
    ours = find_duplicates(texts, threshold=NEAR)
    rows, of = ours.rows.tolist(), ours.of.tolist()
    for row, other in zip(rows, of, strict=True):
        one, two = words(texts[row]), words(texts[other])
        if len(one & two) < NEAR * len(one | two):
            raise ValueError(f"the join found row {row} near {other}, which it is not")
    suspects = sorted(removed - set(rows) - set(of))
    if not suspects:
        return 0
    others = NearDuplicates[int](NEAR)
    doubted = set(suspects)
    others.keep_all(range(len(texts) - len(suspects)), (t for row, t in enumerate(texts) if row not in doubted))
    return sum(others.find(texts[row]) is None for row in suspects)
