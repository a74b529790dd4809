"""Runs Python code confined: without network, with its own folder, within limits, as far as this machine allows."""

import asyncio
import json
import os
import platform
import shutil
import signal
import struct
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import IO, Any
from weakref import WeakKeyDictionary

from ..core.errors import SetupError
from .sandbox_child import MEMORY, UNCONFINED

#: What computing, threads, and files in folders that may be reached take; everything else is refused: sockets, new
#: processes, signals, mounts, namespaces, tracing, changed owners, modes and times of files, shared memory, keyrings.
#: Numbers are from asm/unistd_64.h and asm-generic/unistd.h for: read to pwritev, open to fallocate and renameat2,
#: stat to statx, mmap to mremap, futex to rseq, rt_sigaction to sigaltstack, the clocks and timers, get*id, wait4,
#: poll, select and epoll, pipe, dup, eventfd2, getrandom, uname, sysinfo, sched_get*, ioctl, exit.
_X86_64 = (
    "0-28 32-40 60-61 63 72-89 95-100 102 104 107-108 110-111 115 118 120-121 124 127-128 130-131 137-138 143 145-147 "
    "158 186 202 204 217-219 221 228-233 247 257-258 262-267 269-271 273-274 281 285 290-293 295-296 309 316 318 324 "
    "326 332 334 436 439"
)
_AARCH64 = (
    "17 19-25 29 32 34-38 43-50 56-57 59 61-73 78-80 82-83 93-96 98-103 113-115 120-121 123-126 128 132-137 139 148 "
    "150 153 155-156 158 160 163 165-166 168-169 172-179 214-216 222-223 226-227 232-233 260 276 278 283 285 291 293 "
    "436 439"
)

_LOAD, _EQUAL, _AT_LEAST, _ABOVE, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x10000
#: F_SETOWN, F_SETSIG and F_SETOWN_EX, by which a file would send signals to other processes.
_SIGNALLING = (8, 10, 15)
#: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX and FIOCLEX: asking what a file is, and how it is waited for.
_ASKING = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)


@dataclass(frozen=True, slots=True)
class _Architecture:
    audit: int
    allowed: str
    clone: int
    clone3: int
    fcntl: int
    ioctl: int
    prlimit: int


_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, _X86_64, clone=56, clone3=435, fcntl=72, ioctl=16, prlimit=302),
    "aarch64": _Architecture(0xC00000B7, _AARCH64, clone=220, clone3=435, fcntl=25, ioctl=29, prlimit=261),
}


@cache
def filter_program() -> bytes | None:
    """Return the filter for this machine.

    Return None if it does not run Linux or has an architecture whose calls are not listed.
    """
    machine = _ARCHITECTURES.get(platform.machine()) if platform.system() == "Linux" else None
    return None if machine is None else b"".join(_make_program(machine))


def _make_program(machine: _Architecture) -> list[bytes]:
    load_number = _make_step(_LOAD, _NUMBER)
    return [
        _make_step(_LOAD, _ARCHITECTURE),
        _make_step(_EQUAL, machine.audit, 1, 0),
        _make_step(_RETURN, _KILL),
        load_number,
        # New threads, but no processes. clone3 cannot be looked into: without it, the C library takes clone.
        *_make_case(machine.clone3, [_make_step(_RETURN, _REFUSE | _ENOSYS)]),
        *_make_case(machine.clone, _make_tests(0, _HAS, (_CLONE_THREAD,), _ALLOW, _REFUSE | _EPERM)),
        # The limits of this process may be read and lowered, but not those of another.
        *_make_case(machine.prlimit, _make_tests(0, _EQUAL, (0,), _ALLOW, _REFUSE | _EPERM)),
        *_make_case(machine.fcntl, _make_tests(1, _EQUAL, _SIGNALLING, _REFUSE | _EPERM, _ALLOW)),
        *_make_case(machine.ioctl, _make_tests(1, _EQUAL, _ASKING, _ALLOW, _REFUSE | _EPERM)),
        *(step for one in machine.allowed.split() for step in _allow_numbers(one)),
        _make_step(_RETURN, _REFUSE | _EPERM),
    ]


def _make_step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _make_case(number: int, steps: list[bytes]) -> list[bytes]:
    return [_make_step(_EQUAL, number, 0, len(steps)), *steps]


def _make_tests(argument: int, test: int, values: tuple[int, ...], then: int, otherwise: int) -> list[bytes]:
    """Return steps that answer `then` if the argument's lower half passes the test with one of the values.

    Otherwise they answer `otherwise`.
    """
    tests = [_make_step(test, value, len(values) - at) for at, value in enumerate(values)]
    return [
        _make_step(_LOAD, _ARGUMENTS + 8 * argument),
        *tests,
        _make_step(_RETURN, otherwise),
        _make_step(_RETURN, then),
    ]


