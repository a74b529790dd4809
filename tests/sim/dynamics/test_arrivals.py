"""People who come to a society while it lives, and those who leave it; the same in runs that go on, fork and replay."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from populace.agents.actions import Action, ActionEffects
from populace.agents.gateway.limits import Limits
from populace.agents.observation import Observation
from populace.core.errors import HookError, PausedError, SetupError
from populace.personas.persona import RelationKind, content_id
from populace.personas.rules import Policy
from populace.sim.dynamics.declared import Arrival, Intervention
from populace.sim.dynamics.world import State
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

STEPS = 5
STRANGER = "A photographer from the capital who documents floods for a newspaper."
CHANGES = "SELECT step, change, cause, intervention FROM agent_changes ORDER BY step, ordinal"


class Life(State):
    """What an agent has done."""

    told: int = 0


class Tell(Action):
    """Tell somebody something, and after three times leave."""

    name: ClassVar[str] = "tell"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["tell"]
    to: str

    @property
    def emitted_text(self) -> str:
        return "Good day."

    def apply(self, effects: ActionEffects) -> None:
        super().apply(effects)
        effects.state.told += 1
        if effects.state.told == 3:
            effects.depart()


class Town(Scenario):
    """People come, talk, and leave."""

    name = "town"
    actions = (Tell,)
    agent_state_type = Life
    interventions: Any = (
        Intervention(2, "flood", effect=lambda levers: levers.depart(levers.society.residents[0])),
        Intervention(3, "reporter", effect=lambda levers: levers.arrive(
            Arrival(levers.society.residents[1], RelationKind.TRADE, STRANGER, "photographer"))),
        Intervention(4, "again", effect=lambda levers: levers.arrive(Arrival(persona=STRANGER))),
    )  # fmt: skip

    def arrivals(self, society: SocietyView, rng: random.Random) -> Sequence[Arrival]:
        some = rng.sample(society.residents, 2) if society.world.step < 4 else ()
        return [Arrival(one, kind) for one, kind in zip(some, (RelationKind.KINSHIP, None), strict=False)]

    def departures(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        return [rng.choice(society.residents)] if society.world.step == 3 else []

    def group(self, resident: Resident) -> str | None:
        return "grown" if resident.persona.origin == "persona" else None

    def measures(self, society: SocietyView) -> dict[str, float]:
        return {
            "people": len(society.residents),
            "agents": len(society.residents[0].model.agents),
            "tied": sum(bool(society.graph.neighbours(one.id)) for one in society.residents),
        }

    def mind(self):  # type: ignore[no-untyped-def]
        return tell


class Shorter(Town):
    """The same, as far as step 3."""

    interventions = Town.interventions[:2]


def tell(observation: Observation, rng: random.Random) -> Tell | None:
    return Tell(kind="tell", to=rng.choice(observation.addressees)) if observation.addressees else None


def society(out: Path, scenario: Scenario | None = None, **options: Any) -> Society:
    return Society(scenario or Town(), growth=Growth(agents=10, hops=1), out=out, **{"steps": STEPS, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Five steps of a town to which people come; never to be written to."""
    return society(tmp_path_factory.mktemp("town") / "run.duckdb").run()


def test_people_come_whom_a_model_describes_or_an_intervention_gives(whole: FinishedRun) -> None:
    found = whole.sql(CHANGES).rows
    causes = {row[1:] for row in found}
    assert {("arrived", "scenario", None), ("arrived", "intervention", "reporter")} <= causes
    asked = "SELECT count(*) FROM calls WHERE phase = 'step' AND purpose = 'persona_to_persona' AND number = 1"
    assert whole.sql(asked).rows == [(2,)]
    came = whole.sql(
        "SELECT a.arrived, a.ordinal, p.hop > 0, p.parent = c.parent, group_name FROM agents AS a "
        "JOIN agent_changes AS c ON (c.agent, c.step) = (a.agent, a.arrived) JOIN personas AS p ON p.id = a.agent "
        "WHERE change = 'arrived' AND cause = 'scenario' ORDER BY a.ordinal"
    ).rows
    assert len(came) >= 4
    assert {row[2:] for row in came} == {(True, True, "grown")}
    assert [row[1] for row in came] == sorted(row[1] for row in came)


