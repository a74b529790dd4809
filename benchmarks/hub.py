"""What a hub of people costs, measured: each figure beside its bar, and beside a reference where that helps.

python benchmarks/hub.py store choose --size small    # one case or several
python benchmarks/hub.py --all --size large           # 1,000,000 people and 3,000,000 relations
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.choose_cases import choose
from benchmarks.fault_cases import faults
from benchmarks.growth_cases import growth
from benchmarks.lab import Finding, Lab, as_json
from benchmarks.sizes import SIZES, Size
from benchmarks.store_cases import store
from benchmarks.vector_cases import vectors

LIBRARIES = ("populace", "duckdb", "pyarrow", "orjson", "numpy", "networkx", "aiohttp", "faiss-cpu")

type Case = Callable[[Lab, Size], Iterator[Finding]]

#: Each measures one part of the hub; further parts are further lines.
CASES: dict[str, Case] = {
    "store": store,
    "choose": choose,
    "growth": growth,
    "faults": faults,
    "vectors": vectors,
}


def heading(size: str) -> Iterator[str]:
    """On what it is measured, and how much."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield f"machine   {system}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    yield f"versions  {', '.join(f'{name} {_version(name)}' for name in LIBRARIES)}"
    yield f"size      {size}: {SIZES[size]}"


def measure(names: Sequence[str], lab: Lab, size: Size) -> Iterator[tuple[str, Finding]]:
    """The findings of each case, printed as they come."""
    for name in names:
        print(f"\n{name}: {(CASES[name].__doc__ or '').strip()}", flush=True)
        for finding in CASES[name](lab, size):
            print(finding, flush=True)
            yield name, finding


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; the exit status is 1 when a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    options.add_argument("--all", action="store_true", help="every case")
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--json", type=Path, help="write the findings to this file too")
    given = options.parse_args(arguments)
    names = list(CASES) if given.all else given.cases
    if unknown := sorted(set(names) - set(CASES)):
        options.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    if not names:
        options.error("name a case or give --all")
    machine = list(heading(given.size))
    print(*machine, sep="\n")
    with TemporaryDirectory() as folder:
        found = list(measure(names, Lab(Path(folder)), SIZES[given.size]))
    if given.json:
        given.json.write_text(as_json(machine, found))
    sys.exit(any(finding.holds is False for _, finding in found))


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
