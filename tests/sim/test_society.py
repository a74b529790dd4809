import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from populace.agents.gateway.limits import Limits, Prices
from populace.agents.procedural import ProceduralModel
from populace.core.errors import HookError, RunFileError, SetupError
from populace.scenarios.village import Village
from populace.sim.config import RunConfig
from populace.sim.growth import Growth
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.scenario import Scenario
from populace.sim.society import Society

type Live = Callable[..., FinishedRun]


class Errands(Scenario):
    """What would people ask an assistant for?"""

    name = "errands"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """What `live` gives when nothing else is wished; never to be written to."""
    out = tmp_path_factory.mktemp("lived") / "run.duckdb"
    return Society(Village({"lines": 1, "assistant": False}), growth=Growth(agents=24, hops=2), out=out, steps=3).run()


def test_equal_seeds_give_equal_event_hashes_and_other_seeds_others(live: Live, lived: FinishedRun) -> None:
    assert live("same").event_hash == lived.event_hash
    assert live("other", seed=2).event_hash != lived.event_hash


def test_the_number_in_flight_does_not_change_what_happens(live: Live, lived: FinishedRun) -> None:
    assert live(max_in_flight=1).event_hash == lived.event_hash


def test_a_run_leaves_everything_that_happened_in_its_file(lived: FinishedRun) -> None:
    run = lived
    ((status, stored, steps, wanted),) = run.sql(
        "SELECT status, event_hash, (SELECT count(*) FROM steps), steps_wanted FROM runs"
    ).rows
    assert (status, stored, steps, wanted) == ("finished", run.event_hash, 3, 3)
    tables = ("personas", "relations", "agents", "observations", "emissions", "messages", "memories", "calls")
    sums = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in tables)
    counts = dict(zip(tables, run.sql(f"SELECT {sums}").rows[0], strict=True))
    assert counts["agents"] == 24
    assert counts["observations"] == 72
    assert all(counts.values())


def test_the_village_emits_all_of_its_products(lived: FinishedRun) -> None:
    kinds = {kind for (kind,) in lived.sql("SELECT DISTINCT kind FROM emissions").rows}
    assert kinds == {"instruction", "dialogue", "tool", "deed", "silence"}


def test_what_somebody_does_is_news_to_those_around_in_the_next_step_and_to_nobody_else(lived: FinishedRun) -> None:
    done = "SELECT step, agent, name, text FROM emissions JOIN agents USING (agent) WHERE kind = 'deed'"
    seen = lived.sql("SELECT step, agent, text FROM observations").rows
    ties = {frozenset(pair) for pair in lived.sql("SELECT source, target FROM relations").rows}
    told = [
        (when - step, frozenset((agent, other)) in ties)
        for step, agent, name, text in lived.sql(done).rows
        for when, other, view in seen
        if f'- {name} did this: "{text}"' in view
    ]
    assert len(told) > 3
    assert set(told) <= {(0, True), (1, True)}  # in the same step by those whose conversation goes on
    assert (1, True) in told


def test_lines_are_heard_and_answered_in_the_next_step(lived: FinishedRun) -> None:
    ((count, fits),) = lived.sql(
        "SELECT count(*), bool_and(earlier.step <= m.step AND earlier.recipient = m.sender) "
        "FROM messages AS m JOIN messages AS earlier ON m.reply_to = earlier.message"
    ).rows
    assert count > 0
    assert fits


def test_the_flood_is_a_row_and_news_and_cuts_trade(live: Live) -> None:
    run = live(settings={"flood_at": 2})
    assert run.sql("SELECT step, name FROM interventions").rows == [(2, "flood")]
    ((told,),) = run.sql("SELECT count(*) FROM observations WHERE step = 2 AND text LIKE '%river rose%'").rows
    ((trading,),) = run.sql("SELECT count(*) FROM observations WHERE step = 2 AND text LIKE '%, trade):%'").rows
    assert told == 24
    assert trading == 0


def test_a_scenario_of_a_few_lines_runs(live: Live) -> None:
    run = live(scenario=Errands(), steps=1)
    assert run.sql("SELECT DISTINCT kind FROM emissions").rows == [("instruction",)]


async def test_a_society_runs_where_an_event_loop_runs_already(live: Live) -> None:
    assert asyncio.get_running_loop().is_running()
    assert live(steps=1).event_hash


def test_a_society_is_a_mesa_model_that_can_be_stepped(tmp_path: Path) -> None:
    with Society(
        Village({"lines": 1, "assistant": False}), growth=Growth(agents=12, hops=1), out=tmp_path / "run.duckdb"
    ) as society:
        society.step()
        society.run_for(2)
        assert society.time == 3
        assert society.world.step == 3
        assert len(society.agents) == 12
        assert all(isinstance(agent, Resident) for agent in society.agents)


def test_a_society_can_end_before_its_last_step(live: Live) -> None:
    class Short(Errands):
        def ended(self, society: SocietyView) -> bool:
            return society.world.step == 1

    assert live(scenario=Short(), steps=5).sql("SELECT count(*) FROM steps").rows == [(1,)]