def test_newcomers_are_tied_have_a_state_and_take_turns(whole: FinishedRun) -> None:
    tied = "SELECT kind, label FROM relation_changes WHERE target = ? AND change = 'added'"
    assert whole.sql(tied, (content_id(STRANGER),)).rows == [("trade", "photographer")]
    came = "SELECT agent, arrived FROM agents WHERE arrived > 0"
    untied = f"SELECT count(*) FROM ({came}) ANTI JOIN relation_changes AS r ON r.target = agent"
    assert whole.sql(untied).rows == [(0,)]
    stateless = (
        f"SELECT count(*) FROM ({came}) AS a ANTI JOIN agent_state AS s ON s.agent = a.agent AND s.step = a.arrived"
    )
    assert whole.sql(stateless).rows == [(0,)]
    early = f"SELECT min(o.step - a.arrived), count(*) FROM observations AS o JOIN ({came}) AS a USING (agent)"
    ((least, turns),) = whole.sql(early).rows
    assert least == 0
    assert turns >= 4


def test_who_repeats_somebody_is_refused_and_noted(whole: FinishedRun) -> None:
    refused = whole.sql(
        "SELECT step, cause, resembles = agent, text FROM agent_changes WHERE change = 'refused' AND step = 4"
    ).rows
    assert refused == [(4, "intervention", True, STRANGER)]


def test_who_leaves_has_no_ties_no_turns_and_hears_nothing(whole: FinishedRun) -> None:
    gone = whole.sql("SELECT agent, step, cause FROM agent_changes WHERE change = 'departed'").rows
    assert {cause for _, _, cause in gone} == {"intervention", "scenario", "action"}
    for agent, step, cause in gone:
        last = step if cause == "action" else step - 1
        assert whole.sql("SELECT count(*) FROM observations WHERE agent = ? AND step > ?", (agent, last)).rows == [(0,)]
        assert whole.sql("SELECT count(*) FROM ties WHERE source = ? OR target = ?", (agent, agent)).rows == [(0,)]
    there = dict(whole.sql("SELECT step, value FROM measures WHERE name = 'people'").rows)
    agents = dict(whole.sql("SELECT step, value FROM measures WHERE name = 'agents'").rows)
    came = "SELECT count(*) FILTER (change = 'arrived') - count(*) FILTER (change = 'departed') FROM agent_changes"
    ((begun,),) = whole.sql("SELECT count(*) FROM agents WHERE arrived = 0").rows
    for step in range(1, STEPS + 1):
        assert there[step] == agents[step] == begun + whole.sql(f"{came} WHERE step <= ?", (step,)).rows[0][0]
    assert whole.sql("SELECT what, before, after FROM intervention_effects WHERE intervention = 'flood'").rows[0] == (
        "agent", "true", "false"
    )  # fmt: skip


@pytest.mark.slow
def test_people_come_to_a_society_of_another_network(tmp_path: Path) -> None:
    whole = society(tmp_path / "whole.duckdb", network="ring:4").run()
    society(tmp_path / "run.duckdb", network="ring:4", steps=3, scenario=Shorter()).run()
    again = Society.resume(tmp_path / "run.duckdb", Town, steps=STEPS).run()
    forked = fork(whole.path, Town, at=2, out=tmp_path / "fork.duckdb").run()
    assert again.event_hash == forked.event_hash == whole.event_hash
    assert replay(whole.path, Town).difference == ""


