"""What making data takes: rows of three kinds from as many people, a million rows, and rows over HTTP.

python benchmarks/factory.py instruction npc tool [--rows 10000]
python benchmarks/factory.py million [--hub HUB]
python benchmarks/factory.py http faults

Each run is a process of its own: `populace make`, killed once with -9 on its way and resumed, beside one that was not.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import duckdb
from benchmarks.lab import ROOT, Bar, Finding, Lab, Result, environment, finished, populace, watched

LIBRARIES = ("populace", "langchain-core", "langchain-openai", "aiohttp", "duckdb", "pyarrow", "mesa")

#: Seconds of an answer over HTTP, calls in flight, rows, and words of an answer, drawn anew for each call.
LATENCY, IN_FLIGHT, ROWS, WORDS = 0.5, 256, 5_000, 40
#: Seconds between two looks at the memory of a run.
_SAMPLED = 1.0
_FAULTS = ("rate_limit:0.05", "cut_json:0.01", "html:0.01", "empty:0.01", "drop:0.01")

_MADE = """
SELECT count(*), count(*) FILTER (status = 'accepted'), count(*) FILTER (stage = 'near_duplicate'),
       (SELECT count(*) FROM calls WHERE phase = 'step'), (SELECT count(*) FROM failures WHERE step IS NOT NULL),
       (SELECT event_hash FROM runs), (SELECT max(step) FROM steps)