def _allow_numbers(numbers: str) -> list[bytes]:
    first, _, last = numbers.partition("-")
    if not last:
        return [_make_step(_EQUAL, int(first), 0, 1), _make_step(_RETURN, _ALLOW)]
    return [_make_step(_AT_LEAST, int(first), 0, 2), _make_step(_ABOVE, int(last), 1, 0), _make_step(_RETURN, _ALLOW)]


_CHILD = Path(__file__).with_name("sandbox_child.py")
#: What an interpreter reads beside its own library, where it is there.
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime")
#: `-S` and `-s`: no installed packages; `-P`: no module is found by where the code lies.
_PYTHON = ("-S", "-s", "-P", "-B", "-X", "utf8")


class SandboxLevel(StrEnum):
    """What confines the code, from most to least."""

    #: Namespaces of its own, by the program `bwrap`, and a filter of system calls.
    BUBBLEWRAP = "bubblewrap"
    #: Rules of the kernel for files, and a filter of system calls. Linux 6.2 and later.
    LANDLOCK = "landlock"
    #: A filter of system calls. Linux.
    SECCOMP = "seccomp"
    #: Limits of time, memory and sizes alone.
    LIMITS = "limits"

    @property
    def network(self) -> bool:
        """Whether the kernel cuts the network."""
        return self is not SandboxLevel.LIMITS

    @property
    def files(self) -> bool:
        """Whether the kernel denies files outside the code's own folder."""
        return self in (SandboxLevel.BUBBLEWRAP, SandboxLevel.LANDLOCK)

    @property
    def processes(self) -> bool:
        """Whether the kernel denies new processes, and signals to others."""
        return filter_program() is not None and self is not SandboxLevel.LIMITS

    @property
    def sentence(self) -> str:
        """What is confined and what is not, for the terminal and for rows."""
        always = "limited in time, memory and output, with nothing of the environment"
        match self:
            case SandboxLevel.BUBBLEWRAP:
                return f"Code runs {always}, without network, other processes or files but Python's own (bubblewrap)."
            case SandboxLevel.LANDLOCK:
                return (
                    f"Code runs {always}, without network, other processes or files but Python's own (seccomp and "
                    "Landlock); it can see which files there are, and its own folder may grow as long as it runs."
                )
            case SandboxLevel.SECCOMP:
                return (
                    f"Code runs {always}, without network or other processes (seccomp); not confined: it can read "
                    "and write the files that you can. Install bubblewrap to confine those."
                )
            case SandboxLevel.LIMITS:
                return (
                    f"Code runs {always}; not confined: it can reach the network and the files that you can. Install "
                    "bubblewrap (Linux), or run this in a container."
                )


