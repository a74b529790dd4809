"""Where one thread's CPU goes, by room and library."""

import gc
import sys
import sysconfig
import threading
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Self

__all__ = ["Sampler"]

_ROOMS = Path(__file__).resolve().parents[1]
_STANDARD = Path(sysconfig.get_path("stdlib"))
_SITE = Path(sysconfig.get_path("purelib"))

_GARBAGE = "garbage collection"

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
    """Looks at a thread's stack every millisecond and books the CPU it used since the last look.

    cProfile cannot tell threads apart since Python 3.12, and its cost falls on small functions. What C code and the
    standard library (but for asyncio) use is booked on whoever called them.
    """

    def __init__(self, thread: threading.Thread, *, every: float = 0.001) -> None:
        self._watched = thread.ident or 0
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._interval = sys.getswitchinterval()
        self._began = 0.0
        #: Seconds of CPU by room or library, and by function.
        self.packages: defaultdict[str, float] = defaultdict(float)
        self.functions: defaultdict[str, float] = defaultdict(float)

    def __enter__(self) -> Self:
        # A thread gives way only this long after it was asked to: by then it would be somewhere else.
        sys.setswitchinterval(1e-5)
        gc.callbacks.append(self._collecting)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        gc.callbacks.remove(self._collecting)
        sys.setswitchinterval(self._interval)

    def _run(self) -> None:
        clock = time.pthread_getcpuclockid(self._watched)
        last, collected = time.clock_gettime(clock), 0.0
        while not self._ended.wait(self._every):
            frame = sys._current_frames().get(self._watched)
            now, garbage = time.clock_gettime(clock), self.packages[_GARBAGE]
            used = now - last - (garbage - collected)
            package, function = _owner(frame)
            self.packages[package] += used
            self.functions[function] += used
            last, collected = now, garbage

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        # Garbage is collected in the midst of whoever happens to allocate, and is not theirs.
        if threading.get_ident() != self._watched:
            return
        if phase == "start":
            self._began = time.thread_time()
        else:
            self.packages[_GARBAGE] += time.thread_time() - self._began


def _owner(frame: FrameType | None) -> tuple[str, str]:
    while frame is not None:
        package = _package(frame.f_code)
        if package is not None:
            return package, f"{package} {frame.f_code.co_qualname}"
        frame = frame.f_back
    return "other", "other"


@cache
def _package(code: CodeType) -> str | None:
    if code.co_filename.startswith("<"):  # made by dataclasses, or frozen into the interpreter
        return None
    path = Path(code.co_filename).resolve()
    if path.is_relative_to(_SITE):
        name = path.relative_to(_SITE).parts[0].removesuffix(".py")
        return _GROUPS.get(name, name)
    if path.is_relative_to(_STANDARD):
        inside = path.relative_to(_STANDARD).parts[0]
        return "asyncio" if inside in ("asyncio", "selectors.py") else None
    return f"populace.{path.relative_to(_ROOMS).parts[0]}" if path.is_relative_to(_ROOMS) else None
