import pytest

from populace.personas.errors import SetupError
from populace.personas.persona import RelationKind
from populace.scenarios.village import Village
from populace.sim.scenario import Scenario
from populace.sim.world import World


class Errands(Scenario):
    """What would people ask an assistant for?"""

    name = "errands"


def test_a_scenario_of_a_few_lines_has_every_default() -> None:
    scenario = Errands()
    assert scenario.summary() == "What would people ask an assistant for?"
    assert [action.name for action in scenario.actions] == ["instruction"]
    assert scenario.settings.neighbours == 6


def test_settings_are_parsed_from_words() -> None:
    assert Errands({"neighbours": "3"}).settings.neighbours == 3


def test_an_unknown_setting_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(SetupError, match=r"no setting 'flod_at' \(did you mean 'flood_at'"):
        Village({"flod_at": "2"})


def test_a_wrong_value_is_answered_with_name_value_and_reason() -> None:
    with pytest.raises(SetupError, match="Setting 'neighbours' of scenario 'errands' cannot be 'many'"):
        Errands({"neighbours": "many"})


def test_the_flood_suspends_trade_until_the_ferry() -> None:
    world = World()
    flood, ferry = Village({"flood_at": 2, "ferry_after": 1}).interventions
    assert (flood.at, ferry.at) == (2, 3)
    assert flood.effect is not None
    assert ferry.effect is not None
    flood.effect(world)
    assert world.suspended == [RelationKind.TRADE]
    ferry.effect(world)
    assert world.suspended == []


def test_without_a_flood_nothing_intervenes() -> None:
    assert [i.at for i in Village({"flood_at": 0}).interventions] == [0, 0]


def test_news_is_told_for_its_steps_and_then_forgotten() -> None:
    world = World()
    world.begin(4)
    world.announce("A flood.", steps=2)
    told = {}
    for step in (4, 5, 6):
        world.begin(step)
        told[step] = list(world.told)
    assert told == {4: ["A flood."], 5: ["A flood."], 6: []}
    assert world.news == []


def test_a_world_survives_its_json() -> None:
    world = World(step=3, values={"price": 1.5})
    world.suspend(RelationKind.TRADE)
    world.announce("News.")
    assert World.model_validate_json(world.model_dump_json()) == world
