"""Growth and runs that begin with people who exist: nobody is lost for their language, nor what is known of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from populace.personas.formats import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import create_hub, open_hub
from populace.scenarios.village import Village
from populace.sim.fork import fork
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

PEOPLE = [
    {"text": "Une boulangère de Lyon qui se lève à trois heures du matin", "licence": "MIT", "age": 41},
    {"text": "Eine Imkerin mit zwölf Völkern am Rand von Freiburg", "source": "a book", "age": 52},
    {"text": "A locksmith who repairs church clocks near the harbour", "town": "Ghent"},
]

type Begin = Callable[..., FinishedRun]


@pytest.fixture(params=["jsonl", "hub"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "people.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PEOPLE))
    if request.param == "jsonl":
        return path
    with create_hub(tmp_path / "people.duckdb") as hub:
        list(import_files(hub, [path], ImportOptions()))
    return tmp_path / "people.duckdb"


@pytest.fixture
def grown(people: Path, tmp_path: Path) -> Begin:
    def begin(name: str = "grown", **growth: Any) -> FinishedRun:
        options = Growth.unlimited(**({"hub": people, "hops": 1, "fan_outs": (1,), "quality": True} | growth))
        return Society(GrowthOnly(), growth=options, out=tmp_path / f"{name}.duckdb").run()

    return begin


@pytest.mark.parametrize("language", ["en", pytest.param("de", marks=pytest.mark.slow)])
def test_whoever_is_given_is_not_rejected_for_their_language(grown: Begin, language: str) -> None:
    run = grown(language=language)
    given = run.sql("SELECT language, source, licence FROM personas WHERE hop = 0 ORDER BY ordinal").rows
    assert [row[0] for row in given] == ["fr", "de", "en"]
    assert (given[1][1], given[0][2]) == ("a book", "MIT")
    away = run.sql("SELECT count(*) FROM rule_results JOIN personas ON id = persona WHERE hop = 0").rows
    assert away == [(0,)]


@pytest.mark.slow
def test_rows_of_the_people_are_in_the_hub_that_grew_from_them(grown: Begin) -> None:
    run = grown()
    rows = run.sql("SELECT attributes::VARCHAR, licence FROM imports ORDER BY row").rows
    assert rows == [('{"age":41}', "MIT"), ('{"age":52}', None), ('{"town":"Ghent"}', None)]
    assert run.sql("SELECT name, rows FROM imported_files").rows == [("people.jsonl", 3)]
    with open_hub(run.path, write=True) as hub:
        assert hub.con.execute("SELECT count(*) FROM imports SEMI JOIN personas ON id = persona").fetchall() == [(3,)]
    assert replay(run.path, GrowthOnly).difference == ""


def test_whoever_is_drawn_brings_their_own_rows_alone(grown: Begin) -> None:
    run = grown(agents=1, hops=0)
    assert run.sql("SELECT count(*) FROM imports SEMI JOIN personas ON id = persona").rows == [(1,)]
    assert run.sql("SELECT count(*) FROM imports").rows == [(1,)]


def test_what_is_pseudonymised_in_people_is_pseudonymised_in_their_rows(tmp_path: Path) -> None:
    row = {"text": "Write to ada@example.org about clocks that chime", "mail": "ada@example.org", "age": 3}
    (tmp_path / "people.jsonl").write_text(json.dumps(row))
    growth = Growth.unlimited(hub=tmp_path / "people.jsonl", hops=0, personal="pseudonymise")
    run = Society(GrowthOnly(), growth=growth, out=tmp_path / "out.duckdb").run()
    ((text, attributes),) = run.sql("SELECT text, attributes::VARCHAR FROM personas JOIN imports ON persona = id").rows
    assert "ada@" not in text + attributes
    assert json.loads(attributes)["age"] == 3


@pytest.mark.slow
def test_a_run_with_these_people_keeps_their_rows_and_so_does_its_fork(people: Path, tmp_path: Path) -> None:
    growth = Growth.given(hub=people)
    run = Society(Village(), growth=growth, out=tmp_path / "run.duckdb", steps=1).run()
    forked = fork(run.path, Village, at=0, out=tmp_path / "fork.duckdb", steps=1).run()
    for one in (run, forked):
        assert one.sql("SELECT count(*), count(licence) FROM imports").rows == [(3, 1)]
