"""Agents who decide by a rule answer by one; and what cannot be asked is refused in a sentence."""

import random
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from populace.agents.actions import Action
from populace.agents.observation import Observation
from populace.core.errors import HookError, SetupError
from populace.personas import Persona
from populace.scenarios.village import Village
from populace.sim.dynamics.declared import Arrival
from populace.sim.growth import Growth
from populace.sim.interview import interview
from populace.sim.replay import replay
from populace.sim.resident import Resident, SocietyView
from populace.sim.scenario import Scenario
from populace.sim.society import Society
from populace.sim.survey.items import Choice, FreeText, Item, Likert, Number, Rank
from populace.sim.survey.job import survey_run
from populace.sim.survey.survey import Panel, Sample, Survey

ITEMS = (
    Likert("The council listens to people like me.", 5, dont_know=True),
    Choice("Who should decide about the bridge?", ("the council", "all residents", "the ferrymen")),
    Rank("What is most urgent?", ("roads", "the clinic", "the school")),
    Number("How many hours a week would you give to it?", 0, 40),
    FreeText("What would you tell the council?"),
)
POLL = Survey("poll", ITEMS, at=(0, 1))


def society(scenario: Scenario, out: Path, *, agents: int = 12, steps: int = 2, **options: Any) -> Society:
    return Society(scenario, growth=Growth(agents=agents, hops=1), out=out, steps=steps, **options)


class Wait(Action):
    """Wait."""

    name: ClassVar[str] = "wait"
    novelty = "none"
    kind: Literal["wait"]

    @property
    def emitted_text(self) -> str:
        return "waits"


class Ruled(Scenario):
    """People who wait, by a rule."""

    name = "ruled"
    world = "A square."
    actions = (Wait,)
    surveys = (Survey("poll", ITEMS[:4], at=1),)

    def mind(self) -> Any:
        return self.wait

    def wait(self, observation: Observation, rng: random.Random) -> Wait:
        return Wait(kind="wait")


class Answering(Ruled):
    """They answer by a rule too."""

    def answer(self, resident: Resident, item: Item, rng: random.Random) -> Any:
        match item.type:
            case "likert":
                return None
            case "choice":
                return item.options[0]
            case "rank":
                return list(item.options)
        return rng.randint(0, 40)


def test_a_rule_answers_without_a_model(tmp_path: Path) -> None:
    run = society(Answering(), tmp_path / "run.duckdb", steps=1).run()
    assert run.sql("SELECT count(*) FROM calls WHERE phase <> 'growth'").rows == [(0,)]
    assert run.sql("SELECT DISTINCT model, prompt FROM answers").rows == [("rule", "rule")]
    given = run.sql("SELECT DISTINCT item, outcome, value FROM answers WHERE item < 'q4' ORDER BY 1").rows
    assert given == [
        ("q1", "dont_know", None), ("q2", "ok", '"the council"'), ("q3", "ok", '["roads","the clinic","the school"]')
    ]  # fmt: skip
    assert replay(run.path, Answering).event_hash == run.event_hash


def test_a_panel_stays_the_same_people_though_some_leave_and_others_come(tmp_path: Path) -> None:
    class Moving(Answering):
        """One leaves and one comes in each step."""

        surveys = (Survey("panel", ITEMS[:1], at=(0, 1, 2), of=Panel(9)),)

        def departures(self, society: SocietyView, rng: random.Random) -> list[Resident]:
            return [society.residents[0]]

        def arrivals(self, society: SocietyView, rng: random.Random) -> list[Arrival]:
            return [Arrival(persona=Persona(f"A tinker who came in step {society.world.step}."))]

    run = society(Moving(), tmp_path / "run.duckdb").run()
    waves = [set(agents) for _, agents in run.sql("SELECT step, list(agent) FROM answers GROUP BY ALL ORDER BY 1").rows]
    left = {agent for (agent,) in run.sql("SELECT agent FROM agent_changes WHERE change = 'departed'").rows}
    assert len(waves[0]) == 9
    assert len(left) == 2
    assert waves[0] & left
    assert waves[2] == waves[0] - left
    later = survey_run(run.path, [Survey("panel", ITEMS[:1], of=Panel(9))])
    assert later.respondents == len(waves[2])
    assert run.sql("SELECT list(agent ORDER BY agent) FROM answers WHERE job = 2").rows == [(sorted(waves[2]),)]
    (gone,) = sorted(left)[:1]
    assert interview(run.path, gone, ["Why did you leave?"])[0].outcome == "ok"


def test_a_rule_that_gives_no_answer_to_the_item_is_named(tmp_path: Path) -> None:
    class Wrong(Answering):
        def answer(self, resident: Resident, item: Item, rng: random.Random) -> Any:
            return 7

    with pytest.raises(HookError, match="`answer` of Wrong failed with ValueError: give a whole number from 1 to 5"):
        society(Wrong(), tmp_path / "run.duckdb", steps=1).run()


def test_surveys_of_agents_who_decide_by_a_rule_need_a_rule(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="The agents of Ruled decide by a rule, and no rule says how they answer"):
        society(Ruled(), tmp_path / "run.duckdb", steps=1).run()


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ([Survey("a", ITEMS, at=9)], "'a' is to be asked after step 9, and the run is to end after step 2"),
        ([Survey("a", ITEMS)], "'a' does not say when it is asked; give it at=.0, 2., or every=2"),
        ([POLL, POLL], "Two surveys are called 'poll'"),
    ],
)
def test_surveys_that_would_never_be_asked_are_refused(tmp_path: Path, declared: list[Survey], sentence: str) -> None:
    scenario = Village()
    scenario.surveys = declared
    with pytest.raises(SetupError, match=sentence):
        society(scenario, tmp_path / "run.duckdb").run()
    assert not (tmp_path / "run.duckdb").exists()


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: Survey("a", []), "The survey 'a' has no items"),
        (lambda: Survey("a", ["x"]), "holds 'x', which is no item"),  # type: ignore[list-item]
        (lambda: Survey("a/b", ITEMS), "A survey is called 'a/b'"),
        (lambda: Survey("a", [Likert("x", name="one"), Likert("y", name="one")]), "two items called 'one'"),
        (lambda: Survey("a", ITEMS, at=-1), "after step -1; give whole numbers from 0"),
        (lambda: Survey("a", ITEMS, every=0), "every=0; give a whole number from 1"),
        (lambda: Survey("a", ITEMS, of=30), "asked of 30; give Sample.30., Panel.30."),  # type: ignore[arg-type]
        (lambda: Survey("a", ITEMS, repeats=0), "repeats=0; give a whole number from 1"),
        (lambda: Sample(0), "Sample.0. is to be asked"),
    ],
)
def test_surveys_that_cannot_be_asked_are_refused_in_a_sentence(made: Any, sentence: str) -> None:
    with pytest.raises(SetupError, match=sentence):
        made()
