from typing import Any

import pytest

from populace.core.errors import SetupError
from populace.personas.persona import RelationKind
from populace.scenarios.public_consultation import PublicConsultation
from populace.scenarios.village import Village
from populace.sim.dynamics.declared import Intervention
from populace.sim.dynamics.world import World
from populace.sim.scenario import Scenario, check_interventions, check_scenario


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


@pytest.mark.parametrize(("written", "steps"), [("0,2, 8", (0, 2, 8)), ("[1]", (1,)), ("(4, 5)", (4, 5)), ("", ())])
def test_a_setting_of_several_values_is_written_with_commas(written: str, steps: tuple[int, ...]) -> None:
    assert PublicConsultation({"asked_at": written}).settings.asked_at == steps


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
    flood.effect(world)  # type: ignore[arg-type]
    assert world.suspended == [RelationKind.TRADE]
    ferry.effect(world)  # type: ignore[arg-type]
    assert world.suspended == []


def test_without_a_flood_nothing_intervenes() -> None:
    assert Village({"flood_at": 0}).interventions == ()


@pytest.mark.parametrize("at", [2.5, 0, -1, "3", True, None])
def test_an_intervention_comes_at_a_step(at: Any) -> None:
    with pytest.raises(SetupError, match=f"'flood' is to come at step {at!r}; give a whole number from 1"):
        Intervention(at=at, name="flood", news="The river rose.")


def test_an_intervention_that_would_never_come_is_refused_unless_it_is_optional() -> None:
    with pytest.raises(SetupError, match="'flood' is to come at step 4, and the run is to end after step 3"):
        check_interventions(Village({"flood_at": 4}), 3)
    check_interventions(Village({"lines": 1, "assistant": False}), 3)
    check_interventions(Village({"flood_at": 3}), 3)


def test_a_fork_takes_no_intervention_into_its_past() -> None:
    before, changed = Village({"flood_at": 6}), Village({"flood_at": 2})
    with pytest.raises(SetupError, match="step 2, and the fork begins after step 3; fork at step 1 or before"):
        check_interventions(changed, 8, before=before, after=3)
    check_interventions(before, 5, before=before, after=3)


@pytest.mark.parametrize("name", ["a/b", "../x", "a\\b", ".hidden", "two\nlines", "ends.", "x" * 65, " blank", 3])
def test_a_name_that_no_file_can_have_is_refused(name: Any) -> None:
    odd = type("Odd", (Errands,), {"name": name})
    with pytest.raises(SetupError, match=r"The scenario Odd (has no name|is called)"):
        check_scenario(odd())


def test_a_scenario_is_named_after_its_class() -> None:
    class MarketDay(Scenario):
        """Nothing else."""

    class SecondMarketDay(MarketDay):
        """Named after itself."""

    odd: Any = type("Odd", (Errands,), {})
    assert (MarketDay.name, SecondMarketDay.name, odd.name) == ("market_day", "second_market_day", Errands.name)
    check_scenario(MarketDay())


@pytest.mark.parametrize("name", ["village", "half awake", "a-b_c.2", "Dörfer", "村", "c++"])
def test_other_names_will_do(name: str) -> None:
    check_scenario(type("Fine", (Errands,), {"name": name})())


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999"])
def test_a_setting_is_a_finite_number(value: str) -> None:
    with pytest.raises(SetupError, match=f"Setting 'visited' of scenario 'village' cannot be '{value}'"):
        Village({"visited": value})


def test_a_kind_of_tie_that_does_not_exist_is_not_suspended() -> None:
    with pytest.raises(ValueError, match="'trde' is not a valid RelationKind"):
        World().suspend("trde")  # type: ignore[arg-type]


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


@pytest.mark.parametrize("wrong", [{"name": 5}, {"name": " "}, {"news": 5}, {"news": ""}, {"effect": 5}])
def test_an_intervention_has_a_name_and_news_and_a_function_or_no_effect(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"at": 1, "name": "flood", "news": "A flood."}
    with pytest.raises(SetupError, match="intervention"):
        Intervention(**given | wrong)
