"""Growth that is killed at any moment goes on to the same end, within a hop as between hops, and pays once."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from openai_server import OpenAIServer
from warm_process import WarmProcess

from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

IN_FLIGHT = 8
MOMENTS = 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty texts."""
    path = tmp_path_factory.mktemp("texts") / "corpus.jsonl"
    path.write_bytes(
        b"\n".join(orjson.dumps({"text": f"House {n} of our street has a leaking roof."}) for n in range(40))
    )
    return path


def growth(corpus: Path) -> dict[str, Any]:
    return {"sources": [str(corpus)], "agents": None, "hops": 2, "fan_outs": [2], "chunk": 15}


@pytest.fixture(scope="module")
def uninterrupted(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    """The hash of a growth that nobody killed, and the calls it took."""
    with OpenAIServer() as server:
        out = tmp_path_factory.mktemp("whole") / "hub.duckdb"
        options = {"model": "openai:test", "base_url": server.base_url}
        run = Society(GrowthOnly(), growth=Growth(**growth(corpus)), out=out, **options).run()  # type: ignore[arg-type]
        return run.event_hash, server.calls


def grow_and_kill(warm: WarmProcess, server: OpenAIServer, out: Path, corpus: Path, after: int) -> None:
    """Begin to grow in another process, and kill it when the server has seen so many calls."""
    where: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url, "max_in_flight": IN_FLIGHT}
    server.stall(after)
    warm.begin(out, growth=growth(corpus), **where)
    warm.kill_when(lambda: server.calls >= after)
    server.stall(None)


@pytest.mark.parametrize(
    "moment", [pytest.param(moment, marks=() if moment in (3,) else pytest.mark.slow) for moment in range(MOMENTS)]
)
def test_killed_at_any_moment_growth_goes_on_to_the_same_end_and_pays_once(
    warm: WarmProcess, uninterrupted: tuple[str, int], corpus: Path, tmp_path: Path, moment: int
) -> None:
    whole, calls = uninterrupted
    out = tmp_path / "hub.duckdb"
    with OpenAIServer(latency=0.05) as server:
        grow_and_kill(warm, server, out, corpus, 1 + calls * moment // MOMENTS)
        with open_run(out) as run:
            durable = run.query("SELECT count(*) FROM calls WHERE raw IS NOT NULL").rows[0][0]
        sent = server.calls
        assert Society.resume(out, GrowthOnly).run().event_hash == whole
        paid_twice = server.calls - len(server.by_body)
    with open_run(out) as run:
        ((answers, owners),) = run.query("SELECT count(*), count(DISTINCT (number, owner)) FROM calls").rows
        assert run.query("SELECT status FROM runs").rows == [("finished",)]
    assert durable < answers == owners == calls
    # Whatever was durable is not asked again, however slow the machine was to write the rest.
    assert paid_twice <= sent - durable
