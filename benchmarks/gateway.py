"""What the model gateway promises, measured: each figure beside its bar, and beside a raw client where that helps.

python benchmarks/gateway.py wide cpu [--repeat 3] [--json results.json]
python benchmarks/gateway.py --all
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cost_cases import cpu, long, profile
from benchmarks.lab import Finding, Lab, as_json
from benchmarks.pace_cases import allows40, faults, refusals, tpm, turns, wide
from benchmarks.safety_cases import budget, kill

LIBRARIES = ("populace", "langchain-core", "langchain-openai", "langgraph", "aiohttp", "duckdb", "pyarrow")

type Case = Callable[[Lab], Iterator[Finding]]

CASES: dict[str, Case] = {
    "wide": wide,
    "turns": turns,
    "cpu": cpu,
    "profile": profile,
    "faults": faults,
    "refusals": refusals,
    "allows40": allows40,
    "tpm": tpm,
    "kill": kill,
    "budget": budget,
    "long": long,
}


def heading() -> Iterator[str]:
    """On what it is measured."""
    cores, system = os.cpu_count(), f"{platform.system()} {platform.machine()}"
    yield f"machine   {system}, {cores} cores shared with the server, Python {platform.python_version()}"
    yield f"versions  {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}"


def measure(names: list[str], lab: Lab) -> Iterator[tuple[str, Finding]]:
    """The findings of each case, as they come."""
    for name in names:
        print(f"\n{name}: {(CASES[name].__doc__ or '').strip()}", flush=True)
        for finding in CASES[name](lab):
            print(finding, flush=True)
            yield name, finding


def main() -> None:
    """Measure and print; the exit status is 1 when a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}")
    options.add_argument("--all", action="store_true", help="every case, about half an hour")
    options.add_argument("--repeat", type=int, default=3, help="runs of the cases whose figures are medians")
    options.add_argument("--json", type=Path, help="write the findings to this file too")
    given = options.parse_args()
    names = list(CASES) if given.all else given.cases
    if unknown := sorted(set(names) - set(CASES)):
        options.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    if not names or given.repeat < 1:
        options.error("name a case or give --all, and repeat at least once")
    print("\n".join(heading()))
    with TemporaryDirectory() as folder:
        found = list(measure(names, Lab(Path(folder), repeat=given.repeat)))
    if given.json:
        given.json.write_text(as_json(list(heading()), found))
    sys.exit(any(finding.holds is False for _, finding in found))


if __name__ == "__main__":
    main()
