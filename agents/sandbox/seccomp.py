"""The filter of system calls under which the kernel runs confined code (seccomp), as a program for it."""

import platform
import struct
from dataclasses import dataclass
from functools import cache

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
    return None if machine is None else b"".join(_program(machine))


def _program(machine: _Architecture) -> list[bytes]:
    load_number = _step(_LOAD, _NUMBER)
    return [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, machine.audit, 1, 0),
        _step(_RETURN, _KILL),
        load_number,
        # New threads, but no processes. clone3 cannot be looked into: without it, the C library takes clone.
        *_case(machine.clone3, [_step(_RETURN, _REFUSE | _ENOSYS)]),
        *_case(machine.clone, _where(0, _HAS, (_CLONE_THREAD,), _ALLOW, _REFUSE | _EPERM)),
        # The limits of this process may be read and lowered, but not those of another.
        *_case(machine.prlimit, _where(0, _EQUAL, (0,), _ALLOW, _REFUSE | _EPERM)),
        *_case(machine.fcntl, _where(1, _EQUAL, _SIGNALLING, _REFUSE | _EPERM, _ALLOW)),
        *_case(machine.ioctl, _where(1, _EQUAL, _ASKING, _ALLOW, _REFUSE | _EPERM)),
        *(step for one in machine.allowed.split() for step in _allowed(one)),
        _step(_RETURN, _REFUSE | _EPERM),
    ]


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _case(number: int, steps: list[bytes]) -> list[bytes]:
    return [_step(_EQUAL, number, 0, len(steps)), *steps]


def _where(argument: int, test: int, values: tuple[int, ...], then: int, otherwise: int) -> list[bytes]:
    """Return steps that answer `then` if the argument's lower half passes the test with one of the values.

    Otherwise they answer `otherwise`.
    """
    tests = [_step(test, value, len(values) - at) for at, value in enumerate(values)]
    return [_step(_LOAD, _ARGUMENTS + 8 * argument), *tests, _step(_RETURN, otherwise), _step(_RETURN, then)]


def _allowed(numbers: str) -> list[bytes]:
    first, _, last = numbers.partition("-")
    if not last:
        return [_step(_EQUAL, int(first), 0, 1), _step(_RETURN, _ALLOW)]
    return [_step(_AT_LEAST, int(first), 0, 2), _step(_ABOVE, int(last), 1, 0), _step(_RETURN, _ALLOW)]
