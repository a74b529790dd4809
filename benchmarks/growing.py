"""What growth is measured with: the texts it begins from, and a process that kills it half-way.

Prints what came of it, as JSON.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from benchmarks.lab import ROOT

from populace.core.errors import PopulaceError
from populace.personas.persona import shipped_passages
from populace.sim.runfile.reader import open_run

type Result = dict[str, Any]

#: Seconds until growth that does not come so far is given up, and between two looks at how far it is.
_PATIENCE, _LOOK = 3600.0, 0.03


def write_texts(given: argparse.Namespace) -> Result:
    """The first so many of the texts that ship."""
    some = shipped_passages()[: given.number]
    given.path.write_bytes(b"\n".join(orjson.dumps({"text": passage.text}) for passage in some))
    return {"texts": len(some)}


def kill_at(given: argparse.Namespace) -> Result:
    """Begin a command that grows into the hub, and kill it with -9 once so many people are there."""
    deadline = time.monotonic() + _PATIENCE
    with subprocess.Popen(given.command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and _born(given.path) < given.number and time.monotonic() < deadline:
            time.sleep(_LOOK)
        process.send_signal(signal.SIGKILL)
    return {"killed": process.returncode == -signal.SIGKILL, "people": _born(given.path)}


def _born(hub: Path) -> int:
    try:
        with open_run(hub) as run:
            return int(run.query("SELECT coalesce(sum(born), 0) FROM growth_chunks").rows[0][0])
    except PopulaceError:  # it is just being made
        return 0


WAYS: dict[str, Callable[[argparse.Namespace], Result]] = {"texts": write_texts, "kill": kill_at}


def main() -> None:
    """Do one of them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("way", choices=sorted(WAYS))
    options.add_argument("path", type=Path)
    options.add_argument("number", type=int, help="how many texts, or the people at whom growth is killed")
    options.add_argument("command", nargs=argparse.REMAINDER)
    given = options.parse_args()
    json.dump(WAYS[given.way](given), sys.stdout)


if __name__ == "__main__":
    main()
