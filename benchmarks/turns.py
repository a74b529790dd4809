"""What an agent-turn of `village` costs, beside a bare LangGraph graph and a plain coroutine in the same run.

python benchmarks/turns.py --size small|large [--repeat 3] [--profile]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

# Nothing heavy is imported here: a process's peak memory is never below that of the one that started it.

ROOT = Path(__file__).resolve().parents[1]
IN_FLIGHT = 64
LIBRARIES = ("populace", "langgraph", "langchain-core", "langchain-openai", "aiohttp", "mesa", "duckdb", "pyarrow")
WAYS = {
    "a": "village, procedural model in process, with its log",
    "b": "village over HTTP, with its log",
    "c": "bare LangGraph graph, same requests, no log",
    "d": "plain coroutine, same requests, no log",
}
RATIOS = ("a/c", "b/c", "b/d")
THREADS = ("loop", "populace-writer", "populace-sql", "MainThread", "native")
#: Functions that a profile shows.
FUNCTIONS = 20

#: What one process measured, and that by way.
type Result = dict[str, Any]
type Ways = dict[str, Result]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a benchmark is."""

    agents: int
    steps: int
    #: Agents of the run that shows whether a turn gets dearer; None for no such run.
    many: int | None = None


SIZES = {"small": Size(200, 5), "large": Size(1_000, 10, many=10_000)}


class Bench:
    """Runs each measurement in a process of its own, and keeps their files in one folder."""

    def __init__(self, folder: Path, size: Size, *, filler: bool = False) -> None:
        self.folder = folder
        self.size = size
        self._filler = filler
        self._hubs: dict[int, Path] = {}
        self._runs = 0

    def village(
        self, agents: int, seed: int, *, steps: int, base_url: str | None = None, profiled: bool = False
    ) -> Result:
        """One village whose people come from a hub."""
        options = ["--hub", self._hub(agents), "--steps", steps, "--seed", seed, "--in-flight", IN_FLIGHT]
        if base_url is not None:
            options += ["--base-url", base_url]
        return self._society([*options, *(["--profile"] if profiled else [])])

    def slots(self, agents: int, seed: int, *, steps: int, in_flight: int, latency: float) -> Path:
        """The run file of a village over HTTP with so many calls in flight, each taking so many seconds."""
        out = self.folder / f"slots_{seed}.duckdb"
        with self._endpoint("--latency", latency) as base_url:
            options = ["--hub", self._hub(agents), "--steps", steps, "--seed", seed, "--in-flight", in_flight]
            _output("benchmarks.village", out, *options, "--base-url", base_url)
        return out

    def ways(self, seed: int) -> Ways:
        """The four ways to take the same turns, one after the other."""
        agents, steps = self.size.agents, self.size.steps
        turns = self.folder / "turns.jsonl"
        costs = {"a": self.village(agents, seed, steps=steps)}
        with self._endpoint("--keep", turns) as base_url:
            costs["b"] = self.village(agents, seed, steps=steps, base_url=base_url)
        with self._endpoint() as base_url:
            for name, kind in (("c", "graph"), ("d", "coroutine")):
                costs[name] = _output("benchmarks.bare", kind, turns, base_url, "--in-flight", IN_FLIGHT)
        return costs

    def profile(self, seed: int) -> Result:
        """Way b, with the event loop's thread looked at every few milliseconds."""
        with self._endpoint() as base_url:
            return self.village(self.size.agents, seed, steps=self.size.steps, base_url=base_url, profiled=True)

    def _hub(self, agents: int) -> Path:
        if agents not in self._hubs:
            path = self.folder / f"hub_{agents}.duckdb"
            grown = _output("benchmarks.village", path, "--agents", agents)["agents"]
            if grown != agents:
                raise SystemExit(f"{agents} people were to be grown for the benchmark, but {grown} were.")
            self._hubs[agents] = path
        return self._hubs[agents]

    def _society(self, options: Sequence[object]) -> Result:
        self._runs += 1
        out = self.folder / f"run_{self._runs}.duckdb"
        try:
            return _output("benchmarks.village", out, *options)
        finally:
            out.unlink(missing_ok=True)

    @contextmanager
    def _endpoint(self, *options: object) -> Iterator[str]:
        command = _command("benchmarks.endpoint", *options, *(["--filler"] if self._filler else []))
        with subprocess.Popen(
            command, cwd=ROOT, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                base_url = process.stdout.readline().strip() if process.stdout else ""
                if not base_url:
                    raise SystemExit("The tests' server did not start; what it said of it stands above.")
                yield base_url
            finally:
                process.communicate()  # its input ends, and with it the server


def _command(module: str, *options: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, options)]


def _environment() -> dict[str, str]:
    # Tracing would be measured too; and no model but the one on this machine is meant.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LANGSMITH_", "LANGCHAIN_"))}
    return kept | {"PYTHONPATH": str(ROOT / "tests" / "support"), "POPULACE_FORBID_MODELS": "1"}


def _output(module: str, *options: object) -> Result:
    done = subprocess.run(_command(module, *options), cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, check=True)
    result: Result = json.loads(done.stdout)
    return result


def per_turn(cost: Result, what: str = "cpu") -> float:
    """Milliseconds a turn."""
    return float(1_000 * cost[what] / cost["turns"])


