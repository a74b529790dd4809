"""How far a change reaches: who is told, placed and decided otherwise in a fork of a run."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import duckdb
import pytest
from pydantic import Field

from populace.agents.actions import Action, ActionEffects
from populace.agents.observation import Observation
from populace.analysis.experiment.reach import read_reach
from populace.core.errors import SetupError
from populace.core.result import Result
from populace.personas.hub import Hub
from populace.personas.persona import Persona, Relation, RelationKind
from populace.sim.dynamics.declared import Intervention
from populace.sim.dynamics.world import State
from populace.sim.experiment.merge import write_pair
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_hub_or_run
from populace.sim.scenario import Scenario, Settings
from populace.sim.society import Society

PEOPLE = tuple(Persona(f"The keeper of beacon {number} on a long coast.") for number in range(12))


class Beacon(State):
    lit: bool = False


class Signal(Action):
    """What the keeper of a beacon does."""

    name: ClassVar[str] = "signal"
    novelty = "none"
    kind: Literal["signal"]
    lit: bool
    to: tuple[str, ...]

    @property
    def emitted_text(self) -> str:
        return "fire" if self.lit else "dark"

    def apply(self, effects: ActionEffects) -> None:
        effects.state.lit = self.lit
        for key in self.to if self.lit else ():
            effects.say(key, "fire")


class CoastSettings(Settings):
    spark: int = Field(0, ge=0, description="Step in which the first beacon is lit; 0 for never")
    answers: bool = Field(True, description="Whether keepers answer a fire")


class Coast(Scenario):
    """Beacons on a coast, each lit by the fire of a neighbour."""

    name = "coast"
    actions = (Signal,)
    agent_state_type = Beacon
    settings_type = CoastSettings
    settings: CoastSettings

    @property
    def interventions(self) -> Sequence[Intervention]:  # type: ignore[override]
        def light(levers: Any) -> None:
            levers.set_state(PEOPLE[0].id, lit=True)

        return (Intervention(at=self.settings.spark, name="spark", effect=light),) if self.settings.spark else ()

    def mind(self) -> Any:
        return self.watch

    def watch(self, seen: Observation, rng: random.Random) -> Signal:
        is_lit = seen.state.lit or (bool(seen.heard) and self.settings.answers)
        return Signal(kind="signal", lit=is_lit, to=seen.addressees)


def lived(path: Path) -> Path:
    ties = tuple(
        Relation(one.id, other.id, RelationKind.NEIGHBOURHOOD, "neighbour")
        for one, other in zip(PEOPLE, (*PEOPLE[1:], PEOPLE[0]), strict=True)
    )
    growth = Growth(agents=None, hops=0)
    Society(Coast(), source=Hub(PEOPLE, ties), growth=growth, steps=5, out=path).run()
    return path


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which no beacon is lit."""
    return lived(tmp_path_factory.mktemp("coast") / "quiet.duckdb")


def reached(one: Path, other: Path, merged: Path) -> Result:
    write_pair(merged, {"one": one, "other": other})
    with open_hub_or_run(merged) as reader:
        return read_reach(reader)


def test_a_change_reaches_exactly_those_whom_a_message_can_have_reached(quiet: Path, tmp_path: Path) -> None:
    other = fork(quiet, Coast, at=1, out=tmp_path / "fork.duckdb", settings={"spark": 2}).run().path
    found = reached(quiet, other, tmp_path / "both.duckdb")
    assert "Identical until step 1." in dict(found.notes)["differs"]
    # Of a ring, one more on either side in each step.
    assert [(row["step"], row["decided_differently"], row["unexplained"]) for row in found] == [
        (1, 0, 0),
        (2, 1, 0),
        (3, 3, 0),
        (4, 5, 0),
        (5, 7, 0),
    ]
    # In step 3 the first remembers what it did, and two have heard of it.
    assert [row["saw_different"] for row in found] == [0, 0, 3, 5, 7]
    with duckdb.connect(str(tmp_path / "both.duckdb"), read_only=True) as con:
        burning = "SELECT count(DISTINCT agent) FROM emissions WHERE arm = 'other' AND text = 'fire'"
        assert con.execute(burning).fetchone() == (7,)


@pytest.mark.slow
def test_what_a_rule_reads_of_its_settings_is_decided_by_itself(quiet: Path, tmp_path: Path) -> None:
    lit = fork(quiet, Coast, at=0, out=tmp_path / "lit.duckdb", settings={"spark": 1}).run().path
    deaf = fork(lit, Coast, at=2, out=tmp_path / "deaf.duckdb", settings={"answers": False}).run().path
    found = reached(lit, deaf, tmp_path / "both.duckdb")
    # In step 3 two more were to be lit, and saw the same as before.
    assert found.rows[2][1:] == (12, 0, 0, 2, 2)


def test_equal_runs_are_said_to_be_equal_and_strangers_refused(quiet: Path, tmp_path: Path) -> None:
    (note,) = reached(quiet, lived(tmp_path / "again.duckdb"), tmp_path / "both.duckdb").notes
    assert note.code == "identical"
    with duckdb.connect(str(tmp_path / "both.duckdb")) as con:
        con.execute("UPDATE agents SET agent = 'x' || agent WHERE arm = 'other'")
    with open_hub_or_run(tmp_path / "both.duckdb") as reader, pytest.raises(SetupError, match="no agent in common"):
        read_reach(reader)
