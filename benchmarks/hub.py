"""What a hub of people costs, measured: each figure beside its bar, and beside a reference where that helps.

python benchmarks/hub.py store --size small           # 20,000 people, a minute
python benchmarks/hub.py --all --size large           # 1,000,000 people and 3,000,000 relations
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

from benchmarks.lab import Finding, Lab
from benchmarks.store_cases import SIZES, Size, store

LIBRARIES = ("populace", "duckdb", "pyarrow", "orjson", "numpy", "networkx")

type Case = Callable[[Lab, Size], Iterator[Finding]]

#: Each measures one part of the hub; further parts are further lines.
CASES: dict[str, Case] = {
    "store": store,
}


def heading(size: str) -> Iterator[str]:
    """On what it is measured, and how much."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield f"machine   {system}, Python {platform.python_version()}"
    yield f"versions  {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}"
    yield f"size      {size}: {SIZES[size].people:,} people, {SIZES[size].ties:,} relations"


def main() -> None:
    """Measure and print; the exit status is 1 when a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    options.add_argument("--all", action="store_true", help="every case")
    options.add_argument("--size", choices=sorted(SIZES), default="small")
    given = options.parse_args()
    names = list(CASES) if given.all else given.cases
    if unknown := sorted(set(names) - set(CASES)):
        options.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    if not names:
        options.error("name a case or give --all")
    print(*heading(given.size), sep="\n")
    with TemporaryDirectory() as folder:
        missed = [finding for name in names for finding in _measured(name, Lab(Path(folder)), SIZES[given.size])]
    sys.exit(1 if missed else 0)


def _measured(name: str, lab: Lab, size: Size) -> Iterator[Finding]:
    """The findings that miss their bar; all are printed as they come."""
    print(f"\n{name}: {(CASES[name].__doc__ or '').strip()}", flush=True)
    for finding in CASES[name](lab, size):
        print(finding, flush=True)
        if finding.holds is False:
            yield finding


if __name__ == "__main__":
    main()