FROM outputs
"""
_STAGES = "SELECT stage, count(*) FROM outputs WHERE status = 'rejected' GROUP BY stage ORDER BY ALL"
_REVISED = "SELECT count(*) FILTER (revised) FROM emissions"
_DUPLICATES = "SELECT stage, count(*) FROM duplicates WHERE emission IS NOT NULL GROUP BY stage ORDER BY ALL"
_TIME = """
SELECT epoch((SELECT max(ended_at) FROM steps) - min(started_at)), count(*) FILTER (raw IS NOT NULL)
FROM calls WHERE phase = 'step'
"""


def rows_of(task: str) -> Callable[[Lab, int], Iterator[Finding]]:
    """The case that makes rows of one task with the procedural model."""

    def case(lab: Lab, rows: int) -> Iterator[Finding]:
        yield from _made(lab, task, lab.hub(rows), rows)

    case.__doc__ = f"as many rows of {task} as people, with the procedural model, and the same killed with -9."
    return case


def million(lab: Lab, rows: int) -> Iterator[Finding]:
    """1,000,000 outputs of 100,000 people (100 and 10 times --rows), ten of each."""
    yield from _made(lab, "instruction", lab.hub(10 * rows), 100 * rows, "--per-persona", 10)


def http(lab: Lab, rows: int) -> Iterator[Finding]:
    """5,000 rows over HTTP at 500 ms and 256 in flight."""
    with watched() as others, lab.server("--words", WORDS, "--english", "--latency", LATENCY) as server:
        path, took = _over_http(lab, server.base_url)
    ((seconds, answered),) = _asked(path, _TIME)
    ((outputs, accepted, *_),) = _asked(path, _MADE)
    share = answered * LATENCY / IN_FLIGHT / seconds
    beside = f"{answered:,} answers in {seconds:.1f} s from first call to last marker; {others()}"
    yield Finding("share of the ideal", share, Bar("at least", 0.93), beside)
    yield Finding("accepted rows", accepted, Bar("exactly", ROWS), f"of {outputs:,} outputs")
    yield Finding("seconds of the process, start and people included", took["wall"])


def faults(lab: Lab, rows: int) -> Iterator[Finding]:
    """The same with refusals at random, and replies that are cut, pages, empty or dropped."""
    weather = [option for fault in _FAULTS for option in ("--weather", fault)]
    with watched() as others, lab.server("--words", WORDS, "--english", "--latency", LATENCY, *weather) as server:
        path, took = _over_http(lab, server.base_url)
    ((_, accepted, _, calls, lost, _, rounds),) = _asked(path, _MADE)
    yield Finding("accepted rows", accepted, Bar("exactly", ROWS), f"{calls:,} attempts in {rounds} rounds; {others()}")
    yield Finding("turns lost", lost, Bar("exactly", 0))
    yield Finding("seconds of the process", took["wall"])


def _over_http(lab: Lab, base_url: str) -> tuple[Path, Result]:
    out, hub = lab.new(".duckdb"), lab.hub(ROWS)
    asked = ("--model", "openai:test", "--base-url", base_url, "--max-in-flight", IN_FLIGHT, "--out", out)
    took = finished(populace("make", "instruction", "--set", "response=off", "--hub", hub, "--n", ROWS, *asked))
    return out, took


def _made(lab: Lab, task: str, hub: Path, rows: int, *options: object) -> Iterator[Finding]:
    """What a run takes, and whether one that is killed on its way comes to the same."""
    out = lab.new(".duckdb")
    command = ("make", task, "--hub", hub, "--agents", 10**7, *options)
    command = (*command, "--set", "response=off") if task == "instruction" else command
    # The people are read all the same, so this is what there is to do before the first row.
    first = finished(populace(*command, "--n", 1, "--out", lab.new(".duckdb")))
    start = first["cpu"]
    command = (*command, "--n", rows)
    with watched() as others:
        took = finished(populace(*command, "--out", out), sampled=_SAMPLED)
    ((outputs, accepted, repeated, calls, lost, event_hash, rounds),) = _asked(out, _MADE)
    found = ", ".join(f"{stage} {number:,}" for stage, number in _asked(out, _DUPLICATES)) or "none"
    yield Finding("seconds", took["wall"], beside=f"{outputs:,} outputs, {calls:,} calls, {rounds} rounds; {others()}")
    beside = f"{took['cpu']:.0f} s of CPU in all, {start:.1f} s of them before the first row"
    yield Finding("CPU, ms an output", 1_000 * (took["cpu"] - start) / outputs, beside=beside)
    yield Finding("peak memory, MiB", took["peak_memory"] / 2**20, beside=_over_time(took["memory"]))
    beside = f"near-duplicates {repeated:,} ({found}); rejected {_rejected(out)}"
    yield Finding("accepted of the rows wanted", accepted / rows, beside=beside)
    yield Finding("outputs that were revised", *_asked(out, _REVISED)[0])
    yield Finding("turns lost", lost, Bar("exactly", 0))
    again = lab.new(".duckdb")
    _killed(populace(*command, "--out", again), first["wall"] + 0.4 * max(0.0, took["wall"] - first["wall"]))
    if not again.exists():
        raise SystemExit("The run was killed before it had a file; take more --rows.")
    before = _asked(again, "SELECT count(*) FROM emissions")[0][0]
    resumed = finished(populace("resume", again))
    same = _asked(again, _MADE)[0][5] == event_hash
    beside = f"{before:,} outputs were committed; resuming took {resumed['wall']:.1f} s"
    yield Finding("killed with -9 and resumed, the event hash is the same", float(same), Bar("exactly", 1), beside)


def _over_time(memory: list[int]) -> str:
    """What was in memory on the way, at each fifth of the time."""
    if len(memory) < 5:
        return "too short to see it change"
    fifths = (memory[len(memory) * part // 5 - 1] / 2**20 for part in range(1, 6))
    return f"{' / '.join(f'{one:,.0f}' for one in fifths)} after each fifth of the time"


def _rejected(path: Path) -> str:
    return ", ".join(f"{stage} {number:,}" for stage, number in _asked(path, _STAGES)) or "none"


def _killed(command: list[str], after: float) -> None:
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _asked(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as con:
        return con.execute(sql).fetchall()


CASES: dict[str, Callable[[Lab, int], Iterator[Finding]]] = {
    **{task: rows_of(task) for task in ("instruction", "npc", "tool")},
    "million": million,
    "http": http,
    "faults": faults,
}


def main() -> None:
    """Measure and print; the exit status is 1 when a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cases", nargs="+", choices=list(CASES), metavar="CASE", help=", ".join(CASES))
    options.add_argument("--rows", type=int, default=10_000, help="rows, and people, of instruction, npc and tool")
    options.add_argument("--hub", type=Path, help="people of the case million, in place of a hub grown for it")
    given = options.parse_args()
    cores = os.cpu_count()
    print(f"machine   {platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}")
    print(f"versions  {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}")
    held = True
    with TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        if given.hub:
            lab.give(given.hub.absolute(), 10 * given.rows)
        for name in given.cases:
            print(f"\n{name}: {(CASES[name].__doc__ or '').strip()}", flush=True)
            for finding in CASES[name](lab, given.rows):
                print(finding, flush=True)
                held &= finding.holds is not False
    sys.exit(not held)


if __name__ == "__main__":
    main()
