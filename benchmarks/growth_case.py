"""Growing a hub with the stand-in: time, memory, near-duplicates by hop, the graph; then killed half-way and resumed.

    python -m benchmarks.growth_case [--people 100000] [--hops 6] [--fan-out 5] [--seed 0]

From 48 of the texts that ship. Every growth is a process of its own, so that memory is its own.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson

from populace.personas.errors import PopulaceError
from populace.personas.hub.file import open_hub
from populace.personas.hub.graph.network import Network
from populace.personas.hub.graph.shape import Shape, describe
from populace.personas.hub.graph.ties import read_ties
from populace.personas.passage import shipped_passages
from populace.sim.growing.scenario import Growing
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society

SEEDS = 48

_HOPS = """
SELECT hop, sum(asked)::BIGINT, sum(born)::BIGINT, sum(duplicates)::BIGINT, sum(repeats)::BIGINT,
       sum(relations)::BIGINT, sum(epoch(ended_at - started_at))
FROM growth_chunks GROUP BY hop ORDER BY hop
"""
_TWICE = "SELECT count(*) - count(DISTINCT (number, owner)) FROM calls WHERE raw IS NOT NULL"


def grow(given: argparse.Namespace) -> None:
    """Grow, or go on growing; what it took goes to standard output."""
    began, cpu = time.perf_counter(), time.process_time()
    growth = Growth.unlimited(
        sources=(str(given.texts),),
        agents=given.people,
        hops=given.hops,
        fan_outs=(given.fan_out,),
        frontier="novelty",
    )
    hub = given.hub
    society = (
        Society.resume(hub, Growing) if hub.exists() else Society(Growing(), growth=growth, seed=given.seed, out=hub)
    )
    event_hash = society.run().event_hash
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    took = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak": peak, "hash": event_hash}
    json.dump(took, sys.stdout)


def child(given: argparse.Namespace, hub: Path, texts: Path) -> "subprocess.Popen[str]":
    """A process that grows into `hub`."""
    options = [f"--{name}={getattr(given, name)}" for name in ("people", "hops", "seed")]
    command = [sys.executable, "-m", "benchmarks.growth_case", *options, f"--fan-out={given.fan_out}"]
    return subprocess.Popen([*command, f"--hub={hub}", f"--texts={texts}"], stdout=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What a process that grew to its end has said."""
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(f"growth ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said)
    return found


def kill_at(process: "subprocess.Popen[str]", hub: Path, people: int) -> int:
    """Kill the process with -9 once so many people are there; gives how many there were."""
    born = 0
    while process.poll() is None and born < people:
        time.sleep(0.2)
        born = _born(hub) or born
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return born


def _born(hub: Path) -> int:
    try:
        with open_run(hub) as run:
            return int(run.query("SELECT coalesce(sum(born), 0) FROM growth_chunks").rows[0][0])
    except PopulaceError:  # it is just being made
        return 0


def shape_of(hub: Path) -> Shape:
    """The graph of those who are nobody's near-duplicate."""
    with open_hub(hub) as file:
        ties = read_ties(file)
    return describe(Network.of_pairs(ties.people, ties.source, ties.target), np.random.default_rng(0))[0]


def show(hub: Path, took: dict[str, Any]) -> None:
    """Print what growth took and came to."""
    with open_run(hub) as run:
        hops, (people,) = run.query(_HOPS).rows, run.query("SELECT count(*) FROM personas").rows[0]
    per_second = people / took["cpu"]
    print(f"people {people:,}, {took['cpu']:.0f} s of CPU ({per_second:,.0f} a second), {took['wall']:.0f} s in all")
    print(f"memory {took['peak'] / 1e6:,.0f} MB at most; {hub.stat().st_size / 1e6:,.0f} MB on disk")
    print("hop   asked    born  near-duplicates  repeats  relations  seconds")
    for hop, asked, born, duplicates, repeats, relations, seconds in hops:
        share = duplicates / max(1, born + duplicates + repeats)
        print(f"{hop:>3}{asked:>8}{born:>8}{duplicates:>8} ({share:.2%}){repeats:>9}{relations:>11}{seconds:>9.1f}")
    shape = shape_of(hub)
    print(
        f"graph  mean degree {shape.mean_degree:.2f}, most {shape.most_degree}, {shape.parts} parts, "
        f"largest {shape.largest:,}, {shape.communities} communities of modularity {shape.modularity:.2f}"
    )


def main() -> None:
    """Measure and print; the exit status is 1 when the resumed growth is another."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=100_000)
    options.add_argument("--hops", type=int, default=6)
    options.add_argument("--fan-out", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--hub", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--texts", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.hub is not None:
        grow(given)
        return
    with TemporaryDirectory() as folder:
        whole, killed, texts = (Path(folder) / name for name in ("whole.duckdb", "killed.duckdb", "texts.jsonl"))
        texts.write_bytes(b"\n".join(orjson.dumps({"text": p.text}) for p in shipped_passages()[:SEEDS]))
        took = ended(child(given, whole, texts))
        show(whole, took)
        there = kill_at(child(given, killed, texts), killed, given.people // 2)
        again = ended(child(given, killed, texts))
        with open_run(killed) as run:
            ((twice,),) = run.query(_TWICE).rows
    same = again["hash"] == took["hash"]
    print(
        f"killed with -9 at {there:,} people and resumed: {'the same' if same else 'ANOTHER'} event hash, "
        f"{twice} answers paid twice, {again['wall']:.0f} s more"
    )
    sys.exit(0 if same and not twice else 1)


if __name__ == "__main__":
    main()
