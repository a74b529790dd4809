"""Growth by batch: the same people, nothing paid twice, and a killed run finds its batch again."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer, Plan
from warm_process import WarmProcess

from populace.agents.batch.client import PollInterval
from populace.agents.batch.queue import open_batch_queue
from populace.agents.gateway.limits import Prices
from populace.core.errors import PausedError, SetupError
from populace.scenarios.village import Village
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.society import Society
from populace.sim.survey.items import Likert
from populace.sim.survey.survey import Survey

type Live = Callable[..., FinishedRun]

QUICK: dict[str, Any] = {"quiet": 0.05, "interval": PollInterval(0.01, 0.02)}


class Errands(Village):
    """Everybody for themselves."""

    independent = True


class Polled(Village):
    """Neighbours who see each other, and are asked two things one by one."""

    surveys = (Survey("poll", [Likert("All is well."), Likert("All will be well.")], at=0, one_by_one=True),)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.sim.engine.open_batch_queue", partial(open_batch_queue, **QUICK))


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as server:
        yield server


@pytest.mark.slow
def test_growth_by_batch_gives_the_same_people_and_steps_go_one_by_one(live: Live, server: BatchServer) -> None:
    place = {"model": "openai:test", "base_url": server.base_url}
    single, batched = live("single", **place), live("batched", **place, batch=True)
    assert batched.event_hash == single.event_hash
    sources = dict(batched.sql("SELECT phase, any_value(DISTINCT source) FROM calls GROUP BY phase").rows)
    assert sources == {"growth": "batch", "step": "endpoint"}
    # One for the texts and one for hop 1, which brings as many people as were asked for.
    assert batched.sql("SELECT count(*) FROM batches WHERE status = 'completed'").rows == [(2,)]
    assert replay(batched.path, Village).event_hash == single.event_hash


def test_steps_of_an_independent_scenario_go_by_batch_too(live: Live, server: BatchServer) -> None:
    run = live(scenario=Errands(), model="openai:test", base_url=server.base_url, batch=True, steps=1)
    assert run.sql("SELECT DISTINCT source FROM calls").rows == [("batch",)]


def test_surveys_go_by_batch_and_their_items_in_one(live: Live, server: BatchServer) -> None:
    place: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url, "steps": 1, "agents": 9, "hops": 1}
    run = live(scenario=Polled(), batch=True, **place)
    assert run.sql("SELECT DISTINCT phase, source FROM calls WHERE phase <> 'growth' ORDER BY ALL").rows == [
        ("step", "endpoint"),
        ("survey poll", "batch"),
    ]
    asked = "SELECT count(*) FROM calls WHERE phase = 'survey poll'"
    assert run.sql(f"SELECT count(*) FROM batches WHERE json_array_length(requests) = ({asked})").rows == [(1,)]


def test_a_batch_that_expires_half_done_costs_nothing_twice(live: Live, server: BatchServer) -> None:
    server.plans = [Plan(status="expired", share=0.5)]
    live(model="openai:test", base_url=server.base_url, batch=True, steps=1)
    assert set(server.paid.values()) == {1}


def test_a_budget_caps_what_a_batch_holds(live: Live, server: BatchServer, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="budget of 5 calls"):
        live(model="openai:test", base_url=server.base_url, batch=True, max_calls=5)
    assert server.lines == 5


def test_batches_are_filled_up_to_what_a_budget_of_money_has_left(
    live: Live, server: BatchServer, tmp_path: Path
) -> None:
    paid = {"prices": Prices(1.0, 5.0), "scenario": Errands(settings={"answer_tokens": 400})}
    with pytest.raises(PausedError, match=r"budget of 0\.03 dollars is spent"):
        live(model="openai:test", base_url=server.base_url, batch=True, max_cost=0.03, **paid)
    with open_run(tmp_path / "run.duckdb") as run:
        ((cost, dearest, calls),) = run.query("SELECT sum(cost), max(cost), count(*) FROM calls").rows
        sizes = [size for (size,) in run.query("SELECT json_array_length(requests) FROM batches").rows]
    assert 0.03 - 3 * dearest <= cost <= 0.03
    assert sum(sizes) == calls == server.lines
    assert max(sizes) > 3


def test_the_stand_in_has_no_batches(live: Live, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="takes no batches"):
        live(batch=True)
    assert not (tmp_path / "run.duckdb").exists()


def test_a_killed_run_finds_its_batch_again(warm: WarmProcess, server: BatchServer, tmp_path: Path) -> None:
    server.plan = Plan(looks=10**9)
    place: dict[str, Any] = {"model": "openai:test", "base_url": server.base_url}
    out = tmp_path / "run.duckdb"
    warm.begin(out, batch=True, agents=16, steps=1, max_in_flight=8, **place)
    warm.kill_when(lambda: any(batch.looks > 3 for batch in server.batches.values()))
    (sent,) = [server.lines]
    for batch in server.batches.values():
        batch.plan = Plan(looks=0)
    server.plan = Plan(looks=0)
    Society.resume(out, Village).run()
    assert sent > 0
    assert set(server.paid.values()) == {1}
