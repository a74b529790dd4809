"""The program of the confined process: it confines itself, runs the code, and writes down the result.

The parent hands this file over as source (`python -c`), so that it imports nothing of Populace. Its one argument is
the number of a descriptor: a file with the job as JSON, to which the record of the run is written. What it imports is
part of the time of every run: `typing` alone would be an eighth of it.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # as in `typing`, for checkers of types
if TYPE_CHECKING:
    from typing import Any

#: Exit codes beside 0 and 1, which Python uses itself.
UNCONFINED, MEMORY = 96, 97

#: System calls of Landlock, the same on all architectures, and its rights (linux/landlock.h).
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11  # devices, sockets, pipes
_ALL = (1 << 15) - 1
#: The first version in which Landlock guards against `truncate`.
_LANDLOCK_VERSION = 3


def main() -> None:
    """Read the job, confine this process, run the code and write the record."""
    descriptor = int(sys.argv[1])
    with open(descriptor, encoding="utf-8", closefd=False) as file:
        job = json.load(file)
    try:
        _confine_process(job)
    except OSError as error:
        sys.stderr.write(f"could not be confined: {error}\n")
        sys.stderr.flush()
        os._exit(UNCONFINED)
    sys.argv = ["main.py"]
    sys.path.insert(0, "")
    _end_process(*_run_code(job), descriptor)


def _run_code(job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Run the code and return the exit code and the record."""
    space: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    returned: list[dict[str, Any]] = []
    record: dict[str, Any] = {"error": "", "returned": returned}
    try:
        code = compile(job["code"], "main.py", "exec", dont_inherit=True)  # nor the __future__ of this file
        exec(code, space)  # noqa: S102 - this is what the process is for
        for call in job["calls"]:
            returned.append(_call_function(space, call))  # noqa: PERF401 - what was returned before an error is kept
    except MemoryError:
        space.clear()
        record["error"] = "MemoryError"
        return MEMORY, record
    except SystemExit as error:
        if error.code in (None, 0):
            return 0, record
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
        record["error"] = f"SystemExit: {error.code}"
        return 1, record
    except BaseException as error:  # noqa: BLE001 - whatever the code raises is its result
        trace = error.__traceback__
        sys.excepthook(type(error), error, trace.tb_next if trace else None)
        record["error"] = _describe_error(error)
        return 1, record
    return 0, record


def _call_function(space: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    try:
        value = space[call["function"]](**call["arguments"])
        json.dumps(value, allow_nan=False)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a call that fails is a result, and the next is made
        return {"value": None, "error": _describe_error(error), "error_type": type(error).__name__}
    return {"value": value, "error": "", "error_type": ""}


def _describe_error(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _end_process(code: int, record: dict[str, Any], descriptor: int) -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(record).encode(), 0)
    finally:
        os._exit(code)  # whatever threads the code left running end here


def _confine_process(job: dict[str, Any]) -> None:
    """Set the limits, then make the kernel deny what the job does not need. Raises `OSError` if it cannot."""
    import resource

    for name, value in job["rlimits"].items():
        kind, hard = getattr(resource, name), resource.getrlimit(getattr(resource, name))[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # A process that only got the signal of the soft limit could go on: one second later it is killed.
        resource.setrlimit(kind, (most, most + 1 if name == "RLIMIT_CPU" and most < value + 1 else most))
    if not job["filter"]:
        return
    import ctypes

    kernel = ctypes.CDLL(None, use_errno=True)
    _check_result(ctypes, kernel.prctl(38, 1, 0, 0, 0))  # PR_SET_NO_NEW_PRIVS
    if job["landlock"]:
        _restrict_files(ctypes, kernel, job["readable"])
    if os.geteuid() == 0:
        capset = {"x86_64": 126, "aarch64": 91}[os.uname().machine]
        header, none = ctypes.create_string_buffer(b"\x22\x05\x08\x20" + bytes(4), 8), ctypes.create_string_buffer(24)
        _check_result(ctypes, kernel.syscall(capset, header, none))
    program = bytes.fromhex(job["filter"])
    code = ctypes.create_string_buffer(program, len(program))
    described = len(program) // 8 | ctypes.addressof(code) << 64  # struct sock_fprog
    form = ctypes.create_string_buffer(described.to_bytes(16, sys.byteorder), 16)
    _check_result(ctypes, kernel.prctl(22, 2, form, 0, 0))  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def _restrict_files(ctypes: Any, kernel: Any, readable: list[str]) -> None:
    """Make Landlock deny access to all files but the readable ones and this folder."""
    if kernel.syscall(_CREATE, None, ctypes.c_size_t(0), 1) < _LANDLOCK_VERSION:
        raise OSError("the kernel has no Landlock of version 3 or later")
    handled = ctypes.create_string_buffer(_ALL.to_bytes(8, sys.byteorder), 8)
    rules = _check_result(ctypes, kernel.syscall(_CREATE, handled, ctypes.c_size_t(8), 0))
    allowed = dict.fromkeys(readable, _READ_FILE | _READ_DIR)
    allowed |= {"/dev/null": _READ_FILE | _WRITE_FILE | _TRUNCATE, ".": _ALL & ~_EXECUTE & ~_SPECIAL}
    for path, rights in allowed.items():
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        beneath = rights if os.path.isdir(path) else rights & ~_READ_DIR  # noqa: PTH112 - as above
        rule = ctypes.create_string_buffer((beneath | opened << 64).to_bytes(12, sys.byteorder), 12)
        _check_result(ctypes, kernel.syscall(_ADD, rules, 1, rule, 0))
        os.close(opened)
    _check_result(ctypes, kernel.syscall(_RESTRICT, rules, 0))
    os.close(rules)


def _check_result(ctypes: Any, result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


if __name__ == "__main__":
    main()
