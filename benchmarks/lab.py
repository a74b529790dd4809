"""What cases share: a folder, processes of servers and clients, and findings beside their bars."""

import json
import operator
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

# Nothing heavy is imported here: a process's peak memory is never below that of the one that started it.

ROOT = Path(__file__).resolve().parents[1]

#: What one process measured.
type Result = dict[str, Any]

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "at least": operator.ge,
    "at most": operator.le,
    "under": operator.lt,
    "exactly": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """What a value must be: `Bar("at least", 0.9)`."""

    how: str
    much: float

    def holds(self, value: float) -> bool:
        """Whether a value passes."""
        return _COMPARED[self.how](value, self.much)

    def __str__(self) -> str:
        return f"{self.how} {self.much:,.10g}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure, and whether it passes; without a bar it is said and nothing more."""

    what: str
    value: float
    bar: Bar | None = None
    #: What else belongs beside the figure: lowest and highest, load, shares.
    beside: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the bar is passed; None without one."""
        return None if self.bar is None else self.bar.holds(self.value)

    def __str__(self) -> str:
        sign = {True: "pass", False: "FAIL", None: "    "}[self.holds]
        bar = f" (bar: {self.bar})" if self.bar else ""
        beside = f"; {self.beside}" if self.beside else ""
        return f"{sign}  {self.what}: {shown(self.value)}{bar}{beside}."


def median_of(runs: Sequence[Finding]) -> Finding:
    """Of the same finding in several runs the median; one with a bar of exactness is the worst of them."""
    first, values = runs[0], [run.value for run in runs]
    worst = next((run for run in runs if run.holds is False), first)
    value = worst.value if first.bar is not None and first.bar.how == "exactly" else median(values)
    return Finding(first.what, value, first.bar, spread(values))


def as_json(machine: Sequence[str], found: Sequence[tuple[str, Finding]]) -> str:
    """The findings of cases for a program to read."""
    rows = [
        {"case": case, "what": f.what, "value": f.value, "bar": str(f.bar or ""), "holds": f.holds, "beside": f.beside}
        for case, f in found
    ]
    return json.dumps({"machine": list(machine), "findings": rows}, indent=1)


def shown(value: float) -> str:
    """A number as it is read: whole ones whole, small ones with three digits behind the point."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1_000 else f"{value:,.3f}"


@dataclass(slots=True)
class Server:
    """A counting server in another process: where it is, and what it counted once it has ended."""

    base_url: str
    counted: Result = field(default_factory=dict)

    @property
    def share(self) -> str:
        """The share of one core that it took."""
        return f"the server took {self.counted['cpu'] / max(1e-9, self.counted['seconds']):.0%} of a core"


class Lab:
    """Runs servers and clients in processes of their own, and keeps their files in one folder."""

    def __init__(self, folder: Path, *, repeat: int = 3) -> None:
        self.folder = folder
        self.repeat = repeat
        self._files = 0
        self._hubs: dict[int, Path] = {}

    def new(self, suffix: str) -> Path:
        """A path that nothing is at yet."""
        self._files += 1
        return self.folder / f"{self._files}{suffix}"

    @contextmanager
    def server(self, *options: object) -> Iterator[Server]:
        """A counting server with these options, until the block ends; then what it counted is there."""
        command = python("-m", "benchmarks.counting", *options)
        with subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            line = process.stdout.readline().strip() if process.stdout else ""
            if not line:
                raise SystemExit("The counting server did not start; what it said of it stands above.")
            server = Server(line)
            try:
                yield server
            finally:
                said = process.communicate()[0]  # its input ends, and with it the server
            server.counted = json.loads(said)

    def ask(self, kind: str, server: Server, *options: object) -> Result:
        """What `asking.py` measured: kind is `gateway` or `raw`."""
        return output("benchmarks.asking", kind, server.base_url, *options)

    def give(self, path: Path, agents: int) -> None:
        """Have a hub of so many people that need not be grown."""
        self._hubs[agents] = path

    def hub(self, agents: int) -> Path:
        """A hub of so many people, grown once."""
        if agents not in self._hubs:
            path = self.new(".hub.duckdb")
            grown = output("benchmarks.village", path, "--agents", agents)["agents"]
            if grown != agents:
                raise SystemExit(f"{agents} people were to be grown for the benchmark, but {grown} were.")
            self._hubs[agents] = path
        return self._hubs[agents]


