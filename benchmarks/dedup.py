"""Near-duplicates of synthetic people: rate, memory, recall and false verdicts, beside datasketch and rensa.

Each method runs in a process of its own over the same texts; rates are by CPU seconds, as the machine may be shared.
"""

import argparse
import importlib.metadata
import itertools
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.people import planted

from populace.personas.dedup import NearDuplicates, find_duplicates
from populace.personas.words import jaccard, words

#: Texts, and those of them that each reference gets: it is paid for by the text.
SIZES = {"small": (20_000, 20_000, 20_000), "large": (1_000_000, 20_000, 1_000_000), "huge": (10_000_000, 0, 0)}
#: What the corpus is held against all its pairs on, and what is added one at a time.
SLICE, SINGLES = 5_000, 20_000
LIMIT = 4 << 30
NEAR = 0.9

type Rows = NDArray[np.int64]


def batch(texts: list[str]) -> Rows:
    """Rows that our join marks."""
    return find_duplicates(texts, threshold=NEAR).rows


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


METHODS: dict[str, Callable[[list[str]], Rows]] = {"batch": batch, "datasketch": datasketch, "rensa": rensa}


def read_texts(corpus: Path, count: int) -> list[str]:
    """The first texts of a corpus."""
    with corpus.open(encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in itertools.islice(lines, count)]


def work(method: str, corpus: Path, count: int, result: Path) -> dict[str, Any]:
    """What one method took over the first `count` texts; the rows it marked go to `result`."""
    if method == "singles":
        return work_singly(corpus, count)
    if method == "file":
        return work_file(corpus, result)
    texts = read_texts(corpus, count)
    METHODS[method](texts[:100])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    removed = METHODS[method](texts)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    np.save(result, removed)
    return {"cpu": cpu, "wall": wall, "rate": count / cpu, "mib": used_since(before), "removed": len(removed)}


def work_file(corpus: Path, result: Path) -> dict[str, Any]:
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
    growth = {str(done): round(spent, 1) for done, spent in marks[1 :: max(1, len(marks) // 5)]}
    spent, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cpu": spent,
        "wall": wall,
        "rate": found.texts / spent,
        "mib": peak,
        "removed": len(found),
        "growth": growth,
    }


def work_singly(corpus: Path, count: int) -> dict[str, Any]:
    """What it takes to hold all but the last texts after a restart, and to add those one at a time."""
    texts = read_texts(corpus, count)
    held = count - min(SINGLES, count // 2)
    index = NearDuplicates[int](NEAR)
    wall, cpu = time.perf_counter(), time.process_time()
    index.keep_all(range(held), texts[:held])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    took = []
    for row in range(held, count):
        began = time.perf_counter()
        index.add(row, texts[row])
        took.append(1e6 * (time.perf_counter() - began))
    half, rare = np.percentile(took, [50, 99])
    return {"cpu": cpu, "wall": wall, "held": held, "median_us": half, "p99_us": rare}


def used_since(before: int) -> float:
    """MiB by which the peak of memory has grown."""
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def write_corpus(corpus: Path, count: int, seed: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Write the texts; gives for each the earlier text it was made of, or -1, and whether the two are near."""
    of, near = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    with corpus.open("w", encoding="utf-8") as lines:
        for row, person in enumerate(planted(count, seed)):
            lines.write(person.text + "\n")
            if person.of is not None:
                of[row], near[row] = person.of, person.shared * 10 >= person.union * 9
    return of, near


def check_slice(texts: list[str]) -> int:
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
        if jaccard(words(texts[row]), words(texts[other])) < NEAR:
            raise ValueError(f"the join found row {row} near {other}, which it is not")
    suspects = sorted(removed - set(rows) - set(of))
    if not suspects:
        return 0
    others = NearDuplicates[int](NEAR)
    doubted = set(suspects)
    others.keep_all(range(len(texts) - len(suspects)), (t for row, t in enumerate(texts) if row not in doubted))
    alone = [row for row in suspects if others.find(texts[row]) is None]
    return len(alone)


def run(method: str, corpus: Path, count: int, folder: Path) -> tuple[dict[str, Any], set[int]]:
    """What a method says of itself in a process of its own, and the rows it removed."""
    result = folder / f"{method}.npy"
    command = [sys.executable, __file__, "--work", method, str(corpus), str(count), str(result)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said, set(np.load(result).tolist()) if result.exists() else set()


def measure(size: str, seed: int, folder: Path) -> dict[str, dict[str, Any]]:
    """Every method over one corpus."""
    count, few, many = SIZES[size]
    corpus = folder / "corpus.txt"
    of, near = write_corpus(corpus, count, seed)
    methods = (
        {"file": count} if size == "huge" else {"batch": count, "singles": count, "datasketch": few, "rensa": many}
    )
    measured: dict[str, dict[str, Any]] = {}
    for method, some in methods.items():
        if method in ("datasketch", "rensa") and not version(method):
            continue
        said, removed = run(method, corpus, some, folder)
        if removed:
            asked = [(row, of[row]) for row in np.flatnonzero(near[:some]).tolist()]
            found = sum(row in removed or source in removed for row, source in asked)
            said |= {"pairs": len(asked), "recall": found / len(asked)}
            said |= {} if size == "huge" else {"false": count_false(read_texts(corpus, some), removed)}
        measured[method] = {"texts": some} | said
    measured["slice"] = {"texts": SLICE, "disagree": check_slice(read_texts(corpus, SLICE))}
    return measured


def version(distribution: str) -> str:
    """The version that is installed, or nothing."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def show(runs: list[dict[str, dict[str, Any]]]) -> None:
    """Print the medians, and how many times as fast the join is as each other method in the same run."""
    versions = [f"{name} {version(name) or 'not installed'}" for name in ("numpy", "datasketch", "rensa")]
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {', '.join(versions)}")
    for method in runs[0]:
        values = {
            key: round(median(run[method][key] for run in runs), 4) if isinstance(value, int | float) else value
            for key, value in runs[0][method].items()
        }
        if method in ("datasketch", "rensa"):
            values["join/this"] = round(median(run["batch"]["rate"] / run[method]["rate"] for run in runs), 1)
        print(f"{method}: {json.dumps(values)}")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        method, corpus, count, result = asked.work
        print(json.dumps(work(method, Path(corpus), int(count), Path(result))))
        return
    runs = []
    for seed in range(asked.repeat):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(measure(asked.size, seed, Path(folder)))
    show(runs)


if __name__ == "__main__":
    main()