def test_what_fails_in_a_scenario_is_raised_and_the_step_before_stays(live: Live, tmp_path: Path) -> None:
    class Failing(Errands):
        def measures(self, society: SocietyView) -> Mapping[str, float]:
            return {"inverse": 1 / (2 - society.world.step)}

    with pytest.raises(HookError, match="`measures` of Failing failed with ZeroDivisionError: division by zero"):
        live(scenario=Failing())
    again = Society.resume(tmp_path / "run.duckdb", Errands)
    with again:
        assert again.world.step == 1
        (row,) = again.engine.log.query("SELECT name, value FROM measures")
        assert row == ("inverse", 1.0)


def test_only_those_who_are_active_act(live: Live) -> None:
    class OneByOne(Errands):
        def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
            return society.residents[:1]

    assert live(scenario=OneByOne()).sql("SELECT active, acted FROM steps").rows == [(1, 1)] * 3


def test_a_run_file_is_never_written_over(live: Live) -> None:
    live(steps=1)
    with pytest.raises(RunFileError, match="exists; give another path"):
        live(steps=1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 2.5}, "`steps` must be a whole number from 1, but 2.5 was given"),
        ({"steps": True}, "`steps` must be a whole number"),
        ({"seed": "7"}, "The seed must be a whole number from 0, but '7' was given"),
        ({"seed": 1.0}, "The seed must be a whole number"),
        ({"scenario": Village}, r"Village is a class; write Village\(\)"),
        ({"scenario": "village"}, "'village' is none; derive a class from Scenario"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(live: Live, given: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        live(**given)


@pytest.mark.parametrize(("option", "value"), [("steps", 0), ("max_in_flight", 0)])
def test_numbers_below_one_are_refused(live: Live, option: str, value: int) -> None:
    with pytest.raises(SetupError, match=rf"{option}`? must be at least 1, but 0 was given"):
        live(**{option: value})


def test_a_finished_run_can_be_resumed_for_more_steps(live: Live, lived: FinishedRun) -> None:
    resumed = Society.resume(live(steps=1).path, Village, steps=3).run()
    assert resumed.event_hash == lived.event_hash


def test_a_chat_model_of_ones_own_will_do_and_is_given_again_to_resume(live: Live) -> None:
    run = live(steps=1, model=ProceduralModel())
    ((name, is_language_model),) = run.sql("SELECT model, is_language_model FROM runs").rows
    assert (name, is_language_model) == ("ProceduralModel:procedural", False)
    with pytest.raises(SetupError, match="no model named"):
        Society.resume(run.path, Village, steps=2)
    assert Society.resume(run.path, Village, steps=2, model=ProceduralModel()).run().sql("FROM steps").rows


def test_a_changed_world_is_not_resumed(live: Live) -> None:
    class Elsewhere(Village):
        world = "Another place."

    with pytest.raises(RunFileError, match="world text of scenario 'village' is not the one"):
        Society.resume(live(steps=1).path, Elsewhere)


def test_thirty_emissions_take_no_more_than_a_megabyte_and_a_half(live: Live) -> None:
    run = live(agents=10, hops=1, steps=3)
    assert run.sql("SELECT count(*) FROM emissions").rows == [(30,)]
    assert run.path.stat().st_size < 1_500_000


def test_limits_that_are_none_of_ours_are_refused_in_one_sentence(tmp_path: Path) -> None:
    given: Any = 10
    with pytest.raises(SetupError, match=r"`limits` must be Limits, as limits=Limits\(max_calls=100\), but .*10"):
        Society(Village({"lines": 1, "assistant": False}), limits=given, out=tmp_path / "run.duckdb")
    with pytest.raises(SetupError, match="max_call"):
        Society(Village({"lines": 1, "assistant": False}), limits={"max_call": 10}, out=tmp_path / "run.duckdb")


def test_a_configuration_says_all_that_a_run_is_made_with(tmp_path: Path) -> None:
    config = RunConfig(growth=Growth(agents=3, hops=0), seed=5, steps=1)
    first = Society(Village({"lines": 1, "assistant": False}), config, out=tmp_path / "first.duckdb")
    finished = first.run()
    again = Society(
        Village({"lines": 1, "assistant": False}),
        growth=Growth(agents=3, hops=0),
        seed=5,
        steps=1,
        out=tmp_path / "again.duckdb",
    )
    assert again.config == first.config
    assert RunConfig.model_validate_json(first.config.model_dump_json()) == first.config
    assert again.run().event_hash == finished.event_hash
    with Society.resume(first.path, Village, steps=2) as resumed:
        assert resumed.config == first.config.changed(steps=2)


def test_a_run_file_holds_all_of_its_configuration(tmp_path: Path) -> None:
    society = Society(
        Village({"visited": 0.4}),
        growth=Growth(agents=3, hops=0),
        seed=7,
        limits=Limits(max_in_flight=3, max_calls=100),
        prices=Prices(1.0, 2.0),
        embeddings=DeterministicFakeEmbedding(size=4),
        embeddings_prices=Prices(0.5, 0.0),
        steps=1,
        out=tmp_path / "run.duckdb",
    )
    society.run()
    with open_run(society.path) as run:
        assert RunConfig.read(run) == society.config


def test_a_cache_is_found_again_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    society = Society(
        Village({"lines": 1, "assistant": False}),
        growth=Growth(agents=3, hops=0),
        steps=1,
        cache=Path("answers.sqlite"),
    )
    society.run()
    assert Path("answers.sqlite").exists()
    monkeypatch.chdir(tmp_path.parent)
    with Society.resume(tmp_path / "run.duckdb", Village, steps=2) as resumed:
        assert resumed.config.cache == tmp_path / "answers.sqlite"
