import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_executor import SHARD, ProcessExecutor

from populace.agents.gateway.limits import Limits
from populace.core.errors import EndpointError, PausedError
from populace.scenarios.village import Village
from populace.sim.engine import bounded_map
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.society import Society


async def test_results_come_in_the_order_of_the_items_and_never_too_many_at_once() -> None:
    under_way = peak = done = 0

    async def work(item: int) -> int:
        nonlocal under_way, peak
        under_way += 1
        peak = max(peak, under_way)
        await asyncio.sleep(0.001 * (item % 3))
        under_way -= 1
        return item * item

    def count(place: int, result: int) -> None:
        nonlocal done
        assert result == place * place
        done += 1

    assert await bounded_map(work, list(range(40)), workers=7, done=count) == [i * i for i in range(40)]
    assert peak == 7
    assert done == 40


async def test_what_is_under_way_when_an_error_comes_is_ended_and_not_lost() -> None:
    ended = []

    async def work(item: int) -> int:
        if item == 0:
            await asyncio.sleep(0.001)
            raise EndpointError("The key is wrong.")
        await asyncio.sleep(0.02)
        ended.append(item)
        return item

    with pytest.raises(EndpointError):
        await bounded_map(work, list(range(100)), workers=4, done=lambda *_: None)
    assert ended == [1, 2, 3]


async def test_the_first_error_is_raised_as_it_is_and_stops_the_rest() -> None:
    worked = []

    async def work(item: int) -> int:
        worked.append(item)
        await asyncio.sleep(0)
        if item == 3:
            raise EndpointError("The key is wrong.")
        return item

    with pytest.raises(EndpointError, match="The key is wrong"):
        await bounded_map(work, list(range(1_000)), workers=2, done=lambda *_: None)
    assert len(worked) < 10


async def test_no_work_gives_no_results() -> None:
    assert await bounded_map(asyncio.sleep, [], workers=4, done=lambda *_: None) == []


async def test_items_are_read_as_workers_become_free() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            read.append(number)
            yield number

    async def work(item: int) -> int:
        await asyncio.sleep(0)
        assert len(read) <= item + 3
        return item

    assert await bounded_map(work, items(), workers=3, done=lambda *_: None) == list(range(10))


async def test_an_item_that_cannot_be_made_ends_the_work_with_its_error() -> None:
    ended = []

    def items() -> Iterator[int]:
        yield 0
        raise EndpointError("no second item")

    async def work(item: int) -> None:
        await asyncio.sleep(0.001)
        ended.append(item)

    with pytest.raises(EndpointError, match="no second item"):
        await bounded_map(work, items(), workers=3, done=lambda *_: None)
    assert ended == [0]


def test_a_step_in_another_process_leaves_the_same_events_and_calls(tmp_path: Path) -> None:
    def run(name: str, executor: ProcessExecutor | None) -> FinishedRun:
        growth = Growth(agents=12, hops=1)
        return Society(
            Village({"lines": 1, "assistant": False}), growth=growth, steps=2, out=tmp_path / name, executor=executor
        ).run()

    elsewhere = ProcessExecutor("procedural")
    here, there = run("here.duckdb", None), run("there.duckdb", elsewhere)
    assert elsewhere.shards > 2
    assert there.event_hash == here.event_hash
    asked = "SELECT phase, number, owner, request_hash, raw FROM calls ORDER BY ALL"
    assert there.sql(asked).rows == here.sql(asked).rows
    assert replay(there.path, Village).event_hash == here.event_hash


def test_calls_of_another_process_count_in_the_budget(tmp_path: Path) -> None:
    def society(out: Path, **limits: int) -> Society:
        growth = Growth(agents=12, hops=0, per_passage=4)
        executor = ProcessExecutor("procedural")
        return Society(
            Village({"lines": 1, "assistant": False}),
            growth=growth,
            steps=2,
            out=out,
            executor=executor,
            limits=Limits.given(**limits),
        )

    whole = society(tmp_path / "whole.duckdb").run()
    ((grown,),) = whole.sql("SELECT count(*) FROM calls WHERE phase = 'growth'").rows
    with pytest.raises(PausedError, match="budget"):
        society(tmp_path / "capped.duckdb", max_calls=grown + 7).run()
    with open_run(tmp_path / "capped.duckdb") as run:
        # The budget was spent within the second shard, and no third one began.
        assert run.query("SELECT count(DISTINCT owner) FROM calls WHERE phase = 'step'").rows == [(2 * SHARD,)]
        assert run.query("SELECT status FROM runs").rows == [("paused",)]
