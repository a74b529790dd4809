"""A run lives on from one of its steps with something changed, and only what differs is asked."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from warm_process import WarmProcess

from populace.core.errors import PausedError, RunError, RunFileError, SetupError
from populace.scenarios.village import Village
from populace.sim.dynamics.declared import Intervention
from populace.sim.fork import AskedSince, asked_anew, asked_since, fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.database import describe, run_tables
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.society import Society

STEPS = 4

type Live = Callable[..., FinishedRun]


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A procedural village that has lived four steps; never to be written to."""
    out = tmp_path_factory.mktemp("whole") / "run.duckdb"
    return Society(
        Village({"lines": 1, "assistant": False}), growth=Growth(agents=16, hops=1), out=out, steps=STEPS
    ).run()


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FinishedRun, OpenAIServer]]:
    """A village that asked a server, never to be written to, and that server."""
    out = tmp_path_factory.mktemp("asking") / "run.duckdb"
    with OpenAIServer() as server:
        where = {"model": "openai:test", "base_url": server.base_url}
        growth = Growth(agents=24, hops=2)
        yield Society(Village({"lines": 1, "assistant": False}), growth=growth, out=out, steps=3, **where).run(), server  # type: ignore[arg-type]


@pytest.fixture
def over_http(asking: tuple[FinishedRun, OpenAIServer]) -> tuple[FinishedRun, OpenAIServer]:
    """The same, the server having forgotten all."""
    asking[1].reset()
    return asking


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Where there is to be a fork."""
    return tmp_path / "fork.duckdb"


def asked(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def revised(path: Path, at: int) -> int:
    """Requests for another text that the steps after `at` made beside their turns."""
    ((count,),) = asked(path, f"SELECT count(*) FROM calls WHERE purpose = 'revise' AND number > {at}")
    return int(count)


def requests(path: Path, when: str) -> int:
    """Different requests that the steps of a run made; a revision is another than the turn."""
    steps = f"SELECT count(DISTINCT (owner, request_hash)) FROM calls WHERE phase = 'step' AND {when}"
    return int(asked(path, steps)[0][0])


@pytest.mark.parametrize("at", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, STEPS))])
def test_a_fork_with_nothing_changed_ends_as_the_run_and_asks_nobody(whole: FinishedRun, new: Path, at: int) -> None:
    society = fork(whole.path, Village, at=at, out=new)
    assert society.run().event_hash == whole.event_hash
    assert society.engine.gateway.calls == 0
    since = asked_since(new)
    assert since == AskedSince(since.requests, since.requests, 0, 0)
    assert since.requests == requests(whole.path, f"number > {at}") >= 16 * (STEPS - at)


@pytest.mark.slow
def test_a_fork_holds_the_same_rows_as_the_run(whole: FinishedRun, new: Path) -> None:
    fork(whole.path, Village, at=2, out=new).run()
    times = {"started_at", "ended_at", "waited", "source", "cost"}
    tables = {e.name: [f'"{c.name}"' for c in e.columns if c.name not in times] for e in describe()}
    with open_run(whole.path) as run, open_run(new) as forked:
        for table in (one.name for one in run_tables() if one.fork):
            sql = f"SELECT {', '.join(tables[table])} FROM {table} ORDER BY ALL"
            assert run.query(sql).rows == forked.query(sql).rows, table


def test_it_says_whose_state_it_began_with_and_what_was_changed(whole: FinishedRun, new: Path) -> None:
    fork(whole.path, Village, at=1, out=new, settings={"memory": "3"}).run()
    ((parent,),) = asked(whole.path, "SELECT run FROM runs")
    sql = "SELECT forked_from, forked_at, status, seed, (settings->>'memory')::INTEGER, run <> forked_from FROM runs"
    assert asked(new, sql) == [(parent, 1, "finished", 0, 3, True)]


class News(Village):
    """The village, with news in its third step."""

    interventions = (Intervention(3, "strike", "The bakers are on strike."),)


def test_what_changes_later_is_asked_from_there_on_alone(whole: FinishedRun, new: Path) -> None:
    society = fork(whole.path, News, at=1, out=new)
    assert society.run().event_hash != whole.event_hash
    known, fresh = requests(whole.path, "number = 2"), 32 + revised(new, 2)
    assert asked_since(new) == AskedSince(known + fresh, known, 0, fresh)
    assert society.engine.gateway.calls == fresh


class Harbour(Village):
    """The same people in another world."""

    world = "This is a harbour town where nobody fishes any more."


@pytest.mark.slow
def test_another_world_is_a_change_like_any_other_and_leaves_no_request_the_same(whole: FinishedRun, new: Path) -> None:
    society = fork(whole.path, Harbour, at=3, out=new)
    assert "world text" in asked_anew(whole.path, new)
    society.run()
    fresh = 16 + revised(new, 3)
    assert asked_since(new) == AskedSince(fresh, 0, 0, fresh)
    assert asked(new, "SELECT world FROM runs") == [(Harbour.world,)]


@pytest.mark.slow
def test_more_steps_than_the_run_lived_are_asked(whole: FinishedRun, new: Path) -> None:
    fork(whole.path, Village, at=STEPS, out=new, steps=STEPS + 1).run()
    fresh = 16 + revised(new, STEPS)
    assert asked_since(new) == AskedSince(fresh, 0, 0, fresh)


@pytest.mark.slow
def test_text_of_the_stand_in_makes_no_run_of_a_language_model(
    whole: FinishedRun, new: Path, openai_server: OpenAIServer
) -> None:
    fork(whole.path, Village, at=3, out=new, model="openai:test", base_url=openai_server.base_url).run()
    assert asked(new, "SELECT model, is_language_model FROM runs") == [("openai:test", False)]


@pytest.mark.slow
def test_what_the_run_paid_counts_nothing_in_the_fork_s_budget(
    over_http: tuple[FinishedRun, OpenAIServer], new: Path
) -> None:
    run, server = over_http
    with pytest.raises(PausedError, match="budget of 10 calls"):
        fork(run.path, News, at=1, out=new, limits={"max_calls": 10, "max_in_flight": 4}).run()
    assert asked(new, "SELECT count(*) FROM calls WHERE source = 'endpoint'") == [(10,)]
    assert asked(new, "SELECT DISTINCT cost, input_tokens > 0 FROM calls WHERE source = 'fork'") == [(0.0, True)]
    paid = server.calls
    Society.resume(new, News, limits={"max_calls": 100}).run()
    assert server.calls - paid == asked_since(new).sent - 10


@pytest.mark.slow
def test_it_stands_alone(whole: FinishedRun, new: Path, tmp_path: Path) -> None:
    parent = Path(shutil.copy(whole.path, tmp_path))
    society = fork(parent, Village, at=1, out=new)
    parent.unlink()
    assert society.run().event_hash == whole.event_hash
    assert [p.name for p in tmp_path.iterdir()] == [new.name]


def test_answers_to_a_step_that_was_never_completed_are_taken_over(
    live: Live, new: Path, openai_server: OpenAIServer
) -> None:
    with pytest.raises(PausedError):
        live(model="openai:test", base_url=openai_server.base_url, hops=0, agents=4, max_calls=7, steps=2)
    paid, parent = openai_server.calls, new.with_name("run.duckdb")
    fork(parent, Village, at=0, out=new, limits={"max_calls": 100}).run()
    ((growth,),) = asked(parent, "SELECT count(*) FROM calls WHERE phase = 'growth'")
    assert openai_server.calls - paid == asked_since(new).sent
    assert asked_since(new).known == paid - growth


@pytest.mark.slow
def test_a_fork_is_forked_again_and_still_knows_the_first_run_s_answers(
    whole: FinishedRun, new: Path, tmp_path: Path
) -> None:
    fork(whole.path, News, at=1, out=new, steps=3).run()
    society = fork(new, Village, at=2, out=tmp_path / "back.duckdb", steps=STEPS)
    assert society.run().event_hash == whole.event_hash
    assert society.engine.gateway.calls == 0


@pytest.mark.slow
def test_a_fork_is_replayed_from_its_step(whole: FinishedRun, new: Path, tmp_path: Path) -> None:
    forked = fork(whole.path, News, at=1, out=new, settings={"memory": 2}).run()
    again = replay(new, News, out=tmp_path / "again.duckdb")
    assert (again.event_hash, again.difference, again.calls) == (forked.event_hash, "", 0)
    ((requests,),) = asked(new, "SELECT count(*) FROM calls WHERE phase = 'step' AND number > 1")
    assert (again.begun, again.steps, again.recalled) == (1, 3, requests)
    assert asked(tmp_path / "again.duckdb", "SELECT status, event_hash FROM runs") == [("finished", again.event_hash)]
    with pytest.raises(RunFileError, match="holds no answers"):
        replay(tmp_path / "again.duckdb", News)


def test_a_fork_that_has_lived_nothing_has_nothing_to_replay(whole: FinishedRun, new: Path) -> None:
    with fork(whole.path, Village, at=2, out=new):
        pass
    with pytest.raises(RunFileError, match=r"no step since it was forked at step 2, so there is nothing to replay"):
        replay(new, Village)


@pytest.mark.parametrize("at", [-1, STEPS + 1])
def test_a_step_that_was_not_lived_names_those_that_were(whole: FinishedRun, new: Path, at: int) -> None:
    with pytest.raises(RunFileError, match=rf"at step 0 \(after growth\) to {STEPS}, but {at} was given"):
        fork(whole.path, Village, at=at, out=new)
    assert not new.exists()


@pytest.mark.slow
def test_a_run_without_a_step_is_forked_after_growth_alone(live: Live, new: Path, openai_server: OpenAIServer) -> None:
    openai_server.fail_forever("Lindenford", "server_error")
    with pytest.raises(RunError):
        live(model="openai:test", base_url=openai_server.base_url)
    with pytest.raises(RunFileError, match=r"at step 0 \(after growth\), for no step was run yet, but 1 was given"):
        fork(new.with_name("run.duckdb"), Village, at=1, out=new)
    openai_server.reset()
    fork(new.with_name("run.duckdb"), Village, at=0, out=new, steps=1).run()
    assert asked(new, "SELECT count(*) FROM steps") == [(1,)]


def test_a_run_that_was_stopped_in_its_growth_says_how_far_it_came(tmp_path: Path, new: Path) -> None:
    out = tmp_path / "run.duckdb"
    with OpenAIServer() as server:
        server.fail_forever('"name":"persona_to_persona"')
        with pytest.raises(RunError):
            Society(
                Village({"lines": 1, "assistant": False}), model="openai:test", base_url=server.base_url, out=out
            ).run()
    with pytest.raises(RunFileError, match=r"was stopped in its growth, after hop 0 of 3, .* `populace resume"):
        fork(out, Village, at=0, out=new)


def test_no_step_to_live_is_said(whole: FinishedRun, new: Path) -> None:
    with pytest.raises(SetupError, match=r"has no step to run; give `steps=5` or more, or an earlier step"):
        fork(whole.path, Village, at=STEPS, out=new)


def test_a_wrong_setting_or_limit_leaves_nothing_behind(whole: FinishedRun, new: Path) -> None:
    with pytest.raises(SetupError, match="no setting 'memry'"):
        fork(whole.path, Village, at=1, out=new, settings={"memry": 1})
    with pytest.raises(SetupError, match="max_calls"):
        fork(whole.path, Village, at=1, out=new, limits={"max_calls": 0})
    assert list(new.parent.iterdir()) == []


def test_a_place_that_is_taken_is_left_as_it_is(whole: FinishedRun, new: Path) -> None:
    new.write_text("mine")
    with pytest.raises(RunFileError, match=r"fork.duckdb' exists; give another path"):
        fork(whole.path, Village, at=1, out=new)
    assert new.read_text() == "mine"


def test_a_run_that_goes_on_in_this_process_is_not_forked(live: Live, new: Path) -> None:
    run = live(steps=1)
    with Society.resume(run.path, Village, steps=3) as society:
        society.run_for(1)
        with pytest.raises(RunFileError, match="is going on; wait until it has ended, or stop it"):
            fork(run.path, Village, at=1, out=new)


@pytest.mark.slow
def test_what_is_read_meanwhile_keeps_its_file(whole: FinishedRun, new: Path) -> None:
    with open_run(whole.path) as reader:
        fork(whole.path, Village, at=1, out=new).run()
        writing = f"import duckdb; duckdb.connect({str(whole.path)!r})"
        ended = subprocess.run([sys.executable, "-c", writing], check=False, capture_output=True, text=True)
        assert "Could not set lock" in ended.stderr
        assert reader.query("SELECT count(*) FROM steps").rows == [(STEPS,)]


KILLED = """
import os, signal, sys
from populace.scenarios.village import Village
from populace.sim.fork import fork
from populace.sim import fork as copying

copying._keep_answers = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
fork(sys.argv[1], Village, at=1, out=sys.argv[2])
"""


@pytest.mark.slow
def test_a_copy_that_is_killed_on_the_way_looks_like_no_run(warm: WarmProcess, whole: FinishedRun, new: Path) -> None:
    ended = warm.run("-c", KILLED, whole.path, new)
    assert ended.returncode == -signal.SIGKILL
    assert not new.exists()
    assert fork(whole.path, Village, at=1, out=new).run().event_hash == whole.event_hash
