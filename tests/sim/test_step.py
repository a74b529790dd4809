"""A step: the same whatever the number of calls under way, and committed whole."""

from pathlib import Path

import pytest

from populace.agents.gateway.limits import Limits
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    return lived(tmp_path_factory.mktemp("alone") / "run.duckdb", max_in_flight=1)


def lived(path: Path, *, max_in_flight: int) -> str:
    growth, limits = Growth(agents=8, hops=1), Limits(max_in_flight=max_in_flight)
    return Society(Village(), growth=growth, steps=2, seed=5, out=path, limits=limits).run().event_hash


def test_steps_do_not_depend_on_how_many_calls_are_under_way(alone: str, tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    assert lived(path, max_in_flight=64) == alone
    with open_run(path) as run:
        assert run.query("SELECT count(*), sum(active) FROM steps").rows == [(2, 16)]
