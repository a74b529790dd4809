"""Whose turn it is: all, a share, by chance, by group, or each at its own time; the same again later."""

import random
from collections import Counter
from math import exp, inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest
from lasting import check_lasting

from populace.agents.actions import Action, ActionEffects
from populace.agents.observation import Observation
from populace.core.errors import HookError, SetupError
from populace.sim.dynamics.activation import Activation, by_group, everybody, poisson, share
from populace.sim.dynamics.world import State
from populace.sim.growth import Growth
from populace.sim.resident import Resident
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

TURNS = "SELECT step, list(agent ORDER BY agent) FROM observations GROUP BY step ORDER BY step"


class Mood(State):
    """What an agent feels."""

    calls: int = 0


class Call(Action):
    """Call somebody, or change their mood without a word, or tell everybody."""

    name: ClassVar[str] = "call"
    novelty = "none"
    kind: Literal["call"]
    how: Literal["say", "push", "announce", "none"]
    to: str = ""

    @property
    def emitted_text(self) -> str:
        return self.how

    def apply(self, effects: ActionEffects) -> None:
        if self.how == "say":
            effects.say(self.to, "Good day.")
        elif self.how == "push":
            effects.state_of(self.to).calls += 1
        elif self.how == "announce":
            effects.world.announce("Somebody called.", steps=1)


class Town(Scenario):
    """Everybody acts."""

    name = "town"
    actions = (Call,)
    agent_state_type = Mood
    activation = everybody()

    def group(self, resident: Resident) -> str | None:
        return "even" if len(resident.persona.text) % 2 else "odd"

    def mind(self):  # type: ignore[no-untyped-def]
        return self.act

    def act(self, observation: Observation, rng: random.Random) -> Call:
        how = rng.choice(("say", "push", "none", "none")) if observation.addressees else "none"
        to = rng.choice(observation.addressees) if observation.addressees else ""
        return Call(kind="call", how=how, to=to)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Growth:
    hub = tmp_path_factory.mktemp("hub") / "hub.duckdb"
    Society(Town(), growth=Growth(agents=30, hops=1), out=hub, steps=1).run()
    return Growth(hub=hub, hops=0)


def live(scenario: Scenario, people: Growth, out: Path, *, steps: int = 4) -> FinishedRun:
    return Society(scenario, growth=people, out=out, steps=steps).run()


def with_(rule: Activation) -> type[Scenario]:
    return type("Town", (Town,), {"activation": rule, "__doc__": "A town."})


def turns(run: FinishedRun) -> dict[int, set[str]]:
    return {step: set(agents) for step, agents in run.sql(TURNS).rows}


def test_a_share_of_each_group_is_drawn_anew_for_each_step(people: Growth, tmp_path: Path) -> None:
    run = live(with_(by_group({"even": share(0.5)}, others=share(0)))(), people, tmp_path / "run.duckdb")
    ((even,),) = run.sql("SELECT list(agent) FROM agents WHERE group_name = 'even'").rows
    taken = turns(run)
    assert [len(agents) for agents in taken.values()] == [round(len(even) / 2)] * 4
    assert set.union(*taken.values()) <= set(even)
    assert len({frozenset(agents) for agents in taken.values()}) > 1


def test_turns_of_a_poisson_process_come_with_its_chance(people: Growth) -> None:
    rng, ones = random.Random(1), [SimpleNamespace(id=str(place)) for place in range(20_000)]
    chosen = poisson(0.5).choose(ones, None, rng)  # type: ignore[arg-type]
    assert abs(len(chosen) / len(ones) - (1 - exp(-0.5))) < 0.01


@pytest.mark.parametrize("rule", [poisson(0.5), share(0.5)])
def test_who_is_missing_changes_no_turn_of_others(rule: Activation) -> None:
    ones: Any = [SimpleNamespace(id=str(place)) for place in range(200)]
    chosen, fewer = ({one.id for one in rule.choose(some, None, random.Random(1))} for some in (ones, ones[1:]))  # type: ignore[arg-type]
    # Of a share, who is next takes the place that is free.
    assert len(fewer - chosen) <= (rule == share(0.5))
    assert chosen - fewer <= {"0"}


