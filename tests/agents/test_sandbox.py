"""Confined code: what it may do, and what it tries in vain, at each level that works on this machine."""

import asyncio
import gc
import json
import os
import platform
import socket
from pathlib import Path
from typing import Any

import pytest

from populace.agents.sandbox import (
    CodeOutcome,
    CodeResult,
    FunctionCall,
    Returned,
    SandboxLevel,
    SandboxLimits,
    confinement,
    run_code,
    unavailable,
)

TIGHT = SandboxLimits(cpu_seconds=1, wall_seconds=120, memory_bytes=200 << 20, file_bytes=1 << 20, output_bytes=20_000)


@pytest.fixture(params=list(SandboxLevel))
def confined(request: pytest.FixtureRequest) -> SandboxLevel:
    level: SandboxLevel = request.param
    reason = unavailable(level)
    if reason is not None:
        pytest.skip(reason)
    return level


async def run(confined: SandboxLevel, code: str, **more: Any) -> CodeResult:
    return await run_code(code, under=confined, limits=more.pop("limits", TIGHT), **more)


def names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def test_code_has_no_input_and_gives_values(confined: SandboxLevel) -> None:
    code = "import math, sys\nprint(repr(sys.stdin.read()))\ndef area(r, name='a'): return {name: math.floor(r * r)}"
    calls = (
        FunctionCall("area", {"r": 3}),
        FunctionCall("area", {"radius": 3}),
        FunctionCall("volume"),
        FunctionCall("area", {"r": 2, "name": "b"}),
    )
    done = await run(confined, code, calls=calls)
    assert (done.outcome, done.stdout, done.stderr) == (CodeOutcome.OK, "''\n", "")
    assert done.returned[0] == Returned({"a": 9})
    assert done.returned[1].error.startswith("TypeError: area() got an unexpected keyword")
    assert done.returned[2].error == "KeyError: 'volume'"
    assert done.returned[3] == Returned({"b": 4})


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        ("1 / 0", CodeOutcome.ERROR, "ZeroDivisionError: division by zero"),
        ("def f(:", CodeOutcome.ERROR, "SyntaxError: invalid syntax (main.py, line 1)"),
        ("raise SystemExit(3)", CodeOutcome.ERROR, "SystemExit: 3"),
        ("raise SystemExit", CodeOutcome.OK, ""),
        ("def f(x: int): ...\nassert f.__annotations__ == {'x': int}", CodeOutcome.OK, ""),
        ("import os; os._exit(0)", CodeOutcome.ERROR, "it ended before its last line"),
        ("import numpy", CodeOutcome.ERROR, "ModuleNotFoundError: No module named 'numpy'"),
        ("x = [0] * 10**9", CodeOutcome.MEMORY, "it needed more than 200 MB"),
        ("while True: pass", CodeOutcome.TIMEOUT, "it computed longer than 1 s"),
        ("import ctypes; ctypes.string_at(0)", CodeOutcome.KILLED, "signal 11 ended it"),
        ("print('x' * 30000)", CodeOutcome.OUTPUT_LIMIT, "it wrote more than 20,000 bytes"),
        (
            "import sys\nwhile True: print('x', file=sys.stderr)",
            CodeOutcome.OUTPUT_LIMIT,
            "it wrote more than 20,000 bytes",
        ),
        ("open('big', 'w').write('x' * 2**22)", CodeOutcome.ERROR, "OSError: [Errno 27] File too large"),
        (
            "kept = [open('f', 'w') for _ in range(100)]",
            CodeOutcome.ERROR,
            "OSError: [Errno 24] Too many open files: 'f'",
        ),
    ],
)
async def test_how_a_run_ends_is_typed(code: str, outcome: CodeOutcome, reason: str) -> None:
    done = await run(confinement(), code)
    assert (done.outcome, done.reason) == (outcome, reason)


async def test_sleeping_code_is_stopped() -> None:
    done = await run(confinement(), "import time; time.sleep(60)", limits=SandboxLimits(wall_seconds=0.4))
    assert (done.outcome, done.reason) == (CodeOutcome.TIMEOUT, "it ran longer than 0.4 s")
    assert done.seconds < 30


async def test_values_that_are_not_json_and_too_long_ones_are_errors() -> None:
    code = "def a(): return {1j}\ndef b(): return float('nan')\ndef c(): return 'x' * 30000"
    done = await run(confinement(), code, calls=(FunctionCall("a"), FunctionCall("b")))
    assert [one.error_type for one in done.returned] == ["TypeError", "ValueError"]
    assert (await run(confinement(), code, calls=(FunctionCall("c"),))).outcome is CodeOutcome.OUTPUT_LIMIT


