"""Near-duplicates of synthetic people: each figure beside its bar, and beside datasketch and rensa in the same run.

python benchmarks/dedup.py --size small --repeat 3     # 20,000 texts, a minute
python benchmarks/dedup.py --size medium               # 100,000 texts
python benchmarks/dedup.py --size large                # 1,000,000 texts
python benchmarks/dedup.py --size huge                 # 10,000,000 texts from a file, under a limit of memory

Each method runs in a process of its own over the same texts; rates are by CPU seconds, as the machine may be shared.
"""

import argparse
import os
import platform
import random
import shutil
import sys
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.alike import count_false, disagreeing, write_corpus
from benchmarks.joining import LIMIT, read_texts
from benchmarks.lab import Bar, Finding, Lab, Result, as_json, killed, median_of, output, watched


@dataclass(frozen=True, slots=True)
class Size:
    """How many texts there are, and what is done with how many of them."""

    texts: int
    #: Those that MinHash gets, and each reference: it is paid for by the text.
    minhash: int = 100_000
    datasketch: int = 20_000
    rensa: int = 1_000_000
    #: What the join is held against all pairs on, and what is added one at a time.
    slice: int = 5_000
    singles: int = 20_000
    #: Moments at which a process that adds texts is killed.
    kills: int = 3


SIZES = {
    "tiny": Size(2_000, 2_000, 500, 500, 500, 500, 2),
    "small": Size(20_000, singles=5_000),
    "medium": Size(100_000),
    "large": Size(1_000_000),
    "huge": Size(10_000_000),
}

