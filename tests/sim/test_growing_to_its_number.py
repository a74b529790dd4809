"""Growth with a limit goes on with further texts while its hops give too few people, to one end however it runs."""

import zlib
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from populace.agents.gateway.limits import Limits
from populace.agents.procedural import ProceduralModel
from populace.core.errors import PausedError
from populace.personas.persona import shipped_passages
from populace.scenarios.village import Village
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun
from populace.sim.runfile.runlog import RunLog
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

PEOPLE = "SELECT count(*)::INTEGER FROM survivors WHERE persona = survivor"


class Loner(ProceduralModel):
    """The built-in generator, which declines a third of the texts and seven of eight questions about a person."""

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        asked = str(messages[1].content)
        drawn = zlib.crc32(asked.encode())
        if drawn % 8 if "close relationship" in asked else drawn % 3 == 0:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("I cannot help with that."))])
        return await super()._agenerate(messages, stop, run_manager, **options)


def grow(out: Path, *, agents: int = 24, limits: dict[str, Any] | None = None, **growth: Any) -> FinishedRun:
    wanted = Growth.unlimited(**({"agents": agents, "hops": 1, "fan_outs": (3,), "chunk": 5} | growth))
    given = Limits(max_error_rate=1, **(limits or {}))
    return Society(GrowthOnly(), growth=wanted, out=out, model=Loner(), limits=given).run()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Twenty-four people, most of them from further texts; never to be written to."""
    return grow(tmp_path_factory.mktemp("grown") / "hub.duckdb")


def test_further_texts_make_up_for_hops_that_give_too_few_people(grown: FinishedRun) -> None:
    ((people, texts, asked),) = grown.sql(
        f"SELECT ({PEOPLE}), (SELECT count(*) FROM passages), (SELECT asked FROM growth WHERE hop = 1)"
    ).rows
    assert people == 24
    assert 24 < texts < len(shipped_passages())
    assert 12 < asked < 24
    # An answer that cannot be read is asked for again twice, and nobody is asked about a second time.
    assert grown.sql("SELECT max(n) FROM (SELECT count(*) AS n FROM calls GROUP BY number, owner)").rows == [(3,)]


def test_growth_is_short_only_when_all_texts_and_people_were_asked_about(tmp_path: Path) -> None:
    run = grow(tmp_path / "hub.duckdb", agents=200)
    ((people, texts, asked),) = run.sql(
        f"SELECT ({PEOPLE}), (SELECT count(*) FROM passages), (SELECT asked FROM growth WHERE hop = 1)"
    ).rows
    assert texts == len(shipped_passages())
    assert asked == run.sql("SELECT count(*) FROM personas WHERE hop = 0").rows[0][0] < people < 200
    assert replay(run.path, GrowthOnly).difference == ""


def test_a_replay_asks_about_the_same_further_texts(grown: FinishedRun) -> None:
    replayed = replay(grown.path, GrowthOnly)
    assert (replayed.event_hash, replayed.difference) == (grown.event_hash, "")


def test_the_number_in_flight_does_not_change_who_is_added(grown: FinishedRun, tmp_path: Path) -> None:
    assert grow(tmp_path / "hub.duckdb", limits={"max_in_flight": 1}).event_hash == grown.event_hash


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_growth_that_pauses_while_it_makes_up_ends_alike(grown: FinishedRun, tmp_path: Path, share: float) -> None:
    ((calls,),) = grown.sql("SELECT count(*) FROM calls").rows
    out = tmp_path / "hub.duckdb"
    with pytest.raises(PausedError):
        grow(out, limits={"max_calls": int(calls * share), "max_in_flight": 1})
    limits = {"max_calls": 1000, "max_error_rate": 1}
    resumed = Society.resume(out, GrowthOnly, model=Loner(), limits=limits).run()
    assert resumed.event_hash == grown.event_hash
    assert resumed.sql("SELECT count(*) FROM calls").rows == [(calls,)]


@pytest.mark.parametrize(("language", "expected"), [("en", {"en"}), ("es", {"es"}), ("pt-BR", {"pt"})])
def test_a_limit_takes_bundled_texts_in_the_language_first(tmp_path: Path, language: str, expected: set[str]) -> None:
    growth = Growth.unlimited(agents=2, hops=0, language=language)
    run = Society(GrowthOnly(), growth=growth, out=tmp_path / "hub.duckdb").run()
    assert {found for (found,) in run.sql("SELECT language FROM passages").rows} == expected


def test_texts_in_other_languages_follow_where_those_in_the_language_are_too_few(tmp_path: Path) -> None:
    growth = Growth.unlimited(agents=10, hops=0, language="de")
    run = Society(GrowthOnly(), growth=growth, out=tmp_path / "hub.duckdb").run()
    assert run.sql("SELECT count(*), count(*) FILTER (language = 'de') FROM passages").rows == [(10, 2)]


def test_a_society_that_lives_and_its_forks_get_no_further_people(tmp_path: Path) -> None:
    growth = Growth(agents=12, hops=1, fan_outs=(2,))
    run = Society(Village(), growth=growth, steps=1, out=tmp_path / "run.duckdb").run()
    with RunLog.open(run.path) as log:
        missing = growth.model_copy(update={"agents": 20}).model_dump(mode="json")
        log.commit(statements=log.change(spec={"growth": missing})).result()
    asked = run.sql("SELECT hop, asked FROM growth").rows
    branch = fork(run.path, Village, at=0, out=tmp_path / "fork.duckdb")
    for society in (Society.resume(run.path, Village, steps=2), branch):
        assert society.run().sql("SELECT hop, asked FROM growth").rows == asked
