"""`import populace`: runs and growth in one call, and what a call that is made again gives."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.outputs import ChatResult
from pydantic import Field

import populace
from populace.agents.procedural import ProceduralModel
from populace.cli.panel import ProgressPanel
from populace.core.errors import SetupError
from populace.facade import default_progress, grow, make, run, run_async
from populace.scenarios.village import Village
from populace.sim import FinishedRun, Growth
from populace.sim.engine import SilentProgress
from populace.sim.runfile.database import cursors_of

NAMES = {
    *("Action", "Persona", "Scenario", "Society", "__version__"),
    *("ask", "enrich", "experiment", "export", "fork", "grade", "grow", "make", "open_hub", "open_run"),
    *("replay", "run", "run_async", "solve", "survey", "translate"),
}


class Errands(populace.Scenario):
    """What would people ask?"""

    name = "errands"
    world = "It is market day."


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return small(tmp_path_factory.mktemp("run") / "errands.duckdb")


def small(out: Path, **options: Any) -> FinishedRun:
    given: dict[str, Any] = {"agents": 4, "hops": 0, "steps": 1, "seed": 3, "out": out}
    return run(Errands, **given | options)


def test_the_facade_gives_what_it_promises() -> None:
    assert set(populace.__all__) == NAMES == set(dir(populace))
    assert all(getattr(populace, name).__doc__ for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        populace.nothing  # noqa: B018


def test_importing_it_loads_no_room() -> None:
    loaded = "import sys, populace; print([m for m in sys.modules if m.startswith('populace.')])"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "[]"


def test_a_run_is_one_call_and_its_emissions_are_a_frame(finished: FinishedRun) -> None:
    assert finished.note == ""
    assert len(finished.df()) == finished.pl().height == finished.arrow().num_rows == 4
    assert finished.sql("SELECT seed FROM runs").rows == [(3,)]
    assert "procedural (no language model)" in finished._repr_html_()


def test_a_run_by_the_name_of_a_scenario_takes_settings(tmp_path: Path) -> None:
    lived = run("village", settings={"flood_at": 1}, agents=4, hops=0, steps=1, out=tmp_path / "v.duckdb")
    assert lived.sql("SELECT name FROM interventions WHERE step = 1").rows


def test_the_same_call_again_gives_the_run_back(finished: FinishedRun) -> None:
    again = small(finished.path)
    assert again.event_hash == finished.event_hash
    assert "nothing was asked" in again.note
    assert again.note in again._repr_html_()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 4}, "its seed is 3, not 4"),
        ({"agents": 5}, "its agents is 4, not 5"),
        ({"scenario": Village}, "its scenario is 'errands', not 'village'"),
    ],
)
def test_another_run_at_the_same_place_is_refused(finished: FinishedRun, options: dict[str, Any], said: str) -> None:
    scenario = options.pop("scenario", Errands)
    given: dict[str, Any] = {"agents": 4, "hops": 0, "steps": 1, "seed": 3, "out": finished.path} | options
    with pytest.raises(SetupError, match=f"{said}.*`overwrite=True`"):
        run(scenario, **given)


@pytest.mark.slow
def test_more_steps_are_resumed_when_that_is_said(tmp_path: Path) -> None:
    path = small(tmp_path / "e.duckdb").path
    with pytest.raises(SetupError, match=r"stopped at step 1 of 2; go on with `resume=True`"):
        small(path, steps=2)
    assert small(path, steps=2, resume=True).sql("SELECT count(*) FROM steps").rows == [(2,)]
    with pytest.raises(SetupError, match="it has 2 steps, not 1"):
        small(path, steps=1, resume=True)


def test_a_run_is_replaced_when_that_is_said_and_nothing_else_is(tmp_path: Path) -> None:
    path = small(tmp_path / "e.duckdb").path
    assert small(path, seed=9, overwrite=True).sql("SELECT seed FROM runs").rows == [(9,)]
    letter = tmp_path / "letter.duckdb"
    letter.write_text("Dear Ada, " * 9_000)
    with pytest.raises(SetupError, match=r"letter\.duckdb"):
        small(letter, overwrite=True)
    assert letter.read_text().startswith("Dear Ada")


def test_people_are_said_once(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="`growth` says how people come about, and so do `agents`"):
        run(Errands, growth=Growth(), agents=3, out=tmp_path / "e.duckdb")


async def test_a_run_leaves_a_running_loop_free(tmp_path: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    lived = await run_async(Errands, agents=4, hops=0, steps=1, out=tmp_path / "e.duckdb")
    ticking.cancel()
    assert len(lived.emissions().rows) == 4
    assert ticks > 10


class Slow(ProceduralModel):
    """The built-in generator, which takes its time after the first answers."""

    seconds: float = 0.0
    quick_answers: int = 0
    asked: list[dict[str, Any]] = Field(default_factory=list)

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        self.asked.append(options)
        if len(self.asked) > self.quick_answers:
            await asyncio.sleep(self.seconds)
        return await super()._agenerate(messages, stop, run_manager, **options)


async def test_a_cancelled_run_is_paused_closed_and_resumed(tmp_path: Path) -> None:
    path, slow = tmp_path / "e.duckdb", Slow(seconds=600, quick_answers=1)
    given: dict[str, Any] = {"agents": 4, "hops": 0, "steps": 2, "seed": 3, "out": path}
    running = asyncio.create_task(run_async(Errands, **given, model=slow))
    while len(slow.asked) < 2:  # noqa: ASYNC110 - asked in another thread's loop
        await asyncio.sleep(0.01)
    with pytest.raises(SetupError, match="is still going; wait for its end"):
        run(Errands, **given, model=Slow())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not cursors_of(path)
    with populace.open_run(path) as left:
        ((status, reason),) = left.query("SELECT status, reason FROM runs").rows
    assert (status, reason) == ("paused", "It was interrupted. Text-to-Persona: 3 left; 2 steps to come.")
    again = await run_async(Errands, **given, model=Slow(), resume=True)
    assert again.event_hash == small(tmp_path / "whole.duckdb", steps=2, model=Slow()).event_hash


def interrupt_once_asked(model: Slow) -> None:
    while len(model.asked) < 2:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_leaves_a_paused_run(tmp_path: Path) -> None:
    path = tmp_path / "e.duckdb"
    slow = Slow(seconds=60, quick_answers=1)
    interrupting = threading.Thread(target=interrupt_once_asked, args=(slow,), daemon=True)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        small(path, model=slow)
    interrupting.join()
    with populace.open_run(path) as left:
        ((status, reason),) = left.query("SELECT status, reason FROM runs").rows
    assert status == "paused"
    assert reason.startswith("It was interrupted. ")
    with pytest.raises(SetupError, match="which stopped at step 0 of 1; go on with `resume=True`"):
        small(path, model=Slow())


def test_what_is_opened_and_never_entered_holds_nothing(finished: FinishedRun, tmp_path: Path) -> None:
    path, umask = Path(shutil.copy(finished.path, tmp_path)), os.umask(0o022)
    kept = (
        populace.Society.resume(path, Errands, steps=2),
        populace.open_run(path),
        populace.open_hub(path, write=True),
    )
    assert os.umask(umask) == 0o022
    assert kept[1].query("SELECT count(*) FROM emissions").rows == kept[2].sql("SELECT count(*) FROM emissions").rows
    assert small(path, steps=2, resume=True).sql("SELECT count(*) FROM steps").rows == [(2,)]


def test_sampling_is_sent_and_part_of_the_run(tmp_path: Path) -> None:
    path, model = tmp_path / "e.duckdb", Slow()
    sampling: dict[str, Any] = {"temperature": 0.5, "extra_body": {"top_k": 9}, "retry_refusals": 1}
    small(path, model=model, **sampling)
    assert [(one["temperature"], one["extra_body"]) for one in model.asked] == [(0.5, {"top_k": 9})] * len(model.asked)
    assert "nothing was asked" in small(path, model=model, **sampling).note
    said = "its temperature is 0.5, not None; its extra_body is {'top_k': 9}, not None; its retry_refusals is 1, not 0"
    with pytest.raises(SetupError, match=re.escape(said)):
        small(path, model=model)
    with pytest.raises(SetupError, match=re.escape("its temperature is 0.5, not 1.0. Give another")):
        small(path, model=model, **sampling | {"temperature": 1}, resume=True, steps=2)
    with pytest.raises(SetupError, match=r"samples with `temperature` 0.5, .* not with `temperature` 0.7"):
        populace.Society.resume(path, Errands, model=model, limits={"temperature": 0.7})


def test_sampling_of_growth_is_part_of_the_hub(tmp_path: Path) -> None:
    hub, text = tmp_path / "people.duckdb", tmp_path / "text.txt"
    text.write_text("A lighthouse keeper writes down the weather, each night, for the harbour master.")
    grow(text, hub=hub, hops=0, model=Slow(), top_p=0.5)
    with pytest.raises(SetupError, match=r"`top_p` 0\.5 then and none now"):
        grow(text, hub=hub, hops=1, model=Slow())
    grown = grow(text, hub=hub, hops=1, model=Slow(), top_p=0.5)
    assert grown.sql("SELECT DISTINCT sampling ->> 'top_p' FROM calls").rows == [("0.5",)]


async def test_run_works_where_a_loop_runs_as_in_a_notebook(tmp_path: Path) -> None:
    assert len(small(tmp_path / "e.duckdb").emissions().rows) == 4


def test_growing_is_one_call_and_goes_on_from_what_is_there(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("A lighthouse keeper writes down the weather, each night, for the harbour master.")
    hub = tmp_path / "people.duckdb"
    first = grow(text, hub=hub, hops=0)
    assert "nothing was asked" in grow(text, hub=hub, hops=0).note
    grow(text, hub=hub, hops=1, agents=None)
    with populace.open_hub(hub) as people:
        found = people.sql("SELECT hop, text FROM personas ORDER BY hop")
        assert people._repr_html_().startswith("<table>")
    assert found.df()["hop"].max() == 1
    assert first.path == hub


def test_data_are_made_in_one_call_and_given_back_when_it_is_made_again(tmp_path: Path) -> None:
    hub, out = tmp_path / "hub.duckdb", tmp_path / "data.duckdb"
    grow(hub=hub, agents=6, hops=1)
    made = make("instruction", 4, hub=hub, settings={"language": "English"}, out=out)
    assert len(made.sql("SELECT 1 FROM outputs WHERE status = 'accepted'").rows) == 4
    assert "nothing was asked" in make("instruction", 4, hub=hub, settings={"language": "English"}, out=out).note


def test_progress_is_shown_in_a_notebook_or_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(default_progress(None), SilentProgress)
    assert isinstance(default_progress(True), ProgressPanel)
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert isinstance(default_progress(None), ProgressPanel)
    assert isinstance(default_progress(False), SilentProgress)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda hub: populace.grow(hub=hub, limit=2),
            r"^grow\(\) has no parameter 'limit' \(did you mean 'agents'\?\)",
        ),
        (lambda hub: populace.grow(hub=hub, sede=2), r"grow\(\) has no parameter 'sede' \(did you mean 'seed'"),
        (lambda hub: populace.make("instruction", 2, setings={}), r"make\(\) has no parameter 'setings' .*'settings'"),
    ],
)
def test_an_unknown_parameter_is_named_with_the_nearest_known_one(tmp_path: Path, call: Any, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        call(tmp_path / "people.duckdb")
    assert not (tmp_path / "people.duckdb").exists()
