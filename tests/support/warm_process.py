"""Processes of their own, which can be killed, from one that has imported everything already."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds until something is given up that a slow and busy machine does at some time, too.
PATIENCE = 300.0

_ZYGOTE = Path(__file__).with_name("zygote.py")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


class WarmProcess:
    """Does one job at a time, each in a child that is forked for it."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self._folder = folder
        #: Where the commands of its environment are.
        self.bin = Path(python).parent
        self._child: int | None = None
        self._process = subprocess.Popen(
            [python, str(_ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, out: Path, *, resume: bool = False, **job: Any) -> int:
        """Start to run or resume a village; gives the child's process id."""
        return self._begin({"out": str(out), "resume": resume, **job})

    def begin_command(self, *command: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
        """Start `populace ...`, `-c CODE ...` or a script, as a new Python would; gives the child's process id."""
        said = {name: str(self._folder / name) for name in ("out", "err")}
        for path in said.values():
            Path(path).write_text("")
        job = {"command": [str(part) for part in command], "cwd": str(cwd or Path.cwd()), "env": dict(env or {})}
        return self._begin({**job, **said})

    @property
    def is_at_work(self) -> bool:
        """Whether the job has not ended yet."""
        if self._child is None:
            return False
        try:
            os.kill(self._child, 0)
        except ProcessLookupError:
            return False
        return True

    def ended(self) -> int:
        """Wait for the job; gives its exit code, or minus the signal that killed it."""
        code, self._child = self._said(), None
        return code

    def ended_command(self) -> Ended:
        """Wait for the command; gives its exit code and what it wrote."""
        code = self.ended()
        out, err = ((self._folder / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return Ended(code, out, err)

    def run(self, *command: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
        """Do a command to its end."""
        self.begin_command(*command, cwd=cwd, env=env)
        return self.ended_command()

    def said(self) -> list[str]:
        """The whole lines that the command has written so far."""
        return [line for line in (self._folder / "out").read_text().splitlines(keepends=True) if line.endswith("\n")]

    def live(self, out: Path, **job: Any) -> str:
        """Let a village live to its end; gives the event hash."""
        self.begin(out, **job)
        assert self.ended() == 0
        return out.with_suffix(".hash").read_text()

    def kill_when(self, happened: Callable[[], bool]) -> None:
        """Kill the job with -9 as soon as something has happened, which it does not end before."""
        assert self.is_killed_when(happened)

    def is_killed_when(self, happened: Callable[[], bool]) -> bool:
        """The same for a job that may end before: whether it was killed."""
        assert self._child is not None
        deadline = time.monotonic() + PATIENCE
        while not happened() and self.is_at_work:
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        return self.ended() == -signal.SIGKILL

    def close(self) -> None:
        """No more jobs."""
        self._abandon()
        self._process.communicate(timeout=PATIENCE)

    def _begin(self, job: dict[str, Any]) -> int:
        self._abandon()
        assert self._process.stdin
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        self._child = self._said()
        return self._child

    def _abandon(self) -> None:
        # A test that failed may have left its job behind.
        if self.is_at_work:
            os.kill(self._child, signal.SIGKILL)  # type: ignore[arg-type]
        if self._child is not None:
            self.ended()

    def _said(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())