def heading(size_name: str, seeds: Sequence[int], *, filler: bool) -> Iterator[str]:
    """What is measured, on what."""
    size, cores = SIZES[size_name], os.cpu_count()
    answers = "filler" if filler else "the procedural model's"
    yield f"machine   {platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}"
    yield f"versions  {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}"
    yield f"size      {size_name}: {size.agents:,} agents x {size.steps} steps, seeds {seeds[0]} to {seeds[-1]}"
    yield f"server    the tests' own, in another process; {answers} answers; {IN_FLIGHT} in flight"


def way_lines(runs: Sequence[Ways]) -> Iterator[str]:
    """CPU by way, and the ratios of ways within each run."""
    yield f"{'client CPU, ms per agent-turn (median)':<56}{'steps':>8}{'+ close':>9}{'lowest':>9}{'highest':>9}"
    for way, what in WAYS.items():
        costs = [run[way] for run in runs]
        each = [per_turn(cost) for cost in costs]
        closed = [per_turn(cost, "cpu_closed") for cost in costs if "cpu_closed" in cost]
        shown = f"{median(closed):.3f}" if closed else "-"
        yield f"{way}  {what:<53}{median(each):>8.3f}{shown:>9}{min(each):>9.3f}{max(each):>9.3f}"
    for ratio in RATIOS:
        over, under = ratio.split("/")
        each = [per_turn(run[over]) / per_turn(run[under]) for run in runs]
        yield f"{ratio:<56}{median(each):>8.2f}{'':9}{min(each):>9.2f}{max(each):>9.2f}"


def made_of(runs: Sequence[Ways]) -> Iterator[str]:
    """What the turns over HTTP were, and which threads took their CPU."""
    costs = [run["b"] for run in runs]
    sums = {name: sum(cost[name] for cost in costs) for name in ("turns", "calls", "revised", "failed")}
    counted = ", ".join(f"{number:,} {name}" for name, number in sums.items())
    yield f"b in all: {counted}; at most {max(cost['peak_in_flight'] for cost in costs)} in flight"
    for way in "ab":
        names = {name: [run[way]["threads"][name] / run[way]["cpu"] for run in runs] for name in THREADS}
        yield f"{way} by thread: {', '.join(f'{name} {median(each):.1%}' for name, each in names.items())}"


def size_lines(bench: Bench) -> Iterator[str]:
    """Cost, memory and log by number of agents; few agents before and after many, as machines have their moods."""
    size = bench.size
    many = (size.many, size.agents) if size.many else ()
    yield "procedural    turns  ms per turn  + close  peak MiB  before steps  log bytes per turn"
    lived = [bench.village(agents, 0, steps=size.steps) for agents in (size.agents, *many)]
    for cost in lived:
        newborn = bench.village(cost["agents"], 0, steps=0)
        log = (cost["file"] - newborn["file"]) / cost["turns"]
        memory, before = (each["peak_memory"] / 2**20 for each in (cost, newborn))
        yield (
            f"{cost['agents']:>10,}{cost['turns']:>9,}{per_turn(cost):>13.3f}{per_turn(cost, 'cpu_closed'):>9.3f}"
            f"{memory:>10.0f}{before:>14.0f}{log:>20,.0f}"
        )
    if many:
        few = fmean((per_turn(lived[0]), per_turn(lived[2])))
        yield f"a turn at {size.many:,} agents over one at {size.agents:,}: {per_turn(lived[1]) / few:.2f}"


def profile_lines(cost: Result) -> Iterator[str]:
    """Where the CPU of way b goes: the loop's thread by room and library, the other threads as they are."""
    threads = {name: spent for name, spent in cost["threads"].items() if name != "sampler"}
    whole, sampled = sum(threads.values()), sum(cost["packages"].values())
    loop = threads.pop("loop")
    parts = {name: spent / sampled * loop for name, spent in cost["packages"].items()}
    parts |= {f"thread {name}": spent for name, spent in threads.items()}
    yield f"b profiled: {1_000 * whole / cost['turns']:.3f} ms per turn, without the sampler's own thread"
    for name, spent in sorted(parts.items(), key=lambda part: -part[1]):
        if spent / whole >= 0.002:
            yield f"{name:<34}{spent / whole:>7.1%}{1e6 * spent / cost['turns']:>9.0f} us per turn"
    yield "functions of the loop's thread, without what they call in other rooms and libraries"
    for name, spent in sorted(cost["functions"].items(), key=lambda part: -part[1])[:FUNCTIONS]:
        yield f"{name:<60}{1e6 * spent / sampled * loop / cost['turns']:>9.0f} us per turn"


def lines(bench: Bench, size_name: str, *, repeat: int, filler: bool, profiled: bool) -> Iterator[str]:
    """The table, line by line, as it is measured."""
    seeds = range(repeat)
    yield from heading(size_name, seeds, filler=filler)
    runs = [bench.ways(seed) for seed in seeds]
    yield from ("", *way_lines(runs), "", *made_of(runs))
    yield from ("", *size_lines(bench))
    if profiled:
        yield from ("", *profile_lines(bench.profile(0)))


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", choices=sorted(SIZES), default="small")
    options.add_argument("--repeat", type=int, default=3, help="runs of a to d, each with a seed of its own")
    options.add_argument("--profile", action="store_true", help="show where the CPU of b goes")
    options.add_argument("--filler", action="store_true", help="let the server answer filler text")
    given = options.parse_args()
    if given.repeat < 1:
        options.error("--repeat must be at least 1")
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), SIZES[given.size], filler=given.filler)
        for line in lines(bench, given.size, repeat=given.repeat, filler=given.filler, profiled=given.profile):
            print(line, flush=True)


if __name__ == "__main__":
    main()
