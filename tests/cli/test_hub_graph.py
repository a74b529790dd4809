"""`populace hub graph`: the figures, the picture, and what it refuses."""

import re
import shutil
from pathlib import Path

import orjson
import pytest

from populace.personas.hub import open_hub

from .conftest import Ask


@pytest.fixture(scope="module")
def made_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub of 40 people in a ring, with a shortcut."""
    from populace.personas.hub import create_hub

    with create_hub(path := tmp_path_factory.mktemp("town") / "town.duckdb") as hub:
        hub.con.execute(
            "INSERT INTO personas SELECT md5('p' || i), i, 'A baker & <b>singer</b> of house ' || i || '.', 'import', "
            "i % 3, NULL, 'en', NULL, NULL, NULL, NULL FROM range(1, 41) AS t(i)"
        )
        hub.con.execute(
            "INSERT INTO relations SELECT i, md5('p' || i), md5('p' || (i % 40 + 1)), 'work', 'rival', 1 "
            "FROM range(1, 41) AS t(i)"
        )
    return path


@pytest.fixture
def town(made_town: Path, folder: Path) -> Path:
    """A copy of it: `town.duckdb` in the folder."""
    shutil.copy(made_town, folder)
    return Path(made_town.name)


def test_the_figures_stand_beside_those_of_random_graphs(ask: Ask, town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    said = ask("hub", "graph", town)
    assert (said.code, said.complaint) == (0, "")
    assert re.search(r"│ people +│ *40 +│", said.out)
    assert "random graph" in said.out
    assert re.search(r"│ mean path in the largest part +│ +10.26 │", said.out)


def test_the_figures_come_as_json(ask: Ask, town: Path) -> None:
    found = orjson.loads(ask("hub", "graph", town, "--json").out)
    assert found["rows"][0] == {"what": "people", "number": 40}
    shape = {row["figure"]: row["this_hub"] for row in found["parts"][0]["rows"]}
    assert shape["longest path met"] == 20
    assert shape["mean path in the largest part"] == {"value": pytest.approx(400 / 39), "low": None, "high": None}


def test_text_by_the_stand_in_is_called_that_in_the_picture_and_beside_it(ask: Ask, town: Path) -> None:
    with open_hub(town, write=True) as hub:
        hub.con.execute("UPDATE personas SET model = 'procedural'")
    said = ask("hub", "graph", town, "--picture", "one.svg")
    assert "not a language model" in said.complaint
    assert "Text by the built-in generator" in Path("one.svg").read_text()
    assert "not a language model" in ask("hub", "export", town, "people.csv").complaint


def test_pictures_of_other_kinds_are_refused_before_anything_is_counted(ask: Ask, town: Path, folder: Path) -> None:
    said = ask("hub", "graph", town, "--picture", "town.png")
    said.complains(2, "ends in '.png'; a picture is written to .svg")
    assert said.out == ""
    ask("hub", "graph", town, "--picture", "nowhere/town.svg").complains(2, "nowhere/town.svg", "No such file")
    assert [path.name for path in folder.iterdir()] == ["town.duckdb"]


def test_a_picture_is_written_over_an_earlier_one_and_over_nothing_else(ask: Ask, town: Path, folder: Path) -> None:
    name = "town.svg"
    near = ("hub", "graph", town, "--picture", name)
    assert [ask(*near).code, ask(*near).code] == [0, 0]
    other = town.rename("city.duckdb")
    said = ask("hub", "graph", other, *near[3:])
    said.complains(2, f"'{name}' is there already and is no picture of the same file", "name another file")
    assert said.out == ""
    (folder / name).write_text("<p>mine</p>")
    ask("hub", "graph", other, "--picture", name).complains(2, "is there already")
    assert (folder / name).read_text() == "<p>mine</p>"


def test_a_run_file_is_a_hub(ask: Ask, run_file: Path) -> None:
    said = ask("hub", "graph", run_file)
    assert said.code == 0
    assert "The best connected" in said.out
