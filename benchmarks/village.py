"""One village in a process of its own: what its steps cost, without imports and without growing its people.

Prints what one run cost, as JSON. Without `--hub` it grows its people and takes no step: that file is a hub.
"""

import argparse
import json
import resource
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
from benchmarks.sampler import Sampler

from populace.agents.gateway.limits import Limits
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.society import Society

_COUNTS = """
SELECT (SELECT coalesce(sum(active), 0)::INT FROM steps) AS turns,
       (SELECT count(*) FROM calls WHERE phase = 'step') AS calls,
       (SELECT count(*) FROM emissions WHERE revised) AS revised,
       (SELECT count(*) FROM duplicates WHERE emission IS NOT NULL) AS duplicates,
       (SELECT count(*) FROM failures WHERE phase = 'step') AS failed,
       (SELECT count(*) FROM agents) AS agents
"""


class ThreadClocks:
    """The CPU that each thread uses from now on; what is no Python thread's is the libraries' own."""

    def __init__(self, loop: threading.Thread) -> None:
        threads = [t for t in threading.enumerate() if t.ident]
        names = {t: "loop" if t is loop else t.name for t in threads}
        self._clocks = {names[t]: time.pthread_getcpuclockid(t.ident or 0) for t in threads}
        self._before = {name: time.clock_gettime(clock) for name, clock in self._clocks.items()}
        self._process = time.process_time()

    @property
    def process(self) -> float:
        """Seconds of the whole process."""
        return time.process_time() - self._process

    def by_thread(self) -> dict[str, float]:
        """Seconds by thread; only while all of them are alive."""
        process = self.process
        spent = {name: time.clock_gettime(clock) - self._before[name] for name, clock in self._clocks.items()}
        return {**spent, "native": process - sum(spent.values())}


async def _loop_thread() -> threading.Thread:
    return threading.current_thread()


def measure(society: Society, *, steps: int, profiled: bool) -> dict[str, Any]:
    """What the steps of a society cost, and what they cost with closing its file."""
    with society:
        loop = society.engine.call(_loop_thread)
        sampler = Sampler(loop) if profiled else None
        with sampler or nullcontext():
            clocks = ThreadClocks(loop)
            if steps:
                society.run_for(steps)
            cpu, threads = clocks.process, clocks.by_thread()
        peak_in_flight = society.engine.gateway.limiter.peak
    return {
        "cpu": cpu,
        "cpu_closed": clocks.process,
        "threads": threads,
        "peak_in_flight": peak_in_flight,
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT,
        "file": society.path.stat().st_size,
        "packages": sampler.packages if sampler else {},
        "functions": sampler.functions if sampler else {},
    }


#: Linux counts the resident set in KiB, macOS in bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def counts(path: Path) -> dict[str, int]:
    """How much happened in a run."""
    with duckdb.connect(path, read_only=True) as connection:
        result = connection.execute(_COUNTS)
        names = [column[0] for column in result.description]
        return dict(zip(names, result.fetchall()[0], strict=True))


def main() -> None:
    """Measure one village once."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=Path)
    options.add_argument("--hub", type=Path)
    options.add_argument("--agents", type=int)
    options.add_argument("--steps", type=int, default=0)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--base-url")
    options.add_argument("--in-flight", type=int, default=64)
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    growth = Growth(hub=given.hub, hops=0, agents=None) if given.hub else Growth(agents=given.agents, hops=6)
    society = Society(
        Village(),
        growth=growth,
        seed=given.seed,
        model="openai:test" if given.base_url else "procedural",
        base_url=given.base_url,
        limits=Limits(max_in_flight=given.in_flight),
        out=given.out,
        steps=max(1, given.steps),
    )
    cost = measure(society, steps=given.steps, profiled=given.profile)
    print(json.dumps(cost | counts(given.out)))


if __name__ == "__main__":
    main()