@contextmanager
def watched() -> Iterator[Callable[[], str]]:
    """Says afterwards how busy the machine was with other work than the processes that were started and ended here."""
    load, busy, ours = os.getloadavg()[0], _busy(), _ours()
    said: list[str] = []
    yield lambda: said[0]
    others = _busy() - busy - (_ours() - ours)
    said.append(f"load {load:.1f} before, others took {max(0.0, others):.0f} s of CPU meanwhile")


def _busy() -> float:
    # The fields of /proc/stat: user, nice, system, idle, iowait, irq, softirq, in hundredths.
    try:
        numbers = [int(n) for n in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    except OSError:
        return 0.0
    return (sum(numbers[:3]) + sum(numbers[5:7])) / os.sysconf("SC_CLK_TCK")


def _ours() -> float:
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def peak_memory() -> int:
    """The most bytes that this process has had in memory; by `getrusage` it would be those of its parent, too."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def python(*options: object) -> list[str]:
    """A command line of this Python."""
    return [sys.executable, *map(str, options)]


def populace(*options: object) -> list[str]:
    """A command line of Populace's own command."""
    return python("-m", "populace", *options)


def environment() -> dict[str, str]:
    """The environment of every process: no tracing, and no model but the one on this machine."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LANGSMITH_", "LANGCHAIN_", "OPENAI_"))}
    paths = [str(ROOT / "src"), str(ROOT / "tests" / "support"), *kept.get("PYTHONPATH", "").split(os.pathsep)]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "POPULACE_FORBID_MODELS": "1", "COLUMNS": "100"}


def finished(command: Sequence[str], *, sampled: float = 0) -> Result:
    """What a process took that ended well, seconds from start to end, CPU and memory, and what it said.

    `sampled` are the seconds between two looks at the bytes that it has in memory, which make the list `memory`.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        ended = Event()
        with ThreadPoolExecutor(2) as pool:
            complaint = pool.submit(process.stderr.read) if process.stderr else None
            memory = pool.submit(_memory, process.pid, sampled, ended) if sampled else None
            said = process.stdout.read() if process.stdout else ""
            ended.set()
        _, status, used = os.wait4(process.pid, 0)
        wall, process.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
    if process.returncode:
        wrong = complaint.result() if complaint else ""
        raise SystemExit(f"A command of the benchmark ended with {process.returncode}: {said}{wrong}")
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    took = {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_memory": peak, "said": said}
    return took | {"memory": memory.result() if memory else []}


def _memory(process: int, every: float, ended: Event) -> list[int]:
    """The bytes that a process has in memory, as often as that; nothing where the system does not tell."""
    found: list[int] = []
    while not ended.wait(every):
        try:
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            break
        found.append(1024 * int(status.partition("VmRSS:")[2].split()[0]))
    return found


def output(module: str, *options: object) -> Result:
    """The JSON that a module of the benchmarks prints when it is run."""
    command = python("-m", module, *options)
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=True)
    result: Result = json.loads(done.stdout)
    return result


def killed(module: str, *options: object) -> None:
    """Run a module of the benchmarks that ends itself with -9."""
    status = subprocess.run(python("-m", module, *options), cwd=ROOT, env=environment()).returncode
    if status != -signal.SIGKILL:
        raise SystemExit(f"{module} was to be killed on its way, but ended with status {status}.")


def prose(rng: random.Random, words: int) -> str:
    """Text that compresses about as prose does: words of one to four syllables, the frequent ones short."""
    return " ".join(rng.choice(rng.choice(_VOCABULARIES)) for _ in range(words))


def _vocabularies() -> list[list[str]]:
    rng = random.Random(1)
    syllables = ["".join(map(rng.choice, ("bdfghklmnprstvw", "aeiou", "nrstl"))) for _ in range(300)]
    words = ["".join(rng.choices(syllables, k=1 + place.bit_length() // 4)) for place in range(4**6)]
    return [words[: 4**power] for power in range(2, 7)]


_VOCABULARIES = _vocabularies()


def spread(values: Sequence[float]) -> str:
    """Lowest and highest of several."""
    return f"{shown(min(values))} to {shown(max(values))} in {len(values)} runs" if len(values) > 1 else "one run"
