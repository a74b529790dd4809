"""A society of a hub's people: so many as are wanted, who know each other."""

import json
from pathlib import Path
from typing import Any

import pytest
from ballots import Answering, Ballot
from hub_people import make_hub

from populace.analysis.summary import summarise
from populace.core.errors import SetupError
from populace.personas.hub.file import open_hub
from populace.personas.persona import Persona
from populace.personas.selection import SelectionSpec, select
from populace.sim.growth import Growth
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.society import Society


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 people in a circle, the first 100 of whom a selection keeps."""
    people = [Persona(f"Person {n} of the circle.") for n in range(300)]
    ties = [(people[n], people[(n + 1) % 300], "friendship", "friend") for n in range(300)]
    path = make_hub(tmp_path_factory.mktemp("hub") / "circle.duckdb", people, ties)
    with open_hub(path, write=True) as opened:
        select(opened, SelectionSpec(where="ordinal <= 100", name="first"))
    return path


def lived(out: Path, hub: Path, **options: Any) -> FinishedRun:
    growth = Growth.given(hub=hub, **options)
    return Society(Ballot(), growth=growth, model=Answering(), out=out, steps=1, seed=3).run()


def ties_of(run: FinishedRun) -> int:
    ((ties,),) = run.sql("SELECT count(*) FROM relations").rows
    return int(ties)


def test_thirty_of_three_hundred_keep_their_ties_and_the_run_says_so(hub: Path, tmp_path: Path) -> None:
    run = lived(tmp_path / "run.duckdb", hub, agents=30)
    assert ties_of(run) == 29
    ((drawn,),) = run.sql("SELECT drawn FROM runs").rows
    assert json.loads(drawn) == {"how": "snowball", "people": 30, "of_people": 300, "ties": 29, "of_ties": 300}
    with open_run(run.path) as stored:
        said = summarise(stored).drawn
    assert said == "30 of the hub's 300 people were drawn by snowball; 29 of 300 ties remain."
    assert run.drawn == said
    assert "29 of 300 ties remain." in run._repr_html_()


@pytest.mark.parametrize(
    ("how", "least"),
    [("snowball", 29), pytest.param("random", 0, marks=pytest.mark.slow)],
)
def test_every_way_of_drawing_is_the_same_again(how: str, least: int, hub: Path, tmp_path: Path) -> None:
    first, second = (lived(tmp_path / f"{n}.duckdb", hub, agents=30, draw=how) for n in range(2))
    assert first.event_hash == second.event_hash
    assert least <= ties_of(first) <= 29


def test_without_a_number_no_more_than_the_documented_240_live(hub: Path, tmp_path: Path) -> None:
    run = lived(tmp_path / "run.duckdb", hub)
    assert run.sql("SELECT count(*) FROM agents").rows == [(240,)]


def test_a_selection_is_drawn_from_alone(hub: Path, tmp_path: Path) -> None:
    run = lived(tmp_path / "run.duckdb", hub, agents=20, select="first")
    ((drawn,),) = run.sql("SELECT drawn FROM runs").rows
    assert json.loads(drawn) == {"how": "snowball", "people": 20, "of_people": 100, "ties": 19, "of_ties": 99}
    assert run.sql("SELECT max(split(text, ' ')[2]::INT) < 100 FROM personas").rows == [(True,)]


def test_a_way_of_drawing_that_does_not_exist_is_refused(hub: Path) -> None:
    with pytest.raises(SetupError, match="draw"):
        Growth.given(hub=hub, draw="lots")
