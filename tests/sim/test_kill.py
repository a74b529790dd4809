"""A run that is killed at any moment goes on to the same end, and pays for nothing twice."""

from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from warm_process import WarmProcess

from populace.sim.runfile.reader import open_run

IN_FLIGHT = 8
MOMENTS = 10


def job(server: OpenAIServer) -> dict[str, Any]:
    return {
        "model": "openai:test", "base_url": server.base_url, "agents": 16, "steps": 4, "max_in_flight": IN_FLIGHT
    }  # fmt: skip


def kill(warm: WarmProcess, server: OpenAIServer, calls: int, out: Path, **job: Any) -> None:
    """Begin a job and kill it after so many calls; the server answers no more before."""
    server.stall(calls)
    warm.begin(out, **job)
    warm.kill_when(lambda: server.calls >= calls)
    server.stall(None)


@pytest.fixture(scope="module")
def uninterrupted(warm: WarmProcess, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    """The hash of a run that nobody killed, and the calls it took."""
    with OpenAIServer(latency=0.06) as server:
        return warm.live(tmp_path_factory.mktemp("whole") / "run.duckdb", **job(server)), server.calls


@pytest.mark.parametrize(
    "moment", [pytest.param(moment, marks=() if moment == 3 else pytest.mark.slow) for moment in range(MOMENTS)]
)
def test_killed_at_any_moment_and_resumed_it_ends_the_same_and_pays_once(
    warm: WarmProcess, uninterrupted: tuple[str, int], tmp_path: Path, moment: int
) -> None:
    whole, calls = uninterrupted
    out = tmp_path / "run.duckdb"
    with OpenAIServer(latency=0.06) as server:
        kill(warm, server, 1 + calls * moment // MOMENTS, out, **job(server))
        with open_run(out) as run:
            durable = {h for (h,) in run.query("SELECT request_hash FROM calls WHERE raw IS NOT NULL").rows}
        assert warm.live(out, resume=True) == whole
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