def test_a_step_that_was_paused_among_its_arrivals_asks_nobody_twice(whole: FinishedRun, tmp_path: Path) -> None:
    ((grown, calls),) = whole.sql("SELECT count(*) FILTER (phase = 'growth'), count(*) FROM calls").rows
    with pytest.raises(PausedError):
        society(tmp_path / "run.duckdb", limits=Limits(max_calls=grown + 1, max_in_flight=1)).run()
    again = Society.resume(tmp_path / "run.duckdb", Town, limits={"max_calls": 1000}).run()
    assert again.event_hash == whole.event_hash
    assert again.sql("SELECT count(*) FROM calls").rows == [(calls,)]


def test_who_is_not_described_does_not_come_and_is_counted(whole: FinishedRun, tmp_path: Path) -> None:
    class Silent(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "silent"

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage(content="{}"))])

    asking = type("Asking", (Town,), {"interventions": (), "departures": Scenario.departures})
    growth = Growth(hub=whole.path, hops=0)
    run = Society(asking(), growth=growth, out=tmp_path / "run.duckdb", steps=1, model=Silent()).run()
    lost = "SELECT purpose, owner IN (SELECT agent FROM agents), outcome FROM failures"
    assert run.sql(lost).rows == [("persona_to_persona", True, "schema_mismatch")] * 2
    assert run.sql("SELECT count(*) FROM agent_changes WHERE change = 'arrived'").rows == [(0,)]


def test_newcomers_pass_the_rules_of_growth(tmp_path: Path) -> None:
    text = "A locksmith in Lyon whom people reach at jean.dupont@example.com for keys."

    class Open(Town):
        interventions = (
            Intervention(1, "keys", effect=lambda levers: levers.arrive(Arrival(persona=text))),
        )  # fmt: skip
        arrivals = Scenario.arrivals
        departures = Scenario.departures  # type: ignore[assignment]

    growth = Growth(agents=4, hops=0, personal=Policy.PSEUDONYMISE)
    run = Society(Open(), growth=growth, out=tmp_path / "pseudonymised.duckdb", steps=1).run()
    ((kept,),) = run.sql("SELECT text FROM personas JOIN agents ON agent = id WHERE arrived = 1").rows
    assert "locksmith" in kept
    assert "dupont" not in kept
    growth = Growth(agents=4, hops=0, personal=Policy.DROP)
    run = Society(Open(), growth=growth, out=tmp_path / "dropped.duckdb", steps=1).run()
    refused = run.sql("SELECT change, resembles, contains(coalesce(text, ''), 'dupont') FROM agent_changes").rows
    assert refused == [("refused", None, False)]


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ({"arrivals": lambda self, society, rng: ["ada"]}, "must give arrivals, as Arrival"),
        ({"arrivals": lambda self, society, rng: [Arrival("ada")]}, "somebody is to come to 'ada'"),
        ({"departures": lambda self, society, rng: ["ada"]}, "it gave 'ada', and no agent has that id"),
        ({"departures": lambda self, society, rng: society.residents[:1] * 2}, "who has left already"),
    ],
)
def test_who_cannot_come_or_leave_is_named(tmp_path: Path, hooks: dict[str, Any], said: str) -> None:
    wrong = type("Wrong", (Town,), {**hooks, "interventions": ()})
    with pytest.raises(HookError) as error:
        society(tmp_path / "run.duckdb", wrong(), steps=1).run()
    assert said in str(error.value)


def test_half_an_arrival_is_refused() -> None:
    with pytest.raises(SetupError, match="An arrival needs somebody"):
        Arrival()
    with pytest.raises(SetupError, match="a relation of which a part is missing"):
        Arrival("ada", persona=STRANGER)
    with pytest.raises(SetupError, match="has the persona ' '; give a description"):
        Arrival(persona=" ")
    with pytest.raises(SetupError, match="of the kind 'enmity'"):
        Arrival("ada", kind="enmity")  # type: ignore[arg-type]
    with pytest.raises(SetupError, match="is independent, so nobody comes or leaves"):
        Society(type("Alone", (Town,), {"independent": True})())
