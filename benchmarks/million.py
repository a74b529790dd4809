"""A run file with a million calls: made, or opened, resumed and asked, each in a process of its own.

Prints what it took, as JSON.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.lab import prose

from populace.agents.gateway.call import Call
from populace.core.model import Outcome
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
from populace.sim.runfile.runlog import RunLog
from populace.sim.society import Society

#: Calls that are handed over at once, and those whose step is not complete: what a resumed run takes back.
GROUP = 5_000
UNFINISHED = 1_000

_START = datetime(2026, 1, 1, tzinfo=UTC)


def calls(number: int) -> Iterator[Call]:
    """Calls as a village makes them: answers of 300 to 600 bytes, one request in fifty asked twice."""
    rng = random.Random(1)
    known = {field.name for field in fields(Call)}
    for place in range(number):
        text = prose(rng, rng.randint(35, 70))
        began = _START + timedelta(milliseconds=5 * place)
        values: dict[str, Any] = {
            "phase": "step",
            "number": 1 if place < number - UNFINISHED else 2,
            "owner": f"{rng.getrandbits(64):032x}" if place % 50 else "0" * 32,
            "purpose": "turn",
            "prompt_version": 1,
            "request_hash": f"{rng.getrandbits(128):032x}",
            "attempt": 1,
            "outcome": Outcome.OK,
            "reason": "",
            "raw": json.dumps({"kind": "instruction", "text": text}),
            "finish_reason": "stop",
            "model": "openai:test",
            "endpoint": "http://127.0.0.1:8000/v1",
            "input_tokens": 900 + rng.randint(0, 300),
            "output_tokens": len(text) // 4,
            "reasoning_tokens": 0,
            "cached_tokens": 700,
            "started_at": began,
            "ended_at": began + timedelta(milliseconds=rng.randint(200, 2_000)),
            "waited": rng.random(),
        }
        later = {"replicate": 0, "source": "endpoint", "cost": None}
        yield Call(**{name: value for name, value in (values | later).items() if name in known})


def make(given: argparse.Namespace) -> dict[str, Any]:
    """A society of few people that has lived one step, and then all those calls through the run file's writer."""
    Society(Village(), growth=Growth(agents=24, hops=2), out=given.path, steps=1).run()
    before, cpu, began = given.path.stat().st_size, time.process_time(), time.perf_counter()
    group: list[Call] = []
    with RunLog.open(given.path) as log:
        for call in calls(given.calls):
            group.append(call)
            if len(group) == GROUP:
                log.commit(group).result()
                group = []
        log.commit(group).result()
    size = given.path.stat().st_size - before
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "bytes": size}


def read(given: argparse.Namespace) -> dict[str, Any]:
    """Opened by a reader, and counted."""
    opened, reader = _timed(lambda: open_run(given.path))
    with reader:
        counted, result = _timed(lambda: reader.query("SELECT count(*) FROM calls"))
        grouped, _ = _timed(lambda: reader.query("SELECT outcome, count(*), sum(output_tokens) FROM calls GROUP BY 1"))
        found, _ = _timed(lambda: reader.query("SELECT raw FROM calls WHERE request_hash = ?", ("0" * 32,)))
    return {"opened": opened, "counted": counted, "grouped": grouped, "found": found, "calls": result.rows[0][0]}


def resume(given: argparse.Namespace) -> dict[str, Any]:
    """Taken up again: the file opened for writing, the paid answers of the unfinished step read, people restored."""
    began, society = _timed(lambda: Society.resume(given.path, Village, steps=1))
    entered, _ = _timed(society.__enter__)
    closed, _ = _timed(lambda: society.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None))
    return {"resumed": began, "entered": entered, "closed": closed}


def _timed[T](work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


WAYS = {"make": make, "read": read, "resume": resume}


def main() -> None:
    """Do one of them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("way", choices=sorted(WAYS))
    options.add_argument("path", type=Path)
    options.add_argument("--calls", type=int, default=1_000_000)
    given = options.parse_args()
    result = WAYS[given.way](given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    json.dump({**result, "peak_memory": peak}, sys.stdout)


if __name__ == "__main__":
    main()