_MB = 1_000_000
_ALL, _NONE = Bar("exactly", 1), Bar("exactly", 0)
_VERDICTS = 'SELECT persona, "of", stage, similarity, undone FROM {hub}.duplicates'
_PEOPLE = "SELECT id, ordinal, text FROM {hub}.personas"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts in a file, and of which earlier one each was made."""

    path: Path
    #: Rows of earlier texts, -1 for none, and whether the two are near-duplicates.
    of: NDArray[np.int64]
    near: NDArray[np.bool_]

    def recall(self, removed: set[int], count: int) -> float:
        """Of the planted pairs among the first so many, those of which one was removed."""
        asked = [(row, int(self.of[row])) for row in np.flatnonzero(self.near[:count]).tolist()]
        return sum(row in removed or of in removed for row, of in asked) / max(1, len(asked))


def measure(size: str, seed: int, lab: Lab) -> Iterator[Finding]:
    """Everything that is measured over the corpus of one seed."""
    path = lab.new(".txt")
    corpus = Corpus(path, *write_corpus(path, SIZES[size].texts, seed))
    if size == "huge":
        yield from _out_of_core(lab, corpus, SIZES[size])
        return
    rate = yield from _joined(lab, corpus, SIZES[size])
    yield from _sliced(corpus, SIZES[size])
    yield from _minhash(lab, corpus, min(SIZES[size].minhash, SIZES[size].texts), rate)
    for method, count in (("datasketch", SIZES[size].datasketch), ("rensa", SIZES[size].rensa)):
        yield from _reference(lab, corpus, method, min(count, SIZES[size].texts), rate)
    yield from _singly(lab, corpus, SIZES[size])


def _joined(lab: Lab, corpus: Corpus, size: Size) -> Generator[Finding, None, float]:
    """The exact join; gives its rate."""
    with watched() as others:
        took, removed = _run(lab, "join", corpus, size.texts)
    beside = f"{took['cpu']:.1f} s of CPU for {size.texts:,} texts; {others()}"
    yield Finding("join: texts a second on one core", took["rate"], Bar("at least", 80_000), beside)
    yield Finding("join: MB of memory above the texts", took["above_input"] / _MB, Bar("at most", 1_000))
    yield Finding(
        "join: recall of planted pairs", corpus.recall(removed, size.texts), _ALL, f"{len(removed):,} removed"
    )
    false = count_false(read_texts(corpus.path, size.texts), removed)
    yield Finding("join: removed though near to nobody", false, _NONE)
    return float(took["rate"])


def _sliced(corpus: Corpus, size: Size) -> Iterator[Finding]:
    texts = read_texts(corpus.path, min(size.slice, size.texts))
    what = f"texts of {len(texts):,} on which the join and all pairs compared one by one disagree"
    yield Finding(what, disagreeing(texts), _NONE)


def _minhash(lab: Lab, corpus: Corpus, count: int, rate: float) -> Iterator[Finding]:
    """The method `minhash` beside the exact one: of single words, and of 3-grams at 0.6."""
    took, removed = _run(lab, "minhash", corpus, count)
    beside = f"{took['cpu']:.1f} s of CPU for {count:,} texts, {took['above_input'] / _MB:,.0f} MB"
    yield Finding("minhash: texts a second on one core", took["rate"], beside=beside)
    yield Finding("minhash: times as long as the join takes for a text", rate / took["rate"])
    yield Finding("minhash: recall of planted pairs", corpus.recall(removed, count), Bar("at least", 0.995))
    false = count_false(read_texts(corpus.path, count), removed)
    yield Finding("minhash: removed though near to nobody", false, _NONE)
    exact, right = _run(lab, "exact 3-grams", corpus, count)
    took, removed = _run(lab, "minhash 3-grams", corpus, count)
    beside = f"{took['cpu']:.1f} s of CPU, exactly {exact['cpu']:.1f} s; {len(right):,} rows"
    shared = len(removed & right)
    yield Finding("minhash of 3-grams: rows of the exact method found", shared / max(1, len(right)), beside=beside)
    yield Finding("minhash of 3-grams: rows that the exact method has not", len(removed - right))


def _reference(lab: Lab, corpus: Corpus, method: str, count: int, rate: float) -> Iterator[Finding]:
    if not _version(method):
        yield Finding(f"{method}: texts measured", 0, beside="it is not installed")
        return
    with watched() as others:
        took, removed = _run(lab, method, corpus, count)
    beside = f"{took['cpu']:.1f} s of CPU for {count:,} texts, {took['above_input'] / _MB:,.0f} MB; {others()}"
    yield Finding(f"{method}: texts a second on one core", took["rate"], beside=beside)
    yield Finding(f"{method}: times as long as the join takes for a text", rate / took["rate"])
    false = count_false(read_texts(corpus.path, count), removed)
    yield Finding(f"{method}: recall of planted pairs", corpus.recall(removed, count), beside=f"{false:,} false")


def _singly(lab: Lab, corpus: Corpus, size: Size) -> Iterator[Finding]:
    """Texts added one at a time to a hub of all others: whole, and by processes that are killed on the way."""
    hub, other = lab.new(".duckdb"), lab.new(".duckdb")
    given = ("--held", size.texts - size.singles)
    output("benchmarks.holding", "make", hub, corpus.path, *given)
    shutil.copy(hub, other)
    with watched() as others:
        took = output("benchmarks.holding", "add", hub, corpus.path, *given)
    beside = (
        f"99 of 100 under {took['p99_us']:,.0f}; {took['added']:,} added to {took['held'] - took['added']:,} or more"
    )
    yield Finding("microseconds for a text that comes alone, median", took["median_us"], Bar("at most", 150), beside)
    beside = f"{took['restart_cpu']:.2f} s of CPU; {others()}"
    yield Finding("seconds to hold a hub after a restart", took["restart"], Bar("under", 2), beside)
    for moment in _moments(size, took["added"]):
        killed("benchmarks.holding", "add", other, corpus.path, *given, "--killed", moment)
    output("benchmarks.holding", "add", other, corpus.path, *given)
    differ = sum(_differences(sql, hub, other) for sql in (_PEOPLE, _VERDICTS))
    what = f"people and verdicts that are others after {size.kills} kills with -9"
    yield Finding(what, differ, _NONE)


def _moments(size: Size, texts: int) -> list[int]:
    """At which text each process is killed: each of them does a part of the work."""
    rng = random.Random(size.texts)
    return [rng.randrange(1, max(2, texts // (size.kills + 1))) for _ in range(size.kills)]


def _differences(sql: str, hub: Path, other: Path) -> int:
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{hub}' AS one (READ_ONLY)")
        con.execute(f"ATTACH '{other}' AS other (READ_ONLY)")
        one, two = sql.format(hub="one"), sql.format(hub="other")
        found = con.execute(f"SELECT count(*) FROM (({one} EXCEPT ALL {two}) UNION ALL ({two} EXCEPT ALL {one}))")
        return int(found.fetchall()[0][0])


def _out_of_core(lab: Lab, corpus: Corpus, size: Size) -> Iterator[Finding]:
    with watched() as others:
        took, removed = _run(lab, "file", corpus, size.texts)
    growth = ", ".join(f"{texts:,} {spent:.0f} s" for texts, spent in took["growth"])
    beside = f"{took['rate']:,.0f} texts a second, {took['wall']:.0f} s in all; by then {growth}; {others()}"
    yield Finding(f"seconds of CPU for {size.texts:,} texts out of core", took["cpu"], beside=beside)
    limit = Bar("at most", LIMIT / _MB)
    yield Finding("MB of memory in all, under a limit of 4 GiB", took["peak_memory"] / _MB, limit)
    yield Finding("recall of planted pairs", corpus.recall(removed, size.texts), _ALL, f"{len(removed):,} removed")


def _run(lab: Lab, method: str, corpus: Corpus, count: int) -> tuple[Result, set[int]]:
    """What a method says of itself in a process of its own, and the rows it removed."""
    result = lab.new(".npy")
    took = output("benchmarks.joining", method, corpus.path, count, result)
    return took, set(np.load(result).tolist())


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def heading(size: str) -> Iterator[str]:
    """On what it is measured, and how much."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield f"machine   {system}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    names = ("populace", "numpy", "duckdb", "datasketch", "rensa")
    yield f"versions  {', '.join(f'{name} {_version(name) or "not installed"}' for name in names)}"
    yield f"size      {size}: {SIZES[size]}"


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; the exit status is 1 when a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--repeat", type=int, default=1, help="corpora, of seeds 0, 1, ...: figures are medians")
    options.add_argument("--json", type=Path, help="write the findings to this file too")
    given = options.parse_args(arguments)
    machine = list(heading(given.size))
    print(*machine, sep="\n", flush=True)
    runs = []
    for seed in range(given.repeat):
        with TemporaryDirectory() as folder:
            runs.append(list(_shown(measure(given.size, seed, Lab(Path(folder))), show=given.repeat == 1)))
    found = runs[0] if given.repeat == 1 else list(_shown(map(median_of, zip(*runs, strict=True)), show=True))
    if given.json:
        given.json.write_text(as_json(machine, [("dedup", finding) for finding in found]))
    sys.exit(any(finding.holds is False for finding in found))


def _shown(findings: Iterable[Finding], *, show: bool) -> Iterator[Finding]:
    for finding in findings:
        if show:
            print(finding, flush=True)
        yield finding


if __name__ == "__main__":
    main()
