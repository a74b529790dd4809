"""Near-duplicates by cosine among synthetic vectors, in a process of its own: seconds, memory, recall, false verdicts.

Vectors are mixtures of few directions with noise, as embeddings of texts about like things are; one in ten is planted
at a cosine of 0.86 to 0.99 to an earlier one. Recall is measured on the rows of a slice, against all before them.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from benchmarks.lab import peak_memory
from numpy.typing import NDArray

from populace.personas.dedup import Duplicates
from populace.personas.dedup.vectors import find_similar_vectors

type Matrix = NDArray[np.float32]

_TOPICS, _SHARE = 400, 0.1
NEAR = 0.9
#: Rows whose verdicts are checked against everybody before them.
_CHECKED = 10_000
_TOGETHER = 500


def vectors(rows: int, dims: int, seed: int) -> Matrix:
    """Vectors of length 1, of which a tenth is planted."""
    rng = np.random.default_rng(seed)
    spread = np.arange(1, dims + 1) ** -0.35
    topics = (rng.normal(size=(_TOPICS, dims)) * spread).astype(np.float32)
    matrix = rng.normal(size=(rows, dims)).astype(np.float32) * spread.astype(np.float32)
    matrix += topics[rng.integers(_TOPICS, size=rows)]
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    later = np.flatnonzero(rng.random(rows) < _SHARE)[1:]
    earlier = matrix[(rng.random(len(later)) * later).astype(np.int64)]
    apart = matrix[later] - earlier * (matrix[later] * earlier).sum(axis=1, keepdims=True)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    cosine = rng.uniform(0.86, 0.99, size=(len(later), 1)).astype(np.float32)
    matrix[later] = cosine * earlier + np.sqrt(1 - cosine**2) * apart
    return matrix


def overlooked(matrix: Matrix, gone: NDArray[np.bool_], threshold: float) -> tuple[int, int]:
    """Of rows drawn from all: those that are near an original before them, and how many of these were kept."""
    rows = np.sort(np.random.default_rng(1).choice(len(matrix), min(_CHECKED, len(matrix)), replace=False))
    originals = np.flatnonzero(~gone)
    near = np.zeros(len(rows), dtype=np.bool_)
    for first in range(0, len(rows), _TOGETHER):
        some = rows[first : first + _TOGETHER]
        before = originals[: np.searchsorted(originals, some[-1])]
        alike = matrix[before] @ matrix[some].T >= threshold
        near[first : first + _TOGETHER] = (alike & (before[:, None] < some)).any(axis=0)
    return int(near.sum()), int((near & ~gone[rows]).sum())


def wrong(matrix: Matrix, found: Duplicates) -> int:
    """Rows that were marked, and are not as near to whom they are said to repeat."""
    pairs = (matrix[side].astype(np.float64) for side in (found.rows, found.of))
    one, other = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in pairs)
    return int(((one * other).sum(axis=1) < NEAR - 1e-6).sum())


def main() -> None:
    """Compare once, exactly or by the index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("--dims", type=int, default=384)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--index", action="store_true", help="candidates from faiss, at any number of rows")
    given = parser.parse_args()
    matrix = vectors(given.rows, given.dims, given.seed)
    # Making the vectors took more than they do: what is held now is what counts.
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    began, cpu = time.perf_counter(), time.process_time()
    found = find_similar_vectors(matrix, threshold=NEAR, exact=not given.index)
    took = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    memory = peak_memory() - before
    gone = np.zeros(len(matrix), dtype=np.bool_)
    gone[found.rows] = True
    near, kept = overlooked(matrix, gone, NEAR)
    counts = {"marked": len(found), "wrong": wrong(matrix, found), "near": near, "kept": kept}
    json.dump({**took, **counts, "above_input": max(0, memory)}, sys.stdout)


if __name__ == "__main__":
    main()
