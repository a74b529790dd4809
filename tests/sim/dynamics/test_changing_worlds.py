"""Interventions, activation, channels, arrivals and departures together: one hash after resume, fork, replay, kill."""

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from lasting import check_lasting

from populace.agents.actions import Action, ActionEffects
from populace.agents.observation import Observation
from populace.personas.persona import RelationKind
from populace.sim.dynamics.activation import by_group, poisson, share
from populace.sim.dynamics.channels import Channel
from populace.sim.dynamics.declared import Arrival, Intervention, Levers
from populace.sim.dynamics.network import network_measures
from populace.sim.dynamics.world import State
from populace.sim.growth import Growth
from populace.sim.resident import Resident, SocietyView
from populace.sim.scenario import Scenario
from populace.sim.society import Society

STEPS = 7
#: What must be the same however a run came to its end.
CHANGED = ("intervention_effects", "exposures", "agent_changes", "agents", "personas", "relation_changes", "ties")


class Life(State):
    """What an agent has done."""

    done: int = 0


class Do(Action):
    """Do one of many things."""

    name: ClassVar[str] = "do"
    novelty = "none"
    kind: Literal["do"]
    how: str
    to: str = ""
    reply_to: str | None = None

    @property
    def emitted_text(self) -> str:
        return self.how

    def apply(self, effects: ActionEffects) -> None:
        effects.state.done += 1
        {
            "say": lambda: effects.say(self.to, "Good day."),
            "tie": lambda: effects.tie(self.to, RelationKind.FRIENDSHIP, "friend"),
            "untie": lambda: effects.untie(self.to),
            "push": lambda: setattr(effects.state_of(self.to), "done", 0),
            "post": lambda: effects.post("feed", f"The {effects.state.done}th time.", reply_to=self.reply_to),
            "shout": lambda: effects.post("square", "Hear me."),
            "news": lambda: effects.world.announce("Something happened."),
            "leave": effects.depart,
        }[self.how]()


def upset(levers: Levers) -> None:
    """Somebody is blocked, somebody leaves, two see each other no more."""
    one, other, third = random.Random(levers.world.step).sample(levers.society.residents, 3)
    levers.block(one)
    levers.block(one, other)
    levers.depart(third)


def calm(levers: Levers) -> None:
    """Nobody is blocked."""
    for agent in list(levers.world.blocked):
        if agent in {resident.id for resident in levers.society.residents}:
            levers.unblock(agent)


def reset(levers: Levers) -> None:
    """Those it is meant for begin anew, and one of them has a visitor who stays."""
    for resident in levers.residents:
        levers.set_state(resident, done=0)
    levers.arrive(Arrival(levers.residents[0], RelationKind.TRADE, "A drummer from the coast.", "drummer"))


class Restless(Scenario):
    """Everything changes all the time."""

    name = "restless"
    actions = (Do,)
    agent_state_type = Life
    channels = (
        Channel("square"),
        Channel("feed", "popular", steps=3),
        Channel("neighbours", "neighbours"),
    )
    interventions = (
        Intervention(name="upset", when=lambda society: society.world.step % 3 == 1, again=True, effect=upset),
        Intervention(name="calm", when=lambda society: society.world.step % 3 == 0, again=True, effect=calm),
        Intervention(2, "reset", "Psst.", reset, to=lambda one: len(one.persona.text) % 2 == 0),
        Intervention(3, "rift", effect=lambda levers: levers.world.suspend(RelationKind.KINSHIP)),
    )

    def arrivals(self, society: SocietyView, rng: random.Random) -> Sequence[Arrival]:
        return [Arrival(rng.choice(society.residents)) for _ in range(rng.randint(0, 2))]

    def departures(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        return [rng.choice(society.residents)] if rng.random() < 0.3 else []

    def group(self, resident: Resident) -> str:
        return "busy" if len(resident.persona.text) % 3 else "idle"

    def measures(self, society: SocietyView) -> dict[str, float]:
        if str(society.world.step) == os.environ.get("DIES_IN"):
            os._exit(9)
        return {"people": len(society.residents), "emitted": len(society.emitted_this_step)}

    def node_measures(self, society: SocietyView) -> dict[str, dict[str, float]]:
        return network_measures(society, "degree", "community")

    def mind(self):  # type: ignore[no-untyped-def]
        return act


def act(seen: Observation, rng: random.Random) -> Do | None:
    how = rng.choice(["say", "tie", "untie", "push", "post", "shout"] + ["news", "leave"] * (rng.random() < 0.15))
    near = [other.key for other in seen.neighbours]
    if how in ("say", "tie", "untie", "push"):
        return Do(kind="do", how=how, to=rng.choice(near)) if near else None
    feed = [post.key for post in seen.posts if post.channel == "feed"]
    return Do(kind="do", how=how, reply_to=rng.choice(feed) if feed else None)


class Drawn(Restless):
    """The same, of some by chance."""

    activation = by_group({"busy": share(0.5)}, others=poisson(1.0))


class Timed(Restless):
    """The same, each at times of their own."""

    time_window = 0.3

    def next_turn(self, resident: Resident, rng: random.Random) -> float:
        return rng.expovariate(1.0) if resident.state.done < 9 else inf


def live(scenario: type[Scenario], out: Path, **options: Any) -> Society:
    return Society(scenario(), growth=Growth(agents=14, hops=1), out=out, seed=3, **{"steps": STEPS, **options})


@pytest.mark.parametrize(
    ("scenario", "steps", "stops"),
    [(Drawn, 4, [2]), *(pytest.param(one, STEPS, [2, 5], marks=pytest.mark.slow) for one in (Restless, Drawn, Timed))],
)
def test_a_run_goes_on_to_the_same_end_from_wherever_it_stopped(
    scenario: type[Scenario], steps: int, stops: Sequence[int], tmp_path: Path
) -> None:
    begin = partial(live, scenario, steps=steps)
    whole = begin(tmp_path / "whole.duckdb").run()
    changes = {change for (change,) in whole.sql("SELECT DISTINCT change FROM agent_changes").rows}
    assert {"arrived", "departed"} <= changes
    assert whole.sql("SELECT count(*) > 0 FROM blocks").rows == whole.sql("SELECT count(*) > 0 FROM exposures").rows
    for stop in stops:
        (folder := tmp_path / str(stop)).mkdir()
        rows = [f"FROM {table} ORDER BY ALL" for table in CHANGED]
        check_lasting(whole, scenario, begin, folder, *rows, stop=stop)


@pytest.mark.slow
def test_a_run_whose_process_died_in_a_step_goes_on_in_another_to_the_same_end(tmp_path: Path) -> None:
    whole = live(Drawn, tmp_path / "whole.duckdb").run()
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2] / 'support')]!r}\n"
        f"from pathlib import Path; from test_changing_worlds import *\n"
        f"live(Drawn, Path({str(tmp_path / 'run.duckdb')!r})).run()"
    )
    died = subprocess.run([sys.executable, "-c", code], env={**os.environ, "DIES_IN": "4"}, capture_output=True)
    assert died.returncode == 9, died.stderr
    assert Society.resume(tmp_path / "run.duckdb", Drawn).run().event_hash == whole.event_hash
