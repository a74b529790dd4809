"""How much of the time of its slots a village spends on calls, over HTTP with a given latency.

python benchmarks/slots.py [--agents 1280] [--steps 4] [--in-flight 128] [--latency 0.5] [--repeat 1]

The share is the time of all calls of the steps over slots times the time from the first call to the last marker. Calls
that follow one another in a turn and the end of each step bound it: "ideal" is what a
scheduler without any work of its own reaches with the same calls.
"""

import argparse
import math
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import duckdb
from benchmarks.turns import IN_FLIGHT, Bench, Size

_STEPS = """
SELECT number, count(*) FILTER (purpose <> 'revise'), count(*) FILTER (purpose = 'revise'),
       sum(epoch(ended_at) - epoch(started_at)), min(epoch(started_at)), max(epoch(ended_at))
FROM calls WHERE phase = 'step' GROUP BY number ORDER BY number
"""


def main() -> None:
    """Measure, and print a line for each run."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--agents", type=int, default=1_280)
    options.add_argument("--steps", type=int, default=4)
    options.add_argument("--in-flight", type=int, default=2 * IN_FLIGHT)
    options.add_argument("--latency", type=float, default=0.5)
    options.add_argument("--repeat", type=int, default=1)
    given = options.parse_args()
    print("run  calls  revisions  share of slots  ideal  mean call s  between steps s")
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), Size(given.agents, given.steps))
        for run in range(1, given.repeat + 1):
            out = bench.slots(given.agents, run, steps=given.steps, in_flight=given.in_flight, latency=given.latency)
            print(f"{run:>3}{_line(out, given.in_flight)}")


def _line(out: Path, slots: int) -> str:
    with duckdb.connect(out, read_only=True) as con:
        steps = con.execute(_STEPS).fetchall()
    first, revised = sum(step[1] for step in steps), sum(step[2] for step in steps)
    busy = sum(step[3] for step in steps)
    elapsed = steps[-1][5] - steps[0][4]
    waves = sum(math.ceil(step[1] / slots) + math.ceil(step[2] / slots) for step in steps)
    gaps = [after[4] - before[5] for before, after in pairwise(steps)]
    ideal = (first + revised) / slots / waves
    mean = busy / (first + revised)
    return (
        f"{first + revised:>7,}{revised:>11,}{busy / slots / elapsed:>16.3f}{ideal:>7.3f}{mean:>13.3f}"
        f"{sum(gaps) / max(1, len(gaps)):>17.3f}"
    )


if __name__ == "__main__":
    main()
