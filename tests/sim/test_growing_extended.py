"""Finished growth that is asked for more goes on from what is there, pays nothing twice, and says so in the file."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError, SetupError
from populace.personas.hub.file import open_hub
from populace.sim.growth import Growth
from populace.sim.growth.stored import extend, is_more
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

type Begin = Callable[..., tuple[Growth, Path]]

MODEL = "openai:test"


def texts(path: Path, count: int, about: str) -> str:
    path.write_bytes(b"\n".join(orjson.dumps({"text": f"{about} {n} has a leaking roof."}) for n in range(count)))
    return str(path)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenAIServer, Path]]:
    """A server for all, and the folder of what was grown with it."""
    with OpenAIServer() as server:
        yield server, tmp_path_factory.mktemp("town")


@pytest.fixture
def openai_server(town: tuple[OpenAIServer, Path]) -> OpenAIServer:
    """The server, having forgotten all."""
    town[0].reset()
    return town[0]


@pytest.fixture
def begin(town: tuple[OpenAIServer, Path], tmp_path: Path) -> Begin:
    """Grow people from twenty texts, in chunks of seven questions; done once for equal options, and copied."""
    server, folder = town

    def begun(**options: Any) -> tuple[Growth, Path]:
        sources = (texts(folder / "a.jsonl", 20, "House"),)
        growth = Growth.unlimited(**({"sources": sources, "hops": 1, "fan_outs": (2,), "chunk": 7} | options))
        if not (made := folder / f"{options}.duckdb").exists():
            Society(GrowthOnly(), growth=growth, model=MODEL, base_url=server.base_url, out=made).run()
            server.reset()
        return growth, Path(shutil.copy(made, tmp_path / "hub.duckdb"))

    return begun


def paid(path: Path) -> int:
    with open_run(path) as run:
        ((calls,),) = run.query("SELECT count(*) FROM calls").rows
    return int(calls)


def more(growth: Growth, path: Path, **changes: Any) -> FinishedRun:
    wanted = growth.model_copy(update=changes)
    assert is_more(path, wanted, seed=0, model=MODEL, limits=Limits())
    extend(path, wanted)
    return Society.resume(path, GrowthOnly).run()


@pytest.mark.slow
def test_further_hops_come_to_what_growing_them_at_once_comes_to(begin: Begin, tmp_path: Path) -> None:
    growth, out = begin()
    extended = more(growth, out, hops=3)
    out.rename(tmp_path / "extended.duckdb")
    begin(hops=3)
    with open_run(tmp_path / "hub.duckdb") as whole:
        assert whole.query("SELECT event_hash FROM runs").rows == [(extended.event_hash,)]


@pytest.mark.slow
def test_a_higher_limit_goes_through_the_hops_again_and_pays_nothing_twice(
    begin: Begin, openai_server: OpenAIServer
) -> None:
    growth, out = begin(agents=20, hops=2)
    before, calls = rows(out), paid(out)
    run = more(growth, out, agents=60)
    assert run.sql("SELECT count(*) FROM survivors WHERE persona = survivor").rows == [(60,)]
    assert paid(out) == calls + openai_server.calls
    assert run.sql("SELECT count(*) = count(DISTINCT (number, owner)) FROM calls").rows == [(True,)]
    assert openai_server.calls > 0
    assert rows(out)[: len(before)] == before
    asked = "SELECT hop, sum(asked)::INTEGER FROM growth_chunks GROUP BY hop ORDER BY hop"
    assert run.sql("SELECT hop, asked FROM growth ORDER BY hop").rows == run.sql(asked).rows


def rows(path: Path) -> list[tuple[object, ...]]:
    with open_run(path) as run:
        return run.query("SELECT id, ordinal, hop FROM personas ORDER BY ordinal").rows


def test_further_sources_are_read_behind_the_earlier_ones(begin: Begin, tmp_path: Path) -> None:
    growth, out = begin()
    run = more(growth, out, sources=(*growth.sources, texts(tmp_path / "b.jsonl", 5, "Mill")))
    assert run.sql("SELECT hop, asked FROM growth ORDER BY hop").rows == [(0, 25), (1, 25)]
    places = run.sql("SELECT document LIKE 'b.%' FROM passage_places JOIN passages USING (passage) ORDER BY ordinal")
    assert [is_new for (is_new,) in places.rows] == [False] * 20 + [True] * 5


@pytest.mark.slow
def test_every_extension_is_a_row_with_the_settings_as_they_were_and_as_they_are(begin: Begin) -> None:
    growth, out = begin(agents=20)
    first = more(growth, out, hops=2)
    second = more(growth.model_copy(update={"hops": 2}), out, hops=2, agents=40)
    found = second.sql("SELECT was->>'hops', became->>'hops', was->>'agents', became->>'agents' FROM growth_extensions")
    assert found.rows == [("1", "2", "20", "20"), ("2", "2", "20", "40")]
    assert second.sql("SELECT event_hash FROM growth_extensions ORDER BY extension").rows[1] == (first.event_hash,)
    assert second.sql("SELECT growth_settings->>'agents', status FROM runs").rows == [("40", "finished")]


@pytest.mark.slow
def test_extended_growth_is_replayed_to_the_same_hash(begin: Begin, tmp_path: Path) -> None:
    growth, out = begin(agents=20)
    wider = {"agents": 50, "hops": 2, "sources": (*growth.sources, texts(tmp_path / "b.jsonl", 30, "Mill"))}
    run = more(growth, out, **wider)
    replayed = replay(out, GrowthOnly)
    assert (replayed.event_hash, replayed.difference, replayed.calls) == (run.event_hash, "", 0)


@pytest.mark.slow
def test_people_of_a_hub_are_read_once_and_asked_about_again(begin: Begin, tmp_path: Path) -> None:
    _, origin = begin()
    growth = Growth.unlimited(hub=origin, hops=2, fan_outs=(3,), agents=70, chunk=7)
    out = tmp_path / "city.duckdb"
    with OpenAIServer() as server:
        Society(GrowthOnly(), growth=growth, model=MODEL, base_url=server.base_url, out=out).run()
        run = more(growth, out, agents=90)
    assert run.sql("SELECT count(*) FROM survivors WHERE persona = survivor").rows == [(90,)]
    assert run.sql("SELECT extension, count(*) FROM growth_chunks WHERE hop = 0 GROUP BY ALL").rows == [(0, 1)]
    assert replay(out, GrowthOnly).event_hash == run.event_hash


def test_an_extension_that_is_paused_goes_on_where_it_stood(begin: Begin) -> None:
    growth, out = begin()
    extend(out, growth.model_copy(update={"hops": 2}))
    with pytest.raises(PausedError):
        Society.resume(out, GrowthOnly, limits={"max_calls": paid(out) + 10}).run()
    assert not is_more(out, growth.model_copy(update={"hops": 2}), seed=0, model=MODEL, limits=Limits())
    with pytest.raises(SetupError, match="is not finished, and more is asked for: `hops` 2 then and 3 now"):
        is_more(out, growth.model_copy(update={"hops": 3}), seed=0, model=MODEL, limits=Limits())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hops": 0}, "`hops` 1 then and 0 now"),
        ({"agents": 10}, "`agents` 20 then and 10 now"),
        ({"sources": ("b.jsonl",)}, "sources"),
        ({"hops": 2, "verb": "write"}, "`hops` 1 then and 2 now; `verb` read then and write now"),
    ],
)
def test_less_than_was_grown_or_something_else_is_refused_with_what_works(
    begin: Begin, changes: dict[str, Any], words: str
) -> None:
    growth, out = begin(agents=20)
    with pytest.raises(SetupError, match=f"{words}.*grow --people .*hub.duckdb --hub NEW"):
        is_more(out, growth.model_copy(update=changes), seed=0, model=MODEL, limits=Limits())


def test_a_hub_from_which_people_are_gone_is_not_grown_further(begin: Begin) -> None:
    growth, out = begin()
    with open_hub(out, write=True) as hub:
        hub.con.execute("DELETE FROM personas WHERE ordinal = 3")
    with pytest.raises(SetupError, match="People have been removed from"):
        extend(out, growth.model_copy(update={"hops": 2}))
