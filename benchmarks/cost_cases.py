"""What a call costs the client: CPU and where it goes, memory over a long run, and the run file it leaves."""

import subprocess
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

from benchmarks.lab import ROOT, Bar, Finding, Lab, Result, environment, output, populace, spread, watched
from benchmarks.pace_cases import WORDS, pair
from benchmarks.turns import SIZES, Bench, per_turn

#: Calls after which memory is looked at, and how many there are in all.
EVERY, LONG = 5_000, 100_000

_MB = 2**20


def cpu(lab: Lab) -> Iterator[Finding]:
    """Client CPU at 64 in flight: of a gateway call, alone and with its run file, and of a whole agent-turn."""
    calls, in_flight, server = 5_000, 64, ("--latency", 0.05)
    with watched() as others:
        pairs = [pair(lab, calls=calls, in_flight=in_flight, server=server) for _ in range(lab.repeat)]
        kept = [_with_file(lab, calls, in_flight) for _ in range(lab.repeat)]
    ours = [1_000 * one["cpu"] / calls for one, _, _ in pairs]
    raws = [1_000 * raw["cpu"] / calls for _, raw, _ in pairs]
    filed = [1_000 * one["cpu"] / calls for one in kept]
    yield Finding("ms of a gateway call alone", median(ours), Bar("at most", 0.8), f"{spread(ours)}; {others()}")
    yield Finding("ms of a raw aiohttp call", median(raws), beside=spread(raws))
    yield Finding("the one over the other", median(a / b for a, b in zip(ours, raws, strict=True)))
    yield Finding("ms of a gateway call with its durable run file", median(filed), beside=spread(filed))
    yield from _turns(lab)


def _with_file(lab: Lab, calls: int, in_flight: int, *options: object) -> Result:
    ledger = lab.new(".duckdb")
    with lab.server("--latency", 0.05, "--words", WORDS) as server:
        numbers = ("--calls", calls, "--in-flight", in_flight)
        one = lab.ask("gateway", server, *numbers, "--ledger", ledger, "--hub", lab.hub(24), *options)
    one["bytes"] = ledger.stat().st_size
    ledger.unlink()
    return one


def _turns(lab: Lab) -> Iterator[Finding]:
    with watched() as others:
        bench = Bench(lab.folder, SIZES["large"])
        runs = [bench.ways(seed) for seed in range(lab.repeat)]
    each = [per_turn(run["b"]) for run in runs]
    closed = median(per_turn(run["b"], "cpu_closed") for run in runs)
    beside = f"{closed:.3f} with closing the file; {spread(each)}; {others()}"
    yield Finding("ms of a whole agent-turn over HTTP, with its log", median(each), Bar("at most", 2), beside)
    graphs = [per_turn(run["c"]) for run in runs]
    yield Finding("ms of a bare graph that sends the same", median(graphs), beside=spread(graphs))


def profile(lab: Lab) -> Iterator[Finding]:
    """Where the CPU of a gateway call with its run file goes: the event loop's thread by room and library."""
    calls = 20_000
    one = _with_file(lab, calls, 64, "--profile")
    whole = sum(one["packages"].values())
    loop = 1_000 * whole / calls
    yield Finding("ms of the loop's thread a call, looked at", loop, beside="looking makes all of it dearer")
    for name, spent in _most(one["packages"]):
        yield Finding(f"share of {name}", spent / whole, beside=f"{1e6 * spent / calls:.0f} us a call")
    for name, spent in islice(_most(one["functions"]), 12):
        yield Finding(f"us a call of {name}", 1e6 * spent / calls)


def _most(parts: dict[str, float]) -> Iterator[tuple[str, float]]:
    whole = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return ((name, spent) for name, spent in ordered if spent >= 0.01 * whole)


def long(lab: Lab) -> Iterator[Finding]:
    """100,000 calls in one process, without and with a run file, and a run file of a million."""
    options = ("--memory-every", EVERY, "--within", 580)
    with watched() as others, lab.server("--latency", 0.02, "--words", WORDS) as server:
        alone = lab.ask("gateway", server, "--calls", LONG, "--in-flight", 64, *options)
    yield _growth("memory of the gateway alone", alone, others())
    with watched() as others:
        kept = _with_file(lab, LONG, 64, *options)
    yield _growth("memory with the run file", kept, others())
    yield Finding("bytes of the run file a call", kept["bytes"] / LONG, beside=f"{kept['wall']:.0f} s")
    yield from _million(lab)


def _growth(what: str, one: Result, others: str) -> Finding:
    seen = [memory / _MB for _, memory in one["memory"]]
    quarter = len(seen) // 4
    early, late = median(seen[quarter : 2 * quarter]), median(seen[-quarter:])
    shape = ", ".join(f"{memory:.0f}" for memory in seen)
    beside = f"{early:.0f} and {late:.0f} MiB, medians; every {EVERY:,} calls: {shape}; {others}"
    return Finding(f"{what}, last quarter of {LONG:,} calls over the second", late / early, Bar("at most", 1.1), beside)


def _million(lab: Lab) -> Iterator[Finding]:
    path = lab.new(".duckdb")
    with watched() as others:
        made = output("benchmarks.million", "make", path)
        read = [output("benchmarks.million", "read", path) for _ in range(lab.repeat)]
        resumed = [output("benchmarks.million", "resume", path) for _ in range(lab.repeat)]
        asked = [_asked(path) for _ in range(lab.repeat)]
    calls = read[0]["calls"]
    beside = f"written in {made['wall']:.0f} s, {1e6 * made['cpu'] / calls:.0f} us of CPU each; {others()}"
    yield Finding(f"bytes a call in a file of {calls:,}", made["bytes"] / calls, beside=beside)
    for name, what in (
        ("opened", "seconds to open it"),
        ("counted", "to count its calls"),
        ("grouped", "to sum tokens by outcome"),
        ("found", "to find a call by the hash of its request"),
    ):
        yield Finding(what, median(one[name] for one in read))
    yield Finding("seconds to take it up again", median(one["resumed"] + one["entered"] for one in resumed))
    memory = f"{max(one['peak_memory'] for one in resumed) / _MB:.0f} MiB at most"
    yield Finding("seconds to close it again", median(one["closed"] for one in resumed), beside=memory)
    yield Finding("seconds of `populace sql FILE`, the process and all", median(asked), beside=spread(asked))


def _asked(path: Path) -> float:
    began = time.perf_counter()
    command = populace("sql", path, "SELECT count(*) FROM calls")
    subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
