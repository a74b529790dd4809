"""A run lives again from its own answers: the same hash, and nobody is asked."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from openai_server import OpenAIServer

from populace.agents.gateway.call import CallKey
from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError, RunError, RunFileError
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.replay import Replayed, recorded_model, replay
from populace.sim.resident import SocietyView
from populace.sim.runfile.reader import FinishedRun, Recording, open_run
from populace.sim.society import Society

type Live = Callable[..., FinishedRun]


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A procedural village that has lived three steps; never to be written to."""
    out = tmp_path_factory.mktemp("whole") / "run.duckdb"
    Society(Village({"lines": 1, "assistant": False}), growth=Growth(agents=24, hops=2), out=out, steps=3).run()
    return out


@pytest.fixture
def run_file(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(whole, tmp_path))


def changed(path: Path, sql: str) -> Path:
    with duckdb.connect(path) as con:
        con.execute(sql)
    return path


def hash_in(path: Path) -> str:
    with open_run(path) as run:
        ((event_hash,),) = run.query("SELECT event_hash FROM runs").rows
    return str(event_hash)


def check_same(replayed: Replayed, expected: str) -> None:
    assert (replayed.event_hash, replayed.expected, replayed.difference) == (expected, expected, "")
    assert replayed.calls == 0
    assert replayed.recalled > 0


def test_a_procedural_run_is_the_same_again_and_leaves_nothing_behind(run_file: Path) -> None:
    replayed = replay(run_file, Village)
    check_same(replayed, hash_in(run_file))
    assert replayed.steps == 3
    assert list(run_file.parent.iterdir()) == [run_file]


def test_a_replay_that_is_kept_holds_the_same_run_and_no_calls(run_file: Path, tmp_path: Path) -> None:
    replay(run_file, Village, out=tmp_path / "again.duckdb")
    tables = ("passages", "personas", "relations", "agents", "observations", "emissions", "messages", "memories")
    with open_run(run_file) as then, open_run(tmp_path / "again.duckdb") as now:
        for table in tables:
            assert then.query(f"FROM {table}").rows == now.query(f"FROM {table}").rows
        assert now.query("SELECT status, (SELECT count(*) FROM calls) FROM runs").rows == [("finished", 0)]
    with pytest.raises(RunFileError, match=r"holds no answers, .* replay the run that it was made from"):
        replay(tmp_path / "again.duckdb", Village)


def test_people_of_a_hub_that_is_gone_are_had_again(whole: Path, tmp_path: Path) -> None:
    hub = Path(shutil.copy(whole, tmp_path / "hub.duckdb"))
    society = Society(
        Village({"lines": 1, "assistant": False}),
        growth=Growth(hub=hub, agents=16, hops=1),
        out=tmp_path / "run.duckdb",
        steps=1,
    )
    lived = society.run()
    hub.unlink()
    check_same(replay(lived.path, Village), lived.event_hash)


def test_an_answer_that_the_endpoint_spoiled_is_asked_for_again_in_the_replay_too(live: Live) -> None:
    with OpenAIServer() as server:
        server.script({"error": {"message": "The model produced output that does not match the grammar"}}, status=500)
        run = live(model="openai:test", base_url=server.base_url, steps=1)
    assert run.sql("SELECT outcome FROM calls WHERE raw IS NULL").rows == [("cut_json",)]
    check_same(replay(run.path, Village), run.event_hash)


@pytest.mark.slow
def test_a_run_whose_growth_failed_is_replayed_to_its_last_complete_hop(tmp_path: Path) -> None:
    out = tmp_path / "run.duckdb"
    with OpenAIServer() as server:
        server.fail_forever('"name":"persona_to_persona"')
        with pytest.raises(PausedError, match="calls failed"):
            Society(
                Village({"lines": 1, "assistant": False}), model="openai:test", base_url=server.base_url, out=out
            ).run()
    replayed = replay(out, Village)
    check_same(replayed, hash_in(out))
    assert replayed.steps == 0


def test_a_run_without_a_complete_hop_has_nothing_to_replay(tmp_path: Path) -> None:
    out = tmp_path / "run.duckdb"
    with OpenAIServer() as server, pytest.raises(PausedError):
        Society(
            Village({"lines": 1, "assistant": False}),
            model="openai:test",
            base_url=server.base_url,
            limits=Limits(max_calls=1),
            out=out,
        ).run()
    with pytest.raises(RunFileError, match="before its first hop was complete, so there is nothing to replay"):
        replay(out, Village)


class Elsewhere(Village):
    """The same people in another world."""

    world = "This is a harbour town where nobody fishes any more."


def test_a_changed_scenario_is_told_by_what_it_asks(run_file: Path) -> None:
    with pytest.raises(
        RunError, match=r"In step 1 the replay asks for \w{32} \(prompt turn@\d+\) something that"
    ) as said:
        replay(run_file, Elsewhere)
    assert "never asked: the prompt, the scenario or Populace has changed since (populace" in str(said.value)
    assert len(list(run_file.parent.iterdir())) == 1


def test_versions_that_differ_are_named_then_and_now(run_file: Path) -> None:
    changed(run_file, """UPDATE jobs SET versions = replace(versions, '"mesa":"', '"mesa":"0.')""")
    with pytest.raises(RunError, match=r"\(mesa 0\.[\d.]+ then and [\d.]+ now\)"):
        replay(run_file, Elsewhere)


@pytest.mark.parametrize(("phase", "number", "where"), [("growth", 0, "hop 0"), ("step", 2, "step 2")])
def test_an_answer_that_was_tampered_with_is_found_where_it_is(
    run_file: Path, phase: str, number: int, where: str
) -> None:
    first = f"(SELECT min(rowid) FROM calls WHERE phase = '{phase}' AND number = {number})"
    replayed = replay(changed(run_file, f"UPDATE calls SET raw = '{{}}' WHERE rowid = {first}"), Village)
    assert f"first differs in {where}: its event hash was " in replayed.difference
    assert replayed.expected == hash_in(run_file)
    assert replayed.event_hash != replayed.expected


def test_a_society_that_ends_earlier_than_it_did_differs_there(run_file: Path) -> None:
    class Short(Village):
        def ended(self, society: SocietyView) -> bool:
            return society.world.step == 1

    assert "first differs in step 2" in (said := replay(run_file, Short).difference)
    assert "the replay ended before it" in said


def test_a_request_made_twice_ends_as_it_ended_each_time(run_file: Path) -> None:
    changed(run_file, "INSERT INTO calls SELECT * REPLACE ('second' AS raw) FROM calls ORDER BY rowid LIMIT 1")
    with Recording.open(run_file) as recording, open_run(run_file) as run:
        (made,) = run.query("SELECT phase, number, owner, request_hash FROM calls WHERE raw = 'second'").rows
        ends = [recording.end(CallKey(*made)).raw for _ in range(3)]
    assert ends[0] != "second"
    assert ends[1:] == ["second", "second"]


async def test_the_model_of_a_replay_is_named_as_the_run_s_own_and_cannot_be_asked(run_file: Path) -> None:
    with Recording.open(run_file) as recording:
        handle = recorded_model(recording.job_row)
    assert (handle.name, handle.is_language_model) == ("procedural", False)
    with pytest.raises(RunError, match="A replay asks no model"):
        await handle.served.ainvoke("Who are you?")


def test_a_run_with_a_cap_on_its_cost_is_replayed(live: Live) -> None:
    run = live(agents=6, hops=1, steps=1, prices="1/2", max_cost=1.0)
    assert replay(run.path, Village).event_hash == run.event_hash
