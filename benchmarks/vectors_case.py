"""Near-duplicates by cosine among synthetic vectors: seconds, and recall against the pairs that were planted.

    python benchmarks/vectors_case.py [--rows 50000] [--dims 384] [--seed 0] [--index]

Vectors are mixtures of few directions with noise, as embeddings of texts about like things are; one in ten is planted
at a cosine of 0.86 to 0.99 to an earlier one. Recall is measured on the rows of a slice, against all before them.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from populace.personas.near.many import near_rows

type Matrix = NDArray[np.float32]

_TOPICS, _SHARE = 400, 0.1
#: Rows whose verdicts are checked against everybody before them.
_CHECKED = 2000


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
    near = np.zeros(len(rows), dtype=np.bool_)
    for place, row in enumerate(rows.tolist()):
        alike = matrix[:row] @ matrix[row]
        near[place] = bool((alike[~gone[:row]] >= threshold).any())
    return int(near.sum()), int((near & ~gone[rows]).sum())


def main() -> None:
    """Measure one case and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dims", type=int, default=384)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--index", action="store_true", help="candidates from faiss, at any number of rows")
    given = parser.parse_args()
    matrix = vectors(given.rows, given.dims, given.seed)
    # Making the vectors took more than they do: what is held now is what counts.
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 10
    began, cpu = time.perf_counter(), time.process_time()
    found = near_rows(matrix, exact=not given.index)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    gone = np.zeros(len(matrix), dtype=np.bool_)
    gone[found.rows] = True
    near, kept = overlooked(matrix, gone, 0.9)
    print(
        json.dumps(
            {
                "case": f"{given.rows:,} x {given.dims}, {'index' if given.index else 'exact'}",
                "seconds": round(seconds, 2),
                "cpu_seconds": round(cpu, 2),
                "rows_per_second": round(given.rows / seconds),
                "marked": len(found),
                "checked": near,
                "recall": round(1 - kept / near, 4) if near else None,
                "megabytes_above_input": memory >> 10,
            }
        )
    )


if __name__ == "__main__":
    main()
