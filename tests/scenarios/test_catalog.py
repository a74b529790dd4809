from pathlib import Path

import pytest

from populace.core.errors import SetupError
from populace.scenarios.catalog import find_scenario, iter_scenarios, load_scenario
from populace.scenarios.village import Village

SCRIPT = '''
from populace.sim.scenario import Scenario

class Errands(Scenario):
    """Errands."""

    name = "errands"
'''


def test_what_ships_is_found_by_name() -> None:
    assert find_scenario("village") == (Village, None)
    assert Village in iter_scenarios()


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(SetupError, match=r"no scenario 'vilage' \(did you mean 'village'\?\)"):
        find_scenario("vilage")


def test_a_script_is_found_by_its_path(tmp_path: Path) -> None:
    script = tmp_path / "errands.py"
    script.write_text(SCRIPT)
    found, path = find_scenario(str(script))
    assert found.name == "errands"
    assert path == script


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "fails in line 1 with ZeroDivisionError"),
        ("x = 1", "must define one subclass of Scenario with a name; it has: none"),
        (
            SCRIPT + SCRIPT.replace("Errands(", "More(").replace('"errands"', '"more"'),
            "it has: Errands, More",
        ),
        (SCRIPT + "    settings_type = 5\n", "has the settings_type 5; give a class derived from Settings"),
        (SCRIPT + "    def __init__(self, a, b): pass\n", "cannot be made from its settings alone"),
    ],
)
def test_a_script_that_is_no_scenario_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    script = tmp_path / "bad.py"
    script.write_text(text)
    with pytest.raises(SetupError, match=said):
        load_scenario(script)


def test_a_script_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no scenario script"):
        find_scenario(str(tmp_path / "none.py"))