class Clocked(Town):
    """Everybody has a pace of their own, and no turn once they have been called upon three times."""

    time_window = 0.25

    def next_turn(self, resident: Resident, rng: random.Random) -> float:
        return inf if resident.state.calls >= 3 else rng.expovariate(1.0)

    def measures(self, society: Any) -> dict[str, float]:
        return {"time": society.world.time}


@pytest.fixture(scope="module")
def clocked(people: Growth, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Six instants of a world that is not in lock-step; never to be written to."""
    return live(Clocked(), people, tmp_path_factory.mktemp("clocked") / "run.duckdb", steps=6)


def test_a_step_holds_the_turns_that_fall_due_within_the_window(clocked: FinishedRun) -> None:
    due: dict[str, float | None] = dict(clocked.sql("SELECT agent, next_time FROM turn_times WHERE step = 0").rows)
    times = dict(clocked.sql("SELECT step, value FROM measures ORDER BY step").rows)
    assert list(times.values()) == sorted(times.values())
    for step, acted in turns(clocked).items():
        first = min(time for time in due.values() if time is not None)
        assert times[step] == first
        assert acted == {agent for agent, time in due.items() if time is not None and time <= first + 0.25}
        had = clocked.sql("SELECT agent, time, next_time FROM turn_times WHERE step = ?", (step,)).rows
        assert {agent: time for agent, time, _ in had} == {agent: due[agent] for agent in acted}
        due |= {agent: following for agent, _, following in had}


def test_a_world_in_which_nobody_has_another_turn_ends(people: Growth, tmp_path: Path) -> None:
    class Once(Clocked):
        time_window = 0.0

        def next_turn(self, resident: Resident, rng: random.Random) -> float:
            return inf if resident.model.world.step else float(len(resident.persona.text) % 2)

    run = live(Once(), people, tmp_path / "run.duckdb", steps=9)
    assert len(turns(run)) == 2
    assert run.sql("SELECT status, (SELECT count(*) FROM steps) FROM runs").rows == [("finished", 2)]
    assert Counter(time for (time,) in run.sql("SELECT time FROM turn_times WHERE step > 0").rows).keys() == {0.0, 1.0}


@pytest.mark.slow
def test_a_run_lasts(people: Growth, clocked: FinishedRun, tmp_path: Path) -> None:
    steps = len(turns(clocked))
    check_lasting(clocked, Clocked, lambda out: Society(Clocked(), growth=people, out=out, steps=steps), tmp_path, at=3)


@pytest.mark.parametrize(
    "rule",
    [
        lambda: share(1.5),
        lambda: poisson(-1),
        lambda: by_group({"men": 0.5}),  # type: ignore[dict-item]
        lambda: by_group(["men"]),  # type: ignore[arg-type]
    ],
)
def test_what_no_rule_can_be_is_refused(rule: Any) -> None:
    with pytest.raises(SetupError):
        rule()


def test_what_cannot_be_is_named(people: Growth, tmp_path: Path) -> None:
    with pytest.raises(HookError, match="nobody is in the group 'men'; there are: even, odd"):
        live(with_(by_group({"men": everybody()}))(), people, tmp_path / "men.duckdb")
    wrong = type("Wrong", (Clocked,), {"next_turn": lambda self, resident, rng: -1.0})
    with pytest.raises(HookError, match="`next_turn` of Wrong failed with ValueError: it must give a time from 0"):
        live(wrong(), people, tmp_path / "wrong.duckdb")
    with pytest.raises(SetupError, match="neither `activation`, `active` nor `independent`"):
        Society(type("Both", (Clocked,), {"activation": share(0.5)})(), out=tmp_path / "both.duckdb")
    with pytest.raises(SetupError, match=r"has the activation 0\.5"):
        Society(type("Half", (Town,), {"activation": 0.5})(), out=tmp_path / "half.duckdb")