def command(confined: SandboxLevel, folder: Path, descriptor: int, folder_bytes: int) -> list[str]:
    """Return the command that runs the code in the folder. Its job is on the descriptor."""
    python = [_find_interpreter(), *_PYTHON, "-c", _read_child(), str(descriptor)]
    if confined is not SandboxLevel.BUBBLEWRAP:
        return python
    bound = [word for path in (*readable_paths(), _find_interpreter()) for word in ("--ro-bind", path, path)]
    return [
        *(shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"),
        *bound,
        *("--dev", "/dev", "--size", str(folder_bytes), "--tmpfs", str(folder), "--chdir", str(folder)),
        *python,
    ]


def make_environment(folder: Path) -> dict[str, str]:
    """Return all environment variables that the code gets."""
    return {"HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}


def job_of(confined: SandboxLevel, rlimits: Mapping[str, int]) -> dict[str, Any]:
    """Return how the child confines itself."""
    program = None if confined is SandboxLevel.LIMITS else filter_program()
    # Where no filter denies processes, the limit of their number does: none but this one.
    processes = {"RLIMIT_NPROC": 0} if program is None else {}
    return {
        "rlimits": {**rlimits, "RLIMIT_CORE": 0, **processes},
        "filter": program.hex() if program else "",
        "landlock": confined is SandboxLevel.LANDLOCK,
        "readable": readable_paths() if confined is SandboxLevel.LANDLOCK else (),
    }


@cache
def readable_paths() -> Sequence[str]:
    """Return the folders of Python's own library and the system's, which confined code may read."""
    base = Path(sys.base_prefix).resolve()
    names = {"base": str(base), "platbase": str(base), "installed_base": str(base), "installed_platbase": str(base)}
    own = (sysconfig.get_path("stdlib", vars=names), sysconfig.get_path("platstdlib", vars=names))
    # Libraries that extension modules are linked with lie beside Python's own, where it does not come with the system.
    paths = dict.fromkeys([*own, str(base / "lib"), *_SYSTEM])
    return tuple(path for path in paths if path and os.path.exists(path))  # noqa: PTH110 - as they are written


@cache
def _find_interpreter() -> str:
    # That of a virtual environment is a link to this one.
    return str(Path(getattr(sys, "_base_executable", None) or sys.executable).resolve())


@cache
def _read_child() -> str:
    return _CHILD.read_text(encoding="utf-8")


_MEGABYTE = 1 << 20

#: Characters of a reason: the last line of stderr may be all of it.
_LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one run may use."""

    cpu_seconds: int = 5
    wall_seconds: float = 20.0
    #: Address space; Python itself takes about 30 MB of it.
    memory_bytes: int = 512 * _MEGABYTE
    #: The largest file that it may write; with bubblewrap, of all of them together.
    file_bytes: int = 16 * _MEGABYTE
    open_files: int = 64
    #: Of each of stdout and stderr.
    output_bytes: int = _MEGABYTE


class CodeOutcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    #: The code raised an exception, or ended with an exit code other than 0.
    ERROR = "error"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    #: A signal ended it, as of a crash.
    KILLED = "killed"
    #: It wrote more than it may.
    OUTPUT_LIMIT = "output_limit"


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function that the code defines."""

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a call gave: a JSON value, or an error."""

    value: Any
    #: The exception and what it says, on one line; empty where there is none.
    error: str = ""
    #: The name of the exception's class; empty without an error, and where the call was not made.
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class CodeResult:
    """The result of a run."""

    outcome: CodeOutcome
    stdout: str
    stderr: str
    seconds: float
    #: The last line of the exception, or what ended the run; empty when all went well.
    reason: str = ""
    #: What each call gave, as far as they were made.
    returned: tuple[Returned, ...] = ()


async def run_code(
    code: str,
    *,
    calls: Sequence[FunctionCall] = (),
    limits: SandboxLimits | None = None,
    under: SandboxLevel | None = None,
) -> CodeResult:
    """Run Python code in a process of its own, as confined as this machine allows (`confinement()`), or as given.

    It runs in an empty folder and has no input. After the code, `calls` are made, whose values are in `returned`.
    As many run at a time as there are processors. Raises `SetupError` where no code can be run.
    """
    limits = limits or SandboxLimits()
    confined = await asyncio.to_thread(confinement) if under is None else under
    job = {
        "code": code,
        "calls": [{"function": c.function, "arguments": dict(c.arguments)} for c in calls],
        **job_of(confined, _list_rlimits(limits)),
    }
    async with _sandbox_slots(), _empty_folder() as folder:
        with tempfile.TemporaryFile() as record:
            record.write(json.dumps(job).encode())
            record.seek(0)
            return await _run_confined(confined, folder, record, limits)


async def _run_confined(confined: SandboxLevel, folder: Path, record: IO[bytes], limits: SandboxLimits) -> CodeResult:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command(confined, folder, record.fileno(), limits.file_bytes),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=make_environment(folder),
        pass_fds=(record.fileno(),),
        start_new_session=True,
    )
    outputs = [_CappedStream(s, limits.output_bytes, process.pid) for s in (process.stdout, process.stderr) if s]
    streams = asyncio.gather(*(one.read() for one in outputs))
    timed_out = False
    try:
        async with asyncio.timeout(limits.wall_seconds):
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        _kill_group(process.pid)
        await process.wait()
        # A process that left its group may still hold the pipes, where processes are not confined.
        await asyncio.wait([streams], timeout=1)
        streams.cancel()
        await asyncio.wait([streams])
        # Retrieved, so that asyncio logs no traceback of it.
        _ = streams.cancelled() or streams.exception()
        # asyncio closes the pipes when the last holder ends, which may be after the event loop.
        process._transport.close()  # type: ignore[attr-defined]
    seconds = time.perf_counter() - started
    stdout, stderr = (bytes(one.kept).decode(errors="replace") for one in outputs)
    written = _read_record(record, limits)
    if any(one.flooded for one in outputs) or written is None:
        outcome, reason = CodeOutcome.OUTPUT_LIMIT, f"it wrote more than {limits.output_bytes:,} bytes"
    elif timed_out:
        outcome, reason = CodeOutcome.TIMEOUT, f"it ran longer than {limits.wall_seconds:g} s"
    else:
        outcome, reason = _describe_ending(process.returncode or 0, written, stderr, seconds, limits)
    returned = _read_returned(written) if written else ()
    return CodeResult(outcome, stdout, stderr, seconds, reason, returned)


class _CappedStream:
    """What a stream gave, up to a size; more than that ends the run."""

    def __init__(self, stream: asyncio.StreamReader, most: int, group: int) -> None:
        self._stream, self._most, self._group = stream, most, group
        self.kept = bytearray()
        self.flooded = False

    async def read(self) -> None:
        while chunk := await self._stream.read(1 << 16):
            room = self._most - len(self.kept)
            self.kept += chunk[:room]
            if len(chunk) > room and not self.flooded:
                self.flooded = True
                _kill_group(self._group)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it ended by itself
        os.killpg(group, signal.SIGKILL)


def _read_record(record: IO[bytes], limits: SandboxLimits) -> dict[str, Any] | None:
    """Read what the child wrote down. Return {} if it did not finish, None if the record is too long."""
    record.seek(0)
    text = record.read(limits.output_bytes + 1)
    try:
        written = json.loads(text) if len(text) <= limits.output_bytes else None
        if b"\\ud" in text:  # half a surrogate pair can be held by a str and by no file
            written = json.loads(json.dumps(written, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    if isinstance(written, dict) and isinstance(written.get("returned"), list) and "job" not in written:
        return written
    return None if written is None and text else {}


def _read_returned(written: dict[str, Any]) -> tuple[Returned, ...]:
    calls = [one for one in written["returned"] if isinstance(one, dict)]
    return tuple(Returned(one.get("value"), str(one.get("error", "")), str(one.get("error_type", ""))) for one in calls)


def _describe_ending(
    code: int, written: dict[str, Any], stderr: str, seconds: float, limits: SandboxLimits
) -> tuple[CodeOutcome, str]:
    if code == UNCONFINED:
        raise SetupError(f"The sandbox failed: {stderr.strip()}")
    if code == MEMORY:
        return CodeOutcome.MEMORY, f"it needed more than {limits.memory_bytes >> 20} MB"
    if code == 0:
        return (CodeOutcome.OK, "") if written else (CodeOutcome.ERROR, "it ended before its last line")
    number = -code if code < 0 else code - 128  # of the signal; a code above 128 where bubblewrap passes it on
    if number == signal.SIGXCPU or (number == signal.SIGKILL and seconds >= limits.cpu_seconds):
        return CodeOutcome.TIMEOUT, f"it computed longer than {limits.cpu_seconds} s"
    if number > 0:
        return CodeOutcome.KILLED, f"signal {number} ended it"
    lines = stderr.strip().splitlines()
    reason = str(written.get("error") or (lines[-1] if lines else f"it ended with exit code {code}"))
    return CodeOutcome.ERROR, reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]} [...]"


@asynccontextmanager
async def _empty_folder() -> AsyncIterator[Path]:
    """Yield an empty folder, which is removed at the end with all its content."""
    folder = tempfile.TemporaryDirectory(prefix="populace-", dir=_temporary_folder(), ignore_cleanup_errors=True)
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


@cache
def _temporary_folder() -> str:
    return os.path.realpath(tempfile.gettempdir())


_SLOTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _sandbox_slots() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    return _SLOTS.setdefault(loop, asyncio.Semaphore(os.cpu_count() or 1))


def confinement() -> SandboxLevel:
    """Return the best level that works here, found out once by trying.

    Raises `SetupError` if code cannot be run at all.
    """
    for level in SandboxLevel:
        if unavailable(level) is None:
            return level
    raise SetupError(f"No code can be run here: {unavailable(SandboxLevel.LIMITS)}")


@cache
def unavailable(level: SandboxLevel) -> str | None:
    """Return the reason why the level does not work here, in a sentence, or None if it works."""
    if os.name != "posix":
        return "running code needs Linux or macOS."
    if level in (SandboxLevel.LANDLOCK, SandboxLevel.SECCOMP) and filter_program() is None:
        return f"{level.value} needs Linux on x86_64 or aarch64."
    if level is SandboxLevel.BUBBLEWRAP and shutil.which("bwrap") is None:
        return "bubblewrap is not installed: there is no program bwrap."
    failed = _probe_level(level)
    return f"{level.value} does not work here: {failed}." if failed else None


def _probe_level(confined: SandboxLevel) -> str:
    """Run code that tries what the level denies. Return what went wrong, or an empty text if it was denied."""
    with tempfile.NamedTemporaryFile() as secret, ThreadPoolExecutor(1) as pool:  # beside any event loop
        trials = [f"open({secret.name!r}).close()"] * confined.files
        trials += ["import socket; socket.socket().close()", "import os; os.fork()"] * confined.processes
        try:
            done = pool.submit(asyncio.run, run_code(f"trials = {trials}{_PROBE}", under=confined)).result()
        except (OSError, SetupError) as error:
            return str(error)
    return done.reason.rstrip(".")


_PROBE = """
import json, math
for trial in trials:
    try:
        exec(trial)
    except OSError:
        continue
    raise SystemExit(f"it does not deny: {trial}")
"""


def _list_rlimits(limits: SandboxLimits) -> dict[str, int]:
    return {
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
    }
