"""Where one thread's CPU goes, by room and library."""

import faulthandler
import gc
import re
import sys
import sysconfig
import threading
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

_ROOMS = Path(__file__).resolve().parents[1]
_STANDARD = Path(sysconfig.get_path("stdlib"))
_SITE = Path(sysconfig.get_path("purelib"))

_GARBAGE = "garbage collection"
_FRAME = re.compile(r'File "(.*)", line \d+ in (.*)')

#: Libraries that are one thing to the reader.
_GROUPS = {
    "anyio": "asyncio",
    "langchain_core": "langchain",
    "langchain_openai": "langchain",
    "openai": "langchain",
    "multidict": "aiohttp",
    "yarl": "aiohttp",
    "propcache": "aiohttp",
}


class Sampler:
    """Looks at a thread's stack every few milliseconds and books the CPU it used since the last look.

    cProfile cannot tell threads apart since Python 3.12, and its cost falls on small functions. What C code and the
    standard library (but for asyncio) use is booked on whoever called them.
    """

    def __init__(self, thread: threading.Thread, *, every: float = 0.004) -> None:
        self._watched = thread.ident or 0
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._interval = sys.getswitchinterval()
        #: When the collection that is under way began, on the thread's own clock.
        self._collecting: float | None = None
        #: Seconds of CPU by room or library, and by function.
        self.packages: defaultdict[str, float] = defaultdict(float)
        self.functions: defaultdict[str, float] = defaultdict(float)

    def __enter__(self) -> Self:
        # A thread gives way only this long after it was asked to: by then it would be somewhere else.
        sys.setswitchinterval(1e-5)
        gc.callbacks.append(self._collect)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        gc.callbacks.remove(self._collect)
        sys.setswitchinterval(self._interval)

    def _run(self) -> None:
        clock = time.pthread_getcpuclockid(self._watched)
        last, collected = time.clock_gettime(clock), 0.0
        with TemporaryFile() as file:
            while not self._ended.wait(self._every):
                # A frame that is held here keeps alive what its function let go of; this holds none.
                faulthandler.dump_traceback(file)
                now, garbage, collecting = time.clock_gettime(clock), self.packages[_GARBAGE], self._collecting
                package, function = _owner(self._stack(file))
                if collecting is None:
                    used = now - last - (garbage - collected)
                    self.packages[package] += used
                    self.functions[f"{package} {function}"] += used
                    last, collected = now, garbage

    def _collect(self, phase: str, info: dict[str, int]) -> None:
        # Garbage is collected in the midst of whoever happens to allocate, and is not theirs.
        if threading.get_ident() != self._watched:
            return
        if self._collecting is not None:
            self.packages[_GARBAGE] += time.thread_time() - self._collecting
        self._collecting = time.thread_time() if phase == "start" else None

    def _stack(self, file: IO[bytes]) -> list[tuple[str, str]]:
        """Files and functions on the watched thread's stack, innermost first, out of all threads'."""
        file.seek(0)
        written = file.read().decode()
        file.seek(0)
        file.truncate()
        theirs = written.partition(f"0x{self._watched:016x}")[2].partition("\n\n")[0]
        return _FRAME.findall(theirs)


def _owner(stack: list[tuple[str, str]]) -> tuple[str, str]:
    found = ((_package(file), function) for file, function in stack)
    return next(((package, function) for package, function in found if package), ("other", ""))


@cache
def _package(file: str) -> str:
    if file.startswith("<"):  # made by dataclasses, or frozen into the interpreter
        return ""
    path = Path(file).resolve()
    if path == Path(__file__).resolve():  # a look taken as a collection begins or ends: its caller's
        return ""
    if path.is_relative_to(_SITE):
        name = path.relative_to(_SITE).parts[0].removesuffix(".py")
        return _GROUPS.get(name, name)
    if path.is_relative_to(_STANDARD):
        return "asyncio" if path.relative_to(_STANDARD).parts[0] in ("asyncio", "selectors.py") else ""
    return f"populace.{path.relative_to(_ROOMS).parts[0]}" if path.is_relative_to(_ROOMS) else ""
