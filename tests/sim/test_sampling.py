"""Sampling and repeated refusals in a run that is resumed, replayed and forked."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lasting import check_lasting, rows_of
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.scenarios.village import Village
from populace.sim.fork import asked_since, fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun
from populace.sim.society import Society

SAMPLING = {"temperature": 0.7, "extra_body": {"top_k": 9}, "retry_refusals": 3}
_REQUESTS = "SELECT DISTINCT phase, number, owner, request_hash, replicate FROM calls ORDER BY ALL"

_SAMPLED = """
SELECT count(*) FILTER (outcome = 'refusal'),
       count(*) FILTER ((sampling ->> '$.temperature') = '0.7' AND (sampling ->> '$.extra_body.top_k') = '9'), count(*)
FROM calls
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    """An endpoint that refuses one request in five."""
    with OpenAIServer() as server:
        yield server.fault("refusal", 0.2)


def lived(server: OpenAIServer, out: Path, *, steps: int = 3, **limits: Any) -> Society:
    return Society(
        Village({"lines": 1, "assistant": False}),
        growth=Growth(agents=8, hops=1),
        model="openai:test",
        base_url=server.base_url,
        limits=Limits(**SAMPLING | limits),
        out=out,
        steps=steps,
    )


@pytest.fixture(scope="module")
def whole(server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Three steps at once."""
    return lived(server, tmp_path_factory.mktemp("whole") / "run.duckdb").run()


def test_each_refusal_is_a_row_and_is_asked_again_with_another_seed(whole: FinishedRun) -> None:
    ((refused, sampled, calls),) = whole.sql(_SAMPLED).rows
    assert refused > 2 > whole.sql("SELECT count(*) FROM failures WHERE outcome = 'refusal'").rows[0][0]
    assert sampled == calls


def test_a_run_that_samples_lasts_and_makes_the_same_requests(
    server: OpenAIServer, whole: FinishedRun, tmp_path: Path
) -> None:
    check_lasting(whole, Village, partial(lived, server), tmp_path, stop=1)
    assert rows_of(tmp_path / "stopped.duckdb", _REQUESTS) == whole.sql(_REQUESTS).rows
    assert asked_since(tmp_path / "fork.duckdb").sent == 0


@pytest.mark.slow
def test_a_fork_with_another_sampling_asks_everything_anew(whole: FinishedRun, tmp_path: Path) -> None:
    other = fork(whole.path, Village, at=2, out=tmp_path / "other.duckdb", limits={"temperature": 0.1}).run()
    asked = asked_since(other.path)
    assert asked.sent == asked.requests > 0
    assert other.sql("SELECT DISTINCT sampling ->> 'temperature' FROM calls WHERE number > 2").rows == [("0.1",)]
    assert other.sql("SELECT limits ->> 'temperature', limits ->> 'retry_refusals' FROM runs").rows == [("0.1", "3")]
    replayed = replay(other.path, Village)
    assert (replayed.event_hash, replayed.difference) == (other.event_hash, "")
