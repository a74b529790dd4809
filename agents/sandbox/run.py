"""Runs Python code confined, and returns its result."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import IO, Any
from weakref import WeakKeyDictionary

from ...core.errors import SetupError
from .child import MEMORY, UNCONFINED
from .levels import Confinement, SandboxLevel, command, environment, job_of
from .seccomp import filter_program

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
    under: Confinement | None = None,
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
        **job_of(confined, _rlimits(limits)),
    }
    async with _slots(), _folder() as folder:
        with tempfile.TemporaryFile() as record:
            record.write(json.dumps(job).encode())
            record.seek(0)
            return await _run(confined, folder, record, limits)


async def _run(confined: Confinement, folder: Path, record: IO[bytes], limits: SandboxLimits) -> CodeResult:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command(confined, folder, record.fileno(), limits.file_bytes),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment(folder),
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
        outcome, reason = _ending(process.returncode or 0, written, stderr, seconds, limits)
    returned = _returned(written) if written else ()
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


def _returned(written: dict[str, Any]) -> tuple[Returned, ...]:
    calls = [one for one in written["returned"] if isinstance(one, dict)]
    return tuple(Returned(one.get("value"), str(one.get("error", "")), str(one.get("error_type", ""))) for one in calls)


def _ending(
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
async def _folder() -> AsyncIterator[Path]:
    """Yield an empty folder, which is removed at the end with all its content."""
    folder = tempfile.TemporaryDirectory(prefix="populace-", dir=_temporary(), ignore_cleanup_errors=True)
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


@cache
def _temporary() -> str:
    return os.path.realpath(tempfile.gettempdir())


_SLOTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _slots() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    return _SLOTS.setdefault(loop, asyncio.Semaphore(os.cpu_count() or 1))


def confinement() -> Confinement:
    """Return the best level that works here, found out once by trying.

    Raises `SetupError` if code cannot be run at all.
    """
    for level in SandboxLevel:
        if unavailable(level) is None:
            return Confinement(level)
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
    failed = _probe(Confinement(level))
    return f"{level.value} does not work here: {failed}." if failed else None


def _probe(confined: Confinement) -> str:
    """Run code that tries what the level denies. Return what went wrong, or an empty text if it was denied."""
    with tempfile.TemporaryDirectory(prefix="populace-") as name, tempfile.NamedTemporaryFile() as secret:
        folder = Path(name).resolve() / "empty"
        folder.mkdir()
        trials = [f"open({secret.name!r}).close()"] * confined.files
        trials += ["import socket; socket.socket().close()", "import os; os.fork()"] * confined.processes
        with tempfile.TemporaryFile() as record:
            job = {"code": f"trials = {trials}{_PROBE}", "calls": []}
            record.write(json.dumps(job | job_of(confined, _rlimits(SandboxLimits()))).encode())
            record.seek(0)
            words = command(confined, folder, record.fileno(), SandboxLimits().file_bytes)
            try:
                ended = subprocess.run(  # noqa: S603 - our own command
                    words,
                    cwd=folder,
                    env=environment(folder),
                    pass_fds=(record.fileno(),),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=SandboxLimits().wall_seconds,
                    start_new_session=True,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return str(error)
    lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
    return "" if ended.returncode == 0 else lines[-1].rstrip(".")


_PROBE = """
import json, math
for trial in trials:
    try:
        exec(trial)
    except OSError:
        continue
    raise SystemExit(f"it does not deny: {trial}")
"""


def _rlimits(limits: SandboxLimits) -> dict[str, int]:
    return {
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
    }
