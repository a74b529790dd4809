"""One method of finding near-duplicates over the first texts of a corpus, in a process of its own.

The rows it marks go to a file; prints what it took, as JSON.
"""

import argparse
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from benchmarks.lab import peak_memory
from numpy.typing import NDArray

from populace.core.text import words
from populace.personas.dedup import DedupMethod, find_duplicates

LIMIT = 4 << 30
NEAR = 0.9

type Rows = NDArray[np.int64]
type Result = dict[str, Any]


def join(texts: list[str]) -> Rows:
    """Rows that our join marks."""
    return find_duplicates(texts, threshold=NEAR).rows


def minhash(texts: list[str]) -> Rows:
    """Rows that MinHash marks, verified exactly: the paper's method by `--method minhash`."""
    return find_duplicates(texts, threshold=NEAR, method=DedupMethod("minhash")).rows


def ngrams(texts: list[str], name: Literal["exact", "minhash"]) -> Rows:
    """Rows that a method marks of 3-grams at a threshold of 0.6, where a 20-word text may differ in one place."""
    return find_duplicates(texts, threshold=0.6, method=DedupMethod(name, 3)).rows


def datasketch(texts: list[str]) -> Rows:
    """Rows that datasketch's documented recipe marks: one update a word, then its index at the threshold."""
    from datasketch import MinHash, MinHashLSH

    index, removed = MinHashLSH(threshold=NEAR, num_perm=128), []
    for row, text in enumerate(texts):
        sketch = MinHash(num_perm=128)
        for word in words(text):
            sketch.update(word.encode())
        if index.query(sketch):
            removed.append(row)
        else:
            index.insert(str(row), sketch)
    return np.array(removed, dtype=np.int64)


def rensa(texts: list[str]) -> Rows:
    """Rows that rensa's deduplicator refuses: 128 permutations, 16 bands."""
    from rensa import RMinHashDeduplicator  # type: ignore[import-not-found]  # no dependency: measured where it is

    index = RMinHashDeduplicator(threshold=NEAR, num_perm=128, use_lsh=True, num_bands=16)
    added: list[bool] = []
    rows = enumerate(texts)
    while some := list(itertools.islice(rows, 10_000)):
        added += index.add_pairs([(str(row), list(words(text))) for row, text in some])
    return np.flatnonzero(~np.array(added, dtype=np.bool_))


METHODS: dict[str, Callable[[list[str]], Rows]] = {
    "join": join,
    "minhash": minhash,
    "exact 3-grams": partial(ngrams, name="exact"),
    "minhash 3-grams": partial(ngrams, name="minhash"),
    "datasketch": datasketch,
    "rensa": rensa,
}


def read_texts(corpus: Path, count: int) -> list[str]:
    """The first texts of a corpus."""
    with corpus.open(encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in itertools.islice(lines, count)]


def in_memory(method: str, corpus: Path, count: int, result: Path) -> Result:
    """What a method took over texts in memory, and by how much the peak of memory grew above them."""
    texts = read_texts(corpus, count)
    METHODS[method](texts[:100])
    before = peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    removed = METHODS[method](texts)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    np.save(result, removed)
    return {"cpu": cpu, "wall": wall, "rate": count / cpu, "above_input": peak_memory() - before}


def out_of_core(corpus: Path, result: Path) -> Result:
    """The join over a file of texts, with the words of originals in a file too, under the limit of memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    marks: list[tuple[int, float]] = []
    wall, cpu = time.perf_counter(), time.process_time()
    with corpus.open(encoding="utf-8") as lines, tempfile.TemporaryDirectory() as scratch:
        found = find_duplicates(
            lines,
            threshold=NEAR,
            scratch=Path(scratch),
            progress=lambda done: marks.append((done, time.process_time() - cpu)),
        )
    np.save(result, found.rows)
    spent, wall = time.process_time() - cpu, time.perf_counter() - wall
    growth = marks[1 :: max(1, len(marks) // 5)]
    return {"cpu": spent, "wall": wall, "rate": found.compared / spent, "peak_memory": peak_memory(), "growth": growth}


def main() -> None:
    """Run one method once."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("method", choices=[*METHODS, "file"])
    options.add_argument("corpus", type=Path)
    options.add_argument("count", type=int)
    options.add_argument("result", type=Path)
    given = options.parse_args()
    if given.method == "file":
        found = out_of_core(given.corpus, given.result)
    else:
        found = in_memory(given.method, given.corpus, given.count, given.result)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