async def test_the_network_is_cut(confined: SandboxLevel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        done = await run(confined, f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
        if confined.network:
            assert done.outcome is CodeOutcome.ERROR
            with pytest.raises(TimeoutError):
                server.accept()
        else:
            assert done.outcome is CodeOutcome.OK
            assert "can reach the network" in confined.sentence


async def test_files_outside_are_neither_read_nor_written(confined: SandboxLevel, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    attempts = {
        "read": f"open({str(secret)!r}).read()",
        "home": f"[one.name for one in os.scandir({str(Path.home())!r}) if one.is_file()][0]",
        "write": f"open({str(tmp_path / 'written')!r}, 'w').write('x')",
        "append": f"open({str(secret)!r}, 'a').write('x')",
        "remove": f"os.remove({str(secret)!r})",
        "mode": f"os.chmod({str(secret)!r}, 0)",
        "times": f"os.utime({str(secret)!r}, (0, 0))",
        "cut": f"os.truncate({str(secret)!r}, 0)",
        "link": f"os.symlink({str(secret)!r}, 'link') or open('link').read()",
        "hard link": f"os.link({str(secret)!r}, 'hard') or open('hard').read()",
        "folder": f"os.chdir({str(tmp_path)!r}) or open('secret.txt').read()",
        "parent": "open('/proc/%d/environ' % os.getppid()).read()",
        "rename": f"open('mine', 'w').close() or os.rename('mine', {str(tmp_path / 'moved')!r})",
    }
    code = f"import json, os\ndone = []\nfor name, attempt in {attempts!r}.items():\n"
    code += "    try: eval(attempt)\n    except (OSError, IndexError): continue\n    done.append(name)\n"
    code += "print(json.dumps(done))"
    before = secret.stat()
    done = await run(confined, code)
    if confined.files:
        assert json.loads(done.stdout) == []
        assert (secret.read_text(), secret.stat().st_mtime, secret.stat().st_mode) == (
            "hidden",
            before.st_mtime,
            before.st_mode,
        )
        assert names(tmp_path) == ["secret.txt"]
    else:
        assert "read" in json.loads(done.stdout)
        assert "files that you can" in confined.sentence


async def test_nothing_of_the_environment_is_there(confined: SandboxLevel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    done = await run(confined, "import os, sys; print(sorted(os.environ), os.getcwd() == os.environ['HOME'], sys.path)")
    assert "OPENAI_API_KEY" not in done.stdout
    assert "/nowhere" not in done.stdout
    assert "True" in done.stdout


async def test_no_process_is_started_and_none_is_signalled(confined: SandboxLevel, tmp_path: Path) -> None:
    if not confined.processes and os.geteuid() == 0:
        pytest.skip(f"{confined.value} cannot deny processes to the administrator")
    code = (
        "import os, subprocess\n"
        "for attempt in (os.fork, lambda: subprocess.run(['true'])):\n"
        "    try: attempt()\n    except OSError as error: print('denied')\n"
    )
    assert (await run(confined, code)).stdout.split() == ["denied"] * 2
    code = (
        "import os\n"
        "for attempt in (lambda: os.kill(os.getppid(), 0), lambda: os.execv('/bin/true', ['true'])):\n"
        "    try: attempt()\n    except OSError: print('denied')\n"
    )
    if confined.processes:
        assert (await run(confined, code)).stdout.split() == ["denied"] * 2


#: Numbers on x86-64 of calls that reach other processes, the network or the machine, with the arguments to try.
REFUSED = {
    "socket": (41, 2, 1, 0),
    "socketpair": (53, 1, 1, 0, 0),
    "io_uring_setup": (425, 8, 0),
    "ptrace": (101, 16, "parent", 0, 0),
    "process_vm_readv": (310, "parent", 0, 0, 0, 0, 0),
    "kill": (62, "parent", 0),
    "tgkill": (234, "parent", "parent", 0),
    "pidfd_open": (434, "parent", 0),
    "fork": (57,),
    "clone": (56, 17, 0, 0, 0, 0),
    "execve": (59, 0, 0, 0),
    "unshare": (272, 0x10000000),
    "mount": (165, 0, 0, 0, 0, 0),
    "shmget": (29, 1234, 4096, 0o1600),
    "mq_open": (240, 0, 0o102, 0o600, 0),
    "keyctl": (250, 0, -4, 1),
    "bpf": (321, 0, 0, 0),
    "memfd_create": (319, 0, 0),
    "prlimit64 of another": (302, "parent", 7, 0, 0),
    "setpriority": (141, 0, "parent", 19),
    "chmod": (90, 0, 0o777),
    "utimensat": (280, -100, 0, 0, 0),
    "fcntl F_SETOWN": (72, 0, 8, "parent"),
    "fcntl F_SETSIG": (72, 0, 10, 9),
    "ioctl FIOASYNC": (16, 0, 0x5452, 0),
    "prctl": (157, 4, 1),
}


async def test_system_calls_that_reach_beyond_the_process_are_refused(confined: SandboxLevel) -> None:
    if not confined.processes or platform.machine() != "x86_64":
        pytest.skip(f"{confined.value} on {platform.machine()}: the numbers are those of the filter on x86-64")
    code = (
        "import ctypes, os\n"
        "kernel = ctypes.CDLL(None, use_errno=True)\n"
        f"for name, (number, *given) in {REFUSED!r}.items():\n"
        "    given = [os.getppid() if one == 'parent' else one for one in given]\n"
        "    ctypes.set_errno(0)\n"
        "    done = kernel.syscall(number, *given)\n"
        "    if done != -1 or ctypes.get_errno() != 1: print(name, done, ctypes.get_errno())\n"
    )
    done = await run(confined, code)
    assert (done.outcome, done.stdout, done.stderr) == (CodeOutcome.OK, "", "")


async def test_limits_cannot_be_raised(confined: SandboxLevel) -> None:
    if not confined.processes and os.geteuid() == 0:
        pytest.skip(f"{confined.value} cannot keep the administrator from raising limits")
    code = (
        "import resource\n"
        "for name in ('CPU', 'AS', 'FSIZE', 'NOFILE'):\n"
        "    kind = getattr(resource, 'RLIMIT_' + name)\n"
        "    try: resource.setrlimit(kind, (2**40, 2**40))\n"
        "    except (OSError, ValueError): print('denied')\n"
    )
    assert (await run(confined, code)).stdout.split() == ["denied"] * 4


async def test_threads_are_allowed(confined: SandboxLevel) -> None:
    if not confined.processes:
        pytest.skip(f"{confined.value} cannot tell threads from processes")
    code = "import threading\nt = threading.Thread(target=print, args=('in a thread',))\nt.start()\nt.join()"
    assert (await run(confined, code)).stdout == "in a thread\n"


async def test_a_fork_bomb_and_what_runs_in_the_background_leave_nothing_behind(tmp_path: Path) -> None:
    best = confinement()
    if not best.processes:
        pytest.skip(f"{best.value} cannot deny processes")
    beat = tmp_path / "beat"
    code = (
        "import os, time\n"
        "while True:\n"
        "    try:\n        if os.fork() == 0: os.setsid()\n"
        "    except OSError:\n        break\n"
        f"while True:\n    open({str(beat)!r}, 'a').write('x'); time.sleep(.01)"
    )
    level = SandboxLevel.SECCOMP if unavailable(SandboxLevel.SECCOMP) is None else best  # one that may write the file
    done = await run(level, code, limits=SandboxLimits(wall_seconds=0.5))
    assert done.outcome in (CodeOutcome.TIMEOUT, CodeOutcome.ERROR)
    size = beat.stat().st_size if beat.exists() else 0
    await asyncio.sleep(0.1)
    assert (beat.stat().st_size if beat.exists() else 0) == size


async def test_a_thread_that_is_left_running_ends_with_the_code() -> None:
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nprint('done')"
    done = await run(confinement(), code)
    assert (done.outcome, done.stdout) == (CodeOutcome.OK, "done\n")
    assert done.seconds < 30


async def test_a_cancelled_run_leaves_no_process_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.agents.sandbox._temporary_folder", lambda: str(tmp_path))
    task = asyncio.create_task(run_code("import os\nos.mkdir('a')\nwhile True: pass", under=confinement()))
    while not names(tmp_path):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not names(tmp_path)


async def test_as_many_run_at_a_time_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0
    started = asyncio.create_subprocess_exec

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        process = await started(*args, **kwargs)
        await asyncio.sleep(0)
        running -= 1
        return process

    monkeypatch.setattr("asyncio.create_subprocess_exec", counted)
    done = await asyncio.gather(*(run(confinement(), f"print({n})") for n in range(8)))
    assert [one.stdout for one in done] == [f"{n}\n" for n in range(8)]
    assert most <= (os.cpu_count() or 1)


def test_each_level_says_what_it_confines() -> None:
    assert all(level.sentence.startswith("Code runs limited in time") for level in SandboxLevel)
    assert [level for level in SandboxLevel if "not confined" in level.sentence] == [
        SandboxLevel.SECCOMP,
        SandboxLevel.LIMITS,
    ]


def test_a_level_that_denies_less_than_it_claims_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    if unavailable(SandboxLevel.SECCOMP) is not None:
        pytest.skip(str(unavailable(SandboxLevel.SECCOMP)))
    unavailable.cache_clear()
    monkeypatch.setattr(SandboxLevel, "files", True)
    assert "it does not deny: open(" in str(unavailable(SandboxLevel.SECCOMP))
    unavailable.cache_clear()


async def test_pipes_that_a_process_holds_beyond_the_run_leave_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    code = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(3)\nwhile True: os.write(2, b'x' * 65536)"
    )
    done = await run_code(code, under=SandboxLevel.LIMITS)
    assert done.outcome is CodeOutcome.OUTPUT_LIMIT
    gc.collect()
    assert not caplog.records


async def test_half_a_surrogate_pair_from_code_can_be_written() -> None:
    done = await run_code("def f(): return '\\ud800'", calls=[FunctionCall("f")])
    assert done.returned[0].value == "?"


async def test_a_long_last_line_of_stderr_is_no_long_reason() -> None:
    done = await run_code("import os, sys\nsys.stderr.write('x' * 900000)\nsys.stderr.flush()\nsys.exit(3)")
    assert len(done.reason) < 3000
