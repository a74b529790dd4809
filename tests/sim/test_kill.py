"""A run that is killed at any moment goes on to the same end, and pays for nothing twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.sim.runfile.reader import open_run

ZYGOTE = Path(__file__).parents[1] / "server" / "zygote.py"
IN_FLIGHT = 8
MOMENTS = 10


class Zygote:
    """A process that lives villages in children of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, out: Path, *, resume: bool = False, **job: Any) -> int:
        """Start a job; gives the child's process id."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"out": str(out), "resume": resume, **job}) + "\n")
        self._process.stdin.flush()
        return self._said()

    def ended(self) -> int:
        """Wait for the job; gives its exit code, or minus the signal that killed it."""
        return self._said()

    def live(self, out: Path, **job: Any) -> str:
        """Do a job to its end; gives the event hash."""
        self.begin(out, **job)
        assert self.ended() == 0
        return out.with_suffix(".hash").read_text()

    def close(self) -> None:
        """No more jobs."""
        self._process.communicate(timeout=60)

    def _said(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


def job(server: OpenAIServer) -> dict[str, Any]:
    return {
        "model": "openai:test", "base_url": server.base_url, "agents": 16, "steps": 4, "max_in_flight": IN_FLIGHT
    }  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    """The hash of a run that nobody killed, and the calls it took."""
    with OpenAIServer(latency=0.06) as server:
        return zygote.live(tmp_path_factory.mktemp("whole") / "run.duckdb", **job(server)), server.calls


def killed_when(server: OpenAIServer, calls: int, child: int) -> None:
    deadline = time.monotonic() + 60
    while server.calls < calls and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_at_any_moment_and_resumed_it_ends_the_same_and_pays_once(
    zygote: Zygote, uninterrupted: tuple[str, int], tmp_path: Path, moment: int
) -> None:
    whole, calls = uninterrupted
    out = tmp_path / "run.duckdb"
    with OpenAIServer(latency=0.06) as server:
        child = zygote.begin(out, **job(server))
        killed_when(server, 1 + calls * moment // MOMENTS, child)
        assert zygote.ended() == -signal.SIGKILL
        with open_run(out) as run:
            durable = {h for (h,) in run.query("SELECT request_hash FROM calls WHERE raw IS NOT NULL").rows}
        assert zygote.live(out, resume=True) == whole
        paid_twice = server.calls - len(server.by_body)
    with open_run(out) as run:
        ((answers, requests),) = run.query(
            "SELECT count(*), count(DISTINCT request_hash) FROM calls WHERE raw IS NOT NULL"
        ).rows
        assert run.query("SELECT status FROM runs").rows == [("finished",)]
    assert answers == requests, "an answer that was durable was asked for again"
    assert len(durable) <= answers
    # A call is in flight until its row is durable: a group commit's worth of answers may be under way beside the slots.
    assert paid_twice <= 2 * IN_FLIGHT
