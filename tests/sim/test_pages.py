"""Steps of scenarios whose turns are independent: committed in pages, and without what nobody would read."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from langgraph.runtime import Runtime

from populace.agents.actions import Action, ActionEffects, Instruction
from populace.agents.gateway.limits import Limits
from populace.agents.mind import DEFAULT_STAGES, Decision, Mind, MindContext, MindState, Rule
from populace.agents.observation import Observation
from populace.core.errors import PausedError
from populace.sim.effects import Effects
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.resident import SocietyView
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

PEOPLE = 10


class Errands(Scenario):
    """What would you ask an assistant for?"""

    name = "errands"
    world = "It is market day in a small town by a river."
    independent = True
    observes = False

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """How many asked for something."""
        return {"asked": len(society.emitted_this_step)}


@pytest.fixture
def paged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.sim.step.PAGE", 4)


def society(path: Path, *, scenario: type[Scenario] = Errands, **limits: int) -> Society:
    growth = Growth(agents=PEOPLE, hops=0, per_passage=3)
    bounds = Limits.given(**{"max_in_flight": 2, **limits})
    return Society(scenario(), growth=growth, steps=2, out=path, limits=bounds)


def rows(run: FinishedRun, query: str) -> list[tuple[object, ...]]:
    return list(run.sql(query).rows)


def test_a_step_is_committed_in_pages(tmp_path: Path, paged: None) -> None:
    run = society(tmp_path / "run.duckdb").run()
    pages = "SELECT number, chunk, items, position FROM markers WHERE phase = 'step' ORDER BY number, chunk = 0, chunk"
    step = [(1, 4, "4"), (2, 4, "8"), (3, 2, "10"), (0, 10, None)]
    assert rows(run, pages) == [(number, *page) for number in (1, 2) for page in step]
    assert rows(run, "SELECT step, active, acted, failed FROM steps ORDER BY step") == [(1, 10, 10, 0), (2, 10, 10, 0)]
    assert rows(run, "SELECT step, value FROM measures ORDER BY step") == [(1, 10.0), (2, 10.0)]
    assert replay(run.path, Errands).event_hash == run.event_hash


@pytest.mark.parametrize("calls", [5, *(pytest.param(n, marks=pytest.mark.slow) for n in (9, 14, 17))])
def test_a_run_that_stops_within_a_step_goes_on_behind_its_last_page(tmp_path: Path, paged: None, calls: int) -> None:
    whole = society(tmp_path / "whole.duckdb").run()
    grown = len(rows(whole, "SELECT 1 FROM calls WHERE phase = 'growth'"))
    with pytest.raises(PausedError):
        society(tmp_path / "run.duckdb", max_calls=grown + calls).run()
    resumed = Society.resume(tmp_path / "run.duckdb", Errands, limits={"max_calls": 1_000}).run()
    assert resumed.event_hash == whole.event_hash
    for table in ("emissions", "calls", "measures", "duplicates"):
        assert rows(resumed, f"SELECT count(*) FROM {table}") == rows(whole, f"SELECT count(*) FROM {table}")


class Late(Errands):
    """What would you ask an assistant for, at once or later?"""

    decided: ClassVar[list[str]] = []

    def mind(self) -> Mind | Rule:
        return Mind((*DEFAULT_STAGES, _late), is_direct=True)


async def _late(state: MindState, runtime: Runtime[MindContext]) -> Mapping[str, object]:
    await asyncio.sleep(state["request_context"].seed % 5 / 1_000)
    Late.decided.append("decided")
    if state["request_context"].seed % 4 == 1:
        raise ValueError("It did not answer.")
    return {}


class Cry(Instruction):
    """Have everybody hear it."""

    def apply(self, effects: ActionEffects) -> None:
        effects.world.announce(self.text)


@pytest.mark.parametrize(
    ("action", "is_early"), [(Instruction, True), pytest.param(Cry, False, marks=pytest.mark.slow)]
)
def test_independent_turns_that_change_nothing_else_are_applied_in_order_while_others_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: type[Action], is_early: bool
) -> None:
    class Some(Late):
        actions = (action,)

    def take_turn(self: Effects, seen: Observation, decision: Decision) -> None:
        if decision.action is not None:  # a turn without one changes nothing
            Late.decided.append("applied")
        applied(self, seen, decision)

    applied = Effects.take_turn
    monkeypatch.setattr(Effects, "take_turn", take_turn)
    Late.decided.clear()
    wide = society(tmp_path / "wide.duckdb", scenario=Some, max_in_flight=4).run()
    assert ("applied" in Late.decided[:PEOPLE]) is is_early
    assert society(tmp_path / "one.duckdb", scenario=Some, max_in_flight=1).run().event_hash == wide.event_hash
    assert rows(wide, "SELECT count(*) FROM failures WHERE step IS NOT NULL") != [(0,)]
    assert replay(wide.path, Some).event_hash == wide.event_hash


def test_agents_that_observe_nothing_leave_no_observations_and_notes(tmp_path: Path) -> None:
    run = society(tmp_path / "run.duckdb").run()
    assert rows(run, "SELECT count(*) FROM observations") == rows(run, "SELECT count(*) FROM memories") == [(0,)]
    assert rows(run, "SELECT count(*) FROM emissions") == [(2 * PEOPLE,)]
    assert rows(run, "SELECT count(*) FROM markers WHERE phase = 'step' AND chunk > 0") == [(0,)]


def test_steps_in_which_agents_speak_to_each_other_have_no_pages(tmp_path: Path, paged: None) -> None:
    class Together(Errands):
        independent = False
        observes = True

    run = society(tmp_path / "run.duckdb", scenario=Together).run()
    assert rows(run, "SELECT count(*) FROM markers WHERE phase = 'step'") == [(2,)]
