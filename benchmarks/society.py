"""What a society of rule agents costs: CPU, memory and log by agent-step, beside plain Mesa in the same run.

python benchmarks/society.py --size small|large [--seed 0]
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.lab import Bar, Finding  # noqa: E402 - nothing heavy, but it needs the path

#: Agents and steps; the first is measured again at the end, because a shared machine's pace changes.
SIZES = {"small": ((1_000, 10), (3_000, 10)), "large": ((1_000, 100), (10_000, 100), (100_000, 10))}
#: Ties of an agent, in the mean, and the share of turns in which it speaks.
DEGREE, TALK = 10, 0.1

type Result = dict[str, Any]


def pairs_of(agents: int, seed: int) -> list[tuple[int, int]]:
    """Who is tied to whom: by chance."""
    rng = random.Random(seed)
    drawn = (rng.sample(range(agents), 2) for _ in range(agents * DEGREE // 2))
    return sorted({(min(pair), max(pair)) for pair in drawn})


def measure_society(agents: int, steps: int, seed: int) -> Result:
    """People who tell a neighbour their opinion now and then, and else change it by what they heard and by chance."""
    from benchmarks.opinions import Opinions

    from populace.personas.hub import Hub
    from populace.personas.persona import Persona, Relation, RelationKind
    from populace.sim.growth import Growth
    from populace.sim.society import Society

    people = [Persona(f"Person {place}, who lives in house {place}.") for place in range(agents)]
    ids, kind = [person.id for person in people], RelationKind.NEIGHBOURHOOD
    ties = [Relation(ids[one], ids[other], kind, "neighbour") for one, other in pairs_of(agents, seed)]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run.duckdb"
        society = Society(
            Opinions({"talk": TALK}),
            source=Hub(tuple(people), tuple(ties)),
            growth=Growth(agents=None, hops=0),
            out=out,
            steps=steps,
            seed=seed,
        )
        with society:
            before, size = _peak(), out.stat().st_size
            begun = time.process_time(), time.perf_counter()
            society.run_model()
            cpu, seconds = time.process_time() - begun[0], time.perf_counter() - begun[1]
            event_hash = society.engine.events.hex
        grown = out.stat().st_size - size
    return {"cpu": cpu, "seconds": seconds, "before": before, "peak": _peak(), "bytes": grown, "hash": event_hash}


def measure_mesa(agents: int, steps: int, seed: int) -> Result:
    """The same in plain Mesa: one after the other, with nothing logged."""
    import mesa
    import networkx as nx

    class Person(mesa.Agent):  # type: ignore[misc]  # mesa ships no types
        def __init__(self, model: mesa.Model) -> None:
            super().__init__(model)
            self.value = 0.5
            self.heard: list[float] = []
            self.others: list[Person] = []

        def act(self) -> None:
            rng = self.model.random
            if rng.random() < TALK and self.others:
                rng.choice(self.others).heard.append(self.value)
            else:
                for value in self.heard:
                    self.value += 0.3 * (value - self.value)
                self.value += 0.1 * (rng.random() - 0.5)
            self.heard = []

    model = mesa.Model(rng=seed)
    graph = nx.Graph(pairs_of(agents, seed))
    people = list(Person.create_agents(model, agents))
    for place, person in enumerate(people):
        person.others = [people[other] for other in graph[place]] if place in graph else []
    before, begun = _peak(), (time.process_time(), time.perf_counter())
    for _ in range(steps):
        model.agents.do("act")
    cpu, seconds = time.process_time() - begun[0], time.perf_counter() - begun[1]
    return {"cpu": cpu, "seconds": seconds, "before": before, "peak": _peak()}


def _peak() -> float:
    """The largest resident set so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


WAYS = {"society": measure_society, "mesa": measure_mesa}


def in_process(way: str, agents: int, steps: int, seed: int) -> Result:
    """What a process of its own measured."""
    command = [
        sys.executable,
        __file__,
        "--way",
        way,
        *map(str, ("--agents", agents, "--steps", steps, "--seed", seed)),
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: Result = json.loads(done.stdout)
    return found


def findings(sizes: tuple[tuple[int, int], ...], seed: int) -> Iterator[Finding]:
    """Each figure as soon as it is there."""
    costs = []
    for agents, steps in (*sizes, sizes[0]):
        turns, said = agents * steps, f"{agents:,} agents x {steps} steps"
        ours, mesa = (in_process(way, agents, steps, seed) for way in ("society", "mesa"))
        costs.append(ours["cpu"] / turns)
        beside = f"{ours['seconds']:,.0f} s in all; plain Mesa without a log {mesa['cpu'] / turns * 1e3:.4f} ms"
        yield Finding(f"{said}: CPU of an agent-step in ms", costs[-1] * 1e3, Bar("at most", 0.1), beside)
        beside = f"{ours['before']:,.0f} MiB before the first step; plain Mesa {mesa['peak']:,.0f} MiB"
        yield Finding(f"{said}: peak memory in MiB", ours["peak"], Bar("at most", 2_048), beside)
        yield Finding(f"{said}: bytes of log of an agent-step", ours["bytes"] / turns)
    for (agents, _), cost in zip(sizes[1:], costs[1:], strict=False):
        growth = cost / min(costs[0], costs[-1])
        yield Finding(f"an agent-step with {agents:,} agents, as a multiple of one with {sizes[0][0]:,}", growth)


def main() -> None:
    """Measure, and print each figure beside its bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--way", choices=WAYS, help="measure this alone, in this process")
    options.add_argument("--agents", type=int, default=1_000)
    options.add_argument("--steps", type=int, default=10)
    given = options.parse_args()
    if given.way:
        print(json.dumps(WAYS[given.way](given.agents, given.steps, given.seed)))
        return
    for one in findings(SIZES[given.size], given.seed):
        print(one, flush=True)


if __name__ == "__main__":
    main()
